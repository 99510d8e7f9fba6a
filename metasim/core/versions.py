"""Whether a version lies in a range such as ``">=0.1,<0.2"``; of pre-releases only the numbers count."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Numbers = tuple[int, ...]
_CLAUSE = re.compile(r"(~=|===|==|!=|>=|<=|>|<)\s*v?(\w+(?:\.\w+)*(?:\.\*)?)")
_RULES: Mapping[str, Callable[[Numbers, Numbers], bool]] = {
    ">=": lambda have, bound: have >= bound,
    ">": lambda have, bound: have > bound,
    "<=": lambda have, bound: have <= bound,
    "<": lambda have, bound: have < bound,
    "==": lambda have, bound: have == bound,
    "===": lambda have, bound: have == bound,
    "!=": lambda have, bound: have != bound,
}


def within(version: str, wanted: str) -> bool:
    """Tell whether a version keeps every clause of a range as packages write it (``>= > <= < == != ~=``, ``==1.2.*``).

    Clauses that are not understood are not judged.
    """
    have = numbers(version)
    return all(_keeps(have, sign, bound) for sign, bound in _CLAUSE.findall(wanted))


def numbers(version: str) -> Numbers:
    """Return the leading numbers of a version, none if it has none."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _keeps(have: Numbers, sign: str, bound: str) -> bool:
    limit = numbers(bound)
    if sign == "~=":  # at least this, and the same but for the last number
        return _keeps(have, ">=", bound) and have[: len(limit) - 1] == limit[:-1]
    if bound.endswith(".*"):
        return (have[: len(limit)] == limit) is (sign != "!=")
    width = max(len(have), len(limit))
    a, b = (v + (0,) * (width - len(v)) for v in (have, limit))
    return _RULES[sign](a, b)
