"""Procedural textures: a number makes one, always the same; edges meet, so that copies tile without a seam.

All return ``(TEXTURE_SIZE, TEXTURE_SIZE, 3)`` uint8. :func:`names` lists those of a surface, held-out ones apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metasim.core.looks import TEXTURE_SIZE

Array = Any
Rng = np.random.Generator
_ROOT = 20_240_601
"""Makes the streams of textures; another one would make others under the same names."""

FAMILIES: Mapping[str, Mapping[str, int]] = {
    "table": {"planks": 90, "marble": 60, "noise": 60, "checker": 30, "stripes": 30, "plain": 30},
    "floor": {"planks": 40, "tiles": 50, "marble": 30, "noise": 20, "checker": 10},
    "wall": {"plain": 40, "noise": 30, "stripes": 30, "tiles": 30, "planks": 20},
}
"""Surface to how many textures of each family it may have."""
_FIRST = {"table": 0, "floor": 300, "wall": 600}
"""Surface to the number of its first texture of each family: no two surfaces share one."""


@functools.cache
def names(surface: str, split: str) -> tuple[str, ...]:
    """Return the textures of a surface in ``"train"`` or held out for ``"test"``: every tenth number of a family."""
    found: list[str] = []
    for family, count in FAMILIES.get(surface, FAMILIES["wall"]).items():
        first = _FIRST.get(surface, 900)
        found += [f"{family}-{first + k:03d}" for k in range(count) if (k % 10 == 9) == (split == "test")]
    return tuple(found)


def planks(number: int) -> Array:
    """Return boards of wood, side by side, with grain along them."""
    rng = _rng("planks", number)
    boards, tone, spread = int(rng.integers(2, 7)), _wood(rng), rng.uniform(0.04, 0.16)
    y, x = _grid()
    board = np.floor(y * boards).astype(int)
    shade, shift = rng.uniform(-spread, spread, boards)[board], rng.random(boards)[board]
    wave = _smooth(rng, 3)
    grain = np.sin(2 * np.pi * (int(rng.integers(6, 20)) * y + rng.uniform(0.4, 1.2) * wave + shift))
    fine = np.repeat(rng.normal(0.0, 0.05, (TEXTURE_SIZE, 1)), TEXTURE_SIZE, axis=1)
    gap = np.minimum(y * boards % 1.0, 1.0 - y * boards % 1.0) < 0.02 * boards / 3
    end = np.abs((x + shift) % 1.0 - 0.5) > 0.494
    value = 1.0 + shade + rng.uniform(0.03, 0.12) * grain + fine
    return _coloured(np.where(gap | end, 0.45, value)[..., None] * tone)


def marble(number: int) -> Array:
    """Return stone with veins."""
    rng = _rng("marble", number)
    ground, vein = _colour(rng, 0.55, 0.95, 0.25), _colour(rng, 0.1, 0.6, 0.5)
    y, x = _grid()
    along = int(rng.integers(1, 4)) * x + int(rng.integers(-3, 4)) * y
    wave = np.abs(np.sin(np.pi * (along + rng.uniform(0.8, 2.5) * _smooth(rng, 4))))
    share = (wave ** rng.uniform(0.3, 0.8))[..., None]
    return _coloured(vein + (ground - vein) * share + 0.04 * _smooth(rng, 8)[..., None])


def noise(number: int) -> Array:
    """Return clouds of two colours, from coarse to as fine as sand."""
    rng = _rng("noise", number)
    a, b = _colour(rng, 0.2, 0.9, 0.6), _colour(rng, 0.2, 0.9, 0.6)
    mix = _smooth(rng, int(rng.choice([2, 4, 8, 16])))
    sand = rng.normal(0.0, rng.uniform(0.0, 0.06), (TEXTURE_SIZE, TEXTURE_SIZE, 1))
    return _coloured(a + (b - a) * np.clip(0.5 + 0.8 * mix, 0.0, 1.0)[..., None] + sand)


def checker(number: int) -> Array:
    """Return a chequerboard."""
    rng = _rng("checker", number)
    a, b, fields = _colour(rng, 0.5, 1.0, 0.5), _colour(rng, 0.05, 0.5, 0.6), 2 * int(rng.integers(1, 6))
    y, x = _grid()
    odd = (np.floor(x * fields) + np.floor(y * fields)) % 2
    return _coloured(np.where(odd[..., None] > 0, a, b) * (1.0 + 0.05 * _smooth(rng, 8)[..., None]))


def tiles(number: int) -> Array:
    """Return tiles of slightly different shades with joints between them."""
    rng = _rng("tiles", number)
    rows, columns, tone = int(rng.integers(2, 7)), int(rng.integers(2, 7)), _colour(rng, 0.3, 0.95, 0.5)
    y, x = _grid()
    row = np.floor(y * rows).astype(int)
    moved = (x + (0.5 / columns) * (row % 2) * (rng.random() < 0.4 and rows % 2 == 0)) % 1.0
    column = np.floor(moved * columns).astype(int) % columns
    shade = 1.0 + rng.uniform(-0.12, 0.12, (rows, columns))[row, column] + 0.04 * _smooth(rng, 8)
    width = rng.uniform(0.01, 0.03)
    joint = (moved * columns % 1.0 < width * columns) | (y * rows % 1.0 < width * rows)
    return _coloured(np.where(joint[..., None], _colour(rng, 0.2, 0.8, 0.1), shade[..., None] * tone))


def stripes(number: int) -> Array:
    """Return stripes of two or three colours."""
    rng = _rng("stripes", number)
    colours = np.array([_colour(rng, 0.2, 0.95, 0.6) for _ in range(int(rng.integers(2, 4)))])
    y, x = _grid()
    along = int(rng.integers(0, 3)) * x + int(rng.integers(1, 3)) * y
    band = np.floor(along * int(rng.integers(1, 4)) * len(colours)).astype(int) % len(colours)
    return _coloured(colours[band] * (1.0 + 0.05 * _smooth(rng, 8)[..., None]))


def plain(number: int) -> Array:
    """Return one colour, hardly grained, like paint or lacquer."""
    rng = _rng("plain", number)
    grain = rng.normal(0.0, rng.uniform(0.0, 0.03), (TEXTURE_SIZE, TEXTURE_SIZE, 1))
    return _coloured(_colour(rng, 0.15, 0.95, 0.7) + grain + 0.02 * _smooth(rng, 4)[..., None])


MAKERS: Mapping[str, Callable[[int], Array]] = {
    "planks": planks,
    "marble": marble,
    "noise": noise,
    "checker": checker,
    "tiles": tiles,
    "stripes": stripes,
    "plain": plain,
}


def _rng(family: str, number: int) -> Rng:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([_ROOT, *family.encode(), number])))


def _grid() -> tuple[Array, Array]:
    steps = (np.arange(TEXTURE_SIZE) + 0.5) / TEXTURE_SIZE
    return np.meshgrid(steps, steps, indexing="ij")


def _smooth(rng: Rng, coarse: int) -> Array:
    """Return clouds ``(H, W)`` of about -1 to 1 that meet at the edges, made of waves at most ``4 coarse`` high."""
    n = TEXTURE_SIZE
    frequency = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) * n
    weight = np.where((frequency > 0) & (frequency <= 4 * coarse), 1.0 / (1.0 + frequency / coarse) ** 2, 0.0)
    waves = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n, n))) * weight, s=(n, n))
    return waves / (2.5 * waves.std() + 1e-12)


def _colour(rng: Rng, low: float, high: float, saturation: float) -> Array:
    """Return a colour ``(3,)`` whose brightest part lies between ``low`` and ``high``."""
    hue = rng.random(3)
    hue /= hue.max()
    return rng.uniform(low, high) * (1.0 - rng.uniform(0.0, saturation) * (1.0 - hue))


def _wood(rng: Rng) -> Array:
    return rng.uniform(0.35, 0.9) * np.array([1.0, rng.uniform(0.68, 0.88), rng.uniform(0.4, 0.72)])


def _coloured(values: Array) -> Array:
    return np.clip(np.round(255.0 * values), 0, 255).astype(np.uint8)
