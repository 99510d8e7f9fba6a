"""Our datasets as LeRobot writes and reads them: by a stand-in for it always, by itself where it is.

METASIM_LEROBOT_PYTHON names an interpreter that has lerobot and h5py.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metasim.core.errors import DatasetError, InvalidConfig, MissingDependency, UnknownName
from metasim.datasets.exchange import ExportOptions, export_dataset, lerobot

from .conftest import loaded

PULL = "lab/pull-v0"
STAND_IN = '''
import json, pathlib, numpy as np

class LeRobotDataset:
    """Takes what the real one takes, as strictly, and keeps the frames."""

    @classmethod
    def create(cls, repo_id, fps, features, root, use_videos):
        self = cls()
        self.root, self.features, self.rows, self.lengths = pathlib.Path(root), features, [], []
        self.root.mkdir(parents=True, exist_ok=False)
        assert isinstance(fps, int) and not use_videos and not any("/" in name for name in features)
        (self.root / "info.json").write_text(json.dumps({"fps": fps, "name": repo_id, "features": features}))
        return self

    def add_frame(self, frame):
        assert set(frame) == {*self.features, "task"} and isinstance(frame["task"], str), set(frame)
        for name, feature in self.features.items():
            kind = "uint8" if feature["dtype"] == "image" else feature["dtype"]
            assert (frame[name].shape, frame[name].dtype) == (feature["shape"], np.dtype(kind)), name
        self.rows.append(frame)

    def save_episode(self):
        self.lengths.append(len(self.rows) - sum(self.lengths))

    def finalize(self):
        columns = {name: np.stack([row[name] for row in self.rows]) for name in self.rows[0]}
        np.savez(self.root / "frames.npz", lengths=self.lengths, **columns)
'''
READ = """
import sys, numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

data = LeRobotDataset("metasim/out", root=sys.argv[1])
rows = [data[i] for i in range(len(data))]
found = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
found["fps"] = data.fps
np.savez(sys.argv[2], **found)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The interpreter of the tests, with a module in lerobot's place."""
    package = tmp_path / "site" / "lerobot" / "datasets"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "lerobot_dataset.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return Path(sys.executable)


def rows(path: Path, of: Any) -> Any:
    return np.concatenate([of(episode) for episode in loaded(path) if episode.info.task == PULL])


def test_frames_are_what_the_environment_shows_lerobot(pictured: Path, tmp_path: Path, stand_in: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / ".out.0badcafe.tmp" / "out").mkdir(parents=True)  # what a killed process has left
    done = export_dataset(pictured, "lerobot", out, ExportOptions(task=PULL, python=stand_in))
    assert (done.paths, done.episodes, done.steps) == ((out,), 4, 26)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "site"]
    found = np.load(out / "frames.npz")
    assert found["lengths"].tolist() == [5, 6, 7, 8] and set(found["task"]) == {f"do {PULL}"}
    held = {
        "observation.state": rows(pictured, lambda e: e.obs["joints"]).astype(np.float32),
        "observation.environment_state": rows(pictured, lambda e: e.observation).astype(np.float32),
        "observation.images.eye": rows(pictured, lambda e: e.obs["eye"]),
        "action": rows(pictured, lambda e: e.actions),
        "next.reward": rows(pictured, lambda e: e.rewards).astype(np.float32)[:, None],
        "next.done": rows(pictured, lambda e: e.dones).astype(bool)[:, None],
        "next.success": rows(pictured, lambda e: e.success)[:, None],
    }
    assert set(found) == {*held, "task", "lengths"}
    for name, array in held.items():
        np.testing.assert_array_equal(found[name], array)
    assert '"fps": 25' in (out / "info.json").read_text()


def test_the_robots_own_state_may_be_named(pictured: Path, tmp_path: Path, stand_in: Path) -> None:
    options = ExportOptions(task=PULL, python=stand_in, state=("speed", "joints"), fps=10, name="me/it")
    export_dataset(pictured, "lerobot", tmp_path / "out", options)
    found = np.load(tmp_path / "out" / "frames.npz")
    both = rows(pictured, lambda e: np.concatenate([e.obs["speed"], e.obs["joints"]], axis=1))
    np.testing.assert_array_equal(found["observation.state"], both.astype(np.float32))
    assert '"fps": 10, "name": "me/it"' in (tmp_path / "out" / "info.json").read_text()
    options = ExportOptions(task=PULL, python=stand_in, state=("sped",))
    with pytest.raises(UnknownName, match=r"did you mean \['speed'\]"):
        export_dataset(pictured, "lerobot", tmp_path / "b", options)


def test_without_an_interpreter_it_says_how_to_make_one(
    pictured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(lerobot.VARIABLE, raising=False)
    for python, reason in ((None, "none is named"), (Path("nowhere"), "'nowhere' is no interpreter")):
        with pytest.raises(MissingDependency, match=rf"{reason}.*pip install lerobot h5py.*{lerobot.VARIABLE}"):
            export_dataset(pictured, "lerobot", tmp_path / "out", ExportOptions(task=PULL, python=python))
    (tmp_path / "lerobot.py").write_text("raise ImportError('no such thing here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(lerobot.VARIABLE, sys.executable)
    with pytest.raises(MissingDependency, match=r"lacks something \(no such thing here\): make one"):
        export_dataset(pictured, "lerobot", tmp_path / "out", ExportOptions(task=PULL))
    assert [path.name for path in tmp_path.iterdir()] == ["lerobot.py"]


def test_what_lerobot_says_is_passed_on(pictured: Path, tmp_path: Path, stand_in: Path) -> None:
    module = tmp_path / "site" / "lerobot" / "datasets" / "lerobot_dataset.py"
    module.write_text(STAND_IN.replace("def save_episode(self):", "def save_episode(self):\n        1 / 0"))
    with pytest.raises(DatasetError, match=r"did not write the dataset \(exit code 1\): .*ZeroDivisionError"):
        export_dataset(pictured, "lerobot", tmp_path / "out", ExportOptions(task=PULL, python=stand_in))
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_frames_per_second_are_whole() -> None:
    def task(period: float) -> Any:
        return type("Task", (), {"control_period_s": period})

    assert lerobot._fps(task(1 / 30)) == 30
    for period, said in ((0.0, "not known"), (1 / 12.5, "is 12.5 Hz"), (4.0, "0.25 Hz")):
        with pytest.raises(InvalidConfig, match=f"{said}.*--fps"):
            lerobot._fps(task(period))


def test_its_own_reader(pictured: Path, tmp_path: Path) -> None:
    python = os.environ.get(lerobot.VARIABLE)
    if not python:
        pytest.skip(f"{lerobot.VARIABLE} names no interpreter that has lerobot")
    out = tmp_path / "out"
    export_dataset(pictured, "lerobot", out, ExportOptions(task=PULL))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    words = [python, "-c", READ, str(out), str(tmp_path / "read.npz")]
    elsewhere = {"cwd": tmp_path, "env": environment}  # our own folder datasets is not to be taken for the library
    done = subprocess.run(words, capture_output=True, text=True, check=False, **elsewhere)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "read.npz")
    for name, array in {
        "observation.state": rows(pictured, lambda e: e.obs["joints"]),
        "observation.environment_state": rows(pictured, lambda e: e.observation),
        "action": rows(pictured, lambda e: e.actions),
        "next.reward": rows(pictured, lambda e: e.rewards),
        "next.done": rows(pictured, lambda e: e.dones),
        "next.success": rows(pictured, lambda e: e.success),
    }.items():
        np.testing.assert_array_equal(found[name], array.astype(np.float32))
    pictures = rows(pictured, lambda e: e.obs["eye"]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found["observation.images.eye"] * 255, pictures)  # lossless
    assert found["fps"] == 25 and set(found["task"]) == {f"do {PULL}"}
    assert found["episode_index"].tolist() == sum(([i] * (5 + i) for i in range(4)), [])
    np.testing.assert_allclose(found["timestamp"], found["frame_index"] / 25, atol=1e-6)
