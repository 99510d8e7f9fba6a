"""MuJoCo backend: wiring only; one ``mujoco.batch.Batch`` steps all worlds on a C++ thread pool.

Surprises of the engine, and where each is undone:

* after ``mj_step`` poses are one substep older than the coordinates: ``state.Kinematics`` brings them up to date;
* a world with NaN is silently reset to its initial state: ``state.failed_worlds`` reads the warning counters;
* every warning is also appended to ``MUJOCO_LOG.TXT`` in the working directory: ``load`` switches that file off;
* a forward pass without forces leaves contact sensors of *another* world in the batch: contacts are kept here,
  copied after a step;
* a site compiled at its body's frame ignores writes to ``site_pos``: the model compiler clears that mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mujoco import batch

from metasim.backends.mujoco import parameters, state
from metasim.backends.mujoco.camera import Camera
from metasim.backends.mujoco.fields import Fields
from metasim.core.backend import Backend, Images, Start, Targets, finite_rows, world_rows
from metasim.core.errors import NotReady
from metasim.core.model import ModelInfo
from metasim.core.rendering import Places
from metasim.core.state import State
from metasim.model import Model

Array = Any


class MujocoBackend(Backend):
    """N MuJoCo worlds; results are bit-identical at any number of threads and worlds."""

    name = "mujoco"
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
        self._batch: batch.Batch | None = None
        self._closed = False
        self._failures: dict[int, str] = {}

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
        self._ready()
        return self._failures

    def load(self, model: Model) -> None:
        """Load a compiled model into all worlds."""
        if self._closed or self._batch is not None:
            raise NotReady("this backend is closed or has a model already; launch another one")
        state.write_no_log_file()
        self._model = model
        self._batch = b = batch.Batch(model.mj, nsim=self.num_worlds, nthread=self.workers)
        self._kinematics = state.Kinematics(b, model)
        self._fields = Fields(b, model, self._kinematics)
        self._state, self._targets, self._contacts = state.views(b, model, self._fields.values)
        self._contact_sensors = state.contact_sensors(b, model)
        self._diverged = b.warning[:, state.DIVERGED, 1]
        self._camera: Camera | None = None
        state.write_home(b, model.info)
        self.forward()
        self._initial = self.snapshot(np.zeros(1, np.int64))

    def step(self, substeps: int = 1) -> State:
        """Advance every world."""
        b = self._ready()
        try:
            b.step(nstep=substeps)
        except batch.SimulationError as error:
            self._failures.update({int(i): b.error(int(i)) for i in error.ids})
        if self._contacts.size:
            self._contacts[:] = self._contact_sensors
        self._fields.after_step()
        self._kinematics.after_step()
        if self._diverged.any():
            state.failed_worlds(b, self._failures)
        return self._state

    def forward(self, worlds: Array | None = None) -> State:
        """Refresh positions and velocities."""
        self._ready()
        rows = None if worlds is None else world_rows(worlds, self.num_worlds)
        self._kinematics(rows)
        self._fields.after_forward(rows)
        return self._state

    def reset(self, worlds: Array | None = None) -> None:
        """Put worlds back to the initial state."""
        self._ready()
        rows = world_rows(worlds, self.num_worlds)
        self.restore(self._initial, rows, np.zeros(len(rows), np.int64))

    def close(self) -> None:
        """Free the engine."""
        if self._batch is not None and self._camera is not None:
            self._camera.close()
        self._batch, self._closed = None, True

    def write(self, start: Start, worlds: Array | None = None) -> None:
        """Set joints, fixed bodies, sites and parameters of some worlds."""
        b, rows = self._ready(), world_rows(worlds, self.num_worlds)
        values = parameters.checked(self._model, start, len(rows))
        state.write_start(b, self._model, self._targets, start, rows)
        parameters.set_parameters(b, self._model, values, rows)
        self._refresh(rows)

    def write_state(self, qpos: Array, qvel: Array, worlds: Array | None = None) -> None:
        """Set all coordinates of some worlds."""
        b, rows = self._ready(), world_rows(worlds, self.num_worlds)
        positions = finite_rows("qpos", qpos, (len(rows), self._model.mj.nq))
        b.qvel[rows] = finite_rows("qvel", qvel, (len(rows), self._model.mj.nv))
        b.qpos[rows] = positions
        self._refresh(rows)

    def snapshot(self, worlds: Array | None = None) -> state.Snapshot:
        """Return an exact copy of some worlds."""
        rows = world_rows(worlds, self.num_worlds)
        return state.take_snapshot(self._ready(), self._contacts, self._fields.values, rows)

    def restore(self, snapshot: state.Snapshot, worlds: Array | None = None, rows: Array | None = None) -> None:
        """Put rows of a snapshot into worlds."""
        b, ids = self._ready(), world_rows(worlds, self.num_worlds)
        chosen = np.arange(len(ids)) if rows is None else np.asarray(rows)
        state.put_snapshot(b, self._model, snapshot, ids, chosen)
        self._refresh(ids)
        self._contacts[ids], self._fields.values[ids] = snapshot.contacts[chosen], snapshot.seen[chosen]

    def dump(self, worlds: Array | None = None) -> Array:
        """Return the integration state of some worlds; exact for worlds without per-world parameters."""
        return np.array(self._ready().state[world_rows(worlds, self.num_worlds)])

    def load_dump(self, rows: Array, worlds: Array | None = None) -> None:
        """Put rows of ``dump`` into worlds."""
        b, ids = self._ready(), world_rows(worlds, self.num_worlds)
        b.state[ids] = finite_rows("dump", rows, (len(ids), b.nstate))
        self._refresh(ids)

    def set_parameter(self, parameter: str, name: str, values: Array, worlds: Array | None = None) -> None:
        """Set a parameter per world."""
        b, rows = self._ready(), world_rows(worlds, self.num_worlds)
        one = Start(parameters={(parameter, name): values})
        parameters.set_parameters(b, self._model, parameters.checked(self._model, one, len(rows)), rows)
        self.forward(rows)

    def get_parameter(self, parameter: str, name: str) -> Array:
        """Return a parameter's present values."""
        return parameters.get_parameter(self._ready(), self._model, parameter, name)

    def apply_wrench(self, body: str, wrench: Array, worlds: Array | None = None) -> None:
        """Apply force and torque at a body's centre of mass until changed."""
        b, rows, k = self._ready(), world_rows(worlds, self.num_worlds), self._model.info.index("body", body)
        b.bind("xfrc_applied")[rows, k] = finite_rows("wrench", wrench, (len(rows), 6))

    def mass_matrix(self, worlds: Array | None = None) -> Array:
        """Return the joint-space inertia."""
        return state.mass_matrix(self._ready(), world_rows(worlds, self.num_worlds))

    def jacobian(self, kind: str, name: str, worlds: Array | None = None) -> Array:
        """Return linear over angular rows of a body's or site's origin."""
        return state.jacobian(self._ready(), self._model, kind, name, world_rows(worlds, self.num_worlds))

    def render(
        self,
        camera: str,
        *,
        width: int = 256,
        height: int = 256,
        modes: tuple[str, ...] = ("rgb",),
        worlds: Array | None = None,
    ) -> Images:
        """Return pictures."""
        self._ready()
        rows = world_rows(worlds, self.num_worlds)
        if self._camera is None:
            self._camera = Camera(self._model, fine=True)
        return self._camera.render(self.places(rows), camera, width, height, modes)

    def places(self, worlds: Array | None = None) -> Places:
        """Return where everything is."""
        b, rows = self._ready(), world_rows(worlds, self.num_worlds)
        own = {name: b.expanded(name) for name in ("body_pos", "body_quat", "site_pos")}
        return Places(
            qpos=b.qpos[rows],
            mocap_pos=self._targets.mocap_pos[rows],
            mocap_quat=self._targets.mocap_quat[rows],
            **{name: None if values is None else values[rows] for name, values in own.items()},
        )

    def _ready(self) -> batch.Batch:
        if self._batch is None:
            what = "is closed" if self._closed else "has no model yet; call load(model) first"
            raise NotReady(f"the mujoco backend {what}")
        return self._batch

    def _refresh(self, rows: Array) -> None:
        for row in rows:
            self._failures.pop(int(row), None)
        self._contacts[rows] = 0
        self._batch.warning[rows] = 0  # type: ignore[union-attr]
        self._kinematics(rows)
        self._fields.after_forward(rows)
        self._fields.forget_forces(rows)
