"""Policies with parameters, in one string: ``NAME[:key=value,...]``, for example ``random-walk:sigma=0.2,theta=0.1``.

A policy's factory says which parameters it takes in an attribute ``parameters``, a tuple of :class:`Parameter`, and
takes each as a keyword. What they mean has one spelling only, the canonical one, which stands in data and results:
parameters in their declared order, those that have their default left out, numbers in their shortest form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metasim.core.errors import InvalidConfig, nearest

SEPARATOR = ":"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number that a policy can be told.

    Attributes:
        name: Its key.
        default: Its value unless told otherwise.
        low: Least value.
        high: Largest value.
        about: What it is, in a few words, with its unit.
    """

    name: str
    default: float
    low: float
    high: float
    about: str

    def __str__(self) -> str:
        """Return key, default and range: ``sigma=0.1 (0 to 10)``."""
        return f"{self.name}={_number(self.default)} ({_number(self.low)} to {_number(self.high)})"

    def checked(self, value: Any, policy: str) -> float:
        """Return a value as a number.

        Raises:
            InvalidConfig: If it is none, or out of range.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, bool) or not self.low <= number <= self.high:
            raise InvalidConfig(
                f"policy {policy!r}: {self.name} ({self.about}) must be a number of {_number(self.low)}"
                f" to {_number(self.high)}, got {value!r}"
            )
        return number + 0.0  # -0.0 is 0.0


@dataclass(frozen=True)
class Configured:
    """A factory of policies with values for its parameters; a factory itself.

    Attributes:
        factory: ``(task, num_worlds, **values) -> Policy``.
        values: Parameter to value.
    """

    factory: Any
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        """Say where the factory was defined, so that other processes load that file too."""
        object.__setattr__(self, "__module__", getattr(self.factory, "__module__", __name__))

    def __call__(self, task: Any, num_worlds: int) -> Any:
        """Return a policy."""
        return self.factory(task, num_worlds, **self.values)


def configured(name: str, text: str, factory: Any) -> Configured:
    """Return the factory that ``name:text`` means.

    Raises:
        InvalidConfig: For a key that the policy has not, a value out of range, or another syntax; the message
            lists keys and ranges.
    """
    known = {parameter.name: parameter for parameter in _parameters(factory)}
    values = dict[str, float]()
    for word in text.split(","):
        key, equals, value = (part.strip() for part in word.partition("="))
        if not known:
            raise InvalidConfig(f"policy {name!r} takes no parameters, got {text!r}")
        if not (equals and key and value) or key in values:
            reason = f"{key!r} is given twice" if key in values else f"{word!r} is not key=value"
            raise InvalidConfig(f"policy {name!r}: {reason}; write {_usage(name, list(known.values()))}")
        if key not in known:
            said = f"it has {', '.join(map(str, known.values()))}; {nearest(key, known)}"
            raise InvalidConfig(f"policy {name!r} has no parameter {key!r}; {said}")
        values[key] = known[key].checked(value, name)
    return Configured(factory, values)


def canonical(name: str, found: Configured) -> str:
    """Return the one spelling of a policy with these values."""
    told = [p for p in _parameters(found.factory) if found.values.get(p.name, p.default) != p.default]
    text = ",".join(f"{p.name}={_number(found.values[p.name])}" for p in told)
    return f"{name}{SEPARATOR}{text}" if text else name


def _parameters(factory: Any) -> Sequence[Parameter]:
    return tuple(getattr(factory, "parameters", ()))


def _usage(name: str, parameters: Sequence[Parameter]) -> str:
    text = ",".join(f"{p.name}={_number(p.default)}" for p in parameters)
    ranges = ", ".join(f"{p.name} {_number(p.low)} to {_number(p.high)}" for p in parameters)
    return f"{name}{SEPARATOR}{text}, with {ranges}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
