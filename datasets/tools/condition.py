"""Conditions on episodes, such as ``success and return > 100``: read, checked and evaluated, never executed."""

from __future__ import annotations

import ast
import io
import operator
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

from metasim.core.errors import InvalidConfig, nearest
from metasim.datasets.episode import EpisodeInfo
from metasim.datasets.reader import Demo

Fact = str | int | float | bool
LONGEST = 2000
"""Characters of a condition."""
DEEPEST = 60
"""Levels of brackets, signs and words within one another."""
_RETURN = "return_"  # a word of Python's, which a condition may use as a name
_SUMS: Mapping[type, Callable[[Any, Any], Any]] = MappingProxyType(
    {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
     ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv}
)  # fmt: skip
_ORDERS: Mapping[type, Callable[[Any, Any], bool]] = MappingProxyType(
    {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
)
_EQUALITIES: Mapping[type, Callable[[Any, Any], bool]] = MappingProxyType({ast.Eq: operator.eq, ast.NotEq: operator.ne})
COUNTED = ("demo", "length", "return", "suite")
"""What can be asked beside the attributes of an episode: number in the file, steps, sum of rewards, first part of the
task's id."""
NAMES = (*(field.name for field in fields(EpisodeInfo)), *COUNTED)


class Facts(dict[str, Any]):
    """What is known of an episode; its return is only summed up if it is asked for."""

    def __init__(self, demo: Demo) -> None:
        info, number = demo.info, str(demo.group.name).rpartition("_")[2]
        suite = info.task.partition("/")[0]
        super().__init__(**vars(info), demo=int(number), length=info.num_samples, suite=suite)
        self._demo = demo

    def __missing__(self, name: str) -> Fact:
        if name != "return":
            raise KeyError(name)
        self[name] = total_reward(self._demo)
        return self[name]


def facts(demo: Demo) -> Facts:
    """Return what conditions can ask about an episode."""
    return Facts(demo)


def total_reward(demo: Demo) -> float:
    """Return an episode's sum of rewards."""
    return float(demo.array("rewards").sum())


class Condition:
    """What an episode must be like.

    Names are those of :data:`NAMES`; there are numbers, quoted texts, ``True`` and ``False``, ``and``, ``or``, ``not``,
    comparisons, ``in`` with a list in brackets or a text, and ``+ - * / // %`` on numbers.

    Args:
        text: The condition.

    Raises:
        InvalidConfig: If it is something else.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._check(self._tree)

    def holds(self, known: Mapping[str, Any]) -> bool:
        """Tell whether an episode is like that.

        Raises:
            InvalidConfig: If texts are compared with numbers, a division is by zero, or the outcome is no truth value.
        """
        value = self._value(self._tree, known)
        if not isinstance(value, bool):
            raise InvalidConfig(f"the condition {self.text!r} says {value!r}, which is neither true nor false")
        return value

    @cached_property
    def _tree(self) -> ast.expr:
        if len(self.text) > LONGEST:
            raise InvalidConfig(f"a condition has at most {LONGEST} characters, this one has {len(self.text)}")
        try:
            words = [
                (kind, _RETURN if kind == tokenize.NAME and word == "return" else word)
                for kind, word, *_ in tokenize.generate_tokens(io.StringIO(self.text.strip()).readline)
            ]
            tree = ast.parse(tokenize.untokenize(words).strip(), mode="eval").body
        except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
            raise InvalidConfig(
                f"cannot read the condition {self.text!r}: {getattr(error, 'msg', error)}; "
                f"expected for example \"success and return > 100 and task == 'metaworld/reach-v3'\""
            ) from None
        if _depth(tree) > DEEPEST:
            raise InvalidConfig(f"the condition {self.text!r} has more than {DEEPEST} things within one another")
        return tree

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=inside) | ast.Tuple(elts=inside) | ast.List(elts=inside) | ast.Set(elts=inside):
                pass
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=one):
                inside = [one]
            case ast.BinOp(left=left, right=right, op=op) if type(op) in _SUMS:
                inside = [left, right]
            case ast.Compare(left=left, ops=ops, comparators=others) if all(
                isinstance(op, ast.In | ast.NotIn) or type(op) in {**_ORDERS, **_EQUALITIES} for op in ops
            ):
                inside = [left, *others]
            case ast.Constant(value=str() | bool() | int() | float()):
                inside = []
            case ast.Name(id=name):
                given = "return" if name == _RETURN else name
                if given not in NAMES:
                    raise InvalidConfig(
                        f"the condition {self.text!r} asks for {given!r}; {nearest(given, NAMES)} "
                        f"(texts stand in quotes; names are {', '.join(NAMES)})"
                    )
                inside = []
            case _:
                raise InvalidConfig(
                    f"the condition {self.text!r} has {ast.unparse(node)!r}, which is not understood: there are names, "
                    f"numbers, quoted texts, comparisons, in, and, or, not, + - * / // %"
                )
        for one in inside:
            self._check(one)

    def _value(self, node: ast.expr, known: Mapping[str, Any]) -> Any:
        match node:
            case ast.BoolOp(op=op, values=values):
                wanted = isinstance(op, ast.Or)
                return any(self._truth(v, known) for v in values) if wanted else self._all(values, known)
            case ast.UnaryOp(op=ast.Not(), operand=one):
                return not self._truth(one, known)
            case ast.UnaryOp(op=op, operand=one):
                value = self._number(one, known)
                return -value if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right):
                try:
                    return _SUMS[type(op)](self._number(left, known), self._number(right, known))
                except (ZeroDivisionError, OverflowError) as error:
                    raise InvalidConfig(f"in the condition {self.text!r}, {ast.unparse(node)}: {error}") from None
            case ast.Compare(left=left, ops=ops, comparators=others):
                values = [self._value(one, known) for one in (left, *others)]
                return all(self._compared(op, a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
            case ast.Name(id=name):
                return known["return" if name == _RETURN else name]
            case ast.Constant(value=value):
                return value
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return tuple(self._value(one, known) for one in elements)
        raise AssertionError(f"{ast.dump(node)} has passed the check")

    def _all(self, values: list[ast.expr], known: Mapping[str, Any]) -> bool:
        return all(self._truth(value, known) for value in values)

    def _truth(self, node: ast.expr, known: Mapping[str, Any]) -> bool:
        value = self._value(node, known)
        if not isinstance(value, bool):
            raise InvalidConfig(f"in the condition {self.text!r}, {ast.unparse(node)} is {value!r}, not true or false")
        return value

    def _number(self, node: ast.expr, known: Mapping[str, Any]) -> float:
        value = self._value(node, known)
        if not isinstance(value, int | float):
            raise InvalidConfig(f"in the condition {self.text!r}, {ast.unparse(node)} is {value!r}, not a number")
        return value

    def _compared(self, op: ast.cmpop, a: Any, b: Any) -> bool:
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(b, tuple) and not (isinstance(a, str) and isinstance(b, str)):
                raise InvalidConfig(f"in the condition {self.text!r}, 'in' needs a list in brackets, or two texts")
            return (a in b) is isinstance(op, ast.In)
        if isinstance(a, str) is not isinstance(b, str) or isinstance(a, tuple) or isinstance(b, tuple):
            raise InvalidConfig(f"the condition {self.text!r} compares {a!r} with {b!r}")
        return {**_ORDERS, **_EQUALITIES}[type(op)](a, b)


def _depth(tree: ast.expr) -> int:
    """Return how many expressions stand within one another."""
    depth, level = 0, [tree]
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        depth += 1
    return depth
