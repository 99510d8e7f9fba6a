"""Convex decomposition: a mesh as a few convex pieces, which is what both engines can collide.

The work is CoACD's (extra ``meshes``) and takes seconds to minutes, so what comes out is kept in a folder, in a file
named after the content and CoACD's version: ``$METASIM_CACHE``, else ``metasim`` in ``$XDG_CACHE_HOME`` or
``~/.cache``. Where CoACD is not installed, pieces of the newest version that are kept will do.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from metasim.core.errors import InvalidConfig, MissingDependency
from metasim.model.mesh import MeshData

LOGGER = logging.getLogger(__name__)
THRESHOLD = 0.05


def decompose(mesh: MeshData, *, threshold: float = THRESHOLD) -> tuple[MeshData, ...]:
    """Return convex pieces that together fill a mesh.

    Args:
        mesh: The surface.
        threshold: Concavity that is let be, as a share of the mesh's size: 0.01 (many pieces) to 1 (few).

    Raises:
        InvalidConfig: For a threshold outside of 0.01..1.
        MissingDependency: If the pieces are not kept from before and CoACD is not installed.
    """
    if not 0.01 <= threshold <= 1:
        raise InvalidConfig(f"decompose: threshold must be in 0.01..1, got {threshold!r}")
    digest = hashlib.sha256(f"coacd {threshold!r} {mesh.vertices.shape} {mesh.faces.shape}".encode())
    digest.update(np.ascontiguousarray(mesh.vertices, "<f8").tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, "<i4").tobytes())
    name, version = digest.hexdigest(), _version()
    path = _folder() / f"{name}-{version}.npz"
    for file in [path] if version else sorted(_folder().glob(f"{name}-*.npz"), key=_release, reverse=True):
        kept = _read(file)
        if kept:
            return kept
    pieces = _coacd(mesh, threshold)
    _write(path, pieces)
    return pieces


def _version() -> str:
    """Return the version of CoACD that is installed; empty if there is none."""
    try:
        return importlib.metadata.version("coacd")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _release(path: Path) -> list[int]:
    """Return the numbers of the version that a file is named after."""
    return [int(number) for number in re.findall(r"\d+", path.stem.partition("-")[2])]


def _folder() -> Path:
    own = os.environ.get("METASIM_CACHE")
    cache = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metasim"
    return cache / "decompositions"


def _coacd(mesh: MeshData, threshold: float) -> tuple[MeshData, ...]:
    try:
        import coacd
    except ImportError as missing:
        raise MissingDependency(
            'convex decomposition needs CoACD, which is not installed: pip install "metasim-robotics[meshes]"'
        ) from missing
    coacd.set_log_level("error")
    pieces = coacd.run_coacd(coacd.Mesh(mesh.vertices, mesh.faces), threshold=threshold, seed=0)
    return tuple(MeshData(np.asarray(vertices), np.asarray(faces)) for vertices, faces in pieces)


def _read(path: Path) -> tuple[MeshData, ...]:
    """Return kept pieces, or nothing where there are none that can be read."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            return tuple(MeshData(kept[f"vertices{i}"], kept[f"faces{i}"]) for i in range(len(kept.files) // 2))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if not isinstance(error, FileNotFoundError):
            LOGGER.warning("%s cannot be read (%s); decomposing anew", path, error)
        return ()


def _write(path: Path, pieces: tuple[MeshData, ...]) -> None:
    arrays = {f"{key}{i}": getattr(piece, key) for i, piece in enumerate(pieces) for key in ("vertices", "faces")}
    draft = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(draft, **arrays)
        draft.replace(path)
    except OSError as error:
        LOGGER.warning("the pieces are not kept: %s", error)
