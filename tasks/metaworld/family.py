"""What all Meta-World tasks share: the robot, the action, the observation of 39 numbers, the reset.

Frames: world, z up, table top at z = 0; lengths in metres.
Observation: hand (3), gripper opening (1), object position and quaternion (7), second object (7, zeros in most tasks),
the previous step's same 18 numbers, goal (3). The quaternion's order is the original's, which differs between tasks.
Action: three displacements of the hand's mocap target (1 cm at 1) and the gripper (-1 open, 1 closed).
Source: Yu et al., "Meta-World", arXiv:1910.10897, and the benchmark's version 3 (V2 rewards). Different here: goals are
always visible, ``reset(seed=)`` is obeyed, and first observations are never stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from metasim.control import MocapDelta
from metasim.core.errors import InvalidState
from metasim.core.factors import Uniform
from metasim.core.reads import Reads
from metasim.core.rewards import distance
from metasim.core.rotation import quat_mul
from metasim.core.scene import Asset, Physics, Scene, Weld
from metasim.core.state import Frame, State
from metasim.core.task import Memory, Prelude, Task

Array = Any

HAND_LOW_M, HAND_HIGH_M = (-0.5, 0.4, 0.05), (0.5, 1.0, 0.5)
GRIP = {"r_close": (-1.0, 1.0), "l_close": (1.0, -1.0)}
OBSERVED_LOW = np.array([-0.525, 0.348, -0.0525, -1.0])  # hand [m], gripper opening
OBSERVED_HIGH = np.array([0.525, 1.025, 0.7, 1.0])
OPENING_SCALE = np.array([1.0, 1.0, 1.0, 10.0])  # claws 0.1 m apart count as fully open
SETTLE_SUBSTEPS = 250
TINY_M = 1e-9  # a goal written down and read again may be off by its last digit
WELD = Weld(mocap="mocap", body="hand", relative_quat=(-1.0, 0.0, 0.0, 0.0), torque_scale=5.0)
_KINDS = {"body": "bodies", "site": "sites", "geom": "geoms"}
XYZW = (1, 2, 3, 0)
WXYZ = (0, 1, 2, 3)
ARM = Reads(
    bodies=("hand", "rightclaw", "leftclaw", "rightpad", "leftpad"), sites=("rightEndEffector", "leftEndEffector")
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where an observed position or quaternion comes from: a body, site or geom of the scene."""

    kind: str
    name: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    order: tuple[int, int, int, int] = WXYZ
    turned: tuple[float, float, float, float] | None = None  # wxyz, a fixed rotation seen from the body, site or geom

    def read(self, state: State) -> Frame:
        """Return the frame ``(N, ...)``."""
        return getattr(state, self.kind)(self.name)

    def quaternion(self, state: State) -> Array:
        """Return the quaternion ``(N, 4)`` in this source's order.

        The original computes those in the order xyzw from a rotation matrix, so that the largest component is positive.
        """
        quat = self.read(state).quat
        quat = quat[:, self.order] if self.turned is None else np.vecdot(quat[:, None, :], self._rows)
        if self.order == XYZW:
            quat[quat.max(axis=1) + quat.min(axis=1) < 0.0] *= -1.0
        return quat

    @property
    def reads(self) -> Reads:
        """Return what must be declared."""
        names = {kinds: (self.name,) for kind, kinds in _KINDS.items() if kind == self.kind}
        return Reads(**names)  # type: ignore[arg-type]

    @cached_property
    def _rows(self) -> Array:
        return quat_mul(np.eye(4), np.array(self.turned)).T[list(self.order)]


@dataclass(frozen=True)
class RandomVector(Uniform):
    """The original's random vector: uniform in a box, redrawn while object and goal are too close in xy.

    Args:
        apart_m: Least distance between the xy of the first and the second point; 0 for no second point.
        apart_from: The xy of a fixed point that the first is kept apart from instead, None for the second point.
    """

    apart_m: float = 0.0
    apart_from: tuple[float, float] | None = None

    def sample(self, rng: np.random.Generator, split: str) -> Array:
        """Draw one vector ``(K,)``."""
        while True:
            vector = super().sample(rng, split)
            if not self.apart_m or self._gap(vector) >= self.apart_m:
                return vector

    def check(self, value: Array) -> None:
        """Refuse vectors ``(n, K)`` that the original could not have drawn."""
        low, high = self.bounds("train")
        if value.shape[1:] != low.shape:
            return  # whoever draws says so
        outside = ((value < low - TINY_M) | (value > high + TINY_M)).any(axis=1)
        if outside.any():
            row = value[outside][0].tolist()
            raise InvalidState(f"{self.name} {row} is outside the task's range, {low.tolist()} to {high.tolist()}")
        if self.apart_m:
            gaps = self._gap(value)
            if (gaps < self.apart_m).any():
                raise InvalidState(
                    f"{self.name} {value[gaps.argmin()].tolist()} puts object and goal {gaps.min():.3f} m apart in xy;"
                    f" the task asks for at least {self.apart_m} m"
                )

    def _gap(self, value: Array) -> Array:
        other = value[..., 3:5] if self.apart_from is None else self.apart_from
        return np.hypot(*np.moveaxis(value[..., :2] - other, -1, 0))


def scene(name: str) -> Scene:
    """Return one of the original's scenes with the weld as the original sets it at run time."""
    return Scene(base=Asset(path=f"metaworld:sawyer_xyz/{name}.xml"), welds=(WELD,), physics=Physics(multiccd=False))


def tcp(state: State) -> Array:
    """Return the point between the fingertips ``(N, 3)``."""
    return (state.site("rightEndEffector").pos + state.site("leftEndEffector").pos) * 0.5


def funnel(radius: Array, mouth: float, slope: float, height: float) -> Array:
    """Return the height ``(N,)`` [m], at least 0, of a funnel that some rewards ask the hand to stay above.

    Args:
        radius: ``(N,)`` [m] horizontal distance from its axis.
        mouth: Radius within which the height is 0 [m].
        slope: Factor of the logarithm of the distance from the mouth [m].
        height: Height 1 m from the mouth [m].
    """
    return np.maximum(slope * np.log(np.maximum(radius - mouth, TINY_M)) + height, 0.0)


class MetaWorldTask(Task):
    """Base of the family; a task adds its table row, its reward and its success.

    Attributes:
        hand_init: Where the hand's target is held while the scene settles ``(3,)`` [m].
        tcp_init: Where the original notes the fingertips after settling ``(3,)`` [m]; rewards scale with it.
        position: Source of the observed object position.
        quaternion: Source of the observed quaternion, None for zeros.
        second: Source of the second object's position, None for zeros.
        second_quaternion: Source of its quaternion, None for zeros.
    """

    control = MocapDelta(low=HAND_LOW_M, high=HAND_HIGH_M, grip=GRIP)
    substeps = 5
    camera = "corner2"
    surfaces = {"table": ("tablelink",), "floor": ("floor",), "wall": ("RetainingWall",)}
    hand_init: ClassVar[tuple[float, float, float]]
    tcp_init: ClassVar[tuple[float, float, float]]
    position: ClassVar[Source]
    quaternion: ClassVar[Source | None] = None
    second: ClassVar[Source | None] = None
    second_quaternion: ClassVar[Source | None] = None

    def target(self, state: State, vector: Array) -> Array:
        """Return the goal ``(n, 3)`` for random vectors ``(n, K)``."""
        return vector[:, -3:]

    def constants(self, state: State, memory: Memory, vector: Array) -> Memory:
        """Return what the reward needs of the episode's start, ``(n, ...)`` each."""
        return {}

    def object_position(self, state: State) -> Array:
        """Return the observed object position ``(N, 3)``."""
        return self.position.read(state).pos + self.position.offset

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Return frame, goal and the reward's constants."""
        vector = sample["rand_vec"]
        frame = self._frame(state)
        memory = {"frame": frame, "previous": frame.copy(), "goal": np.array(self.target(state, vector))}
        return memory | self.constants(state, memory, vector)

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Shift the frames."""
        return {**memory, "frame": self._frame(state), "previous": memory["frame"]}

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return the 39 numbers by name."""
        frame, previous = memory["frame"], memory["previous"]
        return {
            "hand": frame[:, :3],
            "gripper": frame[:, 3:4],
            "object_pos": frame[:, 4:7],
            "object_quat": frame[:, 7:11],
            "object_2": frame[:, 11:18],
            "previous": previous,
            "goal": memory["goal"],
        }

    def bounds(self) -> Mapping[str, tuple[Array, Array]]:
        """Return the original's bounds: the hand's box and the opening are bounded, objects are not."""
        frame = np.full(14, np.inf)
        return {
            "hand": (OBSERVED_LOW[:3], OBSERVED_HIGH[:3]),
            "gripper": (OBSERVED_LOW[3:], OBSERVED_HIGH[3:]),
            "previous": (np.concatenate([OBSERVED_LOW, -frame]), np.concatenate([OBSERVED_HIGH, frame])),
        }

    def _frame(self, state: State) -> Array:
        frame = np.zeros((state.num_worlds, 18))
        arm = frame[:, :4]
        arm[:, :3] = state.body("hand").pos
        arm[:, 3] = distance(state.body("rightclaw").pos, state.body("leftclaw").pos)
        arm *= OPENING_SCALE
        np.maximum(arm, OBSERVED_LOW, out=arm)
        np.minimum(arm, OBSERVED_HIGH, out=arm)
        frame[:, 4:7] = self.object_position(state)
        if self.quaternion is not None:
            frame[:, 7:11] = self.quaternion.quaternion(state)
        if self.second is not None:
            np.add(self.second.read(state).pos, self.second.offset, out=frame[:, 11:14])
        if self.second_quaternion is not None:
            frame[:, 14:18] = self.second_quaternion.quaternion(state)
        return frame


def prelude(hand_init: tuple[float, float, float]) -> Prelude:
    """Return the settling that the original does before placing its objects: the hand goes to ``hand_init``."""
    return Prelude(
        mocap={"mocap": hand_init},
        mocap_quat=(1.0, 0.0, 1.0, 0.0),
        controls={"r_close": -1.0, "l_close": 1.0},
        substeps=SETTLE_SUBSTEPS,
    )
