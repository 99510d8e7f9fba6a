"""Tasks with a button on a box: button-press, button-press-topdown, and both behind a wall.

Notation of the rewards: o observed object position (the button's cap), t goal (the hole the button goes into), e the
distance of o and t along the button's way, c point between the fingertips, c0 the same at reset, h = |o - c|, open the
gripper's opening; T and H are ``tolerance`` and ``hamacher``. T(h) scales with |o - c0| of the button as it is now,
T(e) with the button's way at reset. All rewards are the original's V2 rewards, in [0, 10].
The joint ends 6 cm in, and success asks for 6.3 to 7.3 cm: a button has to be pressed into its soft stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from metasim.core.backend import Start
from metasim.core.reads import Reads
from metasim.core.rewards import distance, hamacher, tolerance
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.tasks.metaworld.family import MetaWorldTask, Source, tcp
from metasim.tasks.metaworld.table import BACK, body_start, task

Array = Any
READS = Reads(sites=("hole", "buttonStart"))
FRONT: dict[str, Any] = {
    "position": Source(kind="body", name="button", offset=(0.0, -0.193, 0.0)),
    "quaternion": Source(kind="body", name="button"),
    "hand_init": BACK,
    "reads": READS,
}
TOP: dict[str, Any] = {**FRONT, "position": Source(kind="body", name="button", offset=(0.0, 0.0, 0.193))}


class _Button(MetaWorldTask):
    """A button. Success: e at most ``success_m``.

    Attributes:
        axis: The axis of the button's way.
        success_m: Largest e that counts as pressed.
    """

    axis: ClassVar[int] = 1
    success_m: ClassVar[float]

    def target(self, state: State, vector: Array) -> Array:
        """Return the hole."""
        return state.site("hole").pos

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return c0, the goal along the button's way, and the length of the way."""
        deep = np.array(memory["goal"][:, self.axis])
        return {
            "tcp0": np.tile(self.tcp_init, (len(deep), 1)),
            "deep": deep,
            "way": abs(deep - state.site("buttonStart").pos[:, self.axis]),
        }

    def success(self, state: State, memory: Memory) -> Array:
        """Compare e with its bound."""
        return self._error(memory) <= self.success_m

    def _error(self, memory: Memory) -> Array:
        return abs(memory["deep"] - memory["frame"][:, 4 + self.axis])

    def _pressed(self, memory: Memory) -> Array:
        return tolerance(self._error(memory), 0.005, memory["way"])


@task("button-press", "sawyer_button_press", "press the button", (-0.1, 0.85, 0.115), (0.1, 0.9, 0.115),
      **FRONT)  # fmt: skip
class ButtonPress(_Button):
    """A button on the box's front."""

    start = body_start("box", "btnbox_joint", 0.0)
    success_m = 0.02

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 H(open, T(h)), plus 8 T(e) while near."""
        frame = memory["frame"]
        h = distance(frame[:, 4:7], tcp(state))
        near = tolerance(h, 0.05, distance(frame[:, 4:7], memory["tcp0"]))
        return 2.0 * hamacher(frame[:, 3], near) + (h <= 0.05) * 8.0 * self._pressed(memory)


@task("button-press-wall", "sawyer_button_press_wall", "reach past the wall and press the button",
      (-0.05, 0.85, 0.1149), (0.05, 0.9, 0.1151), **FRONT)  # fmt: skip
class ButtonPressWall(_Button):
    """A button on the box's front, with a wall before it."""

    start = body_start("box", "btnbox_joint", 0.0)
    success_m = 0.03

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 2 H((1 - open) / 2, T(h)) while far, else 4 + 2 open + 4 T(e)^2."""
        frame = memory["frame"]
        h, opening = distance(frame[:, 4:7], tcp(state)), frame[:, 3]
        near = tolerance(h, 0.01, distance(frame[:, 4:7], memory["tcp0"]))
        far = 2.0 * hamacher((1.0 - opening) * 0.5, near)
        return np.where(h > 0.07, far, 4.0 + 2.0 * opening + 4.0 * np.square(self._pressed(memory)))


class _Topdown(_Button):
    """A button on the box's top; it starts where it settled, half a millimetre above the end of its way."""

    axis = 2
    success_m = 0.024

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Place the box."""
        return Start(bodies={"box": sample["rand_vec"]})

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return 5 H(fingers, T(h)), plus 5 T(e) while near."""
        frame = memory["frame"]
        h = distance(frame[:, 4:7], tcp(state))
        near = tolerance(h, 0.01, distance(frame[:, 4:7], memory["tcp0"]))
        return 5.0 * hamacher(self.fingers(frame[:, 3]), near) + (h <= 0.03) * 5.0 * self._pressed(memory)

    def fingers(self, opening: Array) -> Array:
        """Return what the reward asks of the fingers: to be closed."""
        return 1.0 - opening


@task("button-press-topdown", "sawyer_button_press_topdown", "press the button down", (-0.1, 0.8, 0.115),
      (0.1, 0.9, 0.115), **TOP)  # fmt: skip
class ButtonPressTopdown(_Topdown):
    """A button on the box's top."""


@task("button-press-topdown-wall", "sawyer_button_press_topdown_wall", "reach over the wall and press the button down",
      (-0.1, 0.8, 0.115), (0.1, 0.9, 0.115), **TOP)  # fmt: skip
class ButtonPressTopdownWall(_Topdown):
    """A button on the box's top, with a wall before the box."""

    def fingers(self, opening: Array) -> Array:
        """Return what the reward asks of the fingers: to be open, the opposite of the task without a wall."""
        return opening
