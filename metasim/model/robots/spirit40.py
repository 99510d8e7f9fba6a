"""Ghost Robotics Spirit 40: 4 legs of 3 joints. Source: pybullet_data.

The maker numbers its joints: leg k has 8 + k (abduction), 2k (hip) and 2k + 1 (knee).
"""

from metasim.core.scene import Drive
from metasim.model.robots.entry import RobotEntry, posture

ROBOT = RobotEntry(
    file="pybullet:quadruped/spirit40.urdf",
    maker="Ghost Robotics",
    floating=True,
    feet=tuple(f"toe{k}" for k in range(4)),
    home=posture([str(j) for k in range(4) for j in (8 + k, 2 * k, 2 * k + 1)], (0.0, 0.8, 1.6) * 4),
    height_m=0.3156,
    hold=Drive(stiffness=100.0, damping=1.0),
)
