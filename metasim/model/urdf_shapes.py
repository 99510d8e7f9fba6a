"""Shapes of URDF links: names, colours and sizes put right, and mesh files looked up and read."""

from __future__ import annotations

import copy
import difflib
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from metasim.core.errors import InvalidModel, UnsupportedFeature, nearest
from metasim.model.mesh import MeshData, convex_hull, is_flat, load_mesh, load_parts
from metasim.model.urdf_repair import SIZES, Notes, floats
from metasim.model.urdf_tree import UrdfTree

GREY = "0.5 0.5 0.5 1"
MESHES = (".stl", ".obj", ".dae", ".ply", ".glb", ".gltf", ".off", ".3mf")
MOST_FILES = 5000  # looked at for the nearest name


def repair_shapes(tree: UrdfTree, search: Iterable[str | Path], notes: Notes) -> None:
    """Repair visual and collision shapes in place, and read their meshes into the notes.

    Args:
        tree: The file, after `repair_text`.
        search: Folders to look for meshes in, after the file's own.
        notes: Filled with what was done, and with the meshes.

    Raises:
        InvalidModel: If a shape or mesh cannot be used.
        UnsupportedFeature: If a shape has no MuJoCo counterpart.
    """
    roots = [*([tree.path.parent / tree.meshdir] if tree.meshdir else []), *map(Path, search)]
    colours = {"": GREY}
    for material in tree.robot.iter("material"):
        if (colour := material.find("color")) is not None:
            colours.setdefault(material.get("name", ""), colour.get("rgba", GREY))
    for name, link in tree.links.items():
        for shape in [s for s in link if s.tag in ("visual", "collision")]:
            where = f"link {name!r}: <{shape.tag}>"
            if not _has_size(tree, where, shape, notes):
                link.remove(shape)
                continue
            if shape.tag == "visual":
                _paint(shape, colours)
            if shape.find("geometry/mesh") is not None:
                _read_mesh(tree, where, link, shape, roots, notes)
    _name_shapes(tree)


def _has_size(tree: UrdfTree, where: str, shape: ET.Element, notes: Notes) -> bool:
    """Check a shape, and tell whether it has an extent at all."""
    geometry = shape.find("geometry")
    forms = [] if geometry is None else [form for form in geometry if form.tag != "material"]
    if geometry is None or len(forms) != 1:
        raise InvalidModel(f"{tree.path}: {where} needs one <geometry> with one shape in it")
    geometry[:] = forms
    form = forms[0]
    if form.tag != "mesh" and form.tag not in SIZES:
        raise UnsupportedFeature(
            f"{tree.path}: {where} has the shape <{form.tag}>; {nearest(form.tag, ('mesh', *SIZES))}"
        )
    sizes = [v for key in (*SIZES.get(form.tag, ()), "scale") for v in floats(form.get(key))]
    if form.tag != "mesh" and min(sizes) < 0:
        raise InvalidModel(f"{tree.path}: {where} <{form.tag}> has a negative size in {sizes}; use lengths")
    if not all(sizes):
        notes.repairs.append(f"{where} <{form.tag}> has a size of zero and was dropped")
        return False
    return True


def _paint(shape: ET.Element, colours: Mapping[str, str]) -> None:
    """Write the colour into the visual; MuJoCo's reader would hand it on to later visuals of the link."""
    rgba = GREY
    for material in shape.findall("material"):
        own = material.find("color")
        rgba = colours.get(material.get("name", ""), GREY) if own is None else own.get("rgba", GREY)
        shape.remove(material)
    ET.SubElement(ET.SubElement(shape, "material", name=""), "color", rgba=rgba)


def _read_mesh(
    tree: UrdfTree, where: str, link: ET.Element, shape: ET.Element, roots: Sequence[Path], notes: Notes
) -> None:
    """Read a shape's mesh; one that collides and holds several solids becomes a shape for each."""
    element = shape.find("geometry/mesh")
    assert element is not None
    given = element.get("filename", "")
    path = find_mesh(given, tree.path, roots)
    if "://" not in given and not Path(given).is_absolute() and path != tree.path.parent / given:
        notes.repairs.append(f"{where} mesh {given!r} found as {path.name!r} in {path.parent.name!r}")
    scale = floats(element.attrib.pop("scale", "1 1 1"))
    collides = shape.tag == "collision"
    try:
        parts = load_parts(path, scale) if collides else ()
        if len(parts) < 2 or any(is_flat(part) for part in parts):
            parts = (load_mesh(path, scale),)
            _ = convex_hull(parts[0]) if collides else None  # raises if flat: nothing could touch it
    except InvalidModel as error:
        raise InvalidModel(f"{tree.path}: {where}: {error}") from error
    for index, part in enumerate(parts):
        name = _asset(f"{path.stem}_{index}" if len(parts) > 1 else path.stem, part, notes)
        clone = shape if index == 0 else copy.deepcopy(shape)
        if index:
            link.append(clone)
        for mesh in clone.iter("mesh"):
            mesh.set("filename", f"{name}.obj")  # only the name matters: the data come from the notes
        if collides:
            notes.colliding.add(name)


def _asset(stem: str, mesh: MeshData, notes: Notes) -> str:
    """Register mesh data under a name that no other data has."""
    stem = stem.replace(".", "_")
    name, count = stem, 1
    while name in notes.meshes and not _same(notes.meshes[name], mesh):
        count += 1
        name = f"{stem}-{count}"
    notes.meshes[name] = mesh
    return name


def _same(a: MeshData, b: MeshData) -> bool:
    return a is b or (np.array_equal(a.vertices, b.vertices) and np.array_equal(a.faces, b.faces))


def find_mesh(given: str, urdf: Path, roots: Iterable[Path] = ()) -> Path:
    """Return the file a URDF's mesh name means.

    Looked up, in this order, from the URDF's folder, from each folder above it, and from each root; a
    `package://NAME/PATH` also without NAME, and in a root any name also by its last part alone.

    Raises:
        InvalidModel: If there is no such file; the message lists the folders tried.
    """
    rest = given.replace("\\", "/")
    rest = re.sub(r"^file:/*", "/", rest)
    rest, packaged = re.subn(r"^(package|model):/*", "", rest)
    names = [rest, rest.partition("/")[2]] if packaged else [rest]
    roots = list(roots)
    tries = [(folder, names) for folder in (urdf.parent, *urdf.resolve().parent.parents)]
    tries += [(folder, [*names, Path(rest).name]) for folder in roots]
    for folder, candidates in tries:
        for name in candidates:
            if name and (folder / name).is_file():
                return folder / name
    raise InvalidModel(
        f"{urdf}: mesh file {given!r} does not exist (looked in {', '.join(map(str, [urdf.parent, *roots]))}"
        f" and the folders above the file); {_nearest_mesh(rest, urdf, roots)}correct the name or pass its package's"
        " folder in search=[...] (--search FOLDER)"
    )


def _nearest_mesh(name: str, urdf: Path, roots: Sequence[Path]) -> str:
    """Return a hint at files of a similar name near a URDF, "" if there is none."""
    around = [urdf.parent, urdf.resolve().parent.parent / "meshes", *roots]
    files = itertools.chain.from_iterable(folder.rglob("*") for folder in around)
    names = {file.name: str(file) for file in itertools.islice(files, MOST_FILES) if file.suffix.lower() in MESHES}
    close = difflib.get_close_matches(Path(name).name, names, n=2, cutoff=0.6)
    return f"did you mean {[names[found] for found in close]}? else " if close else ""


def _name_shapes(tree: UrdfTree) -> None:
    """Give every shape a name of its own, so that geoms can be asked for by name."""
    taken: set[str] = set()
    for link_name, link in tree.links.items():
        for kind in ("visual", "collision"):
            for index, shape in enumerate(link.findall(kind)):
                name = shape.get("name", "")
                if not name or name in taken:
                    name = f"{link_name}_{kind}_{index}"
                while name in taken:
                    name += "_"
                taken.add(name)
                shape.set("name", name)
