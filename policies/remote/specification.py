"""What a served policy says of itself, and whether a task is what it is for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from metasim.policies.remote.messages import PROTOCOL, BadMessage


@dataclass(frozen=True, kw_only=True)
class Specification:
    """A served policy.

    Attributes:
        name: What results call it.
        task: Task id that it is for; empty for any whose sizes fit.
        observation_size: D.
        action_size: A.
        cameras: Camera to height and width of the pictures that it is shown.
        shown: Factors of the episode that it is told.
        digest: Of all this and of what stands behind the name; two servers with the same are the same policy.
    """

    name: str
    task: str
    observation_size: int
    action_size: int
    cameras: Mapping[str, tuple[int, int]]
    shown: tuple[str, ...] = ()
    digest: str = ""

    def __str__(self) -> str:
        """Return it in words, as refusals say it."""
        cameras = ", ".join(f"{name} {h}x{w}" for name, (h, w) in self.cameras.items()) or "no pictures"
        of = self.task or "any task"
        return f"{of}: observations (N, {self.observation_size}), actions (N, {self.action_size}), {cameras}"

    def payload(self) -> dict[str, Any]:
        """Return what the server's hello says."""
        cameras = {name: list(size) for name, size in self.cameras.items()}
        return {"protocol": PROTOCOL, **asdict(self), "cameras": cameras, "shown": list(self.shown)}


def digest_of(specification: Specification, versions: Mapping[str, str]) -> str:
    """Return the digest of a specification and of versions of what computes its actions."""
    said = {**specification.payload(), "digest": "", "versions": dict(versions)}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def specification_of(payload: Mapping[str, Any]) -> Specification:
    """Return what a server's hello says.

    Raises:
        BadMessage: If it is of another protocol, or says nonsense.
    """
    if payload.get("protocol") != PROTOCOL:
        raise BadMessage(f"it speaks protocol {payload.get('protocol')!r}, and this is {PROTOCOL!r}")
    try:
        said = {field.name: payload[field.name] for field in fields(Specification)}
        cameras = {str(name): (int(h), int(w)) for name, (h, w) in dict(said["cameras"]).items()}
        said |= {"cameras": cameras, "shown": tuple(map(str, said["shown"]))}
        sizes = [said["observation_size"], said["action_size"], *(n for size in cameras.values() for n in size)]
        if not all(isinstance(n, int) and n > 0 for n in sizes):
            raise ValueError("sizes must be positive whole numbers")
        for name in ("name", "task", "digest"):
            if not isinstance(said[name], str):
                raise ValueError(f"{name} must be text")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadMessage(f"its specification is not one: {error!r}") from error
    return Specification(**said)
