"""What varies in N worlds: checked, put into the start, into steps and into pictures, copied and put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.backend import Backend, Start
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.looks import Looks
from metasim.core.rendering import RENDERERS
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.randomize.axis import AXES, SPLITS, SceneAxis, StepAxis, check, sample
from metasim.randomize.starting import starts
from metasim.randomize.variation import Channels, Variation, by_scene, looks_of, refuse, varied_task

Array = Any


class Varying:
    """The variations of N worlds.

    Args:
        task: The task.
        backend: The engine, loaded.
        action_size: A.

    Attributes:
        variations: What each world has now; None where nothing varies.
        channels: What stands between the policy and the worlds.
        at_steps: Whether anything does.
    """

    def __init__(self, task: Task, backend: Backend, action_size: int) -> None:
        self._task, self._backend = task, backend
        self.variations: list[Variation | None] = [None] * backend.num_worlds
        self.channels = Channels(type(task), backend.info, backend.num_worlds, action_size)
        self.at_steps = False

    def checked(self, rows: Array, variations: Sequence[Variation | None] | None) -> list[Variation | None]:
        """Return one variation per row, None where nothing varies.

        Raises:
            UnsupportedFeature: For a variation that this task or engine cannot have.
            InvalidConfig: For another number of them, or one that needs another scene.
        """
        if variations is None:
            return [None] * len(rows)
        if len(variations) != len(rows):
            raise InvalidConfig(f"{len(variations)} variations were given for {len(rows)} worlds")
        varied: list[Variation | None] = [dict(v) if v else None for v in variations]
        if any(varied) or hasattr(self._task, "scene_key"):
            refuse(type(self._task), self._backend.name, varied)
            self._check_values(varied)
        return varied

    def _check_values(self, varied: Sequence[Variation | None]) -> None:
        """Refuse values of steps and looks now: what starts are made of is refused before anything is written."""
        for variation in varied:
            renderer = Looks.from_json(looks_of(variation)).renderer
            if renderer and renderer not in RENDERERS:
                raise UnknownName("renderer", renderer, RENDERERS)
            for name, value in (variation or {}).items():
                axis = AXES[name]
                if isinstance(axis, StepAxis):
                    axis.check(self._backend.info, [value])

    def starts(self, start: Start, varied: Sequence[Variation | None]) -> list[tuple[Array, Start]]:
        """Return the task's own start, varied, as parts: rows among those of ``varied``, and their start."""
        if not any(varied):
            return [(np.arange(len(varied)), start)]
        return starts(self._task, self._backend.info, start, varied)

    def begin(
        self, rows: Array, seeds: Sequence[EpisodeSeed], varied: Sequence[Variation | None], looks: list[Looks | None]
    ) -> None:
        """Begin at steps and in ``looks``, of all N worlds, what varies in ``rows``; the engine has begun already."""
        for row, variation in zip(rows.tolist(), varied, strict=True):
            dressed = looks_of(variation)
            if dressed or looks_of(self.variations[row]):
                looks[row] = Looks.from_json(dressed) if dressed else None
            self.variations[row] = variation
        if self.at_steps or any(varied):
            self.at_steps = self.channels.begin(rows, seeds, varied)

    def snapshot(self) -> dict[str, Any]:
        """Return an exact copy."""
        return {"variations": list(self.variations), "channels": self.channels.snapshot()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Put it back."""
        self.variations = list(snapshot["variations"])
        self.at_steps = self.channels.restore(snapshot["channels"])


@dataclass(frozen=True, kw_only=True)
class Together:
    """Episodes that run in the same scene.

    Attributes:
        task: The task with that scene.
        indices: Which of those asked for.
        variations: One each.
    """

    task: type[Task]
    indices: tuple[int, ...]
    variations: tuple[Variation | None, ...]


def check_vary(vary: Mapping[str, str], task: type[Task], backend: str, *, scenes: bool = True) -> None:
    """Refuse axes along which a task or an engine cannot vary, and ranges that there are not.

    Args:
        vary: Axis to range.
        task: The task.
        backend: Name of the engine.
        scenes: Whether there can be axes that need a scene of their own.

    Raises:
        UnknownName: For an axis that is not registered.
        UnsupportedFeature: Naming the axis, the task and the reason.
        InvalidConfig: For another range than ``"train"`` or ``"test"``, or an axis that needs a scene of its own.
    """
    for axis, split in vary.items():
        if split not in SPLITS:
            raise InvalidConfig(f"axis {axis!r} has the ranges {' and '.join(SPLITS)}, got {split!r}")
        if not scenes and isinstance(AXES[axis], SceneAxis):
            raise InvalidConfig(
                f"axis {axis!r} needs a model for each of its values, which all worlds and episodes here share;"
                " use metasim.randomize.varied_task for one of them, or `metasim eval --vary`"
            )
    check(tuple(vary), task, backend)


def draw_variations(
    vary: Mapping[str, str], episodes: Any, seeds: Sequence[EpisodeSeed]
) -> list[Variation | None] | None:
    """Return one variation per seed for worlds that are to vary so; None for nothing varied."""
    if not vary:
        return None
    classes = episodes.classes
    return [sample(vary, classes[seed.task], seed) for seed in seeds]


def planned(task: type[Task], vary: Mapping[str, str], seeds: Sequence[EpisodeSeed]) -> list[Together]:
    """Draw the variations of some episodes and put together those that run in the same scene, in order.

    Args:
        task: The task.
        vary: Axis to ``"train"`` or ``"test"``; empty for nothing varied.
        seeds: One an episode.
    """
    drawn: list[Variation | None] = [sample(vary, task, seed) if vary else None for seed in seeds]
    return [
        Together(
            task=varied_task(task, drawn[indices[0]]),
            indices=tuple(indices),
            variations=tuple(drawn[i] for i in indices),
        )
        for indices in by_scene(enumerate(drawn)).values()
    ]
