"""The canonical model: one compiled ``mjModel`` that every engine is fed from, with names and declared reads."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from metasim.core.errors import InvalidModel
from metasim.core.model import ModelInfo
from metasim.core.reads import Layout, Reads

Array = Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A compiled scene.

    Attributes:
        mj: The compiled model without visual-only geometry; engines simulate this one and never write to it.
        spec: The specification it came from, visuals included; copy before editing.
        info: Names, addresses and ranges.
        reads: What was declared to be read.
        layout: Where each read stands in ``mj``'s sensor data.
        contact_start: First sensor column of the contacts, 4 columns each.
    """

    mj: mujoco.MjModel
    spec: mujoco.MjSpec
    info: ModelInfo
    reads: Reads
    layout: Layout
    contact_start: int

    @functools.cached_property
    def visual(self) -> mujoco.MjModel:
        """The same model with its visual geometry, for pictures; coordinates and bodies are those of ``mj``."""
        spec = self.spec.copy()
        spec.compiler.discardvisual = False
        model = compile_spec(spec)
        model.site_sameframe[:] = 0  # as in ``mj``: sites may be moved per world
        if model.nq != self.mj.nq or model.nbody != self.mj.nbody:
            raise InvalidModel("the visual model has other bodies or joints than the physical one")
        return model

    @functools.cached_property
    def assets(self) -> dict[str, str]:
        """``"mesh/<name>"`` and ``"hfield/<name>"`` to a hash of what the physical model has of it."""
        return asset_digests(self.mj)


def compile_spec(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Compile a specification, turning MuJoCo's complaint into one of ours.

    Raises:
        InvalidModel: With MuJoCo's message, which names the element.
    """
    try:
        with _quiet(), warnings.catch_warnings():  # files that others wrote may do so; to change them is not ours
            warnings.filterwarnings("ignore", "compiler attribute '.*' is deprecated")
            return spec.compile()
    except (ValueError, mujoco.FatalError, mujoco.UnexpectedError) as error:
        raise InvalidModel(f"the scene does not compile: {error}") from error


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep MuJoCo meanwhile from writing its warnings into a file in the working directory."""
    before, quiet = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    quiet.logto_file = False
    quiet.set()
    try:
        yield
    finally:
        before.set()


def model_digest(model: mujoco.MjModel) -> str:
    """Return a hash of the compiled model's numbers and names, and of MuJoCo's version.

    Where the files lie does not count, so that two installations agree.
    """
    digest = hashlib.blake2b(mujoco.__version__.encode() + model.names, digest_size=16)
    for owner in (model, model.opt):
        for name in sorted(dir(owner)):
            value = None if name.startswith("_") or name.endswith("pathadr") else getattr(owner, name)
            if isinstance(value, np.ndarray):
                digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
            elif owner is model.opt and isinstance(value, (int, float)):
                digest.update(f"{name}={value!r}".encode())
    return digest.hexdigest()


def asset_digests(model: mujoco.MjModel) -> dict[str, str]:
    """Return ``"mesh/<name>"`` and ``"hfield/<name>"`` to a hash of what the model has of it, after compiling."""
    found: dict[str, str] = {}
    for i in range(model.nmesh):
        mesh = model.mesh(i)
        vertices = model.mesh_vert[mesh.vertadr[0] : mesh.vertadr[0] + mesh.vertnum[0]]
        faces = model.mesh_face[mesh.faceadr[0] : mesh.faceadr[0] + mesh.facenum[0]]
        found[f"mesh/{mesh.name or i}"] = _blake(vertices, faces)
    for i in range(model.nhfield):
        field = model.hfield(i)
        found[f"hfield/{field.name or i}"] = _blake(field.size, field.data)
    return dict(sorted(found.items()))


def _blake(*arrays: Array) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
