"""Isaac Gym without Isaac Gym: what is refused and how, what goes wrong with a worker, and the worker's own bounds."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import metasim
from metasim.backends.isaacgym import IsaacGymBackend, engine, shapes
from metasim.backends.isaacgym.drives import Drives
from metasim.backends.isaacgym.model import frames, make_actors, refuse
from metasim.backends.isaacgym.recipe import Recipe
from metasim.conformance.scenes import SCENES, model
from metasim.core.errors import EngineFailure, MissingDependency, UnsupportedFeature
from metasim.core.scene import Asset, Scene
from metasim.model import Model

WORKER = Path(engine.__file__).with_name("worker.py")
STANDIN = Path(__file__).with_name("isaacgym_standin")
FAKE = """
import json, os, sys, time
source, sink = os.fdopen(int(sys.argv[1])), os.fdopen(int(sys.argv[2]), "w")
def say(answer):
    sink.write(answer if isinstance(answer, str) else json.dumps(answer))
    sink.write(chr(10))
    sink.flush()
say({hello})
for line in source:
    call = json.loads(line)["call"]
    if call == {call!r}:
        {then}
    say({{"ok": True, "value": None}})
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Have another worker started, which answers everything with yes, but for one call."""

    def start(call: str = "", then: str = "pass", hello: str = "{'protocol': 1, 'ok': True}") -> IsaacGymBackend:
        script = tmp_path / "worker.py"
        script.write_text(FAKE.format(call=call, then=then, hello=hello))
        monkeypatch.setattr(engine, "WORKER", script)
        monkeypatch.setenv(engine.VARIABLE, sys.executable)
        return IsaacGymBackend(1)

    return start


def test_without_isaac_gym_it_says_what_to_install_and_how_to_point_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    with pytest.raises(
        MissingDependency, match=f"(?s)Isaac Gym Preview 4 .* set {engine.VARIABLE} to that interpreter"
    ):
        metasim.launch("isaacgym")
    monkeypatch.setenv(engine.VARIABLE, "/nowhere/python3.8")
    with pytest.raises(MissingDependency, match="'/nowhere/python3.8', which is no program"):
        metasim.launch("isaacgym")
    assert "no program" in IsaacGymBackend.missing()


def test_an_interpreter_without_it_is_refused_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.VARIABLE, sys.executable)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(MissingDependency, match="cannot be imported by .*ModuleNotFoundError.*isaacgym"):
        metasim.launch("isaacgym")


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ("{'protocol': 2, 'ok': True}", "speaks protocol 2, and this metasim 1"),
        ("'carb: no CUDA device'", "answered b'carb: no CUDA device', which is not this protocol"),
        ("os._exit(3)", "died in 'start' with exit code 3"),
    ],
)
def test_a_worker_that_begins_wrongly(fake, hello: str, reason: str) -> None:
    with pytest.raises(EngineFailure, match=reason):
        fake(hello=hello)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ("print('PxCuda: out of memory', flush=True); os._exit(7)", "died in 'step' with exit code 7.*out of memory"),
        ("time.sleep(60)", "did not answer 'step' within 0.3 s, and was ended"),
        ("say({'ok': False, 'error': 'RuntimeError: no'}); continue", "isaacgym, in step: RuntimeError: no"),
    ],
)
def test_a_worker_that_fails_later(fake, monkeypatch: pytest.MonkeyPatch, then: str, reason: str) -> None:
    backend = fake("step", then)
    backend.load(model("rails"))
    monkeypatch.setattr(engine, "CALL_S", 0.3)
    with pytest.raises(EngineFailure, match=reason):
        backend.step()
    if "RuntimeError" not in reason:
        with pytest.raises(EngineFailure, match="has ended; close this backend and launch another"):
            backend.step()
    backend.close()
    backend.close()


def test_closing_ends_the_worker(fake) -> None:
    backend = fake()
    process = backend._engine._process
    assert process.poll() is None
    backend.close()
    assert process.poll() is not None


def test_the_worker_is_python_3_8_and_stands_alone() -> None:
    tree = ast.parse(WORKER.read_text(), feature_version=(3, 8))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"numpy", "isaacgym"}
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    assert engine.PROTOCOL == next(
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "PROTOCOL"
        and isinstance(node.value, ast.Constant)
    )


def test_the_stand_in_has_nothing_that_the_stubs_do_not_have() -> None:
    """Else the worker could be written after the stand-in, and not after Isaac Gym."""
    try:
        files = importlib.metadata.files("isaacgym-stubs") or ()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("isaacgym-stubs is not installed")
    (stub,) = [file.locate() for file in files if file.name == "gymapi.pyi"]
    theirs = _methods(Path(str(stub)).read_text().replace("def lambda(", "def lambda_("))
    for name, count in _methods((STANDIN / "isaacgym" / "gymapi.py").read_text()).items():
        assert name in theirs, name
        assert theirs[name] in (count, None), f"{name} takes {theirs[name]} arguments, not {count}"


@pytest.mark.slow
def test_the_worker_is_typed_after_the_stubs() -> None:
    command = [sys.executable, "-m", "pyright", "--pythonversion", "3.8", "--pythonpath", sys.executable, str(WORKER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "could not be resolved (reportMissingImports)" in done.stdout:
        pytest.skip("isaacgym-stubs is not installed")
    assert done.returncode == 0, done.stdout


REFUSED = {
    "tendons": '<worldbody>{hinge}</worldbody><tendon><fixed><joint joint="h" coef="1"/></fixed></tendon>',
    "mocap": '<worldbody><body mocap="true"><geom size=".1"/></body></worldbody>',
    "ball joints .*'b'": '<worldbody><body><joint name="b" type="ball"/><geom size=".1"/></body></worldbody>',
    "dry friction .*'h'": '<worldbody><body><joint name="h" frictionloss="1"/><geom size=".1"/></body></worldbody>',
    "gravity compensation": '<worldbody><body gravcomp="1"><joint/><geom size=".1"/></body></worldbody>',
    "damped free": '<worldbody><body><joint type="free" damping="1"/><geom size=".1"/></body></worldbody>',
    "no ellipsoid": '<worldbody><geom type="plane" size="1 1 1"/><body><freejoint/><geom name="e" type="ellipsoid"'
    ' size=".1 .2 .3"/></body></worldbody>',
    "one ground plane": '<worldbody><geom type="plane" size="1 1 1"/><geom type="plane" size="1 1 1" zaxis="1 0 0"/>'
    '<body><freejoint/><geom size=".1"/></body></worldbody>',
    "touches everything, but not geom 's'": '<worldbody><geom type="plane" size="1 1 1"/><body><freejoint/>'
    '<geom name="s" size=".1" contype="2" conaffinity="2"/></body><body pos="1 0 0"><freejoint/>'
    '<geom size=".1" contype="3" conaffinity="3"/></body></worldbody>',
    "none of these": "<worldbody>{hinge}</worldbody>"
    '<actuator><muscle joint="h" name="m" lengthrange="0 1"/></actuator>',
    "two actuators": '<worldbody>{hinge}</worldbody><actuator><motor joint="h"/><motor joint="h"/></actuator>',
    "unstable: joint 'h'": '<worldbody><body><joint name="h" damping="900"/><geom size=".1"/></body></worldbody>'
    '<actuator><motor joint="h"/></actuator>',
    "follows another": '<worldbody>{hinge}<body name="w"><freejoint/><geom size=".1"/></body></worldbody>'
    '<equality><weld body1="w"/></equality>',
}
HINGE = '<body><joint name="h"/><geom size=".1"/></body>'


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_cannot_do_is_refused_and_named(reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(f"<mujoco>{REFUSED[reason].format(hinge=HINGE)}</mujoco>")
    compiled = metasim.compile_scene(Scene(base=Asset(path=tmp_path / "a.xml")))
    with pytest.raises(UnsupportedFeature, match=reason):
        _translate(compiled, tmp_path)


def test_declared_contacts_are_refused(fake) -> None:
    backend = fake()
    with pytest.raises(UnsupportedFeature, match=r"cannot tell the force between two bodies.*\('top', 'bottom'\)"):
        backend.load(model("blocks"))
    backend.close()


@pytest.mark.parametrize("scene", [name for name in SCENES if name not in ("mocap",)])
def test_filters_say_who_touches_whom(scene: str) -> None:
    m = model(scene).mj
    masks = shapes.filters(m)
    for a in masks:
        for b in masks:
            if m.body_weldid[m.geom_bodyid[a]] != m.body_weldid[m.geom_bodyid[b]]:
                assert (masks[a] & masks[b] == 0) is shapes.may_touch(m, a, b), (a, b)


def test_frictions_of_pairs_are_those_of_mujoco_where_means_can_be() -> None:
    import mujoco  # not above, where it would come before metasim.model, which must tell it how to draw

    xml = '<mujoco><worldbody><geom type="plane" size="1 1 1" friction=".4"/>{}</worldbody></mujoco>'
    body = '<body pos="{} 0 0"><freejoint/><geom size=".1" friction="{}" contype="0"/></body>'
    m = mujoco.MjModel.from_xml_string(xml.format(body.format(0, 0.9) + body.format(1, 0.1)))
    own = shapes.friction(m, m.geom_friction[:, 0])
    np.testing.assert_allclose((own[1:] + own[0]) / 2, [0.9, 0.4], atol=1e-3)
    held = shapes.friction(m, np.array([0.4, 0.7, 0.1]), ground=float(own[0]))
    np.testing.assert_allclose((held[1] + own[0]) / 2, 0.7, atol=1e-3)


def _translate(compiled: Model, folder: Path) -> Recipe:
    m = compiled.mj
    refuse(m)
    found = frames(m)
    actors = make_actors(m, found, folder)
    drives = Drives(m, compiled.info, np.array([j for actor in actors for j in actor.joints], int))
    return Recipe(m, found, actors, drives)


def _methods(source: str) -> dict[str, int | None]:
    """Names of the class Gym's methods and how many arguments each takes, None where that is not said."""
    gym = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == "Gym")
    methods = [node for node in gym.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: None if node.args.vararg else len(node.args.args) for node in methods}
