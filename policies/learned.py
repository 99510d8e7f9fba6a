"""Policies that were learned: a small network in one file, which acts without the library that trained it.

A file is safetensors: the layers' weights, and a header with JSON that says which task, sizes and training they are
for, and a checksum of the weights. Nothing in it is executed. Actions of one world do not depend on how many worlds
are in the batch, to the bit, so that results do not either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import MetasimError, MissingDependency
from metasim.work import write_atomically

Array = Any
SCHEMA = "metasim.policy/1"
FILE = "policy.safetensors"
"""The file that is meant where a folder is given."""
_LOG_DEVIATION = (-20.0, 2.0)  # the range that Stable-Baselines3's SAC keeps to
_HEADER = "metasim"
_ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0.0)}


class InvalidPolicy(MetasimError, ValueError):
    """A policy file that is not what it should be, or a policy for another task."""


@dataclass(frozen=True, kw_only=True)
class PolicyInfo:
    """What a learned policy is for, and where it comes from.

    Attributes:
        algorithm: What trained it.
        task: Task id.
        backend: Engine it was trained in.
        observation_size: D, what is shown included.
        action_size: A.
        activation: ``"tanh"`` or ``"relu"``, between layers.
        squash: Whether actions are the last layer's tanh, else they are clipped.
        clip_observation: Normalised observations are clipped to so many deviations.
        seed: Root seed of the training.
        steps: Environment steps it was trained for.
        versions: Package to version.
        shown: Factors of the episode whose values stand at the end of what it observes, in this order.
    """

    algorithm: str
    task: str
    backend: str
    observation_size: int
    action_size: int
    activation: str
    squash: bool
    clip_observation: float
    seed: int
    steps: int
    versions: Mapping[str, str]
    shown: tuple[str, ...] = ()


class Learned:
    """A network of dense layers from flat observations to actions; a policy of any number of worlds.

    Args:
        info: What it is for.
        weights: ``layers.K.weight`` ``(out, in)`` and ``layers.K.bias`` ``(out,)`` from K = 0, and, for observations
            that are normalised first, ``observation.mean`` and ``observation.deviation`` ``(D,)``. What it explored
            with, if known: ``spread.bias`` ``(A,)``, the logarithm of each action's deviation before squashing, and
            ``spread.weight`` ``(A, last hidden)`` where that depends on the observation.

    Raises:
        InvalidPolicy: For weights that do not fit together, or are not finite.
    """

    def __init__(self, info: PolicyInfo, weights: Mapping[str, Array]) -> None:
        self.info = info
        self.weights = {name: np.ascontiguousarray(weights[name]) for name in sorted(weights)}
        count = sum(name.startswith("layers.") and name.endswith(".weight") for name in weights)
        try:
            self._layers = [(weights[f"layers.{k}.weight"], weights[f"layers.{k}.bias"]) for k in range(count)]
        except KeyError as error:
            raise InvalidPolicy(f"the layers are not numbered from 0 without gaps: there is no {error}") from None
        self._mean, self._deviation = weights.get("observation.mean"), weights.get("observation.deviation")
        self._spread = weights.get("spread.weight"), weights.get("spread.bias")
        self._check()
        self._activation = _ACTIVATIONS[info.activation]

    def reset(self, rows: Array, seeds: Sequence[Any]) -> None:
        """Begin episodes; nothing is remembered."""

    def act(self, observation: Array, noise: Array = None) -> Array:
        """Return actions ``(N, A)`` float32 for flat observations ``(N, D)``.

        Args:
            observation: What it sees, factors that are shown included.
            noise: ``(N, A)`` float32, in deviations that it explored with; None for none.

        Raises:
            InvalidPolicy: For observations of another size, or noise where its deviations are not known.
        """
        x = np.asarray(observation)
        if x.ndim != 2 or x.shape[1] != self.info.observation_size:
            raise InvalidPolicy(f"the policy takes observations (N, {self.info.observation_size}), got {x.shape}")
        if self._mean is not None:
            limit = self.info.clip_observation
            x = np.clip((x - self._mean) / self._deviation, -limit, limit)
        x = hidden = x.astype(np.float32)
        for k, (weight, bias) in enumerate(self._layers):
            if k:
                hidden = x = self._activation(x)
            x = _dense(x, weight) + bias
        if noise is not None:
            x = x + self._deviations(hidden) * noise
        return np.tanh(x) if self.info.squash else np.clip(x, -1.0, 1.0)

    @property
    def explores(self) -> bool:
        """Whether it is known what the policy explored with."""
        return self._spread[1] is not None

    @property
    def name(self) -> str:
        """The algorithm and a digest of the file: what results and datasets call the policy."""
        return f"{self.info.algorithm}-{hashlib.sha256(self.to_bytes()).hexdigest()[:12]}"

    def to_bytes(self) -> bytes:
        """Return the file; equal policies, equal bytes."""
        header = {"schema": SCHEMA, "sha256": _digest(self.weights), **asdict(self.info)}
        if not self.info.shown:
            del header["shown"]  # policies that are shown nothing keep the names they had before
        text = json.dumps(header, sort_keys=True, allow_nan=False)
        return _safetensors("safetensors.numpy").save(self.weights, metadata={_HEADER: text})

    def save(self, path: str | Path) -> Path:
        """Write the file, all or nothing."""
        return write_atomically(path, self.to_bytes())

    def _deviations(self, hidden: Array) -> Array:
        weight, bias = self._spread
        if bias is None:
            raise InvalidPolicy("the policy's file does not say what it explored with; train it again to have noise")
        logarithm = bias if weight is None else _dense(hidden, weight) + bias
        return np.exp(np.clip(logarithm, *_LOG_DEVIATION))

    def _check(self) -> None:
        info, size = self.info, self.info.observation_size
        if info.activation not in _ACTIVATIONS:
            raise InvalidPolicy(f"activation must be one of {list(_ACTIVATIONS)}, got {info.activation!r}")
        for k, (weight, bias) in enumerate(self._layers):
            if weight.ndim != 2 or weight.shape[1] != size or bias.shape != weight.shape[:1]:
                raise InvalidPolicy(f"layer {k} takes {size} numbers, but its weights are {weight.shape}, {bias.shape}")
            size = weight.shape[0]
        if not self._layers or size != info.action_size:
            raise InvalidPolicy(f"the last layer gives {size} numbers, the actions have {info.action_size}")
        shapes = {() if value is None else value.shape for value in (self._mean, self._deviation)}
        if shapes not in ({()}, {(info.observation_size,)}):
            raise InvalidPolicy(f"mean and deviation of observations must be ({info.observation_size},), got {shapes}")
        weight, bias = self._spread
        width = self._layers[-1][0].shape[1]
        if (bias is not None and bias.shape != (info.action_size,)) or (
            weight is not None and (bias is None or weight.shape != (info.action_size, width))
        ):
            raise InvalidPolicy(f"spread must have a bias ({info.action_size},) and a weight (.., {width}), if any")
        odd = [name for name, value in self.weights.items() if not np.isfinite(value).all()]
        if odd:
            raise InvalidPolicy(f"{odd[0]} has values that are not finite")


def load_policy(path: str | Path) -> Learned:
    """Read a policy from a file, or from the folder that a training wrote.

    Raises:
        InvalidPolicy: If there is none, or it is cut short, damaged, or of another kind.
    """
    file = policy_file(path)
    library = _safetensors("safetensors")
    try:
        with library.safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  no mapping
    except library.SafetensorError as error:
        raise InvalidPolicy(f"{file} is damaged or no policy file ({error}); train it again") from error
    try:
        header = json.loads(metadata[_HEADER])
        schema, digest = header.pop("schema"), header.pop("sha256")
        if schema != SCHEMA:
            raise InvalidPolicy(f"{file}: expected {SCHEMA!r}, got {schema!r}")
        if digest != _digest(weights):
            raise InvalidPolicy(f"{file} is damaged: its weights are not those that were saved; train it again")
        header["shown"] = tuple(header.get("shown", ()))
        return Learned(PolicyInfo(**header), weights)
    except InvalidPolicy as error:
        raise InvalidPolicy(str(error) if str(file) in str(error) else f"{file}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wanted = [f.name for f in fields(PolicyInfo)]
        raise InvalidPolicy(f"{file} has no header of a policy, which has {wanted}; see `metasim train`") from error


def policy_file(path: str | Path) -> Path:
    """Return the file that a path means.

    Raises:
        InvalidPolicy: If there is none.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise InvalidPolicy(f"there is no policy file {file}; `metasim train` writes them")
    return file


def _digest(weights: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _dense(x: Array, weight: Array) -> Array:
    """Return x times the transposed weight; a matrix product's bits would depend on the number of rows."""
    return np.einsum("ni,oi->no", x, weight)


def _safetensors(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            'learned policies need safetensors, which is not installed: pip install "metasim-robotics[learn]"'
        ) from error
