"""A recorded episode: its engine states put back one after another, forwards, backwards, at any speed.

The recording comes through :class:`Recordings`, so that this package knows no file format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from metasim.core.errors import InvalidConfig
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes
from metasim.view.live.poses import Frame, Poses
from metasim.view.live.show import Clock, Status

Array = Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """One episode as it was recorded, T steps.

    Attributes:
        seed: What identifies it; names the task.
        backend: Engine that recorded it, whose states they are.
        policy: Name of the policy.
        sample: Factor name to the value drawn ``(K,)``.
        states: ``(T + 1, D)`` rows of the engine's ``dump``.
        rewards: ``(T,)``.
        success: ``(T,)`` bool.
        failure: Why the engine gave it up; empty if it did not.
    """

    seed: EpisodeSeed
    backend: str
    policy: str
    sample: Mapping[str, Array]
    states: Array
    rewards: Array
    success: Array
    failure: str = ""


class Recordings(Protocol):
    """Where recorded episodes come from."""

    @property
    def labels(self) -> Sequence[str]:
        """One line for each episode, all different."""
        ...

    def load(self, index: int) -> Recorded:
        """Return an episode."""
        ...


class Playback:
    """Recorded episodes, one at a time in one world.

    Args:
        recordings: Where they come from.
        episode: The first one that is shown.

    Attributes:
        clock: Pause and speed; paused at first.
        recorded: The episode that is shown.
        at: Steps taken in what is seen, 0 to :attr:`last`.
        last: The last step whose state can be shown.

    Raises:
        InvalidConfig: If there are no episodes, or not this one.
        UnknownName: If the task or the engine of the recording is not there.
    """

    def __init__(self, recordings: Recordings, episode: int = 0) -> None:
        self.clock, self.num_worlds, self.version = Clock(paused=True), 1, 0
        self._recordings = recordings
        self._episodes: Episodes | None = None
        self._running = ("", "")
        self._row = np.zeros(1, np.int64)
        self.choose(episode)

    @property
    def labels(self) -> Sequence[str]:
        """One line for each episode."""
        return self._recordings.labels

    # -- time ---------------------------------------------------------------------------------------------------
    def tick(self, elapsed_s: float) -> bool:
        """Go on as real time asks for; pause at the end."""
        due = self.clock.due(elapsed_s, self._worlds.control_period_s)
        if due:
            self.seek(min(self.at + due, self.last))
        if self.at == self.last and not self.clock.paused:
            self.clock.pause()
        return due > 0

    def step(self) -> None:
        """Pause, and go one step on."""
        self.clock.pause()
        self.seek(min(self.at + 1, self.last))

    def play(self) -> None:
        """Go on, from the start if this is the end."""
        if self.at == self.last:
            self.seek(0)
        self.clock.pause(False)

    def seek(self, step: int) -> None:
        """Show the state after ``step`` steps, exactly as it was recorded.

        Raises:
            InvalidConfig: If there is no such step.
        """
        if not 0 <= step <= self.last:
            raise InvalidConfig(f"this episode can be shown at steps 0 to {self.last}, not at {step}")
        self._worlds.backend.load_dump(self.recorded.states[step][None], self._row)
        self.at = step

    # -- episodes -----------------------------------------------------------------------------------------------
    def choose(self, index: int) -> None:
        """Show another episode from its start; on an error, nothing changes."""
        count = len(self._recordings.labels)
        if not count:
            raise InvalidConfig("there are no episodes to show")
        if not 0 <= index < count:
            raise InvalidConfig(f"there are episodes 0 to {count - 1}, no episode {index}")
        recorded = self._recordings.load(index)
        wanted = recorded.seed.task, recorded.backend
        episodes = self._episodes
        if episodes is None or wanted != self._running:
            episodes = Episodes(*wanted)
        try:
            drawn = episodes.draw([recorded.seed])
            same = set(drawn) == set(recorded.sample)
            episodes.begin(self._row, [recorded.seed], dict(recorded.sample) if same and drawn else None)
            episodes.backend.load_dump(recorded.states[0][None], self._row)
        except BaseException:
            if episodes is not self._episodes:
                episodes.close()
            raise
        if episodes is not self._episodes:
            if self._episodes is not None:
                self._episodes.close()
            self._episodes, self._running, self.model = episodes, wanted, episodes.model
            self._poses = Poses(self.model, 1)
            self.version += 1
        self._poses.refresh(episodes)
        self.recorded, self.index, self.at = recorded, index, 0
        whole = np.isfinite(recorded.states).all(axis=1)
        self.last = len(whole) - 1 if whole.all() else max(0, int(np.argmin(whole)) - 1)
        self.clock.pause()

    # -- what is seen -------------------------------------------------------------------------------------------
    def frame(self) -> Frame:
        """Return where everything is."""
        return self._poses.read(self._worlds)

    def status(self) -> Status:
        """Return what is going on at this step."""
        r, t = self.recorded, self.at
        solved = bool(r.success[:t].any())
        return Status(
            task=r.seed.task,
            backend=r.backend,
            policy=r.policy,
            seed=r.seed.root,
            episode=r.seed.episode,
            step=t,
            steps=len(r.rewards),
            time_s=t * self._worlds.control_period_s,
            reward=float(r.rewards[t - 1]) if t else 0.0,
            total=float(r.rewards[:t].sum()),
            success=bool(r.success[t - 1]) if t else False,
            solved=solved,
            solved_worlds=int(solved),
            num_worlds=1,
            ended=t == self.last,
            failure=r.failure if t == self.last else "",
        )

    def curves(self) -> tuple[Sequence[float], Sequence[bool]]:
        """Return rewards and successes of the whole episode."""
        return self.recorded.rewards, self.recorded.success

    def close(self) -> None:
        """Free the engine; may be called twice."""
        if self._episodes is not None:
            self._episodes.close()

    @property
    def _worlds(self) -> Episodes:
        assert self._episodes is not None  # choose() has seen to it
        return self._episodes
