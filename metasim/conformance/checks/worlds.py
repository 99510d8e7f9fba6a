"""Worlds side by side: each is alone, whatever happens in the others and however they are shared out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from metasim.conformance.measurement import BackendFactory, Measurement, holds, near, needs, same
from metasim.conformance.scenes import opened
from metasim.conformance.trajectory import fly, look, scatter
from metasim.core.backend import Backend, Start

Array = Any
MANY, FEW, QUICK_S = 64, 8, 0.05
ALONE = "worlds share nothing"


def one_of_many(make: BackendFactory) -> list[Measurement]:
    """A single world is, to the bit, a row of a batch of 64 worlds, or of 8 where 64 would take long."""
    start = time.perf_counter()
    first = _single(make, 0)
    count = MANY if time.perf_counter() - start < QUICK_S else FEW
    with opened(make, "heap", count) as batch:
        scatter(batch)
        rows = fly(batch, 60)
    last = _single(make, count - 1)
    why = f"an episode does not know its batch, of {count} here"
    return [
        same("a single world against row 0", first, [a[:, 0] for a in rows], why),
        same("a single world against the last row", last, [a[:, -1] for a in rows], why),
    ]


def workers(make: BackendFactory) -> list[Measurement]:
    """The number of workers changes nothing."""
    runs = []
    for count in (1, 2):
        with opened(make, "heap", 3, workers=count) as backend:
            scatter(backend)
            run = fly(backend, 40)
            backend.reset(np.array([1]))
            run += [a[None] for a in look(backend.state)]
            kept = backend.snapshot(np.array([0, 2]))
            backend.restore(kept, np.array([1, 2]))
            runs.append([*run, *fly(backend, 20)])
    why = "workers share worlds out, they do not share state"
    return [same("3 worlds on 2 workers against 1", runs[1], runs[0], why)]


def subsets(make: BackendFactory) -> list[Measurement]:
    """Resetting, writing, restoring or reading some worlds leaves the others to the bit, then and later."""
    some, others = np.array([0, 2]), [1, 3]
    with opened(make, "heap", 4) as backend:
        scatter(backend)
        start = backend.snapshot()
        fly(backend, 30)
        reference = [look(backend.state), fly(backend, 30, begin=5)]
        home = backend.info.home_qpos

        def write_state() -> None:
            backend.write_state(np.tile(home, (2, 1)), np.zeros((2, backend.state.qvel.shape[1])), some)

        acts = {
            "reset": lambda: backend.reset(some),
            "write": lambda: scatter(backend, 7, some),
            "write_state": write_state,
            "restore": lambda: backend.restore(start, some, rows=np.array([3, 1])),
            "load_dump": lambda: backend.load_dump(backend.dump(np.array([3, 1])[::-1]), some),
            "forward": lambda: backend.forward(some),
            "set_parameter": lambda: backend.set_parameter("mass", "brick", np.array([1.0, 2.0]), some),
            "looking": lambda: (
                backend.mass_matrix(some),
                backend.jacobian("site", "tip", some),
                backend.dump(some),
            ),
        }
        measured = []
        for name, act in acts.items():
            backend.reset()
            backend.restore(start)
            fly(backend, 30)
            act()
            now, later = look(backend.state), fly(backend, 30, begin=5)
            measured += [
                same(
                    f"other worlds right after {name}",
                    [a[others] for a in now],
                    [a[others] for a in reference[0]],
                    ALONE,
                ),
                same(
                    f"other worlds long after {name}",
                    [a[:, others] for a in later],
                    [a[:, others] for a in reference[1]],
                    ALONE,
                ),
            ]
            if name in ("forward", "looking"):
                mine = [a[:, some] for a in later]
                measured.append(
                    same(
                        f"the same worlds after {name}",
                        mine,
                        [a[:, some] for a in reference[1]],
                        "only looks",
                    )
                )
        return measured


def side_by_side(make: BackendFactory) -> list[Measurement]:
    """Two backends in one process do not mix, and each is closed on its own, twice if need be."""
    with opened(make, "heap", 2) as lonely:
        scatter(lonely)
        wanted = fly(lonely, 40)
    one, two = make(2), make(1)
    try:
        with opened(make, "heap", 2) as ours:
            scatter(ours)
            with opened(make, "rails") as other:
                other.targets.ctrl[:] = 1.0
                first = fly(ours, 10)
                other.step(20)
                second = fly(ours, 10, begin=10)
                speed = other.state.joint("zeta").vel[0, 0]
            third = fly(ours, 20, begin=20)
    finally:
        for backend in (one, one, two, two):
            backend.close()
    mixed = [np.concatenate(parts) for parts in zip(first, second, third, strict=True)]
    return [
        same("a backend beside another one", mixed, wanted, "they share nothing"),
        near("the other one", speed, 0.04, 1e-9, "m/s", "1 N, 1 kg, 20 substeps"),
        holds("close may be called twice", True, "also without a model"),
    ]


def not_a_number(make: BackendFactory) -> list[Measurement]:
    """NaN in one world's controls is reported for that world, poisons no other, and a reset heals it."""
    with opened(make, "heap", 3) as healthy:
        scatter(healthy)
        wanted = fly(healthy, 10) and fly(healthy, 20, begin=10)
    with opened(make, "heap", 3) as backend:
        scatter(backend)
        fly(backend, 10)
        before = dict(backend.failures)
        seen = []
        for k in range(20):
            backend.targets.ctrl[:] = _programme(backend, k + 10)
            backend.targets.ctrl[1, 0] = np.nan if k < 3 else 0.0
            seen.append(look(backend.step(2)))
        failed = dict(backend.failures)
        found = [np.stack(column) for column in zip(*seen, strict=True)]
        backend.reset(np.array([1]))
        healed = dict(backend.failures)
        again = fly(backend, 20)
    with opened(make, "heap") as fresh:
        new = fly(fresh, 20, first_world=1)
    return [
        holds("no failures before", not before, f"failures {before}"),
        holds("failures name world 1 alone", list(failed) == [1] and bool(failed.get(1)), f"failures {failed}"),
        same("the other worlds", [a[:, [0, 2]] for a in found], [a[:, [0, 2]] for a in wanted], ALONE),
        holds(
            "the failed world stays finite",
            all(np.isfinite(a).all() for a in found),
            "what is read can be logged",
        ),
        holds("reset clears the failure", not healed, f"failures {healed}"),
        same("the world after its reset", [a[:, 1] for a in again], [a[:, 0] for a in new], "as a new one"),
    ]


def divergence(make: BackendFactory) -> list[Measurement]:
    """A world that blows up is reported, and poisons no other."""
    with opened(make, "ball", 3) as backend:
        home = np.tile(backend.info.home_qpos, (3, 1))
        fast = np.zeros((3, 6))
        fast[1, 0] = 1e12
        backend.write_state(home, fast)
        state = backend.step(5)
        failed = dict(backend.failures)
        others = state.joint("ball").vel[[0, 2], 2]
        return [
            holds("failures name world 1 alone", list(failed) == [1], f"1e12 m/s; failures {failed}"),
            near("the other worlds", others, [-9.81 * 0.01] * 2, 1e-9, "m/s", "they fall"),
        ]


@needs("mocap")
def mocap_not_a_number(make: BackendFactory) -> list[Measurement]:
    """NaN in one world's mocap target is reported for that world and poisons no other."""
    with opened(make, "mocap", 2) as backend:
        backend.targets.mocap_pos[:, 0, 0] = [0.1, np.nan]
        backend.step(5)
        failed = dict(backend.failures)
        moved = backend.state.body("load").pos[0].copy()
    with opened(make, "mocap") as healthy:
        healthy.targets.mocap_pos[:, 0, 0] = 0.1
        wanted = healthy.step(5).body("load").pos[0].copy()
    return [
        holds("failures name world 1 alone", list(failed) == [1], f"failures {failed}"),
        same("the other world", moved, wanted, ALONE),
    ]


def masks(make: BackendFactory) -> list[Measurement]:
    """Worlds are chosen by sorted integers or by a boolean mask, none at all included."""
    with opened(make, "rails", 3) as backend:
        backend.write(Start(joints={"mid": [[0.1], [0.3]]}), worlds=np.array([True, False, True]))
        chosen = backend.state.joint("mid").pos[:, 0].copy()
        backend.reset(np.array([], int))
        backend.write(Start(joints={"mid": np.zeros((0, 1))}), worlds=np.array([], int))
        kept = backend.state.joint("mid").pos[:, 0]
        return [
            near("written by mask", chosen, [0.1, 0.0, 0.3], 1e-12, "m", "worlds 0 and 2"),
            near("after touching no world", kept, [0.1, 0.0, 0.3], 1e-12, "m", "nothing happened"),
        ]


def _single(make: BackendFactory, world: int) -> list[Array]:
    with opened(make, "heap") as backend:
        scatter(backend, first_world=world)
        return [a[:, 0] for a in fly(backend, 60, first_world=world)]


def _programme(backend: Backend, k: int) -> Array:
    worlds, motors = np.arange(backend.num_worlds), np.arange(backend.targets.ctrl.shape[1])
    return 2.0 * np.sin(0.2 * k + worlds[:, None] + 2.0 * motors)


CHECKS = (
    one_of_many,
    workers,
    subsets,
    side_by_side,
    not_a_number,
    divergence,
    mocap_not_a_number,
    masks,
)
