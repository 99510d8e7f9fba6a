"""Clones a policy: learns and writes checkpoints in turns, and goes on where a killed run stopped."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasim.core.errors import InvalidConfig
from metasim.policies.cloning.config import ALGORITHM, CloneConfig, CloneProgress, CloneRow
from metasim.policies.cloning.data import Demonstrations, read
from metasim.policies.learned import Learned, PolicyInfo, load_policy
from metasim.policies.seeing import Seeing
from metasim.work import remove_drafts, write_atomically

if TYPE_CHECKING:
    from metasim.policies.cloning.learner import Learner

STATE, CURVE, CONFIG = "state.safetensors", "curve.csv", "config.json"
Report = Callable[[CloneProgress], None]
_TOLD = 100  # gradient steps between reports
_PACKAGES = ("metasim-robotics", "torch")


def clone(config: CloneConfig, report: Report | None = None) -> Path:
    """Learn what demonstrations do, and return the policy's file: of the checkpoint that is best on what is held out.

    The same call again finds the finished policy and leaves it; a killed one goes on from its last checkpoint, and
    ends in the same bytes.

    Args:
        config: What to clone.
        report: Called in this process as it goes on.

    Raises:
        InvalidConfig: If the dataset is not of one task, has not the pictures, or the folder holds another training,
            or one that has run with another version of torch so far.
        InvalidPolicy: If what is in the folder is damaged.
        MissingDependency: Without torch or safetensors.
    """
    from metasim.policies.cloning.learner import SCHEMA, Learner
    from metasim.policies.state_file import read_header

    began = time.monotonic()
    data = read(config)
    _check_folder(config, data)
    state, rows = config.folder / STATE, list[CloneRow]()
    if state.exists():
        rows = [CloneRow(**row) for row in read_header(state, SCHEMA)["curve"]]
        if not config.policy.exists():
            raise InvalidConfig(
                f"{config.policy}, which is the best so far, is gone; delete {config.folder} to begin anew"
            )
        if rows[-1].steps >= config.settings.steps:
            load_policy(config.policy)
            return config.policy
    with _threads(config.threads):
        learner = Learner(data, config)
        if rows:
            learner.load(state)
        _write_config(config, data)

        def tell() -> None:
            if report is not None:
                row, passed = (rows[-1] if rows else None), time.monotonic() - began
                wanted = config.settings.steps
                report(CloneProgress(task=data.task, done=learner.steps, wanted=wanted, row=row, elapsed_s=passed))

        while learner.steps < config.settings.steps:
            _learn(learner, config, rows, tell)
            if rows[-1] is _best(rows):
                policy_of(learner, data, config).save(config.policy)
            _write_curve(config.folder, rows)
            learner.save(state, {"curve": [asdict(row) for row in rows]})
            tell()
    remove_drafts(config.policy)
    return config.policy


def policy_of(learner: Learner, data: Demonstrations, config: CloneConfig) -> Learned | Seeing:
    """Return the learner's averaged weights as a policy that needs no learner."""
    columns = () if len(data.columns) == data.observation.shape[1] else data.columns
    info = PolicyInfo(
        algorithm=ALGORITHM,
        task=data.task,
        backend=data.backend,
        observation_size=data.observation.shape[1],
        action_size=data.actions.shape[1],
        activation="relu",
        squash=False,
        clip_observation=config.settings.clip,
        seed=config.seed,
        steps=learner.steps,
        versions=_versions(),
        columns=columns,
        cameras={name: (int(h), int(w)) for name, (h, w) in sorted(config.cameras.items())},
    )
    weights = {**learner.weights, "observation.mean": learner.mean, "observation.deviation": learner.deviation}
    return Seeing(info, weights) if config.cameras else Learned(info, weights)


def _best(rows: list[CloneRow]) -> CloneRow:
    """Return the row whose weights are the policy: the least loss on what is held out; else the last one."""
    held = [row for row in rows if row.valid_loss is not None]
    return min(held, key=lambda row: row.valid_loss or 0.0) if held else rows[-1]


def _learn(learner: Learner, config: CloneConfig, rows: list[CloneRow], tell: Callable[[], None]) -> None:
    """Learn until the next checkpoint, and add its row."""
    end, total, begun = min(config.settings.steps, learner.steps + config.every), 0.0, learner.steps
    while learner.steps < end:
        count = min(_TOLD, end - learner.steps)
        total += count * learner.learn(count)
        tell()
    rows.append(CloneRow(steps=learner.steps, train_loss=total / (end - begun), valid_loss=learner.validate()))


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _arguments(config: CloneConfig, data: Demonstrations) -> dict[str, Any]:
    return {**config.arguments(), "task": data.task, "backend": data.backend, "episodes": data.digest}


def _check_folder(config: CloneConfig, data: Demonstrations) -> None:
    path = config.folder / CONFIG
    if config.folder.exists() and not config.folder.is_dir():
        raise InvalidConfig(f"a training needs a folder for what it writes, and {config.folder} is a file")
    if not path.exists():
        if config.policy.exists():
            raise InvalidConfig(f"{config.policy} is there already, of another training; name another, or delete it")
        return
    try:
        there = json.loads(path.read_text())["arguments"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(f"{path} is damaged ({error}); delete {config.folder} to begin anew") from error
    asked = _arguments(config, data)
    odd = sorted(key for key in {*there, *asked} if there.get(key) != asked.get(key))
    if odd:
        raise InvalidConfig(
            f"{config.folder} holds a training with another {odd[0]}: {there.get(odd[0])!r} instead of"
            f" {asked.get(odd[0])!r}; give another --out, or delete it"
        )


def _write_config(config: CloneConfig, data: Demonstrations) -> None:
    said = {"arguments": _arguments(config, data), "versions": _versions()}
    content = json.dumps(said, indent=1, sort_keys=True) + "\n"
    config.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(config.folder / CONFIG, content.encode())


def _write_curve(folder: Path, rows: list[CloneRow]) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, [field.name for field in fields(CloneRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_atomically(folder / CURVE, table.getvalue().encode())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch  # pyright: ignore[reportMissingImports]

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
