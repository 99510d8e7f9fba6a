"""Stepping a scene under a fixed programme of controls, and keeping everything that was read on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from metasim.core.backend import Backend, Start
from metasim.core.state import State

Array = Any


def look(state: State) -> list[Array]:
    """Return copies of all coordinates, declared frames, contacts and fields ``(N, ...)``."""
    contacts = state.contacts.copy()
    frames = state.sensors[:, _frame_columns(state)].copy()
    return [state.qpos.copy(), state.qvel.copy(), frames, contacts, state.fields.copy()]


def goals(backend: Backend) -> list[Array]:
    """Return copies of all targets ``(N, ...)``."""
    targets = backend.targets
    return [targets.ctrl.copy(), targets.mocap_pos.copy(), targets.mocap_quat.copy()]


def fly(
    backend: Backend, steps: int, *, begin: int = 0, clones: int | None = None, first_world: int = 0
) -> list[Array]:
    """Step with controls that differ by world and time; return everything read, each ``(T, N, ...)``.

    Args:
        backend: What to step.
        steps: Number of calls of ``step(2)``.
        begin: Step of the programme of controls to begin with.
        clones: Every world gets the controls of this one; None for each its own.
        first_world: Number of world 0 in the programme.
    """
    worlds = np.arange(backend.num_worlds) + first_world if clones is None else np.full(backend.num_worlds, clones)
    motors = np.arange(backend.targets.ctrl.shape[1])
    seen = []
    for k in range(steps):
        backend.targets.ctrl[:] = 2.0 * np.sin(0.2 * (k + begin) + worlds[:, None] + 2.0 * motors)
        seen.append(look(backend.step(2)))
    return [np.stack(column) for column in zip(*seen, strict=True)]


def scatter(backend: Backend, first_world: int = 0, worlds: Array | None = None) -> None:
    """Start each world of the heap elsewhere: the arm raised and the marble thrown, by world number."""
    rows = np.arange(backend.num_worlds) if worlds is None else worlds
    number = (rows + first_world).astype(float)
    shoulder = 0.5 + 0.2 * np.sin(number)
    marble = np.tile([0.03, -0.04, 0.45, 1.0, 0.0, 0.0, 0.0], (len(rows), 1))
    marble[:, 0] += 0.01 * np.cos(number)
    speed = np.zeros((len(rows), 6))
    speed[:, 0] = 0.3 * np.sin(2 * number)
    start = Start(joints={"shoulder": shoulder[:, None], "marble": marble}, velocities={"marble": speed})
    backend.write(start, worlds=rows)


def _frame_columns(state: State) -> Array:
    layout, columns = state.layout, []
    for frames in layout.frames.values():
        for c in frames.values():
            columns += [*range(c.pos, c.pos + 3), *range(c.quat, c.quat + 4)]
            if c.lin_vel >= 0:
                columns += [*range(c.lin_vel, c.lin_vel + 3), *range(c.ang_vel, c.ang_vel + 3)]
    return np.array(columns, int)
