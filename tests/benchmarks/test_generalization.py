"""A frozen protocol: the same bytes however it is run, from the file alone; what does not fit is refused."""

import contextlib
import dataclasses
import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasim.benchmarks import Results, merge, save
from metasim.benchmarks.comparison import NotComparable, matched, sides
from metasim.benchmarks.condition import CONTROL, Condition
from metasim.benchmarks.generalization import (
    GENERALIZATION_V1,
    Arm,
    BenchConfig,
    Finished,
    InvalidProtocol,
    Rerun,
    Suite,
    Table,
    bench,
    freeze,
    load,
    make_team,
    redrawn,
    running,
)
from metasim.benchmarks.generalization.drawing import refused
from metasim.benchmarks.generalization.frozen import digest, pack, parse, rounded
from metasim.benchmarks.generalization.running import parts_of
from metasim.benchmarks.report import Shots
from metasim.cli import main
from metasim.core.errors import InvalidConfig, UnknownName, UnsupportedFeature
from metasim.core.policy import POLICIES
from metasim.core.protocol import protocol_goals
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.core.task_files import load_task_module
from metasim.envs import Episodes
from metasim.randomize import varied_task
from metasim.randomize.axis import AXES

FILE = Path(__file__).with_name("varied_tasks.py")
HELD, PLAIN = "test/held-out-v0", "lab/touch-v0"
TABLE = Table(
    name="tiny-v1",
    version="1",
    seed=5,
    episodes=4,
    engines=("mujoco", "pybullet"),
    suites=(Suite(tasks=(HELD, PLAIN)),),
    arms=(
        Arm(condition=Condition(level=CONTROL)),
        Arm(condition=Condition(level="L0"), split="test"),
        Arm(condition=Condition(level="L1"), split="test", axes=("toy-tint",)),
        *(Arm(condition=Condition(factor=axis), axes=(axis,)) for axis in ("toy-turn", "toy-crowd", "toy-tint")),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[Any]:
    """Register what varied_tasks.py has for this module alone."""
    registries: tuple[Any, ...] = (TASKS, AXES, POLICIES)
    for registry in registries:
        registry.discover()
    before, modules = [dict(registry._items) for registry in registries], set(sys.modules)
    yield load_task_module(str(FILE))
    for registry, items in zip(registries, before, strict=True):
        registry._items.clear()
        registry._items.update(items)
    for name in [name for name in sys.modules if name.startswith("metasim_task_file_") and name not in modules]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def protocol(toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("protocol") / "tiny.json.xz"
    path.write_bytes(freeze(TABLE))
    return path


@pytest.fixture
def config(protocol: Path) -> Any:
    def make(**changes: Any) -> BenchConfig:
        return BenchConfig(**{"protocol": str(protocol), "policy": "random", "horizon": 6, "worlds": 3, **changes})

    return make


@pytest.fixture(scope="module")
def reference(protocol: Path) -> Results:
    return bench(BenchConfig(protocol=str(protocol), policy="random", horizon=6, worlds=3))


class Killed(Exception):
    """What a test interrupts a run with."""


def test_every_cell_has_every_episode_or_a_reason(reference: Results) -> None:
    found = {(e.task, e.condition.label) for e in reference.episodes}
    assert found == {(HELD, arm.condition.label) for arm in TABLE.arms} | {
        (PLAIN, label) for label in (CONTROL, "toy-turn", "toy-crowd", "toy-tint")
    }
    assert len(reference.episodes) == 4 * len(found)
    assert set(reference.config["not_applicable"]["mujoco"][PLAIN]) == {"L0", "L1"}
    assert (reference.protocol, reference.protocol_version) == ("tiny-v1", "1")
    assert len(reference.protocol_sha256) == 64


def test_four_workers_give_the_same_bytes(reference: Results, config: Any, tmp_path: Path) -> None:
    out = tmp_path / "four.json"
    assert bench(config(workers=4, out=out)).to_bytes() == reference.to_bytes() == out.read_bytes()
    assert not parts_of(out).exists()


@pytest.mark.parametrize("damage", ["", "cut", "another"])
def test_a_killed_run_goes_on_to_the_same_bytes(reference: Results, config: Any, tmp_path: Path, damage: str) -> None:
    out, told = tmp_path / "killed.json", list[Finished]()

    def kill(finished: Finished) -> None:
        told.append(finished)
        if len(told) == 4:
            raise Killed

    with pytest.raises(Killed):
        bench(config(out=out), kill)
    parts = sorted(parts_of(out).iterdir())
    assert len(parts) == 4 and not out.exists()
    if damage == "cut":
        parts[0].write_bytes(parts[0].read_bytes()[:100])
    elif damage == "another":
        parts[0].unlink()
        parts[0].with_name("0" * 32 + ".json").write_bytes(b"not one of ours")
    again = list[Finished]()
    assert bench(config(out=out), again.append).to_bytes() == reference.to_bytes() == out.read_bytes()
    assert sum(f.elapsed_s < again[-1].elapsed_s and f.found for f in again) >= 3
    assert not parts_of(out).exists()
    assert bench(config(out=out), again.append).to_bytes() == reference.to_bytes()  # it is there already


def test_the_number_of_worlds_moves_no_episode_of_a_policy_that_computes_rows_by_themselves(
    reference: Results, config: Any
) -> None:
    assert bench(config(worlds=10)).episodes == reference.episodes


def test_parts_of_another_run_are_not_taken(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another policy, or made with other files of the package, such as a mesh."""
    out = tmp_path / "results.json"

    def kill(finished: Finished) -> None:
        raise Killed

    for policy, files in (("random", "a"), ("zero", "a"), ("zero", "b"), ("zero", "a")):
        monkeypatch.setattr(running, "source", lambda files=files: files)
        with pytest.raises(Killed):
            bench(config(policy=policy, out=out), kill)
    assert len(list(parts_of(out).iterdir())) == 3
    found = bench(config(policy="zero", out=out, conditions=(CONTROL,)))
    assert {e.policy for e in found.episodes} == {"zero"}


def test_an_episode_is_what_a_plain_loop_makes_of_the_file(reference: Results, protocol: Path) -> None:
    frozen = load(protocol)
    cell = next(c for c in frozen.cells if (c.task, c.label) == (HELD, "toy-turn"))
    for index in range(2):
        variation, sample = frozen.variation(cell, index), frozen.samples(HELD, "train", [index])
        episodes = Episodes(varied_task(TASKS[HELD], variation), "mujoco", 1, horizon=6)
        policy, seed = POLICIES["random"](episodes.task, 1), EpisodeSeed(root=5, task=HELD, episode=index)
        rows = np.arange(1)
        observation = episodes.begin(rows, [seed], sample, variations=[variation])
        assert episodes.backend.state.qpos[0, 0] == variation["toy-turn"]
        assert np.array_equal(episodes.backend.state.site("goal").pos[0], sample["goal"][0])
        policy.reset(rows, [seed])
        total = 0.0
        for _ in range(6):
            step = episodes.step(policy.act(np.concatenate([*observation.values()], axis=1)))
            observation, total = step.observation, total + step.reward[0]
        episodes.close()
        found = [e for e in reference.episodes if (e.task, e.factor, e.episode) == (HELD, "toy-turn", index)]
        assert [(e.episode_return, e.length, dict(e.variation)) for e in found] == [(total, 6, variation)]


def test_cells_that_differ_in_looks_alone_are_run_once_by_the_blind_with_the_same_outcome(
    config: Any, toys: Any
) -> None:
    toys.Waves.rows.clear()
    toys.Waves.pictures.clear()
    said = {"tasks": ("held-out",), "conditions": (CONTROL, "L*", "toy-tint"), "horizon": 3, "episodes": 2}
    blind, seeing = (bench(config(policy=name, **said)) for name in ("toy-waves", "toy-looking"))
    assert [dataclasses.replace(e, policy="x") for e in blind.episodes] == [
        dataclasses.replace(e, policy="x") for e in seeing.episodes
    ]
    assert toys.Waves.rows == {3}  # a tile's rows, however many episodes are in it
    shapes = {picture.shape for picture in toys.Waves.pictures}
    assert shapes == {(3, 8, 12, 3)} and len(toys.Waves.pictures) == 4 * 3 + 1


def test_policies_that_know_one_task_each_are_run_as_one(config: Any) -> None:
    name, team = make_team(["toy-touch", "toy-held"])
    assert team == {PLAIN: "toy-touch", HELD: "toy-held"} and name == make_team(["toy-held", "toy-touch"])[0]
    said = {"conditions": (CONTROL,), "episodes": 2, "horizon": 3}
    found = bench(config(policy=name, team=team, **said))
    alone = bench(config(policy="toy-waves", **said))
    assert [dataclasses.replace(e, policy="toy-waves") for e in found.episodes] == list(alone.episodes)
    assert found.config["trained"] == {name: {"algorithm": "toy", "backend": "mujoco", "members": team}}
    part = make_team(["toy-touch"])
    assert {cell.task for cell in config(policy=part[0], team=part[1]).cells} == {PLAIN}
    with pytest.raises(InvalidConfig, match="has no policy for test/held-out-v0"):
        config(policy=part[0], team=part[1], tasks=("held-out",))
    with pytest.raises(InvalidConfig, match="both for lab/touch-v0"):
        make_team(["toy-touch", "toy-touch"])
    with pytest.raises(InvalidConfig, match="which one task"):
        make_team(["toy-touch", "random"])


def test_an_episode_is_run_again_as_it_was_and_drawn(reference: Results, protocol: Path) -> None:
    size = (16, 12)
    for shots, frames in (
        (Shots(size=size, fps=1000.0, tail_s=1e6), 7),
        (Shots(size=size, frames=4), 4),
        (Shots(size=size, frames=1), 1),
    ):
        with contextlib.closing(Rerun(reference, shots, load(protocol))) as again:
            for label in ("toy-crowd", "L1"):
                e = next(e for e in reference.episodes if (e.task, e.condition.label) == (HELD, label))
                recording = again(e)
                if frames > 1:
                    assert (recording.success_any, recording.steps) == (e.success_any, e.length)
                assert [frame.shape for frame in recording.frames] == [(12, 16, 3)] * frames
    with pytest.raises(InvalidConfig, match="with the digest"):
        Rerun(reference, Shots(size=size, fps=20.0), load(GENERALIZATION_V1.name))


def test_both_engines_merge_into_one_result(config: Any, reference: Results) -> None:
    said = {"tasks": ("touch",), "conditions": (CONTROL, "toy-crowd"), "episodes": 2}
    both = bench(config(backends=("mujoco", "pybullet"), **said))
    assert {(e.backend, e.condition.label) for e in both.episodes} == {
        ("mujoco", CONTROL),
        ("mujoco", "toy-crowd"),
        ("pybullet", CONTROL),
    }
    assert "no boxes there" in both.config["not_applicable"]["pybullet"][PLAIN]["toy-crowd"]
    apart = [bench(config(backends=(engine,), **said)) for engine in ("mujoco", "pybullet")]
    assert merge(apart).to_bytes() == both.to_bytes()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("toy-small", r"actions are \(3, 3\) instead of \(3, 7\)"),
        ("toy-stubborn", r"given observations \(3, 6\), it said ValueError"),
        ("toy-elsewhere", "camera 'wrist'"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_before_the_first_episode_with_both_specifications(
    config: Any, policy: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(self: Any, action: Any) -> None:
        pytest.fail("an episode was run")

    monkeypatch.setattr(Episodes, "step", steps)
    with pytest.raises(InvalidConfig, match=words) as caught:
        bench(config(policy=policy))
    said = str(caught.value)
    assert "flange 3, goal 3" in said and "pictures of view" in said and "actions (N, 7)" in said


def test_a_policy_that_no_task_has_is_refused(config: Any) -> None:
    with pytest.raises(InvalidConfig, match="expert.*actions \\(N, 7\\)"):
        bench(config(policy="expert"))


def test_an_axis_that_is_refused_against_the_file_is_an_error(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = type("Stuck", (type(AXES["toy-turn"]),), {"refuse": lambda self, task, backend: "it is stuck"})
    monkeypatch.setitem(AXES._items, "toy-turn", stuck())
    with pytest.raises(UnsupportedFeature, match="toy-turn.*it is stuck; tiny-v1 says that it can"):
        bench(config())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"episodes": 5}, "has 4 episodes, not 5"),
        ({"worlds": 0}, "worlds must be an integer of 1 or more"),
        ({"tasks": ("nothing",)}, "no task 'nothing'"),
        ({"conditions": ("weight",)}, "no condition 'weight'"),
        ({"backends": ("isaacgym",)}, "frozen for mujoco, pybullet, not for 'isaacgym'"),
    ],
)
def test_what_a_protocol_has_not_is_refused(config: Any, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        config(**changes)


def test_other_results_are_not_overwritten(config: Any, reference: Results, tmp_path: Path) -> None:
    save(reference, tmp_path / "there.json")
    with pytest.raises(InvalidConfig, match="another policies"):
        bench(config(policy="zero", out=tmp_path / "there.json"))


def test_results_of_another_version_or_seed_are_not_compared(config: Any, reference: Results, tmp_path: Path) -> None:
    for change in ({"version": "2"}, {"seed": 6}):
        path = tmp_path / "other.json.xz"
        path.write_bytes(freeze(dataclasses.replace(TABLE, **change)))
        other = bench(config(protocol=str(path), policy="zero", horizon=6, conditions=(CONTROL,)))
        first, second = sides([("ours", reference), ("theirs", other)])
        with pytest.raises(NotComparable, match="protocol version is|protocol sha256 is"):
            matched(first, second, despite=("tasks", "episodes"))


def test_a_protocol_that_was_changed_is_refused(protocol: Path, tmp_path: Path) -> None:
    data = protocol.read_bytes()
    assert freeze(TABLE) == data  # equal tables, equal bytes
    tree = json.loads(lzma.decompress(data))
    tree["tasks"][HELD]["samples"]["train"]["goal"][0][0] += 1e-9
    for odd in (tree, {**tree, "sha256": digest({k: v for k, v in tree.items() if k != "sha256"})}):
        with pytest.raises(InvalidProtocol, match="held-out-v0, control is not what its digest says"):
            parse(lzma.compress(json.dumps(odd).encode()))
    for odd in (data[:200], b"{}", lzma.compress(b"[]"), pack({"schema": "metasim.protocol/1"})):
        with pytest.raises(InvalidProtocol):
            parse(odd)
    with pytest.raises(UnknownName, match="generalization-v1"):
        load(tmp_path / "none")


def test_numbers_are_rounded_once_and_for_all() -> None:
    drawn = rounded({"a": np.array([1 / 3, -0.0]), "b": (np.int64(3), True, "x", None), "c": np.float32(0.1)})
    assert drawn == {"a": [0.333333333, 0.0], "b": [3, True, "x", None], "c": 0.100000001}
    assert rounded(drawn) == drawn and str(drawn["a"][1]) == "0.0"
    with pytest.raises(InvalidConfig, match="plain JSON"):
        rounded({"a": object()})


def test_the_committed_protocol_is_what_is_drawn_now() -> None:
    """Five episodes of every cell, to the last digit."""
    frozen = load(GENERALIZATION_V1.name)
    assert frozen.episodes >= 50 and frozen.seed == GENERALIZATION_V1.seed
    for cell in frozen.cells:
        now = refused(cell.arm, TASKS[cell.task], frozen.engines)
        assert now == dict(cell.refused), f"{cell.task}, {cell.label}: an axis refuses otherwise now; freeze it again"
        if len(cell.refused) == len(frozen.engines):
            continue
        for episode in (0, 1, 17, 33, frozen.episodes - 1):
            odd = redrawn(frozen, cell, episode)
            assert not odd, (
                f"{cell.task}, {cell.label}, episode {episode}: the file holds another value than is drawn now: {odd}."
                f" The file was drawn with {dict(frozen.drawn_with)}. Runs take what the file holds, so no result is"
                " wrong. If numpy's streams changed, leave the file alone and say so here; if an axis or a factor was"
                " changed on purpose, the protocol needs a new version and a new file"
                " (python -m metasim.benchmarks.generalization freeze)"
            )


def test_the_committed_protocol_has_the_tasks_conditions_and_goals_it_says() -> None:
    frozen = load(GENERALIZATION_V1.name)
    for suite in GENERALIZATION_V1.suites:
        assert set(suite.tasks) <= set(frozen.tasks)
    assert {arm.condition.label for arm in frozen.arms} >= {CONTROL, "L0"}
    assert len(frozen.cells) == len(frozen.tasks) * len(frozen.arms)
    held_out = tuple(task for task in frozen.tasks if task.startswith("metaworld/"))
    _, goals = protocol_goals("metaworld/ML45-test", held_out, frozen.seed)
    for task in held_out:
        assert np.allclose(frozen.samples(task, "train", range(50))["rand_vec"], goals[task], rtol=1e-8, atol=1e-9)
    for task in set(frozen.tasks) - set(held_out):
        starts = [frozen.samples(task, split, range(50)) for split in ("train", "test")]
        assert all(not np.array_equal(starts[0][name], starts[1][name]) for name in starts[0])


def test_the_command_lists_tries_and_runs(protocol: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["bench", str(protocol), "--policy", "random", "--tasks", "touch", "--task-module", str(FILE)]
    assert main([*words, "--list", "--backend", "mujoco", "pybullet"]) == 0
    listed = capfd.readouterr().out
    assert "no boxes there" in listed and "held-out range" in listed and "toy-turn" in listed
    assert main([*words, "--dry-run"]) == 0
    tried = capfd.readouterr().out
    assert "policy random fits 1 task: 4 cells, 16 episodes, 480 steps at most; 2 cells do not apply" in tried
    out = tmp_path / "r.json"
    assert main([*words, "--cells", CONTROL, "--episodes", "1", "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert said.out.endswith(f"{out}\n") and "lab/touch-v0, control, mujoco" in said.err
    assert main([*words, "--cells", "mass"]) == 2
    assert main([*words, "--cells", CONTROL, "--levels"]) == 2
