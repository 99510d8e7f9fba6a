"""HDF5 with the same bytes every time: no times, creation order kept, fixed file versions, contiguous arrays.

Small files are built in memory through h5py's low-level interface, which halves the time per episode, and
reach the disk as one write; so a full disk is an ordinary error, not a half-closed HDF5 file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5p, h5s, h5t  # pyright: ignore[reportAttributeAccessIssue]

from metasim.core.errors import DatasetError, MetasimError

Array = Any
_ORDER = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
_GROWTH_BYTES = 1 << 17


def image(fill: Callable[[h5py.h5g.GroupID], None]) -> bytes:
    """Return the bytes of a file whose root group ``fill`` has written."""
    access = _access()
    access.set_fapl_core(_GROWTH_BYTES, False)
    file = h5f.create(b"image", h5f.ACC_TRUNC, _timeless(h5p.FILE_CREATE), access)
    try:
        fill(h5g.open(file, b"/"))
        h5f.flush(file)
        return file.get_file_image()
    finally:
        file.close()


def put_group(parent: h5py.h5g.GroupID, name: str) -> h5py.h5g.GroupID:
    """Create a group."""
    return h5g.create(parent, name.encode(), None, _timeless(h5p.GROUP_CREATE))


def put_array(parent: h5py.h5g.GroupID, name: str, array: Array) -> None:
    """Write an array contiguously, as it is.

    Raises:
        DatasetError: If it does not hold numbers or booleans, or its name has a slash.
    """
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "fiubS" or "/" in name:
        raise DatasetError(f"cannot store {name!r} ({array.dtype}): only numbers, under a name without '/'")
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    kind = h5t.py_create(array.dtype, logical=True)
    dataset = h5d.create(parent, name.encode(), kind, h5s.create_simple(array.shape), creation)
    if array.size:
        dataset.write(h5s.ALL, h5s.ALL, array)


def put_attributes(parent: h5py.h5g.GroupID, values: Mapping[str, str | int | bool]) -> None:
    """Write attributes: text, whole numbers (64 bits) and booleans."""
    scalar = h5s.create(h5s.SCALAR)
    text = h5t.py_create(h5py.string_dtype(), logical=True)
    for name, value in values.items():
        if isinstance(value, str):
            kind, array = text, np.array(value, dtype=object)
        else:
            array = np.array(value, dtype=np.bool_ if isinstance(value, bool) else np.int64)
            kind = h5t.py_create(array.dtype, logical=True)
        h5a.create(parent, name.encode(), kind, scalar).write(array)


def member(group: h5py.h5g.GroupID, name: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID | None:
    """Return a group or dataset that lies in this very file; None if there is none, or a link elsewhere."""
    key = name.encode()
    if key not in group or group.links.get_info(key).type != h5l.TYPE_HARD:
        return None
    found = h5o.open(group, key)
    if isinstance(found, h5d.DatasetID):
        creation = found.get_create_plist()
        if creation.get_layout() == h5d.VIRTUAL or creation.get_external_count():
            return None
    return found


def read(dataset: h5py.h5d.DatasetID) -> Array:
    """Return a whole dataset."""
    array = np.empty(dataset.shape, dataset.dtype)
    if array.size:
        dataset.read(h5s.ALL, h5s.ALL, array)
    return array


@contextmanager
def created(path: Path) -> Iterator[h5py.File]:
    """Create a file on disk that is to be filled by copying."""
    with h5py.File(h5f.create(bytes(path), h5f.ACC_EXCL, _timeless(h5p.FILE_CREATE), _access())) as file:
        yield file


def open_file(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises:
        DatasetError: If it is missing, truncated, or no HDF5 file.
    """
    if not path.is_file():
        raise DatasetError(f"no dataset {path}")
    with reading(path):
        return h5py.File(path, "r", locking="best-effort")


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading, and close it.

    Raises:
        DatasetError: If it is missing, truncated, or no HDF5 file; or turns out so while it is read.
    """
    with open_file(path) as file, reading(path):
        yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what HDF5 says about a damaged file into one sentence.

    Raises:
        DatasetError: In place of any OSError or HDF5 error.
    """
    try:
        yield
    except MetasimError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = "truncated, " if "truncated" in str(error) else ""
        raise DatasetError(f"{path} cannot be read: {reason}damaged, or no HDF5 file ({error})") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system or HDF5 says about a write into one sentence.

    Raises:
        DatasetError: In place of any OSError or HDF5 error.
    """
    try:
        yield
    except MetasimError:
        raise
    except (OSError, RuntimeError) as error:  # HDF5 raises either
        said = re.search(r"errno = (\d+)", str(error))
        reason = os.strerror(int(said.group(1))) if said else getattr(error, "strerror", None) or str(error)
        raise DatasetError(
            f"cannot write {path}: {reason}. Nothing that was finished is lost: make room, or make the "
            f"folder writable, and run the same command again"
        ) from error


def _access() -> h5py.h5p.PropFAID:
    """Let any file version up to that of HDF5 1.10 be used, which all later ones read."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    return access


def _timeless(kind: h5py.h5p.PropClassID) -> h5py.h5p.PropOCID:
    """Return how a file's root or a group is created: links and attributes in order, no times."""
    creation = h5p.create(kind)
    creation.set_link_creation_order(_ORDER)
    creation.set_attr_creation_order(_ORDER)
    creation.set_obj_track_times(False)
    return creation
