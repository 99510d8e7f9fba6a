"""Repairs of the text of real-world URDF files; each that changes something is written down.

Done here: elements without a meaning here or standing twice, numbers (commas, `$(optenv ...)` defaults, too
many of them) and joint limits. Shapes and meshes are in `urdf_shapes`, inertias in `urdf_inertia`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from metasim.core.errors import InvalidModel
from metasim.model.mesh import MeshData
from metasim.model.urdf_tree import UrdfTree

UNLIMITED = 1e9  # a limit beyond this stands for none; no other number may be that large
FRICTIONS = ("lateral_friction", "spinning_friction", "rolling_friction")
SIZES = {
    "box": ("size",),
    "sphere": ("radius",),
    "cylinder": ("radius", "length"),
    "capsule": ("radius", "length"),
}
INERTIA = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
LIMITS = ("lower", "upper", "effort", "velocity")
COUNTS = {  # how many numbers an attribute holds
    ("origin", "xyz"): 3,
    ("origin", "rpy"): 3,
    ("axis", "xyz"): 3,
    ("mesh", "scale"): 3,
    ("color", "rgba"): 4,
    ("mimic", "multiplier"): 1,
    ("mimic", "offset"): 1,
    ("dynamics", "damping"): 1,
    ("dynamics", "friction"): 1,
    **{("inertia", name): 1 for name in INERTIA},
    **{("limit", name): 1 for name in LIMITS},
    **{(name, "value"): 1 for name in (*FRICTIONS, "mass")},
    **{(tag, name): 3 if name == "size" else 1 for tag, names in SIZES.items() for name in names},
}
REQUIRED = {"axis": ("xyz",), "color": ("rgba",), "mass": ("value",), "inertia": INERTIA[:3], **SIZES}
KEPT = {  # children that mean something to us; others are counted as ignored
    "robot": ("link", "joint", "material"),
    "link": ("inertial", "visual", "collision", "contact"),
    "joint": ("origin", "parent", "child", "axis", "limit", "dynamics", "mimic"),
    "contact": FRICTIONS,
    "material": ("color",),
}
SINGLE = (  # elements of which a parent has at most one
    *("inertial", "mass", "inertia", "origin", "geometry", "material", "color"),
    *("axis", "limit", "dynamics", "mimic"),
)


@dataclass(kw_only=True)
class Notes:
    """What reading a file found out.

    Args:
        repairs: A sentence for each change.
        ignored: Counts of elements left out.
        meshes: Mesh data by the name the repaired text uses.
        colliding: Names of the meshes that collide.
    """

    repairs: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    meshes: dict[str, MeshData] = field(default_factory=dict)
    colliding: set[str] = field(default_factory=set)


def repair_text(tree: UrdfTree, notes: Notes) -> None:
    """Repair elements, numbers and joint limits in place.

    Args:
        tree: The checked file; its elements are changed.
        notes: Filled with what was done.

    Raises:
        InvalidModel: If something required is missing, or a text holds no usable numbers.
    """
    for parent in list(tree.robot.iter()):
        known = KEPT.get(parent.tag)
        for child in [] if known is None else [c for c in parent if c.tag not in known]:
            notes.ignored[f"{parent.tag}/{child.tag}"] += 1
            parent.remove(child)
    for owner, name, element in tree.elements():
        _deduplicate(f"{owner} {name!r}", element, notes)
        _numbers(tree, f"{owner} {name!r}", element, notes)
    for name, joint in tree.joints.items():
        _limits(name, joint, notes)
        axis = joint.find("axis")
        turns = joint.get("type") not in ("fixed", "floating", "spherical")
        if turns and axis is not None and not any(floats(axis.get("xyz"))):
            raise InvalidModel(f"{tree.path}: joint {name!r} has the axis 0 0 0; give it a direction")


def floats(text: str | None) -> list[float]:
    """Return the numbers of an attribute that `repair_text` has checked (none if it is absent)."""
    return [float(token) for token in (text or "").split()]


def _deduplicate(owner: str, element: ET.Element, notes: Notes) -> None:
    for parent in list(element.iter()):
        for tag in SINGLE:
            for extra in parent.findall(tag)[1:]:
                notes.repairs.append(f"{owner}: <{parent.tag}> has several <{tag}>; the first is used")
                parent.remove(extra)


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
        raise InvalidModel(f"{where}: not a number; expected {count}, such as 0.1") from None
    if name == "scale" and len(tokens) == 1:
        tokens, values = tokens * 3, values * 3
    if name == "rgba" and len(tokens) == 3:
        tokens, values = [*tokens, "1"], [*values, 1.0]
    if len(tokens) < count:
        raise InvalidModel(f"{where}: expected {count} numbers, got {len(tokens)}; add the missing ones")
    endless = name in LIMITS and not np.isnan(values[0])
    if not endless and not np.all(np.abs(values[:count]) < UNLIMITED):
        raise InvalidModel(f"{where}: numbers must be below {UNLIMITED:.0e}; correct the text (SI units)")
    return tokens[:count]


def _limits(name: str, joint: ET.Element, notes: Notes) -> None:
    """Leave limits only where they mean something; a missing end is 0, as the format says."""
    limit = joint.find("limit")
    kind = joint.get("type")
    if limit is None or kind == "fixed":
        return
    for key in ("effort", "velocity"):
        if limit.get(key) is not None and abs(float(limit.get(key, ""))) > UNLIMITED:
            del limit.attrib[key]
            notes.repairs.append(f"joint {name!r}: endless {key} limit removed")
    given = [key for key in ("lower", "upper") if limit.get(key) is not None]
    if not given:
        return
    lower, upper = (float(limit.attrib.pop(key, "0")) for key in ("lower", "upper"))
    if kind not in ("revolute", "prismatic"):
        if lower or upper:
            notes.repairs.append(f"joint {name!r}: it is {kind}, so its position limits do not apply")
    elif min(-lower, upper) > UNLIMITED:
        notes.repairs.append(f"joint {name!r}: endless position limits removed")
    elif lower < upper:
        limit.set("lower", repr(lower))
        limit.set("upper", repr(upper))
    else:
        notes.repairs.append(f"joint {name!r}: its lower limit {lower} is not below its upper {upper}; unlimited")
