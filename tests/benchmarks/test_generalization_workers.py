"""A cloned policy through the committed protocol: one worker, four, and Ray write the same bytes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra learn)")
pytest.importorskip("safetensors", reason="safetensors is not installed (extra learn)")

from metasim.benchmarks import Results, load  # noqa: E402
from metasim.benchmarks.generalization import running  # noqa: E402
from metasim.benchmarks.report.learned import drawable  # noqa: E402
from metasim.cli import main  # noqa: E402
from metasim.core.policy import POLICIES  # noqa: E402
from metasim.datasets import CollectConfig, collect  # noqa: E402
from metasim.policies.cloning import CloneConfig, clone  # noqa: E402

DOOR = "metaworld/door-unlock-v3"  # whose reward says more of an episode than whether it was solved
CELLS = ("control", "action-delay", "action-noise")
EPISODES, WORLDS = 3, 2  # tiles of 2 and 1 in each cell: 6 in all


@pytest.fixture(scope="module", autouse=True)
def policies_kept() -> Iterator[None]:
    """Policies that are read from files here are forgotten."""
    before = dict(POLICIES._items)
    yield
    POLICIES._items.clear()
    POLICIES._items.update(before)


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small policy of numbers, cloned from two of the expert's episodes; it moves, which is enough."""
    folder = tmp_path_factory.mktemp("cloned")
    demos = collect(CollectConfig(tasks=(DOOR,), out=folder / "door.hdf5", episodes=2, worlds=2, tail=5))
    changes = {"steps": 200, "batch_size": 64, "hidden": (32, 32)}
    return clone(CloneConfig(path=demos, out=folder / "policy.safetensors", every=100, changes=changes))


def words(policy: Path, out: Path, *more: str) -> list[str]:
    asked = ["--tasks", "door-unlock", "--cells", *CELLS, "--episodes", str(EPISODES), "--worlds", str(WORLDS)]
    return ["bench", "generalization-v1", "--policy", str(policy), *asked, "--out", str(out), *more]


@pytest.fixture(scope="module")
def alone(cloned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one worker."""
    out = tmp_path_factory.mktemp("alone") / "alone.json"
    assert main(words(cloned, out)) == 0
    return out


def test_the_policy_acts_on_what_it_sees(alone: Path) -> None:
    """Else equal bytes would say nothing: no two episodes are the same."""
    results: Results = load(alone)
    assert {e.condition.label for e in results.episodes} == set(CELLS)
    assert len({e.episode_return for e in results.episodes}) == len(results.episodes) == len(CELLS) * EPISODES
    assert next(iter(results.config["trained"].values()))["algorithm"] == "bc"


def test_four_workers_write_the_bytes_of_one(
    cloned: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dealt, shards = list[Any](), running.shards
    monkeypatch.setattr(running, "shards", lambda *given: dealt.extend(shards(*given)) or dealt)
    out = tmp_path / "four.json"
    assert main(words(cloned, out, "--workers", "4")) == 0
    assert sorted(map(len, dealt)) == [1, 1, 2, 2]  # tiles of each worker
    assert out.read_bytes() == alone.read_bytes()


def test_ray_writes_the_bytes_of_one_worker(ray_nodes: Any, cloned: Path, alone: Path, tmp_path: Path) -> None:
    """Through the command, on a cluster of two nodes, both of which have to know the policy's file."""
    out = tmp_path / "ray.json"
    command = [sys.executable, "-m", "metasim", *words(cloned, out, "--workers", "2", "--ray", ray_nodes.address)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False)
    assert ended.returncode == 0, ended.stderr
    assert out.read_bytes() == alone.read_bytes()


def test_a_report_draws_a_learned_policy_that_it_is_given(
    cloned: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without it, one sentence says what is missing, and a policy that did nothing here is refused."""
    results = load(alone)
    (name,) = results.config["policies"]
    kept = {key: value for key, value in POLICIES._items.items() if key != name}
    monkeypatch.setattr(POLICIES, "_items", kept)
    left, notes = drawable(results)
    assert not left.episodes and notes == [f"Not drawn: what {name} did; give its file with --policy."]
    given = ["report", str(alone), "--out", str(tmp_path / "page.html"), "--policy"]
    assert main([*given, str(cloned)]) == 0
    assert drawable(results) == (results, [])
    assert '<p class="soft small">learned: by bc in mujoco</p>' in (tmp_path / "page.html").read_text()
    other = clone(
        CloneConfig(
            path=cloned.parent / "door.hdf5", out=tmp_path / "other", every=1, changes={"steps": 1, "hidden": (4,)}
        )
    )
    capfd.readouterr()
    assert main([*given, str(other)]) == 2
    assert f"the results have ['{name}']" in capfd.readouterr().err
