"""How far the nut of disassemble has turned before its episode begins.

The original settles its scene with the peg where the episode will have it but the nut still at its home, (0.1, 0.6),
and of what settling does to the nut keeps the orientation. Where peg and ring stand within each other, which is so in
about half of all episodes, the nut is thrown out and turns: by more than 30 degrees in one of thirteen. The table is
what the original's scene does in MuJoCo 3.3.0, the version of its releases. It is smooth where ring and peg hardly
meet, and chaotic where they share their middle: there, a micrometre or another version of the engine changes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

LOW_M, PITCH_M = np.array((0.0, 0.6)), 0.005
# Rows: the peg's y in steps of 5 mm from 0.6 m; columns: its x from 0. Degrees about +z; none beyond the last row.
TURNS_DEG = (
    (0, 0, 0, 0, 0, 0, 0, 1, -1, 0, 1, 11, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 0, 0, -2, -11, -29, -38, -4, 16, 71, 55, 18, 3, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 0, 0, -2, -4, -41, -91, -9, 25, 150, 70, -3, -1, -5, -1, 0, -1, 0),
    (0, 0, 0, 0, 0, -1, -2, -4, -8, -16, -13, 17, -4, -199, -136, -62, -12, -2, -2, -3, -3),
    (0, 0, 0, 0, 0, 0, -1, -3, -5, -8, -3, -177, -189, -192, -149, -40, -2, 7, 0, -5, -5),
    (0, 0, 0, 0, 0, -1, 0, -1, 0, 2, 17, 24, 1, -95, -46, -2, 38, 58, -10, -14, -7),
    (0, 0, 0, 0, 0, 0, 0, 2, 4, 9, 20, 21, 15, 1, -1, 52, 157, 138, -16, -37, -8),
    (0, 0, 0, 0, 0, 0, 1, 2, 6, 10, 40, 68, 10, 5, 9, 92, 154, 194, -90, -95, -7),
    (0, 0, 0, 0, 0, 1, 2, 4, 6, 9, 16, 26, 7, -1, -2, -3, 213, -18, -233, -64, -5),
    (0, 0, 0, 0, 0, 1, 2, 3, 4, 3, 9, 9, -9, -50, -12, -16, 214, -19, -12, 9, 1),
    (0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 2, 3, -5, -18, 0, -13, 61, 17, 13, 9, 4),
    (0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 2, 1, 1, 3, 18, 46, 37, 80, 58, 4),
    (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 5, 14, 26, 28, 46, 42, 7),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 3, 4, 6, 9, 15, 16, 17, 29, 7),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 5, 4, 6, 12, 10, 11, 7),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 3, 4, 5, 5, 5, 4, 4),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 1, 2, 2, 2, 2, 2),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
)


def nut_turn(peg: Array) -> Array:
    """Return the angle about +z ``(n,)`` [rad] by which the nut has turned, between the table's points bilinear.

    Args:
        peg: ``(n, 2)`` [m] where the peg stands.
    """
    turns = np.radians(TURNS_DEG)
    last = np.array(turns.shape[::-1]) - 1
    at = np.clip((peg - LOW_M) / PITCH_M, 0.0, last)
    cell = np.minimum(at.astype(np.int64), last - 1)
    (column, row), (right, up) = cell.T, (at - cell).T
    below = turns[row, column] * (1.0 - right) + turns[row, column + 1] * right
    above = turns[row + 1, column] * (1.0 - right) + turns[row + 1, column + 1] * right
    return below * (1.0 - up) + above * up
