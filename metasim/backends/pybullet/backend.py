"""PyBullet backend: wiring only; one Bullet client per world, shared among processes.

Surprises of the engine, and where each is undone: frames, filters, damping and caches in ``world.py``; shapes in
``shapes.py``; friction and softness in ``surface.py``; welds, limits and actuators like MuJoCo's in ``control.py``;
its contact solver, which feels neither armature nor dampers, in ``inertia.py``; its rigid friction in ``friction.py``;
the interpreter lock in ``worker.py``.

Approximations:

* friction and softness belong to links, not to pairs (``surface.py``), and softness is that of deep penetration;
* meshes collide as their convex hulls of at most 256 corners; a contact's margin is put on the shapes;
* friction yields where MuJoCo's does, under great force, but sticks where that creeps at less than 0.1 m/s;
* a joint feels a change of its load one substep late: in an impact, a robot's armature counts for less than it has;
* the contact solver stops after 150 sweeps: the force between tightly pinched bodies may be a few per cent off.

``snapshot`` makes Bullet forget the contacts of the worlds it copies, so that copy and original continue alike; what
they do then differs a little from what they would have done otherwise. ``dump`` only looks, so its rows are exact for
worlds that were just written, restored, reset or copied. A world takes about 30 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metasim.backends.pybullet import dynamics, parameters, state
from metasim.backends.pybullet.camera import SoftwareCamera
from metasim.backends.pybullet.worker import Pool
from metasim.backends.pybullet.worlds import Job
from metasim.core.backend import Backend, Images, Start, Targets, finite_rows, world_rows
from metasim.core.errors import InvalidState, NotReady
from metasim.core.model import ModelInfo
from metasim.core.rendering import Places
from metasim.core.state import State
from metasim.model import Model
from metasim.model.parameters import index

Array = Any


class PybulletBackend(Backend):
    """N Bullet worlds; results are bit-identical at any number of processes and worlds."""

    name = "pybullet"
    capabilities = frozenset(
        {
            "mocap",
            "contact_force",
            "parameters",
            "wrench",
            "jacobian",
            "rgb",
            "depth",
            "segmentation",
            "soft_limits",
            "fields",
            "mesh",
        }
    )

    def __init__(self, num_worlds: int = 1, *, workers: int = 1) -> None:
        super().__init__(num_worlds, workers=workers)
        self._pool: Pool | None = None
        self._camera: SoftwareCamera | None = None
        self._closed = False

    @property
    def info(self) -> ModelInfo:
        """Names and ranges of the loaded model."""
        self._ready()
        return self._model.info

    @property
    def state(self) -> State:
        """The declared reads."""
        self._ready()
        return self._state

    @property
    def targets(self) -> Targets:
        """What drives the worlds."""
        self._ready()
        return self._targets

    @property
    def failures(self) -> Mapping[int, str]:
        """World to reason."""
        failed = self._ready().shared.failed
        return {int(i): state.FAILURES[int(failed[i])] for i in np.flatnonzero(failed)}

    def load(self, model: Model) -> None:
        """Load a compiled model into all worlds."""
        if self._closed or self._pool is not None:
            raise NotReady("this backend is closed or has a model already; launch another one")
        info = model.info
        job = Job(
            mj=model.mj,
            pairs=model.reads.contacts,
            layout=model.layout,
            kinds=info.actuator_kinds,
            home_qpos=info.home_qpos,
            home_ctrl=info.home_ctrl,
        )
        self._pool = Pool(job, state.shapes(model, self.num_worlds), self.workers)
        self._model, s = model, self._pool.shared
        self._state = State(model.layout, s.qpos, s.qvel, s.sensors, s.contacts, s.fields)
        self._targets = Targets(s.ctrl, s.mocap_pos, s.mocap_quat)
        self._initial = self._pool.call_rows("snapshot", np.zeros(1, np.int64))[0]

    def step(self, substeps: int = 1) -> State:
        """Advance every world."""
        self._ready().call("step", substeps)
        return self._state

    def forward(self, worlds: Array | None = None) -> State:
        """Refresh positions and velocities."""
        self._ready().call_rows("forward", world_rows(worlds, self.num_worlds))
        return self._state

    def reset(self, worlds: Array | None = None) -> None:
        """Put worlds back to the initial state."""
        rows = world_rows(worlds, self.num_worlds)
        self._ready()
        self.restore(self._initial, rows, np.zeros(len(rows), np.int64))

    def close(self) -> None:
        """Free the engine."""
        if self._camera is not None:
            self._camera.close()
        if self._pool is not None:
            self._pool.close()
        self._pool, self._closed = None, True

    def write(self, start: Start, worlds: Array | None = None) -> None:
        """Set joints, fixed bodies, sites and parameters of some worlds."""
        pool, rows = self._ready(), world_rows(worlds, self.num_worlds)
        placement = state.resolve(self._model, pool.shared, start, rows)
        settings = parameters.checked(self._model, start, len(rows))
        pool.call_rows("write", rows, replace(placement, settings=settings))

    def write_state(self, qpos: Array, qvel: Array, worlds: Array | None = None) -> None:
        """Set all coordinates of some worlds."""
        pool, rows, m = self._ready(), world_rows(worlds, self.num_worlds), self._model.mj
        positions = finite_rows("qpos", qpos, (len(rows), m.nq))
        pool.call_rows("write_state", rows, positions, finite_rows("qvel", qvel, (len(rows), m.nv)))

    def snapshot(self, worlds: Array | None = None) -> state.Snapshot:
        """Return an exact copy of some worlds."""
        parts = self._ready().call_rows("snapshot", world_rows(worlds, self.num_worlds))
        return state.join(parts, parameters.defaults(self._model.mj))

    def restore(self, snapshot: state.Snapshot, worlds: Array | None = None, rows: Array | None = None) -> None:
        """Put rows of a snapshot into worlds."""
        pool, ids = self._ready(), world_rows(worlds, self.num_worlds)
        chosen = np.arange(len(snapshot.states)) if rows is None else np.asarray(rows)
        if len(chosen) != len(ids):
            raise InvalidState(f"{len(chosen)} snapshot rows for {len(ids)} worlds")
        pool.call_rows("restore", ids, snapshot.take(chosen))

    def dump(self, worlds: Array | None = None) -> Array:
        """Return coordinates, targets and the controller's memory of some worlds, without per-world parameters."""
        return np.concatenate(self._ready().call_rows("dump", world_rows(worlds, self.num_worlds)))

    def load_dump(self, rows: Array, worlds: Array | None = None) -> None:
        """Put rows of ``dump`` into worlds."""
        pool, ids = self._ready(), world_rows(worlds, self.num_worlds)
        width = pool.call_rows("dump", np.zeros(1, np.int64))[0].shape[1]
        pool.call_rows("load_dump", ids, finite_rows("dump", rows, (len(ids), width)))

    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        """Set a parameter per world."""
        pool, rows = self._ready(), world_rows(worlds, self.num_worlds)
        k, checked = parameters.check(self._model, parameter, name, values, len(rows))
        pool.call_rows("set_parameter", rows, parameter, k, checked)

    def get_parameter(self, parameter: str, name: str) -> Array:
        """Return a parameter's present values."""
        pool = self._ready()
        return np.concatenate(pool.call("get_parameter", parameter, index(self._model, parameter, name)))

    def apply_wrench(self, body: str, wrench: Array, worlds: Array | None = None) -> None:
        """Apply force and torque at a body's centre of mass until changed."""
        pool, rows, k = self._ready(), world_rows(worlds, self.num_worlds), self._model.info.index("body", body)
        pool.call_rows("apply_wrench", rows, k, finite_rows("wrench", wrench, (len(rows), 6)))

    def mass_matrix(self, worlds: Array | None = None) -> Array:
        """Return the joint-space inertia."""
        return np.concatenate(self._ready().call_rows("mass_matrix", world_rows(worlds, self.num_worlds)))

    def jacobian(self, kind: str, name: str, worlds: Array | None = None) -> Array:
        """Return linear over angular rows of a body's or site's origin."""
        pool, rows = self._ready(), world_rows(worlds, self.num_worlds)
        return np.concatenate(pool.call_rows("jacobian", rows, kind, dynamics.frame(self._model, kind, name)))

    def render(
        self,
        camera: str,
        *,
        width: int = 256,
        height: int = 256,
        modes: tuple[str, ...] = ("rgb",),
        worlds: Array | None = None,
    ) -> Images:
        """Return pictures, drawn by the software renderer."""
        self._ready()
        rows = world_rows(worlds, self.num_worlds)
        if self._camera is None:
            self._camera = SoftwareCamera(self._model)
        return self._camera.render(self.places(rows), camera, width, height, modes)

    def places(self, worlds: Array | None = None) -> Places:
        """Return where everything is."""
        pool, rows = self._ready(), world_rows(worlds, self.num_worlds)
        found = [np.concatenate(part) for part in zip(*pool.call_rows("places", rows), strict=True)]
        own = dict(zip(("body_pos", "body_quat", "site_pos"), found, strict=True))
        s = pool.shared
        return Places(qpos=s.qpos[rows], mocap_pos=s.mocap_pos[rows], mocap_quat=s.mocap_quat[rows], **own)

    def _ready(self) -> Pool:
        if self._pool is None:
            what = "is closed" if self._closed else "has no model yet; call load(model) first"
            raise NotReady(f"the pybullet backend {what}")
        return self._pool
