"""Networks that are trained here, as functions of named weights; those of pictures also run like this when they act."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from metasim.core.errors import MissingDependency

try:
    import torch  # pyright: ignore[reportMissingImports]
    from torch.nn import functional  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'policies of pictures need {error.name!r}, which is not installed: pip install "metasim-robotics[learn]"'
    ) from error

Tensor = Any
Weights = Mapping[str, Tensor]
CONVOLUTIONS = ((24, 5, 2), (32, 3, 2), (32, 3, 1), (24, 3, 1))
"""Channels, edge of the kernel and stride, from the picture on; of the last one's maps the middles are taken."""


def dense_sizes(seen: int, hidden: Sequence[int], actions: int) -> list[tuple[str, tuple[int, ...]]]:
    """Return names and shapes of the weights from what is seen to actions."""
    sizes = [seen, *hidden, actions]
    return [(f"layers.{k}", (n, m)) for k, (m, n) in enumerate(zip(sizes, sizes[1:], strict=False))]


def picture_sizes(cameras: Sequence[str], seen: int, hints: int) -> list[tuple[str, tuple[int, ...]]]:
    """Return names and shapes of the weights from pictures to points, and on to hints of what is hidden."""
    found = list[tuple[str, tuple[int, ...]]]()
    for camera in cameras:
        channels = 3
        for k, (count, edge, _) in enumerate(CONVOLUTIONS):
            found.append((f"cameras.{camera}.{k}", (count, channels, edge, edge)))
            channels = count
    return [*found, ("hints.0", (128, points(cameras) + seen)), ("hints.1", (hints, 128))] if hints else found


def points(cameras: Sequence[str]) -> int:
    """Return how many numbers pictures become."""
    return 2 * CONVOLUTIONS[-1][0] * len(cameras)


def fresh(sizes: Sequence[tuple[str, tuple[int, ...]]], seed: int) -> dict[str, Tensor]:
    """Return weights and biases to begin with, uniform within one over the root of the number of inputs."""
    generator = torch.Generator().manual_seed(seed)
    weights = dict[str, Tensor]()
    for name, shape in sizes:
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        for kind, of in (("weight", shape), ("bias", shape[:1])):
            weights[f"{name}.{kind}"] = (torch.rand(of, generator=generator) * 2.0 - 1.0) * bound
    return weights


def dense(weights: Weights, x: Tensor, prefix: str = "layers") -> Tensor:
    """Return what layers make of rows ``(N, D)``, with rectifiers between them."""
    count = sum(name.startswith(f"{prefix}.") and name.endswith(".weight") for name in weights)
    for k in range(count):
        x = functional.linear(torch.relu(x) if k else x, *_layer(weights, f"{prefix}.{k}"))
    return x


def look(weights: Weights, pictures: Mapping[str, Tensor]) -> Tensor:
    """Return points ``(N, P)`` in [-1, 1] in pictures ``(N, H, W, 3)`` uint8, one for each map of each camera.

    A point is the mean place in a map, weighted by the map's softmax.
    """
    found = []
    for camera in sorted(pictures):
        x = pictures[camera].permute(0, 3, 1, 2).to(torch.float32) / 255.0 - 0.5
        for k, (_, _, stride) in enumerate(CONVOLUTIONS):
            x = functional.conv2d(torch.relu(x) if k else x, *_layer(weights, f"cameras.{camera}.{k}"), stride=stride)
        n, channels, height, width = x.shape
        share = torch.softmax(x.reshape(n, channels, height * width), dim=2).reshape(n, channels, height, width)
        down, right = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
        found += [(share.sum(dim=3) * down).sum(dim=2), (share.sum(dim=2) * right).sum(dim=2)]
    return torch.cat(found, dim=1)


def seeing(weights: Weights, x: Tensor, pictures: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return actions ``(N, A)``, not yet clipped, and hints ``(N, H)`` for what is seen ``(N, S)`` and pictures."""
    seen = torch.cat([x, look(weights, pictures)], dim=1)
    hints = dense(weights, seen, "hints") if "hints.0.weight" in weights else seen[:, :0]
    return dense(weights, torch.cat([seen, hints], dim=1)), hints


def _layer(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]
