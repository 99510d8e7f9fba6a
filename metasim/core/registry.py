"""One registry class for tasks, backends, robots and policies."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast

from metasim.core.errors import AlreadyRegistered, MissingDependency, UnknownName

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Names to items; an item may be ``"module:attribute"``, imported when first looked up.

    Args:
        kind: What is registered, used in messages (``"task"``).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T | str] = {}

    def register(self, name: str, item: T | str) -> T | str:
        """Register ``item`` under ``name`` and return it.

        Raises:
            AlreadyRegistered: If the name is taken by something else.
        """
        if name in self._items and self._items[name] != item:
            raise AlreadyRegistered(f"{self.kind} {name!r} is already registered as {self._items[name]!r}; pick another name")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        """Return the item, importing it when it was registered as a string.

        Raises:
            UnknownName: If nothing has that name.
            MissingDependency: If the item's module needs a package that is not installed.
        """
        if name not in self._items:
            raise UnknownName(self.kind, name, self._items)
        item = self._items[name]
        if isinstance(item, str):
            module, _, attribute = item.partition(":")
            try:
                item = cast(T, getattr(importlib.import_module(module), attribute))
            except ModuleNotFoundError as error:
                raise MissingDependency(
                    f"{self.kind} {name!r} needs the package {error.name!r}, which is not installed: "
                    f'pip install "metasim-robotics" with the extra that brings it (see `metasim doctor`)'
                ) from error
            self._items[name] = item
        return item

    def __contains__(self, name: object) -> bool:
        """Tell whether a name is registered, without importing it."""
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order of registration."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._items)
