"""Policies that were learned: a small network in one file, which acts without the library that trained it.

A file is safetensors: the layers' weights, and a header with JSON that says which task, sizes and training they are
for, and a checksum of the weights. Nothing in it is executed. Actions of one world do not depend on how many worlds
are in the batch, to the bit, so that results do not either.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from metasim.core.errors import MetasimError, MissingDependency
from metasim.core.policy import POLICIES
from metasim.core.task import Task
from metasim.envs import VectorTaskEnv
from metasim.work import write_atomically

Array = Any
SCHEMA = "metasim.policy/1"
FILE = "policy.safetensors"
"""The file that is meant where a folder is given."""
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
        observation_size: D.
        action_size: A.
        activation: ``"tanh"`` or ``"relu"``, between layers.
        squash: Whether actions are the last layer's tanh, else they are clipped.
        clip_observation: Normalised observations are clipped to so many deviations.
        seed: Root seed of the training.
        steps: Environment steps it was trained for.
        versions: Package to version.
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


class Learned:
    """A network of dense layers from flat observations to actions; a policy of any number of worlds.

    Args:
        info: What it is for.
        weights: ``layers.K.weight`` ``(out, in)`` and ``layers.K.bias`` ``(out,)`` from K = 0, and, for observations
            that are normalised first, ``observation.mean`` and ``observation.deviation`` ``(D,)``.

    Raises:
        InvalidPolicy: For weights that do not fit together, or are not finite.
    """

    def __init__(self, info: PolicyInfo, weights: Mapping[str, Array]) -> None:
        self.info = info
        self.weights = {name: np.ascontiguousarray(weights[name]) for name in sorted(weights)}
        count = sum(name.endswith(".weight") for name in weights)
        try:
            self._layers = [(weights[f"layers.{k}.weight"], weights[f"layers.{k}.bias"]) for k in range(count)]
        except KeyError as error:
            raise InvalidPolicy(f"the layers are not numbered from 0 without gaps: there is no {error}") from None
        self._mean, self._deviation = weights.get("observation.mean"), weights.get("observation.deviation")
        self._check()
        self._activation = _ACTIVATIONS[info.activation]

    def reset(self, rows: Array, seeds: Sequence[Any]) -> None:
        """Begin episodes; nothing is remembered."""

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)`` float32 for flat observations ``(N, D)``.

        Raises:
            InvalidPolicy: For observations of another size.
        """
        x = np.asarray(observation)
        if x.ndim != 2 or x.shape[1] != self.info.observation_size:
            raise InvalidPolicy(f"the policy takes observations (N, {self.info.observation_size}), got {x.shape}")
        if self._mean is not None:
            limit = self.info.clip_observation
            x = np.clip((x - self._mean) / self._deviation, -limit, limit)
        x = x.astype(np.float32)
        for k, (weight, bias) in enumerate(self._layers):
            if k:
                x = self._activation(x)
            x = np.einsum("ni,oi->no", x, weight) + bias  # a matrix product's bits would depend on N
        return np.tanh(x) if self.info.squash else np.clip(x, -1.0, 1.0)

    @property
    def name(self) -> str:
        """The algorithm and a digest of the file: what results and datasets call the policy."""
        return f"{self.info.algorithm}-{hashlib.sha256(self.to_bytes()).hexdigest()[:12]}"

    def to_bytes(self) -> bytes:
        """Return the file; equal policies, equal bytes."""
        header = {"schema": SCHEMA, "sha256": _digest(self.weights), **asdict(self.info)}
        text = json.dumps(header, sort_keys=True, allow_nan=False)
        return _safetensors("safetensors.numpy").save(self.weights, metadata={_HEADER: text})

    def save(self, path: str | Path) -> Path:
        """Write the file, all or nothing."""
        return write_atomically(path, self.to_bytes())

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


class SavedName(str):
    """The name of a policy that was read from a file; whoever gets it, in whichever process, knows the policy."""

    path: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the file, to be read again."""
        return _again, (self.path, str(self))


@dataclass(frozen=True)
class Saved:
    """A factory of policies, as the registry has them; equal if the files' contents are.

    Raises:
        InvalidPolicy: When called for another task, or sizes that the task no longer has.
    """

    name: str
    policy: Learned = field(compare=False, repr=False)

    def __call__(self, task: Task | type[Task], num_worlds: int) -> Learned:
        """Return the policy for a task."""
        kind, info = task if isinstance(task, type) else type(task), self.policy.info
        if info.task != kind.id:
            raise InvalidPolicy(f"policy {self.name} was trained for {info.task!r} and cannot run {kind.id!r}")
        sizes = _sizes(kind)
        if (info.observation_size, info.action_size) != sizes:
            raise InvalidPolicy(
                f"policy {self.name} was trained for {info.observation_size} observations and {info.action_size}"
                f" actions, but {kind.id!r} has {sizes[0]} and {sizes[1]} now; train it again"
            )
        return self.policy


def saved(path: str | Path) -> SavedName:
    """Read a policy file and return the name by which evaluations, collections and videos take it.

    The name is made of the algorithm and a digest of the file, such as ``"sac-0a1b2c3d4e5f"``, and stands in results
    and datasets.

    Raises:
        InvalidPolicy: If there is no such file, or it is damaged.
    """
    policy = load_policy(path)
    name = SavedName(policy.name)
    name.path = str(policy_file(path).resolve())
    POLICIES.register(str(name), Saved(str(name), policy))
    return name


def _again(path: str, name: str) -> SavedName:
    found = saved(path)
    if found != name:
        raise InvalidPolicy(f"{path} was {name} when this run began, and is {found} now; leave it alone meanwhile")
    return found


def _digest(weights: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@functools.cache
def _sizes(task: type[Task]) -> tuple[int, int]:
    env = VectorTaskEnv(task)
    try:
        return env.single_observation_space.shape[0], env.episodes.action_size  # type: ignore[index]
    finally:
        env.close()


def _safetensors(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            'learned policies need safetensors, which is not installed: pip install "metasim-robotics[learn]"'
        ) from error
