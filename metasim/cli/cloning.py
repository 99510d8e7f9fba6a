"""What ``metasim train bc`` does: a policy cloned from a dataset."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING

from metasim.cli.output import note, plain, stdout_kept
from metasim.cli.progress import Bars
from metasim.core.errors import InvalidConfig

if TYPE_CHECKING:
    from metasim.cli.train import Train
    from metasim.policies.cloning import CloneProgress

TAKEN = ("algorithm", "task", "cameras", "hide", "see", "steps", "seed", "threads", "set", "out", "task_module")
"""What cloning takes of the verb's options."""
OWN = ("cameras", "hide", "see")
"""What only cloning takes."""


def run(words: Train) -> int:
    """Clone a dataset's actions and print where the policy is."""
    from metasim.policies.cloning import CloneConfig, clone
    from metasim.policies.training import parse_changes

    refuse(words, [field.name for field in fields(words) if field.name not in TAKEN])
    path = Path(words.task)
    steps = {} if words.steps is None else {"steps": words.steps}
    with stdout_kept():
        config = CloneConfig(
            path=path,
            out=words.out or path.with_name(f"{path.stem}_bc_seed{words.seed}"),
            cameras=dict(parse_camera(word) for word in words.cameras),
            hide=tuple(filter(None, words.hide.split(","))),
            see=tuple(filter(None, words.see.split(","))),
            seed=words.seed,
            threads=words.threads,
            changes={**steps, **parse_changes(words.set)},
        )
        reports: list[CloneProgress] = []
        with Bars("steps") as bars:

            def show(progress: CloneProgress) -> None:
                reports[:] = [progress]
                bars.show(progress.task, progress.done / progress.wanted, describe(progress))

            found = clone(config, show)
    note(describe(reports[0]) if reports else f"{found} is trained already, with these settings")
    plain(str(found))
    return 0


def refuse(words: Train, names: list[str]) -> None:
    """Refuse options that mean nothing to this algorithm.

    Raises:
        InvalidConfig: If one of them is given.
    """
    for field in fields(words):
        default = None if field.default is MISSING else field.default
        if field.name in names and getattr(words, field.name) != default:
            raise InvalidConfig(f"--{field.name.replace('_', '-')} means nothing to {words.algorithm}; leave it out")


def parse_camera(word: str) -> tuple[str, tuple[int, int]]:
    """Return camera, height and width for ``front:84x84``, in which the width comes first as everywhere.

    Raises:
        InvalidConfig: For anything else.
    """
    camera, _, size = word.rpartition(":")
    width, _, height = size.partition("x")
    if not (camera and width.isdecimal() and height.isdecimal()):
        raise InvalidConfig(f"a camera is given as NAME:WIDTHxHEIGHT, for example front:84x84; got {word!r}")
    return camera, (int(height), int(width))


def describe(progress: CloneProgress) -> str:
    """Return how far a training is, in one line."""
    words, row = f"{progress.done}/{progress.wanted} steps", progress.row
    if row is None:
        return words
    held = "" if row.valid_loss is None else f", {row.valid_loss:.4g} on episodes held out"
    return f"{words}, loss {row.train_loss:.4g}{held}"
