"""``metasim offline``, ``train`` on a protocol, and what such policies are taken for elsewhere."""

import json
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

from metasim.core.policy import POLICIES  # noqa: E402

POINT = "meta_rl/point-robot-v0"
QUICK = ("--set", "hidden=[16]", "--set", "warmup=32", "--set", "batch_size=16", "--set", "updates=0.1")


@pytest.fixture(autouse=True)
def policies_kept():
    """Policies that a test read from files are forgotten."""
    before = dict(POLICIES._items)
    yield
    POLICIES._items.clear()
    POLICIES._items.update(before)


def test_a_policy_that_is_shown_the_task(run) -> None:
    """Trained on a protocol, then evaluated, recorded with noise, and played."""
    small = ("--steps", 64, "--evaluate-every", 64, "--evaluation-episodes", 2, "--num-envs", 4, *QUICK)
    ran = run("train", "sac", "point-robot-train", "--show-goals", *small, "--out", "a")
    assert (ran.code, ran.out) == (0, "a/policy.safetensors\n"), ran.err
    arguments = json.loads(Path("a/config.json").read_text())["arguments"]
    assert (arguments["task"], arguments["goals"]) == (POINT, "meta_rl/point-robot-train")
    goals = ("--goals", "meta_rl/point-robot-test", "--episodes", 5)
    ran = run("eval", POINT, "--policy", "a", *goals, "--out", "r.json")
    assert ran.code == 0, ran.err
    ran = run("collect", POINT, "--policy", "a:noise=1", *goals, "--keep", "all", "--out", "d.h5")
    assert ran.code == 0, ran.err
    assert run("verify", "d.h5").code == 0
    ran = run("inspect", "d.h5", "--json")
    assert json.loads(ran.out)["tasks"][0]["policy"].endswith(":noise=1")
    assert run("play", POINT, "--policy", "a", "--gif", "--size", 32, 32, "--horizon", 3).code == 0
    ran = run("collect", POINT, "--policy", "a:nose=1", "--out", "e.h5")
    assert ran.code == 2 and "noise=0 (0 to 10)" in ran.err


@pytest.mark.parametrize(("words", "message"), [
    (("cheetah-vell",), "did you mean ['cheetah-vel', 'cheetah-dir']?"),
    (("cheetah-vel", "--qualities", "medium,god"), "no quality named 'god'"),
    (("cheetah-vel", "--set", "gama=1"), "did you mean ['gamma']?"),
    (("cheetah-vel", "--minutes", "0"), "minutes must be a positive number"),
])  # fmt: skip
def test_bad_input(run, words, message: str) -> None:
    ran = run("offline", *words, "--out", "d")
    assert (ran.code, ran.out) == (2, "") and message in ran.err
    assert not list(Path().iterdir())
