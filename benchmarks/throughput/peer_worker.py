"""Runs another library's environments for a comparison, inside that library's own virtual environment.

A script of its own: the standard library, numpy and the peer, nothing of metasim. It reads one JSON command a line from
standard input and answers each with one line; between commands it sleeps, so that whoever it is compared with has the
machine to itself. Commands: ``{"do": "make", "peer", "task", "num_envs", "threads", "actions"}`` (``actions``: an .npy
file ``(T, N, A)``), ``{"do": "stagger", "steps"}``, ``{"do": "step", "steps"}``, ``{"do": "fresh_step", "steps"}``.
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

Array = Any
Job = dict[str, Any]
HORIZON = 500


class Vector:
    """N worlds in one environment, ``env``, that resets by itself."""

    env: Any
    actions: Array
    n: int
    next: int

    def step(self, steps: int) -> dict[str, float]:
        """Take some steps from wherever the worlds are; worlds whose episode is over begin another by themselves."""
        env, actions, first = self.env, self.actions, self.next
        start = time.perf_counter()
        for i in range(first, first + steps):
            env.step(actions[i % len(actions)])
        self.next = first + steps
        return {"steps": steps * self.n, "seconds": time.perf_counter() - start}

    def fresh_step(self, steps: int) -> dict[str, float]:
        """Take some steps from the beginning of episodes."""
        self.env.reset()
        return self.step(steps)


class Envpool(Vector):
    """N worlds of an envpool task."""

    def __init__(self, job: Job) -> None:
        envpool = importlib.import_module("envpool")
        threads, self.n = job["threads"], job["num_envs"]
        self.env = envpool.make(job["task"], env_type="gymnasium", num_envs=self.n, num_threads=threads, seed=0)
        self.actions = np.load(job["actions"])
        self.horizon, self.next = int(self.env.spec.config.max_episode_steps), 0
        self.env.reset()

    def stagger(self, steps: int) -> dict[str, float]:
        """Let some steps pass, and meanwhile begin the worlds' episodes one after another."""
        self.env.reset()
        due = np.arange(self.n) * steps // self.n
        for i in range(steps):
            rows = np.flatnonzero(due == i)
            if len(rows):
                self.env.reset(rows)
            self.env.step(self.actions[i % len(self.actions)])
        return {}


class Metaworld:
    """One environment of the original, as ``gymnasium.make`` returns it."""

    def __init__(self, job: Job) -> None:
        importlib.import_module("metaworld")
        gymnasium = importlib.import_module("gymnasium")
        self.env = gymnasium.make("Meta-World/MT1", env_name=job["task"], seed=0)
        self.actions = np.load(job["actions"])[:, 0]
        self.env.reset()

    def step(self, steps: int) -> dict[str, float]:
        """Take some steps, in episodes of their own; resets are timed apart."""
        env, actions = self.env, self.actions
        stepping = resetting = 0.0
        resets = 0
        for begin in range(0, steps, HORIZON):
            start = time.perf_counter()
            env.reset()
            ready = time.perf_counter()
            for i in range(begin, min(begin + HORIZON, steps)):
                env.step(actions[i % len(actions)])
            stepping += time.perf_counter() - ready
            resetting, resets = resetting + ready - start, resets + 1
        return {"steps": steps, "seconds": stepping, "reset_s": resetting / resets}


class Sync(Vector):
    """N environments in gymnasium's ``SyncVectorEnv``, ``env``, which a subclass makes."""

    horizon: int

    def __init__(self, job: Job) -> None:
        self.n, self.next, self.actions = job["num_envs"], 0, np.load(job["actions"])
        self.make(job["task"], importlib.import_module("gymnasium"))
        self.env.reset()

    def make(self, name: str, gymnasium: Any) -> None:
        """Set ``env`` and ``horizon``."""
        raise AssertionError("a peer overrides this")

    def stagger(self, steps: int) -> dict[str, float]:
        """Let some steps pass, and give the worlds' episodes ages of their own."""
        self.env.reset()
        for i in range(min(steps, 10)):
            self.env.step(self.actions[i % len(self.actions)])
        for k, env in enumerate(self.env.envs):
            self.set_age(env, k * self.horizon // self.n)
        return {}

    def set_age(self, env: Any, age: int) -> None:
        """Set how many steps an environment's episode has lasted."""
        while "_elapsed_steps" not in vars(env):
            env = env.env
        env._elapsed_steps = age


class Gymnasium(Sync):
    """Environments of gymnasium's own, as ``gymnasium.make_vec`` returns them."""

    def make(self, name: str, gymnasium: Any) -> None:
        """Make them."""
        mode = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
        self.env = gymnasium.make_vec(name, self.n, vectorization_mode="sync", vector_kwargs=mode)
        self.horizon = int(gymnasium.spec(name).max_episode_steps)


class MetaworldVector(Sync):
    """Environments of the original, each with a goal of its own."""

    horizon = HORIZON

    def make(self, name: str, gymnasium: Any) -> None:
        """Make them."""
        metaworld = importlib.import_module("metaworld")
        benchmark = metaworld.MT1(name, seed=0)

        def make(i: int) -> Any:
            env = benchmark.train_classes[name]()
            env.set_task(benchmark.train_tasks[i % len(benchmark.train_tasks)])
            return gymnasium.wrappers.TimeLimit(env, HORIZON)

        mode = gymnasium.vector.AutoresetMode.SAME_STEP
        makers = [lambda i=i: make(i) for i in range(self.n)]
        self.env = gymnasium.vector.SyncVectorEnv(makers, autoreset_mode=mode)

    def set_age(self, env: Any, age: int) -> None:
        """Set both counters of an episode's steps."""
        env._elapsed_steps = env.unwrapped.curr_path_length = age


class MetaworldResets:
    """One environment of the original that begins episode after episode, each with another goal."""

    def __init__(self, job: Job) -> None:
        metaworld = importlib.import_module("metaworld")
        self.benchmark = metaworld.MT1(job["task"], seed=0)
        self.env = self.benchmark.train_classes[job["task"]]()

    def step(self, steps: int) -> dict[str, float]:
        """Begin some episodes; the bookkeeping of goals is not counted."""
        seconds = 0.0
        for i in range(steps):
            self.env.set_task(self.benchmark.train_tasks[i % len(self.benchmark.train_tasks)])
            start = time.perf_counter()
            self.env.reset()
            seconds += time.perf_counter() - start
        return {"steps": steps, "seconds": seconds}


PEERS = {
    "envpool": Envpool,
    "gymnasium": Gymnasium,
    "metaworld": Metaworld,
    "metaworld-vector": MetaworldVector,
    "metaworld-resets": MetaworldResets,
}


def main() -> None:
    """Answer commands until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to standard error
    side: Any = None
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if job["do"] == "make":
                side = PEERS[job["peer"]](job)
                answer = {"version": importlib.metadata.version(job["peer"].partition("-")[0])}
            else:
                answer = getattr(side, job["do"])(job["steps"])
        except Exception as error:  # handed to the caller, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
