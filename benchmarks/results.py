"""Results of a benchmark: every episode, the whole resolved configuration, and one canonical JSON file.

Equal results have equal bytes, so nothing that differs between two runs of one protocol may stand in them:
no clock, host, path, worker count or batch size. Those belong in a sidecar.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from metasim.benchmarks.checking import (
    InvalidResults,
    check_fields,
    freeze,
    is_count,
    is_number,
    is_text,
    thaw,
)
from metasim.work import write_atomically

SCHEMA = "metasim.results/1"
Key = tuple[str, str, str, int, int]  # task, backend, policy, seed, episode

_TEXT = (is_text, "a non-empty string")
_COUNT = (is_count, "an integer of 0 or more")
_BOOL = (lambda v: isinstance(v, bool), "true or false")
EPISODE_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "task": _TEXT,
    "backend": _TEXT,
    "policy": _TEXT,
    "seed": _COUNT,
    "episode": _COUNT,
    "success_any": _BOOL,
    "success_last": _BOOL,
    "first_success_step": (lambda v: v is None or is_count(v), "an integer of 0 or more, or null"),
    "episode_return": (is_number, "a finite number"),
    "length": _COUNT,
    "error": (lambda v: v is None or is_text(v), "a non-empty string, or null"),
}
RESULTS_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "schema": (lambda v: v == SCHEMA, repr(SCHEMA)),
    "protocol": _TEXT,
    "config": (lambda v: isinstance(v, Mapping), "an object"),
    "episodes": (lambda v: isinstance(v, (list, tuple)), "a list of episodes"),
}


@dataclass(frozen=True, kw_only=True)
class EpisodeResult:
    """One evaluated episode.

    Args:
        task: Task id, for example ``"metaworld/reach-v3"``.
        backend: Engine name.
        policy: Policy name.
        seed: Root seed of the episode.
        episode: Index of the episode under that seed.
        success_any: Whether the task was solved at any step.
        success_last: Whether it was solved at the last step.
        first_success_step: Steps taken when it was first solved (0: at reset), or ``None``.
        episode_return: Sum of rewards.
        length: Steps taken.
        error: What the engine reported when it gave the episode up; such an episode is not solved at the last
            step.

    Raises:
        InvalidResults: A field has the wrong type, or two fields contradict each other.
    """

    task: str
    backend: str
    policy: str
    seed: int
    episode: int
    success_any: bool
    success_last: bool
    first_success_step: int | None
    episode_return: float
    length: int
    error: str | None = None

    def __post_init__(self) -> None:
        row = {name: getattr(self, name) for name in EPISODE_FIELDS}
        check_fields(row, EPISODE_FIELDS, "EpisodeResult")
        object.__setattr__(self, "episode_return", float(self.episode_return) + 0.0)  # -0.0 becomes 0.0
        problem = _contradiction(self)
        if problem:
            raise InvalidResults(f"EpisodeResult: {problem}")

    @property
    def key(self) -> Key:
        """What names the episode: (task, backend, policy, seed, episode)."""
        return (self.task, self.backend, self.policy, self.seed, self.episode)


@dataclass(frozen=True, kw_only=True)
class Results:
    """Episodes of one protocol, sorted by :attr:`EpisodeResult.key`.

    Args:
        schema: Always ``"metasim.results/1"``.
        protocol: Name and version of the protocol.
        config: The whole resolved configuration, versions included; plain JSON values.
        episodes: The episodes, in any order; stored sorted.

    Raises:
        InvalidResults: A field has the wrong type, the configuration holds something JSON cannot, or an
            episode occurs twice.
    """

    schema: str = SCHEMA
    protocol: str
    config: Mapping[str, Any]
    episodes: tuple[EpisodeResult, ...]

    def __post_init__(self) -> None:
        check_fields({n: getattr(self, n) for n in RESULTS_FIELDS}, RESULTS_FIELDS, "Results")
        stranger = next((e for e in self.episodes if not isinstance(e, EpisodeResult)), None)
        if stranger is not None:
            raise InvalidResults(f"Results.episodes: expected EpisodeResult, got {type(stranger).__name__}")
        episodes = tuple(sorted(self.episodes, key=lambda e: e.key))
        for first, second in zip(episodes, episodes[1:], strict=False):
            if first.key == second.key:
                raise InvalidResults(f"episode {_name(first)} occurs twice; merge() joins overlapping results")
        object.__setattr__(self, "episodes", episodes)
        object.__setattr__(self, "config", freeze(self.config, "Results.config"))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content: a read-only mapping does not pickle."""
        return (
            partial(Results, protocol=self.protocol, config=thaw(self.config), episodes=self.episodes),
            (),
        )

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: sorted keys, ASCII, one episode a line; equal results, equal bytes."""
        rows = ",\n  ".join(_line(vars(e)) for e in self.episodes)
        listed = f"[\n  {rows}\n ]" if rows else "[]"
        config = json.dumps(thaw(self.config), sort_keys=True, allow_nan=False, indent=1).replace("\n", "\n ")
        fields = {
            "config": config,
            "episodes": listed,
            "protocol": _line(self.protocol),
            "schema": _line(SCHEMA),
        }
        body = ",\n".join(f' "{name}": {text}' for name, text in fields.items())
        return f"{{\n{body}\n}}\n".encode("ascii")


def save(results: Results, path: str | os.PathLike[str]) -> Path:
    """Write results to ``path``, all or nothing; the folder is made if need be."""
    return write_atomically(path, results.to_bytes())


def load(path: str | os.PathLike[str]) -> Results:
    """Read and check a results file.

    Raises:
        InvalidResults: There is no such file, it is no JSON, or a field is missing, unknown or of the wrong
            type; the message says which field, what it holds and what was expected.
    """
    where = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InvalidResults(f"{where}: cannot be read ({error.strerror or error})") from error
    return parse(data, where)


def parse(data: bytes, where: str = "results") -> Results:
    """Read results from the bytes of a JSON file; ``where`` begins every error message."""
    try:
        tree = json.loads(data.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        cut = " The file ends there: was it cut short?" if not data[error.pos :].strip() else ""
        raise InvalidResults(
            f"{where}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}.{cut}"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidResults(f"{where}: not a JSON text file: byte {error.start} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise InvalidResults(f"{where}: not a results file: {error}") from error
    if isinstance(tree, dict) and tree.get("schema", SCHEMA) != SCHEMA:  # first: all else may differ too
        raise InvalidResults(f"{where}.schema: expected {SCHEMA!r}, got {tree['schema']!r}")
    check_fields(tree, RESULTS_FIELDS, where)
    episodes: list[EpisodeResult] = []
    for index, row in enumerate(tree["episodes"]):
        spot = f"{where}.episodes[{index}]"
        check_fields(row, EPISODE_FIELDS, spot, optional=("error",))
        try:
            episodes.append(EpisodeResult(**row))
        except InvalidResults as error:
            raise InvalidResults(str(error).replace("EpisodeResult", spot, 1)) from None
    try:
        return Results(protocol=tree["protocol"], config=tree["config"], episodes=tuple(episodes))
    except InvalidResults as error:
        raise InvalidResults(f"{where}: {error}") from None
    except RecursionError as error:
        raise InvalidResults(f"{where}.config: nested too deeply") from error


UNITED = (
    "tasks",
    "backends",
    "policies",
    "episodes",
    "seeds",
)  # lists of what was run: shards may differ in them


def merge(parts: Iterable[Results]) -> Results:
    """Join results of one protocol, such as shards or one file per engine.

    Configurations are joined key by key. Lists that say what was run (``tasks``, ``backends``, ``policies``,
    ``episodes``, ``seeds``) are united; any other setting must agree wherever two parts have it. An episode
    may occur in several parts if they agree on it.

    Raises:
        InvalidResults: No parts; protocols or settings differ; or two parts report one episode differently.
    """
    parts = tuple(parts)
    if not parts:
        raise InvalidResults("nothing to merge: expected at least one results object, got none")
    config: Mapping[str, Any] = parts[0].config
    episodes: dict[Key, EpisodeResult] = {}
    for part in parts:
        if part.protocol != parts[0].protocol:
            raise InvalidResults(f"cannot merge protocol {part.protocol!r} into {parts[0].protocol!r}")
        config = _join(config, part.config, "config")
        for episode in part.episodes:
            known = episodes.setdefault(episode.key, episode)
            if known != episode:
                name = next(n for n in EPISODE_FIELDS if getattr(known, n) != getattr(episode, n))
                raise InvalidResults(
                    f"episode {_name(episode)} has {name} {getattr(known, name)!r} in one part and"
                    f" {getattr(episode, name)!r} in another; evaluate it again, or leave one part out"
                )
    return Results(protocol=parts[0].protocol, config=config, episodes=tuple(episodes.values()))


def _join(left: Mapping[str, Any], right: Mapping[str, Any], where: str) -> dict[str, Any]:
    joined = dict(left)
    for key, new in right.items():
        old = joined.setdefault(key, new)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            joined[key] = _join(old, new, f"{where}.{key}")
        elif _line(thaw(old)) == _line(thaw(new)):
            continue
        elif key in UNITED and isinstance(old, tuple) and isinstance(new, tuple):
            united = {_line(thaw(item)): item for item in (*old, *new)}
            joined[key] = tuple(united[line] for line in sorted(united, key=lambda k: (len(k), k)))
        else:
            raise InvalidResults(
                f"{where}.{key} is {thaw(old)!r} in one part and {thaw(new)!r} in another;"
                " parts of one result share every setting"
            )
    return joined


def _contradiction(e: EpisodeResult) -> str:
    if e.success_last and not e.success_any:
        return "success_last is true while success_any is false; the last step is a step too"
    if e.success_any != (e.first_success_step is not None):
        return f"success_any is {e.success_any} while first_success_step is {e.first_success_step}"
    if e.first_success_step is not None and e.first_success_step > e.length:
        return f"first_success_step {e.first_success_step} lies beyond length {e.length}"
    if e.error is not None and e.success_last:
        return f"success_last is true while error is {e.error!r}; a broken-off episode has no last step to judge"
    return ""


def _name(e: EpisodeResult) -> str:
    return f"{e.task} / {e.backend} / {e.policy} / seed {e.seed} / episode {e.episode}"


def _line(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a number that JSON has")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(n for n in names if names.count(n) > 1)!r} occurs twice in one object")
    return tree
