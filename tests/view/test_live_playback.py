"""A recorded episode in the viewer: every state exactly as it was, wherever one looks first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from metasim.core.errors import InvalidConfig, InvalidState
from metasim.core.policy import POLICIES
from metasim.core.seeding import EpisodeSeed
from metasim.envs import Episodes
from metasim.view.live import Frame, Playback, Poses, Recorded

TASK = "metaworld/drawer-open-v3"
STEPS = 40


@dataclass
class Shelf:
    """Recordings in memory, with the frames that were seen when they were made."""

    episodes: list[Recorded]
    frames: list[list[Frame]]

    @property
    def labels(self) -> list[str]:
        return [f"{i}" for i in range(len(self.episodes))]

    def load(self, index: int) -> Recorded:
        return self.episodes[index]


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """An episode in MuJoCo, a drawn one in PyBullet, and another in MuJoCo with a goal that no seed draws."""
    shelf = Shelf([], [])
    for backend, episode, moved in (("mujoco", 0, 0.0), ("pybullet", 1, 0.0), ("mujoco", 2, 0.01)):
        worlds = Episodes(TASK, backend)
        seed = EpisodeSeed(root=7, task=TASK, episode=episode)
        sample = {name: value[0] for name, value in worlds.draw([seed]).items()}
        sample["rand_vec"] = sample["rand_vec"] + [moved if sample["rand_vec"][0] < 0 else -moved, 0, 0]
        named = worlds.begin(np.arange(1), [seed], sample)
        expert, poses = POLICIES["expert"](worlds.task, 1), Poses(worlds.model, 1)
        poses.refresh(worlds)
        states, rewards, success, frames = [worlds.backend.dump()[0]], [], [], [poses.read(worlds)]
        for _ in range(STEPS):
            step = worlds.step(expert.act(np.concatenate([*named.values()], axis=1)))
            named = {name: value.copy() for name, value in step.observation.items()}
            states.append(worlds.backend.dump()[0])
            rewards.append(float(step.reward[0]))
            success.append(bool(step.success[0]))
            frames.append(poses.read(worlds))
        worlds.close()
        shelf.episodes.append(
            Recorded(
                seed=seed,
                backend=backend,
                policy="expert",
                sample=sample,
                states=np.array(states),
                rewards=np.array(rewards),
                success=np.array(success),
            )
        )
        shelf.frames.append(frames)
    return shelf


@pytest.fixture
def playback(shelf: Shelf) -> Iterator[Playback]:
    """The first episode, at its start."""
    shown = Playback(shelf)
    yield shown
    shown.close()


@pytest.mark.parametrize("episode", [0, 1, 2])
def test_every_step_is_seen_as_it_was(shelf: Shelf, playback: Playback, episode: int) -> None:
    playback.choose(episode)
    for t in (STEPS, 3, 0, 17):
        playback.seek(t)
        got, then = playback.frame(), shelf.frames[episode][t]
        for kind in ("body", "site"):
            for now, was in zip(got.of(kind), then.of(kind), strict=True):
                np.testing.assert_allclose(now, was, atol=1e-9)


def test_numbers_are_those_of_the_step_that_is_seen(shelf: Shelf, playback: Playback) -> None:
    rewards = shelf.episodes[0].rewards
    playback.seek(12)
    status = playback.status()
    assert (status.step, status.steps, status.reward) == (12, STEPS, rewards[11])
    assert status.total == pytest.approx(rewards[:12].sum()) and status.time_s == pytest.approx(12 * 0.0125)
    playback.seek(0)
    assert playback.status().reward == 0.0 and not playback.status().solved


def test_it_plays_at_real_speed_and_stops_at_the_end(playback: Playback) -> None:
    assert playback.clock.paused and not playback.tick(1.0)
    playback.play()
    playback.tick(0.1)
    assert playback.at == 8  # 0.1 s of 12.5 ms
    playback.tick(10.0)
    assert playback.at == STEPS and playback.clock.paused
    playback.play()
    assert playback.at == 0 and not playback.clock.paused
    playback.step()
    assert playback.at == 1 and playback.clock.paused


def test_a_scene_is_kept_for_episodes_of_the_same_task_and_engine(playback: Playback) -> None:
    first = playback.version
    playback.choose(2)
    assert playback.version == first
    playback.choose(1)
    assert playback.version == first + 1 and playback.status().backend == "pybullet"


def test_an_episode_that_the_engine_gave_up_is_shown_up_to_there(shelf: Shelf) -> None:
    broken = shelf.episodes[0].states.copy()
    broken[-1] = np.nan
    shown = Playback(Shelf([replace(shelf.episodes[0], states=broken, failure="it diverged")], []))
    try:
        assert shown.last == STEPS - 1
        shown.seek(shown.last)
        assert shown.status().failure == "it diverged"
    finally:
        shown.close()


def test_what_is_not_there_is_refused_and_changes_nothing(shelf: Shelf, playback: Playback) -> None:
    playback.seek(5)
    with pytest.raises(InvalidConfig, match="episodes 0 to 2, no episode 3"):
        playback.choose(3)
    with pytest.raises(InvalidConfig, match=f"steps 0 to {STEPS}, not at {STEPS + 1}"):
        playback.seek(STEPS + 1)
    assert (playback.index, playback.at) == (0, 5)
    short = replace(shelf.episodes[0], states=shelf.episodes[0].states[:, :-1])
    with pytest.raises(InvalidState, match="dump must have shape"):
        Playback(Shelf([short], []))
    with pytest.raises(InvalidConfig, match="there are no episodes"):
        Playback(Shelf([], []))
