"""Replay of actions recorded from the original, from its recorded initial states, in an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metasim.benchmarks.metaworld.progress import Show
from metasim.benchmarks.metaworld.recordings import Recording, recordings
from metasim.benchmarks.metaworld.replay import Starts, Trace, replay
from metasim.benchmarks.metaworld.store import Row, Rows, short
from metasim.benchmarks.versions import versions

Array = Any
KIND = "metaworld goldens/1"
FIRST_STEPS = 50
MM = 1e3


def goldens_file(out: Path, engine: str) -> Path:
    """Return where an engine's rows are."""
    return out / f"goldens-{engine}.json"


def run(tasks: Sequence[str], engine: str, source: Path, path: Path, again: bool, show: Show) -> Path:
    """Replay the tasks that the file of rows lacks and put them into it."""
    rows = Rows.open(path, KIND, {"engine": engine, "versions": versions(engine)})
    todo = [task for task in tasks if again or task not in rows.tasks]
    for k, task in enumerate(todo):
        show(k / len(todo), short(task))
        rows.tasks[task] = measure(task, engine, recordings(task, source))
        rows.save(path)
    return path


def measure(task: str, engine: str, episodes: Sequence[Recording]) -> list[Row]:
    """Replay some recordings of a task and return a row for each."""
    steps = max(len(e.actions) for e in episodes)
    actions = np.stack([np.concatenate([e.actions, np.zeros((steps - len(e.actions), 4))]) for e in episodes])
    starts = Starts(
        sample={"rand_vec": np.stack([e.vector for e in episodes])},
        qpos=np.stack([e.qpos for e in episodes]),
        qvel=np.stack([e.qvel for e in episodes]),
        mocap_pos=np.stack([e.mocap_pos for e in episodes]),
        mocap_quat=np.stack([e.mocap_quat for e in episodes]),
    )
    trace = replay(task, engine, starts, actions.astype(np.float32))
    return [_row(e, trace, i) for i, e in enumerate(episodes)]


def _row(episode: Recording, trace: Trace, i: int) -> Row:
    """Return deviations [mm], first and last success step (from 1, 0 for none), and the recording's own success."""
    steps = len(episode.actions)
    hand = np.linalg.norm(trace.hand[i, :steps] - episode.hand[1:], axis=1) * MM
    thing = np.linalg.norm(trace.object[i, :steps] - episode.object[1:], axis=1) * MM
    return {
        "episode": episode.name,
        "kind": episode.kind,
        "steps": steps,
        "hand_mm": _rounded(np.median(hand[:FIRST_STEPS])),
        "hand_most_mm": _rounded(hand.max()),
        "object_mm": _rounded(np.median(thing)),
        "object_end_mm": _rounded(thing[-1]),
        "solved": bool(trace.success[i, :steps].any()),
        "recorded_solved": episode.solved,
        "failed": trace.failed.get(i, ""),
    }


def _rounded(value: Any) -> float:
    return round(float(value), 3)
