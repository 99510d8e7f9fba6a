"""The same actions from the same states, in any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.core.state import State
from metasim.core.task import Memory
from metasim.envs import Episodes

Array = Any


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Full initial states of n episodes, the same for every engine.

    Attributes:
        sample: What the task drew: factor name to ``(n, K)``.
        qpos: ``(n, nq)`` in the canonical order.
        qvel: ``(n, nv)``.
        mocap_pos: ``(n, 3)`` [m], world.
        mocap_quat: ``(n, 4)``, wxyz.
    """

    sample: Mapping[str, Array]
    qpos: Array
    qvel: Array
    mocap_pos: Array
    mocap_quat: Array


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What n episodes of T steps looked like after each step.

    Attributes:
        hand: ``(n, T, 3)`` [m], world.
        object: ``(n, T, 3)`` [m], world.
        success: ``(n, T)`` bool.
        failed: World to what the engine reported.
    """

    hand: Array
    object: Array
    success: Array
    failed: Mapping[int, str]


def replay(task: str, engine: str, starts: Starts, actions: Array) -> Trace:
    """Apply actions ``(n, T, A)`` from given states, open loop."""
    n = len(actions)
    with closing(Episodes(task, engine, n)) as episodes:
        backend, own = episodes.backend, episodes.task
        backend.write(own.start(starts.sample))
        backend.targets.mocap_pos[:, 0] = starts.mocap_pos
        backend.targets.mocap_quat[:, 0] = starts.mocap_quat
        backend.write_state(starts.qpos, starts.qvel)
        episodes.control.reset(backend.state, np.arange(n))
        memory: Memory = own.begin(backend.state, starts.sample)
        log = _Log()
        for action in np.clip(actions, -1.0, 1.0).swapaxes(0, 1):
            episodes.control.apply(action, backend.state)
            state = backend.step(own.substeps)
            memory = own.advance(state, memory, action)
            log.add(memory, own.success(state, memory))
        return log.trace(backend.failures)


def record(task: str, engine: str, policy: str, seeds: Sequence[EpisodeSeed], steps: int) -> tuple[Starts, Array]:
    """Run a policy, closed loop, and return where it started and its actions ``(n, T, A)``."""
    n, rows = len(seeds), np.arange(len(seeds))
    with closing(Episodes(task, engine, n)) as episodes:
        observation = episodes.begin(rows, seeds)
        starts = _starts(episodes, seeds)
        pilot = POLICIES[policy](episodes.task, n)
        pilot.reset(rows, seeds)
        actions = []
        for _ in range(steps):
            actions.append(pilot.act(np.concatenate([*observation.values()], axis=1)).copy())
            observation = episodes.step(actions[-1]).observation
        return starts, np.stack(actions, axis=1)


def _starts(episodes: Episodes, seeds: Sequence[EpisodeSeed]) -> Starts:
    state: State = episodes.backend.state
    targets = episodes.backend.targets
    return Starts(
        sample=episodes.draw(seeds),
        qpos=np.array(state.qpos),
        qvel=np.array(state.qvel),
        mocap_pos=np.array(targets.mocap_pos[:, 0]),
        mocap_quat=np.array(targets.mocap_quat[:, 0]),
    )


class _Log:
    """Collects steps."""

    def __init__(self) -> None:
        self._hand: list[Array] = []
        self._object: list[Array] = []
        self._success: list[Array] = []

    def add(self, memory: Memory, success: Array) -> None:
        """Enter a step."""
        self._hand.append(np.array(memory["frame"][:, :3]))
        self._object.append(np.array(memory["frame"][:, 4:7]))
        self._success.append(np.array(success, bool))

    def trace(self, failures: Mapping[int, str]) -> Trace:
        """Return all of it; a world that failed solved nothing."""
        success = np.stack(self._success, axis=1)
        success[list(failures)] = False
        return Trace(
            hand=np.stack(self._hand, axis=1),
            object=np.stack(self._object, axis=1),
            success=success,
            failed=dict(failures),
        )
