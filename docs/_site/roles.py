"""Docstrings' roles, such as ``:class:`~metasim.core.task.Task` ``, become links of the reference."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")


class Roles(griffe.Extension):
    """Turns roles into cross-references where their target has an entry, and into code elsewhere."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through a package that has been loaded."""
        self._mend(pkg, pkg)

    def _mend(self, item: Any, package: griffe.Module) -> None:
        if item.docstring and ":`" in item.docstring.value:
            item.docstring.value = ROLE.sub(lambda found: _reference(found, item, package), item.docstring.value)
        for member in item.members.values():
            if not member.is_alias:
                self._mend(member, package)


def _reference(found: re.Match[str], item: Any, package: griffe.Module) -> str:
    """Return Markdown for one role: a link to where its target is defined, or code."""
    short, name = found.groups()
    text = name.rpartition(".")[2] if short else name
    target = _resolved(name, item, package)
    return f"[`{text}`][{target}]" if target else f"`{text}`"


def _resolved(name: str, item: Any, package: griffe.Module) -> str:
    """Return the dotted place where a name is defined, as seen from an item; empty if it has no entry."""
    try:
        path = name if name.startswith(f"{package.name}.") else item.resolve(name)
        target = package[path.removeprefix(f"{package.name}.")]
        target = target.final_target if target.is_alias else target
    except (griffe.GriffeError, KeyError):
        return ""
    public = target.has_docstring and not any(part.startswith("_") for part in target.path.split("."))
    return target.path if public else ""
