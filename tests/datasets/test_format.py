"""The file format: what is written is what is read, robomimic's layout, and refusal of everything else."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metasim.core.errors import DatasetError
from metasim.datasets import SCHEMA, CollectConfig, Dataset, Episode, EpisodeInfo, TaskInfo, merge, writer

from .made import retell, told

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0."), min_size=1, max_size=8)
NUMBERS = st.floats(-1e300, 1e300, width=64)
ARRAYS = ("actions", "rewards", "dones", "terminated", "truncated", "success", "states")


@st.composite
def episodes(draw: st.DrawFn) -> tuple[Episode, TaskInfo]:
    """Any episode that the format can hold."""
    steps, size, actions = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    layout = draw(st.dictionaries(NAMES, st.integers(1, 3), min_size=1, max_size=3))
    success = draw(hnp.arrays(bool, steps))
    terminated = np.zeros(steps, bool)
    terminated[-1] = draw(st.booleans())

    def rows(n: int, k: int) -> Any:
        return draw(hnp.arrays(np.float64, (n, k), elements=NUMBERS))

    info = EpisodeInfo(
        num_samples=steps,
        task="suite/any-v0",
        instruction=draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
        backend="engine",
        policy=draw(NAMES),
        seed=draw(st.integers(0, 2**63 - 1)),
        split=draw(st.sampled_from(["train", "test"])),
        variation="none",
        episode=draw(st.integers(0, 10**6)),
        horizon=draw(st.integers(steps, 1000)),
        success=bool(success.any()),
        success_last=bool(success[-1]),
        first_success_step=int(success.argmax()) + 1 if success.any() else -1,
        model_digest="digest",
    )
    episode = Episode(
        info=info,
        obs={name: rows(steps, k) for name, k in layout.items()},
        final_obs={name: rows(1, k) for name, k in layout.items()},
        actions=draw(hnp.arrays(np.float32, (steps, actions), elements=st.floats(-1, 1, width=32))),
        rewards=rows(steps, 1)[:, 0],
        terminated=terminated,
        truncated=np.arange(steps) == steps - 1,
        success=success,
        states=rows(steps + 1, size),
        sample={
            name: draw(hnp.arrays(np.float64, st.sampled_from([(), (2,), (0,)]), elements=NUMBERS)) for name in layout
        },
    )
    task = TaskInfo(
        instruction=info.instruction,
        action_size=actions,
        observation=tuple(layout.items()),
        state_size={"engine": size},
        control_period_s=0.0125,
        model_digest="digest",
    )
    return episode, task


@settings(deadline=None, max_examples=25)
@given(episodes())
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, given: Any) -> None:
    episode, task = given
    folder = tmp_path_factory.mktemp("round")
    out = write(folder, episode, task)
    with Dataset(out) as data:
        assert len(data) == 1
        read = data.episode(0).load()
        assert data.header.tasks == {"suite/any-v0": task}
        assert data.header.total == episode.info.num_samples
    assert replace(read.info, sha256="") == episode.info
    assert read.info.sha256 == hand_made_digest(folder / "out.h5")
    for name in ARRAYS:
        same(getattr(read, name), getattr(episode, name))
    for name in ("obs", "final_obs", "sample"):
        assert set(getattr(read, name)) == set(getattr(episode, name))
        for key, array in getattr(episode, name).items():
            same(getattr(read, name)[key], array)
    same(read.observation, episode.observation)
    shutil.rmtree(folder)


def write(folder: Path, episode: Episode, task: TaskInfo) -> Path:
    (folder / "part.h5").write_bytes(writer.part_bytes(episode, task))
    source = writer.Source(path=folder / "part.h5", group=writer.PART)
    writer.write_dataset(folder / "out.h5", [source], {episode.info.task: task}, {"numpy": "2"}, [{}])
    return folder / "out.h5"


def hand_made_digest(path: Path) -> str:
    """What the format's description says, with plain h5py."""
    with h5py.File(path, "r") as opened:
        return digest_of(opened["data/demo_0"])


def digest_of(demo: Any) -> str:
    plain = told(demo) | {"sha256": ""}
    arrays: dict[str, Any] = {}
    demo.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    said = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        said.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return said.hexdigest()


def same(a: Any, b: Any) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_the_same_episode_has_the_same_bytes_at_another_time(tmp_path: Path, collected: CollectConfig) -> None:
    with Dataset(collected.out) as data:
        episode, task = data.episode(0).load(), data.episode(0).task
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = write(one, episode, task).read_bytes()
    time.sleep(1.1)  # HDF5 counts time in seconds
    assert write(two, episode, task).read_bytes() == first


def test_robomimic_finds_what_it_looks_for(collected: CollectConfig) -> None:
    """The steps that its SequenceDataset and get_dataset_info take, on plain h5py."""
    with h5py.File(collected.out, "r", swmr=True, libver="latest") as opened:
        file: Any = opened
        demos = sorted(file["data"], key=lambda name: int(name[5:]))
        assert demos == ["demo_0", "demo_1", "demo_2"]
        env = json.loads(file["data"].attrs["env_args"])
        assert env["env_name"] == "metaworld/reach-v3"
        assert env["type"] == 2
        assert env["env_kwargs"] == {"backend": "mujoco", "horizon": 50, "split": "train"}
        total = 0
        for name in demos:
            demo = file["data"][name]
            steps = demo.attrs["num_samples"]
            total += steps
            assert demo["actions"].dtype == np.float32
            assert np.abs(demo["actions"][:]).max() <= 1
            for key in ("actions", "rewards", "dones", *(f"obs/{key}" for key in demo["obs"])):
                assert len(demo[key]) == steps
            assert demo["states"].shape[0] == steps + 1
            assert demo["dones"][:].tolist() == [0] * (steps - 1) + [1]
        assert file["data"].attrs["total"] == total
        for key in file["mask"]:
            assert [name.decode("utf-8") for name in file["mask"][key][:]] == demos
        assert file["data"].attrs["quaternion_order"] == "wxyz"
        assert file["data"].attrs["schema"] == SCHEMA


def test_nothing_of_the_machine_is_in_the_file(collected: CollectConfig) -> None:
    data = collected.out.read_bytes()
    assert str(collected.out.parent).encode() not in data
    assert b"worlds" not in data and b"workers" not in data
    log = json.loads(collected.out.with_name("reach.h5.log.json").read_text())
    assert log["worlds"] == 1 and log["elapsed_s"] > 0


def drop(name: str) -> Callable[[Any], None]:
    return lambda file: file.__delitem__(name)


def swap(name: str, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def act(file: Any) -> None:
        array = change(file[name][()])
        del file[name]
        file[name] = array

    return act


def attribute(where: str, name: str, value: Any) -> Callable[[Any], None]:
    return lambda file: file[where].attrs.__setitem__(name, value)


def said(where: str, **changes: Any) -> Callable[[Any], None]:
    return lambda file: retell(file[where], **changes)


def resealed(where: str, **changes: Any) -> Callable[[Any], None]:
    def act(file: Any) -> None:
        retell(file[where], **changes)
        retell(file[where], sha256=digest_of(file[where]))

    return act


def put(row: int, value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[row] = value
        return array

    return change


def link(name: str, target: Any) -> Callable[[Any], None]:
    def act(file: Any) -> None:
        del file[name]
        file[name] = target

    return act


def one_step_over(file: Any) -> None:
    for demo, more in (("demo_0", 1), ("demo_1", -1)):
        file["data"][demo].attrs["num_samples"] += more


SPOILT = {
    "foreign": (lambda f: f["data"].attrs.__delitem__("schema"), "schema None.*not written by metasim"),
    "newer": (attribute("data", "schema", "metasim.dataset/9"), "metasim.dataset/9.*newer"),
    "no data": (drop("data"), "no group /data"),
    "no header": (lambda f: f["data"].attrs.__delitem__("tasks"), "attributes of /data.*tasks"),
    "odd header": (attribute("data", "env_args", "{"), "attributes of /data"),
    "quaternions": (attribute("data", "quaternion_order", "xyzw"), "quaternion_order 'wxyz'"),
    "total": (attribute("data", "total", 7), "total is 7"),
    "gap": (lambda f: f["data"].move("demo_1", "demo_7"), "demo_7"),
    "no rewards": (drop("data/demo_1/rewards"), "demo_1: no dataset 'rewards'"),
    "no obs": (drop("data/demo_1/obs/hand"), "demo_1: no dataset 'obs/hand' of its own; it has .*obs/goal"),
    "no sample": (drop("data/demo_1/initial/sample"), "demo_1: no group 'initial/sample'"),
    "dtype": (swap("data/demo_2/actions", np.float64), r"demo_2: 'actions' must be \(.*float32.*float64"),
    "shape": (swap("data/demo_2/states", lambda a: a[:-1]), "demo_2: 'states' must be"),
    "NaN": (swap("data/demo_0/obs/hand", put(3, np.nan)), "demo_0: 'obs/hand' has NaN or infinity in row 3"),
    "infinity": (
        swap("data/demo_0/rewards", put(1, np.inf)),
        "demo_0: 'rewards' has NaN or infinity in row 1",
    ),
    "large": (swap("data/demo_0/actions", put(1, 1.5)), r"demo_0: actions must lie in \[-1, 1\]"),
    "dones": (swap("data/demo_0/dones", put(0, 1)), "demo_0: dones must be 1 in the last row"),
    "label": (said("data/demo_0", success=False), "demo_0: the labels of success contradict"),
    "number": (said("data/demo_0", num_samples=0), "demo_0: num_samples must be at least 1"),
    "numbers": (one_step_over, "demo_0: attribute 'num_samples' is 3., the episode has 3. steps"),
    "type": (said("data/demo_0", task=3), "demo_0: 'task' must be str, it is 3"),
    "odd": (said("data/demo_0", colour="red"), r"demo_0: .*fields of an episode; missing or odd: \['colour'\]"),
    "lost": (lambda f: f["data/demo_0"].attrs.__delitem__("episode"), "demo_0: attribute 'episode'.*missing"),
    "huge": (said("data/demo_0", seed=10**30), "demo_0: 'seed' must be int of 64 bits"),
    "no text": (said("data/demo_0", split="\ud800"), "demo_0: 'split' must be str, it is"),
    "no JSON": (attribute("data/demo_0", "episode", "{"), "demo_0: attribute 'episode' must be JSON, it is {"),
    "number there": (attribute("data/demo_0", "episode", 3), "demo_0: attribute 'episode' must be JSON, it is missing"),
    "task": (said("data/demo_0", task="a/b-v0"), "demo_0: task 'a/b-v0' is not in"),
    "digest": (said("data/demo_0", model_digest="x"), "demo_0: model digest"),
    "tampered": (said("data/demo_1", instruction="other"), "demo_1: its content is not what its digest"),
    "first state": (swap("data/demo_1/initial/state", put(0, 7.0)), "demo_1: the first row of 'states' is not what"),
    "no first state": (swap("data/demo_1/initial/state", put(-1, np.nan)), "demo_1: 'initial/state' has NaN"),
    "columns": (swap("data/demo_1/initial/moving", put(-1, 9999)), "demo_1: 'initial/moving' must list columns"),
    "same columns": (swap("data/demo_1/initial/moving", put(1, 0)), "demo_1: 'initial/moving' must list columns"),
    "fewer columns": (swap("data/demo_1/initial/moving", lambda a: a[1:]), "demo_1: 'states' must be"),
    "stray": (lambda f: f["data/demo_1"].create_dataset("more", data=1), r"demo_1 holds \['more'\]"),
    "twin": (resealed("data/demo_1", episode=0), "demo_1 is the same episode as .*demo_0"),
    "mask": (swap("mask/metaworld.reach-v3", lambda a: np.array([b"demo_9"])), "mask 'metaworld.reach-v3'"),
    "soft link": (link("data/demo_0/rewards", h5py.SoftLink("/data/demo_1/rewards")), "'rewards' is a link elsewhere"),
    "file link": (link("data/demo_0/obs", h5py.ExternalLink("b.h5", "/")), "demo_0: 'obs' is a link elsewhere"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_file_is_refused_with_file_demo_and_reason(what: str, copy: Path, tmp_path: Path) -> None:
    spoil, words = SPOILT[what]
    with h5py.File(copy, "r+") as file:
        spoil(file)
    with pytest.raises(DatasetError, match=words) as error:
        merge([copy], tmp_path / "out.h5")
    assert str(copy) in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.h5"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(share: float, copy: Path) -> None:
    data = copy.read_bytes()
    copy.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DatasetError, match=r"copy.h5 cannot be read"):
        Dataset(copy)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no dataset .*nothing.h5"):
        Dataset(tmp_path / "nothing.h5")


def test_an_episode_that_is_not_there_is_refused(collected: CollectConfig) -> None:
    with Dataset(collected.out) as data:
        assert data.episode(-1).info == data.episode(2).info
        with pytest.raises(DatasetError, match="0 to 2, no episode 3"):
            data.episode(3)
        with pytest.raises(DatasetError, match="no mask 'train'"):
            data.mask("train")
        assert data.mask("metaworld.reach-v3") == [0, 1, 2]


def test_the_key_of_an_episode_has_every_attribute_that_decides_it() -> None:
    info = EpisodeInfo(**{f.name: {"str": "a", "int": 1, "bool": True}[str(f.type)] for f in fields(EpisodeInfo)})
    other = {
        "task": "b",
        "seed": 2,
        "split": "b",
        "variation": "b",
        "episode": 2,
        "backend": "b",
        "policy": "b",
    }
    assert len({replace(info, **{k: v}).key for k, v in other.items()} | {info.key}) == len(other) + 1  # type: ignore[arg-type]
