"""``metasim train``, and its policies where other verbs take one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

from metasim.core.policy import POLICIES  # noqa: E402

FILE = Path(__file__).parents[1] / "adapters" / "cart_pole.py"
TASK = ("test/cart-pole-v0", "--task-module", FILE)
QUICK = ("--steps", 512, "--evaluate-every", 256, "--evaluation-episodes", 2, "--horizon", 40)
SMALL = ("--set", "rollout=256", "--set", "batch_size=64", "--set", "hidden=[16]", "--set", "epochs=2")


@pytest.fixture(autouse=True)
def policies_kept() -> Iterator[None]:
    """Policies that a test read from files are forgotten."""
    before = dict(POLICIES._items)
    yield
    POLICIES._items.clear()
    POLICIES._items.update(before)


def test_a_trained_policy_goes_wherever_a_policy_is_named(run) -> None:
    ran = run("train", "ppo", *TASK, *QUICK, *SMALL, "--out", "a")
    assert (ran.code, ran.out) == (0, "a/policy.safetensors\n")
    assert "512/512 steps" in ran.err and "\x1b" not in ran.err
    rows = json.loads(Path("a/curve.json").read_text())
    assert [row["steps"] for row in rows] == [256, 512]

    ran = run("eval", *TASK, "--policy", "a", "--episodes", 4, "--horizon", 20, "--out", "r.json")
    assert ran.code == 0
    alone = Path("r.json").read_bytes()
    assert json.loads(alone)["config"]["policies"][0].startswith("ppo-")
    options = ("--policy", "a/policy.safetensors", "--workers", 2, "--worlds", 1, "--out", "s.json")
    assert run("eval", *TASK, "--episodes", 4, "--horizon", 20, *options).code == 0
    assert Path("s.json").read_bytes() == alone  # nothing of it depends on workers, batches or where the file is

    ran = run("collect", *TASK, "--policy", "a", "--episodes", 2, "--keep", "all", "--horizon", 10, "-o", "d.h5")
    assert ran.code == 0, ran.err
    assert run("verify", "d.h5", *TASK[1:]).code == 0
    ran = run("play", *TASK, "--policy", "a", "--gif", "--size", 32, 32, "--horizon", 5)
    assert ran.code == 0 and "_mujoco_ppo-" in ran.out and Path(ran.out.strip()).exists()

    ran = run("train", "ppo", *TASK, *QUICK, *SMALL, "--out", "a")
    assert ran.code == 0 and "trained already" in ran.err
    ran = run("train", "ppo", *TASK, *QUICK, *SMALL, "--set", "gamma=0.9", "--out", "a")
    assert ran.code == 2 and "another gamma" in ran.err

    ran = run("eval", "metaworld/reach-v3", "--policy", "a")
    assert ran.code == 2 and "was trained for 'test/cart-pole-v0' and cannot run" in ran.err
    Path("a/policy.safetensors").write_bytes(b"nothing")
    ran = run("eval", *TASK, "--policy", "a")
    assert ran.code == 2 and "damaged or no policy file" in ran.err


@pytest.mark.parametrize(("words", "message"), [
    (("ppo", *TASK, "--set", "gama=0.9"), "no hyperparameter of ppo named 'gama'; did you mean ['gamma']?"),
    (("ppo", *TASK, "--set", "gamma"), "NAME=VALUE"),
    (("pop", *TASK), "no algorithm named 'pop'; did you mean ['ppo']?"),
    (("ppo", "test/cart-poles-v0", *TASK[1:]), "did you mean ['test/cart-pole-v0'"),
    (("ppo", "MT10"), "means 10 tasks, and this takes one"),
    (("sac", *TASK, "--steps", "0"), "steps must be a whole number of 1 or more, got 0"),
])  # fmt: skip
def test_bad_input(run, words, message: str) -> None:
    ran = run("train", *words)
    assert (ran.code, ran.out) == (2, "") and message in ran.err
    assert not list(Path().iterdir())


def test_a_policy_that_is_not_there(run) -> None:
    ran = run("eval", *TASK, "--policy", "runs/none")
    assert ran.code == 2 and "there is no policy file runs/none" in ran.err
    ran = run("eval", *TASK, "--policy", "expart")
    assert ran.code == 2 and "did you mean ['expert']?" in ran.err
