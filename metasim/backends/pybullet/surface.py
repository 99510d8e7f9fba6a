"""Friction and softness: MuJoCo has them for each pair of geoms, Bullet one number for each link.

Bullet multiplies the friction of two links, adds their compliances and dampings, and weighs torsional friction as
``s1 f2 + s2 f1``. The numbers of the links are the least-squares solution of these rules over all pairs that may touch;
pairs within one robot, or of a robot and a fixed body, count less. Where the pairs agree the solution is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from scipy.optimize import nnls

from metasim.backends.pybullet.inertia import motor_dofs
from metasim.backends.pybullet.model import FREE, Surface, may_touch

Array = Any
_GEOM = mujoco.mjtGeom
_WEIGHT, _BOTH_FREE_WEIGHT, _FIXED_WEIGHT, _SELF_WEIGHT = 1.0, 0.1, 0.01, 0.001
_RIGID = 1e12
_ROUNDS = 20
GRIP_SHARE, GRIP_LEAST = 0.05, 0.1
"""What a sweep of the solver takes off the error of a grip; the least share of its damping that a contact keeps."""
_LEAST_FRICTION = 1e-6


@dataclass(frozen=True, kw_only=True)
class Contacts:
    """What MuJoCo would use for each pair ``(P,)`` of surfaces that may touch.

    Attributes:
        pairs: ``(P, 2)`` surface indices.
        weights: How much each pair counts.
        compliance: [m/N].
        damping: [N s/m].
        viscosity: The damping in MuJoCo; that of fingers may be less here [N s/m].
        condim: Dimension of the contact.
    """

    pairs: Array
    weights: Array
    compliance: Array
    damping: Array
    viscosity: Array
    condim: Array


def find_contacts(m: mujoco.MjModel, surfaces: Sequence[Surface], inverse_weights: Array = None) -> Contacts:
    """Return the pairs of surfaces that may touch and their contact parameters.

    Args:
        m: The model.
        surfaces: The surfaces.
        inverse_weights: ``(nbody, 2)`` in the sense of ``body_invweight0``; None for the model's.
    """
    inverse_weights = m.body_invweight0 if inverse_weights is None else inverse_weights
    inverse = [float(np.mean([inverse_weights[m.geom_bodyid[g], 0] for g in s.geoms])) for s in surfaces]
    grips = _grip_forces(m)
    pairs, rows = [], []
    for i, a in enumerate(surfaces):
        for k, b in enumerate(surfaces[i + 1 :], i + 1):
            if may_touch(m, a.geoms[0], b.geoms[0]):
                pairs.append((i, k))
                grip = max(grips.get(a.group, 0.0), grips.get(b.group, 0.0))
                held = inverse[i] * (a.group not in grips) + inverse[k] * (b.group not in grips)
                rows.append((_weight(m, a, b), *_softness(m, a, b, inverse[i] + inverse[k], grip, held)))
    table = np.array(rows, float).reshape(-1, 5)
    return Contacts(
        pairs=np.array(pairs, int).reshape(-1, 2),
        weights=table[:, 0],
        compliance=table[:, 1],
        damping=table[:, 2],
        viscosity=table[:, 3],
        condim=table[:, 4].astype(int),
    )


def _weight(m: mujoco.MjModel, a: Surface, b: Surface) -> float:
    """Return how much a pair counts: what is handled or lies on something most, an anchored robot on itself least."""
    if a.part == b.part:
        return _SELF_WEIGHT
    free = [bool(s.group) and int(m.jnt_type[m.body_jntadr[_root(m, s.group)]]) == FREE for s in (a, b)]
    if all(free):
        return _BOTH_FREE_WEIGHT
    return _WEIGHT if any(free) or (a.group and b.group) else _FIXED_WEIGHT


def _root(m: mujoco.MjModel, group: int) -> int:
    """Return the first body with joints on the way to a group."""
    above = int(m.body_weldid[m.body_parentid[group]])
    return _root(m, above) if above and m.body_dofnum[above] else group


def _softness(
    m: mujoco.MjModel, a: Surface, b: Surface, inverse: float, grip: float, held: float
) -> tuple[float, float, float, int]:
    """Return compliance, damping, MuJoCo's damping and dimension of a pair's contact.

    At rest MuJoCo's constraint ``R f = K d r`` is a spring of ``1 / (tc^2 (1 - d))`` over the inverse weights, with
    ``d`` the impedance, ``tc`` the time constant; the damping is ``2 d / (d tc (1 - d))`` over the same. The impedance
    grows with the depth and is taken where a finger's contact bears its ``grip`` force [N]; elsewhere it is the full.
    Source: MuJoCo documentation, "Computation", solver parameters.
    """
    g, h = a.geoms[0], b.geoms[0]
    mix = m.geom_solmix[g] / max(m.geom_solmix[g] + m.geom_solmix[h], 1e-15)
    if m.geom_priority[g] != m.geom_priority[h]:
        mix = float(m.geom_priority[g] > m.geom_priority[h])
    curve = mix * m.geom_solimp[g] + (1 - mix) * m.geom_solimp[h]
    references = m.geom_solref[g], m.geom_solref[h]
    if all(r[0] > 0 for r in references):
        reference = mix * references[0] + (1 - mix) * references[1]
        constant = max(float(reference[0]), 2 * float(m.opt.timestep))
        stiffness, damping = 1 / (constant * float(reference[1])) ** 2, 2 / constant
    else:
        reference = np.minimum(*references)
        stiffness, damping = -float(reference[0]), -float(reference[1])
    condim = max(int(m.geom_condim[g]), int(m.geom_condim[h]))
    inverse = (
        max(inverse, 1e-9)
        * _points(m, g, h)
        / _pyramid_factor(m, condim, max(m.geom_friction[g, 0], m.geom_friction[h, 0]))
    )
    lacking = 1 - _impedance(curve, np.inf)
    for _ in range(_ROUNDS if grip else 0):
        lacking = 1 - _impedance(curve, grip * inverse * lacking / stiffness)
    compliance, viscosity = inverse * lacking / stiffness, damping / lacking / inverse
    bearable = max(_grip_damping(m, held, compliance), GRIP_LEAST * viscosity) if grip and held else viscosity
    return compliance, min(viscosity, bearable), viscosity, condim


def _grip_damping(m: mujoco.MjModel, held: float, compliance: float) -> float:
    """Return the most damping [N s/m] of a finger's contact at which the solver finds the force in time.

    What is squeezed weighs ``1 / held``, and the error shrinks by the share ``c / (c + held)`` in a sweep, with
    ``c = 1 / (dt (dt K + D))``; a stick of 20 g would roll out of the grip in the rest that is left of it.
    """
    timestep = float(m.opt.timestep)
    return 1 / (timestep * GRIP_SHARE * held) - timestep / compliance


def _impedance(curve: Array, depth: float) -> float:
    """Return MuJoCo's impedance at a depth [m], from its five ``solimp`` numbers."""
    least, most, width, middle, power = (float(v) for v in curve)
    least, most, middle, power = (*np.clip((least, most, middle), 1e-4, 0.9999), max(power, 1.0))
    x = min(depth / max(width, 1e-15), 1.0)
    y = x**power / middle ** (power - 1) if x <= middle else 1 - (1 - x) ** power / (1 - middle) ** (power - 1)
    return float(least + y * (most - least))


def _grip_forces(m: mujoco.MjModel) -> dict[int, float]:
    """Return the most force [N] that actuators give to each finger, by the body it is driven at."""
    forces: dict[int, float] = {}
    motors = motor_dofs(m)
    for k in range(m.nu):
        dof = int(m.jnt_dofadr[m.actuator_trnid[k, 0]])
        if motors[dof]:
            control = np.abs(m.actuator_ctrlrange[k]).max() if m.actuator_ctrllimited[k] else 1.0
            force = abs(float(m.actuator_gainprm[k, 0]) * float(control) * float(m.actuator_gear[k, 0]))
            limit = np.abs(m.actuator_forcerange[k]).max() if m.actuator_forcelimited[k] else np.inf
            body = int(m.dof_bodyid[dof])
            forces[body] = forces.get(body, 0.0) + min(force, float(limit))
    return forces


def _points(m: mujoco.MjModel, g: int, h: int) -> float:
    """Return how many points of Bullet's share the load of one of MuJoCo's.

    Without its option for several, MuJoCo makes one point for a pair of convex shapes that it has no formula for.
    """
    rounded = {int(_GEOM.mjGEOM_CYLINDER), int(_GEOM.mjGEOM_MESH)}
    kinds = {int(m.geom_type[g]), int(m.geom_type[h])}
    general = kinds & rounded and kinds <= rounded | {int(_GEOM.mjGEOM_BOX)}
    return 2.0 if general and m.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_MULTICCD) else 1.0


def _pyramid_factor(m: mujoco.MjModel, condim: int, friction: float) -> float:
    """Return how much stiffer a pyramidal contact is along its normal than an elliptic one.

    Its ``2 (condim - 1)`` edges share the load, each with ``2 mu^2 (1 + mu^2)`` times the regularisation.
    """
    if condim == 1 or int(m.opt.cone) == int(mujoco.mjtCone.mjCONE_ELLIPTIC):
        return 1.0
    mu = max(friction, 1e-3)
    return (condim - 1) * float(m.opt.impratio) / (mu**2 * (1 + mu**2))


def solve_softness(contacts: Contacts, count: int) -> tuple[Array, Array]:
    """Return stiffness [N/m] and damping [N s/m] ``(count,)`` of the surfaces."""
    compliance = _additive(contacts, contacts.compliance, count)
    damping = _additive(contacts, contacts.damping, count)
    return np.where(compliance > 1 / _RIGID, 1 / np.maximum(compliance, 1 / _RIGID), _RIGID), damping


def _additive(contacts: Contacts, target: Array, count: int) -> Array:
    """Return the numbers ``(count,)`` >= 0 whose sums over pairs come nearest to ``target``, relatively."""
    matrix = np.zeros((len(target), count))
    scale = contacts.weights / np.maximum(target, 1e-15)
    for column in range(2):
        matrix[np.arange(len(target)), contacts.pairs[:, column]] += scale
    return nnls(matrix, contacts.weights)[0] if len(target) else np.zeros(count)


def solve_friction(m: mujoco.MjModel, contacts: Contacts, surfaces: Sequence[Surface], friction: Array) -> Array:
    """Return sliding, torsional and rolling friction ``(S, 3)`` of the surfaces.

    Args:
        m: The model (priorities).
        contacts: Pairs that may touch.
        surfaces: The surfaces.
        friction: ``(ngeom, 3)`` friction of the geoms in MuJoCo's sense.
    """
    own = np.array([friction[s.geoms[0]] for s in surfaces]).reshape(-1, 3)
    result = own.copy()
    result[:, 1:] = 0.0
    if not len(contacts.pairs):
        return result
    i, k = contacts.pairs.T
    priority = np.array([int(m.geom_priority[s.geoms[0]]) for s in surfaces])
    target = np.maximum(own[i], own[k])
    target = np.where((priority[i] > priority[k])[:, None], own[i], target)
    target = np.where((priority[k] > priority[i])[:, None], own[k], target)
    sliding = np.where(contacts.condim > 1, target[:, 0], 0.0)
    result[:, 0] = _multiplicative(contacts, sliding, own[:, 0])
    for column, dimension in ((1, 4), (2, 6)):
        wanted = np.where(contacts.condim >= dimension, target[:, column], 0.0)
        if wanted.any():
            result[:, column] = _crossed(contacts, wanted, result[:, 0])
    return result


def _multiplicative(contacts: Contacts, target: Array, own: Array) -> Array:
    """Return the numbers whose products over pairs come nearest to ``target``, the ones nearest ``own`` if several."""
    start = np.log(np.maximum(own, _LEAST_FRICTION))
    matrix = np.zeros((len(target), len(own)))
    for column in range(2):
        matrix[np.arange(len(target)), contacts.pairs[:, column]] += contacts.weights
    wanted = np.log(np.maximum(target, _LEAST_FRICTION)) * contacts.weights
    return np.exp(start + np.linalg.lstsq(matrix, wanted - matrix @ start, rcond=None)[0])


def _crossed(contacts: Contacts, target: Array, sliding: Array) -> Array:
    """Return the numbers >= 0 for which ``s1 f2 + s2 f1`` comes nearest to ``target``."""
    matrix = np.zeros((len(target), len(sliding)))
    i, k = contacts.pairs.T
    rows = np.arange(len(target))
    matrix[rows, i] += contacts.weights * sliding[k]
    matrix[rows, k] += contacts.weights * sliding[i]
    return nnls(matrix, target * contacts.weights)[0]
