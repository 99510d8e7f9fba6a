"""Some Bullet worlds in lockstep: one client each, one mirror for all; what a worker process runs.

A world's future is a function of its row: the mirror's state, the controller's memory, wrenches and parameters.
What Bullet keeps besides (contact caches, warm starts) is forgotten whenever a world is written, restored or copied,
so that a copy and its original continue alike, in any world of any process.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pybullet as p
from mujoco import batch

from metasim.backends.pybullet import dynamics, parameters, world
from metasim.backends.pybullet.contact import ContactReader, labels
from metasim.backends.pybullet.control import Controller, mirror_model
from metasim.backends.pybullet.fields import Fields, refuse_fields, tells_forces
from metasim.backends.pybullet.friction import YieldingFriction
from metasim.backends.pybullet.lockstep import Lockstep
from metasim.backends.pybullet.model import make_plan
from metasim.backends.pybullet.state import BAD_CTRL, BAD_QACC, BAD_QPOS, BAD_QVEL, LIMIT, Placement, Shared, Snapshot
from metasim.backends.pybullet.surface import find_contacts, solve_friction
from metasim.backends.pybullet.world import Tree
from metasim.core.reads import Layout
from metasim.model.parameters import EXPANDABLE

Array = Any
_VEL = int(mujoco.mjtStage.mjSTAGE_VEL)
_DIVERGED = [
    int(w)
    for w in (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)
]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to build its worlds.

    Attributes:
        mj: The canonical model.
        pairs: Declared contacts.
        layout: Where each declared read stands.
        kinds: Kinds of the actuators.
        home_qpos: ``(nq,)``.
        home_ctrl: ``(A,)``.
    """

    mj: mujoco.MjModel
    pairs: tuple[tuple[str, str], ...]
    layout: Layout
    kinds: tuple[str, ...]
    home_qpos: Array
    home_ctrl: Array


class Worlds:
    """n worlds of one model; rows are local."""

    def __init__(self, job: Job, shared: Shared) -> None:
        _write_no_log_file()
        self.m, self.job, self.shared, self.clients = job.mj, job, shared, []
        n = len(shared.failed)
        refuse_fields(self.m, job.layout)
        try:
            with tempfile.TemporaryDirectory(prefix="metasim-") as name:
                self.plan = make_plan(self.m, labels(self.m, job.pairs, by_body=tells_forces(job.layout)), Path(name))
                pairs = find_contacts(self.m, self.plan.surfaces)
                for _ in range(n):
                    self.clients.append(world.build(self.m, self.plan, pairs, Path(name)))
            self.wired = world.wire(self.m, self.plan, self.clients[0])
        except BaseException:
            self.close()
            raise
        self.mirror = batch.Batch(mirror_model(self.m), nsim=n, nthread=1)
        self._wrenches = _wrench_columns(self.m)
        self.control = Controller(self.mirror.model, self.wired.trees, self.mirror)
        self.reader = ContactReader(self.m, job.pairs, self.plan.surfaces, self.wired)
        sliding = solve_friction(self.m, pairs, self.plan.surfaces, self.m.geom_friction)[:, 0]
        self.friction = YieldingFriction(self.m, self.plan.surfaces, pairs, self.wired, self.clients, sliding)
        self.bullet = parameters.InBullet(self.m, self.plan, pairs, self.wired, self.clients, self.friction)
        self._sensors, self._xpos, self._xquat = (self.mirror.bind(f) for f in ("sensordata", "xpos", "xquat"))
        self.mirror.bind("site_xpos")
        self.fields = Fields(self.m, job.layout, self.mirror, shared.fields, self.plan.surfaces, self.wired)
        self.lockstep = Lockstep(self.m, self.plan, self.wired, self.clients, self.control)
        self.qpos, self.qvel = self.control.qpos, self.control.qvel
        self.qpos[:] = job.home_qpos
        self._placed = np.full((n, len(self.plan.parts), 7), np.nan)
        self._mocaps = [
            (body, k, int(self.m.body_mocapid[k])) for body, k in self.wired.fixed if self.m.body_mocapid[k] >= 0
        ]
        self.mirror.ctrl[:] = job.home_ctrl
        shared.ctrl[:], shared.mocap_pos[:], shared.mocap_quat[:] = (
            job.home_ctrl,
            self.mirror.mocap_pos,
            self.mirror.mocap_quat,
        )
        self._settle(np.arange(n))
        self.initial = self.snapshot(np.zeros(1, int))

    # -- time ---------------------------------------------------------------------------------------------------
    def step(self, substeps: int) -> None:
        """Advance the sound worlds."""
        self._take_targets()
        active = np.flatnonzero(self.shared.failed == 0).tolist()
        self.lockstep.run(active, substeps)
        for i in active:
            points = p.getContactPoints(physicsClientId=self.clients[i])
            self.reader.read(points, self.shared.contacts[i])
            self.friction.update(i, points)
            self.fields.note(i, points)
        self._fail(self._find_failures())
        self._refresh(None)
        self.fields.carry(np.array([i for i in active if not self.shared.failed[i]], int), self.lockstep.wrench)

    def _take_targets(self) -> None:
        s, mirror = self.shared, self.mirror
        stray = np.flatnonzero(~_sane(s.ctrl, s.mocap_pos, s.mocap_quat) & (s.failed == 0))
        self._fail({int(i): BAD_CTRL for i in stray})
        ok = slice(None) if not s.failed.any() else s.failed == 0
        mirror.ctrl[ok], mirror.mocap_pos[ok], mirror.mocap_quat[ok] = (
            s.ctrl[ok],
            s.mocap_pos[ok],
            s.mocap_quat[ok],
        )
        for body, _, mocap in self._mocaps:
            for i in np.flatnonzero(s.failed == 0).tolist():
                quat = s.mocap_quat[i, mocap]
                self._place(i, body, s.mocap_pos[i, mocap], quat / np.sqrt((quat * quat).sum()))

    def _find_failures(self) -> dict[int, int]:
        """Return the worlds whose coordinates are bad, and why."""
        warned = self.mirror.warning[:, _DIVERGED, 1]
        found = {int(i): BAD_QACC for i in np.flatnonzero(warned.any(axis=1))} if warned.any() else {}
        for values, code in ((self.qvel, BAD_QVEL), (self.qpos, BAD_QPOS)):
            if values.size and not np.abs(values).max() < LIMIT:
                found |= {int(i): code for i in np.flatnonzero(~(np.abs(values) < LIMIT).all(axis=1))}
        return found

    def _fail(self, failures: dict[int, int]) -> None:
        """Put worlds at their safe state, where they stay until they are written; their targets stay the caller's."""
        s = self.shared
        for i, code in failures.items():
            targets = [a[i].copy() for a in (s.ctrl, s.mocap_pos, s.mocap_quat)]
            self.restore(np.array([i]), self.initial)
            s.ctrl[i], s.mocap_pos[i], s.mocap_quat[i] = targets
            s.failed[i] = code
            self.mirror.warning[i] = 0

    def _refresh(self, rows: Array | None) -> None:
        """Run the canonical kinematics on Bullet's coordinates and show the result."""
        self.mirror.forward(rows, stage=_VEL)
        s, some = self.shared, slice(None) if rows is None else rows
        s.qpos[some], s.qvel[some], s.sensors[some] = self.qpos[some], self.qvel[some], self._sensors[some]
        self.fields.refresh(rows)

    # -- state --------------------------------------------------------------------------------------------------
    def forward(self, rows: Array) -> None:
        """Refresh the reads."""
        self._refresh(rows)

    def write_state(self, rows: Array, qpos: Array, qvel: Array) -> None:
        """Set all coordinates."""
        self.qpos[rows], self.qvel[rows] = qpos, qvel
        self.control.load[rows] = 0.0
        self.mirror.qacc_warmstart[rows] = 0.0
        self.shared.contacts[rows] = 0.0
        self.fields.forget_forces(rows)
        failures = self._find_failures()
        self._settle(rows)
        self._fail(failures)

    def write(self, rows: Array, placement: Placement) -> None:
        """Set a resolved start."""
        s, mirror = self.shared, self.mirror
        for (name, k), values in placement.places.items():
            mirror.expand(name)[rows, k] = values
        parameters.write(mirror, self.job.kinds, placement.settings, rows)
        if placement.places or placement.settings:
            self._share_parameters(rows)
        s.mocap_pos[rows] = mirror.mocap_pos[rows] = placement.mocap_pos
        s.mocap_quat[rows] = mirror.mocap_quat[rows] = placement.mocap_quat
        self.write_state(rows, placement.qpos, placement.qvel)

    def snapshot(self, rows: Array) -> Snapshot:
        """Copy some worlds; what Bullet remembers of their past is dropped, here as in any world they are put into."""
        self._settle(rows)
        fields = {f: self.mirror.expanded(f) for f in EXPANDABLE}
        return Snapshot(
            states=self.dump(rows),
            contacts=self.shared.contacts[rows],
            seen=self.shared.fields[rows],
            fields={f: np.array(a[rows]) for f, a in fields.items() if a is not None},
        )

    def restore(self, rows: Array, snapshot: Snapshot) -> None:
        """Put copies into worlds; parameters that the copy never touched get the model's values."""
        mirror = self.mirror
        for name in EXPANDABLE:
            if name in snapshot.fields:
                mirror.expand(name)[rows] = snapshot.fields[name]
            elif mirror.expanded(name) is not None:
                mirror.expand(name)[rows] = parameters.model_value(self.m, name)
        self._share_parameters(rows)
        self.load_dump(rows, snapshot.states)
        self.shared.contacts[rows], self.shared.fields[rows] = snapshot.contacts, snapshot.seen

    def dump(self, rows: Array) -> Array:
        """Return the mirror's state as rows; external wrenches stand where MuJoCo would have them."""
        states = np.array(self.mirror.state[rows])
        states[:, self._wrenches] = self.lockstep.wrench[rows].reshape(len(rows), -1)
        return states

    def load_dump(self, rows: Array, dumped: Array) -> None:
        """Put rows of ``dump`` into worlds."""
        mirror, s = self.mirror, self.shared
        mirror.state[rows] = dumped
        mirror.state[rows, self._wrenches] = 0.0
        self.lockstep.set_wrenches(rows, dumped[:, self._wrenches].reshape(len(rows), self.m.nbody, 6))
        s.ctrl[rows], s.mocap_pos[rows], s.mocap_quat[rows] = (
            a[rows] for a in (mirror.ctrl, mirror.mocap_pos, mirror.mocap_quat)
        )
        s.contacts[rows] = 0.0
        self.fields.forget_forces(rows)
        self._settle(rows)

    def apply_wrench(self, rows: Array, body: int, wrench: Array) -> None:
        """Set the external wrench on one body."""
        wrenches = self.lockstep.wrench[rows]
        wrenches[:, body] = wrench
        self.lockstep.set_wrenches(rows, wrenches)

    def _settle(self, rows: Array) -> None:
        """Put the coordinates of some worlds into Bullet, as if nothing had happened there, and refresh the reads."""
        self.shared.failed[rows] = 0
        self._refresh(rows)
        self.mirror.warning[rows] = 0
        for i in rows.tolist():
            for body, k in self.wired.fixed:
                self._place(i, body, self._xpos[i, k], self._xquat[i, k])
            for t in self.wired.trees:
                self._put_tree(i, t)
            self.friction.reset(i)
            world.forget_contacts(self.clients[i], self.m, self.plan, self.wired)
        self.control.arrive(rows)

    def _put_tree(self, i: int, t: Tree) -> None:
        client = self.clients[i]
        if t.base_dof >= 0:
            world.put_base(
                client,
                t,
                self.qpos[i, t.base_qpos : t.base_qpos + 7],
                self.qvel[i, t.base_dof : t.base_dof + 6],
            )
        else:
            self._place(i, t.body, *self._mount(i, t))
        angles, speeds = self.qpos[i, t.qpos] - self.m.qpos0[t.qpos], self.qvel[i, t.dofs]
        for link, q, v in zip(t.links, angles.tolist(), speeds.tolist(), strict=True):
            p.resetJointState(t.body, link, q, v, physicsClientId=client)

    def _place(self, i: int, body: int, pos: Array, quat: Array) -> None:
        """Move a fixed Bullet body, unless it is there."""
        pose = np.concatenate([pos, quat])
        if not np.array_equal(pose, self._placed[i, body]):
            world.place(self.clients[i], body, pos, quat)
            self._placed[i, body] = pose

    def _mount(self, i: int, t: Tree) -> tuple[Array, Array]:
        """Return where a tree's root stands at zero: its parent's pose and its own offset, both per world."""
        parent = int(self.m.body_parentid[t.root])
        fields = (("body_pos", self.m.body_pos), ("body_quat", self.m.body_quat))
        own = [default[t.root] if (v := self.mirror.expanded(f)) is None else v[i, t.root] for f, default in fields]
        offset, quat = np.zeros(3), np.zeros(4)
        mujoco.mju_rotVecQuat(offset, np.array(own[0]), self._xquat[i, parent])
        mujoco.mju_mulQuat(quat, self._xquat[i, parent], np.array(own[1]) / np.linalg.norm(own[1]))
        return self._xpos[i, parent] + offset, quat

    # -- parameters ---------------------------------------------------------------------------------------------
    def set_parameter(self, rows: Array, parameter: str, k: int, values: Array) -> None:
        """Set a checked parameter."""
        parameters.write(self.mirror, self.job.kinds, {(parameter, k): values}, rows)
        self._share_parameters(rows)
        if parameter in ("body_pos", "body_quat"):
            self._settle(rows)
        elif parameter == "damping" and int(self.m.jnt_type[k]) == int(mujoco.mjtJoint.mjJNT_FREE):
            self.control.push(next(t for t in self.wired.trees if t.root == int(self.m.jnt_bodyid[k])))
        self._refresh(rows)

    def _share_parameters(self, rows: Array) -> None:
        """Bring the controller and Bullet up to the mirror's parameters."""
        self.control.inertia.sync(rows)
        self.bullet.apply(self.mirror, rows)

    def get_parameter(self, parameter: str, k: int) -> Array:
        """Return a parameter of every world; masses are Bullet's own."""
        values = parameters.read(self.mirror, self.m, parameter, k)
        if parameter == "mass":
            held = [self.bullet.mass(i, k) for i in range(len(self.clients))]
            values = np.array([v if h is None else h for v, h in zip(values, held, strict=True)])
        return values

    def places(self, rows: Array) -> tuple[Array, Array, Array]:
        """Return positions and orientations of bodies and positions of sites as each world's parameters have them."""
        names = ("body_pos", "body_quat", "site_pos")
        pos, quat, site = (parameters.field(self.mirror, self.m, name)[rows] for name in names)
        return pos, quat, site

    def mass_matrix(self, rows: Array) -> Array:
        """Return the joint-space inertia ``(n, nv, nv)``."""
        control = self.control
        self._refresh(rows)
        control.inertia.update(None)
        lacking = control.canonical_inertia() - control.inertia.matrix()
        return dynamics.link_inertia(self.mirror, self.wired, self.clients, rows) + lacking[rows]

    def jacobian(self, rows: Array, kind: str, k: int) -> Array:
        """Return the Jacobian ``(n, 6, nv)`` of a frame's origin."""
        self._refresh(rows)
        return dynamics.frame_jacobian(self.mirror, kind, k, rows)

    def close(self) -> None:
        """Close the clients."""
        world.disconnect(self.clients)
        self.clients = []


def _wrench_columns(m: mujoco.MjModel) -> slice:
    """Return the columns of external wrenches in a state row."""
    before = int(mujoco.mjtState.mjSTATE_INTEGRATION) & (int(mujoco.mjtState.mjSTATE_XFRC_APPLIED) - 1)
    start = mujoco.mj_stateSize(m, before)
    return slice(start, start + 6 * m.nbody)


def _write_no_log_file() -> None:
    """Keep MuJoCo, in this process, from writing its warnings into the working directory; failures are reported."""
    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    config.set()


def _sane(*arrays: Array) -> Array:
    """Return ``(n,)`` bool: whether all values of a row are finite and not too large."""
    return np.all([(np.abs(a.reshape(len(a), -1)) < LIMIT).all(axis=1) for a in arrays], axis=0)
