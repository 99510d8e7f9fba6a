"""Mesh files of any format trimesh reads, as plain arrays: load, weigh, wrap, hand to MuJoCo.

Units: metres (a format that states its own unit, such as COLLADA, is converted), after `scale`. Axes are
the file's: nothing is turned for formats with a y-up convention (glTF), as ROS does it for URDF meshes.
"""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from metasim.core.errors import InvalidModel, MissingDependency

if TYPE_CHECKING:  # trimesh takes longer to import than most scenes to compile, and most have no mesh files of ours
    import trimesh

FLAT = 1e-9  # a hull whose volume is below FLAT * (longest side)^3 is flat: it has no mass distribution
LOGGER = logging.getLogger(__name__)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeshData:
    """A checked, read-only triangle mesh.

    Args:
        vertices: (V, 3) float64 [m].
        faces: (F, 3) int32 indices into `vertices`, counter-clockwise seen from outside.

    Raises:
        InvalidModel: If a shape is wrong, a vertex not finite, an index out of range, or there is no face.
    """

    vertices: Array
    faces: NDArray[np.int32]

    def __post_init__(self) -> None:
        vertices = np.array(self.vertices, dtype=np.float64)
        faces = np.array(self.faces)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise InvalidModel(f"mesh vertices have shape {vertices.shape}; expected (V, 3)")
        if faces.size == 0:
            raise InvalidModel(f"mesh is empty: {len(vertices)} vertices and no triangle; export it with faces")
        if faces.ndim != 2 or faces.shape[1] != 3 or not np.issubdtype(faces.dtype, np.integer):
            raise InvalidModel(
                f"mesh faces are {faces.dtype} {faces.shape}; expected integers (F, 3): triangulate the mesh"
            )
        bad = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
        if bad.size:
            raise InvalidModel(
                f"mesh vertex {bad[0]} is {vertices[bad[0]]} ({bad.size} in all); coordinates must be finite"
            )
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise InvalidModel(
                f"mesh face indices span {faces.min()}..{faces.max()};"
                f" with {len(vertices)} vertices they must be in 0..{len(vertices) - 1}"
            )
        faces = faces.astype(np.int32)
        for name, value in (("vertices", vertices), ("faces", faces)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)


class MassProperties(NamedTuple):
    """Mass [kg], centre of mass (3,) [m] and inertia about it (3, 3) [kg m^2], in the mesh's axes."""

    mass: float
    com: Array
    inertia: Array


@dataclass(frozen=True)
class _Source:
    """What a parsed mesh depends on; the path says where to read it but is not part of the key."""

    digest: str
    suffix: str
    path: Path = field(compare=False)


def load_mesh(path: str | Path, scale: float | Sequence[float] = (1.0, 1.0, 1.0)) -> MeshData:
    """Read a mesh file as one mesh; parsed once per content within a process.

    Args:
        path: Any format trimesh reads (stl, obj, ply, glb, gltf, off, 3mf; dae with pycollada).
        scale: One factor, or one per axis; a mirroring scale keeps the faces' outside outside.

    Raises:
        InvalidModel: If the file is missing, unreadable, empty or not finite, or the scale is not usable.
        MissingDependency: If the format needs a package that is not installed.
    """
    return _merge(load_parts(path, scale))


def load_parts(path: str | Path, scale: float | Sequence[float] = (1.0, 1.0, 1.0)) -> tuple[MeshData, ...]:
    """Read a mesh file as the objects it holds (an OBJ's ``o``, a scene's nodes); see `load_mesh`."""
    path = Path(path)
    factors = np.asarray(scale, dtype=np.float64)
    if factors.shape not in ((), (3,)) or not np.isfinite(factors).all() or not factors.all():
        raise InvalidModel(f"mesh {path}: scale is {scale}; expected three finite, non-zero numbers")
    x, y, z = (float(factor) for factor in np.broadcast_to(factors, (3,)))
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidModel(f"mesh {path}: cannot be read ({error.strerror}); check the path") from error
    try:
        return _scaled(_Source(digest, path.suffix.lower(), path), (x, y, z))
    except InvalidModel as error:
        raise InvalidModel(f"mesh {path}: {error}") from error


@functools.lru_cache(maxsize=256)
def _scaled(source: _Source, factors: tuple[float, float, float]) -> tuple[MeshData, ...]:
    parts = _parse(source)
    if factors == (1.0, 1.0, 1.0):
        return parts
    turn = slice(None, None, -1 if math.prod(factors) < 0 else 1)
    return tuple(MeshData(part.vertices * factors, part.faces[:, turn]) for part in parts)


@functools.lru_cache(maxsize=256)
def _parse(source: _Source) -> tuple[MeshData, ...]:
    import trimesh
    from trimesh.exchange.load import mesh_formats

    kind = source.suffix.removeprefix(".")
    if kind == "dae" and kind not in mesh_formats():
        raise MissingDependency(
            f"mesh {source.path}: reading .dae needs pycollada, which is not installed:"
            ' pip install "metasim-robotics[robots]"'
        )
    if kind not in mesh_formats():
        raise InvalidModel(f"the format {source.suffix!r} is not a mesh; use stl, obj, ply, glb or off")
    try:
        scene = _scene(source.path, kind)
        pieces = [g for g in scene.dump() if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    except Exception as error:  # each of trimesh's readers fails in its own way on a malformed file
        raise InvalidModel(f"not a readable {kind} file ({type(error).__name__}: {error})") from error
    if not pieces:
        raise InvalidModel("it has no triangles; export it as a surface, not as points or lines")
    metres = trimesh.units.unit_conversion(scene.units, "meters") if scene.units else 1.0
    return tuple(_clean(MeshData(piece.vertices * metres, piece.faces)) for piece in pieces)


def _scene(path: Path, kind: str) -> trimesh.Scene:
    import trimesh

    if kind != "obj":
        return trimesh.load_scene(path, process=False)
    text = re.sub(
        rb"(?m)^[ \t]*(usemtl|mtllib)\b.*$", b"", path.read_bytes()
    )  # else every material is a part of its own
    return trimesh.load_scene(io.BytesIO(text), file_type=kind, process=False, split_objects=True, skip_materials=True)


def _clean(mesh: MeshData) -> MeshData:
    """Merge equal vertices, and turn a closed mesh that is inside out."""
    import trimesh

    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
    faces = solid.faces
    if solid.is_watertight and solid.is_winding_consistent and solid.volume < 0:
        faces = faces[:, ::-1]
    return MeshData(solid.vertices, faces)


@functools.lru_cache(maxsize=256)
def _merge(parts: tuple[MeshData, ...]) -> MeshData:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=True)]
    return MeshData(np.concatenate([part.vertices for part in parts]), np.concatenate(faces))


def _trimesh(mesh: MeshData) -> trimesh.Trimesh:
    import trimesh

    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@functools.lru_cache(maxsize=1024)
def convex_hull(mesh: MeshData) -> MeshData:
    """Return the convex hull of a mesh.

    Raises:
        InvalidModel: If the mesh is flat, so that its hull has no volume.
    """
    import trimesh

    size = np.ptp(mesh.vertices, axis=0)
    try:
        hull = trimesh.convex.convex_hull(_trimesh(mesh))
        volume = abs(float(hull.volume))
    except Exception as error:  # scipy raises QhullError, trimesh a ValueError of its own
        raise InvalidModel(_flat(size)) from error
    if not volume > FLAT * float(size.max()) ** 3:
        raise InvalidModel(_flat(size))
    return MeshData(hull.vertices, hull.faces)


def is_flat(mesh: MeshData) -> bool:
    """Tell whether a mesh's convex hull has no volume."""
    try:
        convex_hull(mesh)
    except InvalidModel:
        return True
    return False


def _flat(size: Array) -> str:
    return f"mesh has no volume (its extents are {size.tolist()} m); give it thickness or use a thin box"


def mass_properties(mesh: MeshData, *, mass_kg: float | None = None, density: float | None = None) -> MassProperties:
    """Return mass, centre of mass and inertia of a uniform solid filling the mesh.

    A closed mesh is integrated exactly; an open one is weighed as its convex hull, which is logged.

    Args:
        mesh: The surface.
        mass_kg: Total mass [kg]; give this or `density`.
        density: Density [kg/m^3].

    Raises:
        InvalidModel: If the mesh has no volume, or not exactly one positive `mass_kg` or `density` is given.
    """
    given = mass_kg if density is None else density
    if (mass_kg is None) == (density is None) or given is None or not 0 < given < np.inf:
        raise InvalidModel(f"give one positive mass_kg or density; got mass_kg={mass_kg}, density={density}")
    solid = _trimesh(mesh)
    if not solid.is_volume or solid.volume <= FLAT * float(np.ptp(mesh.vertices, axis=0).max()) ** 3:
        LOGGER.info("mesh of %d faces is not a closed solid; its convex hull is weighed instead", len(mesh.faces))
        solid = _trimesh(convex_hull(mesh))
    rho = given if mass_kg is None else given / float(solid.volume)
    inertia = np.array(solid.moment_inertia, dtype=np.float64) * rho  # trimesh gives it for density 1
    return MassProperties(rho * float(solid.volume), np.array(solid.center_mass), inertia)


def add_mesh(spec: mujoco.MjSpec, name: str, mesh: MeshData, *, visual: bool = False) -> None:
    """Add a mesh asset to a spec as data, so that it needs no file when compiled, copied or attached.

    Args:
        spec: The spec to change.
        name: The asset's name in it.
        mesh: The surface.
        visual: True if nothing is weighed by it or collides with it: then it may be flat, too.

    Raises:
        InvalidModel: If the name is taken, or a non-visual mesh has no volume.
    """
    if spec.mesh(name) is not None:
        raise InvalidModel(f"the spec already has a mesh {name!r}; pick another name")
    fill_mesh(spec.add_mesh(name=name), mesh, visual=visual)


def fill_mesh(asset: mujoco.MjsMesh, mesh: MeshData, *, visual: bool = False) -> None:
    """Put a mesh's data into an existing asset of a spec, in place of its file; see `add_mesh`."""
    if visual:
        how = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    elif _trimesh(mesh).is_volume:
        how = mujoco.mjtMeshInertia.mjMESH_INERTIA_EXACT
    else:
        convex_hull(mesh)  # raises if flat, which MuJoCo would refuse later and less clearly
        how = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    vertices = mesh.vertices
    if len(vertices) < 4:  # MuJoCo wants four, even for one triangle to look at
        vertices = np.concatenate([vertices, vertices[:1].repeat(4 - len(vertices), axis=0)])
    asset.file = ""
    asset.scale = np.ones(3)
    asset.inertia = how
    asset.uservert = vertices.ravel()
    asset.userface = mesh.faces.ravel()
