"""Per-world parameters: rows of the mirror's model, and what Bullet has of them.

Gains and damping live in the mirror alone, as do sites; mass, friction and gravity in both; places are put into Bullet
with the coordinates. Bullet's friction belongs to links and is solved from all geoms' (``surface.py``); so is softness,
which follows the masses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
import pybullet as p
from mujoco import batch

from metasim.backends.pybullet import world
from metasim.backends.pybullet.friction import YieldingFriction
from metasim.backends.pybullet.inertia import additions, bullet_inertia
from metasim.backends.pybullet.model import Plan, merged_inertia
from metasim.backends.pybullet.shapes import rotation
from metasim.backends.pybullet.state import check_placeable
from metasim.backends.pybullet.surface import Contacts, find_contacts, solve_friction, solve_softness
from metasim.backends.pybullet.world import Wiring
from metasim.core.backend import Start
from metasim.core.errors import UnsupportedFeature
from metasim.model import Model
from metasim.model import parameters as model_parameters
from metasim.model.parameters import EXPANDABLE, FIELDS, start_values

Array = Any
_IN_BULLET = ("body_mass", "body_inertia", "geom_friction", "opt.gravity")
_ALONE = 1e-6


def model_value(m: mujoco.MjModel, field: str) -> Array:
    """Return the value a field has in the shared model."""
    return m.opt.gravity if field == "opt.gravity" else getattr(m, field)


def defaults(m: mujoco.MjModel) -> dict[str, Array]:
    """Return the model's value of every field that a snapshot may hold."""
    return {name: model_value(m, name) for name in EXPANDABLE}


def checked(model: Model, start: Start, n: int) -> dict[tuple[str, int], Array]:
    """Return what a start sets, by parameter and index, checked: one row per world."""
    found = {}
    for (parameter, name), values in start_values(model, start).items():
        k, rows = check(model, parameter, name, values, n)
        found[parameter, k] = rows
    return found


def check(model: Model, parameter: str, name: str, values: Array, n: int) -> tuple[int, Array]:
    """Return the index of what is meant and the checked values, one row per world.

    Raises:
        UnknownName: For a parameter or name that is not there.
        InvalidState: For a wrong shape, sign or kind.
        UnsupportedFeature: For the mass or inertia of a body that is one of several in a Bullet link, or for the
            inertia of one whose axes Bullet has turned.
    """
    k, rows = model_parameters.check(model, parameter, name, values, n)
    if parameter in ("body_pos", "body_quat"):
        check_placeable(model, k, name)
    if parameter in ("mass", "inertia"):
        _check_alone(model.mj, parameter, k, name)
    return k, rows


def _check_alone(m: mujoco.MjModel, parameter: str, body: int, name: str) -> None:
    group = int(m.body_weldid[body])
    members = np.flatnonzero(m.body_weldid == group)
    if not m.body_dofnum[group]:
        return
    if m.body_mass[members].sum() - m.body_mass[body] > _ALONE * m.body_mass[body]:
        raise UnsupportedFeature(
            f"pybullet cannot set the {parameter} of body {name!r}: it is rigidly joined to others with mass,"
            f" and Bullet cannot move a link's centre of mass; use mujoco"
        )
    if parameter == "inertia":
        rel = np.zeros((m.nbody, 3)), np.tile(np.eye(3), (m.nbody, 1, 1))
        shared = np.abs(merged_inertia(m, group, *rel, *bullet_inertia(m))[2].T @ rotation(m.body_iquat[body]))
        if body != group or np.abs(shared - shared.round()).max() > _ALONE:
            raise UnsupportedFeature(
                f"pybullet cannot set the inertia of body {name!r}: Bullet has other principal axes for it; use mujoco"
            )


def write(b: batch.Batch, kinds: tuple[str, ...], settings: Mapping[tuple[str, int], Array], rows: Array) -> None:
    """Write checked parameters of some worlds into the mirror, and what follows from them.

    Args:
        b: The mirror.
        kinds: Kinds of the actuators.
        settings: Parameter and index to values, one row per world.
        rows: Which worlds.
    """
    for (parameter, k), values in settings.items():
        _write(b, kinds, parameter, k, values, rows)
    if any(parameter in ("mass", "inertia") for parameter, _ in settings):
        b.set_const(rows)


def _write(b: batch.Batch, kinds: tuple[str, ...], parameter: str, k: int, values: Array, rows: Array) -> None:
    fields = [b.expand(f) for f in FIELDS[parameter]]
    match parameter:
        case "mass":
            scale = values / fields[0][rows, k]
            fields[0][rows, k] = values
            fields[1][rows, k] *= scale[:, None]
        case "friction":
            fields[0][rows, k, 0] = values
        case "damping":
            m = b.model
            dof = int(m.jnt_dofadr[k])
            width = 6 if int(m.jnt_type[k]) == int(mujoco.mjtJoint.mjJNT_FREE) else 1
            fields[0][rows, dof : dof + width] = values[:, None]
        case "gain":
            fields[0][rows, k, 0] = values
            if kinds[k] != "effort":
                fields[1][rows, k, 1 if kinds[k] == "position" else 2] = -values
        case "gravity":
            fields[0][rows] = values
        case _:
            fields[0][rows, k] = values


def field(b: batch.Batch, m: mujoco.MjModel, name: str) -> Array:
    """Return a model field of every world, read-only."""
    values, default = b.expanded(name), np.asarray(model_value(m, name))
    return np.broadcast_to(default, (b.nsim, *default.shape)) if values is None else values


def read(b: batch.Batch, m: mujoco.MjModel, parameter: str, k: int) -> Array:
    """Return a parameter of every world as the mirror has it."""
    values = field(b, m, FIELDS[parameter][0])
    if parameter == "gravity":
        return np.array(values)
    column = int(m.jnt_dofadr[k]) if parameter == "damping" else k
    return np.array(values[:, column, 0] if parameter in ("friction", "gain") else values[:, column])


class InBullet:
    """Keeps mass, friction, softness and gravity of every Bullet world as the mirror's rows say."""

    def __init__(
        self,
        m: mujoco.MjModel,
        plan: Plan,
        pairs: Contacts,
        wired: Wiring,
        clients: list[int],
        yielding: YieldingFriction,
    ) -> None:
        self._m, self._plan, self._pairs, self._wired, self._clients = m, plan, pairs, wired, clients
        self._yielding = yielding
        self._applied: list[dict[str, bytes]] = [{} for _ in clients]
        own = bullet_inertia(m)
        self._axes = {g: merged_inertia(m, g, plan.rel_pos, plan.rel_mat, *own)[2] for g in wired.links}

    def apply(self, b: batch.Batch, rows: Array) -> None:
        """Bring some worlds up to date; worlds that are so already cost nothing."""
        values = {f: b.expanded(f) for f in _IN_BULLET}
        if all(v is None for v in values.values()):
            return
        for i in rows.tolist():
            now = {f: v[i].tobytes() for f, v in values.items() if v is not None}
            done = self._applied[i]
            changed = {f for f, v in now.items() if done.get(f, model_value(self._m, f).tobytes()) != v}
            if changed & {"body_mass", "body_inertia"}:
                self._set_masses(i, np.asarray(values["body_mass"])[i], np.asarray(values["body_inertia"])[i])
                self._set_softness(i, np.asarray(b.expanded("body_invweight0"))[i])
            if "geom_friction" in changed:
                friction = solve_friction(
                    self._m, self._pairs, self._plan.surfaces, np.asarray(values["geom_friction"])[i]
                )
                world.set_friction(self._clients[i], self._wired, friction)
                self._yielding.set_base(i, friction[:, 0])
            if "opt.gravity" in changed:
                p.setGravity(*np.asarray(values["opt.gravity"])[i].tolist(), physicsClientId=self._clients[i])
            self._applied[i] = now

    def _set_masses(self, i: int, mass: Array, inertia: Array) -> None:
        own = bullet_inertia(self._m, mass, inertia)
        for group, (body, link) in self._wired.links.items():
            kg, _, axes, moments = merged_inertia(self._m, group, self._plan.rel_pos, self._plan.rel_mat, *own)
            if not np.array_equal(axes, self._axes[group]):  # sorted otherwise: of the link's own axes each
                moments = (self._axes[group].T @ axes) ** 2 @ moments
            world.set_mass(self._clients[i], body, link, kg, moments)

    def _set_softness(self, i: int, inverse_weights: Array) -> None:
        pairs = find_contacts(self._m, self._plan.surfaces, inverse_weights)
        world.set_softness(self._clients[i], self._wired, *solve_softness(pairs, len(self._plan.surfaces)))

    def mass(self, i: int, body: int) -> float | None:
        """Return what Bullet has as the mass of a group of which ``body`` is all, None for others."""
        group = int(self._m.body_weldid[body])
        members = np.flatnonzero(self._m.body_weldid == group)
        rest = self._m.body_mass[members].sum() - self._m.body_mass[body]
        if group not in self._wired.links or rest > 0 or self._m.body_mass[body] == 0:
            return None
        held = p.getDynamicsInfo(*self._wired.links[group], physicsClientId=self._clients[i])[0]
        return float(held - additions(self._m)[0][members].sum())
