"""One registry class for tasks, backends, robots and policies."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from metasim.core.errors import AlreadyRegistered, BrokenPlugin, MissingDependency, UnknownName
from metasim.core.plugins import Plugin, find

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Names to items; an item may be ``"module:attribute"``, imported when first looked up.

    An entry point of another package that names an attribute, ``toy = "their.module:ToyBackend"``, is registered
    under its own name and imported when first looked up; one that names a module is imported at the first look-up of
    anything, and registers what it has by itself.

    Args:
        kind: What is registered, used in messages (``"task"``).
        builtin: Module whose import registers the built-in items; imported at the first look-up.
        group: Entry-point group of other packages.
        named: Whether an entry point's name may be that of an item; else they are all imported, to register.
        accepts: Tells whether something from another package is such an item; None for anything.

    Attributes:
        failures: Plug-in (its name, package and version) to the reason why it is not there.
        plugins: Name to the plug-in that registered it.
        listeners: Called with each name that is registered from now on.
    """

    def __init__(
        self,
        kind: str,
        *,
        builtin: str = "",
        group: str = "",
        named: bool = True,
        accepts: Callable[[object], bool] | None = None,
    ) -> None:
        self.kind, self.group, self._named, self._accepts = kind, group, named, accepts
        self.failures: dict[str, str] = {}
        self.plugins: dict[str, Plugin] = {}
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
            item = self._items[name] = self._import(name, item)
        return item

    def sound(self) -> Iterator[tuple[str, T]]:
        """Yield names and items, leaving out plug-ins that cannot be imported; ``failures`` has those."""
        for name in self:
            try:
                yield name, self[name]
            except MissingDependency:
                if name not in self.plugins:
                    raise

    def discover(self) -> None:
        """Import the built-in items and find the plug-ins, once; one that fails is kept in ``failures``."""
        builtin, group, self._builtin, self._group = self._builtin, self._group, "", ""
        if builtin:
            importlib.import_module(builtin)
        for plugin in find(group) if group else ():
            if plugin.refusal:
                self.failures[plugin.label] = plugin.refusal
                continue
            before = set(self._items)
            try:
                self._admit(plugin)
            except (Exception, SystemExit) as error:  # a stranger's module may do anything; it must not break ours
                self.failures[plugin.label] = f"{type(error).__name__}: {error}"
            self.plugins.update(dict.fromkeys(self._items.keys() - before, plugin))

    def _admit(self, plugin: Plugin) -> None:
        if plugin.attribute and self._named:
            self.register(plugin.name, f"{plugin.module}:{plugin.attribute}")
        else:
            importlib.import_module(plugin.module)

    def _import(self, name: str, where: str) -> T:
        module, _, attribute = where.partition(":")
        plugin = self.plugins.get(name)
        try:
            item = operator.attrgetter(attribute)(importlib.import_module(module))
            if plugin is not None and self._accepts is not None and not self._accepts(item):
                raise TypeError(f"{where} is {item!r}, which is no {self.kind}")
            return cast(T, item)
        except (Exception, SystemExit) as error:
            if plugin is not None:
                reason = self.failures[plugin.label] = f"{type(error).__name__}: {error}"
                raise BrokenPlugin(
                    f"{self.kind} {name!r} comes from the plug-in {plugin.label}, which cannot be loaded: {reason};"
                    " repair or uninstall that package"
                ) from error
            if not isinstance(error, ModuleNotFoundError):
                raise
            raise MissingDependency(
                f"{self.kind} {name!r} needs the package {error.name!r}, which is not installed: "
                f'pip install "metasim-robotics" with the extra that brings it (see `metasim doctor`)'
            ) from error

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
