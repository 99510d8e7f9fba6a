"""Meshes that collide as several convex pieces, found by decomposition or given by their file; stiff contacts."""

import importlib.metadata
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from metasim.core.backend import launch
from metasim.core.errors import InvalidConfig, MissingDependency
from metasim.core.reads import Reads
from metasim.core.scene import Drive, Mesh, Robot, Scene, Sphere
from metasim.model import compile_scene
from metasim.model.decompose import decompose
from metasim.model.mesh import MeshData

WALL, WIDE, HIGH = 0.01, 0.1, 0.06


def cup() -> trimesh.Trimesh:
    """Return an open box: a floor and four walls, which do not overlap."""
    side, half = WIDE - WALL, (WIDE - WALL) / 2
    sizes = [(WIDE, WIDE, WALL), *[(WALL, side, HIGH)] * 2, *[(side, WALL, HIGH)] * 2]
    middle = WALL / 2 + HIGH / 2
    places = [(0, 0, 0), (half, WALL / 2, middle), (-half, -WALL / 2, middle)]
    places += [(-WALL / 2, half, middle), (WALL / 2, -half, middle)]
    boxes = [trimesh.creation.box(size).apply_translation(place) for size, place in zip(sizes, places, strict=True)]
    solid = trimesh.util.concatenate(boxes)
    assert isinstance(solid, trimesh.Trimesh)
    return solid


def written(path: Path) -> Path:
    """Write the cup with each of its five boxes as an object of the file."""
    lines, start = [], 1
    for index, box in enumerate(cup().split()):
        lines += [f"o part{index}", *(f"v {x} {y} {z}" for x, y, z in box.vertices)]
        lines += [f"f {a + start} {b + start} {c + start}" for a, b, c in box.faces]
        start += len(box.vertices)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pieces_weigh_what_the_mesh_weighs(tmp_path: Path) -> None:
    thing = Mesh(path=written(tmp_path / "cup.obj"), solid="parts", mass_kg=0.3)
    m = compile_scene(Scene(objects={"cup": thing})).mj
    solid = cup()  # the oracle integrates over the whole surface
    solid.density = 0.3 / solid.volume
    assert m.ngeom == 5 + 1
    np.testing.assert_allclose(m.body("cup").mass, 0.3)
    np.testing.assert_allclose(m.body("cup").ipos, solid.center_mass, atol=1e-9)
    np.testing.assert_allclose(np.sort(m.body("cup").inertia), np.sort(np.linalg.eigvalsh(solid.moment_inertia)))


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
@pytest.mark.parametrize(("solid", "rest"), [("parts", WALL), ("hull", WALL / 2 + HIGH + WALL / 2)])
def test_a_ball_falls_into_a_cup_of_parts_and_onto_a_hull(engine: str, solid: str, rest: float, tmp_path: Path) -> None:
    bowl = Mesh(path=written(tmp_path / "cup.obj"), solid=solid, fixed=True, pos=(0, 0, WALL / 2))
    scene = Scene(objects={"cup": bowl, "ball": Sphere(radius_m=0.02, pos=(0, 0, 0.12), stiff=True)})
    with launch(engine, 1) as backend:
        backend.load(compile_scene(scene, Reads(bodies=("ball",))))
        backend.step(1000)
        assert abs(backend.state.body("ball").pos[0, 2] - rest - 0.02) < 2e-3


def test_an_unknown_kind_of_solid_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="'decomposed'"):
        Mesh(path="cup.obj", solid="convex")


def angle() -> MeshData:
    """Return an L of three unit cubes as one closed surface: the smallest solid that two convex pieces fill."""
    outline = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], float)
    cap = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    low, high = (np.column_stack([outline, np.full(6, z)]) for z in (0.0, 1.0))
    ring = [face for i in range(6) for face in ([i, (i + 1) % 6, (i + 1) % 6 + 6], [i, (i + 1) % 6 + 6, i + 6])]
    return MeshData(0.05 * np.concatenate([low, high]), np.concatenate([cap[:, ::-1], cap + 6, ring]))


def test_a_solid_falls_into_convex_pieces_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("coacd", reason="needs the extra meshes")
    monkeypatch.setenv("METASIM_CACHE", str(tmp_path))
    mesh = angle()
    pieces = decompose(mesh, threshold=0.2)
    hulls = [trimesh.Trimesh(p.vertices, p.faces).convex_hull.volume for p in pieces]
    assert len(pieces) >= 2
    assert sum(hulls) == pytest.approx(3 * 0.05**3, rel=0.05)  # the hull of the whole has 3.5 cubes
    monkeypatch.setitem(sys.modules, "coacd", None)
    for one, again in zip(pieces, decompose(mesh, threshold=0.2), strict=True):
        np.testing.assert_array_equal(one.vertices, again.vertices)
        np.testing.assert_array_equal(one.faces, again.faces)
    with pytest.raises(MissingDependency, match=r"metasim-robotics\[meshes\]"):
        decompose(mesh, threshold=0.3)


def test_what_cannot_be_read_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METASIM_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "coacd", None)
    mesh = MeshData(cup().vertices, cup().faces)
    monkeypatch.setattr("metasim.model.decompose._coacd", lambda mesh, threshold: (mesh,))
    decompose(mesh)
    (kept,) = (tmp_path / "decompositions").iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    (piece,) = decompose(mesh)
    np.testing.assert_array_equal(piece.vertices, mesh.vertices)
    with pytest.raises(InvalidConfig, match="threshold"):
        decompose(mesh, threshold=0.0)


def test_pieces_of_another_version_are_not_used_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each version of CoACD is another maker, here of as many pieces as its last number says."""
    monkeypatch.setenv("METASIM_CACHE", str(tmp_path))
    mesh, made = MeshData(cup().vertices, cup().faces), list[str]()
    installed = ""

    def version(package: str) -> str:
        if package == "coacd" and not installed:
            raise importlib.metadata.PackageNotFoundError(package)
        return installed

    def make(mesh: MeshData, threshold: float) -> tuple[MeshData, ...]:
        made.append(installed)
        return (mesh,) * int(installed.rpartition(".")[2])

    monkeypatch.setattr("importlib.metadata.version", version)
    monkeypatch.setattr("metasim.model.decompose._coacd", make)
    for installed in ("1.0.9", "1.0.10", "1.0.2", "1.0.9"):  # noqa: B007  both functions look at it
        assert len(decompose(mesh)) == int(installed.rpartition(".")[2])
    assert made == ["1.0.9", "1.0.10", "1.0.2"]
    installed = ""
    assert len(decompose(mesh)) == 10 and len(made) == 3  # the newest


def test_a_drive_brings_its_motors_inertia() -> None:
    drive = Drive(stiffness=100.0, damping=1.0, joints=("panda_joint7",), armature=0.25)
    m = compile_scene(Scene(robot=Robot(model="panda", drive=drive))).mj
    dof = int(m.joint("panda_joint7").dofadr[0])
    assert m.dof_armature[dof] == 0.25
    assert not np.delete(m.dof_armature, dof).any()
