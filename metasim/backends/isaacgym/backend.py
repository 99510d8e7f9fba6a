"""Isaac Gym backend: a worker process simulates, and a mirror of the canonical model shows.

The mirror is a MuJoCo batch that never steps: after each step it gets the worker's coordinates, and gives poses,
velocities, sensors, Jacobians and pictures by the canonical kinematics; starts, snapshots and parameters are written
there first, and from there to the worker. So everything but the dynamics is MuJoCo's, and means the same.

Approximations, besides those in ``drives.py``:

* states are float32, and joint limits hard; contacts have PhysX's softness, and roll and spin without friction;
* friction of a pair is the mean of both sides, fitted to MuJoCo's larger of the two (``shapes.py``);
* forces between declared pairs of bodies are not to be had: models that declare contacts are refused;
* PhysX hides its solver's past: a restored snapshot has the same coordinates, and continues alike but for contacts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from metasim.backends.isaacgym.drives import Drives
from metasim.backends.isaacgym.engine import Engine, missing
from metasim.backends.isaacgym.model import Frames, frames, make_actors, refuse
from metasim.backends.isaacgym.recipe import GROUPS, Recipe
from metasim.backends.isaacgym.state import Exchange, sane
from metasim.backends.mujoco import MujocoBackend
from metasim.core.backend import Start, world_rows
from metasim.core.errors import InvalidConfig, InvalidState, NotReady, UnsupportedFeature
from metasim.core.reads import FORCE_FIELDS
from metasim.core.state import State
from metasim.model import Model
from metasim.model.parameters import model_value, start_values

Array = Any
DEVICE = "METASIM_ISAACGYM_DEVICE"
"""Where PhysX runs: ``"cpu"``, or the number of a GPU (``"0"``, which is the default)."""
_PLACE = ("body_pos", "body_quat")
_BAD_STATE, _BAD_CONTROL = "position or velocity is not finite or too large", "control is not finite or too large"


class IsaacGymBackend(MujocoBackend):
    """N Isaac Gym worlds in a process of their own; ``workers`` are PhysX's threads."""

    name = "isaacgym"
    capabilities = frozenset({"wrench", "jacobian", "rgb", "depth", "segmentation", "mesh"})
    spacing_m: ClassVar[float] = 5.0
    """Distance between worlds, which share one space there; bodies must stay within half of it."""

    @classmethod
    def missing(cls) -> str:
        """Return what has to be installed, empty where an interpreter with Isaac Gym is named."""
        return missing()

    def __init__(self, num_worlds: int = 1, *, workers: int = 1) -> None:
        super().__init__(num_worlds, workers=workers)
        self._camera = None
        self._exchange: Any = None  # an Exchange, once loaded
        self._engine: Engine | None = Engine()

    def load(self, model: Model) -> None:
        """Load a compiled model into all worlds."""
        if self._engine is None or self._batch is not None:
            raise NotReady("this backend is closed or has a model already; launch another one")
        m = model.mj
        refuse(m)
        self._refuse_reads(model)
        with tempfile.TemporaryDirectory(prefix="metasim-isaacgym-") as folder:
            self._frames: Frames = frames(m)
            actors = make_actors(m, self._frames, Path(folder))
            joints = np.array([j for actor in actors for j in actor.joints], int)
            self._drives = Drives(m, model.info, joints)
            self._recipe = Recipe(m, self._frames, actors, self._drives)
            recipe = self._recipe.build(folder, self.num_worlds, self.workers, self.spacing_m, _device())
            self._shared = self._engine.load(self._recipe.forms(self.num_worlds), recipe)
        super().load(model)
        self._exchange = Exchange(m, self._frames, actors, joints)
        self._xpos, self._xquat = self._ready().bind("xpos"), self._ready().bind("xquat")
        self._xmat, self._xipos = self._ready().bind("xmat"), self._ready().bind("xipos")
        self._told: dict[str, Array] = {}
        self._take_drives()
        self.forward()  # what was bound just now is filled by the next pass only
        self._put(np.arange(self.num_worlds))

    def step(self, substeps: int = 1) -> State:
        """Advance every world."""
        b, engine = self._ready(), self._running()
        ctrl = np.array(self._targets.ctrl)
        stray = ~sane(ctrl) if ctrl.size else np.zeros(self.num_worlds, bool)
        ctrl[stray] = 0.0
        lost = ~sane(b.qpos, b.qvel) | self._diverged.any(axis=1)
        self._shared["target"][:] = self._drives.targets(ctrl, self._driven)
        self._recipe.wrenches(b.bind("xfrc_applied"), self._xipos, self._xpos, self._xmat, self._shared)
        engine.call("step", int(substeps))
        self._exchange.pull(self._shared["root"], self._shared["dof"], b.qpos, b.qvel)
        lost |= ~sane(b.qpos, b.qvel)
        failed = {int(i): _BAD_STATE for i in np.flatnonzero(lost)} | {
            int(i): _BAD_CONTROL for i in np.flatnonzero(stray)
        }
        if failed or self._failures:
            self._fail({**failed, **self._failures})
        return self.forward()

    def close(self) -> None:
        """End the worker."""
        super().close()
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def write(self, start: Start, worlds: Array | None = None) -> None:
        """Set joints, fixed bodies, sites and parameters of some worlds."""
        self._ready()
        for parameter, name in start_values(self._model, start):
            self._check_parameter(parameter, name)
        for name in start.bodies:
            self._check_parameter("body_pos", name)
        super().write(start, worlds)

    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        """Set a parameter per world; gravity cannot be, nor the mass of one of several bodies of a link."""
        self._ready()
        self._check_parameter(parameter, name)
        rows = world_rows(worlds, self.num_worlds)
        super().set_parameter(parameter, name, values, rows)
        self._send_parameters(rows)
        if parameter in _PLACE:
            self._put(rows)

    def _refresh(self, rows: Array) -> None:
        """Bring the mirror up to what was written, and the worker up to the mirror."""
        super()._refresh(rows)
        if self._exchange is not None:
            self._send_parameters(rows)
            self._put(rows)

    def _put(self, rows: Array) -> None:
        """Send the coordinates of some worlds to the worker."""
        b, shared = self._ready(), self._shared
        own = tuple(np.asarray(model_value(self._model, f) if b.expanded(f) is None else b.expanded(f)) for f in _PLACE)
        self._exchange.push(rows, b.qpos, b.qvel, shared["root"], shared["dof"])
        self._exchange.place(rows, (self._xpos, self._xquat), (own[0], own[1]), shared["root"])
        self._running().call("write", rows.tolist())

    def _send_parameters(self, rows: Array) -> None:
        """Send what the mirror has of its own in some worlds, and the worker does not know yet."""
        b, engine = self._ready(), self._running()
        for group, fields in GROUPS.items():
            held = {f: b.expanded(f) for f in fields}
            if all(v is None for v in held.values()):
                continue
            now = {f: np.asarray(model_value(self._model, f)) if v is None else np.asarray(v) for f, v in held.items()}
            for i in rows.tolist():
                row = {f: now[f] if v is None else now[f][i] for f, v in held.items()}
                mark = np.concatenate([np.ravel(a) for a in row.values()])
                known = self._told.setdefault(group, np.tile(self._recipe.marks(fields), (self.num_worlds, 1)))
                if not np.array_equal(known[i], mark):
                    known[i] = mark
                    engine.call(group, i, self._recipe.parameters(group, row))
        self._take_drives()

    def _take_drives(self) -> None:
        b = self._ready()
        gain, damping = (b.expanded(f) for f in ("actuator_gainprm", "dof_damping"))
        gains = np.asarray(self._model.mj.actuator_gainprm if gain is None else gain)[..., 0]
        self._driven = self._drives.properties(
            gains, np.asarray(self._model.mj.dof_damping if damping is None else damping)
        )

    def _fail(self, failures: Mapping[int, str]) -> None:
        """Put worlds at the initial state, where they stay until they are written; their targets stay the caller's."""
        rows = np.array(sorted(failures))
        kept = [np.array(a[rows]) for a in self._targets_arrays()]
        self.restore(self._initial, rows, np.zeros(len(rows), np.int64))
        for array, values in zip(self._targets_arrays(), kept, strict=True):
            array[rows] = values
        self._failures.update(failures)

    def _targets_arrays(self) -> tuple[Array, Array, Array]:
        return self._targets.ctrl, self._targets.mocap_pos, self._targets.mocap_quat

    def _check_parameter(self, parameter: str, name: str) -> None:
        """Raise for what Isaac Gym cannot set per world; names that are not there are left to others to refuse."""
        m, info = self._model.mj, self._model.info
        if parameter == "gravity":
            raise UnsupportedFeature("isaacgym has one gravity for all worlds; set it in the scene's Physics")
        if parameter not in ("mass", "inertia", *_PLACE) or name not in info.bodies:
            return
        body = info.index("body", name)
        if parameter in ("mass", "inertia"):
            self._recipe.check_alone(body, name)
        elif m.body_weldid[m.body_parentid[body]] or (m.body_weldid[body] and not m.body_dofnum[body]):
            raise InvalidState(f"body {name!r} hangs on a moving body; isaacgym can place fixed bodies and roots only")

    @staticmethod
    def _refuse_reads(model: Model) -> None:
        """Raise UnsupportedFeature for declared reads that Isaac Gym has nothing to give for."""
        forces = [*model.reads.contacts, *(set(model.reads.fields) & set(FORCE_FIELDS))]
        if forces:
            raise UnsupportedFeature(
                f"isaacgym cannot tell the force between two bodies, and the task reads {forces};"
                " leave them out of Reads(...), or use mujoco or pybullet"
            )

    def _running(self) -> Engine:
        if self._engine is None:
            raise NotReady("the isaacgym backend is closed")
        return self._engine


def _device() -> tuple[bool, int]:
    """Return whether PhysX runs on a GPU, and the number of that."""
    word = os.environ.get(DEVICE, "0")
    if word != "cpu" and not word.isdigit():
        raise InvalidConfig(f"{DEVICE} must be 'cpu' or the number of a GPU, got {word!r}")
    return (False, 0) if word == "cpu" else (True, int(word))
