"""Controls: what an action in [-1, 1]^A means."""

from metasim.control.inverse_kinematics import EndEffectorDelta
from metasim.control.joints import JointEffort, JointPosition, JointVelocity
from metasim.control.mocap import MocapDelta

__all__ = ["EndEffectorDelta", "JointEffort", "JointPosition", "JointVelocity", "MocapDelta"]
