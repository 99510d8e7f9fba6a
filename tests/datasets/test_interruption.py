"""Collections that are killed: no finished episode is lost, and the file ends with the same bytes."""

import random
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

SCRIPT = Path(__file__).with_name("collect_script.py")
EPISODES = 5


def start(out: Path, workers: int, worlds: int, *more: str, episodes: int = EPISODES) -> subprocess.Popen[str]:
    arguments = [sys.executable, str(SCRIPT), str(out), str(workers), str(worlds), str(episodes), *more]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(out: Path, workers: int, worlds: int, *more: str, episodes: int = EPISODES) -> bytes:
    _, err = start(out, workers, worlds, *more, episodes=episodes).communicate(timeout=300)
    assert out.is_file(), err
    return out.read_bytes()


def kill_after(out: Path, workers: int, worlds: int, lines: int, wait_s: float, episodes: int = EPISODES) -> None:
    """Start it and kill it ``wait_s`` after it reported so many episodes."""
    process = start(out, workers, worlds, episodes=episodes)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(wait_s)
    process.kill()
    process.communicate()


def published(out: Path) -> dict[str, bytes]:
    """The finished episodes in FILE.parts; each must open."""
    files = sorted(out.with_name(out.name + ".parts").rglob("[0-9]*.h5"))
    for file in files:
        with h5py.File(file) as opened:
            assert "episode" in opened
    return {str(file): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return finish(tmp_path_factory.mktemp("whole") / "demos.h5", 1, 3)


def test_a_killed_collection_goes_on_to_the_same_bytes(uninterrupted: bytes, tmp_path: Path) -> None:
    """Killed twice at random moments, with one worker and with two; then finished with another number of worlds."""
    out, luck = tmp_path / "demos.h5", random.Random(2)
    kill_after(out, 1, 1, luck.randint(1, 4), luck.uniform(0, 0.05))
    before = published(out)
    assert before
    kill_after(out, 2, 1, len(before) and 2 + luck.randint(1, 2), luck.uniform(0, 0.05))
    after = published(out)
    assert after.items() >= before.items()
    assert not out.exists()
    (out.parent / ".demos.h5.0badcafe.tmp").write_bytes(b"what a kill in the last merge leaves")
    assert finish(out, 1, 2) == uninterrupted
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demos.h5", "demos.h5.log.json"]


def test_a_killed_worker_costs_its_own_episodes_only(tmp_path: Path) -> None:
    out = tmp_path / "demos.h5"
    _, err = start(out, 2, 1, "2").communicate(timeout=120)
    assert "EngineFailure" in err and "SIGKILL" in err and "shard" in err
    assert not out.exists()
    # Shard 0 has every other item, reach 0, 2, 4 and push 1, 3; it dies when it begins reach 2.
    left = [Path(name).relative_to(out.with_name("demos.h5.parts")) for name in published(out)]
    reach, push = Path("metaworld/reach-v3"), Path("metaworld/push-v3")
    assert set(left) == {
        *(reach / f"00000{i}.h5" for i in (0, 1, 3)),
        *(push / f"00000{i}.h5" for i in (0, 2, 4)),
    }
    finish(out, 1, 5, "2")
    with h5py.File(out) as file:
        assert len(file["data"]) == 2 * EPISODES  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_many_kills_at_random_moments(workers: int, tmp_path: Path) -> None:
    luck = random.Random(workers)
    whole = finish(tmp_path / "whole.h5", 1, 4, episodes=30)
    for trial in range(7):
        out, kept = tmp_path / f"{trial}.h5", dict[str, bytes]()
        for _ in range(12):
            process = start(out, workers, luck.choice([1, 3]), episodes=30)
            time.sleep(luck.uniform(0.2, 3.0))
            process.kill()
            process.communicate()
            if out.exists():
                break
            now = published(out)
            assert now.items() >= kept.items()
            kept = now
        assert finish(out, workers, luck.choice([1, 3, 30]), episodes=30) == whole
