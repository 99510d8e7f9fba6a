"""Which checkpoints of a training stand for medium and expert, and for how it got there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metasim.core.errors import MetasimError
from metasim.policies.training.config import Row

RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen checkpoints of a training.

    Attributes:
        random: Mean return of random actions.
        medium: The first evaluation whose return is ``share`` of the way from random to the best.
        expert: The evaluation that ranks best.
        share: See ``medium``.
    """

    random: float
    medium: Row
    expert: Row
    share: float


def choose(rows: Sequence[Row], random: float, share: float) -> Choice:
    """Choose from a learning curve.

    Args:
        rows: The curve.
        random: Mean return of random actions.
        share: How far from random to the best return ``medium`` is, in (0, 1).

    Raises:
        MetasimError: If nothing was learned.
    """
    expert = max(rows, key=lambda row: (row.eval_success_last, row.eval_return))
    if expert.eval_return <= random:
        raise MetasimError(
            f"the training learned nothing: its best return is {expert.eval_return:.4g}, that of random actions"
            f" {random:.4g}; train longer, or with other settings"
        )
    wanted = random + share * (expert.eval_return - random)
    medium = next(row for row in rows if row.eval_return >= wanted)
    return Choice(random=random, medium=medium, expert=expert, share=share)


def stages(rows: Sequence[Row], medium: Row, warmup: int, episodes: int) -> list[tuple[int, int]]:
    """Return what acts in each of the episodes that a training had up to a checkpoint, in its order.

    The episodes are spread evenly over the training's steps; each has the policy that was saved at the end of its
    stretch between two evaluations, or random actions as long as the training took those.

    Args:
        rows: The curve.
        medium: Where it ends.
        warmup: Steps of random actions.
        episodes: Number of episodes.

    Returns:
        Steps of the checkpoint, 0 for random actions, and number of episodes, for each that has any.
    """
    counts: dict[int, int] = {}
    for k in range(episodes):
        at = (k + 0.5) / episodes * medium.steps
        steps = 0 if at < warmup else next(row.steps for row in rows if row.steps >= at)
        counts[steps] = counts.get(steps, 0) + 1
    return list(counts.items())


def checkpoint(folder: Path, steps: int) -> Path:
    """Return the file of a checkpoint."""
    return folder / f"step_{steps:010d}.safetensors"
