"""Makes an episode of ours of a demo of a foreign file: nothing invented, nothing changed in silence, nothing lost.

What the format has no place for, and what was cut off, is kept in the episode's ``source``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import DatasetError
from metasim.datasets.episode import Episode, EpisodeInfo, TaskInfo
from metasim.datasets.exchange.foreign import Foreign
from metasim.datasets.exchange.labels import Labels, label
from metasim.datasets.schema import NO_ENGINE

Array = Any
Note = Callable[[str], None]
CUT = "cut"
_EXACT = 2**53  # whole numbers up to here are exact as float64


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What all demos of a task are made into.

    Attributes:
        task: Task id.
        instruction: What to do, if the demo itself does not say.
        policy: Label of who acted.
        period_s: Time per action; 0 for unknown.
        scale: What each column of the actions is divided by ``(A,)``; None for nothing.
        after: Row t of the observations was seen after action t.
        successful: Every demo succeeded at its last step.
    """

    task: str
    instruction: str
    policy: str
    period_s: float
    scale: Array | None
    after: bool
    successful: bool


def shaped(demo: Foreign, number: int, shape: Shape, note: Note) -> tuple[Episode, TaskInfo]:
    """Return a demo as an episode, and what it says of its task.

    Args:
        demo: The demo.
        number: Its number in the file, which becomes the episode's index.
        shape: What is known of all demos.
        note: Told what was decided.

    Raises:
        DatasetError: If it cannot be an episode of ours, with the reason.
    """
    actions, source = _actions(demo, shape), dict(demo.rest)
    if shape.scale is not None:
        source["action_scale"] = shape.scale
    labels = label(demo, shape.successful, note)
    steps = len(actions)
    obs, final, rows = _rows(demo, steps, shape.after, source, note)
    if rows != slice(0, steps):
        source |= _cut(demo, rows, steps)
        labels, actions = labels.cut(rows), actions[rows]
    source |= _originals(demo, labels, actions, rows)
    info = _info(demo, number, shape, labels, len(actions))
    pictures = {name: array for name, array in obs.items() if array.ndim > 2}
    numbers = {name: array for name, array in obs.items() if array.ndim <= 2}
    episode = Episode(
        info=info,
        obs={name: _numbers(array, name, demo.where) for name, array in numbers.items()} | pictures,
        final_obs={name: _numbers(final[name], name, demo.where) for name in numbers}
        | {name: final[name] for name in pictures},
        actions=actions,
        rewards=labels.rewards,
        terminated=labels.terminated,
        truncated=labels.truncated,
        success=labels.success,
        states=np.empty((len(actions) + 1, 0)),
        sample={},
        source=source,
    )
    _finite(episode, demo.where)
    return episode, _task(episode, shape)


def _actions(demo: Foreign, shape: Shape) -> Array:
    if demo.actions.ndim != 2 or demo.actions.dtype.kind not in "fiu":
        raise DatasetError(
            f"{demo.where}: actions must be (steps, size) numbers, they are {demo.actions.shape} {demo.actions.dtype}"
        )
    actions = demo.actions.astype(np.float64) / (1.0 if shape.scale is None else shape.scale)
    rounded = actions.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise DatasetError(f"{demo.where}: 'actions' has NaN or infinity")
    if rounded.size and np.abs(rounded).max() > 1:
        row, column = np.unravel_index(np.abs(rounded).argmax(), rounded.shape)
        raise DatasetError(
            f"{demo.where}: actions must lie in [-1, 1], column {column} is {actions[row, column]:g} in row {row}; "
            f"--scale-actions divides each column by its largest magnitude in the file, and keeps the scale"
        )
    return rounded


def _rows(
    demo: Foreign, steps: int, after: bool, source: dict[str, Array], note: Note
) -> tuple[dict[str, Array], dict[str, Array], slice]:
    """Return the observations before each action, the final ones, and which actions have both."""
    lengths = {name: len(array) if array.ndim else -1 for name, array in demo.obs.items()}
    for name, length in lengths.items():
        if length not in (steps, steps + 1) or length != next(iter(lengths.values())):
            raise DatasetError(f"{demo.where}: observation {name!r} has {length} rows for {steps} actions")
        if demo.obs[name].dtype.kind not in "fiub":
            raise DatasetError(f"{demo.where}: observation {name!r} is no numbers; leave it out (--leave-out {name})")
    if not lengths:
        raise DatasetError(
            f"{demo.where} has no observations; make them with the tool that recorded it "
            "(robomimic has dataset_states_to_obs for robosuite's)"
        )
    source |= {f"next_obs/{name}": array for name, array in demo.next_obs.items() if name not in demo.obs}
    if next(iter(lengths.values())) == steps + 1:
        source |= {f"next_obs/{name}": array for name, array in demo.next_obs.items()}
        return _split(demo.obs, slice(0, steps), steps)
    whole = set(demo.obs) <= set(demo.next_obs) and not after
    for name in set(demo.obs) & set(demo.next_obs):
        before, then = demo.obs[name], demo.next_obs[name]
        if then.shape != before.shape or then.dtype != before.dtype:
            raise DatasetError(f"{demo.where}: next_obs/{name} is {then.shape} {then.dtype}, obs/{name} {before.shape}")
        if not whole or not np.array_equal(then[:-1], before[1:], equal_nan=before.dtype.kind == "f"):
            source[f"next_obs/{name}"] = then
    if whole:
        return dict(demo.obs), {name: demo.next_obs[name][-1:] for name in demo.obs}, slice(0, steps)
    if steps < 2:
        raise DatasetError(f"{demo.where}: a demo of one step without next_obs has nothing seen after its action")
    if after:
        note("observations were seen after the action of their row: the first action of each demo is cut off")
        return _split(demo.obs, slice(1, steps), steps - 1)
    note("there is no next_obs: the last action of each demo is cut off, so that its observation is the final one")
    return _split(demo.obs, slice(0, steps - 1), steps - 1)


def _split(obs: Mapping[str, Array], rows: slice, last: int) -> tuple[dict[str, Array], dict[str, Array], slice]:
    before, final = ({name: array[part] for name, array in obs.items()} for part in (slice(last), slice(last, None)))
    return before, final, rows


def _cut(demo: Foreign, rows: slice, steps: int) -> dict[str, Array]:
    """Return the rows that were cut off, under ``cut/``."""
    off = slice(0, 1) if rows.start else slice(steps - 1, steps)
    return {f"{CUT}/{name}": array[off] for name, array in {"actions": demo.actions, **demo.rows}.items()}


def _originals(demo: Foreign, ours: Labels, actions: Array, rows: slice) -> dict[str, Array]:
    """Return the arrays of the file that the episode does not hold number by number."""
    dones = np.arange(len(actions)) == len(actions) - 1
    held = {**vars(ours), "dones": dones, "actions": actions}
    theirs = {"actions": demo.actions, **demo.rows}
    return {name: array for name, array in theirs.items() if not np.array_equal(array[rows], held[name])}


def _numbers(array: Array, name: str, where: str) -> Array:
    if array.dtype.kind in "iu" and array.size and max(abs(int(array.min())), int(array.max())) > _EXACT:
        raise DatasetError(f"{where}: observation {name!r} has whole numbers that 64-bit floats cannot hold")
    return array.reshape(len(array), -1).astype(np.float64)


def _finite(episode: Episode, where: str) -> None:
    for name, array in [*episode.obs.items(), *episode.final_obs.items(), ("rewards", episode.rewards)]:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DatasetError(f"{where}: {name!r} has NaN or infinity; leave it out (--leave-out {name})")


def _info(demo: Foreign, number: int, shape: Shape, labels: Labels, steps: int) -> EpisodeInfo:
    seed = demo.attributes.get("seed")
    known = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63
    success = labels.success
    return EpisodeInfo(
        num_samples=steps,
        task=shape.task,
        instruction=shape.instruction,
        backend=NO_ENGINE,
        policy=shape.policy,
        seed=seed if known else 0,  # type: ignore[arg-type]
        split="none",
        variation="none",
        episode=number,
        horizon=steps,
        success=bool(success.any()),
        success_last=bool(success[-1]),
        first_success_step=int(success.argmax()) + 1 if success.any() else -1,
    )


def _task(episode: Episode, shape: Shape) -> TaskInfo:
    numbers = {name: array for name, array in episode.obs.items() if array.ndim == 2}
    pictures = {name: array for name, array in episode.obs.items() if array.ndim > 2}
    return TaskInfo(
        instruction=shape.instruction,
        action_size=episode.actions.shape[1],
        observation=tuple((name, array.shape[1]) for name, array in numbers.items()),
        pictures=tuple((name, array.shape[1:], array.dtype.name) for name, array in pictures.items()),
        state_size={NO_ENGINE: 0},
        control_period_s=shape.period_s,
        model_digest="",
    )
