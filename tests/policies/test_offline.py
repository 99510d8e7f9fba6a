"""A family's offline data: one training that is shown the task, checkpoints chosen from its curve, files of both."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

from metasim.cli import main  # noqa: E402
from metasim.core.errors import InvalidConfig, MetasimError, UnknownName  # noqa: E402
from metasim.core.protocol import protocol_goals  # noqa: E402
from metasim.core.seeding import EpisodeSeed  # noqa: E402
from metasim.datasets import Dataset, verify  # noqa: E402
from metasim.datasets.offline import QUALITIES  # noqa: E402
from metasim.envs import Episodes  # noqa: E402
from metasim.policies import load_policy  # noqa: E402
from metasim.policies.training import OfflineConfig, Progress, TrainConfig, make_offline, settings_of, train  # noqa: E402
from metasim.policies.training.choosing import choose, stages  # noqa: E402
from metasim.policies.training.config import Row  # noqa: E402

POINT = "meta_rl/point-robot-v0"
QUICK = {"hidden": (32, 32), "warmup": 300, "learning_rate": 3e-3, "batch_size": 64, "updates": 0.25, "num_envs": 16}


def config(out: Path, **more) -> TrainConfig:
    options = {"steps": 96, "evaluate_every": 48, "evaluation_episodes": 7, "changes": {**QUICK, "warmup": 32}}
    family = {"goals": "meta_rl/point-robot-train", "show_goals": True}
    return TrainConfig(**{"algorithm": "sac", "task": POINT, "out": out, **options, **family, **more})


def test_the_curve_is_what_policies_do_on_the_training_tasks(tmp_path: Path) -> None:
    """Episode i of an evaluation has training task i; the hidden goal stands at the end of what the policy sees."""
    train(config(tmp_path))
    goals = protocol_goals("meta_rl/point-robot-train", (POINT,), 0)[1][POINT]
    for row in json.loads((tmp_path / "curve.json").read_text()):
        policy = load_policy(tmp_path / "checkpoints" / f"step_{row['steps']:010d}.safetensors")
        assert policy.info.observation_size == 4 and policy.info.shown == ("goal",)
        totals = []
        for i in range(7):
            episodes, seeds = Episodes(POINT), [EpisodeSeed(root=2**31, task=POINT, episode=i)]
            seen, total = episodes.begin(np.arange(1), seeds, {"goal": goals[i]}), 0.0
            for _ in range(20):
                step = episodes.step(policy.act(np.concatenate([seen["position"], goals[i : i + 1]], axis=1)))
                seen, total = step.observation, total + float(step.reward[0])
            episodes.close()
            totals.append(total)
        assert row["eval_return"] == np.mean(totals)


def test_time_ends_a_training_and_more_of_it_goes_on(tmp_path: Path) -> None:
    reports: list[Progress] = []
    asked = config(tmp_path, steps=10**7, minutes=0.001, evaluate_every=10**6)
    train(asked, reports.append)
    first = json.loads((tmp_path / "curve.json").read_text())
    assert len(first) == 1 and first[0]["steps"] < 10**5 and reports[-1].share == 1.0
    spent = json.loads((tmp_path / "clock.json").read_text())["seconds"]
    assert spent >= 0.06
    train(asked, lambda progress: pytest.fail("it was finished"))
    train(config(tmp_path, steps=10**7, minutes=(spent + 0.5) / 60.0, evaluate_every=10**6))
    rows = json.loads((tmp_path / "curve.json").read_text())
    assert rows[0] == first[0] and rows[1]["steps"] > rows[0]["steps"]
    assert load_policy(tmp_path).info.steps == rows[-1]["steps"]


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"goals": "meta_rl/point-robot"}, UnknownName, "point-robot-t"),
    ({"goals": "meta_rl/ant-dir-train"}, UnknownName, "point-robot"),
    ({"goals": "", "show_goals": True}, InvalidConfig, "show_goals needs goals"),
    ({"minutes": 0.0}, InvalidConfig, "minutes must be a positive number"),
    ({"task": "metaworld/reach-v3", "goals": "metaworld/MT10"}, InvalidConfig, "has tasks besides"),
])  # fmt: skip
def test_what_a_training_with_goals_refuses(tmp_path: Path, options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        TrainConfig(**{**vars(config(tmp_path)), **options})


def test_a_goal_that_is_observed_cannot_be_hidden_from_the_learner(tmp_path: Path) -> None:
    reach = {"task": "metaworld/reach-v3", "goals": "meta_rl/reach-train", "show_goals": False}
    with pytest.raises(InvalidConfig, match="observes its goal"):
        train(config(tmp_path, **reach))


def row(steps: int, value: float, solved: float = 0.0) -> Row:
    return Row(
        steps=steps,
        episodes=0,
        train_return=None,
        train_success=None,
        eval_return=value,
        eval_success_any=solved,
        eval_success_last=solved,
    )


def test_checkpoints_are_chosen_by_rule() -> None:
    rows = [row(100, -9.0), row(200, -6.0), row(300, -4.0), row(400, -5.5), row(500, -2.0), row(600, -2.5)]
    choice = choose(rows, random=-10.0, share=0.5)
    assert (choice.expert.steps, choice.medium.steps) == (500, 200), "half of the way from -10 to -2"
    assert choose(rows, random=-10.0, share=0.9).medium.steps == 500
    assert choose([*rows, row(700, -3.0, 1.0)], random=-10.0, share=0.5).expert.steps == 700, "success counts first"
    with pytest.raises(MetasimError, match="learned nothing"):
        choose(rows, random=-1.0, share=0.5)
    assert stages(rows, rows[2], warmup=50, episodes=12) == [(0, 2), (100, 2), (200, 4), (300, 4)]
    assert stages(rows, rows[0], warmup=50, episodes=1) == [(100, 1)]
    assert sum(n for _, n in stages(rows, rows[4], warmup=0, episodes=7)) == 7


class Killed(Exception):
    """What stands in for a signal."""


def test_a_familys_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed here and there; every file is a dataset that replays, of the right tasks, and worth what it should be.

    The command with the same arguments finds it made, and prints its page.
    """
    asked = OfflineConfig(
        family="meta_rl/point-robot",
        out=tmp_path,
        minutes=None,
        steps=2560,
        evaluate_every=512,
        episodes=4,
        changes=QUICK,
        worlds=100,
    )
    begun: dict[str, int] = {}

    def kill(name: str, share: float, words: str) -> None:
        begun[name] = begun.get(name, 0) + 1
        if begun[name] == 3 and share < 1.0:
            raise Killed(name)

    killed = []
    for _ in range(20):
        try:
            make_offline(asked, kill)
            break
        except Killed as error:
            killed.append(str(error))
    assert killed[:3] == ["train random", "test random", "training"] and "train replay" in killed
    files = {(s, q): tmp_path / s / f"{q}.h5" for s in ("train", "test") for q in QUALITIES}
    contents = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(files.values()) <= set(contents)
    report = json.loads((tmp_path / "returns.json").read_text())
    means = {(r["split"], r["quality"]): r["mean"] for r in report["returns"]}
    for split in ("train", "test"):
        assert means[split, "random"] < means[split, "medium"] < means[split, "expert"]
        assert means[split, "medium"] < means[split, "mixed"] < means[split, "expert"]
        assert means[split, "replay"] < means[split, "medium"]
    for (split, quality), path in files.items():
        goals = protocol_goals(f"meta_rl/point-robot-{split}", (POINT,), 0)[1][POINT]
        with Dataset(path) as data:
            assert len(data) == 4 * len(goals) and {i.split for i in data.infos()} == {split}
            assert data.header.tasks[POINT].observation == (("position", 2),), "the goal is not written"
            policies = {i.policy for i in data.infos()}
            numbers = [i.episode % len(goals) for i in data.infos()]
            assert np.bincount(numbers).tolist() == [4] * len(goals)
        assert (policies == {"random"}) == (quality == "random") and all(":noise=1" in p for p in policies - {"random"})
        assert split == "train" or verify(path).bit_identical == 4 * len(goals)
    assert len({p for p in [i.policy for i in infos(files["train", "mixed"])]}) == 2
    assert "random" in {i.policy for i in infos(files["train", "replay"])}
    page = (tmp_path / "README.md").read_text()
    assert f"| train | medium | 180 | 3600 | −{-means['train', 'medium']:.1f} ±" in page
    make_offline(asked, lambda name, share, words: pytest.fail(f"{name} was finished"))
    words = ["offline", "point-robot", "--out", str(tmp_path), "--minutes", "None", "--steps", "2560"]
    words += ["--evaluate-every", "512", "--episodes", "4"]
    for name, value in QUICK.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    assert main(words) == 0 and capsys.readouterr().out == f"{page.rstrip()}\n{tmp_path}\n"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == contents


def infos(path: Path) -> list:
    with Dataset(path) as data:
        return data.infos()


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"family": "cheetah"}, UnknownName, "cheetah-"),
    ({"qualities": ("good",)}, UnknownName, "no quality named 'good'"),
    ({"qualities": ()}, InvalidConfig, "at least one quality"),
    ({"medium": 1.0}, InvalidConfig, "medium between 0 and 1"),
    ({"episodes": 1}, InvalidConfig, "at least 2 episodes"),
    ({"changes": {"gama": 0.9}}, UnknownName, "gamma"),
    ({"backend": "mujocco"}, UnknownName, "mujoco"),
])  # fmt: skip
def test_what_is_refused(tmp_path: Path, options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        OfflineConfig(**{"family": "cheetah-vel", "out": tmp_path, **options})


def test_a_tasks_own_row_comes_before_its_suites() -> None:
    assert settings_of("sac", POINT).gamma == 0.9 and settings_of("sac", "meta_rl/ant-dir-v0").gamma == 0.99
