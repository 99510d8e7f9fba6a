"""Read URDF robots into MuJoCo specs that stand on their own: meshes in memory, no file needed afterwards.

MuJoCo's own reader does the reading; around it, the file is checked (`urdf_tree`) and repaired
(`urdf_repair`, `urdf_shapes`, `urdf_inertia`) before, and its shapes are sorted into visual and colliding
ones after.

What differs from the file: a mesh collides as its convex hull, one per object in it; meshes lose textures and
per-face colours; a `<mimic>` becomes a joint equality constraint; velocity limits stand in `UrdfModel`, as
MuJoCo has none. A root link called "world" is the world itself. A link does not touch the one that carries it, nor
what is rigidly fixed to either; MuJoCo leaves such pairs out by itself unless the carrier stands in the world.
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco

from metasim.core.errors import InvalidModel
from metasim.model.mesh import fill_mesh
from metasim.model.urdf_inertia import repair_inertias
from metasim.model.urdf_repair import FRICTIONS, Notes, repair_text
from metasim.model.urdf_shapes import repair_shapes
from metasim.model.urdf_tree import WORLD, UrdfTree, read_tree

VISUAL_GROUP, COLLISION_GROUP = 2, 3
COMPILER = {"discardvisual": "false", "fusestatic": "false", "strippath": "false"}
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class UrdfModel:
    """A URDF as a MuJoCo spec, and what it took to get there.

    Args:
        spec: Compiles as it is, and after being attached to another spec.
        root: Name of the body that carries the robot.
        joints: Names of the movable joints, in the file's order (compiled, they are depth first).
        velocity_limits: Joint name to [rad/s] or [m/s], where the file states one.
        repairs: One sentence for each thing that was changed to make the file usable.
        ignored: Elements that mean nothing to MuJoCo and were left out, with their counts.
    """

    spec: mujoco.MjSpec
    root: str
    joints: tuple[str, ...]
    velocity_limits: Mapping[str, float]
    repairs: tuple[str, ...]
    ignored: tuple[str, ...]


def spec_from_urdf(
    path: str | Path, *, floating_base: bool = False, search: Iterable[str | Path] = ()
) -> mujoco.MjSpec:
    """Return a URDF as a MuJoCo spec; repairs are logged. `read_urdf` has the details."""
    return read_urdf(path, floating_base=floating_base, search=search).spec


def read_urdf(path: str | Path, *, floating_base: bool = False, search: Iterable[str | Path] = ()) -> UrdfModel:
    """Read a URDF, repairing what is commonly wrong with such files.

    Args:
        path: The file.
        floating_base: Give the root body a free joint, named ``<root>_free``; else it is fixed in the world.
        search: More folders to look for meshes in, such as the parents of ROS packages.

    Returns:
        The spec and notes: bodies named after links, visual geoms (group 2) that touch nothing, colliding
        geoms in group 3, no actuators.

    Raises:
        InvalidModel: If the file or something in it cannot be used; it names the element and the fix.
        UnsupportedFeature: If the file asks for what MuJoCo cannot express.
    """
    path = Path(path)
    tree = read_tree(path)
    notes = Notes()
    repair_text(tree, notes)
    repair_shapes(tree, search, notes)
    frictions = _take_frictions(tree)
    speeds = _take_speeds(tree)
    base = _base(tree) if floating_base else None
    repair_inertias(tree, base, notes)
    spec = _read(tree, notes)
    _sort_geoms(spec, frictions)
    if base is not None:
        spec.body(base).add_freejoint(name=f"{base}_free")
    else:
        _exclude_neighbours(spec, tree)
    for repair in notes.repairs:
        LOGGER.info("%s: %s", path.name, repair)
    ignored = tuple(f"{name} ({count})" for name, count in sorted(notes.ignored.items()))
    if ignored:
        LOGGER.info("%s: no meaning here, left out: %s", path.name, ", ".join(ignored))
    moving = tuple(name for name, joint in tree.joints.items() if joint.get("type") != "fixed")
    return UrdfModel(
        spec=spec,
        root=base or tree.root,
        joints=moving,
        velocity_limits=speeds,
        repairs=tuple(notes.repairs),
        ignored=ignored,
    )


def _base(tree: UrdfTree) -> str | None:
    """Return the link that a free joint goes on; None if the file has one already."""
    if tree.root != WORLD:
        return tree.root
    below = [
        (tree.joints[joint].get("type"), link) for link, joint in tree.above.items() if tree.parent(joint) == WORLD
    ]
    kinds = {kind for kind, _ in below}
    if kinds == {"floating"}:
        return None
    if kinds != {"fixed"} or len(below) != 1 or tree.links[WORLD].find("collision") is not None:
        raise InvalidModel(
            f"{tree.path}: floating_base=True, but the root link 'world' has collision shapes, or carries"
            f" {[link for _, link in below]} by {sorted(str(k) for k in kinds)} joints; only a single link on"
            " a fixed joint can be set free: load it with floating_base=False"
        )
    return below[0][1]


def _take_frictions(tree: UrdfTree) -> dict[str, list[float | None]]:
    found = {}
    for name, link in tree.links.items():
        for contact in link.findall("contact"):
            values = [contact.find(tag) for tag in FRICTIONS]
            found[name] = [None if v is None or v.get("value") is None else float(v.get("value", "")) for v in values]
            link.remove(contact)
    return found


def _take_speeds(tree: UrdfTree) -> dict[str, float]:
    found = {}
    for name, joint in tree.joints.items():
        limit = joint.find("limit")
        if limit is not None and joint.get("type") != "fixed" and "velocity" in limit.attrib:
            found[name] = float(limit.attrib.pop("velocity"))
    return found


def _read(tree: UrdfTree, notes: Notes) -> mujoco.MjSpec:
    ET.SubElement(ET.SubElement(tree.robot, "mujoco"), "compiler", COMPILER)
    try:
        spec = mujoco.MjSpec.from_string(ET.tostring(tree.robot, encoding="unicode"))
    except ValueError as error:
        raise InvalidModel(f"{tree.path}: MuJoCo cannot read it ({error}); correct the element it names") from error
    for asset in spec.meshes:
        fill_mesh(asset, notes.meshes[asset.name], visual=asset.name not in notes.colliding)
    return spec


def _sort_geoms(spec: mujoco.MjSpec, frictions: Mapping[str, list[float | None]]) -> None:
    for body in spec.bodies:
        for geom in body.geoms:
            colliding = geom.contype != 0 or geom.conaffinity != 0
            geom.group = COLLISION_GROUP if colliding else VISUAL_GROUP
            geom.mass = 0.0  # a link weighs what its <inertial> says
            for index, value in enumerate(frictions.get(body.name, []) if colliding else []):
                if value is not None:
                    geom.friction[index] = value


def _exclude_neighbours(spec: mujoco.MjSpec, tree: UrdfTree) -> None:
    """Leave contacts of links fixed in the world with those they carry out of the model."""
    carriers = {name: _carrier(tree, name) for name in tree.links}
    solid = [name for name, link in tree.links.items() if link.find("collision") is not None]
    for a in (name for name in solid if carriers[name] == tree.root and name != WORLD):  # "world" is also the scene's
        for b in solid:
            joint = tree.moved_joint(carriers[b])
            if joint is not None and carriers[tree.parent(joint)] == tree.root:
                spec.add_exclude(bodyname1=a, bodyname2=b)


def _carrier(tree: UrdfTree, name: str) -> str:
    """Return the first link above, or this one, that has a joint which can move, else the root."""
    while name in tree.above and tree.moved_joint(name) is None:
        name = tree.parent(tree.above[name])
    return name
