"""Policies from files under a name, by which evaluations, collections and videos take them.

The name is made of the algorithm and a digest of the file, such as ``sac-0a1b2c3d4e5f``, and stands in results and
datasets; ``sac-0a1b2c3d4e5f:noise=1`` is the same policy, acting as it explored.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from metasim.core.errors import UnknownName
from metasim.core.policy import POLICIES
from metasim.core.policy_spec import SEPARATOR, Parameter, canonical, configured
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import Task
from metasim.envs import VectorTaskEnv
from metasim.policies.learned import InvalidPolicy, Learned, load_policy, policy_file
from metasim.policies.scripted import Draws
from metasim.policies.seeing import Seeing

Array = Any


class Actor:
    """A learned policy in N worlds.

    Args:
        policy: The network.
        name: What messages call it.
        num_worlds: N.
        noise: Noise in deviations that it explored with; 0 for none, 1 for the policy as it was while it learned.

    Attributes:
        shown: Factors of the episode that it has to be told: see :meth:`show`.
        cameras: Camera to height and width of the pictures that it has to be shown: see :meth:`look`.
    """

    def __init__(self, policy: Learned | Seeing, name: str, num_worlds: int, noise: float = 0.0) -> None:
        if noise and not policy.explores:
            raise InvalidPolicy(f"policy {name} does not say what it explored with; train it again, or leave noise out")
        self.shown, self.cameras = policy.info.shown, policy.info.cameras
        self._policy, self._name, self._noise = policy, name, np.float32(noise)
        self._draws = Draws(num_worlds, policy.info.action_size, "standard_normal") if noise else None
        self._values: Array = None
        self._told = np.zeros(num_worlds, bool)
        self._pictures: Mapping[str, Array] = {}

    def reset(self, rows: Array, seeds: Sequence[EpisodeSeed]) -> None:
        """Begin episodes, each with its own noise."""
        if self._draws is not None:
            self._draws.reset(rows, seeds)

    def show(self, rows: Array, sample: Mapping[str, Array]) -> None:
        """Tell the policy the factors of the episodes that begin: name to ``(n, ...)``."""
        values = np.concatenate([np.reshape(sample[name], (len(rows), -1)) for name in self.shown], axis=1)
        if self._values is None:
            self._values = np.zeros((len(self._told), values.shape[1]))
        self._values[rows], self._told[rows] = values, True

    def look(self, pictures: Mapping[str, Array]) -> None:
        """Show the policy pictures of what it acts on next: camera to ``(N, H, W, 3)`` uint8."""
        self._pictures = dict(pictures)

    def act(self, observation: Array) -> Array:
        """Return actions ``(N, A)`` for flat observations ``(N, D)``, with or without what is shown at their end.

        Raises:
            InvalidPolicy: For another size, or if nobody showed what the policy has to know.
        """
        if self.shown and np.shape(observation)[-1:] != (self._policy.info.observation_size,):
            if not self._told.all():
                raise InvalidPolicy(
                    f"policy {self._name} was trained with the episode's {', '.join(self.shown)} shown, which it is"
                    " not here; evaluate or collect with it, or use goals_visible=True"
                )
            observation = np.concatenate([observation, self._values], axis=1)
        if isinstance(self._policy, Seeing):
            seen, self._pictures = self._pictures, {}
            return self._policy.act(observation, seen)
        noise: Any = None if self._draws is None else self._noise * self._draws.next()
        return self._policy.act(observation, noise)


@dataclass(frozen=True)
class Saved:
    """A factory of policies, as the registry has them; equal if the files' contents are.

    Raises:
        InvalidPolicy: When called for another task, or sizes that the task no longer has.
    """

    name: str
    policy: Learned | Seeing = field(compare=False, repr=False)
    noise: float = 0.0
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(name="noise", default=0.0, low=0.0, high=10.0, about="noise, in deviations that it explored with"),
    )

    def __call__(self, task: Task | type[Task], num_worlds: int, noise: float | None = None) -> Actor:
        """Return the policy for a task."""
        kind, info = task if isinstance(task, type) else type(task), self.policy.info
        if info.task != kind.id:
            raise InvalidPolicy(f"policy {self.name} was trained for {info.task!r} and cannot run {kind.id!r}")
        found = sizes(kind, info.shown)
        if (info.observation_size, info.action_size) != found:
            raise InvalidPolicy(
                f"policy {self.name} was trained for {info.observation_size} observations and {info.action_size}"
                f" actions, but {kind.id!r} has {found[0]} and {found[1]} now; train it again"
            )
        lacking = [camera for camera in info.cameras if camera not in kind.scene.cameras]
        if lacking:
            there = list(kind.scene.cameras)
            raise InvalidPolicy(f"policy {self.name} sees through camera {lacking[0]!r}; {kind.id!r} has {there}")
        return Actor(self.policy, self.name, num_worlds, self.noise if noise is None else noise)


class SavedName(str):
    """The name of a policy that was read from a file; whoever gets it, in whichever process, knows the policy."""

    path: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the file, to be read again."""
        return _again, (self.path, str(self))


def saved(path: str | Path) -> SavedName:
    """Read a policy file and return the name by which evaluations, collections and videos take it.

    Args:
        path: A file, or the folder that a training wrote; a string may end in parameters, such as
            ``runs/reach:noise=1``.

    Raises:
        InvalidPolicy: If there is no such file, or it is damaged.
        InvalidConfig: For parameters that the policy does not take.
    """
    base, colon, text = str(path).rpartition(SEPARATOR)
    if not colon or Path(path).exists() or "=" not in text:
        base, text = str(path), ""
    policy = load_policy(base)
    plain = Saved(policy.name, policy)
    spelled, factory = policy.name, plain
    if text:
        found = configured(policy.name, text, plain)
        spelled = canonical(policy.name, found)
        factory = Saved(policy.name, policy, found.values["noise"])
    name = SavedName(spelled)
    name.path = str(policy_file(base).resolve())
    POLICIES.register(policy.name, plain)
    if spelled != policy.name:
        POLICIES.register(spelled, factory)
    return name


def _again(path: str, name: str) -> SavedName:
    found = saved(SEPARATOR.join([path, *name.split(SEPARATOR)[1:]]))
    if found != name:
        raise InvalidPolicy(f"{path} was {name} when this run began, and is {found} now; leave it alone meanwhile")
    return found


@functools.cache
def sizes(task: type[Task], shown: tuple[str, ...]) -> tuple[int, int]:
    """Return the sizes of observations, with factors that are shown, and of actions of a task."""
    env = VectorTaskEnv(task)
    try:
        sample = env.task.sample(EpisodeSeed(root=0, task=task.id, episode=0))
        for name in shown:
            if name not in sample:
                raise UnknownName(f"factor of {task.id}", name, sample)
        size = env.single_observation_space.shape[0] + sum(np.size(sample[name]) for name in shown)  # type: ignore[index]
        return size, env.episodes.action_size
    finally:
        env.close()
