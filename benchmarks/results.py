"""Results of a benchmark: every episode, the whole resolved configuration, and one canonical JSON file.

Equal results have equal bytes, so nothing that differs between two runs of one protocol may stand in them:
no clock, host, path, worker count or batch size. Those belong in a sidecar.

Schema 2 adds to schema 1, which is still read, what a benchmark of generalization needs: the version and digest of
the protocol, and of an episode its condition (level, factor, value) and the variation that was sampled for it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from metasim.benchmarks.checking import (
    InvalidResults,
    check_fields,
    freeze,
    is_text,
    thaw,
)
from metasim.benchmarks.condition import Condition
from metasim.benchmarks.episode import CELL_FIELDS, EPISODE_FIELDS, EpisodeResult, Key, described, row_of
from metasim.work import write_atomically

SCHEMA, OLD_SCHEMA = "metasim.results/2", "metasim.results/1"

_TEXT = (is_text, "a non-empty string")
_WORD = (lambda v: isinstance(v, str), "a string")
_TREE = (lambda v: isinstance(v, Mapping), "an object")
RESULTS_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "schema": (lambda v: v in (SCHEMA, OLD_SCHEMA), repr(SCHEMA)),
    "protocol": _TEXT,
    "config": _TREE,
    "episodes": (lambda v: isinstance(v, (list, tuple)), "a list of episodes"),
}
PROTOCOL_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {  # since schema 2; left out where empty
    "protocol_version": _WORD,
    "protocol_sha256": (
        lambda v: isinstance(v, str) and re.fullmatch("([0-9a-f]{64})?", v) is not None,
        "64 hexadecimal digits, or an empty string",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Results:
    """Episodes of one protocol, sorted by :attr:`EpisodeResult.key`.

    Args:
        schema: Always ``"metasim.results/2"``.
        protocol: Name of the protocol.
        config: The whole resolved configuration, versions included; plain JSON values.
        episodes: The episodes, in any order; stored sorted.
        protocol_version: Its version, where the name does not say it.
        protocol_sha256: Digest of the frozen protocol's file, where it has one.

    Raises:
        InvalidResults: A field has the wrong type, the configuration holds something JSON cannot, or an
            episode occurs twice.
    """

    schema: str = SCHEMA
    protocol: str
    config: Mapping[str, Any]
    episodes: tuple[EpisodeResult, ...]
    protocol_version: str = ""
    protocol_sha256: str = ""

    def __post_init__(self) -> None:
        known = {**RESULTS_FIELDS, **PROTOCOL_FIELDS}
        check_fields({n: getattr(self, n) for n in known}, known, "Results")
        object.__setattr__(self, "schema", SCHEMA)
        stranger = next((e for e in self.episodes if not isinstance(e, EpisodeResult)), None)
        if stranger is not None:
            raise InvalidResults(f"Results.episodes: expected EpisodeResult, got {type(stranger).__name__}")
        episodes = tuple(sorted(self.episodes, key=lambda e: e.key))
        for first, second in zip(episodes, episodes[1:], strict=False):
            if first.key == second.key:
                raise InvalidResults(f"episode {described(first)} occurs twice; merge() joins overlapping results")
        object.__setattr__(self, "episodes", episodes)
        object.__setattr__(self, "config", freeze(self.config, "Results.config"))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content: a read-only mapping does not pickle."""
        said = {"protocol": self.protocol, "config": thaw(self.config), "episodes": self.episodes}
        return (partial(Results, **said, **{name: getattr(self, name) for name in PROTOCOL_FIELDS}), ())

    def only(self, *, backend: str = "", policy: str = "", condition: Condition | None = None) -> Results:
        """Return results with the episodes of an engine, a policy or a condition alone; the rest is the same."""
        kept = tuple(
            e
            for e in self.episodes
            if backend in ("", e.backend) and policy in ("", e.policy) and condition in (None, e.condition)
        )
        return replace(self, episodes=kept)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: sorted keys, ASCII, one episode a line; equal results, equal bytes."""
        rows = ",\n  ".join(_line(row_of(e)) for e in self.episodes)
        listed = f"[\n  {rows}\n ]" if rows else "[]"
        config = json.dumps(thaw(self.config), sort_keys=True, allow_nan=False, indent=1).replace("\n", "\n ")
        fields = {
            "config": config,
            "episodes": listed,
            "protocol": _line(self.protocol),
            **{name: _line(text) for name in sorted(PROTOCOL_FIELDS) if (text := getattr(self, name))},
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
    schema = tree.get("schema", SCHEMA) if isinstance(tree, dict) else SCHEMA
    if schema not in (SCHEMA, OLD_SCHEMA):  # first: all else may differ too
        raise InvalidResults(
            f"{where}.schema: expected {SCHEMA!r} or the older {OLD_SCHEMA!r}, got {schema!r};"
            " this metasim reads no other: use the version that wrote the file, or a newer one"
        )
    cell, frozen = ((), ()) if schema == OLD_SCHEMA else (CELL_FIELDS, PROTOCOL_FIELDS)
    check_fields(tree, {**RESULTS_FIELDS, **{n: PROTOCOL_FIELDS[n] for n in frozen}}, where, optional=tuple(frozen))
    episodes: list[EpisodeResult] = []
    fields = {**EPISODE_FIELDS, **{n: CELL_FIELDS[n] for n in cell}}
    for index, row in enumerate(tree["episodes"]):
        spot = f"{where}.episodes[{index}]"
        check_fields(row, fields, spot, optional=("error", *cell))
        try:
            episodes.append(EpisodeResult(**row))
        except InvalidResults as error:
            raise InvalidResults(str(error).replace("EpisodeResult", spot, 1)) from None
    try:
        said = {name: tree[name] for name in PROTOCOL_FIELDS if name in tree}
        return Results(protocol=tree["protocol"], config=tree["config"], episodes=tuple(episodes), **said)
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
        for name in ("protocol", *PROTOCOL_FIELDS):
            if getattr(part, name) != getattr(parts[0], name):
                was, now = getattr(parts[0], name), getattr(part, name)
                raise InvalidResults(f"cannot merge {name.replace('_', ' ')} {now!r} into {was!r}")
        config = _join(config, part.config, "config")
        for episode in part.episodes:
            known = episodes.setdefault(episode.key, episode)
            if known != episode:
                fields = (*EPISODE_FIELDS, *CELL_FIELDS)
                name = next(n for n in fields if getattr(known, n) != getattr(episode, n))
                raise InvalidResults(
                    f"episode {described(episode)} has {name} {getattr(known, name)!r} in one part and"
                    f" {getattr(episode, name)!r} in another; evaluate it again, or leave one part out"
                )
    said = {name: getattr(parts[0], name) for name in PROTOCOL_FIELDS}
    return Results(protocol=parts[0].protocol, config=config, episodes=tuple(episodes.values()), **said)


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
