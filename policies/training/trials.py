"""Evaluation during a training: the same episodes every time, none of which the training sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.protocol import protocol_goals
from metasim.envs import VectorTaskEnv
from metasim.envs.making import GOAL
from metasim.policies.learned import Learned
from metasim.policies.training.config import TrainConfig

Array = Any
_ROOT_OFFSET = 2**31
"""Added to the training's root seed, which is smaller, for that of the evaluated episodes."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Means over episodes: return, solved at any step, solved at the last."""

    eval_return: float
    eval_success_any: float
    eval_success_last: float


class Trials:
    """One episode in each of as many worlds as there are to evaluate; with goals, episode i has goal i."""

    def __init__(self, config: TrainConfig) -> None:
        self._root = config.seed + _ROOT_OFFSET
        self._env = VectorTaskEnv(
            config.task,
            config.evaluation_episodes,
            backend=config.backend,
            workers=config.workers,
            horizon=config.horizon,
            autoreset_mode="disabled",
        )
        observed = any(column.name == GOAL for column in self._env.observer.layout)
        self._sample: dict[str, Array] = {}
        if config.goals:
            if observed and not config.show_goals:
                self.close()
                raise InvalidConfig(f"{config.task} observes its goal: give show_goals, which its policies need")
            factor, goals = protocol_goals(config.goals, (config.task,), config.seed)
            values = goals[config.task]
            self._sample[factor] = values[np.arange(config.evaluation_episodes) % len(values)]
        self._shown = np.zeros((config.evaluation_episodes, 0))
        if config.show_goals and not observed:
            self._shown = next(iter(self._sample.values()))

    def run(self, policy: Learned) -> Score:
        """Run all episodes to their end; the policy does not explore."""
        env, n = self._env, self._env.num_envs
        observation, _ = env.reset(seed=self._root, options={"sample": self._sample})
        alive, total = np.ones(n, bool), np.zeros(n)
        solved, last = np.zeros(n, bool), np.zeros(n, bool)
        while alive.any():
            action = policy.act(np.concatenate([observation, self._shown], axis=1))
            observation, reward, terminated, truncated, info = env.step(action)
            total += np.where(alive, reward, 0.0)
            success: Any = info["success"]
            solved |= alive & success
            last = np.where(alive, success, last)
            alive &= ~(terminated | truncated)
        return Score(
            eval_return=float(total.mean()),
            eval_success_any=float(solved.mean()),
            eval_success_last=float(last.mean()),
        )

    def close(self) -> None:
        """Free the engine."""
        self._env.close()
