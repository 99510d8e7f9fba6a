"""What to clone, from which file, and how a training reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.policies.learned import FILE

ENDING = ".safetensors"
ALGORITHM = "bc"


def _check(name: str, value: Any, *, whole: bool = False, low: float, high: float = float("inf")) -> None:
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        wanted = "a whole number" if whole else "a number"
        upto = f"from {low} to {high}" if high < float("inf") else f"of {low} or more"
        raise InvalidConfig(f"{name} must be {wanted} {upto}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class CloneSettings:
    """Hyperparameters of behaviour cloning.

    Args:
        steps: Gradient steps.
        batch_size: Recorded steps per gradient step.
        learning_rate: Highest one, of AdamW; it rises over the first tenth and falls to nothing on a cosine.
        weight_decay: Of AdamW.
        hidden: Units of the hidden layers.
        average: How much of the running average of the weights, which is the policy, a step keeps.
        valid: Share of the episodes that are held out, and measured only.
        clip: Normalised observations are clipped to so many deviations.
        hints: With pictures: weight of the loss by which the convolutions learn to say where the hidden things are.

    Raises:
        InvalidConfig: For a value that cannot work.
    """

    steps: int = 8_000
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    hidden: tuple[int, ...] = (256, 256)
    average: float = 0.999
    valid: float = 0.1
    clip: float = 10.0
    hints: float = 1.0

    def __post_init__(self) -> None:
        """Check values."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for name in ("steps", "batch_size"):
            _check(name, getattr(self, name), whole=True, low=1)
        for size in self.hidden:
            _check("hidden, each of them,", size, whole=True, low=1)
        for name in ("learning_rate", "clip"):
            _check(name, getattr(self, name), low=1e-12)
        for name in ("weight_decay", "hints"):
            _check(name, getattr(self, name), low=0.0)
        for name in ("average", "valid"):
            _check(name, getattr(self, name), low=0.0, high=0.9999)


STATES, PICTURES = CloneSettings(), CloneSettings(steps=5_000, batch_size=64, learning_rate=1e-3)
"""Of policies that see numbers only, and of those that see pictures as well."""


@dataclass(frozen=True, kw_only=True)
class CloneConfig:
    """A cloning; ``out`` and ``every`` decide nothing of what is learned, save where it is written down.

    Args:
        path: The dataset, of one task.
        out: The policy's file, whose name ends in ``.safetensors``, or a folder that it is written into.
        cameras: Camera to height and width of the pictures that the policy sees, which the dataset has to have.
        hide: Names of observations that it does not see, or globs such as ``cube*``.
        see: The only ones that it sees; empty for all.
        seed: Of weights and sampling.
        every: Gradient steps between checkpoints, each with a row of the learning curve.
        threads: Threads of torch; other numbers give other bits.
        changes: Hyperparameters that differ from the defaults.

    Raises:
        UnknownName: For an unknown hyperparameter.
        InvalidConfig: For a value that cannot work.
    """

    path: Path
    out: Path
    cameras: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    hide: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    seed: int = 0
    every: int = 1_000
    threads: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Check."""
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "out", Path(self.out))
        for name, low in (("seed", 0), ("every", 1), ("threads", 1)):
            _check(name, getattr(self, name), whole=True, low=low, high=2**31 - 1)
        for camera, size in self.cameras.items():
            if len(size) != 2 or min(size) < 32 or max(size) > 512:
                raise InvalidConfig(f"pictures of {camera!r} must be of 32 to 512 pixels a side, got {size!r}")
        if self.hide and self.see:
            raise InvalidConfig("say what the policy sees, or what is hidden from it, not both")
        if self.out.is_file() and self.out.suffix != ENDING:
            raise InvalidConfig(f"a policy is a file *{ENDING}, or a folder; {self.out} is another file")
        _ = self.settings

    @property
    def settings(self) -> CloneSettings:
        """The hyperparameters."""
        base = PICTURES if self.cameras else STATES
        valid = [known.name for known in fields(base)]
        for name in self.changes:
            if name not in valid:
                raise UnknownName(f"hyperparameter of {ALGORITHM}", name, valid)
        return replace(base, **dict(self.changes))

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.out if self.out.suffix == ENDING else self.out / FILE

    @property
    def folder(self) -> Path:
        """Where curve, settings and state are: beside the policy's file, or in the folder that was given."""
        return self.out.with_suffix(".run") if self.out.suffix == ENDING else self.out

    def arguments(self) -> dict[str, Any]:
        """Return what decides the outcome besides the data, as plain JSON values."""
        return {
            "cameras": {name: list(size) for name, size in self.cameras.items()},
            "hide": list(self.hide),
            "see": list(self.see),
            "seed": self.seed,
            "every": self.every,
            "threads": self.threads,
            "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.settings).items()},
        }


@dataclass(frozen=True, kw_only=True)
class CloneRow:
    """A point of the learning curve: mean squares of what an action is off, over its components.

    Attributes:
        steps: Gradient steps so far.
        train_loss: Mean over the batches since the last row.
        valid_loss: Of the averaged weights, on the episodes that are held out; None if there are none.
    """

    steps: int
    train_loss: float
    valid_loss: float | None


@dataclass(frozen=True, kw_only=True)
class CloneProgress:
    """How far a cloning is.

    Attributes:
        task: Its task.
        done: Gradient steps taken.
        wanted: Gradient steps in all.
        row: The last row of the learning curve, or None.
        elapsed_s: Since the call.
    """

    task: str
    done: int
    wanted: int
    row: CloneRow | None
    elapsed_s: float
