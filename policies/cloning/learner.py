"""The learner: gradient steps on recorded actions, whose whole state is a file without pickle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import MissingDependency
from metasim.policies.cloning.config import CloneConfig, CloneSettings
from metasim.policies.cloning.data import Demonstrations
from metasim.policies.cloning.network import dense, dense_sizes, fresh, picture_sizes, points, seeing
from metasim.policies.learned import InvalidPolicy
from metasim.policies.state_file import read_state, write_state

try:
    import torch  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'training needs {error.name!r}, which is not installed: pip install "metasim-robotics[learn]"'
    ) from error

Array = Any
SCHEMA = "metasim.cloning/1"
_EVALUATED = 512  # rows at a time
_WARM = 0.1  # share of the steps in which the learning rate rises


class Learner:
    """Weights, their running average, and an optimiser.

    Args:
        data: What is learned.
        config: How.

    Attributes:
        steps: Gradient steps so far.
    """

    def __init__(self, data: Demonstrations, config: CloneConfig) -> None:
        self.settings: CloneSettings = config.settings
        self._seed, self._cameras = config.seed, tuple(sorted(config.cameras))
        self.mean, self.deviation = data.spread(data.columns)
        seen = (data.observation[:, list(data.columns)] - self.mean) / self.deviation
        limit = self.settings.clip
        self._x = torch.from_numpy(np.clip(seen, -limit, limit).astype(np.float32))
        self._actions = torch.from_numpy(data.actions)
        self._pictures = {name: torch.from_numpy(data.pictures[name]) for name in self._cameras}
        self._hints = self._what_is_hidden(data)
        self._train = torch.from_numpy(np.flatnonzero(~data.valid))
        self._valid = torch.from_numpy(np.flatnonzero(data.valid))
        sizes, width = list[tuple[str, tuple[int, ...]]](), len(data.columns)
        if self._cameras:
            count = self._hints.shape[1]
            sizes, width = picture_sizes(self._cameras, width, count), width + points(self._cameras) + count
        sizes += dense_sizes(width, self.settings.hidden, data.actions.shape[1])
        self._weights = {k: v.requires_grad_() for k, v in fresh(sizes, self._seed).items()}
        self._average = {k: v.detach().clone() for k, v in self._weights.items()}
        self._optimiser = torch.optim.AdamW([*self._weights.values()], weight_decay=self.settings.weight_decay)
        self.steps = 0

    def learn(self, steps: int) -> float:
        """Take gradient steps and return the mean loss of actions over them."""
        s, total = self.settings, 0.0
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.steps)
        drawn = torch.randint(len(self._train), (steps, s.batch_size), generator=generator)
        for batch in self._train[drawn]:
            loss, hints = self._losses(self._weights, batch)
            self._optimiser.zero_grad()
            (loss + s.hints * hints).backward()
            for group in self._optimiser.param_groups:
                group["lr"] = s.learning_rate * _rate(self.steps / s.steps)
            self._optimiser.step()
            self.steps += 1
            kept = min(s.average, (1 + self.steps) / (10 + self.steps))
            with torch.no_grad():
                for name, weight in self._weights.items():
                    self._average[name].lerp_(weight, 1.0 - kept)
            total += float(loss.detach())
        return total / steps

    def validate(self) -> float | None:
        """Return the averaged weights' loss on what is held out; None if nothing is."""
        if not len(self._valid):
            return None
        total = 0.0
        with torch.no_grad():
            for rows in self._valid.split(_EVALUATED):
                total += float(self._losses(self._average, rows)[0]) * len(rows)
        return total / len(self._valid)

    @property
    def weights(self) -> dict[str, Array]:
        """The averaged weights."""
        return {name: value.numpy().copy() for name, value in self._average.items()}

    def save(self, path: Path, extra: Mapping[str, Any]) -> None:
        """Write the whole state, and plain JSON values ``extra``, all or nothing."""
        arrays = {f"weights.{k}": v.detach() for k, v in self._weights.items()}
        arrays |= {f"average.{k}": v for k, v in self._average.items()}
        for name, weight in self._weights.items():
            arrays |= {f"optimiser.{name}.{k}": v for k, v in self._optimiser.state[weight].items()}
        write_state(path, SCHEMA, {"steps": self.steps, **extra}, {k: v.numpy() for k, v in arrays.items()})

    def load(self, path: Path) -> None:
        """Put a saved state back.

        Raises:
            InvalidPolicy: If it is damaged, or of another training.
            InvalidConfig: If it was written under another version of torch.
        """
        header, state = read_state(path, SCHEMA)
        arrays = {name: torch.from_numpy(value) for name, value in state.items()}
        try:
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(arrays[f"weights.{name}"])
                    self._average[name].copy_(arrays[f"average.{name}"])
                    begin = f"optimiser.{name}."
                    kept = {k.removeprefix(begin): v for k, v in arrays.items() if k.startswith(begin)}
                    self._optimiser.state[weight] = kept
        except (KeyError, RuntimeError) as error:
            raise InvalidPolicy(f"{path} does not fit this training ({error}); delete it to begin anew") from error
        self.steps = header["steps"]

    def _losses(self, weights: Mapping[str, Any], rows: Any) -> tuple[Any, Any]:
        x, wanted = self._x[rows], self._actions[rows]
        if not self._cameras:
            return torch.square(dense(weights, x) - wanted).mean(), 0.0
        actions, hints = seeing(weights, x, {name: shots[rows] for name, shots in self._pictures.items()})
        off = torch.square(hints - self._hints[rows]).mean() if self._hints.shape[1] else 0.0
        return torch.square(actions - wanted).mean(), off

    def _what_is_hidden(self, data: Demonstrations) -> Any:
        """Return the hidden columns that vary, normalised: what convolutions learn to tell from pictures."""
        columns = [k for k in data.hidden if np.ptp(data.observation[:, k]) > 1e-6]
        mean, deviation = data.spread(columns)
        return torch.from_numpy(((data.observation[:, columns] - mean) / deviation).astype(np.float32))


def _rate(share: float) -> float:
    """Return the learning rate as a share of its highest, after a share of the steps."""
    if share < _WARM:
        return (share + 1e-3) / (_WARM + 1e-3)
    return 0.5 * (1.0 + math.cos(math.pi * (share - _WARM) / (1.0 - _WARM)))
