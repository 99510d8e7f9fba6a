"""Pictures made of recorded states are those of the episode as it ran; killed or not, the same file."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metasim.core.errors import DatasetError, InvalidConfig, MissingDependency, UnknownName
from metasim.datasets import CollectConfig, Dataset, collect, hdf5, merge, verify
from metasim.datasets.parts import Parts
from metasim.datasets.tools import differences, videos
from metasim.datasets.tools.rendering import DRAWN, RenderConfig, render_dataset
from metasim.datasets.tools.videos import write_videos
from metasim.datasets.training import Windows
from metasim.envs import Episodes
from metasim.view import picture

from .made import TASK, episode, task_info, write

POINT, REACHER = "meta_rl/point-robot-v0", "classic/reacher-v0"
SIZE = (40, 28)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short episodes of two tasks, of one of them in both engines."""
    folder = tmp_path_factory.mktemp("recorded")
    common: Any = {"policy": "random", "keep": "all", "horizon": 4, "tail": None, "worlds": 2}
    collect(CollectConfig(tasks=(POINT, REACHER), out=folder / "m.h5", episodes=2, **common))
    collect(CollectConfig(tasks=(POINT,), out=folder / "p.h5", episodes=1, backend="pybullet", **common))
    return merge([folder / "m.h5", folder / "p.h5"], folder / "both.h5")


@pytest.fixture(scope="module")
def drawn(recorded: Path) -> Path:
    """The same with pictures."""
    return render_dataset(RenderConfig(path=recorded, out=recorded.with_name("drawn.h5"), size=SIZE))


def test_pictures_are_those_of_the_running_episode(recorded: Path, drawn: Path) -> None:
    with Dataset(drawn) as data:
        for demo in data:
            info, sample = demo.info, demo.sample
            episodes, row = Episodes(info.task, info.backend, 1, horizon=info.horizon), np.zeros(1, np.int64)
            try:
                episodes.begin(row, [info.episode_seed], {k: v[None] for k, v in sample.items()})
                live = [picture(episodes, "", SIZE)]
                for action in demo.array("actions"):
                    episodes.step(action[None])
                    live.append(picture(episodes, "", SIZE))
            finally:
                episodes.close()
            ((name, shape, kind),) = demo.task.pictures
            assert (name, shape, kind) == (f"{live[0].camera}_image", (28, 40, 3), "uint8")
            shown = np.concatenate([demo.array(f"obs/{name}"), demo.array(f"final_obs/{name}")])
            np.testing.assert_array_equal(shown, [shot.rgb for shot in live])
            assert len({shot.tobytes() for shot in shown}) > (info.task == REACHER)
    changed = {one.kind for one in differences(recorded, drawn) if one.kind != "array"}
    assert changed == {"header", "task"}
    assert {one.what.partition("/")[0] for one in differences(recorded, drawn) if one.kind == "array"} == {
        "obs",
        "final_obs",
    }


def test_the_new_file_holds_and_is_read(drawn: Path) -> None:
    assert verify(drawn).ok
    with Dataset(drawn) as data:
        name = data.episode(0).task.pictures[0][0]
        chunks: Any = data.episode(0).group[f"obs/{name}"]
        assert chunks.chunks == (1, 28, 40, 3) and chunks.compression == "gzip"
        about = data.header.collections[-1]["rendered"]
        assert about["size"] == [40, 28] and about["renderer"] and "mujoco" in about["versions"]
    windows = Windows(drawn, length=2, tasks=[POINT], obs=("flat", name))
    assert windows[0]["obs"][name].shape == (2, 28, 40, 3)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(recorded: Path, drawn: Path, tmp_path: Path) -> None:
    config = RenderConfig(path=recorded, out=tmp_path / "drawn.h5", size=SIZE)

    def stop(report: Any) -> None:
        if report.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_dataset(config, stop)
    parts = Parts.of(config.out)
    finished = sorted((parts.folder / DRAWN).glob("*.h5"))
    assert 2 <= len(finished) < 5 and not config.out.exists()
    with h5py.File(finished[0], "r+") as file:
        rewards: Any = file["episode/rewards"]
        rewards[1] = 5.0
    with pytest.raises(DatasetError, match="other arguments"):
        render_dataset(RenderConfig(path=recorded, out=config.out, size=(8, 8)))
    again = list[int]()
    render_dataset(config, lambda report: again.append(report.found))
    assert len(again) == 5 - len(finished) + 1
    assert config.out.read_bytes() == drawn.read_bytes() and not parts.folder.exists()
    assert render_dataset(config) == config.out
    with pytest.raises(DatasetError, match="is something else"):
        render_dataset(RenderConfig(path=recorded, out=config.out, size=(8, 8)))


def test_a_part_that_cannot_be_read_now_is_kept(
    recorded: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RenderConfig(path=recorded, out=tmp_path / "drawn.h5", size=SIZE)

    def stop(report: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_dataset(config, stop)
    kept = sorted(Parts.of(config.out).folder.rglob("*.h5"))
    real = h5py.File

    def failing(name: Any, *words: Any, **options: Any) -> Any:
        if Path(str(name)) in kept:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(name, *words, **options)

    with monkeypatch.context() as patch, pytest.raises(hdf5.PassingError):
        patch.setattr(h5py, "File", failing)
        render_dataset(config)
    assert kept and sorted(Parts.of(config.out).folder.rglob("*.h5")) == kept
    (tmp_path / ".drawn.h5.0badcafe.tmp").write_bytes(b"what a kill at the end leaves")
    render_dataset(config)
    assert [path.name for path in tmp_path.iterdir()] == ["drawn.h5"]
    assert config.out.read_bytes() == drawn.read_bytes()


def test_what_cannot_be_drawn_is_refused(recorded: Path, drawn: Path, tmp_path: Path) -> None:
    def render(path: Path, **asked: Any) -> None:
        render_dataset(RenderConfig(path=path, out=tmp_path / "out.h5", **{"size": SIZE, **asked}))

    with pytest.raises(UnknownName, match="camera"):
        render(recorded, cameras=("besides",))
    with pytest.raises(DatasetError, match="among its observations already"):
        render(drawn)
    with pytest.raises(InvalidConfig, match="pixels"):
        render(recorded, size=(0, 9))
    with pytest.raises(InvalidConfig, match="twice"):
        render(recorded, cameras=("a", "a"))
    with pytest.raises(DatasetError, match="the file that is read"):
        render_dataset(RenderConfig(path=drawn, out=drawn))
    with pytest.raises(UnknownName, match="task"):
        render(write(tmp_path / "foreign.h5", [episode(0, 3)]))
    spoilt = Path(shutil.copy(recorded, tmp_path / "spoilt.h5"))
    with h5py.File(spoilt, "r+") as file:
        rewards: Any = file["data/demo_0/rewards"]
        rewards[0] += 1.0
    with pytest.raises(DatasetError, match="spoilt.h5: demo_0: .*digest"):
        render(spoilt)


def test_videos(drawn: Path, recorded: Path, tmp_path: Path) -> None:
    try:
        files = write_videos(drawn, tmp_path, fps=10)
    except MissingDependency as missing:
        pytest.skip(str(missing))
    assert [file.name for file in files][:2] == [f"demo_{i}_{POINT.replace('/', '-')}_failure.mp4" for i in (0, 1)]
    assert all(file.read_bytes()[4:8] == b"ftyp" for file in files)
    with pytest.raises(DatasetError, match="no pictures"):
        write_videos(recorded, tmp_path)


def test_a_video_at_an_unknown_rate_shows_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = list[tuple[int, float]]()
    monkeypatch.setattr(videos, "ffmpeg", lambda: None)
    monkeypatch.setattr(videos, "mp4", lambda frames, fps: shown.append((len(frames), fps)) or b"")
    rate, made = {TASK: task_info(True)}, [episode(i, 7, pictures=True) for i in range(2)]
    known, unknown = (
        write(tmp_path / f"{s}.h5", made, {TASK: replace(rate[TASK], control_period_s=s)}) for s in (0.05, 0.0)
    )
    said = list[str]()
    write_videos(known, tmp_path, fps=10, remark=said.append)
    assert shown == [(5, 10.0)] * 2 and not said
    write_videos(unknown, tmp_path, fps=10, remark=said.append)
    assert shown[2:] == [(8, 10)] * 2
    assert said == [f"{TASK}: the control rate is not known; every step is shown, 10 per second"]
