"""A task: pure batched functions of state and memory, with its scene, control and randomness as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from metasim.core.array import namespace
from metasim.core.backend import Start
from metasim.core.control import Control
from metasim.core.errors import InvalidConfig
from metasim.core.factors import PLACES, Factor, draw
from metasim.core.reads import Reads
from metasim.core.registry import Registry
from metasim.core.scene import Asset, Scene
from metasim.core.seeding import EpisodeSeed
from metasim.core.state import State

Array = Any
Memory = dict[str, Array]


@dataclass(frozen=True, kw_only=True)
class Prelude:
    """What every world goes through once, before any episode: settling from the scene's initial state.

    Attributes:
        mocap: Mocap body to the position ``(3,)`` [m] it is held at.
        mocap_quat: Its orientation, wxyz.
        controls: Actuator to control value.
        substeps: Physics steps.
    """

    mocap: Mapping[str, tuple[float, float, float]] = field(default_factory=dict[str, tuple[float, float, float]])
    mocap_quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    controls: Mapping[str, float] = field(default_factory=dict[str, float])
    substeps: int = 0


class Task:
    """Base of all tasks; subclasses set the class attributes and override what they need.

    A task keeps nothing in ``self``: everything an episode needs beyond the state lives in ``memory``, a dict of
    ``(N, ...)`` arrays that the environment owns. All methods get and return ``(N, ...)`` arrays.

    Attributes:
        scene: What is there.
        control: What an action means.
        reads: What the task looks at.
        factors: What varies between episodes.
        prelude: Settling before the first episode.
        substeps: Physics steps per action.
        horizon: Steps until an episode is truncated; set by ``register``.
        instruction: One sentence in words; set by ``register``.
        camera: Name of the camera pictures are made with by default.
        surfaces: ``"table"``, ``"floor"`` or ``"wall"`` to names of the objects, bodies or geoms it consists of; what
            pictures can show made of another material.
        sizes: ``"train"`` and ``"test"`` to the factors by which sizes of its free objects may vary, empty for none;
            None where it does not mind.
        id: The registered id; set by ``register``.
        expert: A scripted policy ``(N, D) -> (N, A)``, or None.
    """

    scene: ClassVar[Scene]
    control: ClassVar[Control]
    reads: ClassVar[Reads] = Reads()
    factors: ClassVar[tuple[Factor, ...]] = ()
    prelude: ClassVar[Prelude] = Prelude()
    substeps: ClassVar[int] = 5
    camera: ClassVar[str] = ""
    surfaces: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    sizes: ClassVar[Mapping[str, tuple[float, ...]] | None] = None
    horizon: ClassVar[int] = 500
    instruction: ClassVar[str] = ""
    id: ClassVar[str] = ""
    expert: ClassVar[Callable[[Array], Array] | None] = None

    def sample(self, seed: EpisodeSeed) -> dict[str, Array]:
        """Draw what varies in one episode: factor name to value, for one world."""
        return draw(self.factors, seed)

    def start(self, sample: Mapping[str, Array]) -> Start:
        """Return where worlds start, given samples stacked to ``(n, ...)``; by default factors place their objects."""
        fields: dict[str, dict[Any, Array]] = {kind: {} for kind in PLACES}
        home = scene_poses(self.scene)
        for factor in self.factors:
            for kind, named in factor.place(np.asarray(sample[factor.name]), home).items():
                fields[kind].update(named)
        return Start(**fields)

    def begin(self, state: State, sample: Mapping[str, Array]) -> Memory:
        """Return the memory of episodes that begin in ``state``; ``sample`` holds what was drawn, ``(n, ...)`` each."""
        return {}

    def advance(self, state: State, memory: Memory, action: Array) -> Memory:
        """Return the memory after a step; called before observation and reward."""
        return memory

    def observe(self, state: State, memory: Memory) -> Mapping[str, Array]:
        """Return named observations ``(N, K)``; the flat observation is their concatenation in this order."""
        raise InvalidConfig(f"task {self.id or type(self).__name__!r} has no observe(state, memory)")

    def reward(self, state: State, memory: Memory, action: Array) -> Array:
        """Return ``(N,)`` rewards; by default 1 on success, else 0."""
        success = self.success(state, memory)
        xp = namespace(success)
        return xp.where(success, 1.0, 0.0)

    def success(self, state: State, memory: Memory) -> Array:
        """Return ``(N,)`` bool."""
        raise InvalidConfig(f"task {self.id or type(self).__name__!r} has no success(state, memory)")

    def terminated(self, state: State, memory: Memory) -> Array | None:
        """Return ``(N,)`` bool where the decision process itself ends; None for never."""
        return None

    def bounds(self) -> Mapping[str, tuple[Array, Array]]:
        """Return lower and upper bounds of named observations; unbounded where not named."""
        return {}


TASKS: Registry[type[Task]] = Registry("task", builtin="metasim.tasks", group="metasim.tasks", named=False)
T = TypeVar("T", bound=type[Task])


def register(id: str, *, horizon: int = 500, instruction: str = "", **attributes: Any) -> Callable[[T], T]:
    """Register a task class under ``<suite>/<name>-v<k>``.

    Args:
        id: The id, the same for ``metasim`` and ``gymnasium.make``.
        horizon: Steps until truncation.
        instruction: What to do, one sentence in words.
        **attributes: Further class attributes, for tables of similar tasks: registers a subclass that has them.

    Raises:
        InvalidConfig: For an id of another form, a class without scene or control, or factors of impossible names.
        AlreadyRegistered: If the id is taken.
    """
    suite, _, rest = id.partition("/")
    name, _, version = rest.rpartition("-v")
    if not (suite and name and version.isdigit()):
        raise InvalidConfig(f"a task id is '<suite>/<name>-v<number>', got {id!r}")

    def wrap(cls: T) -> T:
        for needed in ("scene", "control"):
            if needed not in attributes and not hasattr(cls, needed):
                raise InvalidConfig(f"task {id!r} needs the class attribute {needed!r}")
        _check_factors(id, attributes.get("factors", cls.factors))
        if not horizon >= 1:
            raise InvalidConfig(f"task {id!r}: horizon must be at least 1, got {horizon!r}")
        body = {"id": id, "horizon": int(horizon), "instruction": instruction, **attributes}
        if attributes or cls.__dict__.get("id", id) != id:
            body |= {"__doc__": cls.__doc__, "__module__": cls.__module__}
            TASKS.register(id, type(cls.__name__, (cls,), body))
            return cls
        TASKS.register(id, cls)
        for name, value in body.items():
            setattr(cls, name, value)
        return cls

    return wrap


def _check_factors(id: str, factors: tuple[Factor, ...]) -> None:
    """Refuse names under which a factor's values cannot be stored, with InvalidConfig."""
    names = [factor.name for factor in factors]
    odd = [name for name in names if not name or "/" in name or names.count(name) > 1]
    if odd:
        raise InvalidConfig(f"task {id!r}: names of factors must be unique and without '/', got {odd[0]!r}")


def scene_poses(scene: Scene) -> dict[str, Any]:
    """Return ``(7,)`` poses of the scene's objects and goals by name, and under ``kind:<name>`` how each is placed."""
    poses: dict[str, Any] = {}
    for name, item in scene.objects.items():
        poses[name] = np.array([*item.pos, *item.quat], float)
        fixed = isinstance(item, Asset) or item.fixed
        poses[f"kind:{name}"] = "bodies" if fixed else "joints"
    for name, goal in scene.all_goals.items():
        poses[name] = np.array([*goal.pos, 1.0, 0.0, 0.0, 0.0], float)
        poses[f"kind:{name}"] = "sites"
    return poses
