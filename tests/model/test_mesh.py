"""Meshes against closed forms: volume, inertia and hull of box, sphere and cylinder, in every format."""

import math
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from trimesh.exchange.obj import export_obj

from metasim.core.errors import InvalidModel
from metasim.model.mesh import (
    MeshData,
    add_mesh,
    convex_hull,
    load_mesh,
    load_parts,
    mass_properties,
)

SIZE = np.array([0.2, 0.3, 0.5])
SHIFT = np.array([0.1, -0.2, 0.4])
FORMATS = ("stl", "obj", "ply", "glb", "off")


def box() -> trimesh.Trimesh:
    shape = trimesh.creation.box(SIZE)
    shape.apply_translation(SHIFT)
    return shape


def data(shape: trimesh.Trimesh) -> MeshData:
    return MeshData(shape.vertices, shape.faces)


def box_inertia(mass: float) -> np.ndarray:
    x, y, z = SIZE**2
    return np.diag(mass / 12 * np.array([y + z, x + z, x + y]))


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_holds_the_same_box(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"box.{suffix}"
    box().export(path)
    mesh = load_mesh(path)
    assert (len(mesh.vertices), len(mesh.faces)) == (8, 12)
    np.testing.assert_allclose(mesh.vertices.min(0), SHIFT - SIZE / 2, atol=1e-7)  # single precision in files
    np.testing.assert_allclose(mesh.vertices.max(0), SHIFT + SIZE / 2, atol=1e-7)
    mass, com, inertia = mass_properties(mesh, mass_kg=2.0)
    assert mass == pytest.approx(2.0)
    np.testing.assert_allclose(com, SHIFT, atol=1e-7)
    np.testing.assert_allclose(inertia, box_inertia(2.0), atol=1e-7)


def test_a_cylinder_weighs_what_its_prism_does() -> None:
    n, radius, height, density = 64, 0.1, 0.4, 700.0
    mesh = data(trimesh.creation.cylinder(radius, height, sections=n))
    turn = 2 * math.pi / n
    area = n / 2 * radius**2 * math.sin(turn)  # of the regular polygon with n corners
    mass, com, inertia = mass_properties(mesh, density=density)
    assert mass == pytest.approx(density * area * height)
    axial = mass * radius**2 / 6 * (2 + math.cos(turn))  # exact for a regular prism
    np.testing.assert_allclose(com, 0, atol=1e-12)
    assert inertia[2, 2] == pytest.approx(axial)
    assert inertia[0, 0] == pytest.approx(axial / 2 + mass * height**2 / 12)


def test_a_sphere_converges_to_its_formula() -> None:
    errors = []
    for subdivisions in (2, 3, 4):
        mass, _, inertia = mass_properties(data(trimesh.creation.icosphere(subdivisions, 0.3)), density=1000.0)
        exact = 1000 * 4 / 3 * math.pi * 0.3**3
        errors.append([1 - mass / exact, 1 - inertia[0, 0] / (0.4 * exact * 0.09)])
    assert np.all(np.abs(errors[-1]) < 0.01)
    ratio = np.divide(errors[:-1], errors[1:])
    np.testing.assert_allclose(ratio, 4, rtol=0.05)  # halved edges, second-order error


def test_inertia_turns_with_the_mesh() -> None:
    turn = trimesh.transformations.random_rotation_matrix(np.array([0.3, 0.6, 0.9]))
    shape = box()
    shape.apply_transform(turn)
    expected = turn[:3, :3] @ box_inertia(3.0) @ turn[:3, :3].T
    np.testing.assert_allclose(mass_properties(data(shape), mass_kg=3.0).inertia, expected, atol=1e-12)


def test_scale_is_per_axis_and_a_mirror_keeps_the_outside_outside(tmp_path: Path) -> None:
    path = tmp_path / "box.stl"
    box().export(path)
    mesh = load_mesh(path, (-2.0, 1.0, 3.0))
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), SIZE * [2, 1, 3], atol=1e-6)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(6 * SIZE.prod())
    np.testing.assert_allclose(load_mesh(path, 2.0).vertices, 2 * load_mesh(path).vertices)


def test_a_closed_mesh_that_is_inside_out_is_turned(tmp_path: Path) -> None:
    shape = box()
    shape.invert()
    shape.export(tmp_path / "box.obj")
    mesh = load_mesh(tmp_path / "box.obj")
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(SIZE.prod())


def test_an_open_mesh_is_weighed_as_its_hull(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shape = box()
    caplog.set_level("INFO")
    weighed = mass_properties(MeshData(shape.vertices, shape.faces[:-1]), density=1.0)
    assert weighed.mass == pytest.approx(SIZE.prod())
    assert "convex hull is weighed" in caplog.text


def test_the_hull_of_a_bowl_is_filled() -> None:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    dented = trimesh.convex.convex_hull(corners).subdivide()
    top = dented.vertices[:, 2] == 1
    inner = top & (np.abs(dented.vertices[:, :2] - 0.5).max(axis=1) < 0.4)
    dented.vertices[inner, 2] = 0.5
    assert inner.sum() == 1 and dented.volume < 0.9
    hull = convex_hull(data(dented))
    assert trimesh.Trimesh(hull.vertices, hull.faces).volume == pytest.approx(1.0)
    assert len(hull.vertices) == 8


def test_objects_of_a_file_are_parts_but_materials_are_not(tmp_path: Path) -> None:
    near, far = box(), box()
    far.apply_translation([1, 0, 0])
    text = "mtllib none.mtl\n" + export_obj(near)
    split = text.replace("\nf ", "\nusemtl red\nf ", 1)
    (tmp_path / "one.obj").write_text(split)
    assert len(load_parts(tmp_path / "one.obj")) == 1
    faces = "".join(f"f {a + 9} {b + 9} {c + 9}\n" for a, b, c in far.faces)
    corners = "".join(f"v {x} {y} {z}\n" for x, y, z in far.vertices)
    start = "o near\n" + "".join(f"v {x} {y} {z}\n" for x, y, z in near.vertices)
    start += "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in near.faces)
    (tmp_path / "two.obj").write_text(f"{start}o far\n{corners}{faces}")
    parts = load_parts(tmp_path / "two.obj")
    assert sorted(part.vertices[:, 0].mean().round(6) for part in parts) == [0.1, 1.1]
    whole = load_mesh(tmp_path / "two.obj")
    assert (len(whole.vertices), len(whole.faces)) == (16, 24)
    assert mass_properties(whole, density=1.0).mass == pytest.approx(2 * SIZE.prod())


def test_content_decides_what_is_cached(tmp_path: Path) -> None:
    """A mesh file written over within a second was once read as the old one by MuJoCo's own cache."""
    path = tmp_path / "box.stl"
    box().export(path)
    first = load_mesh(path)
    assert load_mesh(path) is first
    trimesh.creation.icosphere(2).export(path)
    assert len(load_mesh(path).vertices) == 162


def test_arrays_are_read_only() -> None:
    mesh = data(box())
    with pytest.raises(ValueError, match="read-only"):
        mesh.vertices[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        mesh.faces[0] = 0


@pytest.mark.parametrize("shape", [box(), trimesh.creation.cylinder(0.1, 0.4), trimesh.creation.icosphere(2)])
def test_mujoco_weighs_an_added_mesh_alike(shape: trimesh.Trimesh) -> None:
    mesh = data(shape)
    spec = mujoco.MjSpec()
    add_mesh(spec, "shape", mesh)
    body = spec.worldbody.add_body(name="body")
    body.add_freejoint()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="shape", mass=1.5)
    model = spec.copy().compile()
    expected = mass_properties(mesh, mass_kg=1.5)
    assert model.body("body").mass[0] == pytest.approx(1.5)
    np.testing.assert_allclose(model.body("body").ipos, expected.com, atol=1e-7)
    principal = np.linalg.eigvalsh(expected.inertia)
    np.testing.assert_allclose(np.sort(model.body("body").inertia), principal, rtol=1e-5)


def test_a_flat_mesh_may_be_looked_at_but_not_touched() -> None:
    triangle = MeshData(np.eye(3), np.array([[0, 1, 2]]))
    spec = mujoco.MjSpec()
    with pytest.raises(InvalidModel, match="no volume.*give it thickness or use a thin box"):
        add_mesh(spec, "sheet", triangle)
    spec = mujoco.MjSpec()
    add_mesh(spec, "sheet", triangle, visual=True)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="sheet", contype=0, conaffinity=0, mass=0)
    assert spec.compile().nmesh == 1
    with pytest.raises(InvalidModel, match="already has a mesh 'sheet'"):
        add_mesh(spec, "sheet", triangle, visual=True)


BROKEN = {
    "missing.stl": (None, "cannot be read"),
    "empty.stl": (b"", "no triangles"),
    "junk.obj": (b"\x00\x01\x02 this is not a mesh", "not a readable obj|no triangles"),
    "points.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        b"end_header\n0 0 0\n",
        "no triangles",
    ),
    "nan.obj": (b"v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n", "must be finite"),
    "index.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "not a readable obj|indices span"),
    "cut.glb": (b"glTF\x02\x00\x00\x00", "not a readable glb file"),
    "notes.txt": (b"hello", r"format '.txt' is not a mesh; use stl"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidModel, match=message) as caught:
        load_mesh(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("scale", [0.0, (1, 0, 1), (1, 1), float("nan"), (1, 2, np.inf)])
def test_a_scale_must_be_three_usable_numbers(tmp_path: Path, scale: object) -> None:
    box().export(tmp_path / "box.stl")
    with pytest.raises(InvalidModel, match="three finite, non-zero numbers"):
        load_mesh(tmp_path / "box.stl", scale)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((4, 2)), [[0, 1, 2]], r"expected \(V, 3\)"),
        (np.zeros((4, 3)), np.zeros((0, 3), int), "no triangle"),
        (np.zeros((4, 3)), [[0, 1, 2, 3]], "triangulate"),
        (np.zeros((4, 3)), [[0.0, 1.0, 2.0]], "expected integers"),
        (np.zeros((4, 3)), [[0, 1, 4]], r"must be in 0\.\.3"),
        (np.full((4, 3), np.inf), [[0, 1, 2]], "must be finite"),
    ],
)
def test_mesh_data_is_checked(vertices: np.ndarray, faces: object, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        MeshData(vertices, np.asarray(faces))


@pytest.mark.parametrize("given", [{}, {"mass_kg": 1.0, "density": 1.0}, {"mass_kg": 0.0}, {"density": -1.0}])
def test_weighing_wants_one_positive_figure(given: dict[str, float]) -> None:
    with pytest.raises(InvalidModel, match="give one positive mass_kg or density"):
        mass_properties(data(box()), **given)
