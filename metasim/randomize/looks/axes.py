"""The axes of looks; each draws numbers and names only, so that sampling needs no renderer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metasim.core.looks import SURFACES
from metasim.core.task import Task
from metasim.randomize.axis import LooksAxis
from metasim.randomize.looks.textures import names

Json = Any
Rng = np.random.Generator
_USUAL_DISTANCE_M = 1.2
"""How far a camera stands from what it looks at, where the scene's file does not say."""


class Materials(LooksAxis):
    """What table, floor and wall are made of."""

    name = "materials"
    summary = "Textures of table, floor and wall; train and held-out textures share none."

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks without surfaces."""
        return "" if task.surfaces else "it names no surfaces (Task.surfaces)"

    def sample(self, rng: Rng, split: str, task: type[Task]) -> Json:
        """Draw a texture and a slight tint for each surface."""
        value: dict[str, Json] = {}
        for surface in (*SURFACES, *(s for s in task.surfaces if s not in SURFACES)):  # a task without one draws it too
            among = names(surface, split)
            texture = among[int(rng.integers(len(among)))]
            tint = np.round(rng.uniform(0.85, 1.0, 3), 4).tolist()
            if surface in task.surfaces:
                value[surface] = {"texture": texture, "tint": tint}
        return value

    def looks(self, value: Json) -> Mapping[str, Json]:
        """Return the materials."""
        return {"materials": value}


class CameraPose(LooksAxis):
    """Where the camera stands, how it is turned and how wide it sees."""

    name = "camera"
    summary = "Pose and field of view of cameras: near the scene's in train, farther off in test."

    def sample(self, rng: Rng, split: str, task: type[Task]) -> Json:
        """Draw a shift, a turn that keeps the same point in the middle but for a jitter, and a field of view.

        Train: shift at most 8 cm each way, jitter 0.02 rad, field of view within 5 %. Test: shift 8 to 25 cm in each
        direction, jitter 0.05 rad, field of view 5 to 15 % off.
        """
        far, jitter, zoom = ((0.0, 0.08), 0.02, (0.0, 0.05)) if split == "train" else ((0.08, 0.25), 0.05, (0.05, 0.15))
        shift = rng.uniform(*far, 3) * rng.choice([-1.0, 1.0], 3)
        distance = _distance(task)
        shift *= distance / _USUAL_DISTANCE_M
        ahead = distance + shift[2]
        turn = np.array([-np.arctan2(shift[1], ahead), np.arctan2(shift[0], ahead), 0.0])
        turn += rng.uniform(-jitter, jitter, 3)
        scale = 1.0 + rng.uniform(*zoom) * rng.choice([-1.0, 1.0])
        return {"shift_m": _plain(shift), "turn_rad": _plain(turn), "fov_scale": round(float(scale), 6)}

    def looks(self, value: Json) -> Mapping[str, Json]:
        """Return the camera."""
        return {"camera": value}


class Lighting(LooksAxis):
    """Where light comes from, its colour and strength."""

    name = "light"
    summary = "Position, direction, colour and strength of the light: near overhead in train, low and tinted in test."

    def sample(self, rng: Rng, split: str, task: type[Task]) -> Json:
        """Draw a light 3 m away from the scene's middle.

        Train: at most 0.5 rad from overhead, strength 0.7 to 1.2, colours at least 0.9. Test: 0.5 to 1.1 rad from
        overhead, strength 0.35 to 0.7 or 1.2 to 1.6, colours at least 0.6.
        """
        train = split == "train"
        tilt, round_ = rng.uniform(*((0.0, 0.5) if train else (0.5, 1.1))), rng.uniform(-np.pi, np.pi)
        bright = rng.uniform(0.7, 1.2) if train else float(rng.choice([rng.uniform(0.35, 0.7), rng.uniform(1.2, 1.6)]))
        colour = rng.uniform(0.9 if train else 0.6, 1.0, 3)
        away = np.array([np.sin(tilt) * np.cos(round_), np.sin(tilt) * np.sin(round_), np.cos(tilt)])
        return {
            "position": _plain(_middle(task) + 3.0 * away),
            "direction": _plain(-away),
            "colour": _plain(colour / colour.max()),
            "strength": round(float(bright), 6),
            "ambient": round(float(rng.uniform(*((0.1, 0.3) if train else (0.0, 0.45)))), 6),
        }

    def looks(self, value: Json) -> Mapping[str, Json]:
        """Return the light."""
        return {"light": value}


class Reflection(LooksAxis):
    """How surfaces throw light back."""

    name = "reflection"
    summary = "Highlights and mirror images on table, floor and wall: dull in train, glossy in test."

    def refuse(self, task: type[Task], backend: str) -> str:
        """Refuse tasks without surfaces."""
        return "" if task.surfaces else "it names no surfaces (Task.surfaces)"

    def sample(self, rng: Rng, split: str, task: type[Task]) -> Json:
        """Draw highlights and mirror image, up to 0.4 and 0.1 in train, from there to 1 and 0.4 in test."""
        low, high, mirror = (0.0, 0.4, (0.0, 0.1)) if split == "train" else (0.4, 1.0, (0.1, 0.4))
        specular, shininess = rng.uniform(low, high, 2)
        return {
            "specular": round(float(specular), 6),
            "shininess": round(float(shininess), 6),
            "reflectance": round(float(rng.uniform(*mirror)), 6),
        }

    def looks(self, value: Json) -> Mapping[str, Json]:
        """Return the reflection."""
        return {"reflection": value}


class WhoDraws(LooksAxis):
    """Which renderer draws."""

    name = "renderer"
    summary = "What draws the pictures: MuJoCo's renderer in train, PyBullet's in test."

    def sample(self, rng: Rng, split: str, task: type[Task]) -> Json:
        """Return the renderer of the split; nothing is drawn."""
        return "mujoco" if split == "train" else "pybullet"

    def looks(self, value: Json) -> Mapping[str, Json]:
        """Return the renderer."""
        return {"renderer": value}


def _distance(task: type[Task]) -> float:
    camera = task.scene.cameras.get(task.camera)
    return _USUAL_DISTANCE_M if camera is None else float(np.linalg.norm(np.subtract(camera.pos, camera.target)))


def _middle(task: type[Task]) -> Any:
    camera = task.scene.cameras.get(task.camera)
    return np.array([0.0, 0.6, 0.0] if camera is None else camera.target, float)


def _plain(values: Any) -> list[float]:
    return np.round(np.asarray(values, float), 6).tolist()


MATERIALS, CAMERA, LIGHT, REFLECTION, RENDERER = Materials(), CameraPose(), Lighting(), Reflection(), WhoDraws()
