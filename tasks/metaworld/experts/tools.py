"""Plans for tools: hammer, stick-push, stick-pull."""

import numpy as np

from metasim.tasks.metaworld.experts.plan import LEAD_STEPS, Phase, Plan, View, carry, expert, gap_xy, grasp, point

LIGHT = 0.6  # a stick is light


@expert
def hammer(see: View) -> Plan:
    """Grasp the hammer near its head, line the head up before the nail, and push the nail in along +y.

    With the nail driven in, the hammer stays where it touches without pressing.
    """
    head, nail = see.obj + (0.16, 0.0, 0.0), see.second
    off = nail - head
    lined_up = (np.abs(off[:, 0]) < 0.02) & (np.abs(off[:, 2]) < 0.02)
    driven = see.goal[:, 1] - nail[:, 1] < 0.005
    before = carry(see, head, nail + (0.0, -0.15, 0.0))._replace(when=~lined_up & ~driven)
    rest = carry(see, head, see.goal + (0.0, -0.08, 0.0))._replace(when=driven)
    push = carry(see, head, nail + (0.0, 0.03, 0.0))
    return grasp(see, see.obj + (0.06, 0.0, 0.03), (before, rest, push))


@expert
def stick_push(see: View) -> Plan:
    """Grasp the stick, bring its end before the thermos, and push the thermos along +x against its end stop.

    The stick's flat end pushes straight, and the thermos goes on by itself for long. Pressed against its stop it goes
    with the stick to the goal's y. Near the goal the stick rests: pressed on, the thermos may slide off its end.
    """
    behind = see.second + (-0.16, 0.0, -0.02)
    off = behind - see.obj
    lined_up = (np.abs(off[:, 1]) < 0.01) & (np.abs(off[:, 2]) < 0.03)
    arrived = see.goal[:, 0] - see.second[:, 0] < 0.02
    aside = np.where(arrived, np.clip(see.goal[:, 1] - see.second[:, 1], -0.012, 0.012), 0.0)
    contact = behind + point(np.where(arrived, 0.05, 0.08), aside, 0.0)
    before = carry(see, see.obj, behind, grip=LIGHT)._replace(when=~lined_up & (off[:, 0] > -0.03))
    there = gap_xy(see.second, see.goal) < 0.09  # 12 cm is success
    rest = Phase(there & lined_up, see.hand, LIGHT)
    return grasp(
        see,
        see.obj + (0.005, 0.0, 0.03),
        (rest, before, carry(see, see.obj, contact, gain=0.1, grip=LIGHT)),
        grip=LIGHT,
    )


@expert
def stick_pull(see: View) -> Plan:
    """Grasp the stick, put it through the thermos's handle along +x, press it up against the handle, and drag.

    Pressed from below, the thermos, which slides without friction, goes where the stick goes and stops where it stops.
    It cannot quite reach the farthest goals: there it is swung against its end stop and held there.
    """
    off = see.second - see.obj
    soon = see.second + (1.0 / 0.15 + LEAD_STEPS) * see.second_drift  # where to aim to keep up with it
    inside = (off[:, 0] < 0.046) & (np.abs(off[:, 1]) < 0.035) & (np.abs(off[:, 2]) < 0.055)
    lined_up = (np.abs(off[:, 1]) < 0.01) & (off[:, 2] < -0.02)
    pressed = off[:, 2] < -0.036
    before = carry(see, see.obj, soon + (-0.12, 0.0, 0.03), grip=LIGHT)
    insert = carry(see, see.obj, soon + (-0.035, 0.0, 0.03), grip=LIGHT)
    press = carry(see, see.obj, point(see.obj[:, 0], see.obj[:, 1], see.second[:, 2] + 0.045), gain=0.1, grip=LIGHT)
    far = see.goal[:, 0] > 0.43
    way = np.clip(see.goal - see.second, -0.04, 0.04)
    x, y = see.hand[:, 0] + np.where(far, 0.1, way[:, 0]), see.hand[:, 1] + way[:, 1]
    up = np.minimum(see.hand[:, 2] + off[:, 2] + 0.0395, see.obj[:, 2] + 0.05)
    drag = Phase(inside & pressed, point(x, y, up), LIGHT, 0.1)
    return grasp(
        see,
        see.obj + (-0.012, 0.0, 0.03),
        (drag, press._replace(when=inside), before._replace(when=~lined_up), insert),
        grip=LIGHT,
    )
