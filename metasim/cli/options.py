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
SavedPolicies = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PATH")]
Out = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
MaybeOut = Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
Size = Annotated[tuple[int, int], tyro.conf.arg(metavar="WIDTHxHEIGHT")]
MaybeInt = Annotated[int | None, tyro.conf.arg(metavar="INT")]
MaybeStr = Annotated[str | None, tyro.conf.arg(metavar="STR")]
Vary = Annotated[str, tyro.conf.arg(metavar="AXIS[=train|test],...")]
MaybeBackend = Annotated[str | None, tyro.conf.arg(metavar="STR")]
REPLAY = "replay:"
"""Before a dataset's path: the policy that repeats its actions."""
REMOTE = "remote:"
"""Before the address of a policy that is served."""


def with_sizes(words: Iterable[str]) -> list[str]:
    """Return words with two numbers behind ``--size``, where it may have ``128x96``, ``128 96``, or ``128`` for both.

    Raises:
        InvalidConfig: If it has something else.
    """
    found, rest = list[str](), list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        found.append(f"{name}{equals}{value}")
        if name != "--size" or not (equals or (rest and not rest[0].startswith("-"))):
            continue
        value = value if equals else rest.pop(0)
        numbers = value.lower().split("x")
        if not equals and len(numbers) == 1 and rest and rest[0].isdecimal():
            numbers.append(rest.pop(0))
        if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
            raise InvalidConfig(f"--size is like 128x128, width and height in pixels; got {value!r}")
        found[-1:] = [name, numbers[0], numbers[-1]]
    return found


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


def vary_axes(words: str) -> dict[str, str]:
    """Return axis to range for ``mass=test,friction``; an axis alone means its train range.

    Raises:
        InvalidConfig: For something of another form, or an axis named twice.
        UnknownName: For an axis that is not registered, with the nearest ones.
    """
    from metasim.randomize import AXES

    found: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        axis, _, split = word.partition("=")
        if split not in ("", "train", "test") or axis in found:
            raise InvalidConfig(f"--vary is like mass=test,friction=train, each axis once; got {words!r}")
        if axis not in AXES:
            raise UnknownName("axis", axis, AXES)
        found[axis] = split or "train"
    return found


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
    """Return the name of a policy for ``NAME[:key=value,...]``, ``replay:FILE``, ``remote:url=...``, or a path of one.

    Raises:
        UnknownName: For parameters of a policy that there is not.
        InvalidConfig: For parameters that the policy does not take.
        InvalidPolicy: If there is no policy at that path.
        DatasetError: If there are no recorded actions in that file.
        RemoteFailure: If nothing is served there.
    """
    from metasim.core.policy import POLICIES

    if word.startswith(REPLAY):
        from metasim.policies.replay import recorded

        return recorded(word.removeprefix(REPLAY))
    if word.startswith(REMOTE):
        from metasim.policies.remote import remote

        return remote(word)
    file = word.rpartition(":")[0] if "=" in word.rpartition(":")[2] else word  # FILE:key=value
    if word in POLICIES or not (os.sep in word or Path(file).exists()):
        return POLICIES.canonical(word)
    from metasim.policies.saved import saved

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
