"""Behaviour cloning: what a linear expert does is learned; the same bytes from the same seed, killed or not."""

import csv
import importlib.metadata
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="torch is not installed (extra learn)")
pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

from metasim.benchmarks.runner import EvaluateConfig, evaluate  # noqa: E402
from metasim.core.errors import InvalidConfig, UnknownName  # noqa: E402
from metasim.core.policy import POLICIES  # noqa: E402
from metasim.core.task import TASKS  # noqa: E402
from metasim.datasets import CollectConfig, Dataset, collect  # noqa: E402
from metasim.policies import InvalidPolicy, load_policy, saved  # noqa: E402
from metasim.policies.cloning import CloneConfig, CloneProgress, clone  # noqa: E402
from metasim.policies.cloning.data import read, seen_columns  # noqa: E402
from metasim.policies.learned import PolicyInfo  # noqa: E402
from metasim.policies.seeing import Seeing  # noqa: E402

PUSH = "tabletop/push-cube-v0"
SMALL = {"steps": 300, "batch_size": 64, "hidden": (32,)}
LAYOUT = (("hand", 3), ("opening", 1), ("cube", 3), ("cube_quat", 4), ("goal", 3))


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demos") / "push.hdf5"
    config = {"tasks": (PUSH,), "episodes": 6, "policy": "random", "keep": "all", "horizon": 40, "worlds": 6}
    return collect(CollectConfig(out=path, **config))


@contextmanager
def under_another_torch(folder: Path) -> Iterator[None]:
    """A training that has run with torch 1.2.3 so far, which has to be refused and left as it is."""
    file = folder / "config.json"
    kept, said = file.read_bytes(), json.loads(file.read_text())
    assert said["versions"]["torch"] == importlib.metadata.version("torch")
    said["versions"]["torch"] = "1.2.3"
    file.write_text(json.dumps(said))
    before = {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()}
    with pytest.raises(InvalidConfig, match=r"another torch: '1\.2\.3' instead of"):
        yield
    assert before == {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()}
    file.write_bytes(kept)


def config(path: Path, out: Path, **more: Any) -> CloneConfig:
    return CloneConfig(path=path, out=out, every=100, changes={**SMALL, **more.pop("changes", {})}, **more)


def test_it_learns_what_a_known_rule_does(demos: Path, tmp_path: Path) -> None:
    """The recorded actions are replaced by a clipped linear rule of the observation, which is the oracle."""
    path = tmp_path / "rule.hdf5"
    path.write_bytes(demos.read_bytes())
    rule = 20.0 * np.random.default_rng(0).normal(size=(4, 3))
    with Dataset(demos) as data:
        seen = np.concatenate([demo.observation for demo in data])
    middle = seen[:, :3].mean(axis=0)
    with h5py.File(path, "r+") as file:
        for demo in file["data"].values():  # type: ignore[union-attr]
            demo["actions"][:] = np.clip((demo["obs/hand"][:] - middle) @ rule.T, -1, 1)
    policy = load_policy(clone(config(path, tmp_path / "policy.safetensors", changes={"steps": 1500, "valid": 0.2})))
    wanted = np.clip((seen[:, :3] - middle) @ rule.T, -1, 1)
    assert np.abs(policy.act(seen) - wanted).mean() < 0.3 * np.abs(wanted - wanted.mean(axis=0)).mean()
    with open(tmp_path / "policy.run" / "curve.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["steps"]) for row in rows] == [*range(100, 1501, 100)]
    assert float(rows[-1]["train_loss"]) < 0.2 * float(rows[0]["train_loss"])


def test_it_acts_as_the_network_that_was_trained(demos: Path, tmp_path: Path) -> None:
    """Torch's own layers are the oracle for the file's, normalisation and clipping included."""
    policy = load_policy(clone(config(demos, tmp_path)))
    weights, info = policy.weights, policy.info
    assert (info.algorithm, info.task, info.backend, info.observation_size) == ("bc", PUSH, "mujoco", 18)
    x = np.random.default_rng(0).normal(0.3, 0.3, (9, 18))
    with torch.no_grad():
        y = torch.as_tensor((x - weights["observation.mean"]) / weights["observation.deviation"]).clip(-10, 10).float()
        for k in range(2):
            layer = torch.nn.Linear(*weights[f"layers.{k}.weight"].shape[::-1])
            layer.weight.copy_(torch.as_tensor(weights[f"layers.{k}.weight"]))
            layer.bias.copy_(torch.as_tensor(weights[f"layers.{k}.bias"]))
            y = layer(torch.relu(y) if k else y)
    np.testing.assert_allclose(policy.act(x), y.clip(-1, 1).numpy(), rtol=1e-4, atol=1e-5)  # sums in another order


def test_a_killed_training_ends_in_the_same_bytes(demos: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(progress: CloneProgress) -> None:
        if progress.row is not None:
            raise Killed

    generator = torch.get_rng_state()
    whole = clone(config(demos, tmp_path / "a.safetensors"))
    assert torch.equal(torch.get_rng_state(), generator)
    asked = config(demos, tmp_path / "b.safetensors")
    with pytest.raises(Killed):
        clone(asked, kill)
    with under_another_torch(tmp_path / "b.run"):
        clone(asked)
    clone(asked)
    for name in ("curve.csv", "state.safetensors"):
        assert (tmp_path / "a.run" / name).read_bytes() == (tmp_path / "b.run" / name).read_bytes()
    assert asked.policy.read_bytes() == whole.read_bytes()
    reports: list[CloneProgress] = []
    clone(asked, reports.append)
    assert reports == []
    assert clone(config(demos, tmp_path / "c", seed=1)).read_bytes() != whole.read_bytes()
    with pytest.raises(InvalidConfig, match="another seed: 0 instead of 1"):
        clone(config(demos, tmp_path / "b.safetensors", seed=1))
    asked.policy.unlink()
    with pytest.raises(InvalidConfig, match="b.safetensors, which is the best so far, is gone"):
        clone(asked)


def test_what_is_hidden_changes_nothing(demos: Path, tmp_path: Path) -> None:
    policy = load_policy(clone(config(demos, tmp_path, hide=("cube*", "goal"))))
    assert policy.info.columns == tuple(range(8)) and policy.info.observation_size == 18
    x = np.random.default_rng(0).normal(size=(3, 18))
    other = np.concatenate([x[:, :8], np.random.default_rng(1).normal(size=(3, 10))], axis=1)
    np.testing.assert_array_equal(policy.act(x), policy.act(other))
    name = saved(tmp_path)
    asked = EvaluateConfig(tasks=(PUSH,), policy=name, episodes=3, horizon=10, worlds=2)
    one = evaluate(asked)
    assert evaluate(replace(asked, worlds=3)).episodes == one.episodes


def test_which_columns_are_seen() -> None:
    assert seen_columns(LAYOUT, (), ()) == tuple(range(14))
    assert seen_columns(LAYOUT, ("cube*",), ()) == (0, 1, 2, 3, 11, 12, 13)
    assert seen_columns(LAYOUT, ("cube",), ()) == (0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13)
    assert seen_columns(LAYOUT, (), ("goal", "hand")) == (0, 1, 2, 11, 12, 13)
    with pytest.raises(UnknownName, match="no observation named 'cub'"):
        seen_columns(LAYOUT, ("cub",), ())
    with pytest.raises(InvalidConfig, match="has to see something"):
        seen_columns(LAYOUT, ("*",), ())


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"changes": {"stepz": 3}}, UnknownName, "steps"),
    ({"changes": {"steps": 0}}, InvalidConfig, "steps must be a whole number of 1 or more, got 0"),
    ({"changes": {"valid": 1.5}}, InvalidConfig, "valid must be a number from"),
    ({"changes": {"hidden": (0,)}}, InvalidConfig, "hidden"),
    ({"cameras": {"front": (8, 8)}}, InvalidConfig, "32 to 512 pixels"),
    ({"hide": ("a",), "see": ("b",)}, InvalidConfig, "not both"),
    ({"seed": -1}, InvalidConfig, "seed"),
])  # fmt: skip
def test_what_a_configuration_refuses(tmp_path: Path, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        CloneConfig(path=tmp_path / "a.hdf5", out=tmp_path, **options)


def test_pictures_that_are_not_there(demos: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="metasim render-dataset .* --camera front --size 84x64 --renderer mujoco"):
        clone(config(demos, tmp_path, cameras={"front": (64, 84)}))


def with_pictures(demos: Path, path: Path, size: int = 40) -> Path:
    """A dataset whose pictures show a bright square, and whose actions are the square's place."""
    from metasim.datasets import writer
    from metasim.datasets.episode import TaskInfo

    rng, parts = np.random.default_rng(0), []
    with Dataset(demos) as data:
        header = data.header
        task: TaskInfo = replace(header.tasks[PUSH], pictures=(("front_image", (size, size, 3), "uint8"),))
        for k, demo in enumerate(data):
            episode = demo.load()
            places = rng.integers(4, size - 4, (len(demo) + 1, 2))
            shots = np.full((len(demo) + 1, size, size, 3), 60, np.uint8)
            for shot, (y, x) in zip(shots, places, strict=True):
                shot[y - 3 : y + 3, x - 3 : x + 3] = (250, 30, 30)
            actions = np.zeros_like(episode.actions)
            actions[:, :2] = 1.6 * (places[:-1] / size - 0.5)
            obs = {**episode.obs, "front_image": shots[:-1]}
            final = {**episode.final_obs, "front_image": shots[-1:]}
            part = path.with_name(f"part{k}")
            part.write_bytes(writer.part_bytes(replace(episode, obs=obs, final_obs=final, actions=actions), task))
            parts.append(writer.Source(path=part, group=writer.PART))
        writer.write_dataset(path, parts, {PUSH: task}, header.versions, [*header.collections])
    return path


def test_a_policy_learns_to_see(demos: Path, tmp_path: Path) -> None:
    """Actions say where a square is, which only the pictures tell."""
    path = with_pictures(demos, tmp_path / "seen.hdf5")
    changes = {"steps": 300, "batch_size": 32, "hints": 0.0, "learning_rate": 3e-3}
    asked = config(
        path, tmp_path / "p.safetensors", cameras={"front": (40, 40)}, hide=("cube*", "goal"), changes=changes
    )
    policy = load_policy(clone(asked))
    assert isinstance(policy, Seeing) and policy.info.cameras == {"front": (40, 40)}
    data = read(asked)
    shots, wanted = data.pictures["front"][:40], data.actions[:40]
    acted = policy.act(data.observation[:40], {"front": shots})
    assert np.abs(acted - wanted)[:, :2].mean() < 0.2  # at random it would be 0.5
    for size in (1, 7):  # to the bit, whoever else is in the batch
        parts = [
            policy.act(data.observation[i : min(i + size, 40)], {"front": shots[i : i + size]})
            for i in range(0, 40, size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), acted)
    again = load_policy(tmp_path / "p.safetensors")
    assert again.to_bytes() == policy.to_bytes() and again.info == policy.info
    with pytest.raises(InvalidPolicy, match="must be"):
        Seeing(policy.info, {**policy.weights, "cameras.front.0.bias": np.zeros(3, np.float32)})
    actor = POLICIES[saved(tmp_path / "p.safetensors")](TASKS[PUSH], 2)
    actor.look({"front": shots[:2]})
    np.testing.assert_array_equal(actor.act(data.observation[:2]), acted[:2])
    with pytest.raises(InvalidPolicy, match=r"\(2, 40, 40, 3\) uint8 of camera 'front' before it acts, got none"):
        actor.act(data.observation[:2])


def test_headers_without_new_fields_keep_their_bytes() -> None:
    """Policies that were saved before have names made of their bytes, which stand in results."""
    options = {"activation": "relu", "squash": False, "clip_observation": 10.0, "seed": 0, "steps": 1, "versions": {}}
    info = PolicyInfo(algorithm="ppo", task="t", backend="b", observation_size=1, action_size=1, **options)
    assert not any(name in info.header("s", {}) for name in ("shown", "columns", "cameras"))
