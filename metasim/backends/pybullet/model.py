"""Canonical model to Bullet bodies: what becomes a link, its inertia, its joint; and what is refused.

Bodies without joints between them are one rigid group, and one Bullet link. Every moving tree of groups is one
multi-body: its base is the free root, or a massless frame at the root's own zero pose, so that moving a fixed parent
or the root itself is moving the base. Fixed bodies are bodies of mass 0, one each, so that each can be placed at reset.
Surfaces of a group that differ in friction, softness, filter, or are declared in a contact pair, are links of their
own, fixed to the group's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import mujoco
import numpy as np

from metasim.backends.pybullet.inertia import bullet_inertia
from metasim.backends.pybullet.shapes import add_collision, add_origin, check_shape, numbers, rotation
from metasim.core.errors import UnsupportedFeature

Array = Any
_JOINT = mujoco.mjtJoint
_TENDON_FORCES = ("stiffness", "stiffnesspoly", "damping", "dampingpoly", "frictionloss", "limited", "armature")
FREE, BALL, SLIDE = int(_JOINT.mjJNT_FREE), int(_JOINT.mjJNT_BALL), int(_JOINT.mjJNT_SLIDE)
_TINY_KG, _TINY_KGM2 = 1e-9, 1e-12


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Collision geoms of one group that share a Bullet link.

    Attributes:
        group: Body that the rigid group is named after; 0 when it is fixed.
        owner: Body in whose frame the shapes stand: the group, or the fixed body.
        geoms: Geom indices.
        link: Name of the URDF link.
        part: Index of the Bullet body.
    """

    group: int
    owner: int
    geoms: tuple[int, ...]
    link: str
    part: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """One Bullet body: a moving tree or a fixed body.

    Attributes:
        root: Root body of the tree, or the fixed body.
        moving: Whether it is a tree.
        free: Whether its base is free.
        joints: Hinges and slides in it, in canonical order.
        groups: Groups in it, root first; empty for a fixed body.
        urdf: Its text.
    """

    root: int
    moving: bool
    free: bool
    joints: tuple[int, ...]
    groups: tuple[int, ...]
    urdf: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All Bullet bodies of a model, and the frames of its bodies in their groups.

    Attributes:
        parts: Bullet bodies in order of loading.
        surfaces: Their collision surfaces.
        rel_pos: ``(nbody, 3)`` position of each body in its group's frame [m].
        rel_mat: ``(nbody, 3, 3)`` its orientation.
    """

    parts: tuple[Part, ...]
    surfaces: tuple[Surface, ...]
    rel_pos: Array
    rel_mat: Array


def make_plan(m: mujoco.MjModel, labels: Mapping[int, Any], folder: Path) -> Plan:
    """Translate a model; mesh files are written into ``folder``.

    Args:
        m: The canonical model.
        labels: Geom to a label; geoms of different labels get links of their own, to tell their contacts apart.
        folder: Where the URDF texts will be loaded from.

    Raises:
        UnsupportedFeature: For an element that Bullet cannot express, named.
    """
    refuse(m)
    maker = _Maker(m, labels, folder)
    moving = [
        b
        for b in range(1, m.nbody)
        if _group(m, b) == b and m.body_dofnum[b] and not _group(m, int(m.body_parentid[b]))
    ]
    parts = [maker.tree(b) for b in moving] + [p for b in range(m.nbody) for p in maker.fixed(b)]
    return Plan(parts=tuple(parts), surfaces=tuple(maker.surfaces), rel_pos=maker.rel_pos, rel_mat=maker.rel_mat)


def _acting_tendons(m: mujoco.MjModel) -> list[int]:
    """Return the tendons that do anything: the others only measure a length, which nothing here reads."""
    tied = m.eq_obj1id[m.eq_type == int(mujoco.mjtEq.mjEQ_TENDON)]
    return [
        t for t in range(m.ntendon) if t in tied or any(np.any(getattr(m, f"tendon_{f}")[t]) for f in _TENDON_FORCES)
    ]


def refuse(m: mujoco.MjModel) -> None:
    """Raise UnsupportedFeature for the first element that Bullet cannot express."""
    for t in _acting_tendons(m):
        raise UnsupportedFeature(
            f"pybullet does not support tendons (tendon {m.tendon(t).name or t!r}); drive the joints directly,"
            " or use mujoco"
        )
    for count, kind, instead in (
        (m.nflex, "flex", "use rigid bodies"),
        (m.npair, "pair", "use contype and conaffinity"),
        (m.nplugin, "plugin", "use the built-in elements"),
    ):
        if count:
            names = [m.pair(0).name] if kind == "pair" else []
            raise UnsupportedFeature(
                f"pybullet does not support {kind}s ({kind} {(names or ['0'])[0]!r}); {instead}, or use mujoco"
            )
    for j in range(m.njnt):
        if int(m.jnt_type[j]) == BALL:
            raise UnsupportedFeature(
                f"pybullet does not support ball joints (joint {m.joint(j).name or j!r}); use three hinges, or mujoco"
            )
        parent = int(m.body_parentid[m.jnt_bodyid[j]])
        if m.body_mocapid[m.body_weldid[parent]] >= 0:
            raise UnsupportedFeature(
                f"pybullet does not support joints on a mocap body (joint {m.joint(j).name or j!r}); weld to it instead"
            )
    for a in range(m.nu):
        if int(m.actuator_trntype[a]) not in (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)):
            raise UnsupportedFeature(
                f"pybullet supports actuators on joints only (actuator {m.actuator(a).name or a!r}); use mujoco"
            )
    for g in colliding(m):
        check_shape(m, g)
        if m.geom_adhesion[g] or np.any(m.geom_surfacevel[g]):
            raise UnsupportedFeature(
                f"pybullet has neither adhesion nor surface velocity (geom {m.geom(g).name or g!r}); use mujoco"
            )


def colliding(m: mujoco.MjModel) -> list[int]:
    """Return the geoms that can touch any geom of another group."""
    if m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT):
        return []
    touching = [g for g in range(m.ngeom) if m.geom_contype[g] or m.geom_conaffinity[g]]
    return [g for g in touching if any(may_touch(m, g, h) for h in touching)]


def may_touch(m: mujoco.MjModel, g: int, h: int) -> bool:
    """Tell whether two geoms may touch: filters, groups, parents and excludes, as MuJoCo has them."""
    a, b = int(m.geom_bodyid[g]), int(m.geom_bodyid[h])
    wa, wb = int(m.body_weldid[a]), int(m.body_weldid[b])
    if wa == wb or (_anchored(m, wa) and _anchored(m, wb)):
        return False
    if not ((m.geom_contype[g] & m.geom_conaffinity[h]) or (m.geom_contype[h] & m.geom_conaffinity[g])):
        return False
    if not m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_FILTERPARENT):
        pa, pb = _group(m, int(m.body_parentid[wa])), _group(m, int(m.body_parentid[wb]))
        if (pa == wb and wb != 0) or (pb == wa and wa != 0):
            return False
    signature = (min(a, b) << 16) + max(a, b)
    return signature not in m.exclude_signature


def _group(m: mujoco.MjModel, body: int) -> int:
    return int(m.body_weldid[body])


def _anchored(m: mujoco.MjModel, group: int) -> bool:
    return group == 0 or int(m.body_mocapid[group]) >= 0


class _Maker:
    """Collects parts and surfaces of one model."""

    def __init__(self, m: mujoco.MjModel, labels: Mapping[int, Any], folder: Path) -> None:
        self.m, self.folder, self.labels = m, folder, labels
        self.surfaces: list[Surface] = []
        self.geoms = colliding(m)
        self.part = 0
        data = mujoco.MjData(m)
        mujoco.mj_kinematics(m, data)
        pos, mat = np.array(data.xpos), np.array(data.xmat).reshape(-1, 3, 3)
        root = np.array(m.body_weldid)
        inverse = mat[root].transpose(0, 2, 1)
        self.rel_pos = np.einsum("bij,bj->bi", inverse, pos - pos[root])
        self.rel_mat = inverse @ mat

    def fixed(self, body: int) -> list[Part]:
        """Return the parts of one fixed (or mocap) body: one for each kind of surface."""
        if not _anchored(self.m, _group(self.m, body)):
            return []
        parts = []
        for geoms in self._split([g for g in self.geoms if self.m.geom_bodyid[g] == body]):
            robot = Element("robot", name=f"fixed{body}")
            link = _link(robot, "base", 0.0, np.zeros(3), np.eye(3), np.zeros(3))
            for g in geoms:
                add_collision(link, self.m, g, self.m.geom_pos[g], rotation(self.m.geom_quat[g]), self.folder)
            self.surfaces.append(
                Surface(group=_group(self.m, body), owner=body, geoms=geoms, link="base", part=self.part)
            )
            parts.append(Part(root=body, moving=False, free=False, joints=(), groups=(), urdf=_text(robot)))
            self.part += 1
        return parts

    def tree(self, root: int) -> Part:
        """Return the multi-body of the tree that starts at a group whose parent is fixed."""
        m = self.m
        free = int(m.jnt_type[m.body_jntadr[root]]) == FREE
        robot = Element("robot", name=f"tree{root}")
        if not free:
            _link(robot, "base", 0.0, np.zeros(3), np.eye(3), np.zeros(3))
        groups = [b for b in range(root, m.nbody) if _group(m, b) == b and _under(m, b, root)]
        joints: list[int] = []
        for group in groups:
            own = (
                []
                if free and group == root
                else list(range(m.body_jntadr[group], m.body_jntadr[group] + m.body_jntnum[group]))
            )
            self._add_group(robot, group, own, root)
            joints += own
        part = Part(
            root=root,
            moving=True,
            free=free,
            joints=tuple(joints),
            groups=tuple(groups),
            urdf=_text(robot),
        )
        self.part += 1
        return part

    def _add_group(self, robot: Element, group: int, joints: list[int], root: int) -> None:
        m = self.m
        offset = link_offset(m, group)
        mass, com, axes, inertia = merged_inertia(m, group, self.rel_pos, self.rel_mat, *bullet_inertia(m))
        link = _link(robot, f"b{group}", mass, com - offset, axes, inertia)
        for k, geoms in enumerate(self._split([g for g in self.geoms if _group(m, int(m.geom_bodyid[g])) == group])):
            name = f"b{group}" if k == 0 else f"s{group}.{k}"
            if k:
                link = _link(robot, name, 0.0, np.zeros(3), np.eye(3), np.zeros(3))
                _joint(robot, name, "fixed", f"b{group}", name, np.zeros(3), np.eye(3), None)
            for g in geoms:
                b = int(m.geom_bodyid[g])
                pos = self.rel_pos[b] + self.rel_mat[b] @ m.geom_pos[g] - offset
                add_collision(link, m, g, pos, self.rel_mat[b] @ rotation(m.geom_quat[g]), self.folder)
            self.surfaces.append(Surface(group=group, owner=group, geoms=geoms, link=name, part=self.part))
        if joints:
            self._add_joints(robot, group, joints, root)

    def _add_joints(self, robot: Element, group: int, joints: list[int], root: int) -> None:
        """Chain the joints of one group; all but the last move a dummy link."""
        m = self.m
        if group == root:
            before, pos, mat = "base", np.zeros(3), np.eye(3)
        else:
            parent = int(m.body_parentid[group])
            above = _group(m, parent)
            before = f"b{above}"
            pos = self.rel_pos[parent] + self.rel_mat[parent] @ m.body_pos[group] - link_offset(m, above)
            mat = self.rel_mat[parent] @ rotation(m.body_quat[group])
        shift = np.zeros(3)
        for k, j in enumerate(joints):
            last = k == len(joints) - 1
            name = f"b{group}" if last else f"d{j}"
            if not last:
                _link(robot, name, _TINY_KG, np.zeros(3), np.eye(3), np.full(3, _TINY_KGM2))
            kind = "prismatic" if int(m.jnt_type[j]) == SLIDE else "continuous"
            _joint(robot, f"j{j}", kind, before, name, pos + mat @ (m.jnt_pos[j] - shift), mat, m.jnt_axis[j])
            before, pos, mat, shift = name, np.zeros(3), np.eye(3), m.jnt_pos[j]

    def _split(self, geoms: list[int]) -> list[tuple[int, ...]]:
        """Part geoms by what Bullet holds once for each link."""
        classes: dict[tuple[Any, ...], list[int]] = {}
        m = self.m
        for g in geoms:
            key = (int(m.geom_contype[g]), int(m.geom_conaffinity[g]), int(m.geom_condim[g]), *m.geom_friction[g])
            key += (*m.geom_solref[g], *m.geom_solimp[g], int(m.geom_bodyid[g]) if self._apart(g) else -1)
            key += (self.labels.get(g), self._weight_class(int(m.geom_bodyid[g])))
            classes.setdefault(key, []).append(g)
        return [tuple(c) for c in classes.values()]

    def _weight_class(self, body: int) -> int:
        """Tell bodies of a group apart whose contacts MuJoCo makes of very different softness (factor 1.4)."""
        weight = float(self.m.body_invweight0[body, 0])
        return round(2 * np.log2(weight)) if weight > 0 else 0

    def _apart(self, geom: int) -> bool:
        """Tell whether some body of the geom's group is excluded from touching another, and must be told apart."""
        body = int(self.m.geom_bodyid[geom])
        return any(body in (int(s) >> 16, int(s) & 0xFFFF) for s in self.m.exclude_signature)


def merged_inertia(
    m: mujoco.MjModel, group: int, rel_pos: Array, rel_mat: Array, body_mass: Array, body_inertia: Array
) -> tuple[float, Array, Array, Array]:
    """Merge the bodies of a rigid group by parallel axes.

    Args:
        m: The model.
        group: Which group.
        rel_pos: ``(nbody, 3)`` places of bodies in their group.
        rel_mat: ``(nbody, 3, 3)`` their orientations.
        body_mass: ``(nbody,)``.
        body_inertia: ``(nbody, 3)`` principal moments.

    Returns:
        Mass, centre ``(3,)``, principal axes ``(3, 3)`` and moments ``(3,)`` in the group's frame.
    """
    members = [b for b in range(m.nbody) if _group(m, b) == group]
    masses = np.array([body_mass[b] for b in members])
    centers = np.array([rel_pos[b] + rel_mat[b] @ m.body_ipos[b] for b in members])
    mass = float(masses.sum())
    if mass <= 0:
        return _TINY_KG, np.zeros(3), np.eye(3), np.full(3, _TINY_KGM2)
    com = masses @ centers / mass
    total = np.zeros((3, 3))
    for b, kg, center in zip(members, masses, centers - com, strict=True):
        axes = rel_mat[b] @ rotation(m.body_iquat[b])
        total += axes @ np.diag(body_inertia[b]) @ axes.T + kg * (
            center @ center * np.eye(3) - np.outer(center, center)
        )
    moments, axes = np.linalg.eigh(total)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    return mass, com, axes, moments


def link_offset(m: mujoco.MjModel, group: int) -> Array:
    """Return the origin of a group's Bullet link in the group's frame ``(3,)``: its last joint's anchor."""
    last = int(m.body_jntadr[group] + m.body_jntnum[group]) - 1
    return np.zeros(3) if int(m.jnt_type[last]) == FREE else np.array(m.jnt_pos[last])


def _under(m: mujoco.MjModel, body: int, root: int) -> bool:
    while body > root:
        body = int(m.body_parentid[body])
    return body == root


def _text(robot: Element) -> str:
    """Return URDF text in short lines: Bullet cuts long ones."""
    indent(robot)
    return tostring(robot, "unicode")


def _link(robot: Element, name: str, mass: float, com: Array, axes: Array, inertia: Array) -> Element:
    link = SubElement(robot, "link", name=name)
    inertial = SubElement(link, "inertial")
    add_origin(inertial, com, axes)
    SubElement(inertial, "mass", value=repr(float(mass)))
    x, y, z = (repr(float(v)) for v in inertia)
    SubElement(inertial, "inertia", ixx=x, iyy=y, izz=z, ixy="0", ixz="0", iyz="0")
    return link


def _joint(
    robot: Element, name: str, kind: str, parent: str, child: str, pos: Array, mat: Array, axis: Array | None
) -> None:
    joint = SubElement(robot, "joint", name=name, type=kind)
    SubElement(joint, "parent", link=parent)
    SubElement(joint, "child", link=child)
    add_origin(joint, pos, mat)
    if axis is not None:
        SubElement(joint, "axis", xyz=numbers(axis))
        SubElement(
            joint, "limit", lower="1", upper="-1", effort="1e9", velocity="1e9"
        )  # limits are torques, see control.py
