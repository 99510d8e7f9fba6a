"""Training: the same bytes for the same seed, runs that go on, curves that are what was evaluated."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed (extra learn)")
pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

import metasim  # noqa: E402
from metasim.core.errors import InvalidConfig, UnknownName  # noqa: E402
from metasim.core.task import TASKS  # noqa: E402
from metasim.core.task_files import load_task_module  # noqa: E402
from metasim.policies import InvalidPolicy, Zero, load_policy  # noqa: E402
from metasim.policies.training import Progress, TrainConfig, parse_changes, settings_of, train  # noqa: E402

CART_POLE = "test/cart-pole-v0"
load_task_module(str(Path(__file__).parents[1] / "adapters" / "cart_pole.py"))
SMALL = {"rollout": 256, "batch_size": 64, "epochs": 2, "hidden": (16,)}
SMALL_SAC = {"hidden": (16,), "warmup": 100, "batch_size": 32, "buffer": 400, "updates": 0.25}


def config(out: Path, algorithm: str = "ppo", **more) -> TrainConfig:
    changes = {**(SMALL if algorithm == "ppo" else SMALL_SAC), **more.pop("changes", {})}
    options = {"steps": 512, "evaluate_every": 256, "evaluation_episodes": 3, "num_envs": 4, "horizon": 60}
    return TrainConfig(algorithm=algorithm, task=CART_POLE, out=out, changes=changes, **{**options, **more})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, algorithm: str) -> None:
    """All files, the training's state included; generators that others use are left as they were."""
    options = {"steps": 400, "evaluate_every": 200} if algorithm == "sac" else {}
    np.random.seed(5)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    train(config(tmp_path / "a", algorithm, **options))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
    np.random.random(3)
    train(config(tmp_path / "b", algorithm, **options))
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.keys() == second.keys() and [k for k in first if first[k] != second[k]] == []
    train(config(tmp_path / "c", algorithm, seed=1, **options))
    assert contents(tmp_path / "c")["policy.safetensors"] != first["policy.safetensors"]


def test_the_curve_is_what_the_policies_do(tmp_path: Path) -> None:
    """Every checkpoint is run again, one episode at a time, and must score what the curve says."""
    reports: list[Progress] = []
    path = train(config(tmp_path), reports.append)
    with open(tmp_path / "curve.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = json.loads((tmp_path / "curve.json").read_text())
    assert [int(row["steps"]) for row in rows] == [256, 512] == [row["steps"] for row in listed]
    for row in listed:
        policy = load_policy(tmp_path / "checkpoints" / f"step_{row['steps']:010d}.safetensors")
        assert policy.info.steps == row["steps"]
        scores = [play(policy, root=2**31, episode=i) for i in range(3)]
        assert row["eval_return"] == np.mean([s[0] for s in scores])
        assert row["eval_success_any"] == np.mean([s[1] for s in scores])
        assert row["eval_success_last"] == np.mean([s[2] for s in scores])
    assert path.read_bytes() == (tmp_path / "checkpoints" / "step_0000000512.safetensors").read_bytes()
    best = max(listed, key=lambda row: (row["eval_success_last"], row["eval_return"]))
    assert load_policy(tmp_path / "best.safetensors").info.steps == best["steps"]
    assert reports[-1].done == reports[-1].wanted == 512 and reports[-1].row is not None


def play(policy, root: int, episode: int) -> tuple[float, bool, bool]:
    env = metasim.make(CART_POLE, horizon=60)
    observation, info = env.reset(seed=root, options={"episode": episode})
    total, solved, done = 0.0, False, False
    while not done:
        observation, reward, terminated, truncated, info = env.step(policy.act(observation[None])[0])
        total, solved, done = total + reward, solved | info["success"], terminated or truncated
    env.close()
    return total, solved, info["success"]


class Killed(Exception):
    """What stands in for a signal."""


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_killed_training_goes_on(tmp_path: Path, algorithm: str) -> None:
    def kill(progress: Progress) -> None:
        if progress.row is not None:
            raise Killed

    asked = config(tmp_path / "a", algorithm)
    with pytest.raises(Killed):
        train(asked, kill)
    first = json.loads((tmp_path / "a" / "curve.json").read_text())
    checkpoint = contents(tmp_path / "a")["checkpoints/step_0000000256.safetensors"]
    file = tmp_path / "a" / "config.json"
    kept = file.read_text()
    torch = json.loads(kept)["versions"]["torch"]
    file.write_text(kept.replace(f'"torch": "{torch}"', '"torch": "1.2.3"'))
    with pytest.raises(InvalidConfig, match=r"another torch: '1\.2\.3' instead of"):
        train(asked)
    file.write_text(kept)
    train(asked)
    rows = json.loads((tmp_path / "a" / "curve.json").read_text())
    assert rows[:1] == first and [row["steps"] for row in rows] == [256, 512]
    assert rows[1]["episodes"] > rows[0]["episodes"]
    assert contents(tmp_path / "a")["checkpoints/step_0000000256.safetensors"] == checkpoint
    assert load_policy(tmp_path / "a").info.steps == 512
    finished = contents(tmp_path / "a")
    reports: list[Progress] = []
    train(asked, reports.append)
    assert contents(tmp_path / "a") == finished and reports == []
    train(config(tmp_path / "a", algorithm, steps=700))
    assert json.loads((tmp_path / "a" / "curve.json").read_text())[:2] == rows


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_the_state_is_the_whole_learner(tmp_path: Path, algorithm: str) -> None:
    """Two learners with one state take the same next update, to the bit, from the same worlds."""
    from metasim.policies.training.learner import make_learner, policy_of
    from metasim.policies.training.state import load_state

    asked = config(tmp_path, algorithm)
    train(asked)
    outcomes = []
    for noise in (1, 2):
        learner = make_learner(asked)
        np.random.random(noise)
        load_state(tmp_path / "state.safetensors", learner)
        assert policy_of(learner, asked).to_bytes() == (tmp_path / "policy.safetensors").read_bytes()
        learner.learn(256, reset_num_timesteps=False)
        outcomes.append(policy_of(learner, asked).to_bytes())
        if algorithm == "sac":
            replay = learner.replay_buffer  # type: ignore[attr-defined]
            assert replay.full and replay.pos == (512 + 256) // 4 % (400 // 4)
        assert learner.env is not None
        learner.env.close()
    assert outcomes[0] == outcomes[1] != (tmp_path / "policy.safetensors").read_bytes()


def test_other_settings_and_damage_are_refused(tmp_path: Path) -> None:
    train(config(tmp_path, steps=256))
    with pytest.raises(InvalidConfig, match="another gamma: 0.99 instead of 0.9"):
        train(config(tmp_path, changes={"gamma": 0.9}))
    with pytest.raises(InvalidConfig, match="another seed: 0 instead of 1"):
        train(config(tmp_path, seed=1))
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InvalidPolicy, match="delete it to train from the beginning"):
        train(config(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidConfig, match="damaged"):
        train(config(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidConfig, match="needs a folder"):
        train(config(tmp_path / "file"))


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"algorithm": "td3"}, UnknownName, "no algorithm named 'td3'"),
    ({"task": "test/cart-pol-v0"}, UnknownName, "did you mean"),
    ({"backend": "mujocco"}, UnknownName, "mujoco"),
    ({"steps": 0}, InvalidConfig, "steps must be a whole number of 1 or more, got 0"),
    ({"seed": -1}, InvalidConfig, "seed must be"),
    ({"num_envs": 7}, InvalidConfig, "multiple of num_envs 7; for example rollout=2051"),
    ({"changes": {"gama": 0.9}}, UnknownName, "gamma"),
    ({"changes": {"gamma": 1.5}}, InvalidConfig, "gamma must be at most 1"),
    ({"changes": {"hidden": ()}}, InvalidConfig, "hidden must be"),
    ({"changes": {"hidden": (0,)}}, InvalidConfig, "hidden must be"),
    ({"changes": {"activation": "gelu"}}, InvalidConfig, "activation must be one of"),
    ({"changes": {"epochs": 2.5}}, InvalidConfig, "epochs must be a whole number"),
])  # fmt: skip
def test_what_a_configuration_refuses(tmp_path: Path, options, error, message: str) -> None:
    asked = {"algorithm": "ppo", "task": CART_POLE, "out": tmp_path, **options}
    with pytest.raises(error, match=message):
        TrainConfig(**asked)


def test_hyperparameters_come_from_the_suites_row() -> None:
    assert settings_of("sac", "metaworld/reach-v3").hidden == (400, 400, 400)
    assert settings_of("sac", "someone/else-v0") == settings_of("sac", "another/one-v0")
    words = ["gamma=0.98", "hidden=[32, 32]", "activation=relu", "normalize_reward=false"]
    changes = parse_changes(words)
    assert changes == {"gamma": 0.98, "hidden": (32, 32), "activation": "relu", "normalize_reward": False}
    assert settings_of("ppo", CART_POLE, changes).hidden == (32, 32)
    with pytest.raises(InvalidConfig, match="NAME=VALUE"):
        parse_changes(["gamma"])


@pytest.mark.slow
def test_ppo_keeps_the_pole_up(tmp_path: Path) -> None:
    """With the table's hyperparameters every evaluated episode ends upright, at the largest return there is."""
    task = "classic/cart-pole-v0"
    train(TrainConfig(algorithm="ppo", task=task, out=tmp_path, steps=80_000, evaluate_every=20_000))
    rows = json.loads((tmp_path / "curve.json").read_text())
    assert rows[-1]["eval_return"] == 1000.0 and rows[-1]["eval_success_last"] == 1.0


@pytest.mark.slow
def test_sac_learns_to_keep_the_pole_up(tmp_path: Path) -> None:
    """In 4000 steps: five times as long as without any action, on episodes that it never saw."""
    train(TrainConfig(algorithm="sac", task=CART_POLE, out=tmp_path, steps=4_000, evaluate_every=2_000))
    best = load_policy(tmp_path / "best.safetensors")
    idle = Zero(TASKS[CART_POLE], 1)
    learned, fallen = (np.mean([play_full(p, i) for i in range(5)]) for p in (best, idle))
    assert learned > 5 * fallen


def play_full(policy, episode: int) -> float:
    env = metasim.make(CART_POLE)
    observation, _ = env.reset(seed=11, options={"episode": episode})
    total, done = 0.0, False
    while not done:
        observation, reward, terminated, truncated, _ = env.step(policy.act(observation[None])[0])
        total, done = total + reward, terminated or truncated
    env.close()
    return total
