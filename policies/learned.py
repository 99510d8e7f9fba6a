"""Policies that were learned: a small network in one file, which acts without the library that trained it.

A file is safetensors: the layers' weights, and a header with JSON that says which task, sizes and training they are
for, and a checksum of the weights. Nothing in it is executed. Actions of one world do not depend on how many worlds
are in the batch, to the bit, so that results do not either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import MetasimError, MissingDependency
from metasim.work import write_atomically

Array = Any
SCHEMA, SEEING_SCHEMA = SCHEMAS = "metasim.policy/1", "metasim.seeing-policy/1"
"""Of files of policies that see numbers only, and of those that see pictures as well."""
FILE = "policy.safetensors"
"""The file that is meant where a folder is given."""
_LOG_DEVIATION = (-20.0, 2.0)  # the range that Stable-Baselines3's SAC keeps to
HEADER = "metasim"
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
        columns: Numbers of the columns of the observation that it sees; empty for all.
        cameras: Camera to height and width of the pictures that it sees.
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
    columns: tuple[int, ...] = ()
    cameras: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    @property
    def seen_size(self) -> int:
        """How many numbers of an observation it sees."""
        return len(self.columns) or self.observation_size

    def seen(self, observation: Array, mean: Array = None, deviation: Array = None) -> Array:
        """Return the columns ``(N, S)`` that it sees of observations ``(N, D)``, normalised, float32.

        Raises:
            InvalidPolicy: For observations of another size.
        """
        x = np.asarray(observation)
        if x.ndim != 2 or x.shape[1] != self.observation_size:
            raise InvalidPolicy(f"the policy takes observations (N, {self.observation_size}), got {x.shape}")
        if self.columns:
            x = x[:, list(self.columns)]
        if mean is not None:
            x = np.clip((x - mean) / deviation, -self.clip_observation, self.clip_observation)
        return x.astype(np.float32)

    def header(self, schema: str, weights: Mapping[str, Array]) -> str:
        """Return what stands in the head of a file: JSON, without what the policy does not use."""
        said = {"schema": schema, "sha256": digest(weights), **asdict(self)}
        for name in ("shown", "columns", "cameras"):
            if not said[name]:
                del said[name]  # so that policies without it keep the names they had before
        return json.dumps(said, sort_keys=True, allow_nan=False)


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
        x = hidden = self.info.seen(observation, self._mean, self._deviation)
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
        text = self.info.header(SCHEMA, self.weights)
        return safetensors("safetensors.numpy").save(self.weights, metadata={HEADER: text})

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
        info, size = self.info, self.info.seen_size
        if info.activation not in _ACTIVATIONS:
            raise InvalidPolicy(f"activation must be one of {list(_ACTIVATIONS)}, got {info.activation!r}")
        for k, (weight, bias) in enumerate(self._layers):
            if weight.ndim != 2 or weight.shape[1] != size or bias.shape != weight.shape[:1]:
                raise InvalidPolicy(f"layer {k} takes {size} numbers, but its weights are {weight.shape}, {bias.shape}")
            size = weight.shape[0]
        if not self._layers or size != info.action_size:
            raise InvalidPolicy(f"the last layer gives {size} numbers, the actions have {info.action_size}")
        shapes = {() if value is None else value.shape for value in (self._mean, self._deviation)}
        if shapes not in ({()}, {(info.seen_size,)}):
            raise InvalidPolicy(f"mean and deviation of observations must be ({info.seen_size},), got {shapes}")
        weight, bias = self._spread
        width = self._layers[-1][0].shape[1]
        if (bias is not None and bias.shape != (info.action_size,)) or (
            weight is not None and (bias is None or weight.shape != (info.action_size, width))
        ):
            raise InvalidPolicy(f"spread must have a bias ({info.action_size},) and a weight (.., {width}), if any")
        check_finite(self.weights)


def check_finite(weights: Mapping[str, Array]) -> None:
    """Refuse weights that are not finite."""
    odd = [name for name, value in weights.items() if not np.isfinite(value).all()]
    if odd:
        raise InvalidPolicy(f"{odd[0]} has values that are not finite")


def load_policy(path: str | Path) -> Any:
    """Read a policy, a :class:`Learned` or a ``Seeing``, from a file, or from the folder that a training wrote.

    Raises:
        InvalidPolicy: If there is none, or it is cut short, damaged, or of another kind.
    """
    file = policy_file(path)
    library = safetensors("safetensors")
    try:
        with library.safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  no mapping
    except library.SafetensorError as error:
        raise InvalidPolicy(f"{file} is damaged or no policy file ({error}); train it again") from error
    try:
        header = json.loads(metadata[HEADER])
        schema, checksum = header.pop("schema"), header.pop("sha256")
        if schema not in SCHEMAS:
            raise InvalidPolicy(f"{file}: expected {SCHEMA!r}, got {schema!r}")
        if checksum != digest(weights):
            raise InvalidPolicy(f"{file} is damaged: its weights are not those that were saved; train it again")
        for name in ("shown", "columns"):
            header[name] = tuple(header.get(name, ()))
        header["cameras"] = {camera: (int(h), int(w)) for camera, (h, w) in header.get("cameras", {}).items()}
        info = PolicyInfo(**header)
        return _seeing(info, weights) if schema == SEEING_SCHEMA else Learned(info, weights)
    except InvalidPolicy as error:
        raise InvalidPolicy(str(error) if str(file) in str(error) else f"{file}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wanted = [f.name for f in fields(PolicyInfo)]
        raise InvalidPolicy(f"{file} has no header of a policy, which has {wanted}; see `metasim train`") from error


def _seeing(info: Any, weights: Mapping[str, Array]) -> Any:
    from metasim.policies.seeing import Seeing

    return Seeing(info, weights)


def policy_file(path: str | Path) -> Path:
    """Return the file that a path means.

    Raises:
        InvalidPolicy: If there is none.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise InvalidPolicy(f"there is no policy file {file}; `metasim train` writes them")
    return file


def digest(weights: Mapping[str, Array]) -> str:
    """Return a checksum of weights, with their names, types and shapes."""
    found = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        found.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _dense(x: Array, weight: Array) -> Array:
    """Return x times the transposed weight; a matrix product's bits would depend on the number of rows."""
    return np.einsum("ni,oi->no", x, weight)


def safetensors(module: str) -> Any:
    """Return a module of that library.

    Raises:
        MissingDependency: Without it.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            'learned policies need safetensors, which is not installed: pip install "metasim-robotics[learn]"'
        ) from error
