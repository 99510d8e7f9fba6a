"""Learned policies that results are of: which they are, and which of them are here, so that they can be run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metasim.benchmarks.results import Results
from metasim.core.policy import POLICIES


def learned(results: Results) -> dict[str, tuple[str, ...]]:
    """Return learned policy to the names of its files: its own, or those of the members of a team."""
    return {name: tuple(map(str, _members(said).values())) or (name,) for name, said in _trained(results).items()}


def described(results: Results) -> dict[str, str]:
    """Return learned policy to a few words about it: how many policies it is, how they learned, and in which engine."""
    words = dict[str, str]()
    for name, said in _trained(results).items():
        count = len(_members(said))
        told = [f"{count} policies" if count > 1 else ""]
        told += [f"{word} {said[key]}" for word, key in (("by", "algorithm"), ("in", "backend")) if key in said]
        words[name] = " ".join(filter(None, ["learned:", *told]))
    return words


def _trained(results: Results) -> dict[str, Mapping[str, Any]]:
    trained = results.config.get("trained", {})
    listed = trained.items() if isinstance(trained, Mapping) else ()
    return {name: said for name, said in listed if isinstance(said, Mapping)}


def _members(said: Mapping[str, Any]) -> Mapping[str, Any]:
    members = said.get("members", {})
    return members if isinstance(members, Mapping) else {}


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
