"""The errors metasim raises: each says what was given, what was expected, and the nearest fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class MetasimError(Exception):
    """Root of every error that metasim raises on purpose."""


class UnknownName(MetasimError, KeyError):
    """A name that nothing is registered or compiled under.

    Args:
        kind: What was looked up, for example ``"task"`` or ``"joint"``.
        given: The name that was asked for.
        valid: The names that exist.
        hint: A sentence appended to the message.
    """

    def __init__(self, kind: str, given: object, valid: Iterable[str], hint: str = "") -> None:
        self.kind, self.given, self.valid = kind, given, tuple(valid)
        super().__init__(f"no {kind} named {given!r}; {nearest(str(given), self.valid)}{' ' + hint if hint else ''}")

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError would add."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by message, so that worker processes can hand errors on."""
        return (_rebuild, (type(self), str(self), {"kind": self.kind, "given": self.given, "valid": self.valid}))


class AlreadyRegistered(MetasimError):
    """A name that is taken."""


class MissingDependency(MetasimError, ImportError):
    """A package that an optional feature needs is not installed."""


class BrokenPlugin(MissingDependency):
    """Something that another package brings, and that cannot be imported from it."""


class InvalidConfig(MetasimError, ValueError):
    """A setting whose value or combination cannot work."""


class InvalidModel(MetasimError, ValueError):
    """An MJCF, URDF, mesh or scene that cannot be compiled."""


class UnsupportedFeature(MetasimError):
    """Something an engine cannot express; raised at load, never papered over."""


class InvalidAction(MetasimError, ValueError):
    """An action of the wrong shape, or with NaN or infinity in it."""


class InvalidState(MetasimError, ValueError):
    """A state to be written that has the wrong shape or is not finite."""


class UndeclaredRead(MetasimError, KeyError):
    """A task looked at something its ``reads`` does not declare."""

    def __init__(self, kind: str, given: object, declared: Iterable[str]) -> None:
        self.kind, self.given, self.declared = kind, given, tuple(declared)
        super().__init__(
            f"{kind} {given!r} is read but not declared; declare it in Reads(...)."
            f" Declared {kind} reads: {list(self.declared)}"
        )

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError would add."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by message, so that worker processes can hand errors on."""
        return (_rebuild, (type(self), str(self), {"kind": self.kind, "given": self.given, "declared": self.declared}))


class NotReady(MetasimError, RuntimeError):
    """A call that comes too early or too late: never reset, or already closed."""


class EngineFailure(MetasimError, RuntimeError):
    """The engine itself failed as a whole (a worker died, a library call raised)."""


class DatasetError(MetasimError):
    """A dataset file that is not what it should be."""


def _rebuild(cls: type[MetasimError], message: str, fields: Mapping[str, object]) -> MetasimError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    error.__dict__.update(fields)
    return error


def nearest(given: str, valid: Iterable[str], limit: int = 3) -> str:
    """Return ``did you mean [...]?`` for close names, else ``valid: [...]``."""
    names = sorted({str(v) for v in valid})
    lower = {n.lower(): n for n in names}
    close = [lower[c] for c in difflib.get_close_matches(given.lower(), list(lower), n=limit, cutoff=0.6)]
    if not close:
        tails = {n.lower().split("/")[-1]: n for n in names}
        close = [
            tails[c] for c in difflib.get_close_matches(given.lower().split("/")[-1], list(tails), n=limit, cutoff=0.5)
        ]
    if close:
        return f"did you mean {close}?"
    shown = names if len(names) <= 12 else [*names[:12], f"... {len(names) - 12} more"]
    return f"valid names: {shown}"
