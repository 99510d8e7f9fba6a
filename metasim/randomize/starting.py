"""Where varied episodes start: the task's own start, with what axes set on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.errors import InvalidState
from metasim.core.model import ModelInfo
from metasim.core.task import Task
from metasim.randomize.axis import AXES, SceneAxis, StartAxis
from metasim.randomize.variation import Variation, ordered, unvaried

Array = Any


def starts(
    task: Task, info: ModelInfo, start: Start, variations: Sequence[Variation | None]
) -> list[tuple[Array, Start]]:
    """Return where ``n`` worlds start, the task's own ``start`` varied, as parts that are written one by one.

    Returns:
        Rows ``(k,)`` among the ``n``, and their start; one part for each set of axes that occurs.
    """
    plain = unvaried(type(task))
    parts: dict[tuple[str, ...], list[int]] = {}
    for i, variation in enumerate(variations):
        axes = tuple(name for name, axis in ordered(variation) if isinstance(axis, (SceneAxis, StartAxis)))
        parts.setdefault(axes, []).append(i)
    found: list[tuple[Array, Start]] = []
    for axes, rows in parts.items():
        part = start if len(parts) == 1 else _taken(start, info, np.array(rows), len(variations))
        for name in axes:
            axis: Any = AXES[name]
            part = joined(part, axis.start(plain, info, [(variations[i] or {})[name] for i in rows]))
        found.append((np.array(rows), part))
    return found


def _taken(start: Start, info: ModelInfo, rows: Array, n: int) -> Start:
    """Return some rows of a start of ``n`` worlds; where it says one row for all, as engines let it, so does this."""

    def take(kind: str, key: Any, value: Array) -> Array:
        array, of_joint = np.asarray(value), kind in ("joints", "velocities")
        if array.ndim <= _row_dims(kind, key, info) or (of_joint and array.shape == (1,)):
            return array
        if len(array) != n:
            raise InvalidState(f"{kind} of {key!r} must have a row for each of {n} worlds, got shape {array.shape}")
        return array[rows]

    names = ("joints", "velocities", "bodies", "sites", "parameters", "scales")
    return Start(
        **{kind: {key: take(kind, key, value) for key, value in getattr(start, kind).items()} for kind in names}
    )


def _row_dims(kind: str, key: Any, info: ModelInfo) -> int:
    """Return how many dimensions an entry of a start has for one world: none of a number, one of a vector."""
    if kind in ("joints", "velocities"):
        return int(info.joint_types[info.index("joint", key)] in ("free", "ball"))
    return int(kind in ("bodies", "sites") or (kind == "parameters" and _is_vector(key[0])))


def _is_vector(parameter: str) -> bool:
    from metasim.model.parameters import WIDTHS  # with the model's own engine, without which variations are drawn

    return parameter in WIDTHS


def joined(base: Start, more: Start) -> Start:
    """Return one start of two: scales are multiplied, what else the second says replaces what the first does."""
    parameters, scales = {**base.parameters, **more.parameters}, dict(base.scales)
    for key, factor in more.scales.items():
        where = parameters if key in parameters else scales
        own = np.asarray(where.get(key, 1.0))
        wide = own.ndim == 2 or (where is parameters and _is_vector(key[0]))
        where[key] = own * (factor[:, None] if wide else factor)
    return Start(
        joints={**base.joints, **more.joints},
        velocities={**base.velocities, **more.velocities},
        bodies={**base.bodies, **more.bodies},
        sites={**base.sites, **more.sites},
        parameters=parameters,
        scales=scales,
    )
