"""What the viewer shows: the face that a running task and a recorded episode have in common, and the clock of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from metasim.core.errors import InvalidConfig
from metasim.model import Model
from metasim.view.live.poses import Frame

Array = Any
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is going on, in numbers.

    Attributes:
        task: Task id.
        backend: Engine.
        policy: Name of the policy.
        seed: Root seed.
        episode: Index of the episode of the world that is watched.
        step: Steps taken in it.
        steps: Steps it has at most.
        time_s: Time in it [s].
        reward: Reward of the last step.
        total: Sum of its rewards.
        success: Whether the task is solved now.
        solved: Whether it was at any step.
        solved_worlds: Worlds solved at any step of their episode.
        num_worlds: N.
        ended: Whether the episode is over.
        failure: Why the engine gave it up; empty if it did not.
        contacts: Declared pair to its force [N], where it touches.
    """

    task: str
    backend: str
    policy: str
    seed: int
    episode: int
    step: int
    steps: int
    time_s: float
    reward: float
    total: float
    success: bool
    solved: bool
    solved_worlds: int
    num_worlds: int
    ended: bool
    failure: str = ""
    contacts: tuple[tuple[str, float], ...] = ()


@runtime_checkable
class Show(Protocol):
    """Worlds that can be looked at; one thread drives them.

    Attributes:
        model: The scene.
        version: Counts up when the scene is another one.
        num_worlds: N.
        clock: Pause and speed.
    """

    model: Model
    version: int
    num_worlds: int
    clock: Clock

    def tick(self, elapsed_s: float) -> bool:
        """Go on as ``elapsed_s`` of real time asks for; return whether anything moved."""
        ...

    def step(self) -> None:
        """Pause, and take one step."""
        ...

    def frame(self) -> Frame:
        """Return where everything is."""
        ...

    def status(self) -> Status:
        """Return what is going on."""
        ...

    def curves(self) -> tuple[Sequence[float], Sequence[bool]]:
        """Return rewards and successes of the watched episode, one for each step."""
        ...

    def close(self) -> None:
        """Free the engine; may be called twice."""
        ...


class Clock:
    """How many steps real time asks for.

    Attributes:
        paused: Whether time stands still.
        speed: Simulated seconds in a second.
    """

    def __init__(self, *, paused: bool = False, speed: float = 1.0) -> None:
        self.paused = paused
        self._owed = 0.0
        self.set_speed(speed)

    def set_speed(self, speed: float) -> None:
        """Set the speed.

        Raises:
            InvalidConfig: If it is not positive.
        """
        if not 0.0 < speed < float("inf"):
            raise InvalidConfig(f"speed must be a positive number, 1 for real time, got {speed!r}")
        self.speed = float(speed)

    def pause(self, paused: bool = True) -> None:
        """Stop or go on; what was owed is forgotten."""
        self.paused, self._owed = paused, 0.0

    def due(self, elapsed_s: float, period_s: float) -> int:
        """Return the steps of ``period_s`` that ``elapsed_s`` of real time brings."""
        if self.paused:
            return 0
        self._owed += elapsed_s * self.speed / period_s
        steps = int(self._owed)
        self._owed -= steps
        return steps
