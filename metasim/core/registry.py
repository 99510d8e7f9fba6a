"""One registry class for tasks, backends, robots and policies."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from metasim.core.errors import AlreadyRegistered, MissingDependency, UnknownName

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Names to items; an item may be ``"module:attribute"``, imported when first looked up.

    Args:
        kind: What is registered, used in messages (``"task"``).
        builtin: Module whose import registers the built-in items; imported at the first look-up.
        group: Entry-point group of third-party packages, loaded at the first look-up.

    Attributes:
        failures: Plug-in to the reason why it could not be loaded.
        listeners: Called with each name that is registered from now on.
    """

    def __init__(self, kind: str, *, builtin: str = "", group: str = "") -> None:
        self.kind = kind
        self.failures: dict[str, str] = {}
        self.listeners: list[Callable[[str], None]] = []
        self._builtin, self._group = builtin, group
        self._items: dict[str, T | str] = {}

    def register(self, name: str, item: T | str) -> T | str:
        """Register ``item`` under ``name`` and return it.

        Raises:
            AlreadyRegistered: If the name is taken by something else.
        """
        if name in self._items and self._items[name] != item:
            raise AlreadyRegistered(
                f"{self.kind} {name!r} is already registered as {self._items[name]!r}; pick another name"
            )
        self._items[name] = item
        for listener in self.listeners:
            listener(name)
        return item

    def __getitem__(self, name: str) -> T:
        """Return the item, importing it when it was registered as a string.

        Raises:
            UnknownName: If nothing has that name.
            MissingDependency: If the item's module needs a package that is not installed.
        """
        self.discover()
        if name not in self._items:
            broken = f"(not loaded: {self.failures})" if self.failures else ""
            raise UnknownName(self.kind, name, self._items, hint=broken)
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

    def discover(self) -> None:
        """Import the built-in items and the plug-ins, once; a plug-in that fails is kept in ``failures``."""
        builtin, group, self._builtin, self._group = self._builtin, self._group, "", ""
        if builtin:
            importlib.import_module(builtin)
        for entry in importlib.metadata.entry_points(group=group) if group else ():
            try:
                entry.load()
            except Exception as error:  # noqa: BLE001  a stranger's module may raise anything; it must not break ours
                self.failures[entry.name] = f"{type(error).__name__}: {error}"

    def __contains__(self, name: object) -> bool:
        """Tell whether a name is registered, without importing it."""
        self.discover()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order of registration."""
        self.discover()
        return iter(self._items)

    def __len__(self) -> int:
        """Return how many names there are."""
        self.discover()
        return len(self._items)
