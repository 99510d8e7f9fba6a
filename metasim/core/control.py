"""From actions to targets: the contract; ``metasim.control`` has the implementations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from metasim.core.backend import Backend, Targets
from metasim.core.model import ModelInfo
from metasim.core.reads import Reads
from metasim.core.state import State

Array = Any


class BoundControl(ABC):
    """A control resolved against one loaded backend: all names are indices by now.

    Attributes:
        size: A, the number of action components.
        targets: The backend's targets, written in place.
        memory: What the control remembers between actions, ``(N, ...)`` arrays changed in place; part of snapshots.
    """

    size: int
    targets: Targets
    memory: Mapping[str, Array] = MappingProxyType({})

    @abstractmethod
    def reset(self, state: State, worlds: Array) -> None:
        """Put the targets of worlds ``(n,)`` to where holding still begins; ``state`` is of all N worlds."""

    @abstractmethod
    def apply(self, action: Array, state: State) -> None:
        """Write the targets for actions ``(N, A)``, already clipped to [-1, 1]."""


class Control(ABC):
    """What an action in [-1, 1]^A means; frozen data until it is bound to a backend."""

    def reads(self, info: ModelInfo | None = None) -> Reads:
        """Return what the control itself must read of the state."""
        return Reads()

    @abstractmethod
    def bind(self, backend: Backend) -> BoundControl:
        """Resolve names against a loaded backend.

        Raises:
            UnknownName: For an actuator, joint, site or mocap body that is not in the model.
        """
