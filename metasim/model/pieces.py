"""Meshes that collide as several convex pieces: as the file has them, or found by decomposition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.core.scene import Mesh
from metasim.model.assets import locate
from metasim.model.decompose import decompose
from metasim.model.mesh import MassProperties, add_mesh, convex_hull, load_mesh, load_parts, mass_properties

UNTOUCHED = {"contype": 0, "conaffinity": 0}


def add_pieces(spec: mujoco.MjSpec, body: mujoco.MjsBody, name: str, item: Mesh, contact: Mapping[str, Any]) -> None:
    """Add the convex pieces of a mesh to a body, of one density, as ``name/0``, ``name/1``, ...; shown is the mesh.

    Args:
        spec: The spec to change.
        body: A body of it.
        name: The object's name.
        item: The object.
        contact: What its geoms say about contacts.
    """
    path = locate(item.path)
    pieces = load_parts(path, item.scale) if item.solid == "parts" else decompose(load_mesh(path, item.scale))
    hulls = [convex_hull(piece) for piece in pieces]
    shares = [mass_properties(hull, density=item.density) for hull in hulls]
    scale = 1.0 if item.mass_kg is None else item.mass_kg / sum(share.mass for share in shares)
    _weigh(body, shares, scale)
    common: dict[str, Any] = {"type": mujoco.mjtGeom.mjGEOM_MESH, "rgba": list(item.rgba)}
    add_mesh(spec, name, load_mesh(path, item.scale), visual=True)
    body.add_geom(name=name, meshname=name, group=2, mass=0.0, **common, **UNTOUCHED)
    for index, (hull, share) in enumerate(zip(hulls, shares, strict=True)):
        part = f"{name}/{index}"
        add_mesh(spec, part, hull)
        body.add_geom(name=part, meshname=part, group=3, mass=scale * share.mass, **common, **contact)


def _weigh(body: mujoco.MjsBody, shares: Sequence[MassProperties], scale: float) -> None:
    """Say what the pieces weigh together, which a robot's file may keep MuJoCo from adding up itself."""
    mass = sum(share.mass for share in shares)
    com = np.sum([share.mass * share.com for share in shares], axis=0) / mass
    inertia = np.zeros((3, 3))
    for share in shares:
        away = share.com - com
        inertia += share.inertia + share.mass * (away @ away * np.eye(3) - np.outer(away, away))
    body.explicitinertial, body.mass, body.ipos = True, scale * mass, com
    body.fullinertia = scale * inertia[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
