"""The task's expert, disturbed: white noise, a random walk, or actions that stick.

Where it goes wrong it also shows how to recover, which demonstrations of the bare expert never do. The noise of an
episode is drawn from the episode's own stream, whoever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from metasim.core.policy_spec import Parameter
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.policies.scripted import Draws, Expert, action_size

Array = Any
SIGMA = Parameter(name="sigma", default=0.1, low=0.0, high=10.0, about="standard deviation, in units of the action")
THETA = Parameter(name="theta", default=0.15, low=0.0, high=1.0, about="share of the walk that a step forgets")
REPEAT = Parameter(name="p", default=0.25, low=0.0, high=1.0, about="probability that a step repeats the last action")


class NoisyExpert(Expert):
    """The expert with Gaussian noise on every component, clipped to the action space.

    Args:
        task: The task, or its class.
        num_worlds: N.
        sigma: Standard deviation of the noise, in units of the action.

    Raises:
        InvalidConfig: If the task has no expert, or sigma is out of range.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (SIGMA,)

    def __init__(self, task: Task | type[Task], num_worlds: int, sigma: float = SIGMA.default) -> None:
        super().__init__(task, num_worlds)
        self.sigma = SIGMA.checked(sigma, "noisy-expert")
        self._noise = Draws(num_worlds, action_size(task), "standard_normal")

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes, each with its own noise."""
        self._noise.reset(rows, seeds)

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""
        noisy = super().act(observation) + np.float32(self.sigma) * self._noise.next()
        return np.clip(noisy, -1.0, 1.0)


class RandomWalk(Expert):
    """The expert, pushed off by a random walk on every component, clipped to the action space.

    The walk is x(0) = sigma n(0), x(t) = (1 - theta) x(t - 1) + sigma sqrt(1 - (1 - theta)^2) n(t) with standard normal
    n: an Ornstein-Uhlenbeck process, read off once a step. At every step it has the standard deviation sigma, and k
    steps apart the correlation (1 - theta)^k; theta = 1 is white noise, theta = 0 an offset that stays all episode.

    Args:
        task: The task, or its class.
        num_worlds: N.
        sigma: Standard deviation of the walk, in units of the action.
        theta: Share of the walk that a step forgets, in [0, 1].

    Raises:
        InvalidConfig: If the task has no expert, or a parameter is out of range.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (SIGMA, THETA)

    def __init__(
        self,
        task: Task | type[Task],
        num_worlds: int,
        sigma: float = SIGMA.default,
        theta: float = THETA.default,
    ) -> None:
        super().__init__(task, num_worlds)
        self.sigma, self.theta = SIGMA.checked(sigma, "random-walk"), THETA.checked(theta, "random-walk")
        kept = 1.0 - self.theta
        self._kept, self._push = np.float32(kept), np.float32(self.sigma * np.sqrt(1.0 - kept * kept))
        self._noise = Draws(num_worlds, action_size(task), "standard_normal")
        self._walk = np.zeros((num_worlds, action_size(task)), np.float32)
        self._fresh = np.zeros((num_worlds, 1), bool)

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes, each with its own walk."""
        self._noise.reset(rows, seeds)
        self._fresh[rows] = True

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""
        noise = self._noise.next()
        walked = self._kept * self._walk + self._push * noise
        self._walk = np.where(self._fresh, np.float32(self.sigma) * noise, walked)
        self._fresh[:] = False
        return np.clip(super().act(observation) + self._walk, -1.0, 1.0)


class ActionRepeat(Expert):
    """The expert with actions that stick: each step repeats the last action with probability p.

    So an action holds for 1 / (1 - p) steps on average; an episode's first one is always the expert's.

    Args:
        task: The task, or its class.
        num_worlds: N.
        p: Probability, in [0, 1].

    Raises:
        InvalidConfig: If the task has no expert, or p is out of range.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (REPEAT,)

    def __init__(self, task: Task | type[Task], num_worlds: int, p: float = REPEAT.default) -> None:
        super().__init__(task, num_worlds)
        self.p = REPEAT.checked(p, "action-repeat")
        self._draws = Draws(num_worlds, 1, "random")
        self._last = np.zeros((num_worlds, action_size(task)), np.float32)
        self._fresh = np.zeros((num_worlds, 1), bool)

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes, each with its own draws."""
        self._draws.reset(rows, seeds)
        self._fresh[rows] = True

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)``."""
        stuck = (self._draws.next() < self.p) & ~self._fresh
        self._last = np.where(stuck, self._last, super().act(observation))
        self._fresh[:] = False
        return self._last.copy()
