"""Axes that multiply what the model says: masses, friction, gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metasim.core.backend import BACKENDS, Start
from metasim.core.model import ModelInfo
from metasim.core.task import Task
from metasim.randomize.axis import StartAxis
from metasim.randomize.parts import parts_of
from metasim.randomize.ranges import Span, named, numbers

Json = Any
LEAST, MOST = 0.01, 100.0


def no_parameters(backend: str) -> str:
    """Return why an engine cannot vary parameters; empty where it can."""
    return "" if "parameters" in BACKENDS[backend].capabilities else "the engine has no parameters per world"


class Mass(StartAxis):
    """Value: a factor for the masses and inertias of all free objects."""

    name = "mass"
    summary = "Masses and inertias of free objects, scaled."
    span = Span(train=((0.8, 1.25),), test=((0.4, 0.8), (1.25, 2.5)))

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw the factor."""
        return self.span.draw(rng, split)

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks without a free object, and Bullet's links of several masses."""
        parts = parts_of(task)
        if not parts.objects:
            return "it has no free object"
        if backend == "pybullet" and parts.joined:
            return f"Bullet cannot change the mass of {parts.joined[0]!r}, which is joined of several bodies"
        return no_parameters(backend)

    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return the scales."""
        factor = numbers(self.name, value, LEAST, MOST)
        bodies = [body for tree in parts_of(task).objects.values() for body in tree]
        return Start(scales={("mass", body): factor for body in bodies})


class Friction(StartAxis):
    """Value: a factor for the sliding friction of everything that can touch: objects, gripper, table, arm.

    A contact has the larger friction of its two sides, so that scaling one side alone may do nothing.
    """

    name = "friction"
    summary = "Sliding friction of objects, gripper and table, scaled."
    span = Span(train=((0.9, 1.1),), test=((0.5, 0.9), (1.1, 1.6)))

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw the factor."""
        return self.span.draw(rng, split)

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks where nothing touches."""
        return no_parameters(backend) if parts_of(task).geoms else "nothing in it can touch anything"

    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return the scales."""
        factor = numbers(self.name, value, 0.0, MOST)
        return Start(scales={("friction", geom): factor for geom in parts_of(task).geoms})


class Gains(StartAxis):
    """Value: ``"arm"`` and, where there is one, ``"gripper"`` to a factor for the gains of its actuators."""

    name = "gains"
    summary = "Gains of the arm's and the gripper's actuators, scaled."
    span = Span(train=((0.9, 1.1),), test=((0.5, 0.9), (1.1, 1.6)))

    def sample(self, rng: np.random.Generator, split: str, task: type[Task]) -> Json:
        """Draw a factor for each group of actuators."""
        arm, gripper = self.span.draw(rng, split), self.span.draw(rng, split)
        return {"arm": arm, "gripper": gripper} if parts_of(task).gripper else {"arm": arm}

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse arms without actuators."""
        return no_parameters(backend) if parts_of(task).arm else "no actuators move its arm"

    def start(self, task: type[Task], info: ModelInfo, value: Sequence[Json]) -> Start:
        """Return the scales."""
        parts = parts_of(task)
        groups = {"arm": parts.arm, **({"gripper": parts.gripper} if parts.gripper else {})}
        factors = named(self.name, value, list(groups), 1.0)
        for factor in factors.values():
            numbers(self.name, factor.tolist(), LEAST, MOST)
        return Start(scales={("gain", a): factor for group, factor in factors.items() for a in groups[group]})


MASS, FRICTION, GAINS = Mass(), Friction(), Gains()
