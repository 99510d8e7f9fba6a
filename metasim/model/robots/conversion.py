"""URDF to MJCF: the text and mesh files of a robot that plain MuJoCo loads, with everything resolved and repaired."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from metasim.core.errors import InvalidModel
from metasim.model.model import compile_spec
from metasim.model.urdf import UrdfModel, read_urdf

Array = Any


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """An MJCF and the mesh files it names.

    Attributes:
        xml: The text.
        meshes: Path relative to the text's file to the content of that mesh file (OBJ).
        urdf: What was read, with its repairs.
        links: Number of links that are bodies (a root link "world" is none).
        mass_kg: Mass of all links.
    """

    xml: str
    meshes: Mapping[str, bytes]
    urdf: UrdfModel
    links: int
    mass_kg: float


def convert_urdf(
    path: str | Path,
    *,
    meshes: str = "meshes",
    floating_base: bool = False,
    search: Iterable[str | Path] = (),
) -> Conversion:
    """Return a URDF as an MJCF that loads in plain MuJoCo from wherever its files are put.

    Args:
        path: The file.
        meshes: Folder of the mesh files, relative to the MJCF.
        floating_base: Give the root body a free joint; else it is fixed in the world.
        search: More folders to look for meshes in, such as the parents of ROS packages.

    Raises:
        InvalidModel: If the file or something in it cannot be used; it names the element and the fix.
        UnsupportedFeature: If the file asks for what MuJoCo cannot express.
    """
    urdf = read_urdf(path, floating_base=floating_base, search=search)
    surfaces = {asset.name: _obj(asset) for asset in urdf.spec.meshes}
    model = compile_spec(urdf.spec)
    root = ET.fromstring(urdf.spec.to_xml())
    files: dict[str, bytes] = {}
    for asset in root.iter("mesh"):
        name = asset.get("name", "")
        for attribute in ("vertex", "face"):
            asset.attrib.pop(attribute, None)
        asset.set("file", f"{meshes}/{name}.obj")
        files[f"{meshes}/{name}.obj"] = surfaces[name]
    _restore_digits(root, urdf.spec, model)
    ET.indent(root)
    xml = f"{_head(Path(path), urdf)}\n{ET.tostring(root, encoding='unicode')}\n"
    try:
        mujoco.MjModel.from_xml_string(xml, files)
    except ValueError as error:
        raise InvalidModel(f"{path}: MuJoCo refuses what it was converted to ({error})") from error
    return Conversion(xml=xml, meshes=files, urdf=urdf, links=model.nbody - 1, mass_kg=float(model.body_mass.sum()))


def _obj(asset: mujoco.MjsMesh) -> bytes:
    """Return a mesh's vertices and triangles as an OBJ file."""
    vertices = np.asarray(asset.uservert, float).reshape(-1, 3).tolist()
    faces = (np.asarray(asset.userface, int).reshape(-1, 3) + 1).tolist()
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices] + [f"f {a} {b} {c}" for a, b, c in faces]
    return ("\n".join(lines) + "\n").encode()


def _restore_digits(root: ET.Element, spec: mujoco.MjSpec, model: mujoco.MjModel) -> None:
    """Write numbers of links, joints and shapes in full: MuJoCo's writer keeps six digits."""
    for element in root.iter("body"):
        name = element.get("name", "")
        body, compiled = spec.body(name), model.body(name)
        _exact(element, pos=body.pos, quat=body.quat)
        inertial = element.find("inertial")
        if inertial is not None:
            _exact(inertial, pos=compiled.ipos, quat=compiled.iquat, mass=compiled.mass, diaginertia=compiled.inertia)
    for element in (*root.iterfind("worldbody//joint"), *root.iterfind("worldbody//geom")):
        item: Any = (spec.joint if element.tag == "joint" else spec.geom)(element.get("name", ""))
        if element.tag == "geom":
            _exact(element, pos=item.pos, quat=item.quat, size=item.size, friction=item.friction)
        else:
            numbers = {"range": item.range, "actuatorfrcrange": item.actfrcrange, "frictionloss": item.frictionloss}
            _exact(element, pos=item.pos, axis=item.axis, damping=item.damping, **numbers)
    for element, equality in zip(root.iterfind("equality/*"), spec.equalities, strict=True):
        _exact(element, polycoef=equality.data)


def _exact(element: ET.Element, **values: Array) -> None:
    """Replace attributes that say the same in fewer digits."""
    for name, value in values.items():
        given = [float(token) for token in element.get(name, "").split()]
        full = np.atleast_1d(np.asarray(value, float))[: len(given)]
        if given and np.allclose(given, full, rtol=1e-5, atol=1e-12):
            element.set(name, " ".join(repr(float(v)) for v in full))


def _head(path: Path, urdf: UrdfModel) -> str:
    """Return an XML comment that says what this is and what was changed."""
    lines = [f"Converted from {path.name}. Bodies are named after links; visual geoms are in group 2, colliding in 3."]
    lines += [f"Repaired: {repair}" for repair in urdf.repairs]
    lines += [f"Left out: {', '.join(urdf.ignored)}"] if urdf.ignored else []
    speeds = ", ".join(f"{joint} {speed:g}" for joint, speed in urdf.velocity_limits.items())
    lines += [f"Velocity limits, which MuJoCo has none of [rad/s or m/s]: {speeds}"] if speeds else []
    text = "\n  ".join(lines)
    while "--" in text:  # which no comment may contain
        text = text.replace("--", "- -")
    return f"<!--\n  {text}\n-->"
