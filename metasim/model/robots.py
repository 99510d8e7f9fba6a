"""The robot table: where each robot's file lies, how it stands, and under which terms it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import mujoco

from metasim.core.errors import InvalidModel
from metasim.core.registry import Registry
from metasim.core.scene import Asset
from metasim.model.assets import locate
from metasim.model.urdf import spec_from_urdf

UNSTATED = "not stated beside the model"
LAIKAGO = "meshes by permission of Unitree; asks to cite PyBullet"
# Meta-World keeps its Sawyer as fragments that every scene includes; this is what the scenes add to them
SAWYER = """<mujoco model="sawyer">
  <compiler meshdir="{folder}"/>
  <include file="{parts}_dependencies.xml"/>
  <worldbody><include file="{parts}.xml"/></worldbody>
  <actuator>
    <position name="r_close" joint="r_close" kp="400" ctrllimited="true" ctrlrange="-1 1"/>
    <position name="l_close" joint="l_close" kp="400" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>"""


@dataclass(frozen=True, kw_only=True)
class RobotEntry:
    """A robot that an installed package brings.

    Args:
        file: Locator of its URDF or MJCF (see `metasim.model.assets`).
        maker: Who builds the robot.
        floating: Whether its base is free; else it is fixed in the world.
        effector: Body at the end of an arm; "" for walkers.
        feet: Bodies a walker stands on; () for arms.
        home: Joint name to position [rad or m] in a usual posture.
        height_m: Height of the base above flat ground in that posture; 0 for arms.
        licence: Terms of the model files, as far as the package states them.
        wrapper: For a file that is a fragment of MJCF: the text around it.
    """

    file: str
    maker: str
    floating: bool = False
    effector: str = ""
    feet: tuple[str, ...] = ()
    home: Mapping[str, float] = field(default_factory=dict)
    height_m: float = 0.0
    licence: str = UNSTATED
    wrapper: str = ""

    @property
    def source(self) -> str:
        """Return what brings the files: ``"pybullet"``, ``"metaworld"`` or ``"menagerie"``."""
        return self.file.partition(":")[0]

    def resolve(self) -> tuple[Asset, Mapping[str, float]]:
        """Return the robot's file as an asset, and its home position by joint.

        Raises:
            InvalidModel: If the file is a fragment, which only `load` can complete.
            MissingDependency: If the package that brings the file is not installed.
        """
        if self.wrapper:
            raise InvalidModel(f"{self.file} is a fragment of MJCF and no asset of its own; use load()")
        return Asset(path=locate(self.file), floating=self.floating), self.home

    def load(self) -> tuple[mujoco.MjSpec, Mapping[str, float]]:
        """Return the robot as a spec of its own, and its home position by joint.

        Raises:
            InvalidModel: If the file does not parse.
            MissingDependency: If the package that brings the file is not installed.
        """
        path = locate(self.file)
        if path.suffix == ".urdf":
            return spec_from_urdf(path, floating_base=self.floating), self.home
        try:
            if not self.wrapper:
                return mujoco.MjSpec.from_file(str(path)), self.home
            # meshes are named relative to the folder of Meta-World's scenes
            text = self.wrapper.format(folder=path.parents[2] / "sawyer_xyz", parts=path.with_suffix(""))
            return mujoco.MjSpec.from_string(text), self.home
        except ValueError as error:
            raise InvalidModel(f"{path}: MuJoCo cannot read it ({error})") from error


def _home(names: Sequence[str], angles: Sequence[float]) -> Mapping[str, float]:
    return MappingProxyType(dict(zip(names, angles, strict=True)))


def _legs(legs: Sequence[str], joints: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType({name.replace("*", leg): angle for leg in legs for name, angle in joints.items()})


FR_FL_RR_RL = ("FR", "FL", "RR", "RL")
FINGERS = ("panda_finger_joint1", "panda_finger_joint2")
# Ghost Robotics numbers its joints: leg k has 8 + k (abduction), 2k (hip) and 2k + 1 (knee)
GHOST = MappingProxyType(
    {str(joint): q for k in range(4) for joint, q in ((8 + k, 0.0), (2 * k, 0.8), (2 * k + 1, 1.6))}
)
GHOST_FEET = tuple(f"toe{k}" for k in range(4))

ROBOTS: Registry[RobotEntry] = Registry("robot")
for _name, _entry in {
    "panda": RobotEntry(
        file="pybullet:franka_panda/panda.urdf",
        maker="Franka Robotics",
        effector="panda_grasptarget",
        home=_home(
            (*(f"panda_joint{i}" for i in range(1, 8)), *FINGERS),
            (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785, 0.04, 0.04),
        ),
        licence="Apache-2.0",
    ),
    "kuka_iiwa": RobotEntry(
        file="pybullet:kuka_iiwa/model.urdf",
        maker="KUKA",
        effector="lbr_iiwa_link_7",
        home=_home([f"lbr_iiwa_joint_{i}" for i in range(1, 8)], (0.0, 0.6, 0.0, -1.6, 0.0, 0.94, 0.0)),
    ),
    "xarm6": RobotEntry(
        file="pybullet:xarm/xarm6_robot.urdf",
        maker="UFACTORY",
        effector="link6",
        home=_home([f"joint{i}" for i in range(1, 7)], (0.0, -0.6, -0.9, 0.0, 1.5, 0.0)),
    ),
    "sawyer": RobotEntry(
        file="metaworld:objects/assets/xyz_base.xml",
        maker="Rethink Robotics",
        effector="hand",
        home=_home([f"right_j{i}" for i in range(7)], (1.889, -0.576, -0.977, 1.642, 0.943, 1.044, 2.293)),
        licence="MIT (Meta-World)",
        wrapper=SAWYER,
    ),
    "a1": RobotEntry(
        file="pybullet:a1/a1.urdf",
        maker="Unitree",
        floating=True,
        feet=tuple(f"{leg}_toe" for leg in FR_FL_RR_RL),
        home=_legs(FR_FL_RR_RL, {"*_hip_joint": 0.0, "*_upper_joint": 0.9, "*_lower_joint": -1.8}),
        height_m=0.2686,
    ),
    "aliengo": RobotEntry(
        file="pybullet:aliengo/aliengo.urdf",
        maker="Unitree",
        floating=True,
        feet=tuple(f"{leg}_toe" for leg in FR_FL_RR_RL),
        home=_legs(FR_FL_RR_RL, {"*_hip_joint": 0.0, "*_upper_joint": 0.8, "*_lower_joint": -1.5}),
        height_m=0.3919,
    ),
    "laikago": RobotEntry(
        file="pybullet:laikago/laikago_toes_zup.urdf",
        maker="Unitree",
        floating=True,
        feet=tuple(f"toe{leg}" for leg in FR_FL_RR_RL),
        home=_legs(
            FR_FL_RR_RL,
            {
                "*_hip_motor_2_chassis_joint": 0.0,
                "*_upper_leg_2_hip_motor_joint": 0.2,
                "*_lower_leg_2_upper_leg_joint": -1.0,
            },
        ),
        height_m=0.4255,
        licence=LAIKAGO,
    ),
    "mini_cheetah": RobotEntry(
        file="pybullet:mini_cheetah/mini_cheetah.urdf",
        maker="MIT Biomimetic Robotics Lab",
        floating=True,
        feet=tuple(f"toe_{leg}" for leg in ("fr", "fl", "hr", "hl")),
        home=_legs(
            ("fr", "fl", "hr", "hl"),
            {"torso_to_abduct_*_j": 0.0, "abduct_*_to_thigh_*_j": -0.8, "thigh_*_to_knee_*_j": 1.6},
        ),
        height_m=0.286,
    ),
    "spirit40": RobotEntry(
        file="pybullet:quadruped/spirit40.urdf",
        maker="Ghost Robotics",
        floating=True,
        feet=GHOST_FEET,
        home=GHOST,
        height_m=0.3156,
    ),
    "vision60": RobotEntry(
        file="pybullet:quadruped/vision60.urdf",
        maker="Ghost Robotics",
        floating=True,
        feet=GHOST_FEET,
        home=GHOST,
        height_m=0.4423,
    ),
}.items():
    ROBOTS.register(_name, _entry)
