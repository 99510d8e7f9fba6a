"""The model compiler: MJCF, URDF, meshes and primitives in, one canonical model out."""

from metasim.model.gl import choose_gl

choose_gl()

from metasim.model.compile import compile_scene, load_asset  # noqa: E402
from metasim.model.model import Model  # noqa: E402

__all__ = ["Model", "compile_scene", "load_asset"]
