"""State in and out: writing, placing, resetting, and what may be done with what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, holds, near, needs, same
from metasim.conformance.oracles import forward_kinematics
from metasim.conformance.scenes import model, opened
from metasim.conformance.trajectory import fly, goals, look
from metasim.core.backend import Start
from metasim.core.rotation import quat_mul

Array = Any
WORLDS = 3
TURN = np.array([0.8, 0.2, -0.4, 0.4])


def beginning(make: BackendFactory) -> list[Measurement]:
    """A loaded world stands at the model's initial state, at rest, with targets that hold it there."""
    measured = []
    for scene in ("tree", "drives", "mocap"):
        with opened(make, scene, 2) as backend:
            info, state, targets = backend.info, backend.state, backend.targets
            frames = forward_kinematics(model(scene).mj, info.home_qpos)["body"][0]
            names = model(scene).reads.bodies
            poses = {name: state.body(name).pos for name in names}
            off = [np.abs(pos - frames[info.index("body", name)]).max() for name, pos in poses.items()]
            why, homes = "before the first step", np.tile(info.mocap_home[:, :3], (2, 1, 1))
            measured += [
                near(f"{scene}: positions", state.qpos, np.tile(info.home_qpos, (2, 1)), 1e-12, "", why),
                near(f"{scene}: velocities", state.qvel, np.zeros_like(state.qvel), 1e-12, "", why),
                near(f"{scene}: bodies", max(off, default=0.0), 0.0, 1e-6, "m", why),
                near(f"{scene}: controls", targets.ctrl, np.tile(info.home_ctrl, (2, 1)), 1e-12, "", why),
                near(
                    f"{scene}: mocap",
                    targets.mocap_pos,
                    homes,
                    1e-12,
                    "m",
                    why,
                ),
            ]
    return measured


def round_trip(make: BackendFactory) -> list[Measurement]:
    """What is written by name is read by name, velocities included, and nothing else changes."""
    rng = np.random.default_rng(3)
    pose = np.concatenate([rng.normal(size=(2, 3)), np.tile(TURN, (2, 1))], axis=1)
    joints = {"float": pose, "turn": [[0.4], [-0.2]], "lift": [[0.1], [0.2]], "yaw": [[1.0], [2.0]]}
    speeds = {"float": rng.normal(size=(2, 6)), "turn": [[0.7], [-0.3]], "yaw": [[-1.0], [0.5]]}
    rounding = "the same numbers, but for Bullet's change of frames"
    with opened(make, "tree", WORLDS) as backend:
        backend.write_state(np.tile(backend.info.home_qpos, (WORLDS, 1)), np.full((WORLDS, 11), 0.25))
        before = look(backend.state)
        backend.write(Start(joints=joints, velocities=speeds), worlds=np.array([0, 2]))
        state, measured = backend.state, []
        for name, values in joints.items():
            joint = state.joint(name)
            speed = speeds.get(name, np.zeros((2, 1)))
            measured += [
                near(f"position of {name}", joint.pos[[0, 2]], values, 1e-12, "rad or m", rounding),
                near(f"velocity of {name}", joint.vel[[0, 2]], speed, 1e-12, "rad/s or m/s", rounding),
            ]
        kept = np.array([[state.joint(n).pos[0, 0], state.joint(n).vel[0, 0]] for n in ("pitch", "crank")])
        after = look(state)
        base = state.body("base").pos[[0, 2]]
        backend.write(Start(joints={"float": [[1.0, 2.0, 3.0]]}), worlds=np.array([2]))
        moved = np.concatenate([[1.0, 2.0, 3.0], TURN])
        return [
            *measured,
            near(
                "free joint given 3 columns",
                state.joint("float").pos[2],
                moved,
                1e-12,
                "",
                "keeps its orientation",
            ),
            near("joints that were not named", kept, [[0, 0.25], [0, 0.25]], 1e-12, "", "left alone"),
            same("the world that was not written", [a[1] for a in after], [b[1] for b in before], "left alone"),
            near("body written through its joint", base, pose[:, :3], 1e-9, "m", "same point"),
        ]


def placing(make: BackendFactory) -> list[Measurement]:
    """Fixed bodies and sites go where a start puts them, in that world, and what is attached goes along."""
    quarter = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]
    with opened(make, "shelf", WORLDS) as backend:
        places = [[0.5, 0.1, 0.3], [0.0, 0.0, 0.2]]
        backend.write(Start(bodies={"shelf": places}), worlds=np.array([0, 1]))
        backend.write(Start(bodies={"shelf": [[0.0, 0.0, 0.2, *quarter]]}), worlds=np.array([2]))
        state = backend.state
        marks = [[0.6, 0.1, 0.32], [0.1, 0.0, 0.22], [0.0, 0.1, 0.22]]
        placed = [
            near("placed body", state.body("shelf").pos[:2], places, 1e-9, "m", "as written"),
            near("site on a placed body", state.site("mark").pos, marks, 1e-9, "m", "goes along, turned too"),
        ]
        backend.write(Start(sites={"mark": [[0.0, 0.2, 0.1]]}), worlds=np.array([1]))
        moved = [[0.6, 0.1, 0.32], [0.0, 0.2, 0.3], [0.0, 0.1, 0.22]]
        heights = backend.step(600).joint("ball").pos[:, 2]
        return [
            *placed,
            near("placed site", state.site("mark").pos, moved, 1e-9, "m", "in its body's frame, in that world"),
            near(
                "ball on the shelf",
                heights[1:],
                [0.27, 0.27],
                1e-3,
                "m",
                "the top is at 0.22 m; soft contact",
            ),
            holds("ball beside a shelf that moved away", bool(heights[0] < 0.0), "it falls through"),
        ]


def reset(make: BackendFactory) -> list[Measurement]:
    """A reset world is a new one: coordinates, reads, targets, wrenches, parameters, and all that follows."""
    with opened(make, "heap", 2) as fresh, opened(make, "heap", 2) as used:
        new = look(fresh.state)
        fly(used, 40, begin=5)
        used.apply_wrench("brick", np.array([1.0, 0, 0, 0, 0, 0]))
        used.set_parameter("mass", "marble", np.array([0.5, 0.6]))
        used.set_parameter("friction", "tile", np.array([0.2, 0.3]))
        used.reset()
        again = look(used.state)
        targets = same("targets after reset", goals(used), goals(fresh), "those of the model")
        why = "nothing of what ran before is left"
        return [
            same("coordinates and frames after reset", again[:3], new[:3], why),
            same("contacts after reset", again[3], new[3], "no substep has been taken: none touches yet"),
            targets,
            same("motion after reset", fly(used, 60), fly(fresh, 60), why),
            near(
                "mass after reset",
                used.get_parameter("mass", "marble"),
                [0.2, 0.2],
                1e-12,
                "kg",
                "the model's",
            ),
        ]


def written_contacts(make: BackendFactory) -> list[Measurement]:
    """Contacts belong to a substep, so a world that was just written has none, whatever it did before."""
    with opened(make, "heap", 2) as backend:
        fly(backend, 60)
        seen = float(np.abs(backend.state.contacts).max())
        backend.write_state(backend.state.qpos.copy(), backend.state.qvel.copy())
        left = backend.state.contacts
        return [
            holds("contacts before writing", seen > 0, "things lie on the floor by then"),
            near("contacts after writing", left, np.zeros_like(left), 0.0, "N", "no substep since the write"),
        ]


@needs("mocap")
def mocap_writing(make: BackendFactory) -> list[Measurement]:
    """A mocap body goes where its target or a start puts it, and a reset takes it home."""
    pose = np.array([0.1, -0.2, 0.7, *quat_mul(np.array([0.6, 0.8, 0, 0]), np.array([0.8, 0, 0.6, 0]))])
    with opened(make, "mocap", 2) as backend:
        backend.write(Start(bodies={"hand": pose[None]}), worlds=np.array([1]))
        hand, targets = backend.state.body("hand"), backend.targets
        written = [
            near("written mocap position", hand.pos, [[0, 0, 0.5], pose[:3]], 1e-9, "m", "in world 1 only"),
            near(
                "written mocap orientation",
                hand.quat,
                [[1, 0, 0, 0], pose[3:]],
                1e-9,
                "",
                "wxyz, world 1 only",
            ),
            near(
                "its target",
                targets.mocap_pos[:, 0],
                [[0, 0, 0.5], pose[:3]],
                1e-12,
                "m",
                "a write sets the target",
            ),
        ]
        targets.mocap_pos[0, 0] = [0.3, 0.0, 0.4]
        moved = backend.step().body("hand").pos[0].copy()
        backend.reset()
        return [
            *written,
            near("mocap position after a step", moved, [0.3, 0.0, 0.4], 1e-9, "m", "the target's"),
            near("mocap position after reset", hand.pos, [[0, 0, 0.5]] * 2, 1e-9, "m", "the model's"),
        ]


def views(make: BackendFactory) -> list[Measurement]:
    """What a backend shows is read-only; what it hands out is the caller's own."""
    with opened(make, "heap", 2) as backend:
        state = backend.step(50)
        arrays = {
            "qpos": state.qpos,
            "qvel": state.qvel,
            "sensors": state.sensors,
            "contacts": state.contacts,
            "joint": state.joint("brick").pos,
            "body": state.body("brick").quat,
            "force": state.contact("tile", "world").force,
        }
        writable = sorted(name for name, array in arrays.items() if array.flags.writeable)
        before = look(state)
        copies: dict[str, Callable[[], Array]] = {
            "contact_force": lambda: backend.contact_force("tile", "world"),
            "get_parameter": lambda: backend.get_parameter("mass", "brick"),
            "dump": backend.dump,
            "mass_matrix": backend.mass_matrix,
        }
        shared = []
        for name, call in copies.items():
            first = call().copy()
            mine = call()
            mine += 1.0
            if not np.array_equal(call(), first):
                shared.append(name)
        taken = state.take(np.array([1]))
        held = taken.qpos.copy()
        backend.step(5)
        refreshed = backend.state is state and not np.array_equal(before[0], state.qpos)
        return [
            holds("state is read-only", not writable, f"writable: {writable}"),
            holds("returned arrays are copies", not shared, f"shared with the backend: {shared}"),
            same("a taken state stays", taken.qpos, held, "take copies"),
            holds("state is one live object", refreshed, "every step refreshes it in place"),
        ]


CHECKS = (beginning, round_trip, placing, reset, written_contacts, mocap_writing, views)
