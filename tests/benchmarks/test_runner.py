"""Evaluation: every episode a function of its seed, whatever runs it; the numbers those of a plain loop."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metasim
from metasim.benchmarks import EpisodeResult, Results, merge, save
from metasim.benchmarks.runner import EvaluateConfig, Progress, evaluate
from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import load_task_module

FILE = Path(__file__).with_name("odd_tasks.py")
REACH = "metaworld/reach-v3"


@pytest.fixture(scope="module", autouse=True)
def _tasks() -> Iterator[None]:
    """Register the tasks of odd_tasks.py and my_task.py for this module alone."""
    TASKS.discover()
    items, modules = dict(TASKS._items), set(sys.modules)
    load_task_module(str(FILE))
    yield
    TASKS._items.clear()
    TASKS._items.update(items)
    for name in [name for name in sys.modules if name.startswith("metasim_task_file_") and name not in modules]:
        del sys.modules[name]


def config(**changes: Any) -> EvaluateConfig:
    return EvaluateConfig(**{"tasks": (REACH,), "episodes": 5, "horizon": 12, "policy": "noisy-expert", **changes})


@pytest.fixture(scope="module")
def reference() -> Results:
    return evaluate(config(tasks=("lab/touch-v0", REACH), policy="random"))


@pytest.mark.parametrize("worlds", [1, 2, 3, 100])
def test_the_number_of_worlds_changes_no_byte(reference: Results, worlds: int) -> None:
    again = evaluate(config(tasks=("lab/touch-v0", REACH), policy="random", worlds=worlds))
    assert again.to_bytes() == reference.to_bytes()


def test_the_number_of_processes_changes_no_byte(reference: Results) -> None:
    """With a task from a user's own file, which the other processes have to load as well."""
    again = evaluate(config(tasks=("lab/touch-v0", REACH), policy="random", workers=2))
    assert again.to_bytes() == reference.to_bytes()


def test_the_number_of_worlds_changes_no_byte_in_the_other_engine_either() -> None:
    first, again = (evaluate(config(backend="pybullet", horizon=4, episodes=3, worlds=n)) for n in (3, 1))
    assert again.to_bytes() == first.to_bytes()
    assert len({e.episode_return for e in first.episodes}) == 3


def test_the_numbers_are_those_of_a_plain_loop() -> None:
    task = REACH
    results = {e.episode: e for e in evaluate(config(tasks=(task,), horizon=45, episodes=3)).episodes}
    policy = POLICIES["noisy-expert"](TASKS[task], 1)
    env = metasim.make(task, horizon=45)
    for episode in range(3):
        observation, _ = env.reset(seed=0, options={"episode": episode})
        policy.reset(np.arange(1), [EpisodeSeed(root=0, task=task, episode=episode)])
        rewards, solved, over = [], [], False
        while not over:
            observation, reward, terminated, truncated, info = env.step(policy.act(observation[None])[0])
            rewards.append(reward)
            solved.append(info["success"])
            over = terminated or truncated
        assert results[episode] == EpisodeResult(
            task=task,
            backend="mujoco",
            policy="noisy-expert",
            seed=0,
            episode=episode,
            success_any=any(solved),
            success_last=solved[-1],
            first_success_step=solved.index(True) + 1 if any(solved) else None,
            episode_return=results[episode].episode_return,
            length=45,
        )
        assert results[episode].episode_return == pytest.approx(sum(rewards), rel=1e-12)
    env.close()
    assert any(e.success_any for e in results.values())


def test_another_seed_is_another_episode(reference: Results) -> None:
    def returns(results: Results) -> set[float]:
        return {e.episode_return for e in results.episodes if e.task == REACH}

    other = evaluate(config(policy="random", seed=1))
    assert returns(reference).isdisjoint(returns(other))


def test_a_world_that_breaks_says_so_and_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo logs what broke where it runs
    results = evaluate(config(tasks=("test/half-breaks-v0",), policy="random", episodes=8, horizon=None))
    alone = evaluate(config(tasks=("test/half-breaks-v0",), policy="random", episodes=8, horizon=None, worlds=1))
    broken = [e for e in results.episodes if e.error]
    assert 0 < len(broken) < 8
    assert all("velocity" in (e.error or "") or "acceleration" in (e.error or "") for e in broken)
    assert all(e.length < 8 and not e.success_last for e in broken)
    assert all(e.length == 8 for e in results.episodes if not e.error)
    assert alone.to_bytes() == results.to_bytes()


def test_a_reward_that_is_no_number_is_an_error_of_its_episode() -> None:
    results = evaluate(config(tasks=("test/odd-reward-v0",), policy="zero", episodes=8, horizon=None))
    odd = [e for e in results.episodes if e.error]
    assert 0 < len(odd) < 8
    assert {(e.error, e.length, e.episode_return) for e in odd} == {("the reward is not finite at step 1", 1, 0.0)}
    assert {(e.length, e.episode_return) for e in results.episodes if not e.error} == {(8, 8.0)}


def test_an_episode_ends_where_the_task_ends_it() -> None:
    results = evaluate(config(tasks=("test/ends-v0",), policy="zero", episodes=3, horizon=None))
    got = {(e.length, e.first_success_step, e.success_any, e.success_last) for e in results.episodes}
    assert got == {(3, 2, True, False)}
    assert {e.episode_return for e in results.episodes} == {1.0}


def test_the_configuration_says_what_was_run_and_nothing_of_the_machine(reference: Results, tmp_path: Path) -> None:
    tree = json.loads(reference.to_bytes())["config"]
    assert tree["tasks"] == ["lab/touch-v0", REACH] and tree["horizon"] == {"lab/touch-v0": 12, REACH: 12}
    assert tree["seeds"] == [0] and tree["episodes"] == ["0-4"] and tree["split"] == "train"
    assert {"metasim", "mujoco", "numpy", "python", "pybullet", "envpool-assets"} == set(tree["versions"])  # of scenes
    text = save(reference, tmp_path / "results.json").read_text()
    assert not {"worlds", "workers", str(Path.home()), str(tmp_path)} & {w for w in text.split('"') if w}


def test_results_of_several_runs_can_be_merged(reference: Results) -> None:
    longer = evaluate(config(tasks=(REACH,), policy="random", episodes=6))
    both = merge([reference, longer])
    assert len(both.episodes) == 11


def test_progress_arrives_at_the_end() -> None:
    heard: list[Progress] = []
    evaluate(config(tasks=(REACH,), horizon=60, worlds=2), heard.append)
    shares = [p.share for p in heard]
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 3
    assert (heard[-1].done, heard[-1].wanted, heard[-1].steps) == (5, 5, 300)
    assert heard[-1].successes > 0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"tasks": ("metaworld/raech-v3",)}, UnknownName, "reach-v3"),
        ({"tasks": ()}, InvalidConfig, "tasks"),
        ({"tasks": REACH}, InvalidConfig, "tuple"),
        ({"backend": "mujico"}, UnknownName, "did you mean"),
        ({"policy": "export"}, UnknownName, "expert"),
        ({"episodes": 0}, InvalidConfig, "episodes"),
        ({"worlds": 1.5}, InvalidConfig, "worlds"),
        ({"workers": True}, InvalidConfig, "workers"),
        ({"horizon": 0}, InvalidConfig, "horizon"),
        ({"seed": -1}, InvalidConfig, "seed"),
        ({"split": "validation"}, InvalidConfig, "split"),
    ],
)
def test_a_wrong_setting_is_refused(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        config(**changes)


def test_a_policy_that_cannot_run_a_task_is_refused_before_anything_runs() -> None:
    heard: list[Progress] = []
    with pytest.raises(InvalidConfig, match="no scripted expert"):
        evaluate(config(tasks=(REACH, "lab/touch-v0"), policy="expert"), heard.append)
    assert not heard
