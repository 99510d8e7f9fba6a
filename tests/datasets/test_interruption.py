"""Collections that are killed: no finished episode is lost, and the file ends with the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import h5py
import pytest

from metasim.datasets import CollectConfig, collect

SCRIPT = Path(__file__).with_name("collect_script.py")
TASKS = ("metaworld/reach-v3", "metaworld/push-v3")
BASE = CollectConfig(tasks=TASKS, out=Path("demos.h5"), episodes=5, horizon=60, tail=5, keep="all", worlds=1)


def start(config: CollectConfig, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(asdict(config), default=str)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def kill_after(config: CollectConfig, lines: int, wait_s: float) -> None:
    """Start it and kill it ``wait_s`` after it reported so many times."""
    process = start(config)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(wait_s)
    process.kill()
    process.communicate()


def published(out: Path) -> dict[str, bytes]:
    """Return the finished episodes in FILE.parts; each must open."""
    folder = out.with_name(out.name + ".parts")
    files = sorted(folder.rglob("[0-9]*.h5"))
    for file in files:
        with h5py.File(file) as opened:
            assert "episode" in opened
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an uninterrupted collection writes."""
    return collect(BASE.replace(out=tmp_path_factory.mktemp("whole") / "whole.h5", worlds=4)).read_bytes()


def test_a_killed_collection_goes_on_to_the_same_bytes(whole: bytes, tmp_path: Path) -> None:
    """Killed at random moments, with one worker and with two; finished with another number of worlds."""
    config, luck = BASE.replace(out=tmp_path / "demos.h5"), random.Random(2)
    kill_after(config, luck.randint(1, 4), luck.uniform(0, 0.05))
    before = published(config.out)
    assert before
    kill_after(config.replace(workers=2), 2 + luck.randint(1, 2), luck.uniform(0, 0.05))
    assert published(config.out).items() >= before.items()
    assert not config.out.exists()
    (tmp_path / ".demos.h5.0badcafe.tmp").write_bytes(b"what a kill in the last merge leaves")
    assert collect(config.replace(worlds=2)).read_bytes() == whole
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["demos.h5", "demos.h5.log.json"]


def test_a_killed_worker_costs_its_own_episodes_only(tmp_path: Path) -> None:
    config = BASE.replace(out=tmp_path / "demos.h5", policy="deadly", workers=2)
    deadly = {"DEADLY_MARK": str(tmp_path / "mark")}
    _, err = start(config, **deadly).communicate(timeout=120)
    assert "EngineFailure" in err and "SIGKILL" in err and "shard 1 of 2" in err
    assert not config.out.exists()
    assert len(published(config.out)) == 9  # it had begun one, in its one world, and the other worker did the rest
    start(config.replace(workers=1, worlds=5), **deadly).communicate(timeout=120)
    with h5py.File(config.out) as file:
        assert len(file["data"]) == 10  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("draft", "workers", "finished"),
    [
        (".00000", 2, 9),  # a worker, in the first of its episodes: the others are finished
        (".demos.h5.", 1, 10),  # the process itself, in the merge
    ],
)
def test_a_kill_in_the_middle_of_a_write_leaves_nothing_half_written(
    draft: str, workers: int, finished: int, whole: bytes, tmp_path: Path
) -> None:
    config = BASE.replace(out=tmp_path / "demos.h5", workers=workers)
    deadly = {"DEADLY_WRITE": draft, "DEADLY_MARK": str(tmp_path / "mark")}
    process = start(config, **deadly)
    _, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL if workers == 1 else "killed by SIGKILL" in err
    (half,) = tmp_path.rglob("*.tmp")
    assert half.name.startswith(draft)
    with pytest.raises(OSError, match="truncated|unable to open"):
        h5py.File(half)
    assert not config.out.exists()
    assert len(published(config.out)) == finished
    assert collect(config.replace(workers=1, worlds=3)).read_bytes() == whole
    assert not list(tmp_path.rglob("*.tmp")) and not config.out.with_name("demos.h5.parts").exists()


@pytest.mark.parametrize(
    "size_kb", [pytest.param(400, id="parts"), pytest.param(900, id="merge", marks=pytest.mark.slow)]
)
def test_a_disk_that_is_full_and_then_larger(size_kb: int, whole: bytes, tmp_path: Path) -> None:
    """A file system of its own in memory: too small for the episodes, or for the file made of them."""
    disk, ran = tmp_path / "disk", tmp_path / "ran"
    disk.mkdir()
    config = BASE.replace(out=disk / "demos.h5")
    script = f"""
        mount -t tmpfs -o size={size_kb}k none {disk} || exit 77
        run() {{ "{sys.executable}" "{SCRIPT}" "$CONFIG"; }}
        run 2> {ran}.err; echo $? > {ran}.code
        (cd {disk} && find . -type f) > {ran}.files
        mount -o remount,size=20m {disk}
        run && cp {config.out} {ran}.h5
    """
    environment = {**os.environ, "CONFIG": json.dumps(asdict(config), default=str)}
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare, to mount a small file system")
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"this machine lets nobody mount a small file system: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran.code").read_text() == "1\n"
    said = (tmp_path / "ran.err").read_text()
    assert "DatasetError: cannot write" in said and "No space left on device. Nothing that was finished is lost" in said
    files = (tmp_path / "ran.files").read_text().split()
    assert not [name for name in files if name.endswith(".tmp")]
    parts = [name for name in files if name.endswith(".h5")]
    assert len(parts) == 10 if size_kb == 900 else 0 < len(parts) < 10
    assert (tmp_path / "ran.h5").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_many_kills_at_random_moments(workers: int, tmp_path: Path) -> None:
    luck, base = random.Random(workers), BASE.replace(episodes=30)
    whole = collect(base.replace(out=tmp_path / "whole.h5", worlds=8)).read_bytes()
    for trial in range(4):
        config, kept = base.replace(out=tmp_path / f"{trial}.h5", workers=workers), dict[str, bytes]()
        for _ in range(8):
            process = start(config.replace(worlds=luck.choice([1, 3])))
            time.sleep(luck.uniform(0.2, 3.0))
            process.kill()
            process.communicate()
            if config.out.exists():
                break
            now = published(config.out)
            assert now.items() >= kept.items()
            kept = now
        assert collect(config.replace(workers=1, worlds=luck.choice([1, 3, 30]))).read_bytes() == whole
