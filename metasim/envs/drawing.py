"""Pictures of worlds for policies and people: any renderer, whatever engine moves the worlds, dressed as looks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metasim.core.backend import Backend, Images, world_rows
from metasim.core.errors import InvalidConfig
from metasim.core.looks import Looks
from metasim.core.rendering import RENDERERS, Renderer, blank, check_request
from metasim.core.seeding import EpisodeSeed
from metasim.core.task import TASKS
from metasim.model import Model
from metasim.randomize.axis import AXES, LooksAxis, check, sample

Array = Any
DEFAULT = "mujoco"
RENDERER_AXIS = "renderer"


class Drawer:
    """Draws the worlds of one backend; renderers are made when first used.

    Args:
        model: What the backend has loaded.
        backend: The worlds.
        surfaces: The task's.
    """

    def __init__(self, model: Model, backend: Backend, surfaces: Mapping[str, Sequence[str]]) -> None:
        self._model, self._backend, self._surfaces = model, backend, surfaces
        self._renderers: dict[tuple[str, bool], Renderer] = {}

    def pictures(
        self,
        camera: str,
        height: int,
        width: int,
        worlds: Array | None,
        modes: Sequence[str],
        looks: Sequence[Looks | None],
        renderer: str = "",
        *,
        fine: bool = False,
    ) -> Images:
        """Return pictures ``(n, H, W, ...)``; ``renderer`` overrules looks, and empty means theirs, or MuJoCo's."""
        check_request(modes, width, height)
        rows = world_rows(worlds, self._backend.num_worlds)
        places = self._backend.places(rows)
        worn = [looks[int(row)] for row in rows]
        drawn_by = [renderer or (look.renderer if look else "") or DEFAULT for look in worn]
        if len(set(drawn_by)) == 1:
            return self.renderer(drawn_by[0], fine).render(places, camera, width, height, modes, worn)
        pictures = blank(modes, len(rows), height, width)
        for name in dict.fromkeys(drawn_by):
            part = np.array([k for k, other in enumerate(drawn_by) if other == name])
            own = [worn[k] for k in part]
            drawn = self.renderer(name, fine).render(places.take(part), camera, width, height, modes, own)
            for mode in modes:
                pictures[mode][part] = getattr(drawn, mode)
        return Images(**pictures)

    def renderer(self, name: str, fine: bool = False) -> Renderer:
        """Return a renderer of the worlds' model by its registered name."""
        if (name, fine) not in self._renderers:
            self._renderers[name, fine] = RENDERERS[name](self._model, self._surfaces, fine=fine)
        return self._renderers[name, fine]

    def close(self) -> None:
        """Free the renderers; may be called twice."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()


def one_per_world(looks: Sequence[Looks | None], num_worlds: int) -> list[Looks | None]:
    """Return looks as a list after checking that there is one per world.

    Raises:
        InvalidConfig: For another number of them, or something else.
    """
    found = list(looks)
    if len(found) != num_worlds or not all(look is None or isinstance(look, Looks) for look in found):
        raise InvalidConfig(f"looks must be {num_worlds} of Looks or None, one per world, got {looks!r}")
    return found


def check_renderer(renderer: str, vary: Mapping[str, str]) -> None:
    """Refuse a renderer that is named and varied at once, of which one would be ignored.

    Raises:
        UnknownName: For a renderer that is not registered.
        InvalidConfig: If it is varied, too.
    """
    if renderer:
        RENDERERS[renderer]
        if RENDERER_AXIS in vary:
            raise InvalidConfig(f"renderer={renderer!r} draws every picture, so axis {RENDERER_AXIS!r} cannot vary")


def sampled_looks(vary: Mapping[str, str], seed: EpisodeSeed, backend: str) -> dict[str, Any]:
    """Return what an episode's pictures alone vary in, axis to value, for axes mapped to ``"train"`` or ``"test"``.

    Raises:
        UnknownName: For an axis or a task that is not registered.
        InvalidConfig: For an axis that physics feels, or another range.
        UnsupportedFeature: If the task cannot be varied so.
    """
    task = TASKS[seed.task]
    for name in vary:
        if not isinstance(AXES[name], LooksAxis):
            looks = [other for other, axis in AXES.items() if isinstance(axis, LooksAxis)]
            raise InvalidConfig(f"physics feels axis {name!r}; pictures alone can vary in {looks}")
    check(tuple(vary), task, backend)
    return sample(vary, task, seed)
