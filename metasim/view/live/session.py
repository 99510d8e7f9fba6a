"""A running task: N worlds under a policy, paused, stepped, begun again, dragged. Knows nothing of browsers.

World i runs the episodes i, i + N, ... after the one that was asked for, as in a vector environment. World
:attr:`Session.watched` is the one whose numbers are shown and whose joints are moved.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig, InvalidState, MetasimError, NotReady
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes
from metasim.envs.showing import show_factors, show_pictures
from metasim.view.live.config import LiveConfig, MakePolicy, registered_policy
from metasim.view.live.handles import Handle, check_range, handles
from metasim.view.live.poses import Frame, Poses
from metasim.view.live.show import Clock, Status

Array = Any
BUDGET_S = 0.04
"""Most time that one tick steps for; what is still owed then is forgotten, and the world runs slower than asked."""


class Session:
    """A task that runs.

    Args:
        config: What is run.
        make_policy: ``(name, task, num_worlds) -> Policy``; by default the registered ones.

    Attributes:
        config: What is run now.
        clock: Pause and speed.
        watched: The world that is watched.
        sample: Factor name to what was drawn for the watched world ``(K,)``.

    Raises:
        UnknownName: For an unknown task, engine or policy.
        UnsupportedFeature: If the engine cannot express the task's scene.
    """

    def __init__(self, config: LiveConfig, make_policy: MakePolicy = registered_policy) -> None:
        self.config, self.clock, self.watched, self.version = config, Clock(), 0, 0
        self._make_policy = make_policy
        self.num_worlds = n = config.num_worlds
        self.episodes = Episodes(config.task, config.backend, n, horizon=config.horizon)
        try:
            self.model, self.task = self.episodes.model, self.episodes.task
            self._policy = make_policy(config.policy, self.task, n)
            self._poses = Poses(self.model, n)
            self.sample: dict[str, Array] = {}
            self._indices = config.episode + np.arange(n)
            self._over, self._solved = np.zeros(n, bool), np.zeros(n, bool)
            self._success = np.zeros(n, bool)
            self._rewards: list[float] = []
            self._successes: list[bool] = []
            self._observation: Array = None
            self.reset()
        except BaseException:
            self.episodes.close()
            raise

    # -- time ---------------------------------------------------------------------------------------------------
    def tick(self, elapsed_s: float) -> bool:
        """Take the steps that real time asks for, as far as the budget of a tick goes."""
        due = self.clock.due(elapsed_s, self.episodes.control_period_s)
        until = time.perf_counter() + BUDGET_S
        for _ in range(due):
            self._advance()
            if time.perf_counter() > until:
                break
        return due > 0

    def step(self) -> None:
        """Pause, and take one step."""
        self.clock.pause()
        self._advance()

    # -- episodes -----------------------------------------------------------------------------------------------
    def reset(
        self,
        seed: int | None = None,
        episode: int | None = None,
        sample: Mapping[str, Array] | None = None,
    ) -> None:
        """Begin episodes in all worlds.

        Args:
            seed: Root seed; None for the present one.
            episode: Index of the first world's; None for the present one.
            sample: Factor name to the value ``(K,)`` that the watched world gets instead of what would be drawn.

        Raises:
            InvalidState: For a value outside the factor's range; nothing has changed then.
        """
        config = replace(
            self.config,
            seed=self.config.seed if seed is None else int(seed),
            episode=self.episode if episode is None else int(episode),
        )
        for name, value in (sample or {}).items():
            check_range(self.task, name, np.asarray(value, float), config.split)
        self._begin(np.arange(self.num_worlds), config.episode + np.arange(self.num_worlds), config, sample)
        self.config = config

    def next_episode(self) -> None:
        """Begin the next N episodes."""
        self.reset(episode=self.episode + self.num_worlds)

    # -- choices ------------------------------------------------------------------------------------------------
    def choose_policy(self, name: str) -> None:
        """Let another policy act from now on."""
        policy = self._make_policy(name, self.task, self.num_worlds)
        policy.reset(np.arange(self.num_worlds), self.seeds)
        show_factors(policy, self.episodes, np.arange(self.num_worlds), self.seeds)
        self._policy, self.config = policy, replace(self.config, policy=name)

    def choose_backend(self, name: str) -> None:
        """Begin the present episodes again in another engine; on an error, the present one goes on."""
        horizon = self.config.horizon
        old, new = self.episodes, Episodes(self.task.id, name, self.num_worlds, horizon=horizon, model=self.model)
        sample = dict(self.sample)
        self.episodes = new
        try:
            self.reset(sample=sample)
        except MetasimError:
            self.episodes = old
            new.close()
            raise
        self.config = replace(self.config, backend=name)
        old.close()

    @property
    def episode(self) -> int:
        """Index of the episode that the first world runs."""
        return int(self._indices[0])

    @property
    def seeds(self) -> list[EpisodeSeed]:
        """What identifies each world's present episode."""
        return [self._seed(self.config, int(index)) for index in self._indices]

    # -- dragging -----------------------------------------------------------------------------------------------
    @property
    def joints(self) -> Mapping[str, tuple[float, float, float]]:
        """Hinges and slides of the watched world: position, lower and upper limit [rad or m]."""
        info, qpos = self.model.info, self.episodes.backend.state.qpos[self.watched]
        return {
            name: (float(qpos[start]), float(low), float(high))
            for name, start, kind, (low, high) in zip(
                info.joints, info.qpos_start, info.joint_types, info.joint_range, strict=True
            )
            if kind in ("hinge", "slide")
        }

    def set_joint(self, name: str, value: float) -> None:
        """Move a hinge or slide of the watched world, which is at rest afterwards; only while paused.

        Raises:
            NotReady: If the session runs.
            InvalidState: For a value outside the joint's limits, or another kind of joint.
        """
        if not self.clock.paused:
            raise NotReady(f"pause before you move the joint {name!r}: the engine moves it as well")
        info, backend = self.model.info, self.episodes.backend
        joint = info.index("joint", name)
        if info.joint_types[joint] not in ("hinge", "slide"):
            raise InvalidState(
                f"joint {name!r} is a {info.joint_types[joint]} joint; one number moves hinges and slides"
            )
        low, high = info.joint_range[joint]
        if not low <= value <= high:
            raise InvalidState(f"joint {name!r} at {value:.4g} is outside its limits, {low:.4g} to {high:.4g}")
        rows = np.array([self.watched])
        qpos, qvel = np.array(backend.state.qpos[rows]), np.zeros_like(backend.state.qvel[rows])
        qpos[:, info.qpos_start[joint]] = value
        backend.write_state(qpos, qvel, rows)
        self.episodes.control.reset(backend.state, rows)

    def handles(self) -> tuple[Handle, ...]:
        """Return what of the start can be dragged."""
        return handles(self.task, self.model, self.sample, self.config.split)

    def start_of(self, handle: Handle) -> Array:
        """Return where a handle's thing stood when the watched world's episode began ``(3,)`` [m], world frame."""
        return handle.position(self._begun, self.watched)

    def drag(self, handle: Handle, position: Array) -> None:
        """Begin the present episodes again, with a goal or object at ``position`` ``(3,)`` [m] in the watched world.

        Raises:
            InvalidState: If that is outside the task's range; nothing has changed then.
        """
        value = handle.value(self.sample, self._begun, position, self.watched)
        self.reset(sample={**self.sample, handle.factor: value})

    # -- what is seen -------------------------------------------------------------------------------------------
    def frame(self) -> Frame:
        """Return where everything is."""
        return self._poses.read(self.episodes)

    def status(self) -> Status:
        """Return what is going on."""
        e, w = self.episodes, self.watched
        return Status(
            task=self.task.id,
            backend=self.config.backend,
            policy=self.config.policy,
            seed=self.config.seed,
            episode=int(self._indices[w]),
            step=len(self._rewards),
            steps=e.horizon,
            time_s=len(self._rewards) * e.control_period_s,
            reward=self._rewards[-1] if self._rewards else 0.0,
            total=float(sum(self._rewards)),
            success=bool(self._success[w]),
            solved=bool(self._solved[w]),
            solved_worlds=int(self._solved.sum()),
            num_worlds=self.num_worlds,
            ended=bool(self._over[w]),
            failure=e.failure(w) or "",
            contacts=self._contacts(),
        )

    def curves(self) -> tuple[Sequence[float], Sequence[bool]]:
        """Return rewards and successes of the watched episode so far."""
        return self._rewards, self._successes

    def close(self) -> None:
        """Free the engine; may be called twice."""
        self.episodes.close()

    # -- inside -------------------------------------------------------------------------------------------------
    def _advance(self) -> None:
        n, w = self.num_worlds, self.watched
        over = np.flatnonzero(self._over)
        if len(over) and self.config.go_on:
            self._begin(over, self._indices[over] + n, self.config)
        if self._over.all():
            self.clock.pause()
            return
        was_over = self._over.copy()
        show_pictures(self._policy, self.episodes)
        step = self.episodes.step(self._policy.act(self._observation))
        self._observation = _flat(step.observation)
        self._success = np.where(was_over, self._success, step.success)
        self._solved |= self._success
        self._over |= step.terminated | step.truncated
        if not was_over[w]:
            self._rewards.append(float(step.reward[w]))
            self._successes.append(bool(step.success[w]))

    def _begin(
        self, rows: Array, indices: Array, config: LiveConfig, sample: Mapping[str, Array] | None = None
    ) -> None:
        seeds = [self._seed(config, int(index)) for index in indices]
        watched = np.flatnonzero(rows == self.watched)
        drawn = self.episodes.draw(seeds)
        for name, value in (sample or {}).items():
            if name not in drawn:
                raise InvalidConfig(f"no factor named {name!r}; task {self.task.id!r} varies {list(drawn)}")
            drawn[name][watched] = np.asarray(value, float)
        begun = _flat(self.episodes.begin(rows, seeds, drawn if sample else None))
        if self._observation is None:
            self._observation = np.zeros((self.num_worlds, begun.shape[1]), begun.dtype)
        self._observation = np.array(self._observation)
        self._observation[rows] = begun
        self._policy.reset(rows, seeds)
        show_factors(self._policy, self.episodes, rows, seeds, drawn)
        self._indices[rows] = indices
        self._over[rows] = self._solved[rows] = self._success[rows] = False
        self._poses.refresh(self.episodes)
        if len(watched):
            self.sample = {name: np.array(values[watched[0]]) for name, values in drawn.items()}
            self._rewards, self._successes = [], []
            self._begun = self.frame()

    def _seed(self, config: LiveConfig, episode: int) -> EpisodeSeed:
        return EpisodeSeed(root=config.seed, task=self.task.id, episode=episode, split=config.split)

    def _contacts(self) -> tuple[tuple[str, float], ...]:
        state, found = self.episodes.backend.state, []
        for a, b in self.model.reads.contacts:
            contact = state.contact(a, b)
            if contact.count[self.watched] > 0:
                found.append((f"{a} - {b}", float(np.linalg.norm(contact.force[self.watched]))))
        return tuple(found)


def _flat(named: Mapping[str, Array]) -> Array:
    return np.concatenate([*named.values()], axis=1)
