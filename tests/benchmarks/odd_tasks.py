"""Tasks that go wrong in half of their episodes, or end early."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.backend import Start
from metasim.core.task import register
from metasim.core.task_files import load_task_module

Touch: Any = load_task_module(str(Path(__file__).parents[1] / "cli" / "my_task.py")).Touch
FAST = 1e13  # rad/s, more than MuJoCo follows


@register("test/half-breaks-v0", horizon=8)
class HalfBreaks(Touch):
    """Episodes whose goal lies at negative y begin with a speed that no engine survives."""

    def start(self, sample: Any) -> Start:
        """Add the speed."""
        y = np.asarray(sample["goal"])[:, 1]
        joint = "lbr_iiwa_joint_1"
        speed = np.where(y < 0, FAST, 0.0)[:, None]
        return Start(
            joints={joint: np.zeros((len(y), 1))},
            velocities={joint: speed},
            sites=super().start(sample).sites,
        )


@register("test/odd-reward-v0", horizon=8)
class OddReward(Touch):
    """The reward is no number in the first step of episodes whose goal lies at negative y."""

    def reward(self, state: Any, memory: Any, action: Any) -> Any:
        """Return 1, or no number."""
        return np.where(state.site("goal").pos[:, 1] < 0, math.nan, 1.0)


@register("test/ends-v0", horizon=8)
class Ends(Touch):
    """The task ends at its third step; solved in the second only."""

    def begin(self, state: Any, sample: Any) -> Any:
        """Count from 0."""
        return {"step": np.zeros(state.num_worlds)}

    def advance(self, state: Any, memory: Any, action: Any) -> Any:
        """Count."""
        return {"step": memory["step"] + 1}

    def success(self, state: Any, memory: Any) -> Any:
        """Compare with 2."""
        return memory["step"] == 2

    def terminated(self, state: Any, memory: Any) -> Any:
        """Compare with 3."""
        return memory["step"] >= 3
