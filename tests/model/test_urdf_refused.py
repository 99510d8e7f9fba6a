"""Malformed URDF files: each is refused with an error that names the file, the element and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasim.core.errors import InvalidModel, UnsupportedFeature
from metasim.model.urdf import spec_from_urdf

INERTIAL = '<inertial><mass value="{0}"/><inertia ixx="{1}" iyy="{1}" izz="{1}" ixy="0" ixz="0" iyz="0"/></inertial>'
HEAVY = INERTIAL.format(1, 0.01)
BALL = '<collision><geometry><sphere radius="0.1"/></geometry></collision>'


def link(name: str, *content: str) -> str:
    return f'<link name="{name}">{"".join(content)}</link>'


def joint(name: str, parent: str, child: str, kind: str = "revolute", *content: str) -> str:
    ends = f'<parent link="{parent}"/><child link="{child}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{"".join(content)}</joint>'


def write(folder: Path, *content: str) -> Path:
    path = folder / "robot.urdf"
    path.write_text(f'<robot name="r">{"".join(content)}</robot>')
    return path


def chain(first: str, second: str = HEAVY, kind: str = "revolute", *content: str) -> tuple[str, ...]:
    return link("base", first), joint("j", "base", "tip", kind, *content), link("tip", second)


MESH = '<{0}><geometry><mesh filename="{1}"/></geometry></{0}>'
REFUSED = {
    "not xml": ("<robot", InvalidModel, "not well-formed XML"),
    "xacro": ('<robot name="r"><xacro:include/></robot>', InvalidModel, "expand it with xacro first"),
    "mjcf": ("<mujoco/>", InvalidModel, "the root element is <mujoco>.*that is MJCF"),
    "sdf": ("<sdf/>", InvalidModel, "that is SDF"),
    "no link": ((), InvalidModel, "has no <link>"),
    "nameless": (("<link/>",), InvalidModel, "<link> number 0 has no name"),
    "link twice": ((link("a"), link("a")), InvalidModel, "two <link> elements are named 'a'"),
    "joint twice": (
        (*chain(HEAVY), link("c"), joint("j", "tip", "c")),
        InvalidModel,
        "two <joint> elements are named 'j'",
    ),
    "type": (chain(HEAVY, HEAVY, "revolut"), InvalidModel, r"type 'revolut'; did you mean \['revolute'\]"),
    "no parent": (
        (link("a"), '<joint name="j" type="fixed"><child link="a"/></joint>'),
        InvalidModel,
        "joint 'j' has no <parent",
    ),
    "missing link": (
        (link("base"), joint("j", "base", "bas")),
        InvalidModel,
        r"child link 'bas', which is not there; did you mean \['base'\]",
    ),
    "two parents": (
        (*chain(HEAVY), joint("k", "base", "tip")),
        InvalidModel,
        "'tip' hangs on two joints, 'j' and 'k'",
    ),
    "two roots": ((link("a"), link("b")), InvalidModel, r"links \['a', 'b'\] have no parent"),
    "cycle": (
        (link("a"), link("b"), joint("j", "a", "b"), joint("k", "b", "a")),
        InvalidModel,
        "form a cycle",
    ),
    "side cycle": (
        (link("r"), link("a"), link("b"), joint("j", "a", "b"), joint("k", "b", "a")),
        InvalidModel,
        r"joints \['k', 'j'\] form a cycle",
    ),
    "self": ((link("a"), joint("j", "a", "a")), InvalidModel, "form a cycle"),
    "inner world": (
        (link("a"), joint("j", "a", "world"), link("world")),
        InvalidModel,
        "'world' is not the root",
    ),
    "word": (
        chain(HEAVY, HEAVY, "fixed", '<origin xyz="a b c"/>'),
        InvalidModel,
        "xyz='a b c'>: not a number",
    ),
    "few": (chain(HEAVY, HEAVY, "fixed", '<origin xyz="1 2"/>'), InvalidModel, "expected 3 numbers, got 2"),
    "nan": (chain(HEAVY, HEAVY, "fixed", '<origin xyz="1 2 nan"/>'), InvalidModel, "must be below 1e.09"),
    "axis": (
        chain(HEAVY, HEAVY, "revolute", '<axis xyz="0 0 0"/>'),
        InvalidModel,
        "joint 'j' has the axis 0 0 0",
    ),
    "negative mass": (chain(INERTIAL.format(-1, 1)), InvalidModel, "link 'base' has the mass -1.0 kg"),
    "half inertial": (chain('<inertial><mass value="1"/></inertial>'), InvalidModel, "has no <inertia>"),
    "radius": (chain(HEAVY + BALL.replace("radius", "size")), InvalidModel, "<sphere> has no radius"),
    "inside out": (chain(HEAVY + BALL.replace("0.1", "-0.1")), InvalidModel, "negative size"),
    "no shape": (
        chain(HEAVY + "<collision/>"),
        InvalidModel,
        "link 'base': <collision> needs one <geometry>",
    ),
    "cone": (
        chain(HEAVY + "<collision><geometry><cone/></geometry></collision>"),
        UnsupportedFeature,
        "the shape <cone>",
    ),
    "no mesh": (chain(HEAVY + MESH.format("visual", "gone.stl")), InvalidModel, "'gone.stl' does not exist"),
    "bad mesh": (
        chain(HEAVY + MESH.format("visual", "robot.urdf")),
        InvalidModel,
        "format '.urdf' is not a mesh",
    ),
    "flat": (
        chain(HEAVY + MESH.format("collision", "flat.obj")),
        InvalidModel,
        "link 'base': <collision>: mesh has no volume",
    ),
    "inner float": (chain(HEAVY, HEAVY, "floating"), UnsupportedFeature, "'j' is floating below link 'base'"),
    "mimic none": (
        chain(HEAVY, HEAVY, "revolute", '<mimic joint="jj"/>'),
        InvalidModel,
        r"mimics 'jj', which is not there; did you mean \['j'\]",
    ),
    "mimic self": (chain(HEAVY, HEAVY, "revolute", '<mimic joint="j"/>'), InvalidModel, "in a circle"),
    "mimic ring": (
        (
            link("base"),
            *(joint(a, "base", a, "revolute", f'<mimic joint="{b}"/>') for a, b in ("ab", "bc", "cb")),
            *map(link, "abc"),
        ),
        InvalidModel,
        "in a circle",
    ),
    "mimic fixed": (
        (
            *chain(HEAVY, HEAVY, "fixed"),
            joint("k", "tip", "c", "revolute", '<mimic joint="j"/>'),
            link("c", HEAVY),
        ),
        UnsupportedFeature,
        "'j' is fixed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_file_is_refused_with_its_fix(tmp_path: Path, name: str) -> None:
    content, kind, message = REFUSED[name]
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3\nf 1 3 4\n")
    path = tmp_path / "robot.urdf"
    if isinstance(content, str):
        path.write_text(content)
    else:
        write(tmp_path, *content)
    with pytest.raises(kind, match=message) as caught:
        spec_from_urdf(path)
    assert "robot.urdf" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="none.urdf: cannot be read"):
        spec_from_urdf(tmp_path / "none.urdf")
