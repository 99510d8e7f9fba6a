"""Expert success in an engine, task by task, as results that the other benchmarks read, too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from metasim.benchmarks.checking import thaw
from metasim.benchmarks.metaworld.progress import Show
from metasim.benchmarks.results import InvalidResults, Results, load, merge, save
from metasim.benchmarks.runner import EvaluateConfig, Progress, evaluate


def experts_file(out: Path, engine: str) -> Path:
    """Return where an engine's results are."""
    return out / f"experts-{engine}.json"


def run(config: EvaluateConfig, path: Path, again: bool, show: Show) -> Path:
    """Evaluate the tasks that a results file lacks and put them into it.

    Args:
        config: All tasks, engine, policy, episodes, seed.
        path: The file.
        again: Whether to evaluate tasks that are there already, too.
        show: Draws the progress.

    Raises:
        InvalidResults: If the file holds results with other settings.
    """
    there = _there(config, path)
    done = {e.task for e in there.episodes} if there and not again else set()
    todo = [task for task in config.tasks if task not in done]
    for k, task in enumerate(todo):

        def report(p: Progress, k: int = k, task: str = task) -> None:
            show((k + p.share) / len(todo), f"{task}: {p.done}/{p.wanted} episodes, {p.successes} solved")

        new = evaluate(dataclasses.replace(config, tasks=(task,)), report)
        there = merge([_without(there, task), new]) if there else new
        save(there, path)
    return path


def _there(config: EvaluateConfig, path: Path) -> Results | None:
    """Return the results in a file, None if there is none."""
    if not path.exists():
        return None
    results = load(path)
    old, new = thaw(results.config), config.resolved()
    for key in ("backends", "policies", "seeds", "episodes", "split", "versions"):
        if old.get(key) != new[key]:
            raise InvalidResults(
                f"{path} holds results with another {key}: {old.get(key)!r} instead of {new[key]!r};"
                " give another --out, or delete it"
            )
    return results


def _without(results: Results, task: str) -> Results:
    """Return results less one task's episodes."""
    return dataclasses.replace(results, episodes=tuple(e for e in results.episodes if e.task != task))
