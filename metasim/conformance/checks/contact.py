"""Contact: resting weight, stacking, sliding, and the sign of the force."""

from __future__ import annotations

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, holds, near, needs, report
from metasim.conformance.scenes import GRAVITY, STEP_S, opened
from metasim.core.backend import Start

MU, BOX_KG, SLIDE_M_S = 0.3, 0.8, 1.5
BLOCK_KG, BLOCK_TOP_M = 1.3, 0.05


@needs("contact_force")
def drop_to_rest(make: BackendFactory) -> list[Measurement]:
    """A dropped block comes to rest on the floor, which carries its weight."""
    with opened(make, "block") as backend:
        state = backend.state
        in_air = bool(backend.touching("block", "world")[0])
        weightless = backend.contact_force("block", "world")[0]
        fastest = backend.step(60).joint("block").vel[0, 2]
        backend.step(940)
        force = backend.contact_force("block", "world")[0]
        block = state.joint("block")
        weight = BLOCK_KG * GRAVITY
        still = "friction and damping of the contact; 1.9 s after the first touch"
        return [
            near("speed before the touch", fastest, -GRAVITY * 60 * STEP_S, 1e-9, "m/s", "0.1 m of free fall"),
            holds("apart at the start", not in_air, "0.1 m above the floor"),
            near("force before the touch", weightless, np.zeros(3), 0.0, "N", "nothing touches"),
            holds("touching at the end", bool(backend.touching("block", "world")[0]), "it lies on the floor"),
            near("contact force at rest", force[2], weight, 1e-3 * weight, "N", "m g; residue of settling"),
            near("sideways force at rest", force[:2], np.zeros(2), 1e-3 * weight, "N", "flat floor"),
            near("speed at rest", block.vel[0], np.zeros(6), 1e-3, "m/s, rad/s", still),
            near(
                "height at rest",
                block.pos[0, 2],
                BLOCK_TOP_M,
                1e-3,
                "m",
                "half its height; contacts are soft",
            ),
            near("tilt at rest", block.pos[0, 4:], np.zeros(3), 1e-3, "", "flat floor"),
        ]


@needs("contact_force")
def stack(make: BackendFactory) -> list[Measurement]:
    """In a stack each contact carries what lies above it; the force is that on ``a`` from ``b``."""
    with opened(make, "blocks") as backend:
        backend.step(750)
        force = {
            pair: backend.contact_force(*pair)[0]
            for pair in (("top", "bottom"), ("bottom", "top"), ("bottom", "ground"), ("top", "ground"))
        }
        top, both = 0.5 * GRAVITY, 2.0 * GRAVITY
        return [
            near(
                "on top from bottom",
                force["top", "bottom"][2],
                top,
                2e-3 * both,
                "N",
                "carries the top, upwards",
            ),
            near("on bottom from top", force["bottom", "top"][2], -top, 2e-3 * both, "N", "pressed downwards"),
            near(
                "action and reaction",
                force["top", "bottom"],
                -force["bottom", "top"],
                1e-9,
                "N",
                "Newton's third",
            ),
            near("on bottom from ground", force["bottom", "ground"][2], both, 2e-3 * both, "N", "carries both"),
            near("on top from ground", force["top", "ground"], np.zeros(3), 0.0, "N", "they are apart"),
            holds("top and ground apart", not backend.touching("top", "ground")[0], "0.1 m between them"),
        ]


@needs("contact_force")
def shapes(make: BackendFactory) -> list[Measurement]:
    """Every shape rests at its own height, with its own weight: sizes are extents, never halves."""
    resting = {
        "crate": (0.08 / 2, 0.6),
        "orb": (0.05, 0.3),
        "drum": (0.10 / 2, 0.4),
        "pill": (0.03, 0.2),
        "chest/wedge": (0.0, 0.5),
    }
    with opened(make, "shapes") as backend:
        state, measured = backend.step(1000), []
        for name, (height, mass) in resting.items():
            rest, force = state.joint(name).pos[0, 2], backend.contact_force(name, "ground")[0, 2]
            soft = "half of the extent; contacts are soft"
            measured += [
                near(f"height of {name}", rest, height, 1e-3, "m", soft),
                near(f"force under {name}", force, mass * GRAVITY, 0.02 * mass * GRAVITY, "N", "m g"),
            ]
        return measured


def collision_rules(make: BackendFactory) -> list[Measurement]:
    """Who touches whom follows contype and conaffinity, exclusions, and parents and children."""
    steps = 250
    fallen = 0.055 - GRAVITY * STEP_S**2 * steps * (steps + 1) / 2
    soft = "the floor is at 0; contacts are soft"
    expected = {
        "plain": (0.05, 1e-3, soft),
        "sought": (0.05, 1e-3, f"its conaffinity has the floor's contype; {soft}"),
        "seeking": (0.05, 1e-3, f"its contype is in the floor's conaffinity; {soft}"),
        "other": (fallen, 1e-9, "shares no bit with the floor: free fall"),
        "ghost": (fallen, 1e-9, "touches nothing: free fall"),
        "lower": (0.05, 1e-3, soft),
        "excluded": (0.05, 1e-3, "falls through the box that it is excluded from, onto the floor"),
    }
    with opened(make, "filters") as backend:
        state = backend.step(steps)
        heights = [
            near(f"height of {name}", state.joint(name).pos[0, 2], height, tolerance, "m", why)
            for name, (height, tolerance, why) in expected.items()
        ]
        child, grandchild = (state.joint(name).pos[0, 0] for name in ("child", "grandchild"))
        return [
            *heights,
            near(
                "child on its fixed parent",
                child,
                -0.01,
                1e-3,
                "m",
                "a parent that cannot move counts as the world",
            ),
            near(
                "grandchild inside its parent",
                grandchild,
                0.0,
                1e-6,
                "m",
                "a link does not touch the next one",
            ),
        ]


def rolling(make: BackendFactory) -> list[Measurement]:
    """A ball that starts sliding ends up rolling at 5/7 of its speed, whatever the friction."""
    with opened(make, "roll") as backend:
        rest = {"ball": backend.step(200).joint("ball").pos.copy()}
        backend.write(Start(joints=rest, velocities={"ball": [[1.0, 0, 0, 0, 0, 0]]}))
        speed = backend.step(250).joint("ball").vel[0].copy()
        spin = backend.state.joint("ball").vel[0, 3:]
        why = "angular momentum about the point of contact, I = 2/5 m r^2"
        return [
            near("speed", speed[0], 5 / 7, 0.01, "m/s", why),
            near("speed over spin", speed[0] / np.linalg.norm(spin), 0.05, 1e-3, "m", "rolls: v = w r"),
        ]


@needs("contact_force")
def friction_slide(make: BackendFactory) -> list[Measurement]:
    """A box pushed over the floor slows by mu g, feels mu m g, and stops after v^2 / (2 mu g)."""
    with opened(make, "slide") as backend:
        backend.step(200)
        rest = {"box": backend.state.joint("box").pos.copy()}
        backend.write(Start(joints=rest, velocities={"box": [[SLIDE_M_S, 0, 0, 0, 0, 0]]}))
        forces, speeds = [], []
        for _ in range(200):
            speeds.append(backend.step().joint("box").vel[0, 0])
            forces.append(backend.contact_force("box", "floor")[0])
        stopped = backend.step(400).joint("box")
        drag, _, load = np.mean(forces, axis=0)
        weight = BOX_KG * GRAVITY
        distance = SLIDE_M_S**2 / (2 * MU * GRAVITY)
        braking = (speeds[49] - speeds[-1]) / (150 * STEP_S)
        why = "Coulomb: mu is the larger of box (0.3) and floor (0.05); the box hops by 0.1 mm as it slides"
        creep = "soft friction may creep"
        return [
            near("deceleration", braking, MU * GRAVITY, 0.03 * MU * GRAVITY, "m/s^2", why),
            near("mean friction force", drag, -MU * weight, 0.03 * MU * weight, "N", why),
            near("mean normal force", load, weight, 0.03 * weight, "N", "m g on average"),
            near(
                "friction over normal force",
                -drag / load,
                MU,
                1e-3 * MU,
                "",
                "mu, exactly, as long as it slides",
            ),
            near(
                "stopping distance",
                stopped.pos[0, 0] - rest["box"][0, 0],
                distance,
                0.02 * distance,
                "m",
                why,
            ),
            near("drift to the side", stopped.pos[0, 1], 0.0, 1e-3, "m", "nothing pushes sideways"),
            near("speed after stopping", stopped.vel[0, 0], 0.0, 2e-3, "m/s", creep),
        ]


@needs("contact_force")
def impulse_balance(make: BackendFactory) -> list[Measurement]:
    """Through an impact, every substep's change of momentum is its contact force and the weight."""
    with opened(make, "block") as backend:
        backend.write(
            Start(joints={"block": [[0, 0, 0.06, 1, 0, 0, 0]]}, velocities={"block": [[0, 0, -1.0, 0, 0, 0]]})
        )
        worst, hardest, before, tilt = 0.0, 0.0, -1.0, 0.0
        for _ in range(100):
            now = float(backend.step().joint("block").vel[0, 2])
            force = float(backend.contact_force("block", "world")[0, 2])
            worst = max(worst, abs(BLOCK_KG * ((now - before) / STEP_S + GRAVITY) - force))
            hardest, before = max(hardest, force), now
            tilt = max(tilt, float(np.abs(backend.state.joint("block").vel[0, 3:5]).max()))
        return [
            near(
                "force against change of momentum",
                worst / hardest,
                0.0,
                1e-6,
                "",
                "F dt = m (dv + g dt) in each substep: the last substep's force, the new state's velocity",
            ),
            report(
                "hardest force of the impact",
                hardest,
                BLOCK_KG * 1.0 / STEP_S,
                "N",
                "1 m/s stopped in one step",
            ),
            report("fastest turn of the impact", tilt, 0.0, "rad/s", "it lands flat"),
        ]


CHECKS = (drop_to_rest, stack, shapes, collision_rules, rolling, friction_slide, impulse_balance)
