"""What several verbs take: tasks, engines, files; and how task names are understood."""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Annotated

import tyro

from metasim.core.errors import InvalidConfig, UnknownName
from metasim.core.task_files import exported, load_task_module

Tasks = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TASK...")]
OneTask = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
Files = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE...")]
OneFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
TaskModules = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FILE.py")]
Out = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
MaybeOut = Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
MaybeInt = Annotated[int | None, tyro.conf.arg(metavar="INT")]
MaybeStr = Annotated[str | None, tyro.conf.arg(metavar="STR")]
MaybeBackend = Annotated[str | None, tyro.conf.arg(metavar="STR")]


def expand_tasks(words: Iterable[str]) -> tuple[str, ...]:
    """Return task ids for ids, globs such as ``metaworld/*``, and protocols; each once, in the order given.

    A protocol may be written with or without its suite (``metaworld/MT50``, ``MT50``), and without its split
    (``ML10``: both of them).

    Raises:
        InvalidConfig: If there are none, a glob matches nothing, or a protocol leaves its tasks to the user.
        UnknownName: For an id that is not registered, with the nearest ones.
    """
    from metasim.core.protocol import PROTOCOLS
    from metasim.core.task import TASKS

    found: dict[str, None] = {}
    for word in words:
        found |= dict.fromkeys(_expand(word, tuple(TASKS)))
    if not found:
        raise InvalidConfig("name at least one task; `metasim list tasks` says which there are")
    for name in found:
        if name not in TASKS:
            raise UnknownName("task or protocol", name, [*TASKS, *PROTOCOLS])
        TASKS[name]
    return tuple(found)


def protocol_id(word: str) -> str:
    """Return the id of a protocol written with or without its suite.

    Raises:
        UnknownName: If there is none of that name, or it has several splits and none is named.
    """
    from metasim.core.protocol import PROTOCOLS

    for id in PROTOCOLS:
        if word.lower() in (id.lower(), id.lower().partition("/")[2]):
            return id
    raise UnknownName("protocol", word, PROTOCOLS)


def policy_name(word: str) -> str:
    """Return the name of a policy for a name, or for the path of one that was trained.

    Raises:
        InvalidPolicy: If there is no policy at that path.
    """
    from metasim.core.policy import POLICIES

    if word in POLICIES or not (os.sep in word or Path(word).exists()):
        return word
    from metasim.policies.learned import saved

    return saved(word)


def _expand(word: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if word in names:
        return (word,)
    if any(sign in word for sign in "*?["):
        matched = tuple(name for name in names if fnmatch.fnmatchcase(name, word))
        if not matched:
            suites = sorted({name.partition("/")[0] for name in names})
            raise InvalidConfig(f"no task matches {word!r}; suites: {suites}")
        return matched
    return _protocol_tasks(word) or (word,)


def _protocol_tasks(word: str) -> tuple[str, ...]:
    """Return the tasks of the protocols that ``word`` means, none if it means none."""
    from metasim.core.protocol import PROTOCOLS

    meant = [id for id in PROTOCOLS if word.lower() in _spellings(id)]
    tasks = tuple(dict.fromkeys(task for id in meant for task in PROTOCOLS[id].tasks))
    if meant and not tasks:
        raise InvalidConfig(f"{word} leaves its tasks to you: name those instead, for example metaworld/reach-v3")
    return tasks


def _spellings(id: str) -> set[str]:
    whole, bare = id.lower(), id.lower().partition("/")[2]
    return {spelt.removesuffix(end) for spelt in (whole, bare) for end in ("", "-train", "-test")}


@contextlib.contextmanager
def task_modules(names: Iterable[str]) -> Generator[None]:
    """Load files or modules that register tasks, here and in every process started meanwhile."""
    names = tuple(names)
    if not names:
        yield
        return
    from metasim.core.task import TASKS

    TASKS.discover()
    for name in names:
        load_task_module(name)
    with exported(names):
        yield
