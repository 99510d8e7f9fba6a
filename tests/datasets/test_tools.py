"""What is split, selected and compared is what was asked for, and the files are datasets that hold."""

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from metasim.core.errors import DatasetError, InvalidConfig, UnknownName
from metasim.datasets import CollectConfig, Dataset, inspect, merge, verify
from metasim.datasets.tools import Condition, card, differences, mark, parts, plot, select, split, write_card
from metasim.datasets.tools.difference import first_difference
from metasim.datasets.tools.plots import principal

from .made import PICTURE, TASK, episode, task_info, write

OTHER = "suite/other-v0"
FRACTIONS = {"train": 0.75, "valid": 0.25}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve episodes: eight of one task by two policies, four of another; and two masks."""
    made = [episode(i, 4 + i, policy="random" if i % 4 == 3 else "expert", success=i % 4 != 3) for i in range(8)]
    made += [episode(i, 6, task=OTHER, pictures=False) for i in range(4)]
    out = tmp_path_factory.mktemp("tools") / "a.h5"
    return write(out, made, masks={"good": [0, 5, 9], "bad": [3, 7]}, collections=[{"seed": 0}, {"seed": 1}])


def keys(path: Path) -> list[Any]:
    with Dataset(path) as data:
        return [info.key for info in data.infos()]


def pictures_only(out: Path) -> Path:
    """Two episodes that observe nothing but pictures, at an unknown rate."""
    made = [episode(i, 4, pictures=True) for i in range(2)]
    for i, one in enumerate(made):
        seen = [{PICTURE[0]: obs[PICTURE[0]]} for obs in (one.obs, one.final_obs)]
        made[i] = replace(one, obs=seen[0], final_obs=seen[1])
    return write(out, made, {TASK: replace(task_info(True, layout=()), control_period_s=0.0)})


def test_parts_of_a_split_are_the_whole(path: Path, tmp_path: Path) -> None:
    files = split(path, tmp_path / "parts", FRACTIONS, seed=3)
    assert {name: file.name for name, file in files.items()} == {"train": "train.h5", "valid": "valid.h5"}
    train, valid = keys(files["train"]), keys(files["valid"])
    assert (len(train), len(valid)) == (9, 3)
    assert sorted(train + valid) == sorted(keys(path))
    assert Counter(key[0] for key in valid) == {TASK: 2, OTHER: 1}
    assert train == [key for key in keys(path) if key in train]
    before = files["train"].read_bytes()
    assert split(path, tmp_path / "parts", FRACTIONS, seed=3)["train"].read_bytes() == before
    with pytest.raises(DatasetError, match="is something else"):
        split(path, tmp_path / "parts", FRACTIONS, seed=4)
    assert files["train"].read_bytes() == before and sorted(p.name for p in (tmp_path / "parts").iterdir()) == [
        "train.h5", "valid.h5"]  # fmt: skip
    merged = merge([files["train"], files["valid"]], tmp_path / "again.h5")
    assert [one.kind for one in differences(path, merged)] == ["order"]


def test_masks_mean_the_same_episodes_afterwards(path: Path, tmp_path: Path) -> None:
    def named(file: Path, mask: str) -> set[Any]:
        with Dataset(file) as data:
            return {data.episode(i).info.key for i in data.mask(mask)}

    marked = mark(path, tmp_path / "m.h5", FRACTIONS, seed=3)
    assert named(marked, "train") | named(marked, "valid") == set(keys(path)) == set(keys(marked))
    assert named(marked, "valid") == set(keys(split(path, tmp_path, FRACTIONS, seed=3)["valid"]))
    assert named(marked, "good") == named(path, "good")
    chosen = select(marked, tmp_path / "s.h5", where="length > 5")
    for mask in ("good", "bad", "train", "valid"):
        assert named(chosen, mask) == named(marked, mask) & set(keys(chosen))
    with h5py.File(chosen) as file:
        masks: Any = file["mask"]
        assert set(masks) == {"good", "bad", "train", "valid", "suite.any-v0", "suite.other-v0"}
    with Dataset(chosen) as data:
        assert data.header.collections == ({"seed": 0}, {"seed": 1})


@settings(deadline=None, max_examples=60)
@given(
    groups=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    shares=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    seed=st.integers(0, 9),
)
def test_every_split_is_as_even_as_whole_episodes_can_be(groups: list[int], shares: list[int], seed: int) -> None:
    info = episode(0, 1).info
    infos = [replace(info, task=f"suite/t{k}-v0", episode=i) for k, n in enumerate(groups) for i in range(n)]
    fractions = {f"part{i}": share / sum(shares) for i, share in enumerate(shares)}
    try:
        found = parts(infos, fractions, seed=seed)
    except InvalidConfig:
        assert len(infos) * min(fractions.values()) < 1.5
        return
    assert sorted(i for demos in found.values() for i in demos) == list(range(len(infos)))
    for name, demos in found.items():
        assert abs(len(demos) - fractions[name] * len(infos)) < len(fractions)
    shuffled = parts(infos[::-1], fractions, seed=seed)
    assert {n: {infos[i].key for i in d} for n, d in found.items()} == {
        n: {infos[::-1][i].key for i in d} for n, d in shuffled.items()
    }


def test_a_split_by_task_keeps_tasks_whole(path: Path, tmp_path: Path) -> None:
    files = split(path, tmp_path, {"a": 0.5, "b": 0.5}, by="task")
    assert {frozenset(key[0] for key in keys(file)) for file in files.values()} == {
        frozenset([TASK]),
        frozenset([OTHER]),
    }
    with Dataset(files["a"]) as data:
        assert len(data.header.tasks) == 1
    with pytest.raises(InvalidConfig, match="would be empty: 2 tasks"):
        split(path, tmp_path / "x", {"a": 0.5, "b": 0.25, "c": 0.25}, by="task")


@pytest.mark.parametrize("fractions", [
    {"train": 1.0}, {"train": 0.9, "valid": 0.2}, {"train": 1.5, "valid": -0.5}, {"a/b": 0.5, "c": 0.5}, {},
])  # fmt: skip
def test_fractions_that_are_none_are_refused(path: Path, tmp_path: Path, fractions: dict[str, float]) -> None:
    with pytest.raises(InvalidConfig):
        split(path, tmp_path, fractions)
    with pytest.raises(UnknownName, match="episode"):
        split(path, tmp_path, FRACTIONS, by="episodes")  # pyright: ignore[reportArgumentType]


def test_select_by_condition_and_by_return(path: Path, tmp_path: Path) -> None:
    with Dataset(path) as data:
        known = [(i, demo.info, float(demo.array("rewards").sum())) for i, demo in enumerate(data)]
    everything = keys(path)

    def chosen(**asked: Any) -> list[int]:
        name = f"{len(list(tmp_path.iterdir()))}.h5"
        return [everything.index(key) for key in keys(select(path, tmp_path / name, **asked))]

    assert chosen(where="not success or task == 'suite/other-v0' and demo in (8, 11)") == [3, 7, 8, 11]
    assert chosen(where="return > 7 * 1.0") == [i for i, _, total in known if total > 7]
    assert chosen(first=2) == [0, 1, 8, 9]
    ranked = sorted((i for i, info, _ in known if info.task == TASK), key=lambda i: -known[i][2])
    others = sorted((i for i, info, _ in known if info.task == OTHER), key=lambda i: -known[i][2])
    assert chosen(best=3) == sorted(ranked[:3] + others[:3])
    assert chosen(worst=1, where="policy == 'expert'") == sorted(
        [next(i for i in reversed(ranked) if known[i][1].policy == "expert"), others[-1]]
    )
    with pytest.raises(InvalidConfig, match="no episode .* meets the condition 'length > 99'"):
        chosen(where="length > 99")
    for asked in ({}, {"best": 1, "first": 1}, {"best": 0}):
        with pytest.raises(InvalidConfig):
            chosen(**asked)
    with pytest.raises(DatasetError, match="the file that is read"):
        select(path, path, first=1)


@pytest.mark.parametrize(("text", "value"), [
    ("success", True),
    ("not success or length != 9", False),
    ("return >= 2.5 and 3 <= length < 10", True),
    ("-return < -2 and length % 2 == 1 and length // 2 == 4 and length / 2 > 4.4 and length + 1 - 2 * 5 == 0", True),
    ("task in ('suite/a-v0', 'suite/b-v0')", True),
    ("'any' in task or suite not in ['suite']", False),
    ("success == True", True),
    ("not " * 58 + "success", True),
    (" or ".join(f"length == {i}" for i in range(80)), True),
    ("policy == \"return\"", False),
])  # fmt: skip
def test_conditions_mean_what_they_say(text: str, value: bool) -> None:
    known = {"success": True, "return": 2.5, "length": 9, "task": "suite/a-v0", "suite": "suite", "policy": "expert"}
    assert Condition(text).holds(known) is value


@pytest.mark.parametrize(("text", "says"), [
    ("retrun > 1", "did you mean.*return"),
    ("__import__('os').system('true')", "not understood"),
    ("success.__class__", "not understood"),
    ("[x for x in (1, 2)]", "not understood"),
    ("length ** 9", "not understood"),
    ("(lambda: 1)()", "not understood"),
    ("f'{success}'", "not understood"),
    ("length := 3", "cannot read"),
    ("length >", "cannot read"),
    ("", "cannot read"),
    ("success is True", "not understood"),
    ("length < 'x'", "compares"),
    ("length", "neither true nor false"),
    ("length and success", "not true or false"),
    ("length / 0 > 1", "division by zero"),
    ("task + task == 'x'", "not a number"),
    ("length in 9", "needs a list"),
    ("(" * 1000 + "1" + ")" * 900, "cannot read"),
    ("-" * 900 + "length < 3", "within one another"),
    ("not " * 61 + "success", "within one another"),
    ("1" + " + 1" * 300 + " > 3", "within one another"),
    ("not " * 400 + "success and " + "-" * 300 + "length", "condition|cannot read"),
    ("success or " * 400 + "success", "at most"),
    ("success\nand success", "cannot read"),
])  # fmt: skip
def test_what_is_no_condition_is_refused_and_never_run(text: str, says: str) -> None:
    with pytest.raises(InvalidConfig, match=says):
        Condition(text).holds({"success": True, "length": 9, "task": "a"})


def test_a_difference_is_found_where_it_is(path: Path, tmp_path: Path) -> None:
    assert differences(path, path) == []
    made = [episode(i, 4 + i, policy="random" if i % 4 == 3 else "expert", success=i % 4 != 3) for i in range(8)]
    rewards = made[2].rewards.copy()
    rewards[3] += 0.25
    rewards[5] = np.nan
    actions = made[1].actions.copy()
    actions[0, 0] = -0.0 if actions[0, 0] == 0 else np.nextafter(actions[0, 0], np.float32(0))
    made[1] = replace(made[1], actions=actions)
    made[2] = replace(made[2], rewards=np.nan_to_num(rewards, nan=0.0))
    made[4] = replace(made[4], info=replace(made[4].info, instruction="do that"))
    changed = write(tmp_path / "b.h5", made[:7], masks={"good": [0]}, versions={"numpy": "3"})
    found = {(one.kind, one.where.partition(",")[0], one.what): one for one in differences(path, changed)}
    assert found["array", "suite/any-v0 episode 2", "rewards"].row == 3
    assert found["array", "suite/any-v0 episode 1", "actions"].row == 0
    assert 0 < (found["array", "suite/any-v0 episode 1", "actions"].size or 0) < 1e-6
    assert str(found["attribute", "suite/any-v0 episode 4", "instruction"]).endswith(
        "do it in the first, do that in the second"
    )
    assert str(found["header", "", "version of numpy"]) == "version of numpy: 2 in the first, 3 in the second"
    assert found["task", OTHER, ""].b is None and found["episode", "suite/any-v0 episode 7", ""].b is None
    assert ("mask", "mask bad", "") in found and ("mask", "mask good", "") in found
    assert {key[:2] for key in found if key[0] == "array"} == {
        ("array", "suite/any-v0 episode 1"), ("array", "suite/any-v0 episode 2")}  # fmt: skip


def test_numbers_that_are_none_are_compared_too() -> None:
    a = np.array([[1.0, np.nan], [np.inf, 2.0], [3.0, 4.0]])
    b = a.copy()
    assert first_difference(a, b) is None
    b[2, 1] = 4.5
    assert first_difference(a, b) == (2, 0.5)
    b[1, 0] = 0.0
    assert first_difference(a, b) == (1, np.inf)
    assert first_difference(np.array([0.0]), np.array([-0.0])) == (0, 0.0)
    assert first_difference(np.array([True, False]), np.array([True, True])) == (1, 1.0)
    assert first_difference(np.array([b"a"]), np.array([b"b"])) == (0, np.inf)


def test_main_axes_are_those_of_a_plain_decomposition() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))
    (first, second), share = principal([rows[:20], rows[20:]])
    scaled = (rows - rows.mean(0)) / rows.std(0)
    values, axes = np.linalg.eigh(np.cov(scaled.T))
    assert share == pytest.approx(values[-2:].sum() / values.sum())
    got = np.concatenate([first, second])
    for k in (0, 1):
        expected = scaled @ axes[:, -1 - k]
        assert min(np.abs(got[:, k] - expected).max(), np.abs(got[:, k] + expected).max()) < 1e-9


def test_pictures_of_a_dataset_need_nothing_else(path: Path, tmp_path: Path) -> None:
    svg = plot(path, tmp_path / "a.svg").read_text()
    root = ElementTree.fromstring(svg)
    words = " ".join(filter(None, (node.text for node in root.iter())))
    assert "suite/any-v0 (8 episodes)" in words and "random" in words and "start: goal[0] and [1]" in words
    assert "href" not in svg and svg == plot(path, tmp_path / "b.svg").read_text()
    bars = [n for n in root.iter() if n.tag.endswith("rect") and n.get("fill") != "#ffffff"]
    dots = [n for n in root.iter() if n.tag.endswith("circle")]
    assert len(dots) == sum(4 + i for i in range(8)) + 8 + 4 * 6 + 4 and len(bars) > 8
    with Image.open(plot(path, tmp_path / "a.png")) as shown:
        assert shown.size[0] == 2 * int(root.get("width") or 0)
    page = plot(path, tmp_path / "a.html").read_text()
    assert page.startswith("<!doctype html>") and svg in page
    with pytest.raises(InvalidConfig, match=".svg, .png, .html"):
        plot(path, tmp_path / "a.pdf")


def test_a_card_says_what_is_in_the_file(collected: CollectConfig, path: Path, tmp_path: Path) -> None:
    told = card(collected.out)
    front, _, body = told.removeprefix("---\n").partition("\n---\n")
    assert "- robotics" in front and '- "mujoco"' in front and "size_categories:\n- n<1K" in front
    summary = inspect(collected.out)
    assert f"{summary.episodes} episodes, {summary.steps:,} steps, of 1 robot-learning task" in body
    assert (
        "| `metaworld/reach-v3` | reach the goal point with the gripper | mujoco | expert | train | 3 | 3 (100 %) |"
        in body
    )
    made = json.loads(body.partition("```json\n")[2].partition("\n```")[0])
    assert made["tasks"] == ["metaworld/reach-v3"] and made["policy"] == "expert"
    assert f"metasim verify {collected.out.name}" in body and str(collected.out.parent) not in told
    other = write_card(path, tmp_path / "README.md").read_text()
    assert "ask whoever made the tasks" in other and "| `good` | 3 |" in other and PICTURE[0] not in other


def test_pictures_alone_and_an_unknown_rate_are_shown(tmp_path: Path) -> None:
    path = pictures_only(tmp_path / "a.h5")
    words = [node.text or "" for node in ElementTree.fromstring(plot(path, tmp_path / "a.svg").read_text()).iter()]
    assert "return" in words and not any("main axes" in word for word in words)
    assert "| 6x5x3 uint8 | unknown |" in card(path).replace(f"{PICTURE[0]} ", "")


def test_a_part_has_no_mask_of_the_file_for_a_name(path: Path, tmp_path: Path) -> None:
    for name in ("good", "suite.other-v0"):
        with pytest.raises(InvalidConfig, match=f"has a mask '{name}' already"):
            mark(path, tmp_path / "m.h5", {name: 0.75, "valid": 0.25})
    marked = mark(path, tmp_path / "m.h5", FRACTIONS)
    with pytest.raises(InvalidConfig, match="has a mask 'train' already"):
        mark(marked, tmp_path / "n.h5", FRACTIONS, seed=5)
    assert mark(path, tmp_path / "m.h5", FRACTIONS) == marked  # which has them, but is not what is read
    assert sorted(tmp_path.iterdir()) == [marked]


def test_masks_of_tasks_with_dots_in_their_names_are_the_tasks(tmp_path: Path) -> None:
    dotted = "suite/other.b-v0"  # its id cannot be told from its mask's name
    made = [episode(i, 4, task=task) for task in (TASK, dotted) for i in range(2)]
    path = write(tmp_path / "a.h5", made, masks={"good": [1]})
    for task in (TASK, dotted):
        with h5py.File(select(path, tmp_path / f"{len(task)}.h5", where=f"task == '{task}'")) as file:
            masks: Any = file["mask"]
            assert set(masks) == {"good", task.replace("/", ".")} and len(masks[task.replace("/", ".")]) == 2


def test_every_tool_leaves_a_dataset_that_holds(collected: CollectConfig, tmp_path: Path) -> None:
    files = split(collected.out, tmp_path, {"a": 0.6, "b": 0.4})
    chosen = select(files["a"], tmp_path / "c.h5", best=1)
    assert verify(chosen).ok and len(keys(chosen)) == 1
