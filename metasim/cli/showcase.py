"""Pictures and a video for the demo: every task at its start and solved, one in all engines side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasim.cli.pictures import slug
from metasim.core.task_files import exported, origins

Array = Any
STILL_PX, FILM_PX = (320, 320), (384, 384)
ONLY_THE_ENDS_FPS = 1e-3
FILM_FPS, SPEED = 20.0, 0.5  # experts are quick: shown at half their speed
TAIL = 30  # steps shown after the task is solved


@dataclass(frozen=True, kw_only=True)
class Still:
    """A picture to be made: the expert's first episode under a seed, at its start and when solved."""

    task: str
    backend: str
    seed: int
    path: Path

    @property
    def sidecar(self) -> Path:
        """Where it is noted what drew the picture."""
        return self.path.with_suffix(".txt")


def stills(
    tasks: Sequence[str],
    backends: Sequence[str],
    seed: int,
    folder: Path,
    workers: int,
    report: Callable[[Any], None],
) -> dict[str, dict[str, bytes]]:
    """Return task → engine → PNG, drawing those that are not in ``folder`` yet."""
    from metasim.core.task import TASKS
    from metasim.work import run_shards, shards

    every = [
        Still(task=task, backend=backend, seed=seed, path=folder / f"{slug(task)}_{backend}.png")
        for task in tasks
        for backend in backends
    ]
    todo = [still for still in every if not (still.path.exists() and still.sidecar.exists())]
    if todo:
        count = min(workers, len(todo))
        with exported(origins(TASKS[task] for task in tasks)):
            run_shards(draw_stills, shards(todo, count), count, report)
    pictures: dict[str, dict[str, bytes]] = {task: {} for task in tasks}
    for still in every:
        pictures[still.task][still.backend] = still.path.read_bytes()
    return pictures


def draw_stills(todo: Sequence[Still], emit: Callable[[Any], None]) -> None:
    """Draw pictures in this process and write each as it is done."""
    from metasim import view
    from metasim.work import write_atomically

    for still in todo:
        film = view.record(
            still.task,
            still.backend,
            seed=still.seed,
            size=STILL_PX,
            fps=ONLY_THE_ENDS_FPS,
            tail=0,
        )
        end = f"solved in {film.steps} steps" if film.success_any else f"not solved in {film.steps} steps"
        pair = [view.label(film.frames[0], "start"), view.label(film.frames[-1], end)]
        write_atomically(still.path, view.png(view.grid(pair, 1)))
        write_atomically(still.sidecar, film.renderer.encode())
        emit(still.task)


def film(task: str, backends: Sequence[str], seed: int, path: Path, report: Callable[[int, int], None]) -> bytes:
    """Return an MP4 of the expert in every engine side by side; made if it is not at ``path`` yet.

    Raises:
        MissingDependency: Without the extra ``video``.
    """
    from metasim import view
    from metasim.work import write_atomically

    if path.exists():
        return path.read_bytes()
    view.ffmpeg()
    recordings = [
        view.record(task, backend, seed=seed, size=FILM_PX, fps=FILM_FPS / SPEED, tail=TAIL, report=report)
        for backend in backends
    ]
    length = max(len(recording.frames) for recording in recordings)
    columns = [
        [view.label(frame, f"{backend}, half speed") for frame in (*recording.frames, *[recording.frames[-1]] * length)]
        for backend, recording in zip(backends, recordings, strict=True)
    ]
    frames = [view.grid([column[k] for column in columns], len(columns)) for k in range(length)]
    data = view.mp4(frames, SPEED * recordings[0].fps)
    write_atomically(path, data)
    return data


def renderers(folder: Path, backends: Sequence[str]) -> dict[str, set[str]]:
    """Return what drew the pictures → the engines it drew."""
    drawn: dict[str, set[str]] = {}
    for backend in backends:
        for sidecar in sorted(folder.glob(f"*_{backend}.txt")):
            drawn.setdefault(sidecar.read_text(), set()).add(backend)
    return drawn
