"""The same bytes whatever ran before: in a used world, another world, another process, at any number of worlds."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from metasim.backends.pybullet import PybulletBackend
from metasim.core.backend import Start
from metasim.core.errors import EngineFailure
from metasim.core.reads import Reads
from metasim.core.scene import Asset, Physics, Scene, Weld
from metasim.model import Model, compile_scene
from metasim.model.assets import metaworld_scene

Array = Any
WORLDS = 4
WELD = Weld(mocap="mocap", body="hand", relative_quat=(-1, 0, 0, 0), torque_scale=5.0)


@pytest.fixture(scope="module")
def model() -> Model:
    scene = Scene(
        base=Asset(path=metaworld_scene("sawyer_pick_place_v3")), welds=(WELD,), physics=Physics(multiccd=False)
    )
    return compile_scene(scene, Reads(bodies=("hand", "obj"), contacts=(("rightpad", "obj"), ("obj", "tablelink"))))


@pytest.fixture(scope="module")
def backend(model: Model) -> Iterator[PybulletBackend]:
    backend = PybulletBackend(WORLDS)
    backend.load(model)
    yield backend
    backend.close()


def _begin(backend: PybulletBackend, numbers: Any = None) -> None:
    """Put the puck under the hand, a little elsewhere in each world, and the hand above it."""
    numbers = np.arange(backend.num_worlds) if numbers is None else numbers
    backend.reset()
    backend.targets.mocap_pos[:], backend.targets.mocap_quat[:] = [0, 0.6, 0.1], [1, 0, 1, 0]
    backend.targets.ctrl[:] = [-1, 1]
    backend.step(100)
    puck = np.tile([0.0, 0.6, 0.02, 1, 0, 0, 0], (len(numbers), 1))
    puck[:, 0] += 0.003 * numbers
    backend.write(Start(joints={"objjoint": puck}))


def _grasp(backend: PybulletBackend, first: int, count: int, numbers: Any = None) -> Array:
    """Descend, grasp and lift, each world a little differently; return everything read ``(T, N, ...)``."""
    numbers = np.arange(backend.num_worlds) if numbers is None else numbers
    seen = []
    for k in range(first, first + count):
        height = 0.1 - 0.006 * min(k, 10) + 0.004 * max(k - 30, 0)
        backend.targets.mocap_pos[:, 0] = np.stack(
            [0.01 * np.sin(0.3 * k + numbers), np.full(len(numbers), 0.6), np.full(len(numbers), height)], axis=1
        )
        closing = 1.0 if k > 12 else -1.0
        backend.targets.ctrl[:] = [closing, -closing]
        state = backend.step(5)
        seen.append(np.hstack([state.qpos, state.qvel, state.sensors, state.contacts.reshape(len(numbers), -1)]))
    return np.array(seen)


def test_the_puck_is_grasped_so_that_contacts_matter(backend: PybulletBackend) -> None:
    _begin(backend)
    _grasp(backend, 0, 70)
    assert (backend.state.body("obj").pos[:, 2] > 0.06).all()
    assert (backend.state.contact("rightpad", "obj").count > 0).all()


def test_an_episode_does_not_know_what_ran_before(backend: PybulletBackend, model: Model) -> None:
    _begin(backend)
    _grasp(backend, 0, 45)
    _begin(backend)
    again = _grasp(backend, 0, 45)
    with contextlib.closing(PybulletBackend(1)) as fresh:
        fresh.load(model)
        number = np.array([WORLDS - 1])
        _begin(fresh, number)
        assert np.array_equal(_grasp(fresh, 0, 45, number)[:, 0], again[:, WORLDS - 1])


def test_a_grasp_continues_to_the_bit_in_its_own_and_in_another_world(backend: PybulletBackend) -> None:
    _begin(backend)
    _grasp(backend, 0, 30)
    kept = backend.snapshot()
    first = _grasp(backend, 30, 20)
    backend.restore(kept)
    assert np.array_equal(_grasp(backend, 30, 20), first)
    backend.restore(kept, np.array([0, 2]), rows=np.array([3, 3]))
    moved = _grasp(backend, 30, 20, np.array([3, 1, 3, 3]))
    assert np.array_equal(moved[:, 0], first[:, 3])
    assert np.array_equal(moved[:, 2], first[:, 3])


def test_dumping_only_looks(backend: PybulletBackend) -> None:
    _begin(backend)
    plain = _grasp(backend, 0, 30)
    _begin(backend)
    parts = []
    for k in range(30):
        parts.append(_grasp(backend, k, 1))
        backend.dump()
        backend.mass_matrix()
        backend.jacobian("body", "hand")
    assert np.array_equal(np.concatenate(parts), plain)


def test_workers_and_dumps_change_no_bit(backend: PybulletBackend, model: Model) -> None:
    """A dump of a world that was just copied holds all of it, for another process too."""
    _begin(backend)
    whole = _grasp(backend, 0, 30)
    backend.snapshot()
    rows = backend.dump()
    rest = _grasp(backend, 30, 10)
    with contextlib.closing(PybulletBackend(WORLDS, workers=2)) as parted:
        parted.load(model)
        _begin(parted)
        assert np.array_equal(_grasp(parted, 0, 30), whole)
        _grasp(parted, 0, 5)
        parted.load_dump(rows)
        assert np.array_equal(_grasp(parted, 30, 10), rest)
        assert len(parted.get_parameter("mass", "obj")) == WORLDS


def test_a_dead_worker_is_an_error_and_closing_does_not_hang(model: Model) -> None:
    backend = PybulletBackend(2, workers=2)
    backend.load(model)
    state = backend.step(5)
    os.kill(backend._pool.crew._processes[0].pid, signal.SIGKILL)  # type: ignore[union-attr,arg-type]
    with pytest.raises(EngineFailure, match=r"worker 1 \(worlds 1 to 1\) died"):
        for _ in range(3):
            backend.step(5)
    backend.close()
    backend.close()
    assert np.isfinite(state.qpos).all()  # what was handed out stays readable


def test_nothing_of_the_translation_is_left_on_disk(
    model: Model, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with PybulletBackend(1) as backend:
        backend.load(model)
        assert list(tmp_path.iterdir()) == []
