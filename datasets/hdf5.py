"""HDF5 with the same bytes every time: no times, creation order kept, fixed file versions, contiguous arrays.

Small files are built in memory through h5py's low-level interface, which halves the time per episode, and
reach the disk as one write; so a full disk is an ordinary error, not a half-closed HDF5 file.
"""

from __future__ import annotations

import errno
import functools
import math
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
_COMPACT = (48, 40)  # so many attributes stand in a group's own header, which is quicker than a heap beside it
_MOST = 1100  # times that a compressed chunk can grow; deflate reaches 1032
_PASSING = {errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EAGAIN}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)
_DEFLATE = 4  # higher levels take much longer for little


def image(fill: Callable[[h5py.h5g.GroupID], None]) -> bytes:
    """Return the bytes of a file whose root group ``fill`` has written."""
    file = h5f.create(b"image", h5f.ACC_TRUNC, _timeless(h5p.FILE_CREATE), _in_memory())
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
    """Write an array as it is: contiguously, or, if it has pictures for rows, compressed with a chunk for each row.

    Raises:
        DatasetError: If it does not hold numbers or booleans, or its name has a slash.
    """
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "fiubS" or "/" in name:
        raise DatasetError(f"cannot store {name!r} ({array.dtype}): only numbers, under a name without '/'")
    kind, picture = _kind(array.dtype), array.shape[1:] if array.ndim > 2 and array.size else ()
    dataset = h5d.create(parent, name.encode(), kind, _space(array.shape), _stored(picture))
    if array.size:
        dataset.write(h5s.ALL, h5s.ALL, array, kind)


def put_text(parent: h5py.h5g.GroupID, name: str, text: str) -> None:
    """Write a text as an attribute of its own length, which copies as it is; it is read as bytes elsewhere."""
    data = np.frombuffer(text.encode(), f"S{len(text.encode())}").reshape(())
    kind = h5t.C_S1.copy()
    kind.set_size(data.itemsize)
    kind.set_cset(h5t.CSET_UTF8)
    kind.set_strpad(h5t.STR_NULLPAD)
    h5a.create(parent, name.encode(), kind, _space(())).write(data, kind)


def put_attributes(parent: h5py.h5g.GroupID, values: Mapping[str, str | int | bool]) -> None:
    """Write attributes: text, whole numbers (64 bits) and booleans."""
    for name, value in values.items():
        dtype, kind = _attribute_kinds()[type(value)]
        array = np.array(value, dtype=dtype)
        h5a.create(parent, name.encode(), kind, _space(())).write(array)


def member(group: h5py.h5g.GroupID, name: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID | None:
    """Return a group or dataset that lies in this very file; None if there is none, or a link elsewhere."""
    key = name.encode()
    try:
        found = h5o.open(group, key)
    except (KeyError, OSError):
        return None
    if group.links.get_info(key).type != h5l.TYPE_HARD:
        return None
    return None if isinstance(found, h5d.DatasetID) and _is_elsewhere(found) else found


def _is_elsewhere(dataset: h5py.h5d.DatasetID) -> bool:
    if dataset.get_offset() is not None:  # it is contiguous, in this file
        return False
    creation = dataset.get_create_plist()
    return creation.get_layout() == h5d.VIRTUAL or creation.get_external_count() > 0


def tree(group: h5py.h5g.GroupID) -> dict[str, bool]:
    """Return the path of everything below a group, and whether it lies there itself, not behind a link elsewhere."""
    found = dict[str, bool]()
    group.links.visit(lambda path, link: found.__setitem__(path.decode(), link.type == h5l.TYPE_HARD), info=True)
    return found


def open_array(group: h5py.h5g.GroupID, path: str) -> h5py.h5d.DatasetID | None:
    """Return a dataset by a path without links elsewhere (see :func:`tree`); None if it is none of this very file."""
    try:
        found = h5d.open(group, path.encode())
    except (KeyError, OSError, TypeError, ValueError):
        return None
    return None if _is_elsewhere(found) else found


def own_group(group: h5py.h5g.GroupID, path: str) -> h5py.h5g.GroupID:
    """Return a group by its path below another; nothing on the way may be a link elsewhere.

    Raises:
        KeyError: If there is none.
    """
    found: Any = group
    for name in path.split("/"):
        found = member(found, name)
        if not isinstance(found, h5g.GroupID):
            raise KeyError(f"no group {path!r} of its own")
    return found


def own_array(group: h5py.h5g.GroupID, path: str) -> Array:
    """Return a whole dataset by its path below a group; nothing on the way may be a link elsewhere.

    Raises:
        KeyError: If there is none.
        ValueError: If it claims to hold more than the file can.
    """
    folder, _, name = path.rpartition("/")
    found = member(own_group(group, folder) if folder else group, name)
    if not isinstance(found, h5d.DatasetID):
        raise KeyError(f"no dataset {path!r} of its own")
    return read(found)[()]


def is_of(dataset: h5py.h5d.DatasetID, dtype: Any) -> bool:
    """Tell whether a dataset holds numbers of a type."""
    return dataset.get_type().equal(_kind(dtype))


@functools.lru_cache(1024)
def _space(shape: tuple[int, ...]) -> h5py.h5s.SpaceID:
    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


@functools.lru_cache(64)
def _stored(picture: tuple[int, ...]) -> h5py.h5p.PropDCID:
    """Return how a dataset is created; rows that are pictures of a shape are chunks, and compressed."""
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    if picture:
        creation.set_chunk((1, *picture))
        creation.set_deflate(_DEFLATE)
    return creation


@functools.cache
def _kind(dtype: Any) -> h5py.h5t.TypeID:
    return h5t.py_create(np.dtype(dtype), logical=True)


def read(dataset: h5py.h5d.DatasetID, dtype: Any = None, shape: Any = None, descriptor: int | None = None) -> Array:
    """Return a whole dataset, perhaps read-only; quicker if its type is known, and where the file is open.

    Args:
        dataset: The dataset.
        dtype: Its type, if that has been compared (:func:`is_of`).
        shape: Its shape, if that has been compared.
        descriptor: See :func:`descriptor`.

    Raises:
        ValueError: If it claims to hold more than what is stored could be.
    """
    stored = dataset.get_storage_size()
    shape = dataset.shape if shape is None else shape
    if shape is None:
        raise ValueError("an array of no shape")
    kind = np.dtype(dataset.dtype if dtype is None else dtype)
    size = math.prod(shape) * kind.itemsize
    if size > _MOST * stored:
        raise ValueError(f"{shape} numbers are declared, but only {stored} bytes are stored")
    offset = dataset.get_offset() if dtype is not None and descriptor is not None and size else None
    if offset is not None:
        data = os.pread(descriptor, size, offset)  # type: ignore[arg-type]
        if len(data) < size or stored != size:
            raise ValueError(f"{shape} numbers are declared, but only {min(len(data), stored)} bytes are stored")
        return np.frombuffer(data, kind).reshape(shape)
    array = np.empty(shape, kind)
    if array.size:
        dataset.read(h5s.ALL, h5s.ALL, array, *(() if dtype is None else (_kind(dtype),)))
    return array


def descriptor(file: h5py.File) -> int | None:
    """Return where the operating system has a file open, so that contiguous arrays can be read past HDF5."""
    return file.id.get_vfd_handle() if file.driver == "sec2" else None


def attribute(parent: h5py.h5g.GroupID, name: str, kind: type) -> Any:
    """Return a text, number or boolean as Python's own; None if there is none, or it is no single value.

    Args:
        parent: The group.
        name: Name of the attribute.
        kind: What is expected, which is read quickly: str, int or bool.
    """
    try:
        found = h5a.open(parent, name.encode())
    except KeyError:
        return None
    dtype, stored = _attribute_kinds()[kind]
    if not (found.get_storage_size() == stored.get_size() and found.get_type().equal(stored)):
        if found.shape != ():
            return None
        dtype, stored = found.dtype, None
    value = np.empty((), dtype)
    found.read(value, *(() if stored is None or kind is str else (stored,)))  # text becomes objects on the way
    plain = value.item()
    return plain.decode() if isinstance(plain, bytes) else plain


def text(parent: h5py.h5g.GroupID, name: str) -> str | None:
    """Return a text attribute, of its own length (:func:`put_text`) or as others write it; None if there is none."""
    try:
        found = h5a.open(parent, name.encode())
    except KeyError:
        return None
    kind = found.get_type()
    if not isinstance(kind, h5t.TypeStringID) or kind.is_variable_str() or found.shape != ():
        value = attribute(parent, name, str)
        return value if isinstance(value, str) else None
    size, stored = kind.get_size(), found.get_storage_size()
    if size != stored:
        raise ValueError(f"a text of {size} bytes is declared, but {stored} are stored")
    value = np.empty((), f"S{size}")
    found.read(value, kind)
    return value.item().decode()


@functools.cache
def _attribute_kinds() -> dict[type, tuple[Any, h5py.h5t.TypeID]]:
    """Return how attributes of each type are stored."""
    kinds = {str: h5py.string_dtype(), int: np.dtype(np.int64), bool: np.dtype(np.bool_)}
    return {kind: (dtype, h5t.py_create(dtype, logical=True)) for kind, dtype in kinds.items()}


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
def opened_image(data: bytes, path: Path) -> Iterator[h5py.File]:
    """Open the bytes of a file for reading; ``path`` is where they are from.

    Raises:
        DatasetError: If they are no HDF5 file, or turn out so while they are read.
    """
    with reading(path):
        try:
            image = h5f.open_file_image(data)
        except ValueError as error:  # whatever the reason is
            raise OSError(f"{len(data)} bytes, truncated or something else") from error
        with h5py.File(image) as file:
            yield file


class PassingError(DatasetError):
    """A file that could not be read for a reason that says nothing of the file: no handle, no right, a lost disk."""


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn what HDF5 says about a damaged file into one sentence; that a disk is full is for :func:`writing` to say.

    Raises:
        PassingError: If the operating system did not let it be read.
        DatasetError: In place of any other OSError or HDF5 error.
    """
    try:
        yield
    except MetasimError:
        raise
    except _DAMAGED as error:
        number = _errno(error)
        if number in _FULL:
            raise
        if number in _PASSING:
            raise PassingError(f"{path} cannot be read now: {os.strerror(number)}; try again") from error
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
        number = _errno(error)
        reason = os.strerror(number) if number else getattr(error, "strerror", None) or str(error)
        raise DatasetError(
            f"cannot write {path}: {reason}. Nothing that was finished is lost: make room, or make the "
            f"folder writable, and run the same command again"
        ) from error


def _errno(error: BaseException) -> int:
    """Return the operating system's number of an error, which HDF5 gives in its text; 0 if there is none."""
    said = re.search(r"errno = (\d+)", str(error))
    return int(said.group(1)) if said else getattr(error, "errno", None) or 0


@functools.cache
def _access() -> h5py.h5p.PropFAID:
    """Let any file version up to that of HDF5 1.10 be used, which all later ones read."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    return access


@functools.cache
def _in_memory() -> h5py.h5p.PropFAID:
    access = _access().copy()
    access.set_fapl_core(_GROWTH_BYTES, False)
    return access


@functools.cache
def _timeless(kind: h5py.h5p.PropClassID) -> h5py.h5p.PropOCID:
    """Return how a file's root or a group is created: links and attributes in order, no times."""
    creation = h5p.create(kind)
    creation.set_link_creation_order(_ORDER)
    creation.set_attr_creation_order(_ORDER)
    creation.set_attr_phase_change(*_COMPACT)
    creation.set_obj_track_times(False)
    return creation
