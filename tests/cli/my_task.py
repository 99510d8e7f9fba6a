"""A task in a file of a user's own: touch a point with a KUKA arm's flange."""

from metasim.control import JointPosition
from metasim.core.factors import Place
from metasim.core.reads import Reads
from metasim.core.rewards import distance
from metasim.core.scene import Camera, Drive, Robot, Scene
from metasim.core.task import Task, register

ARM = Robot(model="kuka_iiwa", drive=Drive(stiffness=400.0, damping=40.0))


@register("lab/touch-v0", horizon=30, instruction="touch the point with the flange")
class Touch(Task):
    scene = Scene(robot=ARM, goals=("goal",), cameras={"view": Camera(pos=(1.5, 1.5, 1), target=(0, 0, 0.5))})
    control = JointPosition(delta=0.05)
    reads = Reads(bodies=("lbr_iiwa_link_7",), sites=("goal",))
    factors = (Place("goal", low=(0.4, -0.2, 0.3), high=(0.6, 0.2, 0.7)),)

    def observe(self, state, memory):
        return {"flange": state.body("lbr_iiwa_link_7").pos, "goal": state.site("goal").pos}

    def success(self, state, memory):
        return distance(state.body("lbr_iiwa_link_7").pos, state.site("goal").pos) < 0.2
