"""Push a cube to a goal on the floor with a Franka Panda. Success: the cube's centre is within 5 cm of the goal."""

from metasim import Reads, Scene, Task, register
from metasim.control import EndEffectorDelta
from metasim.core.factors import Place
from metasim.core.rewards import distance
from metasim.core.scene import Box, Camera, Drive, Robot

TIP, CLOSED = "panda_grasptarget", {"panda_finger_joint1": 0.0, "panda_finger_joint2": 0.0}


@register("lab/push-cube-v0", horizon=150, instruction="push the cube to the green goal")
class PushCube(Task):
    scene = Scene(
        robot=Robot(model="panda", drive=Drive(kind="position", stiffness=2000.0, damping=100.0), home=CLOSED),
        objects={"cube": Box(size_m=(0.05, 0.05, 0.05), mass_kg=0.1, pos=(0.5, 0.0, 0.025))},
        goals=("goal",),
        cameras={"front": Camera(pos=(1.4, 0.6, 0.8), target=(0.4, 0.0, 0.1))},
    )
    substeps = 20
    control = EndEffectorDelta(frame=TIP, kind="body")
    reads = Reads(bodies=(TIP, "cube"), sites=("goal",))
    factors = (Place("cube", (0.45, -0.1), (0.55, 0.1)), Place("goal", (0.65, -0.1, 0.025), (0.7, 0.1, 0.025)))

    def observe(self, state, memory):
        return {"hand": state.body(TIP).pos, "cube": state.body("cube").pos, "goal": state.site("goal").pos}

    def success(self, state, memory):
        return distance(state.body("cube").pos, state.site("goal").pos) < 0.05
