"""N worlds of one model in one engine, and what can be seen of them: pictures, and how each world looks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.backend import BACKENDS, Backend, Images
from metasim.core.errors import NotReady
from metasim.core.looks import Looks
from metasim.envs.drawing import Drawer, one_per_world
from metasim.model import Model

Array = Any


class Worlds:
    """N worlds; what happens in them is up to a subclass.

    Args:
        model: What each of them has.
        backend: Name of the engine.
        num_worlds: N.
        workers: Threads or processes of the engine.
        surfaces: Surface to names of objects, bodies or geoms, whose materials looks may change.

    Raises:
        UnknownName: For an unknown engine.
        UnsupportedFeature: If the engine cannot express the model.
    """

    def __init__(
        self,
        model: Model,
        backend: str,
        num_worlds: int,
        *,
        workers: int = 1,
        surfaces: Mapping[str, Sequence[str]],
    ) -> None:
        self.num_worlds, self.model = num_worlds, model
        self.backend: Backend = BACKENDS[backend](num_worlds, workers=workers)
        self.backend.load(model)
        self.drawer = Drawer(model, self.backend, surfaces)
        self._looks: list[Looks | None] = [None] * num_worlds
        self._closed = False

    @property
    def failures(self) -> Mapping[int, str]:
        """World to reason, for worlds that failed."""
        return self.backend.failures

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.model.info.cameras)

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self.backend.name

    def failure(self, world: int) -> str | None:
        """Return why a world failed, or None."""
        return self.backend.failures.get(int(world))

    def render(self, camera: str, height: int, width: int, worlds: Array | None = None) -> Array:
        """Return pictures ``(n, H, W, 3)`` uint8 that people look at: the fine ones.

        The engine's own renderer draws them; where worlds have looks, that of the looks, or else MuJoCo's.
        """
        rows = np.arange(self.num_worlds) if worlds is None else np.asarray(worlds)
        if not any(self.looks[int(row)] for row in rows):
            return self.backend.render(camera, width=width, height=height, worlds=worlds).rgb
        return self.drawer.pictures(camera, height, width, worlds, ("rgb",), self.looks, fine=True).rgb

    def pictures(
        self,
        camera: str,
        height: int,
        width: int,
        worlds: Array | None = None,
        modes: Sequence[str] = ("rgb",),
        renderer: str = "",
    ) -> Images:
        """Return pictures ``(n, H, W, ...)`` that policies look at: the cheap ones, dressed as :attr:`looks` say.

        Args:
            camera: Name of the camera.
            height: Pixels.
            width: Pixels.
            worlds: Which worlds; None for all.
            modes: Some of ``"rgb"``, ``"depth"``, ``"segmentation"``.
            renderer: Name of the renderer; empty for that of each world's looks, or else MuJoCo's, in any engine.
        """
        self._open()
        return self.drawer.pictures(camera, height, width, worlds, modes, self.looks, renderer)

    @property
    def looks(self) -> list[Looks | None]:
        """How each world looks, one entry per world; None as the scene has it."""
        return self._looks

    @looks.setter
    def looks(self, looks: Sequence[Looks | None]) -> None:
        self._looks = one_per_world(looks, self.num_worlds)

    def close(self) -> None:
        """Free the engine; may be called twice."""
        self._closed = True
        self.drawer.close()
        self.backend.close()

    def _open(self) -> None:
        if self._closed:
            raise NotReady("this environment is closed; make a new one")
