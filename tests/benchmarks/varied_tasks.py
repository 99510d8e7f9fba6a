"""Two tasks, three axes and some policies that a small protocol is made of."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.factors import Place
from metasim.core.policy import POLICIES
from metasim.core.scene import Box
from metasim.core.task import register
from metasim.core.task_files import load_task_module
from metasim.randomize.axis import AXES, LooksAxis, SceneAxis, StartAxis

Touch: Any = load_task_module(str(Path(__file__).parents[1] / "cli" / "my_task.py")).Touch
SHIFTED = "lbr_iiwa_joint_1"


@register("test/held-out-v0", horizon=30)
class HeldOut(Touch):
    """The goal's test range is another one."""

    factors = (Place("goal", low=(0.4, -0.2, 0.3), high=(0.6, 0.2, 0.7), test=((0.4, 0.3, 0.3), (0.6, 0.5, 0.7))),)


class Tint(LooksAxis):
    """Nothing that anybody sees."""

    name, summary = "toy-tint", "nothing"

    def sample(self, rng: np.random.Generator, split: str, task: Any) -> Any:
        """Draw a number."""
        return {"strength": rng.random()}

    def looks(self, value: Any) -> Any:
        """Set nothing."""
        return {}


class Turn(StartAxis):
    """The first joint starts turned."""

    name, summary = "toy-turn", "the first joint"

    def sample(self, rng: np.random.Generator, split: str, task: Any) -> Any:
        """Draw an angle [rad]."""
        return rng.uniform(0.2, 0.6)

    def start(self, task: Any, info: Any, value: Any) -> Start:
        """Set the joint."""
        return Start(joints={SHIFTED: np.array(value, float)[:, None]})


class Crowd(SceneAxis):
    """Boxes far away; PyBullet has none of it."""

    name, summary = "toy-crowd", "boxes"

    def sample(self, rng: np.random.Generator, split: str, task: Any) -> Any:
        """Draw how many."""
        return int(rng.integers(1, 3))

    def refuse(self, task: Any, backend: str) -> str:
        """Refuse PyBullet."""
        return "no boxes there" if backend == "pybullet" else ""

    def scene(self, scene: Any, task: Any, value: Any) -> Any:
        """Add them."""
        boxes = {f"box{i}": Box(size_m=(0.1, 0.1, 0.1), pos=(2.0, 0.5 * i, 0.05), fixed=True) for i in range(value)}
        return replace(scene, objects={**scene.objects, **boxes})


class Waves:
    """Actions of observation and time; says how many rows it saw, and can be told to look at pictures."""

    rows: set[int] = set()
    pictures: list[Any] = []

    def __init__(self, task: Any, num_worlds: int) -> None:
        self._n, self._t, self._seen = num_worlds, 0, False
        self.size = 7

    def reset(self, rows: Any, seeds: Any) -> None:
        """Begin."""
        self._t = 0
        assert len(rows) == len(seeds) == self._n

    def act(self, observation: Any) -> Any:
        """Return waves."""
        Waves.rows.add(len(observation))
        self._t += 1
        phases = observation.sum(axis=1, keepdims=True) + np.arange(self.size) + 0.3 * self._t
        return np.sin(math.pi * phases).astype(np.float32)


class Looking(Waves):
    """The same, with pictures that it forgets at once."""

    cameras = {"view": (8, 12)}

    def look(self, pictures: Any) -> None:
        """Count."""
        Waves.pictures.append(pictures["view"])


class Small(Waves):
    """For another robot."""

    def __init__(self, task: Any, num_worlds: int) -> None:
        super().__init__(task, num_worlds)
        self.size = 3


class Stubborn(Waves):
    """For another task."""

    def act(self, observation: Any) -> Any:
        """Multiply by a matrix of its own."""
        return observation @ np.zeros((39, 4))


class Elsewhere(Looking):
    """For another scene."""

    cameras = {"wrist": (8, 8)}


for _axis in (Tint(), Turn(), Crowd()):
    AXES.register(_axis.name, _axis)
for _name, _kind in {
    "toy-waves": Waves,
    "toy-looking": Looking,
    "toy-small": Small,
    "toy-stubborn": Stubborn,
    "toy-elsewhere": Elsewhere,
}.items():
    POLICIES.register(_name, _kind)


class Learned:
    """A factory of waves that says what it learned in."""

    def __init__(self, task: str) -> None:
        self.info = SimpleNamespace(algorithm="toy", backend="mujoco", task=task)

    def __call__(self, task: Any, num_worlds: int) -> Any:
        """Return the policy."""
        kind = task if isinstance(task, type) else type(task)
        assert kind.id == self.info.task
        return Waves(task, num_worlds)


POLICIES.register("toy-held", Learned("test/held-out-v0"))
POLICIES.register("toy-touch", Learned("lab/touch-v0"))
