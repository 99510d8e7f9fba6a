"""Policies that see pictures: convolutions and layers in one file, like those that see numbers only.

A file is safetensors with a JSON header; see ``metasim.policies.learned``. Acting takes torch. A world's action does
not depend on how many worlds there are, to the bit: each picture is looked at by itself, on one thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from metasim.policies.learned import (
    HEADER,
    SEEING_SCHEMA,
    InvalidPolicy,
    PolicyInfo,
    check_finite,
    safetensors,
)
from metasim.work import write_atomically

Array = Any


class Seeing:
    """A network from pictures and the columns of an observation that it sees to actions.

    Args:
        info: What it is for.
        weights: As ``metasim.policies.cloning.network`` names them, ``observation.mean`` and
            ``observation.deviation`` ``(S,)``.

    Raises:
        InvalidPolicy: For weights that do not fit together, or are not finite.
    """

    explores = False
    """It is not known what the policy explored with."""

    def __init__(self, info: PolicyInfo, weights: Mapping[str, Array]) -> None:
        self.info = info
        self.weights = {name: np.ascontiguousarray(weights[name]) for name in sorted(weights)}
        check_finite(self.weights)
        if not info.cameras:
            raise InvalidPolicy("a policy of pictures must name its cameras, and names none")
        self._check()
        self._torch: Any = None

    def reset(self, rows: Array, seeds: Sequence[Any]) -> None:
        """Begin episodes; nothing is remembered."""

    def act(self, observation: Array, pictures: Mapping[str, Array]) -> Array:
        """Return actions ``(N, A)`` float32 for flat observations ``(N, D)`` and pictures.

        Args:
            observation: Flat, hidden columns included, which it does not look at.
            pictures: Camera to ``(N, H, W, 3)`` uint8.

        Raises:
            InvalidPolicy: For observations or pictures of another size.
            MissingDependency: Without torch.
        """
        from metasim.policies.cloning import network

        x = self.info.seen(observation, self.weights["observation.mean"], self.weights["observation.deviation"])
        for camera, size in self.info.cameras.items():
            shot = pictures.get(camera)
            if shot is None or shot.shape != (len(x), *size, 3) or shot.dtype != np.uint8:
                got = "none" if shot is None else f"{shot.shape} {shot.dtype}"
                raise InvalidPolicy(
                    f"the policy is shown pictures ({len(x)}, {size[0]}, {size[1]}, 3) uint8 of camera {camera!r}"
                    f" before it acts, got {got}"
                )
        torch = network.torch
        if self._torch is None:
            self._torch = {k: torch.from_numpy(v.copy()) for k, v in self.weights.items()}
        actions = np.empty((len(x), self.info.action_size), np.float32)
        with _one_thread(torch):
            for i in range(len(x)):  # a batch's bits would depend on its size
                shots = {k: torch.from_numpy(np.array(pictures[k][i : i + 1])) for k in self.info.cameras}
                actions[i] = network.seeing(self._torch, torch.from_numpy(x[i : i + 1]), shots)[0][0].numpy()
        return np.clip(actions, -1.0, 1.0)

    @property
    def name(self) -> str:
        """The algorithm and a digest of the file: what results and datasets call the policy."""
        return f"{self.info.algorithm}-{hashlib.sha256(self.to_bytes()).hexdigest()[:12]}"

    def to_bytes(self) -> bytes:
        """Return the file; equal policies, equal bytes."""
        text = self.info.header(SEEING_SCHEMA, self.weights)
        return safetensors("safetensors.numpy").save(self.weights, metadata={HEADER: text})

    def save(self, path: str | Path) -> Path:
        """Write the file, all or nothing."""
        return write_atomically(path, self.to_bytes())

    def _check(self) -> None:
        """Run the weights' shapes through the network's own table of them."""
        from metasim.policies.cloning import network

        info, given = self.info, {name: value.shape for name, value in self.weights.items()}
        hints = given.get("hints.1.bias", (0,))[0]
        hidden = [shape[0] for name, shape in sorted(given.items()) if name.startswith("layers.") and "bias" in name]
        cameras = sorted(info.cameras)
        sizes = network.picture_sizes(cameras, info.seen_size, hints)
        width = info.seen_size + network.points(cameras) + hints
        sizes += network.dense_sizes(width, hidden[:-1], info.action_size)
        wanted = {f"{name}.weight": shape for name, shape in sizes} | {f"{name}.bias": s[:1] for name, s in sizes}
        wanted |= {"observation.mean": (info.seen_size,), "observation.deviation": (info.seen_size,)}
        odd = sorted(name for name in {*wanted, *given} if wanted.get(name) != given.get(name))
        if odd:
            raise InvalidPolicy(f"{odd[0]} must be {wanted.get(odd[0])}, it is {given.get(odd[0])}")


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)
