"""Checks that say which field, what it holds and what was expected; and plain data made read-only."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from metasim.core.errors import MetasimError, nearest


class InvalidResults(MetasimError, ValueError):
    """Results that contradict themselves, or a file that is not a results file."""


def is_text(value: object) -> bool:
    """Whether ``value`` is a non-empty string."""
    return isinstance(value, str) and bool(value)


def is_count(value: object) -> bool:
    """Whether ``value`` is an integer of 0 or more; a bool is not an integer here."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite real number that a float can hold; a bool is not a number here."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def check_fields(
    tree: object,
    fields: Mapping[str, tuple[Callable[[Any], bool], str]],
    where: str,
    optional: Sequence[str] = (),
) -> None:
    """Check that ``tree`` is a mapping with exactly ``fields``, each of which passes its test.

    Args:
        tree: What to check.
        fields: Field name → (test, what the test expects in words).
        where: Path of ``tree``, the beginning of every message.
        optional: Fields that may be missing.

    Raises:
        InvalidResults: Naming the first field that is missing, unknown or wrong.
    """
    if not isinstance(tree, Mapping):
        raise InvalidResults(f"{where}: expected an object with {list(fields)}, got {shown(tree)}")
    for name in tree:
        if name not in fields:
            raise InvalidResults(f"{where}: unknown field {shown(name)}; {nearest(str(name), fields)}")
    for name, (test, expected) in fields.items():
        if name not in tree:
            if name not in optional:
                raise InvalidResults(f"{where}.{name}: missing; expected {expected}")
        elif not test(tree[name]):
            raise InvalidResults(f"{where}.{name}: expected {expected}, got {shown(tree[name])}")


def shown(value: object, limit: int = 80) -> str:
    """Return type and value in few words, for an error message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (Mapping, list, tuple)):
        return f"{'an object' if isinstance(value, Mapping) else 'a list'} of {len(value)}"
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python prints
        text = "an enormous integer"
    return f"{type(value).__name__} {text if len(text) <= limit else text[:limit] + '…'}"


def freeze(value: Any, where: str) -> Any:
    """Return JSON data deeply read-only: mappings with sorted keys, tuples, str, bool, int, float, None.

    Numbers of other libraries become int or float, lists become tuples.

    Raises:
        InvalidResults: Something JSON cannot hold, named by its path.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise InvalidResults(f"{where}: expected a finite number, got {value!r}")
        return float(value)
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item, f"{where}[{index}]") for index, item in enumerate(value))
    if isinstance(value, Mapping):
        odd = next((key for key in value if not isinstance(key, str)), None)
        if odd is not None:
            raise InvalidResults(f"{where}: expected names as keys, got {shown(odd)}")
        return MappingProxyType({key: freeze(value[key], f"{where}.{key}") for key in sorted(value)})
    raise InvalidResults(f"{where}: expected plain JSON data, got {shown(value)}; write str(...) or a mapping of it")


def thaw(value: Any) -> Any:
    """Return frozen JSON data as new dicts and lists."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    return [thaw(item) for item in value] if isinstance(value, tuple) else value
