"""The verb ``view``: a running task, or a dataset, in a browser."""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from metasim.cli.options import MaybeInt, MaybeStr, TaskModules, policy_name
from metasim.cli.output import note, plain, stdout_kept
from metasim.cli.pictures import one_task
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.datasets import Dataset, EpisodeInfo
    from metasim.view.live import Recorded, Show, Viewer

Subject = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK|FILE")]
MaybeSeconds = Annotated[float | None, tyro.conf.arg(metavar="SECONDS")]
FILES = (".hdf5", ".h5")
LIVE_ONLY = ("backend", "policy", "num_envs", "horizon")
WORDS = {"num_envs": "--num-envs"}


@dataclass(frozen=True, kw_only=True)
class View:
    """Watch a task run in a browser, or the episodes of a dataset.

    A task runs under a policy: pause, step, reset, change policy or engine, drag joints and goals. A dataset is shown
    in the engine that recorded it: choose an episode, scrub, play. Needs the extra 'view'. Ctrl-C ends it.

    Args:
        subject: Task id, or a dataset (.hdf5).
        backend: Engine; mujoco if not given.
        policy: Name of the policy, with parameters if it takes any, as in noisy-expert:sigma=0.2 (`metasim list
            policies` says which), or a file or folder that train wrote; expert if not given and the task has one.
        num_envs: Worlds side by side; 1 if not given.
        seed: Root seed.
        episode: Index of the first episode; in a dataset, its number in the file.
        split: Ranges of the factors.
        horizon: Steps until an episode ends; the task's if not given.
        camera: Camera of the scene to begin from; the task's if not given.
        speed: Simulated seconds in a second.
        paused: Begin paused.
        port: Port to serve at; 0 for any free one.
        host: Address to serve at; 0.0.0.0 lets other machines in.
        no_open: Do not open a browser.
        duration: Seconds until it ends by itself; never if not given.
        task_module: A file that registers tasks; may be given several times.
    """

    subject: Subject
    backend: MaybeStr = None
    policy: MaybeStr = None
    num_envs: MaybeInt = None
    seed: int = 0
    episode: int = 0
    split: Annotated[str, tyro.conf.arg(metavar="train|test")] = "train"
    horizon: MaybeInt = None
    camera: str = ""
    speed: float = 1.0
    paused: bool = False
    port: int = 8080
    host: str = "127.0.0.1"
    no_open: bool = False
    duration: MaybeSeconds = None
    task_module: TaskModules = ()

    def run(self) -> int:
        """Serve until it is over."""
        from metasim.view.live import Viewer

        with contextlib.ExitStack() as stack:
            with stdout_kept():
                show = self._dataset(stack) if is_file(self.subject) else self._task()
                stack.callback(show.close)
                show.clock.set_speed(self.speed)
                viewer = stack.enter_context(Viewer(show, host=self.host, port=self.port, camera=self.camera))
            plain(viewer.url)
            self._open(viewer)
            with contextlib.suppress(KeyboardInterrupt):  # which is how it is meant to end
                viewer.run(self.duration)
        return 0

    def _task(self) -> Show:
        from metasim.core.task import TASKS
        from metasim.view.live import LiveConfig, Session, runnable_policies

        task = one_task(self.subject)
        config = LiveConfig(
            task=task,
            backend=self.backend or "mujoco",
            policy=policy_name(self.policy) if self.policy else runnable_policies(TASKS[task]())[0],
            seed=self.seed,
            episode=self.episode,
            split=self.split,
            num_worlds=1 if self.num_envs is None else self.num_envs,
            horizon=self.horizon,
        )
        session = Session(config)
        session.clock.pause(self.paused)
        if self.camera:
            session.model.info.index("camera", self.camera)  # refused now if there is none
        return session

    def _dataset(self, stack: contextlib.ExitStack) -> Show:
        from metasim.datasets import Dataset
        from metasim.view.live import Playback

        given = [WORDS.get(name, f"--{name}") for name in LIVE_ONLY if getattr(self, name) is not None]
        if given:
            raise InvalidConfig(f"a dataset shows what was recorded, and takes no {', '.join(given)}")
        data = stack.enter_context(Dataset(Path(self.subject)))
        playback = Playback(DatasetRecordings(data), self.episode)
        if not self.paused:
            playback.play()
        return playback

    def _open(self, viewer: Viewer) -> None:
        if self.no_open:
            return
        if not (has_display() and webbrowser.open(viewer.url)):
            port = viewer.server.get_port()
            note(f"there is no browser to open here: open {viewer.url} in one, or forward port {port} to it")


class DatasetRecordings:
    """The episodes of a dataset, for the viewer.

    Args:
        data: The open dataset.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data
        infos = data.infos()
        many = len({info.task for info in infos}) > 1
        self.labels: Sequence[str] = [_label(i, info, many) for i, info in enumerate(infos)]

    def load(self, index: int) -> Recorded:
        """Return an episode."""
        from metasim.view.live import Recorded

        demo = self._data.episode(index)
        return Recorded(
            seed=demo.info.episode_seed,
            backend=demo.info.backend,
            policy=demo.info.policy,
            sample=demo.sample,
            states=demo.states,
            rewards=demo.array("rewards"),
            success=demo.array("success"),
            failure=demo.info.failure,
        )


def is_file(subject: str) -> bool:
    """Whether a word means a dataset rather than a task."""
    return subject.lower().endswith(FILES) or Path(subject).is_file()


def has_display() -> bool:
    """Whether there is a screen that a browser could open on; those for terminals would take this one over."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _label(number: int, info: EpisodeInfo, with_task: bool) -> str:
    task, outcome = f"{info.task} " if with_task else "", "solved" if info.success else "not solved"
    return f"{number}: {task}{info.num_samples} steps, {outcome}"
