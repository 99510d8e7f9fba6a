"""Repairs that real-world URDF files need before MuJoCo reads them; each that changes something is written down.

Done here: numbers (commas, `$(optenv ...)` defaults, too many of them), joint limits, colours, shapes (zero size,
names) and mesh files (looked up, read, given unique names). Inertias are in `urdf_inertia`.
"""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from metasim.core.errors import InvalidModel, UnsupportedFeature, nearest
from metasim.model.mesh import MeshData, convex_hull, load_mesh, load_parts
from metasim.model.urdf_tree import UrdfTree

UNLIMITED = 1e9  # a limit beyond this stands for none
GREY = "0.5 0.5 0.5 1"
FRICTIONS = ("lateral_friction", "spinning_friction", "rolling_friction")
SIZES = {"box": ("size",), "sphere": ("radius",), "cylinder": ("radius", "length"), "capsule": ("radius", "length")}
COUNTS = {  # numbers in each attribute we keep
    **{(tag, name): 3 if name == "size" else 1 for tag, names in SIZES.items() for name in names},
    **{("inertia", name): 1 for name in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")},
    **{("limit", name): 1 for name in ("lower", "upper", "effort", "velocity")},
    **{("dynamics", name): 1 for name in ("damping", "friction")},
    **{("mimic", name): 1 for name in ("multiplier", "offset")},
    **{(name, "value"): 1 for name in (*FRICTIONS, "mass")},
    **{("origin", "xyz"): 3, ("origin", "rpy"): 3, ("axis", "xyz"): 3, ("mesh", "scale"): 3, ("color", "rgba"): 4},
}
REQUIRED = {"axis": ("xyz",), "color": ("rgba",), "mass": ("value",), "inertia": ("ixx", "iyy", "izz"), **SIZES}
KEPT = {  # children that mean something to us; others are counted as ignored
    "robot": ("link", "joint", "material"),
    "link": ("inertial", "visual", "collision", "contact"),
    "joint": ("origin", "parent", "child", "axis", "limit", "dynamics", "mimic"),
    "contact": FRICTIONS,
    "material": ("color",),
}


@dataclass(kw_only=True)
class Notes:
    """What was changed (sentences), what has no meaning here (counts), and the meshes the text now names."""

    repairs: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    meshes: dict[str, MeshData] = field(default_factory=dict)
    colliding: set[str] = field(default_factory=set)


def repair_text(tree: UrdfTree, search: Sequence[Path], notes: Notes) -> None:
    """Repair everything but inertias in place.

    Args:
        tree: The checked file; its elements are changed.
        search: Folders to look for meshes in, after the file's own.
        notes: Filled with what was done.

    Raises:
        InvalidModel: If a number, shape or mesh cannot be used.
        UnsupportedFeature: If a shape has no MuJoCo counterpart.
    """
    roots = (*_mesh_folders(tree), *search)
    _ignore(tree.robot, notes)
    colours: dict[str, str] = {}
    for material in tree.robot.iter("material"):
        _numbers(tree, "material", material, notes)
        if (colour := material.find("color")) is not None:
            colours.setdefault(material.get("name", ""), colour.get("rgba", GREY))
    for name, link in tree.links.items():
        _numbers(tree, f"link {name!r}", link, notes)
        _shapes(tree, name, link, roots, colours, notes)
    _unique_names(tree, notes)
    for name, joint in tree.joints.items():
        _numbers(tree, f"joint {name!r}", joint, notes)
        _limits(name, joint, notes)
        axis = joint.find("axis")
        if axis is not None and joint.get("type") not in ("fixed", "floating") and not any(floats(axis.get("xyz"))):
            raise InvalidModel(f"{tree.path}: joint {name!r} has the axis 0 0 0; give it a direction")


def floats(text: str | None) -> list[float]:
    """Return the numbers of an attribute that `repair_text` has checked (none if it is absent)."""
    return [float(token) for token in (text or "").split()]


def _mesh_folders(tree: UrdfTree) -> list[Path]:
    compiler = tree.robot.find("mujoco/compiler")
    meshdir = None if compiler is None else compiler.get("meshdir")
    return [tree.path.parent / meshdir] if meshdir else []


def _ignore(robot: ET.Element, notes: Notes) -> None:
    """Drop elements without a meaning here, so that nothing reads them by accident, and count them."""
    for parent in list(robot.iter()):
        known = KEPT.get(parent.tag)
        for child in [] if known is None else [c for c in parent if c.tag not in known]:
            notes.ignored[f"{parent.tag}/{child.tag}"] += 1
            parent.remove(child)


def _numbers(tree: UrdfTree, owner: str, element: ET.Element, notes: Notes) -> None:
    for part in element.iter():
        for name in REQUIRED.get(part.tag, ()):
            if part.get(name) is None:
                raise InvalidModel(f"{tree.path}: {owner}: <{part.tag}> has no {name}; add it")
        for name, text in part.items():
            count = COUNTS.get((part.tag, name))
            if count is None:
                continue
            where = f"{owner}: <{part.tag} {name}={text!r}>"
            values = _parse_numbers(f"{tree.path}: {where}", text, count, name)
            if text.split() != values:
                notes.repairs.append(f"{where} read as {' '.join(values)!r}")
                part.set(name, " ".join(values))


def _parse_numbers(where: str, text: str, count: int, name: str) -> list[str]:
    """Return exactly `count` number tokens; a launch-time default and surplus numbers are understood."""
    tokens = re.sub(r"\$\(optenv\s+\S+([^)]*)\)", r"\1", text).replace(",", " ").split()
    try:
        values = [float(token) for token in tokens]
    except ValueError:
        raise InvalidModel(f"{where}: expected {count} numbers; correct the text") from None
    if name == "scale" and len(tokens) == 1:
        tokens, values = tokens * 3, values * 3
    if name == "rgba" and len(tokens) == 3:
        tokens, values = [*tokens, "1"], [*values, 1.0]
    if len(tokens) < count:
        raise InvalidModel(f"{where}: expected {count} numbers, got {len(tokens)}; add the missing ones")
    endless = name in ("lower", "upper", "effort", "velocity")
    if not np.isfinite(values[:count]).all() and not (endless and not np.isnan(values[0])):
        raise InvalidModel(f"{where}: numbers must be finite; correct the text")
    return tokens[:count]


def _limits(name: str, joint: ET.Element, notes: Notes) -> None:
    limit = joint.find("limit")
    kind = joint.get("type")
    if limit is None or kind == "fixed":
        return
    for key in ("effort", "velocity"):
        if limit.get(key) is not None and abs(float(limit.get(key, ""))) > UNLIMITED:
            del limit.attrib[key]
            notes.repairs.append(f"joint {name!r}: endless {key} limit removed")
    ends = {key: float(limit.get(key, "0")) for key in ("lower", "upper")}
    given = [key for key in ends if limit.get(key) is not None]
    if not given:
        return
    for key in given:
        del limit.attrib[key]
    if kind not in ("revolute", "prismatic"):
        notes.repairs.append(f"joint {name!r}: it is {kind}, so its position limits do not apply")
    elif min(-ends["lower"], ends["upper"]) > UNLIMITED:
        notes.repairs.append(f"joint {name!r}: endless position limits removed")
    elif ends["lower"] < ends["upper"]:
        for key, value in ends.items():
            limit.set(key, repr(value))
    else:
        notes.repairs.append(f"joint {name!r}: lower limit {ends['lower']} is not below upper {ends['upper']}, so it is unlimited")


def _shapes(
    tree: UrdfTree, name: str, link: ET.Element, roots: Sequence[Path], colours: dict[str, str], notes: Notes
) -> None:
    for shape in [s for s in link if s.tag in ("visual", "collision")]:
        where = f"link {name!r}: <{shape.tag}>"
        geometry = shape.find("geometry")
        if geometry is None or len(geometry) != 1:
            raise InvalidModel(f"{tree.path}: {where} needs one <geometry> with one shape in it")
        form = geometry[0]
        if form.tag != "mesh" and form.tag not in SIZES:
            raise UnsupportedFeature(f"{tree.path}: {where} has the shape <{form.tag}>; {nearest(form.tag, ('mesh', *SIZES))}")
        sizes = [v for key in (*SIZES.get(form.tag, ()), "scale") for v in floats(form.get(key))]
        if form.tag != "mesh" and min(sizes) < 0:
            raise InvalidModel(f"{tree.path}: {where} <{form.tag}> has a negative size {sizes}; sizes are lengths in metres")
        if not all(sizes):
            notes.repairs.append(f"{where} <{form.tag}> has a size of zero and was dropped")
            link.remove(shape)
            continue
        if shape.tag == "visual":
            _paint(shape, colours)
        if form.tag == "mesh":
            _mesh(tree, where, link, shape, roots, notes)


def _paint(shape: ET.Element, colours: dict[str, str]) -> None:
    """Write the colour into the visual; MuJoCo's reader would hand it on to later visuals of the link."""
    material = shape.find("material")
    own = None if material is None else material.find("color")
    rgba = own.get("rgba", GREY) if own is not None else colours.get(material.get("name", ""), GREY) if material is not None else GREY
    for old in shape.findall("material"):
        shape.remove(old)
    ET.SubElement(ET.SubElement(shape, "material", name=""), "color", rgba=rgba)


def _mesh(tree: UrdfTree, where: str, link: ET.Element, shape: ET.Element, roots: Sequence[Path], notes: Notes) -> None:
    """Read a shape's mesh; a colliding mesh of several solid objects (a convex decomposition) becomes a shape each."""
    element = shape.find("geometry/mesh")
    assert element is not None
    given = element.get("filename", "")
    path = find_mesh(given, tree.path, roots)
    if not Path(given).is_absolute() and path != tree.path.parent / given:
        notes.repairs.append(f"{where} mesh {given!r} found as {path.name!r} in {path.parent.name!r}")
    scale = floats(element.attrib.pop("scale", "1 1 1"))
    try:
        parts = load_parts(path, scale) if shape.tag == "collision" else ()
        if len(parts) < 2 or not all(_solid(part) for part in parts):
            parts = (load_mesh(path, scale),)
        if shape.tag == "collision":
            _ = [convex_hull(part) for part in parts]  # raises if one is flat: nothing could touch it
    except InvalidModel as error:
        raise InvalidModel(f"{tree.path}: {where}: {error}") from error
    key = f"{path.stem}{'' if scale == [1, 1, 1] else '_' + '_'.join(f'{s:g}' for s in scale)}"
    for index, part in enumerate(parts):
        clone = shape if index == 0 else copy.deepcopy(shape)
        if index:
            link.append(clone)
        label = _asset(f"{key}_{index}" if len(parts) > 1 else key, part, notes)
        mesh = clone.find("geometry/mesh")
        assert mesh is not None
        mesh.set("filename", f"{label}.obj")
        if shape.tag == "collision":
            notes.colliding.add(label)


def _solid(mesh: MeshData) -> bool:
    try:
        convex_hull(mesh)
    except InvalidModel:
        return False
    return True


def _asset(label: str, mesh: MeshData, notes: Notes) -> str:
    """Register mesh data under a name that no other data has."""
    stem, count = label.replace(".", "p"), 1
    label = stem
    while label in notes.meshes and not _same(notes.meshes[label], mesh):
        count += 1
        label = f"{stem}-{count}"
    notes.meshes[label] = mesh
    return label


def _same(a: MeshData, b: MeshData) -> bool:
    return a is b or (np.array_equal(a.vertices, b.vertices) and np.array_equal(a.faces, b.faces))


def find_mesh(given: str, urdf: Path, roots: Iterable[Path]) -> Path:
    """Return the file a URDF's mesh name means.

    Looked up, in this order, as a path from the URDF's folder, from each folder above it, and from each root; a
    `package://NAME/PATH` also without NAME; a name under a root also by its last part alone.

    Raises:
        InvalidModel: If no such file exists; the message lists the folders tried.
    """
    rest = re.sub(r"^(package|model|file):/*", lambda m: "/" if m[1] == "file" else "", given.replace("\\", "/"))
    names = [rest]
    if re.match(r"^(package|model):", given) and "/" in rest:
        names.append(rest.split("/", 1)[1])
    roots = list(roots)
    folders = [urdf.parent, *urdf.resolve().parent.parents, *roots]
    for folder in folders:
        for name in [*names, *([Path(rest).name] if folder in roots else [])]:
            if name and (folder / name).is_file():
                return folder / name
    tried = ", ".join(str(f) for f in [urdf.parent, *roots])
    raise InvalidModel(
        f"{urdf}: mesh file {given!r} does not exist (looked in {tried} and the folders above);"
        " correct the name or pass its package's folder in search=[...]"
    )


def _unique_names(tree: UrdfTree, notes: Notes) -> None:
    """Give every shape a name of its own, so that geoms can be asked for by name."""
    taken: set[str] = set()
    for link_name, link in tree.links.items():
        for kind in ("visual", "collision"):
            for index, shape in enumerate(link.findall(kind)):
                name = shape.get("name", "")
                if name in taken:
                    notes.repairs.append(f"link {link_name!r}: <{kind} name={name!r}> is a name used before; renamed")
                if not name or name in taken:
                    name = f"{link_name}_{kind}_{index}"
                while name in taken:
                    name += "_"
                taken.add(name)
                shape.set("name", name)
