"""Inertias of URDF links: make impossible ones possible, and supply missing ones, saying so.

A rigid body's inertia I has a second-moment matrix S = tr(I)/2 * 1 - I with no negative eigenvalue (which is
the triangle inequality of the principal moments). Violations are removed by clipping S, the smallest such
change.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metasim.core.errors import InvalidModel
from metasim.model.mesh import MassProperties, MeshData, convex_hull, mass_properties
from metasim.model.urdf_repair import Notes, floats
from metasim.model.urdf_tree import WORLD, UrdfTree

WATER = 1000.0  # kg/m^3, where nothing says how heavy a link is
DUMMY_KG = 1e-4  # mass of a moving link that has neither inertia nor shape
ROUNDING = 1e-6  # relative changes below this are not worth a note

Array = NDArray[np.float64]


def repair_inertias(tree: UrdfTree, base: str | None, notes: Notes) -> None:
    """Make every link's `<inertial>` one that a rigid body can have, in place.

    Args:
        tree: The file, after `repair_text` and `repair_shapes`.
        base: The link that gets a free joint, if any.
        notes: Filled with what was done; its meshes are read.

    Raises:
        InvalidModel: If a mass is negative, or an `<inertial>` lacks its mass or inertia.
    """
    if WORLD == tree.root:
        _drop(tree.links[WORLD], notes)
    masses: dict[str, float] = {}  # of each rigid group of links, by the link that carries the others
    for name, link in tree.links.items():
        _repair(tree.path, name, link, notes)
        carrier = name
        while carrier in tree.above and carrier != base and tree.moved_joint(carrier) is None:
            carrier = tree.parent(tree.above[carrier])
        masses[carrier] = masses.get(carrier, 0.0) + _mass(link)
    for name, mass in masses.items():
        if mass == 0.0 and (name == base or tree.moved_joint(name) is not None):
            _invent(name, tree.links[name], notes)


def _drop(link: ET.Element, notes: Notes) -> None:
    for element in link.findall("inertial"):
        notes.repairs.append(f"link {WORLD!r}: it is the world, so its inertia was dropped")
        link.remove(element)


def _mass(link: ET.Element) -> float:
    element = link.find("inertial/mass")
    return 0.0 if element is None else float(element.get("value", "0"))


def _repair(path: Path, name: str, link: ET.Element, notes: Notes) -> None:
    inertial = link.find("inertial")
    if inertial is None:
        return
    missing = [tag for tag in ("mass", "inertia") if inertial.find(tag) is None]
    if missing:
        raise InvalidModel(f"{path}: link {name!r}: <inertial> has no <{missing[0]}>; add it, or remove <inertial>")
    mass = _mass(link)
    if mass < 0:
        raise InvalidModel(f"{path}: link {name!r} has the mass {mass} kg; it must not be negative")
    given = read_inertia(inertial)
    if mass == 0.0:
        if given.any():
            notes.repairs.append(f"link {name!r}: it has no mass, so its inertia was set to zero")
        _write(inertial, np.zeros((3, 3)))
        return
    if not given.any():
        centre, turn = _frame(inertial)
        about = _turned(turn.T, shape_properties(link, notes.meshes, mass).inertia)
        notes.repairs.append(
            f"link {name!r}: zero inertia replaced by its shapes' at its mass, {_diagonal(about)} kg m^2"
        )
        _write(inertial, about)
        return
    physical = nearest_physical(given)
    if np.abs(physical - given).max() > ROUNDING * np.abs(given).max():
        notes.repairs.append(
            f"link {name!r}: no rigid body has the principal inertias {_diagonal(given)} kg m^2;"
            f" nearest possible {_diagonal(physical)} used"
        )
    _write(inertial, physical)


def _invent(name: str, link: ET.Element, notes: Notes) -> None:
    """Weigh a moving link that has no mass: by its collision shapes, or as a speck."""
    solid = shape_properties(link, notes.meshes, None)
    for old in link.findall("inertial"):
        link.remove(old)
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=" ".join(repr(float(v)) for v in solid.com))
    ET.SubElement(inertial, "mass", value=repr(solid.mass))
    ET.SubElement(inertial, "inertia")
    _write(inertial, nearest_physical(solid.inertia))
    how = "its collision shapes have as water" if link.find("collision") is not None else "a speck"
    notes.repairs.append(f"link {name!r}: it moves but has no mass; {solid.mass:.3g} kg given, what {how}")


def read_inertia(inertial: ET.Element) -> Array:
    """Return the (3, 3) inertia [kg m^2] an `<inertial>` states, in its own axes."""
    element = inertial.find("inertia")
    assert element is not None
    xx, yy, zz, xy, xz, yz = (float(element.get(k, "0")) for k in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz"))
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _write(inertial: ET.Element, value: Array) -> None:
    element = inertial.find("inertia")
    assert element is not None
    for key, (row, column) in {
        "ixx": (0, 0),
        "iyy": (1, 1),
        "izz": (2, 2),
        "ixy": (0, 1),
        "ixz": (0, 2),
        "iyz": (1, 2),
    }.items():
        element.set(key, repr(float(value[row, column])))


def nearest_physical(inertia: Array) -> Array:
    """Return the inertia closest to the given one, in its second moments, that a rigid body can have.

    Args:
        inertia: (3, 3) symmetric [kg m^2], not all zero.
    """
    moments, axes = np.linalg.eigh(np.trace(inertia) / 2 * np.eye(3) - inertia)
    least = max(1e-9 * float(np.abs(moments).max()), 1e-12)
    if moments.min() >= least:
        return inertia
    second = axes @ np.diag(np.maximum(moments, least)) @ axes.T
    return np.trace(second) * np.eye(3) - (second + second.T) / 2


def _diagonal(inertia: Array) -> str:
    return "(" + ", ".join(f"{v:.3g}" for v in np.linalg.eigvalsh(inertia)) + ")"


def shape_properties(link: ET.Element, meshes: Mapping[str, MeshData], mass: float | None) -> MassProperties:
    """Return what a link weighs if its collision shapes (else its visuals, else a ball of water) are uniform.

    Args:
        link: The element, after `repair_text`.
        meshes: Mesh data by the name the text uses.
        mass: Total mass [kg]; None means water for collision shapes, or a speck without any.
    """
    shapes = link.findall("collision") or (link.findall("visual") if mass is not None else [])
    solids = [s for s in (_solid(shape, meshes) for shape in shapes) if s is not None]
    if not solids:
        kilograms = DUMMY_KG if mass is None else mass
        radius = (3 * kilograms / (4 * math.pi * WATER)) ** (1 / 3)
        return MassProperties(kilograms, np.zeros(3), 0.4 * kilograms * radius**2 * np.eye(3))
    volume = sum(s.mass for s in solids)
    com = sum((s.mass * s.com for s in solids), np.zeros(3)) / volume
    inertia = np.zeros((3, 3))
    for s in solids:
        arm = s.com - com
        inertia += s.inertia + s.mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    density = WATER if mass is None else mass / volume
    return MassProperties(volume * density, com, inertia * density)


def _solid(shape: ET.Element, meshes: Mapping[str, MeshData]) -> MassProperties | None:
    """Return a shape's properties at density 1 in the link's frame; None for a flat mesh."""
    form = shape.find("geometry/*")
    assert form is not None
    sizes = [v for key in ("size", "radius", "length") for v in floats(form.get(key))]
    if form.tag == "mesh":
        try:
            own = mass_properties(convex_hull(meshes[Path(form.get("filename", "")).stem]), density=1.0)
        except InvalidModel:
            return None
    else:
        volume, diagonal = _primitive(form.tag, sizes)
        own = MassProperties(volume, np.zeros(3), np.diag(diagonal))
    centre, turn = _frame(shape)
    return MassProperties(own.mass, centre + turn @ own.com, _turned(turn, own.inertia))


def _primitive(tag: str, sizes: list[float]) -> tuple[float, list[float]]:
    """Return volume and principal inertias at density 1 of a URDF primitive (full lengths)."""
    if tag == "box":
        x, y, z = sizes
        volume = x * y * z
        return volume, [volume / 12 * s for s in (y * y + z * z, x * x + z * z, x * x + y * y)]
    r = sizes[0]
    ball = 4 / 3 * math.pi * r**3
    if tag == "sphere":
        return ball, [0.4 * ball * r * r] * 3
    length = sizes[1]
    rod = math.pi * r * r * length
    side = rod * (3 * r * r + length * length) / 12
    if tag == "cylinder":
        return rod, [side, side, rod * r * r / 2]
    caps = ball * (0.4 * r * r + length * length / 4 + 3 / 8 * r * length)
    return rod + ball, [side + caps, side + caps, rod * r * r / 2 + 0.4 * ball * r * r]


def _frame(element: ET.Element) -> tuple[Array, Array]:
    """Return position (3,) and rotation (3, 3) of an element's `<origin>`."""
    origin = element.find("origin")
    xyz, rpy = (floats(origin.get(k)) if origin is not None else [] for k in ("xyz", "rpy"))
    from scipy.spatial.transform import Rotation  # 0.2 s, for those who read URDF files

    return np.array(xyz or [0.0] * 3), Rotation.from_euler("xyz", rpy or [0.0] * 3).as_matrix()


def _turned(turn: Array, inertia: Array) -> Array:
    return turn @ inertia @ turn.T
