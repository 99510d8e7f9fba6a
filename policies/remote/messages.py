"""The messages of remote policies: maps of msgpack with raw arrays in them, as ``docs/remote_policies.md`` lays down.

Nothing that is read can name code: arrays are a type, a shape and bytes, of numbers only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metasim.core.errors import EngineFailure, MissingDependency

try:
    import msgpack  # pyright: ignore[reportMissingImports]
    import websockets  # noqa: F401  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise MissingDependency(
        f'remote policies need {error.name!r}, which is not installed: pip install "metasim-robotics[remote]"'
    ) from error

Array = Any
PROTOCOL = "metasim.remote/1"
HELLO, START, OBSERVATION, ACTION, READY, END, ERROR = TYPES = (
    *("hello", "episode_start", "observation", "action", "ready", "end", "error"),
)
MOST_BYTES = 1 << 28
"""Of one message."""
_ARRAY = "__ndarray__"
_KINDS = "biuf"


class RemoteFailure(EngineFailure):
    """A remote policy that cannot be reached any more, or answers what it must not."""


class BadMessage(Exception):
    """Bytes that are no message of the protocol."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message.

    Attributes:
        type: One of :data:`TYPES`.
        payload: What it says; arrays are numpy's.
        seq: Number of the request; an answer has that of its request.
    """

    type: str
    payload: Mapping[str, Any]
    seq: int


def pack(message: Message) -> bytes:
    """Return a message as bytes."""
    said = {"type": message.type, "payload": message.payload, "seq": message.seq, "timestamp": time.time()}
    packed: Any = msgpack.packb(said, default=_plain)
    return packed


def unpack(data: Any) -> Message:
    """Return the message that bytes are.

    Raises:
        BadMessage: If they are none.
    """
    if not isinstance(data, bytes):
        raise BadMessage("it is text, not binary")
    try:
        said = msgpack.unpackb(data, object_hook=_array, strict_map_key=True)
    except BadMessage:
        raise
    except Exception as error:  # msgpack has a dozen of them
        raise BadMessage(f"it is no msgpack ({type(error).__name__}: {error})") from error
    if not isinstance(said, dict) or not {"type", "payload", "seq"} <= {*said}:
        raise BadMessage("it is no map with type, payload and seq")
    if said["type"] not in TYPES:
        raise BadMessage(f"its type is {said['type']!r}, and must be one of {list(TYPES)}")
    if not isinstance(said["payload"], dict) or isinstance(said["seq"], bool) or not isinstance(said["seq"], int):
        raise BadMessage("its payload must be a map, and its seq a whole number")
    return Message(type=said["type"], payload=said["payload"], seq=said["seq"])


def array(payload: Mapping[str, Any], name: str, shape: tuple[int | None, ...], dtype: Any) -> Array:
    """Return an array of a payload, of a shape (None for any size) and a type.

    Raises:
        BadMessage: If it is missing or something else.
    """
    found = payload.get(name)
    if not isinstance(found, np.ndarray):
        raise BadMessage(f"{name!r} must be an array, got {type(found).__name__}")
    fits = found.ndim == len(shape) and all(w is None or n == w for n, w in zip(found.shape, shape, strict=True))
    if not fits or found.dtype != np.dtype(dtype):
        wanted = tuple("any" if size is None else size for size in shape)
        raise BadMessage(f"{name!r} must be {wanted} {np.dtype(dtype)}, got {found.shape} {found.dtype}")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        said = {"dtype": little.dtype.str, "shape": list(value.shape), "data": little.tobytes()}
        return {_ARRAY: True, **said}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _array(said: dict[str, Any]) -> Any:
    if _ARRAY not in said:
        return said
    name, shape, data = said.get("dtype"), said.get("shape"), said.get("data")
    sizes = isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape)
    if not (isinstance(name, str) and len(name) <= 4 and sizes and isinstance(data, bytes)):
        raise BadMessage("an array needs dtype, shape and data")
    try:
        dtype = np.dtype(name)
    except TypeError as error:
        raise BadMessage(f"{name!r} is no type of numbers") from error
    if dtype.kind not in _KINDS or name[0] not in "<|":
        raise BadMessage(f"{name!r} is no type of little-endian numbers")
    count = 1
    for n in shape or ():
        count *= n
    if count * dtype.itemsize != len(data):
        raise BadMessage(f"an array {shape} of {name!r} has {count * dtype.itemsize} bytes, not {len(data)}")
    return np.frombuffer(data, dtype).reshape(shape or ())
