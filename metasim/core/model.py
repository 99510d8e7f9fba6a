"""What is known of a compiled model without any engine: names, addresses, ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metasim.core.errors import UnknownName

Array = Any


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Names in the canonical model's order, and what control and tasks need to know about them.

    Attributes:
        bodies: Body names, ``"world"`` first.
        joints: Joint names in declared order.
        sites: Site names.
        geoms: Geom names; unnamed geoms are ``"geom<k>"``.
        actuators: Actuator names; unnamed ones are named after their joint.
        cameras: Camera names.
        mocaps: Names of mocap bodies, in the order of ``Targets.mocap_pos``.
        joint_types: ``(J,)`` strings: ``"free"``, ``"ball"``, ``"slide"`` or ``"hinge"``.
        qpos_start: ``(J,)`` int first column in qpos.
        dof_start: ``(J,)`` int first column in qvel.
        joint_range: ``(J, 2)`` [rad or m]; infinite where unlimited.
        home_qpos: ``(nq,)`` initial positions.
        ctrl_range: ``(A, 2)`` actuator control range; infinite where unlimited.
        home_ctrl: ``(A,)`` controls that hold the home position.
        actuator_joints: ``(A,)`` joint index each actuator drives, -1 for others.
        actuator_kinds: ``(A,)`` strings: ``"position"``, ``"velocity"``, ``"effort"`` or ``"other"``.
        mocap_home: ``(M, 7)`` initial mocap poses.
        robots: Robot name in the scene to its joint names.
        timestep_s: Physics step.
        digest: Hash of the compiled model and what it was compiled by.
    """

    bodies: tuple[str, ...]
    joints: tuple[str, ...]
    sites: tuple[str, ...]
    geoms: tuple[str, ...]
    actuators: tuple[str, ...]
    cameras: tuple[str, ...]
    mocaps: tuple[str, ...]
    joint_types: tuple[str, ...]
    qpos_start: Array
    dof_start: Array
    joint_range: Array
    home_qpos: Array
    ctrl_range: Array
    home_ctrl: Array
    actuator_joints: Array
    actuator_kinds: tuple[str, ...]
    mocap_home: Array
    robots: Mapping[str, tuple[str, ...]]
    timestep_s: float
    digest: str

    def index(self, kind: str, name: str) -> int:
        """Return the index of a body, joint, site, geom, actuator, camera or mocap body by its name.

        Raises:
            UnknownName: With the nearest names.
        """
        names: tuple[str, ...] = getattr(self, {"body": "bodies"}.get(kind, kind + "s"))
        try:
            return names.index(name)
        except ValueError:
            raise UnknownName(kind, name, names) from None
