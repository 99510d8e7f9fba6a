"""Shared results for the benchmark tests: two engines, three tasks, ten seeds."""

import pytest

from metasim.benchmarks.results import EpisodeResult, Results


def episode(**changes) -> EpisodeResult:
    fields = {
        "task": "lab/reach-v0",
        "backend": "mujoco",
        "policy": "expert",
        "seed": 7,
        "episode": 0,
        "success_any": True,
        "success_last": True,
        "first_success_step": 12,
        "episode_return": 3.5,
        "length": 100,
    }
    return EpisodeResult(**{**fields, **changes})


def outcome(solved: bool, held: bool) -> dict:
    return {"success_any": solved, "success_last": held, "first_success_step": 12 if solved else None}


@pytest.fixture
def make():
    """An episode with some fields changed."""
    return episode


@pytest.fixture
def results() -> Results:
    """Reach is always solved, push by mujoco alone after seed 4, open never; pybullet breaks off once."""
    rows = []
    for seed in range(10):
        for backend in ("mujoco", "pybullet"):
            common = {"backend": backend, "seed": seed, "episode_return": float(seed)}
            rows.append(episode(task="lab/reach-v0", **common, **outcome(True, True)))
            rows.append(episode(task="lab/push-v0", **common, **outcome(backend == "mujoco" or seed < 5, seed < 3)))
            broken = "world 0 diverged" if (backend, seed) == ("pybullet", 9) else None
            rows.append(episode(task="lab/open-v0", **common, **outcome(False, False), error=broken))
    config = {
        "tasks": ["lab/reach-v0", "lab/push-v0", "lab/open-v0"],
        "backends": ["mujoco", "pybullet"],
        "versions": {"mujoco": "4.0.0", "pybullet": "3.2.7"},
        "horizon": 100,
    }
    return Results(protocol="lab-v1", config=config, episodes=tuple(rows))
