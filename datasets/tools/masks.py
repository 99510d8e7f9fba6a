"""Masks of a dataset that somebody gave it: those of its tasks follow from the episodes."""

from __future__ import annotations

from typing import Any

from metasim.datasets.reader import Dataset


def given_masks(data: Dataset) -> dict[str, list[int]]:
    """Return name to numbers of episodes of the masks that are not a task's."""
    named: Any = data.file.get("mask", {})
    tasks = task_masks(data)
    return {name: data.mask(name) for name in named if name not in tasks}


def task_masks(data: Dataset) -> set[str]:
    """Return the names of the masks of the tasks: their ids with "." for "/"."""
    return {task.replace("/", ".") for task in data.header.tasks}
