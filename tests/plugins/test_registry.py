"""What a registry makes of other packages: found by name, held to their version, and none of them breaks the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest

import metasim
from metasim.core.errors import BrokenPlugin, UnknownName
from metasim.core.registry import Registry
from metasim.core.versions import within

GROUP = "metasim.things"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package of one module, as far as anybody can tell."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, entries: str, source: str = "", needs: str = "", version: str = "1.2") -> None:
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\n")
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n")
        (tmp_path / f"{name}_module.py").write_text(source)

    return install


@pytest.fixture
def things() -> Registry[object]:
    registry: Registry[object] = Registry("thing", group=GROUP)
    registry.register("own", "os.path:join")
    return registry


def test_an_entry_point_that_names_an_attribute_is_imported_when_asked_for(package, things, tmp_path: Path) -> None:
    package(
        "lazy", "shiny = lazy_module:Outer.value", "class Outer:\n    value = 7\nopen(__file__ + '.ran', 'w').close()"
    )
    assert list(things) == ["own", "shiny"]
    assert not list(tmp_path.glob("*.ran"))
    assert things["shiny"] == 7
    assert things.plugins["shiny"].label == "shiny (lazy 1.2)" and "own" not in things.plugins


def test_a_module_registers_by_itself(package, things, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metasim, "things", things, raising=False)
    package(
        "eager", "any = eager_module", "import metasim\nfor k in range(2):\n    metasim.things.register(f'n{k}', k)"
    )
    assert things["n1"] == 1
    assert things.plugins["n0"].package == "eager"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_engine", "ModuleNotFoundError: No module named 'no_such_engine'"),
        ("raise OSError('no licence')", "OSError: no licence"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_module_that_fails_is_named_and_breaks_nothing(package, things, source: str, reason: str) -> None:
    package("failing", "any = failing_module", source)
    package("late", "fine = late_module:x\nbad = failing_module:x\ngone = late_module:nothing", "x = 1")
    assert things["fine"] == 1 and callable(things["own"])
    assert things.failures["any (failing 1.2)"].startswith(reason)
    with pytest.raises(BrokenPlugin, match=r"thing 'bad' comes from the plug-in bad \(late 1.2\).*repair or uninstall"):
        things["bad"]
    with pytest.raises(BrokenPlugin, match="AttributeError.*nothing"):
        things["gone"]
    assert [name for name, _ in things.sound()] == ["own", "fine"]
    assert set(things.failures) == {"any (failing 1.2)", "bad (late 1.2)", "gone (late 1.2)"}


@pytest.mark.parametrize(
    ("needs", "taken"),
    [
        ("", True),
        ("numpy<1", True),
        ("metasim-robotics", True),
        (f"metasim-robotics=={metasim.__version__}", True),
        ("metasim_robotics[view] (>=0.0.1)", True),
        ("Metasim.Robotics>=99", False),
        ("metasim-robotics<0.0.1 ; python_version >= '3'", False),
        ("metasim-robotics>=99 ; extra == 'dev'", True),
    ],
)
def test_a_plug_in_for_another_version_is_refused_unseen(package, things, needs: str, taken: bool) -> None:
    package("other", "shiny = other_module:x", "x = 1", needs=needs)
    assert ("shiny" in things) is taken
    if not taken:
        reason = things.failures["shiny (other 1.2)"]
        assert "it was made for metasim-robotics" in reason and metasim.__version__ in reason
        with pytest.raises(UnknownName, match="made for metasim-robotics"):
            things["shiny"]


def test_what_is_no_such_thing_is_refused(package) -> None:
    registry: Registry[object] = Registry("number", group=GROUP, accepts=lambda item: isinstance(item, int))
    package("mixed", "one = mixed_module:one\ntwo = mixed_module:two", "one, two = 1, 'two'")
    assert registry["one"] == 1
    with pytest.raises(BrokenPlugin, match="mixed_module:two is 'two', which is no number"):
        registry["two"]


def test_a_taken_name_stays_what_it_was(package, things) -> None:
    package("impostor", "own = impostor_module:x", "x = 1")
    import os.path

    assert things["own"] is os.path.join
    assert "already registered" in things.failures["own (impostor 1.2)"]


@pytest.mark.parametrize(
    ("version", "wanted", "good"),
    [
        ("0.1.0", ">=0.1,<0.2", True),
        ("0.2.0", ">=0.1,<0.2", False),
        ("0.1.5", "~=0.1.2", True),
        ("0.2.0", "~=0.1.2", False),
        ("0.9", "~=0.1", True),
        ("1.0", "~=0.1", False),
        ("1.2.3", "==1.2.*", True),
        ("1.3.0", "==1.2.*", False),
        ("1.3.0", "!=1.2.*", True),
        ("1.2", "!=1.2.0", False),
        ("1.2", "==1.2.0", True),
    ],
)
def test_versions_compare_as_installers_compare_them(version: str, wanted: str, good: bool) -> None:
    specifiers = pytest.importorskip("packaging.specifiers")
    assert within(version, wanted) is good
    assert (version in specifiers.SpecifierSet(wanted)) is good
