"""``metasim convert`` decides by what it is given."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metasim.cli import main
from metasim.datasets import CollectConfig

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def convert(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run it in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["convert", *map(str, words)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_there_and_back(convert: Command, collected: CollectConfig) -> None:
    assert convert(collected.out, "--to", "robomimic", "-o", "there.hdf5")[:2] == (0, "there.hdf5\n")
    code, out, err = convert("there.hdf5", "--from", "robomimic", "--task", "lab/reach", "-o", "back.h5")
    assert (code, out) == (0, "back.h5\n") and "3 episodes" in err
    code, out, err = convert("there.hdf5", "--task", "lab/reach", "-o", "back.h5", "--json", "--from", "robomimic")
    report = json.loads(out)
    assert code == 0 and err == "" and (report["out"], report["episodes"]) == (["back.h5"], 3)
    assert "is there already" in report["notes"][0]
    code, out, _ = convert(collected.out, "--to", "minari", "-o", "root", "--name", "short")
    assert (code, out) == (0, "root/metaworld/reach-v3/short-v0\n")


def test_the_help_names_every_way(convert: Command) -> None:
    code, out, _ = convert("--help")
    said = " ".join(out.split())
    assert code == 0
    for words in ("--floating", "--to minari|robomimic|d4rl|lerobot", "--from robomimic|libero|isaaclab|robosuite"):
        assert words in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("DATA", "--to", "d4rl"), "say where the converted dataset is to stand (--out)"),
        (("DATA", "-o", "x.h5"), "is a dataset of ours already; to write it for others, say --to"),
        (("DATA", "-o", "x", "--to", "d4rl", "--seen", "after"), "--to and --seen go different ways"),
        (("DATA", "-o", "x", "--name", "y"), "--name needs a format to write: say --to"),
        (("DATA", "-o", "x", "--floating"), "is a dataset, which --floating does not go with"),
        (("DATA", "-o", "x", "--to", "lerobot"), "lerobot runs in an interpreter of its own"),
        (("DATA", "-o", "x", "--to", "minry"), "did you mean ['minari']?"),
        (("DATA", "-o", "x", "--to", "libero"), "no format to write named 'libero'"),
        (("absent.hdf5", "-o", "x.h5"), "no dataset absent.hdf5"),
        (("absent.urdf", "-o", "x.xml"), "expected a URDF (.urdf), or a dataset (.h5, .hdf5)"),
        (("arm.urdf", "--to", "d4rl", "--task", "a"), "is no dataset (.h5, .hdf5), which --to, --task does not go"),
    ],
)
def test_words_that_do_not_fit(
    convert: Command, collected: CollectConfig, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.delenv("METASIM_LEROBOT_PYTHON", raising=False)
    code, out, err = convert(*(str(collected.out) if word == "DATA" else word for word in words))
    assert (code, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert message in err
    assert list(Path().iterdir()) == []
