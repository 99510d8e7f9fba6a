"""Recorded actions as a policy: the same episodes again, to the bit in the same engine, in another as it goes."""

import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.cli.options import policy_name
from metasim.core.errors import DatasetError, InvalidConfig
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.datasets import CollectConfig, Dataset, TooFewSuccesses, collect, merge, verify
from metasim.policies.replay import Recorded, recorded
from metasim.policies.replay_plan import replay_config

REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of two tasks by an expert whose actions stick; some fail, so that the indices have gaps."""
    out = tmp_path_factory.mktemp("source") / "source.h5"
    config = CollectConfig(
        tasks=(REACH, PUSH), out=out, policy="action-repeat:p=0.9", episodes=3, horizon=110, tail=4, seed=5
    )
    collect(config)
    with Dataset(out) as data:
        assert [info.episode for info in data.infos()] != [0, 1, 2, 0, 1, 2]
    return out


def arrays(path: Path) -> Iterator[dict[str, Any]]:
    """Every array of every demo, by its path."""
    with h5py.File(path) as file:
        for i in range(len(file["data"])):  # type: ignore[arg-type]
            found: dict[str, Any] = {}
            demo: Any = file[f"data/demo_{i}"]
            demo.visititems(
                lambda name, item, found=found: (
                    found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
            yield found


def test_in_the_same_engine_every_array_is_the_same_bits(source: Path, tmp_path: Path) -> None:
    """Tasks, seed, indices, lengths and horizon are those of the file; bytes do not depend on workers or worlds."""
    config = replay_config(source, out=tmp_path / "again.h5", worlds=1)
    collect(config)
    for one, two in zip(arrays(source), arrays(config.out), strict=True):
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one)
    with Dataset(source) as first, Dataset(config.out) as second:
        for before, after in zip(first.infos(), second.infos(), strict=True):
            assert replace(before, policy="", sha256="") == replace(after, policy="", sha256="")
            assert after.policy.startswith("replay-") and len(after.policy) == len("replay-") + 12
    assert b"source.h5" not in config.out.read_bytes()
    other = config.replace(out=tmp_path / "other.h5", workers=2, worlds=2)
    assert collect(other).read_bytes() == config.out.read_bytes()
    assert collect(config) == config.out


def test_in_another_engine_the_actions_are_the_same_and_outcomes_its_own(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("pybullet")
    config = replay_config(source, out=tmp_path / "all.h5", backend="pybullet", keep="all", tasks=(PUSH,))
    collect(config)
    kept = []
    with Dataset(source) as first, Dataset(config.out) as second:
        for before, after in zip(list(first)[3:], second, strict=True):
            assert np.array_equal(before.array("actions"), after.array("actions"))
            assert not np.array_equal(before.array("rewards"), after.array("rewards"))
            assert after.array("truncated").tolist() == [False] * (len(after) - 1) + [True]
            assert after.info.backend == "pybullet"
            kept += [(after.info.task, after.info.episode)] if after.info.success else []
    assert verify(config.out).ok
    only = config.replace(out=tmp_path / "only.h5", keep="successes", worlds=2)
    with Dataset(collect(only)) as data:
        assert [(info.task, info.episode) for info in data.infos()] == kept


def test_episodes_that_need_more_steps_than_another_are_not_cut(source: Path, tmp_path: Path) -> None:
    """One world runs recordings of different lengths one after another."""
    with Dataset(source) as data:
        lengths = [len(demo) for demo in data]
    assert len(set(lengths)) > 1
    config = replay_config(source, out=tmp_path / "again.h5", tasks=(PUSH,), episodes=2)
    with Dataset(collect(config)) as data:
        assert [len(demo) for demo in data] == lengths[3:5]


def test_only_recordings_that_succeed_again_are_kept_and_one_must(tmp_path: Path) -> None:
    """Recordings that stand still: none solves its task, so that nothing can be kept but failures."""
    base = CollectConfig(tasks=(REACH,), out=tmp_path / "zero.h5", policy="zero", episodes=2, keep="all", horizon=5)
    collect(base)
    config = replay_config(base.out, out=tmp_path / "again.h5")
    with pytest.raises(TooFewSuccesses, match=r"no recording of \['metaworld/reach-v3'\] solved .* keep='all'"):
        collect(config)
    everything = config.replace(out=tmp_path / "all.h5", keep="all")
    with Dataset(collect(everything)) as data:
        assert [info.success for info in data.infos()] == [False, False]


def test_where_a_recording_ends_its_last_action_goes_on(source: Path) -> None:
    name = recorded(source)
    with Dataset(source) as data:
        demo = data.episode(0)
        actions, seed = demo.array("actions"), demo.info.episode_seed
    policy = POLICIES[name](TASKS[REACH], 2)
    policy.reset(np.array([1]), [seed])
    ran, finished = [], []
    for _ in range(len(actions) + 3):
        ran.append(policy.act(np.zeros((2, 39))))
        finished.append(bool(policy.finished()[1]))
    assert np.array_equal(np.array(ran)[: len(actions), 1], actions)
    assert (np.array(ran)[len(actions) :, 1] == actions[-1]).all() and not np.array(ran)[:, 0].any()
    assert finished == [False] * (len(actions) - 1) + [True] * 4


def test_its_name_goes_to_other_processes_and_knows_when_the_file_changed(source: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(source, tmp_path / "copy.h5"))
    name = policy_name(f"replay:{file}")
    assert name == recorded(source)  # the content counts, not the path
    sent = pickle.dumps(recorded(file))
    del POLICIES._items[name]
    assert pickle.loads(sent) == name and isinstance(POLICIES[name], Recorded)
    shutil.copy(collect(CollectConfig(tasks=(REACH,), out=tmp_path / "other.h5", episodes=1, horizon=60)), file)
    with pytest.raises(DatasetError, match=rf"copy.h5 was {name} when this run began, and is replay-"):
        pickle.loads(sent)
    file.unlink()
    with pytest.raises(DatasetError, match="is gone now"):
        pickle.loads(sent)


def test_settings_that_are_not_those_of_the_recordings_are_refused(source: Path, tmp_path: Path) -> None:
    name = recorded(source)
    base = CollectConfig(tasks=(REACH,), out=tmp_path / "out.h5", policy=name, seed=5)
    with pytest.raises(InvalidConfig, match=rf"{name} needs seed 5, got 6"):
        collect(base.replace(seed=6))
    with pytest.raises(InvalidConfig, match="needs split 'train', got 'test'"):
        collect(base.replace(split="test"))
    with pytest.raises(InvalidConfig, match="needs goals '', got 'metaworld/MT1'"):
        collect(base.replace(goals="metaworld/MT1"))
    with pytest.raises(InvalidConfig, match="has no episodes of 'metaworld/door-open-v3'; it has"):
        collect(base.replace(tasks=("metaworld/door-open-v3",)))
    policy = POLICIES[name](TASKS[REACH], 1)
    with pytest.raises(DatasetError, match=r"no recording of episode 77 of metaworld/reach-v3 with seed 5.*it has \d"):
        policy.reset(np.array([0]), [EpisodeSeed(root=5, task=REACH, episode=77)])
    assert not list(tmp_path.iterdir())


def test_files_that_no_replay_can_be_made_of_are_refused(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    with pytest.raises(InvalidConfig, match=r"source.h5 holds the recordings; give the new file another name"):
        replay_config(source, out=source.parent / "." / source.name)
    with pytest.raises(InvalidConfig, match=r"has no episodes of 'metaworld/door-open-v3'"):
        replay_config(source, out=out, tasks=("metaworld/door-open-v3",))
    with pytest.raises(DatasetError, match=r"no dataset .*none.h5"):
        replay_config(tmp_path / "none.h5", out=out)
    short = CollectConfig(tasks=(REACH,), out=tmp_path / "seed6.h5", seed=6, episodes=1, horizon=3, keep="all")
    collect(short)
    both = merge([source, short.out], tmp_path / "both.h5")
    with pytest.raises(DatasetError, match=r"episodes of 2 values of seed \(\[5, 6\]\); a replay takes one file with"):
        replay_config(both, out=out)
    other = short.replace(out=tmp_path / "zero.h5", policy="zero")
    collect(other)
    twice = merge([short.out, other.out], tmp_path / "twice.h5")
    with pytest.raises(
        DatasetError, match=r"episode 0 of .*reach-v3 twice, demo_0 and demo_1 \(policies expert and zero, "
    ):
        replay_config(twice, out=out)
    longer = short.replace(out=tmp_path / "longer.h5", tasks=(PUSH,), horizon=4)
    collect(longer)
    mixed = merge([short.out, longer.out], tmp_path / "mixed.h5")
    with pytest.raises(DatasetError, match=r"recordings of horizons \[3, 4\]; name tasks that share one"):
        replay_config(mixed, out=out)
    assert replay_config(mixed, out=out, tasks=(PUSH,)).horizon == 4
    broken = Path(shutil.copy(short.out, tmp_path / "broken.h5"))
    with h5py.File(broken, "r+") as file:
        file["data/demo_0/actions"][0, 0] += 0.25  # type: ignore[index]
    with pytest.raises(DatasetError, match=r"broken.h5: demo_0: .*digest"):
        replay_config(broken, out=out)


def test_a_task_that_changed_since_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed any more, with other actions, or with episodes that begin elsewhere."""
    config = CollectConfig(tasks=(REACH,), out=tmp_path / "in.h5", episodes=1, horizon=3, keep="all")
    collect(config)
    again, out = replay_config(config.out, out=tmp_path / "out.h5"), tmp_path / "out.h5"

    class Elsewhere(TASKS[REACH]):
        """Reach, with its goals drawn otherwise."""

        def sample(self, seed: EpisodeSeed) -> Any:
            return {name: value + 0.01 for name, value in super().sample(seed).items()}

    monkeypatch.setitem(TASKS._items, REACH, Elsewhere)
    with pytest.raises(DatasetError, match=r"in.h5: episode 0 of .*reach-v3 was recorded from another start than"):
        collect(again)
    monkeypatch.setattr("metasim.policies.replay.action_size", lambda task: 7)
    with pytest.raises(DatasetError, match=r"actions of metaworld/reach-v3 have 4 numbers, in the task now 7"):
        collect(again)
    monkeypatch.delitem(TASKS._items, REACH)
    with pytest.raises(DatasetError, match=r"in.h5 has episodes of a task that is not installed: no task named"):
        replay_config(config.out, out=out)
