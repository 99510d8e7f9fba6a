"""Looks on MuJoCo's visual model: materials of surfaces from slots for textures, light, and putting all that back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from metasim.core.looks import TEXTURE_SIZE, LightLook, Looks, texture
from metasim.model import Model
from metasim.model.model import compile_spec
from metasim.model.surfaces import surface_geoms

Array = Any
SLOTS = 128
"""Textures that OpenGL holds at a time; the one unused for longest makes room."""
TILE_M = {"table": 0.6, "floor": 1.0, "wall": 1.2}
"""Side of what one copy of a texture covers [m]; 1 for other surfaces."""
_PREFIX = "metasim/surface/"
_RGB = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
_NO_COLOUR = (0.5, 0.5, 0.5, 1.0)
"""The colour of a geom that takes its material's."""
_CHANGED = (
    *("geom_matid", "geom_rgba", "mat_rgba", "mat_specular", "mat_shininess", "mat_reflectance", "mat_texid"),
    *("light_diffuse", "light_specular", "cam_fovy"),
)
_HEADLIGHT = ("ambient", "diffuse", "specular")


def dressed(model: Model, surfaces: Mapping[str, Sequence[str]]) -> mujoco.MjModel:
    """Return the visual model with a material for each surface, used by nothing yet, and slots for textures."""
    spec = model.spec.copy()
    spec.compiler.discardvisual = False
    for k in range(SLOTS):
        slot = spec.add_texture(name=f"{_PREFIX}{k}", width=TEXTURE_SIZE, height=TEXTURE_SIZE, nchannel=3)
        slot.type, slot.builtin = mujoco.mjtTexture.mjTEXTURE_2D, mujoco.mjtBuiltin.mjBUILTIN_FLAT
        slot.rgb1 = slot.rgb2 = [1, 1, 1]
    for surface in surfaces:
        repeat = 1.0 / TILE_M.get(surface, 1.0)
        material = spec.add_material(name=_PREFIX + surface, texuniform=True, texrepeat=[repeat, repeat])
        material.textures[_RGB] = f"{_PREFIX}0"
    visual = compile_spec(spec)
    visual.site_sameframe[:] = 0
    return visual


class Wardrobe:
    """Puts looks on a dressed model, and takes them off again.

    Args:
        visual: The model from :func:`dressed`.
        surfaces: Surface to names of geoms or bodies.
        upload: Called with the index of a texture that has changed.
    """

    def __init__(
        self, visual: mujoco.MjModel, surfaces: Mapping[str, Sequence[str]], upload: Callable[[int], None]
    ) -> None:
        self._visual, self._upload = visual, upload
        self._geoms = {surface: surface_geoms(visual, names) for surface, names in surfaces.items()}
        self._materials = {surface: int(visual.material(_PREFIX + surface).id) for surface in surfaces}
        # The first stays white, for surfaces without texture: MuJoCo would draw the one that was there at the start.
        self._white, *self._free = (int(visual.texture(f"{_PREFIX}{k}").id) for k in range(SLOTS))
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._usual = {name: np.array(getattr(visual, name)) for name in _CHANGED}
        self._headlight = {name: np.array(getattr(visual.vis.headlight, name)) for name in _HEADLIGHT}

    def put_on(self, looks: Looks, data: mujoco.MjData) -> None:
        """Change materials and light, of the model and of posed data."""
        m = self._visual
        for surface, material in looks.materials.items():
            slot = self._slot(material.texture) if material.texture else self._white
            geoms = self._geoms[surface]
            m.geom_matid[geoms], m.geom_rgba[geoms] = self._material(surface, (*material.tint, 1.0), slot), _NO_COLOUR
        if looks.reflection is not None:
            for surface, geoms in self._geoms.items():
                bare = [g for g in geoms if m.geom_matid[g] < 0]
                if bare:  # a geom's own colour comes before its material's, save for the one that means none
                    m.geom_matid[bare] = self._material(surface, _NO_COLOUR, self._white)
                for g in geoms:
                    k = int(m.geom_matid[g])
                    m.mat_specular[k], m.mat_shininess[k] = looks.reflection.specular, looks.reflection.shininess
                    m.mat_reflectance[k] = looks.reflection.reflectance
        if looks.light is not None:
            self._light(looks.light, data)

    def take_off(self) -> None:
        """Put the model back."""
        for name, values in self._usual.items():
            getattr(self._visual, name)[:] = values
        for name, values in self._headlight.items():
            getattr(self._visual.vis.headlight, name)[:] = values

    def _material(self, surface: str, rgba: Any, slot: int) -> int:
        """Return the surface's own material after colouring it."""
        k = self._materials[surface]
        self._visual.mat_rgba[k], self._visual.mat_texid[k, _RGB] = rgba, slot
        return k

    def _slot(self, name: str) -> int:
        if name not in self._slots:
            pixels = texture(name)
            slot = self._free.pop() if self._free else self._slots.popitem(last=False)[1]
            start = int(self._visual.tex_adr[slot])
            self._visual.tex_data[start : start + pixels.size] = pixels.ravel()
            self._upload(slot)
            self._slots[name] = slot
        self._slots.move_to_end(name)
        return self._slots[name]

    def _light(self, look: LightLook, data: mujoco.MjData) -> None:
        m, scale = self._visual, look.strength * np.asarray(look.colour)
        for values in (m.light_diffuse, m.light_specular, m.vis.headlight.diffuse, m.vis.headlight.specular):
            values *= scale
        if look.ambient is not None:
            m.vis.headlight.ambient[:] = look.ambient
        if look.position is not None:
            data.light_xpos[0] = look.position
        if look.direction is not None:
            data.light_xdir[0] = np.asarray(look.direction) / np.linalg.norm(look.direction)
