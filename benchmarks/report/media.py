"""Pictures, filmstrips and videos for a page, and a folder that carries them from where they are made to where it is.

Files are named by their content, and ``media.json`` says what each shows; equal media, equal folders.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metasim.benchmarks.checking import check_fields, is_text
from metasim.core.errors import MetasimError
from metasim.work import write_atomically

Media = Mapping[str, Mapping[str, bytes]]  # task → label (such as the engine) → file content
NOTHING: Media = MappingProxyType({})
SCHEMA = "metasim.media/1"
MANIFEST = "media.json"
PICTURES: Mapping[str, tuple[bytes, str]] = MappingProxyType(
    {"image/png": (b"\x89PNG\r\n\x1a\n", "png"), "image/jpeg": (b"\xff\xd8\xff", "jpg")}
)


class InvalidMedia(MetasimError, ValueError):
    """A picture that is neither PNG nor JPEG, a video that is not MP4, or a folder of them that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Filmstrip:
    """Frames of one episode side by side, in one picture.

    Args:
        task: Task id.
        label: Which episode it is, in words.
        image: PNG or JPEG.
        caption: What is to be seen.
        failure: Whether the episode was not solved.
    """

    task: str
    label: str
    image: bytes
    caption: str = ""
    failure: bool = True


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video of one episode; those of one group stand side by side.

    Args:
        task: Task id.
        label: What tells it from others of its group, such as the engine or the policy.
        clip: MP4 (H.264, which every browser plays).
        group: What its group shows, such as the episode; videos without one stand by themselves.
        caption: What is to be seen.
    """

    task: str
    label: str
    clip: bytes
    group: str = ""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A picture or video as a data URI; ``width`` and ``height`` in pixels, 0 where unknown."""

    label: str
    uri: str
    width: int = 0
    height: int = 0
    caption: str = ""


def embedded_picture(task: str, label: str, data: bytes, caption: str = "") -> Embedded:
    """Return a PNG or JPEG ready to stand on a page.

    Raises:
        InvalidMedia: It is something else, or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    kind = next((kind for kind, (head, _) in PICTURES.items() if data.startswith(head)), None)
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            width, height = image.size
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        kind, width, height, cause = None, 0, 0, error
    else:
        cause = None
    if kind is None:
        raise InvalidMedia(
            f"picture {label!r} of {task!r}: expected the bytes of a PNG or JPEG file, got {data[:8]!r}…"
        ) from cause
    return Embedded(label=label, uri=_uri(kind, data), width=width, height=height, caption=caption)


def embedded_video(task: str, label: str, data: bytes, caption: str = "") -> Embedded:
    """Return an MP4 ready to stand on a page.

    Raises:
        InvalidMedia: It is something else.
    """
    if data[4:8] != b"ftyp":
        raise InvalidMedia(f"video {label!r} of {task!r}: expected the bytes of an MP4 file, got {data[:12]!r}…")
    return Embedded(label=label, uri=_uri("video/mp4", data), caption=caption)


def save_media(folder: str | os.PathLike[str], media: Iterable[Filmstrip | Video]) -> Path:
    """Write filmstrips and videos into a folder, which is made if need be, and return the path of its list.

    Raises:
        InvalidMedia: A picture or video of another kind.
    """
    place, rows = Path(folder), []
    for item in media:
        row = {"task": item.task, "label": item.label, "caption": item.caption}
        if isinstance(item, Filmstrip):
            embedded_picture(item.task, item.label, item.image)
            ending = next(ending for head, ending in PICTURES.values() if item.image.startswith(head))
            data, row = item.image, {"kind": "filmstrip", **row, **({} if item.failure else {"failure": False})}
        else:
            embedded_video(item.task, item.label, item.clip)
            data, ending, row = item.clip, "mp4", {"kind": "video", **row, "group": item.group}
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
        write_atomically(place / name, data)
        rows.append({"file": name, **row})
    rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
    tree = {"schema": SCHEMA, "media": rows}
    return write_atomically(place / MANIFEST, (json.dumps(tree, indent=1) + "\n").encode())


def load_media(folder: str | os.PathLike[str]) -> tuple[Filmstrip | Video, ...]:
    """Return the filmstrips and videos of a folder that :func:`save_media` wrote.

    Raises:
        InvalidMedia: There is no list, it is of another form, or a file is missing.
    """
    where = Path(folder) / MANIFEST
    try:
        tree = json.loads(where.read_bytes())
        check_fields(tree, _LIST, str(where))
        for index, row in enumerate(tree["media"]):
            check_fields(row, _ROW, f"{where}.media[{index}]", optional=("group", "failure"))
        return tuple(_read(where.parent, row) for row in tree["media"])
    except OSError as error:
        raise InvalidMedia(f"{error.filename}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InvalidMedia(str(error) if isinstance(error, MetasimError) else f"{where}: not JSON: {error}") from error


def _read(folder: Path, row: Mapping[str, Any]) -> Filmstrip | Video:
    said = {"task": row["task"], "label": row["label"], "caption": row["caption"]}
    data = (folder / row["file"]).read_bytes()
    if row["kind"] == "filmstrip":
        return Filmstrip(image=data, failure=row.get("failure", True), **said)
    return Video(clip=data, group=row.get("group", ""), **said)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _is_string(value: object) -> bool:
    return isinstance(value, str)


_Check = tuple[Callable[[Any], bool], str]
_LIST: Mapping[str, _Check] = {
    "schema": (lambda v: v == SCHEMA, repr(SCHEMA)),
    "media": (lambda v: isinstance(v, list), "a list"),
}
_ROW: Mapping[str, _Check] = {
    "file": (lambda v: is_text(v) and Path(v).name == v and v not in (".", ".."), "the name of a file in that folder"),
    "kind": (lambda v: v in ("filmstrip", "video"), "'filmstrip' or 'video'"),
    "task": (is_text, "a non-empty string"),
    "label": (_is_string, "a string"),
    "caption": (_is_string, "a string"),
    "group": (_is_string, "a string"),
    "failure": (lambda v: isinstance(v, bool), "true or false"),
}
