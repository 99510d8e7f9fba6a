"""Collections on Ray: the bytes of the local pool, and nothing lost with a worker or a node."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import pytest

from metasim.datasets import CollectConfig, collect

HERE = Path(__file__).parent
REACH, PUSH = "metaworld/reach-v3", "metaworld/push-v3"
BASE = CollectConfig(tasks=(REACH, PUSH), out=Path("x.h5"), episodes=4, horizon=60, tail=5, keep="all", worlds=1)
MANY = BASE.replace(episodes=30, worlds=2)


def run(script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *([str(HERE / script)] if script else ["-m", "metasim"]), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def settings(config: CollectConfig) -> str:
    return json.dumps(asdict(config), default=str)


def published(out: Path) -> dict[str, bytes]:
    """Return the finished episodes in FILE.parts; each must open."""
    folder = out.with_name(out.name + ".parts")
    files = sorted(folder.rglob("[0-9]*.h5"))
    for file in files:
        with h5py.File(file) as opened:
            assert "episode" in opened
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_two_nodes_make_the_bytes_of_one_process(ray_nodes: Any, tmp_path: Path) -> None:
    """Through the command, on a cluster whose workers write nothing to the caller's disk."""
    whole = collect(BASE.replace(out=tmp_path / "whole.h5", episodes=3, keep="successes", horizon=None))
    words = [REACH, PUSH, "--episodes", "3", "--tail", "5", "--worlds", "64", "--workers", "2"]
    out = tmp_path / "ray.h5"
    process = run("", "collect", *words, "--out", str(out), "--ray", ray_nodes.address)
    said, err = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, f"{out}\n"), err
    assert out.read_bytes() == whole.read_bytes()
    assert json.loads((tmp_path / "ray.h5.log.json").read_text())["ray"] == ray_nodes.address
    assert not out.with_name("ray.h5.parts").exists()


@pytest.mark.slow
def test_an_evaluation_has_the_same_bytes_too(ray_nodes: Any, tmp_path: Path) -> None:
    words = ["eval", REACH, PUSH, "--policy", "noisy-expert", "--episodes", "4", "--horizon", "60"]
    made = {
        "here.json": ["--worlds", "3"],
        "ray.json": ["--worlds", "64", "--workers", "2", "--ray", ray_nodes.address],
    }
    for name, more in made.items():
        process = run("", *words, *more, "--out", str(tmp_path / name))
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    here, afar = ((tmp_path / name).read_bytes() for name in made)
    assert here == afar


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_workers_worlds_and_ray_do_not_change_the_bytes(backend: str, ray_nodes: Any, tmp_path: Path) -> None:
    """1 worker, 4, and Ray; 1 world, and 64; in a session of the caller's own."""
    pytest.importorskip(backend)
    tasks, episodes = ((REACH, PUSH), 6) if backend == "mujoco" else ((REACH,), 4)
    base = BASE.replace(tasks=tasks, backend=backend, episodes=episodes, horizon=40)
    ways = {"1": (1, 1), "64": (1, 64), "4": (4, 2), "ray": (2, 1), "ray-64": (2, 64)}
    policies = ("expert", "noisy-expert", "random")
    wanted = {
        (policy, way): base.replace(policy=policy, workers=w, worlds=n, out=tmp_path / f"{policy}-{way}.h5")
        for policy in policies
        for way, (w, n) in ways.items()
    }
    for (_, way), config in wanted.items():
        if not way.startswith("ray"):
            collect(config)
    afar = [json.loads(settings(config)) for (_, way), config in wanted.items() if way.startswith("ray")]
    process = run("ray_script.py", ray_nodes.address, json.dumps([{**told, "ray": "auto"} for told in afar]))
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    for policy in policies:
        assert len({config.out.read_bytes() for (name, _), config in wanted.items() if name == policy}) == 1


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray comes with the extra ray")
def test_a_killed_worker_costs_its_own_episodes_only(tmp_path: Path) -> None:
    """A policy of the main script's own kills its worker when it begins one episode; then the same command again."""
    config = BASE.replace(out=tmp_path / "demos.h5", policy="deadly", episodes=5, workers=2, ray="local")
    deadly = {"DEADLY_EPISODE": f"{REACH} 2", "DEADLY_MARK": str(tmp_path / "mark")}
    _, err = run("collect_script.py", settings(config), **deadly).communicate(timeout=120)
    assert "EngineFailure" in err and "worker of shard 0 of 2 (process " in err and "was lost" in err
    assert not config.out.exists()
    # Shard 0 has every other item, reach 0, 2, 4 and push 1, 3; it dies when it begins reach 2.
    left = [f"{REACH}/00000{i}.h5" for i in (0, 1, 3)] + [f"{PUSH}/00000{i}.h5" for i in (0, 2, 4)]
    before = published(config.out)
    assert set(before) == set(left)
    _, err = run("collect_script.py", settings(config), **deadly).communicate(timeout=120)
    assert config.out.exists(), err
    whole = config.replace(out=tmp_path / "whole.h5", ray=None, workers=1, worlds=5)
    run("collect_script.py", settings(whole), **deadly).communicate(timeout=120)
    assert config.out.read_bytes() == whole.out.read_bytes()


@pytest.mark.slow
def test_a_lost_node_costs_its_own_episodes_only(frail_ray_nodes: Any, tmp_path: Path) -> None:
    """It goes while both work; the one that is left finishes its shard, and the rest with the next call."""
    config = MANY.replace(out=tmp_path / "demos.h5", horizon=None, tail=None, workers=2, ray=frail_ray_nodes.address)
    process = run("collect_script.py", settings(config))
    assert process.stdout is not None
    for _ in range(6):
        process.stdout.readline()
    before = published(config.out)
    frail_ray_nodes.lose_one()
    _, err = process.communicate(timeout=240)
    assert "EngineFailure" in err and "was lost: Task failed because the node" in err
    after = published(config.out)
    assert after.items() >= before.items()
    assert len(before) >= 6 and 30 <= len(after) < 60
    _, err = run("collect_script.py", settings(config)).communicate(timeout=240)
    whole = collect(config.replace(out=tmp_path / "whole.h5", ray=None, workers=1, worlds=16))
    assert config.out.exists(), err
    assert config.out.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_a_killed_caller_loses_nothing_that_it_has_written(ray_nodes: Any, tmp_path: Path) -> None:
    config = MANY.replace(out=tmp_path / "demos.h5", workers=2, ray=ray_nodes.address)
    process = run("collect_script.py", settings(config))
    assert process.stdout is not None
    for _ in range(8):
        process.stdout.readline()
    process.kill()
    process.communicate()
    before = published(config.out)
    assert len(before) >= 8
    _, err = run("collect_script.py", settings(config)).communicate(timeout=120)
    assert config.out.exists(), err
    whole = collect(config.replace(out=tmp_path / "whole.h5", ray=None, workers=1, worlds=16))
    assert config.out.read_bytes() == whole.read_bytes()
