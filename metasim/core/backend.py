"""The contract of a physics engine: N worlds of one model, arrays ``(N, ...)`` in and out.

Life of a backend: construct with the number of worlds, ``load`` a model once, write ``targets``, ``step``, look at
``state``. Every method that takes ``worlds`` accepts ``(n,)`` integers, sorted and unique, or None for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from metasim.core.errors import InvalidConfig, InvalidState, NotReady, UndeclaredRead
from metasim.core.model import ModelInfo
from metasim.core.registry import Registry
from metasim.core.rendering import Places
from metasim.core.state import State

Array = Any

PARAMETERS: Mapping[str, str] = {
    "mass": "body",
    "inertia": "body",
    "friction": "geom",
    "damping": "joint",
    "gain": "actuator",
    "gravity": "",
    "body_pos": "body",
    "body_quat": "body",
    "site_pos": "site",
}
"""Per-world parameters and the kind of thing each belongs to; gravity belongs to the world. Where several are set at
once, they are in this order: a body's inertia comes after its mass, with which it would change."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What drives the worlds; writable arrays, used by the next step and kept until changed.

    Attributes:
        ctrl: ``(N, A)`` actuator controls in the units of each actuator (rad, m, rad/s, m/s, N, N m).
        mocap_pos: ``(N, M, 3)`` [m], world.
        mocap_quat: ``(N, M, 4)`` wxyz, world.
    """

    ctrl: Array
    mocap_pos: Array
    mocap_quat: Array


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where some worlds start: batched, one row per world, ``(n, ...)``.

    Attributes:
        joints: Joint name to positions ``(n, W)`` [rad or m; free joints position and quaternion wxyz]. Fewer than W
            columns set the leading ones and keep the rest.
        velocities: Joint name to velocities ``(n, V)``; joints named in ``joints`` only are set at rest.
        bodies: Name of a fixed body to its position ``(n, 3)`` [m] or pose ``(n, 7)`` in its parent's frame.
        sites: Site name to position ``(n, 3)`` [m] in its body's frame.
        parameters: Parameter and name, such as ``("friction", "floor")``, to values as for
            :meth:`Backend.set_parameter`. An episode's parameters are gone when the next one begins.
        scales: Parameter and name to what the model's own value is multiplied by, ``(n,)``, or ``(n, K)`` for one
            factor per component.
    """

    joints: Mapping[str, Array] = field(default_factory=dict[str, Array])
    velocities: Mapping[str, Array] = field(default_factory=dict[str, Array])
    bodies: Mapping[str, Array] = field(default_factory=dict[str, Array])
    sites: Mapping[str, Array] = field(default_factory=dict[str, Array])
    parameters: Mapping[tuple[str, str], Array] = field(default_factory=dict[tuple[str, str], Array])
    scales: Mapping[tuple[str, str], Array] = field(default_factory=dict[tuple[str, str], Array])


@dataclass(frozen=True, kw_only=True)
class Images:
    """Pictures of some worlds from one camera.

    Attributes:
        rgb: ``(n, H, W, 3)`` uint8, or None if not asked for.
        depth: ``(n, H, W)`` float32 [m] along the optical axis.
        segmentation: ``(n, H, W)`` int32 body index in the canonical model, -1 for the background.
    """

    rgb: Array = None
    depth: Array = None
    segmentation: Array = None


def _positive_int(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__") and value.__index__() >= 1


class Backend(ABC):
    """N worlds of one model in one engine. Methods stand in the same order in every backend.

    Args:
        num_worlds: N.
        workers: Threads (MuJoCo) or processes (PyBullet) that share the worlds; results do not depend on it.
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]

    def __init__(self, num_worlds: int = 1, *, workers: int = 1) -> None:
        if not _positive_int(num_worlds):
            raise InvalidConfig(f"num_worlds must be a positive integer, got {num_worlds!r}")
        if not _positive_int(workers):
            raise InvalidConfig(f"workers must be a positive integer, got {workers!r}")
        self.num_worlds, self.workers = int(num_worlds), int(workers)

    @classmethod
    def missing(cls) -> str:
        """Return what has to be installed before this engine runs here; empty where it does."""
        return ""

    # -- what is there ------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def info(self) -> ModelInfo:
        """Names and ranges of the loaded model.

        Raises:
            NotReady: Before ``load`` or after ``close``; so do all members below.
        """

    @property
    @abstractmethod
    def state(self) -> State:
        """The declared reads; one object whose views every step refreshes."""

    @property
    @abstractmethod
    def targets(self) -> Targets:
        """What drives the worlds; write into its arrays."""

    @property
    @abstractmethod
    def failures(self) -> Mapping[int, str]:
        """World to reason, for worlds that diverged since they were last written or restored."""

    # -- life ---------------------------------------------------------------------------------------------------
    @abstractmethod
    def load(self, model: Any) -> None:
        """Load a compiled ``metasim.model.Model`` into all worlds, at its initial state.

        Raises:
            UnsupportedFeature: If the engine cannot express the model, naming the element.
            NotReady: If a model is loaded already.
        """

    @abstractmethod
    def step(self, substeps: int = 1) -> State:
        """Advance every world by ``substeps`` physics steps with the present targets and wrenches."""

    @abstractmethod
    def forward(self, worlds: Array | None = None) -> State:
        """Refresh the declared positions and velocities from the coordinates, without advancing time."""

    @abstractmethod
    def reset(self, worlds: Array | None = None) -> None:
        """Put worlds back to the model's initial state, parameters and targets included."""

    @abstractmethod
    def close(self) -> None:
        """Free the engine; may be called twice."""

    # -- state --------------------------------------------------------------------------------------------------
    @abstractmethod
    def write(self, start: Start, worlds: Array | None = None) -> None:
        """Set joints, fixed bodies, sites and parameters of some worlds and refresh their state.

        Raises:
            UnknownName: For a joint, body, site or parameter that is not in the model.
            InvalidState: For a wrong shape, sign or values that are not finite; nothing is written.
        """

    @abstractmethod
    def write_state(self, qpos: Array, qvel: Array, worlds: Array | None = None) -> None:
        """Set all coordinates ``(n, nq)``, ``(n, nv)`` of some worlds and refresh their state."""

    @abstractmethod
    def snapshot(self, worlds: Array | None = None) -> Any:
        """Return an opaque copy of some worlds, one row each; restoring it continues bit-identically."""

    @abstractmethod
    def restore(self, snapshot: Any, worlds: Array | None = None, rows: Array | None = None) -> None:
        """Put rows ``(n,)`` of a snapshot (all in order by default) into worlds ``(n,)``, bit-exactly."""

    @abstractmethod
    def dump(self, worlds: Array | None = None) -> Array:
        """Return ``(n, D)`` float64 rows that ``load_dump`` can put into a fresh process."""

    @abstractmethod
    def load_dump(self, rows: Array, worlds: Array | None = None) -> None:
        """Put rows of ``dump`` into worlds."""

    # -- parameters and forces ----------------------------------------------------------------------------------
    @abstractmethod
    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        """Set a parameter of :data:`PARAMETERS` per world.

        Args:
            parameter: ``mass`` (n,) [kg, inertia scales along], ``inertia`` (n, 3) [kg m^2] about the body's principal
                axes, ``friction`` (n,) sliding, ``damping`` (n,)
                [N s/m or N m s/rad], ``gain`` (n,) position or velocity gain or effort scale, ``gravity`` (n, 3),
                ``body_pos`` (n, 3), ``body_quat`` (n, 4), ``site_pos`` (n, 3).
            name: Body, geom, joint, actuator or site; ``""`` for gravity.
            values: One row per world.
            worlds: Which worlds.
        """

    @abstractmethod
    def get_parameter(self, parameter: str, name: str) -> Array:
        """Return the parameter's present values, one row per world, as the engine holds them."""

    @abstractmethod
    def apply_wrench(self, body: str, wrench: Array, worlds: Array | None = None) -> None:
        """Apply force [N] and torque [N m] ``(n, 6)``, world axes, at the body's centre of mass, until changed."""

    @abstractmethod
    def mass_matrix(self, worlds: Array | None = None) -> Array:
        """Return the joint-space inertia ``(n, nv, nv)`` as this engine sees it."""

    @abstractmethod
    def jacobian(self, kind: str, name: str, worlds: Array | None = None) -> Array:
        """Return ``(n, 6, nv)``: linear rows over angular rows, world axes, of a ``"body"`` or ``"site"`` origin."""

    # -- pictures -----------------------------------------------------------------------------------------------
    @abstractmethod
    def render(
        self,
        camera: str,
        *,
        width: int = 256,
        height: int = 256,
        modes: tuple[str, ...] = ("rgb",),
        worlds: Array | None = None,
    ) -> Images:
        """Return pictures; modes are ``"rgb"``, ``"depth"`` and ``"segmentation"``."""

    # -- shared -------------------------------------------------------------------------------------------------
    def places(self, worlds: Array | None = None) -> Places:
        """Return where everything is in some worlds: what any renderer needs to draw them."""
        rows, info, own = world_rows(worlds, self.num_worlds), self.info, dict[str, Array]()
        if "parameters" in self.capabilities:
            for parameter, names in (("body_pos", info.bodies), ("body_quat", info.bodies), ("site_pos", info.sites)):
                values = [self.get_parameter(parameter, name)[rows] for name in names]
                own[parameter] = np.stack(values, axis=1) if values else None
        targets = self.targets
        return Places(
            qpos=self.state.qpos[rows], mocap_pos=targets.mocap_pos[rows], mocap_quat=targets.mocap_quat[rows], **own
        )

    def contact_force(self, a: str, b: str) -> Array:
        """Return the force on ``a`` from ``b`` ``(N, 3)`` [N], world, over the last substep; declared pairs only."""
        return self.state.contact(a, b).force.copy()

    def touching(self, a: str, b: str) -> Array:
        """Return ``(N,)`` bool: whether the declared pair was in contact in the last substep."""
        return self.state.contact(a, b).count > 0

    def __enter__(self) -> Backend:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


BACKENDS: Registry[type[Backend]] = Registry(
    "backend",
    group="metasim.backends",
    accepts=lambda item: isinstance(item, type) and issubclass(item, Backend),
)
BACKENDS.register("mujoco", "metasim.backends.mujoco:MujocoBackend")
BACKENDS.register("pybullet", "metasim.backends.pybullet:PybulletBackend")
BACKENDS.register("isaacgym", "metasim.backends.isaacgym:IsaacGymBackend")


def launch(backend: str, num_worlds: int = 1, *, workers: int = 1) -> Backend:
    """Return a backend by name with N empty worlds; ``load`` a model into it next.

    Raises:
        UnknownName: For a backend that is not registered.
        MissingDependency: If its engine is not installed.
    """
    return BACKENDS[backend](num_worlds, workers=workers)


def world_rows(worlds: Array | None, num_worlds: int) -> Array:
    """Return ``(n,)`` int rows, checked: within range, sorted, unique."""
    if worlds is None:
        return np.arange(num_worlds)
    rows = np.asarray(worlds)
    if rows.dtype == bool and rows.shape == (num_worlds,):
        return np.flatnonzero(rows)
    rows = rows.reshape(-1).astype(np.int64)
    if len(rows) and (rows[0] < 0 or rows[-1] >= num_worlds or np.any(np.diff(rows) <= 0)):
        raise InvalidState(f"worlds must be sorted, unique and in [0, {num_worlds}), got {rows.tolist()}")
    return rows


def finite_rows(what: str, values: Array, shape: tuple[int, ...]) -> Array:
    """Return ``values`` as float64 of ``shape`` (a single row is repeated), or raise InvalidState."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape == shape[1:]:
        array = np.broadcast_to(array, shape)
    if array.shape != shape:
        raise InvalidState(f"{what} must have shape {shape} (or one row {shape[1:]}), got {array.shape}")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1)).tolist()
        raise InvalidState(f"{what} has values that are not finite in rows {bad}")
    return array


__all__ = [
    "BACKENDS",
    "PARAMETERS",
    "Backend",
    "Images",
    "NotReady",
    "Start",
    "Targets",
    "UndeclaredRead",
    "finite_rows",
    "launch",
    "world_rows",
]
