"""Rethink Sawyer with Meta-World's gripper: 7 joints and 2 fingers, which have actuators. Source: Meta-World.

Meta-World keeps its Sawyer as fragments that every scene includes; the wrapper is what the scenes add to them.
"""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, posture

ARM = tuple(f"right_j{i}" for i in range(7))
WRAPPER = """<mujoco model="sawyer">
  <compiler meshdir="{folder}"/>
  <option integrator="implicitfast"/>
  <include file="{parts}_dependencies.xml"/>
  <worldbody><include file="{parts}.xml"/></worldbody>
  <actuator>
    <position name="r_close" joint="r_close" kp="400" ctrllimited="true" ctrlrange="-1 1"/>
    <position name="l_close" joint="l_close" kp="400" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>"""

ROBOT = RobotEntry(
    file="metaworld:objects/assets/xyz_base.xml",
    maker="Rethink Robotics",
    effector="hand",
    home=posture((*ARM, "r_close", "l_close"), (1.889, -0.576, -0.977, 1.642, 0.943, 1.044, 2.293, 0.0, 0.0)),
    hold=Drive(stiffness=1000.0, damping=50.0, joints=ARM),
    licence="MIT (Meta-World)",
    wrapper=WRAPPER,
    mesh_folder="../../sawyer_xyz",
)
