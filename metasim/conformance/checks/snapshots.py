"""Snapshots and dumps: worlds that are put back go on as they did."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, holds, near, report, same
from metasim.conformance.scenes import opened
from metasim.conformance.trajectory import fly, goals, look, scatter
from metasim.core.backend import Start

Array = Any
WORLDS = 3


def snapshot(make: BackendFactory) -> list[Measurement]:
    """A restored snapshot continues to the bit: later, in other worlds, and after anything else happened."""
    exact = "the same arithmetic from the same state"
    with opened(make, "heap", WORLDS) as backend:
        scatter(backend)
        backend.apply_wrench("brick", np.array([0.3, 0.1, 0.2, 0.0, 0.01, 0.0]))
        fly(backend, 60)
        kept, then = backend.snapshot(), look(backend.state)
        wanted = goals(backend)
        first = fly(backend, 40, begin=10)
        backend.apply_wrench("brick", np.zeros(6))
        fly(backend, 30, begin=25)
        backend.restore(kept)
        measured = [
            same("reads after restore", look(backend.state), then, "contacts of the last substep included"),
            same("targets after restore", goals(backend), wanted, "part of the snapshot"),
            same("continuation after restore", fly(backend, 40, begin=10), first, exact),
        ]
        backend.restore(kept, np.array([0, 1]), rows=np.array([2, 2]))
        moved = fly(backend, 40, begin=10, clones=2)
        measured += [
            same(
                f"continuation of world 2 in world {i}",
                [a[:, i] for a in moved],
                [a[:, 2] for a in first],
                exact,
            )
            for i in (0, 1)
        ]
        part = backend.snapshot(np.array([1]))
        after = fly(backend, 20, begin=10, clones=2)
        backend.reset()
        backend.restore(part, np.array([2]))
        again = fly(backend, 20, begin=10, clones=2)
        why = "a row of its own"
        measured.append(
            same("continuation of a partial snapshot", [a[:, 2] for a in again], [a[:, 1] for a in after], why)
        )
        return measured


def snapshot_only_looks(make: BackendFactory) -> list[Measurement]:
    """How far a world strays from the path it would have gone, had no snapshot of it been taken."""
    paths = []
    for taken in (False, True):
        with opened(make, "heap", 2) as backend:
            fly(backend, 40)
            if taken:
                backend.snapshot()
            paths.append(fly(backend, 40)[0])
    why = "not held: an engine that hides its solver's past must drop it, or a copy could not go on alike"
    return [
        report("after 4 ms", np.abs(paths[1][0] - paths[0][0]).max(), 0.0, "m, rad", why),
        report("after 160 ms", np.abs(paths[1] - paths[0]).max(), 0.0, "m, rad", why),
    ]


def dump(make: BackendFactory) -> list[Measurement]:
    """Dumped rows in a fresh backend give the same coordinates and, without contact, the same motion."""
    with opened(make, "arm", WORLDS) as backend, opened(make, "arm", WORLDS) as fresh:
        backend.write(Start(joints={"shoulder": [[0.9], [-0.4], [1.4]], "elbow": [[-0.5], [0.8], [0.1]]}))
        fly(backend, 30)
        rows = backend.dump()
        fresh.load_dump(rows[[1]], worlds=np.array([2]))
        fresh.load_dump(rows[:2], worlds=np.array([0, 1]))
        why = "the row holds all coordinates"
        loaded = near("coordinates", fresh.state.qpos, backend.state.qpos[[0, 1, 1]], 1e-12, "rad", why)
        speeds = near("velocities", fresh.state.qvel, backend.state.qvel[[0, 1, 1]], 1e-12, "rad/s", why)
        ours, theirs = fly(backend, 40, begin=10, clones=1), fly(fresh, 40, begin=10, clones=1)
        gap = np.abs(ours[0][:, :2] - theirs[0][:, :2]).max()
        return [
            holds(
                "a float64 row for each world",
                rows.ndim == 2 and len(rows) == WORLDS and rows.dtype == np.float64,
                "(n, D)",
            ),
            loaded,
            speeds,
            near("motion after loading", gap, 0.0, 1e-9, "rad", "no contact, so no hidden solver state"),
        ]


CHECKS = (snapshot, snapshot_only_looks, dump)
