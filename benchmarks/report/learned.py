"""Learned policies that results are of: which they are, and which of them are here, so that they can be run again."""

from __future__ import annotations

from dataclasses import replace

from metasim.benchmarks.results import Results
from metasim.core.policy import POLICIES


def learned(results: Results) -> dict[str, tuple[str, ...]]:
    """Return learned policy to the names of its files: its own, or those of the members of a team."""
    trained = results.config.get("trained", {})
    return {name: tuple(dict(said.get("members", {})).values()) or (name,) for name, said in trained.items()}


def drawable(results: Results) -> tuple[Results, list[str]]:
    """Return the results without what cannot be run again, and a sentence for each policy that was left out."""
    away = {name: [file for file in files if file not in POLICIES] for name, files in learned(results).items()}
    away = {name: files for name, files in away.items() if files}
    notes = list[str]()
    for name, files in away.items():
        which = "its file" if len(files) == 1 else f"the {len(files)} files of its members"
        notes.append(f"Not drawn: what {name} did; give {which} with --policy.")
    if not notes:
        return results, []
    return replace(results, episodes=tuple(e for e in results.episodes if e.policy not in away)), notes
