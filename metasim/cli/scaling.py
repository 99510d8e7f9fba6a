"""The option ``--ray``: where work runs."""

from __future__ import annotations

from typing import Annotated, Any

import tyro

_VALUE = "local|auto|HOST:PORT"


def _address(words: list[str]) -> str | None:
    if len(words) > 1:
        raise ValueError(f"one address at most, got {words}; put the tasks before --ray")
    if words and words[0] not in ("local", "auto") and ":" not in words[0]:
        raise ValueError(f"{words[0]!r} is no address ({_VALUE}); if it is a task, put it before --ray")
    return words[0] if words else "local"


def _is_address(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _words(value: str | None) -> list[str]:
    return [] if value is None else [value]


MaybeRay = Annotated[
    str | None,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*", metavar=f"[{_VALUE}]", instance_from_str=_address, is_instance=_is_address, str_from_instance=_words
    ),
]
"""An address of Ray, ``"local"`` where the option has no value, None where it is not given."""
