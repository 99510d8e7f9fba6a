"""Canonical model to Isaac Gym actors: one URDF file for each moving tree and for each fixed body that can be touched.

Bodies without joints between them are one link; several joints in one body become a chain of links of almost no mass.
A fixed tree's base is a link at the root's own zero pose, so that moving a fixed parent is moving the actor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import mujoco
import numpy as np

from metasim.backends.isaacgym import shapes
from metasim.backends.isaacgym.shapes import add_origin, numbers, rotation
from metasim.core.errors import UnsupportedFeature

Array = Any
FREE, BALL, SLIDE, HINGE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{k}")) for k in ("FREE", "BALL", "SLIDE", "HINGE"))
TINY_KG, TINY_KGM2 = 1e-6, 1e-9
FAR = 1e6
"""Limit [m] of a slide that has none: Isaac Gym's reader wants one."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One Isaac Gym actor: a moving tree, or a fixed body.

    Attributes:
        name: Its name, and that of its file.
        root: Root body of the tree, or the fixed body.
        free: Whether its base is free.
        moving: Whether it is a tree.
        joints: Hinges and slides in it, in canonical order; the degrees of freedom are called ``j<k>``.
        groups: Rigid groups that are links, called ``b<body>``.
        geoms: For each link, the geom of each of its shapes, in the file's order.
        urdf: The file's text.
    """

    name: str
    root: int
    free: bool
    moving: bool
    joints: tuple[int, ...]
    groups: tuple[int, ...]
    geoms: dict[str, tuple[int, ...]]
    urdf: str


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Where bodies are in their rigid groups, and the groups' mass.

    Attributes:
        pos: ``(nbody, 3)`` position in the group's frame [m].
        mat: ``(nbody, 3, 3)`` orientation.
        com: ``(nbody, 3)`` centre of mass of the group, in its frame; of groups only.
        mass: ``(nbody,)`` mass of the group.
    """

    pos: Array
    mat: Array
    com: Array
    mass: Array


def refuse(m: mujoco.MjModel) -> None:
    """Raise UnsupportedFeature for the first element that Isaac Gym cannot express."""
    for count, kind, instead in (
        (m.ntendon, "tendons", "drive the joints directly"),
        (m.nflex, "flexible bodies", "use rigid bodies"),
        (m.npair, "contact pairs", "use contype and conaffinity"),
        (m.nplugin, "MuJoCo plugins", "use the built-in elements"),
        (m.nmocap, "mocap bodies", "use joint control"),
    ):
        if count:
            raise UnsupportedFeature(f"isaacgym does not support {kind}, and the model has {count}; {instead}")
    for j in range(m.njnt):
        name = m.joint(j).name or f"{j}"
        if int(m.jnt_type[j]) == BALL:
            raise UnsupportedFeature(f"isaacgym does not support ball joints (joint {name!r}); use three hinges")
    if np.any(m.dof_frictionloss):
        name = m.joint(int(m.dof_jntid[np.flatnonzero(m.dof_frictionloss)[0]])).name
        raise UnsupportedFeature(f"isaacgym has no dry friction in joints (joint {name!r}); use damping")
    if np.any(m.body_gravcomp) or m.opt.density > 0 or m.opt.viscosity > 0:
        raise UnsupportedFeature("isaacgym has neither gravity compensation nor a fluid; use mujoco")
    for j in np.flatnonzero(m.jnt_type == FREE):
        if np.any(m.dof_damping[m.jnt_dofadr[j] : m.jnt_dofadr[j] + 6]):
            raise UnsupportedFeature(f"isaacgym does not support damped free joints (joint {m.joint(int(j)).name!r})")
    shapes.refuse(m)


def frames(m: mujoco.MjModel) -> Frames:
    """Return where bodies are in their groups."""
    data = mujoco.MjData(m)
    mujoco.mj_kinematics(m, data)
    pos, mat = np.array(data.xpos), np.array(data.xmat).reshape(-1, 3, 3)
    root = np.array(m.body_weldid)
    inverse = mat[root].transpose(0, 2, 1)
    rel_pos, rel_mat = np.einsum("bij,bj->bi", inverse, pos - pos[root]), inverse @ mat
    mass, moment = np.zeros(m.nbody), np.zeros((m.nbody, 3))
    np.add.at(mass, root, m.body_mass)
    centers = rel_pos + np.einsum("bij,bj->bi", rel_mat, m.body_ipos)
    np.add.at(moment, root, m.body_mass[:, None] * centers)
    return Frames(pos=rel_pos, mat=rel_mat, com=moment / np.maximum(mass, 1e-12)[:, None], mass=mass)


def group_inertia(m: mujoco.MjModel, f: Frames, group: int, mass: Array, inertia: Array) -> tuple[float, Array]:
    """Return mass [kg] and inertia ``(3, 3)`` about the centre of mass, in the group's axes, of a rigid group.

    Args:
        m: The model.
        f: Its frames.
        group: Which.
        mass: ``(nbody,)`` masses.
        inertia: ``(nbody, 3)`` principal moments.
    """
    total, members = np.zeros((3, 3)), np.flatnonzero(m.body_weldid == group)
    whole = float(mass[members].sum())
    if whole <= 0:
        return TINY_KG, np.eye(3) * TINY_KGM2
    centers = f.pos[members] + np.einsum("bij,bj->bi", f.mat[members], m.body_ipos[members])
    com = mass[members] @ centers / whole
    for b, arm in zip(members, centers - com, strict=True):
        axes = f.mat[b] @ rotation(m.body_iquat[b])
        total += axes @ np.diag(inertia[b]) @ axes.T + mass[b] * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return whole, total


def make_actors(m: mujoco.MjModel, f: Frames, folder: Path) -> tuple[Actor, ...]:
    """Translate a model and write its files into ``folder``."""
    touching = shapes.colliding(m)
    planes = shapes.planes(m)
    actors = []
    for b in range(1, m.nbody):
        group = int(m.body_weldid[b])
        if group == b and m.body_dofnum[b] and not m.body_weldid[m.body_parentid[b]]:
            actors.append(_tree(m, f, b, touching, folder))
    for b in range(m.nbody):
        solid = [g for g in touching if int(m.geom_bodyid[g]) == b and g not in planes]
        if not m.body_weldid[b] and solid:
            actors.append(_fixed(m, b, solid, folder))
    for actor in actors:
        (folder / f"{actor.name}.urdf").write_text(actor.urdf)
    return tuple(actors)


def link_offset(m: mujoco.MjModel, group: int) -> Array:
    """Return the origin of a group's link in the group's frame ``(3,)``: its last joint's anchor."""
    last = int(m.body_jntadr[group] + m.body_jntnum[group]) - 1
    return np.zeros(3) if int(m.jnt_type[last]) == FREE else np.array(m.jnt_pos[last])


def _fixed(m: mujoco.MjModel, body: int, geoms: Sequence[int], folder: Path) -> Actor:
    robot = Element("robot", name=f"fixed{body}")
    link = _link(robot, "base", 1.0, np.zeros(3), np.eye(3))
    own: list[int] = []
    for g in geoms:
        own += [g] * shapes.add_collision(link, m, g, m.geom_pos[g], rotation(m.geom_quat[g]), folder)
    return Actor(
        name=f"fixed{body}",
        root=body,
        free=False,
        moving=False,
        joints=(),
        groups=(),
        geoms={"base": tuple(own)},
        urdf=_text(robot),
    )


def _tree(m: mujoco.MjModel, f: Frames, root: int, touching: Sequence[int], folder: Path) -> Actor:
    free = int(m.jnt_type[m.body_jntadr[root]]) == FREE
    robot = Element("robot", name=f"tree{root}")
    if not free:
        _link(robot, "base", 1.0, np.zeros(3), np.eye(3))
    groups = [b for b in range(root, m.nbody) if int(m.body_weldid[b]) == b and _under(m, b, root)]
    joints: list[int] = []
    geoms: dict[str, tuple[int, ...]] = {} if free else {"base": ()}
    for group in groups:
        own = [] if free and group == root else _joints(m, group)
        offset = link_offset(m, group)
        mass, inertia = group_inertia(m, f, group, m.body_mass, m.body_inertia)
        link = _link(robot, f"b{group}", mass, f.com[group] - offset, inertia)
        made: list[int] = []
        for g in (g for g in touching if int(m.body_weldid[m.geom_bodyid[g]]) == group):
            b = int(m.geom_bodyid[g])
            pos = f.pos[b] + f.mat[b] @ m.geom_pos[g] - offset
            made += [g] * shapes.add_collision(link, m, g, pos, f.mat[b] @ rotation(m.geom_quat[g]), folder)
        geoms[f"b{group}"] = tuple(made)
        geoms |= dict.fromkeys((f"d{j}" for j in own[:-1]), ())
        if own:
            _chain(robot, m, f, group, own, root)
        joints += own
    return Actor(
        name=f"tree{root}",
        root=root,
        free=free,
        moving=True,
        joints=tuple(joints),
        groups=tuple(groups),
        geoms=geoms,
        urdf=_text(robot),
    )


def _chain(robot: Element, m: mujoco.MjModel, f: Frames, group: int, joints: list[int], root: int) -> None:
    """Add the joints of one group; all but the last move a link of almost no mass."""
    if group == root:
        before, pos, mat = "base", np.zeros(3), np.eye(3)
    else:
        parent = int(m.body_parentid[group])
        above = int(m.body_weldid[parent])
        before = f"b{above}"
        pos = f.pos[parent] + f.mat[parent] @ m.body_pos[group] - link_offset(m, above)
        mat = f.mat[parent] @ rotation(m.body_quat[group])
    shift = np.zeros(3)
    for j in joints:
        name = f"b{group}" if j == joints[-1] else f"d{j}"
        if j != joints[-1]:
            _link(robot, name, TINY_KG, np.zeros(3), np.eye(3) * TINY_KGM2)
        slide, limited = int(m.jnt_type[j]) == SLIDE, bool(m.jnt_limited[j])
        kind = "prismatic" if slide else "revolute" if limited else "continuous"
        joint = SubElement(robot, "joint", name=f"j{j}", type=kind)
        SubElement(joint, "parent", link=before)
        SubElement(joint, "child", link=name)
        add_origin(joint, pos + mat @ (m.jnt_pos[j] - shift), mat)
        SubElement(joint, "axis", xyz=numbers(m.jnt_axis[j]))
        low, high = m.jnt_range[j] - m.qpos0[m.jnt_qposadr[j]] if limited else (-FAR, FAR)
        if kind != "continuous":
            limits = {"lower": repr(float(low)), "upper": repr(float(high))}
            SubElement(joint, "limit", {**limits, "effort": repr(FAR), "velocity": repr(FAR)})
        before, pos, mat, shift = name, np.zeros(3), np.eye(3), m.jnt_pos[j]


def _joints(m: mujoco.MjModel, group: int) -> list[int]:
    return list(range(int(m.body_jntadr[group]), int(m.body_jntadr[group] + m.body_jntnum[group])))


def _under(m: mujoco.MjModel, body: int, root: int) -> bool:
    while body > root:
        body = int(m.body_parentid[body])
    return body == root


def _link(robot: Element, name: str, mass: float, com: Array, inertia: Array) -> Element:
    link = SubElement(robot, "link", name=name)
    inertial = SubElement(link, "inertial")
    add_origin(inertial, com, np.eye(3))
    SubElement(inertial, "mass", value=repr(float(mass)))
    entries = {f"i{a}{b}": repr(float(inertia["xyz".index(a), "xyz".index(b)])) for a, b in ("xx", "yy", "zz")}
    entries |= {f"i{a}{b}": repr(float(inertia["xyz".index(a), "xyz".index(b)])) for a, b in ("xy", "xz", "yz")}
    SubElement(inertial, "inertia", entries)
    return link


def _text(robot: Element) -> str:
    indent(robot)
    return tostring(robot, "unicode")
