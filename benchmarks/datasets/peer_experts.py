"""Demonstrations of the original Meta-World by its own scripted policies, written with plain h5py.

A script of its own, which runs in the original's virtual environment: metaworld, h5py and numpy, nothing of metasim.
It does what a careful user would: one environment for a task, the policy from ``ENV_POLICY_MAP``, successes only, one
group for an episode in robomimic's layout, flushed when an episode is written. Its argument is JSON: ``tasks``,
``episodes`` (successful ones, per task), ``tail`` (steps after the first success; null for all 500), ``seed``, ``out``.
It prints one line of JSON: steps, attempts, seconds per task, the version.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import sys
import time
from typing import Any

import numpy as np

Job = dict[str, Any]
HORIZON, GYM_TYPE = 500, 2


def record(env: Any, policy: Any, task: Any, tail: int | None) -> tuple[bool, dict[str, list[Any]]]:
    """Run an episode and return whether it succeeded, and its rows."""
    rows: dict[str, list[Any]] = {name: [] for name in ("obs", "next_obs", "actions", "rewards", "dones", "states")}
    env.set_task(task)
    obs, _ = env.reset()
    left, solved = HORIZON, False
    while left:
        action = np.clip(policy.get_action(obs), -1.0, 1.0)
        state = np.concatenate([env.data.qpos, env.data.qvel])
        seen, reward, _, _, info = env.step(action)
        left -= 1
        if info["success"] and not solved:
            solved, left = True, left if tail is None else min(left, tail)
        step = {"obs": obs, "next_obs": seen, "actions": action, "rewards": reward, "dones": left == 0, "states": state}
        for name, value in step.items():
            rows[name].append(value)
        obs = seen
    return solved, rows


def write(data: Any, number: int, rows: dict[str, list[Any]]) -> None:
    """Write an episode."""
    demo = data.create_group(f"demo_{number}")
    demo.attrs["num_samples"] = len(rows["actions"])
    demo.create_dataset("actions", data=np.asarray(rows["actions"], np.float32))
    demo.create_dataset("rewards", data=np.asarray(rows["rewards"], np.float64))
    demo.create_dataset("dones", data=np.asarray(rows["dones"], np.uint8))
    demo.create_dataset("states", data=np.asarray(rows["states"], np.float64))
    for name in ("obs", "next_obs"):
        demo.create_dataset(f"{name}/state", data=np.asarray(rows[name], np.float64))


def collect(job: Job) -> dict[str, Any]:
    """Record all demonstrations into one file and return what it took."""
    metaworld = importlib.import_module("metaworld")
    policies = importlib.import_module("metaworld.policies").ENV_POLICY_MAP
    number, steps, attempts, seconds = 0, 0, 0, dict[str, float]()
    with importlib.import_module("h5py").File(job["out"], "w") as file:
        data = file.create_group("data")
        for name in job["tasks"]:
            start = time.perf_counter()
            benchmark, policy = metaworld.MT1(name, seed=job["seed"]), policies[name]()
            env, kept = benchmark.train_classes[name](), 0
            while kept < job["episodes"]:
                task = benchmark.train_tasks[attempts % len(benchmark.train_tasks)]
                solved, rows = record(env, policy, task, job["tail"])
                attempts += 1
                if solved:
                    write(data, number, rows)
                    file.flush()
                    kept, number, steps = kept + 1, number + 1, steps + len(rows["actions"])
            env.close()
            seconds[name] = time.perf_counter() - start
        data.attrs["total"] = steps
        data.attrs["env_args"] = json.dumps({"env_name": ",".join(job["tasks"]), "type": GYM_TYPE, "env_kwargs": {}})
    version = importlib.metadata.version("metaworld")
    return {"demos": number, "steps": steps, "attempts": attempts, "seconds": seconds, "version": version}


def main() -> None:
    """Do one job."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to standard error
    answers.write(json.dumps(collect(json.loads(sys.argv[1]))) + "\n")
    answers.close()


if __name__ == "__main__":
    main()
