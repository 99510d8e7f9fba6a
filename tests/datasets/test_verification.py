"""Replaying: bit-identical where it must be, and every kind of tampering found, with the step."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError, UnknownName
from metasim.datasets import CollectConfig, Dataset, Progress, collect, inspect, merge, verify
from metasim.datasets.schema import header_digest

from .made import retell

REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"
ENGINES = ["mujoco", "pybullet"]


@pytest.fixture(scope="module", params=ENGINES)
def two_tasks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two full demonstrations each of reach and push."""
    pytest.importorskip(request.param)
    out = tmp_path_factory.mktemp(request.param) / "demos.h5"
    return collect(CollectConfig(tasks=(REACH, PUSH), backend=request.param, out=out, episodes=2))


@pytest.mark.parametrize("worlds", [1, 3])
def test_demonstrations_replay_bit_by_bit(two_tasks: Path, worlds: int) -> None:
    heard: list[Progress] = []
    verdict = verify(two_tasks, worlds=worlds, report=heard.append)
    assert verdict.ok and verdict.bit_identical == 4
    assert [check.demo for check in verdict.episodes] == [0, 1, 2, 3]
    for check in verdict.episodes:
        assert check.exact and check.first_drift_step is None and check.max_drift == 0 and check.drifted == ""
        assert check.success and check.success_reproduced and not check.failure
    assert [(p.task, p.done, p.wanted) for p in heard] == [(t, i, 2) for t in (REACH, PUSH) for i in (1, 2)]


def test_the_other_engine_drifts_and_says_how_far(two_tasks: Path) -> None:
    recorded = inspect(two_tasks).tasks[0].backend
    other = next(name for name in ENGINES if name != recorded)
    pytest.importorskip(other)
    verdict = verify(two_tasks, backend=other)
    assert verdict.ok and verdict.bit_identical == 0 and verdict.backend == other
    reach = [check for check in verdict.episodes if check.task == REACH]
    assert all(not check.exact for check in verdict.episodes)
    # The hand hangs on the same weld in both; free of contact it follows the same path to a centimetre.
    assert all(0 < check.max_drift < 0.01 and check.success_reproduced for check in reach)


def change(row: int, by: float) -> Callable[[Any], None]:
    def act(dataset: Any) -> None:
        dataset[row] = dataset[row] + by

    return act


def halve(row: int) -> Callable[[Any], None]:
    def act(dataset: Any) -> None:
        dataset[row] = dataset[row] / 2

    return act


def set_sample(dataset: Any) -> None:
    dataset[...] = dataset[...] + 0.01


@pytest.mark.parametrize(
    ("what", "spoil", "step", "drifted"),
    [
        ("actions", halve(7), 8, "states"),
        ("initial/state", change(-1, 1e-9), 0, "states"),
        ("states", change(9, 1e-12), 9, "states"),
        ("rewards", change(4, 0.5), 5, "rewards"),
        ("obs/hand", change(6, 1e-6), 6, "obs"),
        ("final_obs/goal", change(0, 1e-6), None, "obs"),
        ("initial/sample/rand_vec", set_sample, 0, "sample"),
    ],
)
def test_tampering_is_found_with_its_step(
    what: str, spoil: Callable[[Any], None], step: int | None, drifted: str, copy: Path
) -> None:
    with h5py.File(copy, "r+") as file:
        member: Any = file["data/demo_1"]
        assert np.abs(member["actions"][7]).max() > 0.1
        spoil(member[what])
        length = int(member.attrs["num_samples"])
    verdict = verify(copy)
    good, bad, last = verdict.episodes
    assert not verdict.ok and good.bit_identical and last.bit_identical
    assert good.intact and not bad.intact and not bad.bit_identical
    assert (bad.first_drift_step, bad.drifted) == (length if step is None else step, drifted)
    assert bad.max_drift > 0 or drifted == "sample"


@pytest.mark.parametrize(("name", "value"), [("seed", 99), ("episode", 77), ("split", "test")])
def test_a_seed_that_draws_another_start_is_found(name: str, value: Any, copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        retell(file["data/demo_1"], **{name: value})
    bad = verify(copy).episodes[1]
    assert (bad.bit_identical, bad.first_drift_step, bad.drifted) == (False, 0, "sample")
    assert bad.success_reproduced  # it was replayed from the recorded start all the same


def test_states_of_another_size_are_no_crash(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        data: Any = file["data"]
        for demo in data.values():
            state = demo["initial/state"][:-1]  # of which the last column does not move
            del demo["initial/state"]
            demo["initial/state"] = state
        size = len(state)
        data.attrs["tasks"] = data.attrs["tasks"].replace(f'"mujoco": {size + 1}', f'"mujoco": {size}')
    verdict = verify(copy)
    assert not verdict.ok
    assert {(c.first_drift_step, c.drifted, c.max_drift) for c in verdict.episodes} == {(0, "states", np.inf)}


def test_a_task_that_is_not_installed_is_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        data: Any = file["data"]
        data.attrs["tasks"] = data.attrs["tasks"].replace("reach-v3", "reach-v9")
        for demo in data.values():
            retell(demo, task="metaworld/reach-v9")
    verdict = verify(copy)
    assert not verdict.ok
    assert all(
        re.search(r"not installed: .*metaworld/reach-v9.*metaworld/reach-v3", check.failure)
        for check in verdict.episodes
    )


def test_a_damaged_episode_does_not_keep_the_others_from_being_replayed(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        del file["data/demo_1/rewards"]
        file["data/demo_2/actions"][3] = 7.0  # type: ignore[index]
    good, lost, large = verify(copy).episodes
    assert good.bit_identical
    assert "demo_1: no dataset 'rewards'" in lost.failure
    assert "demo_2: actions must lie in [-1, 1]" in large.failure


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f["stats/metaworld.reach-v3/actions/std"].__setitem__(0, 99.0), "statistics of metaworld/reach-v3"),
        (lambda f: f.__delitem__("stats"), "statistics of metaworld/reach-v3"),
        (lambda f: f["data"].attrs.__setitem__("collections", "[]"), "attributes of /data were changed"),
    ],
)
def test_changed_statistics_and_headers_are_found(spoil: Callable[[Any], None], words: str, copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        spoil(file)
    verdict = verify(copy)
    assert not verdict.ok and words in verdict.notes[0]
    assert verdict.bit_identical == 3


def test_one_episode_that_cannot_begin_does_not_keep_the_others_from_being_replayed(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        retell(file["data/demo_1"], split="bogus")
    good, odd, last = verify(copy).episodes
    assert good.bit_identical and last.bit_identical
    assert "cannot be replayed: split must be" in odd.failure


def test_another_end_is_no_bit_identity(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        demo: Any = file["data/demo_1"]
        demo["terminated"][-1], demo["truncated"][-1] = True, False
    assert verify(copy).episodes[1].drifted == "terminated"


def test_other_versions_and_scenes_are_named(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        data: Any = file["data"]
        data.attrs["versions"] = data.attrs["versions"].replace('"mujoco": "', '"mujoco": "0')
        tasks = json.loads(data.attrs["tasks"])
        tasks[REACH]["model_digest"] = "another"
        tasks[REACH]["assets"]["mesh/l6"] = "another"
        data.attrs["tasks"] = json.dumps(tasks)
        for demo in data.values():
            retell(demo, model_digest="another")
    header, versions, scene = verify(copy).notes
    assert header.startswith("the attributes of /data were changed")
    assert versions.startswith("recorded with mujoco 0")
    assert scene.startswith(f"the scene of {REACH}") and "mesh/l6" in scene


def test_an_engine_that_is_not_there_is_refused(collected: CollectConfig) -> None:
    with pytest.raises(UnknownName, match="mujoco"):
        verify(collected.out, backend="mojoco")


def test_merged_files_keep_every_episode_and_replay(two_tasks: Path, collected: CollectConfig, tmp_path: Path) -> None:
    """Also of two engines: each episode says what it was recorded in."""
    more = tmp_path / "more.h5"
    backend = inspect(two_tasks).tasks[0].backend
    collect(CollectConfig(tasks=(PUSH,), backend=backend, out=more, episodes=1, seed=1, horizon=20, keep="all"))
    files = [more, two_tasks] + ([collected.out] if backend == "pybullet" else [])
    out = merge(files, tmp_path / "all.h5")
    before = out.read_bytes()
    with Dataset(out) as data:
        position = 0
        for file in files:
            with Dataset(file) as part:
                for demo in part:
                    one, other = demo.load(), data.episode(position).load()
                    assert one.info == other.info
                    for field in ("actions", "rewards", "states", "success"):
                        assert getattr(one, field).tobytes() == getattr(other, field).tobytes()
                    position += 1
        assert len(data) == position
        assert data.header.total == sum(len(demo) for demo in data)
        reach, push = data.mask("metaworld.reach-v3"), data.mask("metaworld.push-v3")
        assert sorted(reach + push) == list(range(position))
        assert {data.episode(i).info.task for i in push} == {PUSH}
        backends = dict.fromkeys(info.backend for info in data.infos())
        assert data.header.env_args["env_kwargs"]["backend"] == ",".join(backends)
    assert verify(out).ok
    assert merge(files, out).read_bytes() == before
    with pytest.raises(DatasetError, match="all.h5 exists and is not this merge"):
        merge(files[:1], out)
    assert out.read_bytes() == before


def spoil_version(data: Any) -> None:
    data.attrs["versions"] = data.attrs["versions"].replace('"numpy": "', '"numpy": "9')


def spoil_rate(data: Any) -> None:
    data.attrs["tasks"] = data.attrs["tasks"].replace('"control_period_s": 0', '"control_period_s": 1')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(spoil_version, "made with numpy 9"), (spoil_rate, "control_period_s 1.*cannot be one dataset")],
)
def test_files_that_do_not_belong_together_are_refused(
    spoil: Callable[[Any], None], words: str, collected: CollectConfig, copy: Path, tmp_path: Path
) -> None:
    with h5py.File(copy, "r+") as file:
        data: Any = file["data"]
        spoil(data)
        data.attrs["sha256"] = header_digest(dict(data.attrs))
        for demo in data.values():
            retell(demo, seed=5)
    with pytest.raises(DatasetError, match=words):
        merge([collected.out, copy], tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_episodes_that_occur_twice_are_refused(collected: CollectConfig, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"copy.h5: demo_0 is the same episode as .*reach.h5: demo_0"):
        merge([collected.out, copy], tmp_path / "out.h5")
    with pytest.raises(DatasetError, match="nothing to merge"):
        merge([], tmp_path / "out.h5")
    with pytest.raises(DatasetError, match="another name"):
        merge([copy], copy)


def test_inspect_counts_what_is_there(collected: CollectConfig) -> None:
    summary = inspect(collected.out)
    with h5py.File(collected.out) as opened:
        data: Any = opened["data"]
        returns = [demo["rewards"][()].sum() for demo in data.values()]
        lengths = [len(demo["actions"]) for demo in data.values()]
        solved = sum(bool(demo["success"][()].any()) for demo in data.values())
    (row,) = summary.tasks
    assert (row.task, row.backend, row.policy, row.split) == (REACH, "mujoco", "expert", "train")
    assert (row.episodes, row.steps, row.successes) == (3, sum(lengths), solved)
    assert (row.returns.mean, row.returns.min, row.returns.max) == (
        np.mean(returns),
        min(returns),
        max(returns),
    )
    assert (row.lengths.min, row.lengths.max) == (min(lengths), max(lengths))
    assert (summary.episodes, summary.steps, summary.masks) == (3, sum(lengths), {"metaworld.reach-v3": 3})
    assert summary.size_bytes == collected.out.stat().st_size
