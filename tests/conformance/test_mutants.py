"""A suite that stays green is not a suite: backends with one bug each, and the checks that must notice it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest

from metasim.backends.mujoco import MujocoBackend
from metasim.conformance import CHECKS, ConformanceFailure, check_backend, run_check
from metasim.core.backend import Backend, Images, Start
from metasim.core.errors import UnknownName
from metasim.core.rotation import quat_conj, rotate
from metasim.core.state import State
from metasim.model import Model

Array = Any


class Mutant(MujocoBackend):
    """A backend whose model is changed behind its back."""

    def load(self, model: Model) -> None:
        mj = copy.copy(model.mj)
        self.spoil(mj)
        super().load(replace(model, mj=mj))

    def spoil(self, mj: Any) -> None:
        """Change the compiled model."""


class HalfGravity(Mutant):
    def spoil(self, mj: Any) -> None:
        mj.opt.gravity[:] /= 2


class StrayDamping(Mutant):
    def spoil(self, mj: Any) -> None:
        mj.dof_damping[:] += 1e-3


class NoDriveDamping(Mutant):
    def spoil(self, mj: Any) -> None:
        mj.actuator_biasprm[:, 2] = 0


class InertiaOfAShape(Mutant):
    """Bullet without URDF_USE_INERTIA_FROM_FILE: inertia is made up from the shape."""

    def spoil(self, mj: Any) -> None:
        mj.body_inertia[:] = mj.body_inertia.mean(axis=1, keepdims=True)


class HalfSizes(Mutant):
    """Full extents taken for halves, the other way round."""

    def spoil(self, mj: Any) -> None:
        mj.geom_size[:] /= 2


class ProductOfFrictions(Mutant):
    """Bullet's rule for the friction of a pair, on a floor of 0.05."""

    def spoil(self, mj: Any) -> None:
        mj.geom_friction[:, 0] = mj.geom_friction[:, 0].prod()


class EverythingCollides(Mutant):
    def spoil(self, mj: Any) -> None:
        for bits in (mj.geom_contype, mj.geom_conaffinity, mj.body_contype, mj.body_conaffinity):
            bits[:] = 1


class NoRotors(Mutant):
    def spoil(self, mj: Any) -> None:
        mj.dof_armature[:] = 0
        mujoco.mj_setConst(mj, mujoco.MjData(mj))


class NoLimits(Mutant):
    def spoil(self, mj: Any) -> None:
        mj.jnt_limited[:] = 0


class CentreOfMassFrame(Mutant):
    """Bullet's base frame: the centre of mass taken for the body's origin."""

    def spoil(self, mj: Any) -> None:
        mj.body_ipos[:] = 0


class AlphabeticalJoints(MujocoBackend):
    """Joints sorted by name, in reading, writing and acting alike: no round trip can tell."""

    def load(self, model: Model) -> None:
        info = model.info
        slots = [j for j, kind in enumerate(info.joint_types) if kind in ("slide", "hinge")]
        names = list(info.joints)
        for slot, name in zip(slots, sorted(names[j] for j in slots), strict=True):
            names[slot] = name
        place = {n: (int(info.qpos_start[j]), 1, int(info.dof_start[j]), 1) for j, n in enumerate(names) if j in slots}
        joints = {name: place.get(name, at) for name, at in model.layout.joints.items()}
        layout = replace(model.layout, joints=joints)
        super().load(replace(model, info=replace(info, joints=tuple(names)), layout=layout))


class DragLikeBullet(MujocoBackend):
    """Bullet's default damping."""

    def step(self, substeps: int = 1) -> State:
        for _ in range(substeps):
            super().step(1)
            self._ready().bind("qvel")[:] *= 1 - 0.04 * 0.002
        return self._state


class OneSubstepShort(MujocoBackend):
    def step(self, substeps: int = 1) -> State:
        return super().step(max(1, substeps - 1))


class StaleReads(MujocoBackend):
    """What MuJoCo shows after a step when it is not asked for more: frames of the state before."""

    def step(self, substeps: int = 1) -> State:
        self._ready().step(nstep=substeps)
        self._contacts[:] = self._contact_sensors
        return self._state


class ForcesOfTheNewState(MujocoBackend):
    def step(self, substeps: int = 1) -> State:
        super().step(substeps)
        self._ready().forward()
        self._contacts[:] = self._contact_sensors
        return self._state


class ForceOnTheOther(MujocoBackend):
    def step(self, substeps: int = 1) -> State:
        super().step(substeps)
        self._contacts[:, :, 1:] *= -1
        return self._state


class StaleContacts(MujocoBackend):
    """Contacts of whatever ran before are still shown after a write."""

    def _refresh(self, rows: Array) -> None:
        kept = self._contacts.copy()
        super()._refresh(rows)
        self._contacts[:] = kept


class ScalarLast(MujocoBackend):
    """Frames with quaternions xyzw."""

    @property
    def state(self) -> State:
        seen, layout = super().state, self._model.layout
        sensors = np.array(seen.sensors)
        for frames in layout.frames.values():
            for c in frames.values():
                sensors[:, c.quat : c.quat + 4] = np.roll(sensors[:, c.quat : c.quat + 4], -1, axis=1)
        return State(layout, seen.qpos, seen.qvel, sensors, seen.contacts)

    def step(self, substeps: int = 1) -> State:
        super().step(substeps)
        return self.state


class WorldAxesSpin(MujocoBackend):
    """A free joint's angular velocity taken in world axes."""

    def write_state(self, qpos: Array, qvel: Array, worlds: Array | None = None) -> None:
        if self._model.info.joint_types[:1] == ("free",):
            qvel = np.array(qvel, float)
            qvel[:, 3:6] = rotate(quat_conj(np.asarray(qpos)[:, 3:7]), qvel[:, 3:6])
        super().write_state(qpos, qvel, worlds)


class WrenchAtTheOrigin(MujocoBackend):
    def apply_wrench(self, body: str, wrench: Array, worlds: Array | None = None) -> None:
        data, k = self._ready().get_data(0), self._model.info.index("body", body)
        mujoco.mj_kinematics(self._model.mj, data)
        wrench = np.array(wrench, float)
        wrench[..., 3:] += np.cross(data.xpos[k] - data.xipos[k], wrench[..., :3])
        super().apply_wrench(body, wrench, worlds)


class LiveSnapshot(MujocoBackend):
    """A snapshot that is a view of the worlds and not a copy."""

    def snapshot(self, worlds: Array | None = None) -> Any:
        kept = super().snapshot(worlds)
        return replace(kept, states=self._ready().state) if worlds is None else kept


class SnapshotWithoutParameters(MujocoBackend):
    def snapshot(self, worlds: Array | None = None) -> Any:
        return replace(super().snapshot(worlds), fields={})


class SnapshotWithoutSolver(MujocoBackend):
    """The solver's warm start is lost: the same coordinates, other bits afterwards."""

    def restore(self, snapshot: Any, worlds: Array | None = None, rows: Array | None = None) -> None:
        super().restore(snapshot, worlds, rows)
        self._ready().bind("qacc_warmstart")[:] = 0


class WritableState(MujocoBackend):
    def load(self, model: Model) -> None:
        super().load(model)
        self._state.qpos = self._ready().bind("qpos")


class MirroredWorlds(MujocoBackend):
    """Writes land in the worlds counted from the other end."""

    def write(self, start: Start, worlds: Array | None = None) -> None:
        rows = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds)
        super().write(start, np.sort(self.num_worlds - 1 - rows) if rows.dtype != bool else rows[::-1])


class ResetOfAll(MujocoBackend):
    def reset(self, worlds: Array | None = None) -> None:
        super().reset()


class BatchSizeMatters(MujocoBackend):
    def step(self, substeps: int = 1) -> State:
        super().step(substeps)
        self._ready().bind("qvel")[:] *= 1 + (self.num_worlds > 1) * 2.0**-52
        return self._state


class WorkersMatter(MujocoBackend):
    def step(self, substeps: int = 1) -> State:
        super().step(substeps)
        self._ready().bind("qvel")[:] *= 1 + (self.workers > 1) * 2.0**-52
        return self._state


class EveryWorldFails(MujocoBackend):
    @property
    def failures(self) -> Mapping[int, str]:
        found = super().failures
        return dict.fromkeys(range(self.num_worlds), "something failed") if found else found


class JacobianOfTheBody(MujocoBackend):
    """A site's Jacobian taken at its body's origin."""

    def jacobian(self, kind: str, name: str, worlds: Array | None = None) -> Array:
        site = self._model.mj.site_bodyid[self._model.info.index("site", name)] if kind == "site" else 0
        return super().jacobian("body", self._model.info.bodies[site] if kind == "site" else name, worlds)


class RayDepth(MujocoBackend):
    """Depth along each pixel's ray and not along the optical axis."""

    def render(self, camera: str, **options: Any) -> Images:
        seen = super().render(camera, **options)
        if seen.depth is None:
            return seen
        h, w = seen.depth.shape[1:]
        k = self._model.info.index("camera", camera)
        focal = h / 2 / np.tan(np.radians(float(self._model.mj.cam_fovy[k])) / 2)
        x, y = np.meshgrid(np.arange(w) - w / 2, np.arange(h) - h / 2)
        return replace(seen, depth=seen.depth * np.sqrt(1 + (x**2 + y**2) / focal**2))


class UpsideDown(MujocoBackend):
    """Pictures with the first row at the bottom, as OpenGL has them."""

    def render(self, camera: str, **options: Any) -> Images:
        seen = super().render(camera, **options)
        pictures = {n: getattr(seen, n) for n in ("rgb", "depth", "segmentation")}
        return Images(**{n: a if a is None else a[:, ::-1] for n, a in pictures.items()})


CAUGHT: Mapping[type[Backend], tuple[str, ...]] = {
    HalfGravity: ("free_fall", "pendulum", "drop_to_rest", "stack", "coupled_arm", "gravity_compensation"),
    StrayDamping: ("free_fall", "pendulum"),
    NoDriveDamping: ("position_step", "velocity_step"),
    InertiaOfAShape: ("inertia", "spin", "coupled_arm"),
    HalfSizes: ("shapes", "drop_to_rest"),
    ProductOfFrictions: ("friction_slide",),
    EverythingCollides: ("collision_rules",),
    NoRotors: ("joint_properties",),
    NoLimits: ("joint_limits",),
    CentreOfMassFrame: ("inertia", "pendulum", "spin", "linkage"),
    AlphabeticalJoints: ("joint_order",),
    DragLikeBullet: ("free_fall", "pendulum"),
    OneSubstepShort: ("substeps", "free_fall"),
    StaleReads: ("forward",),
    ForcesOfTheNewState: ("impulse_balance",),
    ForceOnTheOther: ("stack", "drop_to_rest", "momentum"),
    StaleContacts: ("written_contacts",),
    ScalarLast: ("forward", "mocap_writing"),
    WorldAxesSpin: ("free_joint", "velocities"),
    WrenchAtTheOrigin: ("wrench", "wrench_on_a_link"),
    LiveSnapshot: ("snapshot",),
    SnapshotWithoutParameters: ("travel",),
    SnapshotWithoutSolver: ("snapshot",),
    WritableState: ("views",),
    MirroredWorlds: ("round_trip", "placing"),
    ResetOfAll: ("subsets",),
    BatchSizeMatters: ("one_of_many",),
    WorkersMatter: ("workers",),
    EveryWorldFails: ("not_a_number", "divergence"),
    JacobianOfTheBody: ("jacobian",),
    RayDepth: ("metric_depth",),
    UpsideDown: ("pinhole",),
}
BLIND = {AlphabeticalJoints: "round_trip", StrayDamping: "position_step", InertiaOfAShape: "free_fall"}


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.__name__)
def test_each_bug_is_caught(mutant: type[Backend]) -> None:
    checks = CAUGHT[mutant]
    if skipped := [o.skipped for o in (run_check(MujocoBackend, c) for c in checks) if o.skipped]:
        pytest.skip(skipped[0])
    with pytest.raises(ConformanceFailure) as caught:
        check_backend(mutant, only=checks)
    assert set(caught.value.problems) == set(checks)


@pytest.mark.parametrize("mutant", BLIND, ids=lambda mutant: mutant.__name__)
def test_why_there_are_several_checks(mutant: type[Backend]) -> None:
    """One check is blind: a permutation of all that is read, written and done passes each round trip."""
    assert check_backend(mutant, only=[BLIND[mutant]])


def test_a_failure_says_what_was_measured_and_expected_and_why() -> None:
    with pytest.raises(ConformanceFailure) as caught:
        check_backend(HalfGravity, only=["free_fall", "substeps"])
    message = str(caught.value)
    assert "mujoco fails 1 of 2 conformance checks" in message
    assert "free_fall: velocity after 1 s: measured -2.905, expected -7.81 +- 1e-09 m/s" in message
    assert "semi-implicit Euler" in message


def test_a_backend_that_raises_is_a_failure_too() -> None:
    class Broken(MujocoBackend):
        def step(self, substeps: int = 1) -> State:
            raise RuntimeError("no power")

    with pytest.raises(ConformanceFailure, match="RuntimeError: no power at free_fall"):
        check_backend(Broken, only=["free_fall"])


def test_an_undeclared_capability_is_skipped_with_a_reason() -> None:
    class Armless(MujocoBackend):
        capabilities = frozenset({"mocap"})

    outcome = run_check(Armless, "wrench")
    assert not outcome.problems
    assert "wrench" in outcome.skipped


def test_unknown_checks_are_refused() -> None:
    with pytest.raises(UnknownName, match="free_fall"):
        check_backend("mujoco", only=["freefall"])
    assert "free_fall" in CHECKS
