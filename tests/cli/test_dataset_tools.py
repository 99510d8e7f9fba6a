"""The verbs for finished datasets: what they print, what they write, how they end."""

import json
from pathlib import Path
from typing import Any

import h5py
import pytest
from PIL import Image

from metasim.cli.options import with_sizes
from metasim.core.errors import InvalidConfig

POINT = "meta_rl/point-robot-v0"


@pytest.fixture
def demos(run: Any) -> str:
    """Four short episodes, in the folder of the command."""
    words = ("--policy", "random", "--keep", "all", "--horizon", 5, "--tail", "None", "--episodes", 4)
    assert run("collect", POINT, *words, "-o", "demos.h5").code == 0
    return "demos.h5"


def test_split_filter_and_diff(run: Any, demos: str) -> None:
    ran = run("split", demos, "-o", "parts", "--fractions", "train=0.75, valid=0.25")
    assert (ran.code, ran.out) == (0, "parts/train.h5\nparts/valid.h5\n")
    ran = run("split", demos, "-o", "marked.h5", "--fractions", "train=0.75,valid=0.25", "--mask-only")
    assert (ran.code, ran.out) == (0, "marked.h5\n")
    assert json.loads(run("inspect", "marked.h5", "--json").out)["masks"]["train"] == 3

    ran = run("diff", demos, "marked.h5")
    assert (ran.code, ran.out) == (1, "mask train is only in the second\nmask valid is only in the second\n")
    ran = run("diff", demos, demos)
    assert (ran.code, ran.out) == (0, "the same\n")
    told = json.loads(run("diff", demos, "parts/valid.h5", "--json").out)
    assert not told["same"] and sum(row["kind"] == "episode" for row in told["differences"]) == 3

    ran = run("filter", demos, "-o", "some.h5", "--where", "episode >= 1 and return < 0", "--best", 2)
    assert (ran.code, ran.out) == (0, "some.h5\n") and "2 of 4 episodes" in ran.err
    assert run("verify", "some.h5").code == 0


def test_json_has_no_infinite_numbers(run: Any, demos: str) -> None:
    with h5py.File(demos, "r") as file, h5py.File("b.h5", "w") as other:
        for name in file:
            file.copy(name, other)
        rewards: Any = other["data/demo_1/rewards"]
        rewards[2] = float("inf")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    (row,) = json.loads(run("diff", demos, "b.h5", "--json").out, parse_constant=refuse)["differences"]
    assert (row["what"], row["row"], row["size"]) == ("rewards", 2, "inf")


def test_sizes_are_understood_by_every_verb() -> None:
    for words in (["--size", "12x13"], ["--size", "12", "13"], ["--size=12X13"]):
        assert with_sizes(["a", *words, "b", "--seed", "3"]) == ["a", "--size", "12", "13", "b", "--seed", "3"]
    assert with_sizes(["--size", "12", "a"]) == ["--size", "12", "12", "a"]
    for left in (["--size"], ["--size", "--seed", "3"], ["--sizes", "1x"]):
        assert with_sizes(left) == left
    for wrong in ("12x", "1x2x3", "12by9", "a"):
        with pytest.raises(InvalidConfig, match="128x128"):
            with_sizes(["--size", wrong])


def test_inspect_draws_and_writes_a_card(run: Any, demos: str) -> None:
    ran = run("inspect", demos, "--plot", "a.png", "--card", "README.md")
    assert ran.code == 0 and POINT in ran.out and "a.png" in ran.err
    with Image.open("a.png") as picture:
        assert picture.width > 500
    assert Path("README.md").read_text().startswith("---\n")
    ran = run("inspect", demos, "--plot", "a.png")
    assert ran.code == 2 and "exists already" in ran.err
    assert run("inspect", demos, "--plot", "a.png", "--force").code == 0
    ran = run("inspect", demos, "--plot", "a.jpg")
    assert ran.code == 2 and ".svg" in ran.err


def test_render_dataset(run: Any, demos: str) -> None:
    ran = run("render-dataset", demos, "-o", "shown.h5", "--size", "24x16")
    assert (ran.code, ran.out) == (0, "shown.h5\n") and f"{POINT}: 4/4 episodes" in ran.err
    assert run("verify", "shown.h5").code == 0
    assert run("render-dataset", "--size", 24, 16, demos, "-o", "shown.h5").code == 0  # finds what it would write
    ran = run("render-dataset", demos, "--size", "24x16")
    assert ran.code == 2 and "--out" in ran.err
    ran = run("render-dataset", demos, "-o", "other.h5", "--camera", "abvoe")
    assert ran.code == 2 and "above" in ran.err


@pytest.mark.parametrize(("words", "says"), [
    (("split", "demos.h5", "-o", "demos.h5"), "is a file"),
    (("split", "demos.h5", "-o", "x", "--fractions", "train:0.9"), "train=0.9,valid=0.1"),
    (("split", "demos.h5", "-o", "x", "--fractions", "train=0.9,valid=0.3"), "a sum of 1"),
    (("split", "demos.h5", "-o", "x", "--fractions", "train=0.99,valid=0.01"), "'valid' would be empty"),
    (("filter", "demos.h5", "-o", "x.h5", "--where", "lenght < 3"), "did you mean"),
    (("filter", "demos.h5", "-o", "x.h5", "--where", "length > 300"), "meets the condition"),
    (("filter", "demos.h5", "-o", "x.h5"), "give a condition"),
    (("filter", "demos.h5", "-o", "demos.h5", "--first", 1), "is the file that is read"),
    (("filter", "none.h5", "-o", "x.h5", "--first", 1), "no dataset none.h5"),
    (("diff", "demos.h5", "none.h5"), "no dataset none.h5"),
    (("render-dataset", "demos.h5", "-o", "x.h5", "--size", "12by9"), "128x128"),
    (("render-dataset", "demos.h5", "-o", "x.h5", "--size", "0x9"), "pixels"),
])  # fmt: skip
def test_bad_words_are_answered(run: Any, demos: str, words: tuple[Any, ...], says: str) -> None:
    ran = run(*words)
    assert ran.code == 2 and says in ran.err and ran.err.startswith("error: ")
    assert not Path("x.h5").exists()
