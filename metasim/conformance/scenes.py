"""The small scenes that the checks run, as data, and the way to open one in a backend."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from metasim.conformance.measurement import BackendFactory
from metasim.core.backend import Backend
from metasim.core.reads import Reads
from metasim.core.scene import (
    Asset,
    Body,
    Box,
    Camera,
    Capsule,
    Cylinder,
    Drive,
    Physics,
    Robot,
    Scene,
    Sphere,
    Weld,
)
from metasim.model import Model, compile_scene

MODELS = Path(__file__).parent / "models"
GRAVITY = 9.81
STEP_S = 0.002
PHYSICS = Physics(timestep_s=STEP_S)
FLOATING = Physics(timestep_s=STEP_S, gravity=(0.0, 0.0, 0.0))


def _file(name: str) -> Asset:
    return Asset(path=MODELS / f"{name}.xml")


def _slider(drive: Drive, y: float) -> Robot:
    return Robot(model=_file("slider"), drive=drive, pos=(0.0, y, 0.0))


ARM_READS = Reads(joints=("shoulder", "elbow"), bodies=("upper", "fore"), sites=("tip",), velocities=("fore", "tip"))
RAIL_READS = Reads(joints=("zeta", "alpha", "mid"), bodies=("along_x", "along_y", "along_z"))
TREE_READS = Reads(
    joints=("float", "turn", "lift", "pitch", "yaw", "crank"),
    bodies=("base", "turret", "mast", "wrist", "post", "lever"),
    sites=("eye", "mark", "end"),
    geoms=("base", "turret", "mast", "wrist", "post", "lever"),
    velocities=("base", "wrist", "eye", "end", "lever"),
)
HEAP: Mapping[str, Body] = {
    "brick": Box(size_m=(0.12, 0.10, 0.08), mass_kg=0.6, pos=(-0.05, 0.02, 0.30)),
    "tile": Box(size_m=(0.20, 0.20, 0.04), mass_kg=0.9, pos=(0.0, 0.0, 0.10), quat=(0.98, 0.1, 0.15, 0.05)),
    "marble": Sphere(radius_m=0.04, mass_kg=0.2, pos=(0.03, -0.04, 0.45)),
    "roll": Capsule(radius_m=0.03, length_m=0.1, mass_kg=0.3, pos=(0.02, 0.10, 0.25), quat=(0.7, 0.7, 0.1, 0.1)),
    "can": Cylinder(radius_m=0.04, height_m=0.1, mass_kg=0.4, pos=(0.25, 0.0, 0.2), quat=(0.9, 0.0, 0.4, 0.1)),
}
HEAP_READS = Reads(
    joints=("shoulder", "elbow", *HEAP),
    bodies=("fore", *HEAP),
    sites=("tip",),
    velocities=("fore", "tip", *HEAP),
    contacts=(("tile", "world"), ("fore", "brick"), ("marble", "tile")),
    fields=("xpos", "cvel", "cfrc_ext"),
)
BLOCKS: Mapping[str, Body] = {
    "bottom": Box(size_m=(0.2, 0.2, 0.1), mass_kg=1.5, pos=(0.0, 0.0, 0.05)),
    "top": Box(size_m=(0.2, 0.2, 0.1), mass_kg=0.5, pos=(0.0, 0.0, 0.15)),
}
PUCKS: Mapping[str, Body] = {
    "left": Sphere(radius_m=0.05, mass_kg=0.4, pos=(-0.2, 0.0, 0.0)),
    "right": Sphere(radius_m=0.05, mass_kg=1.0, pos=(0.2, 0.0, 0.0)),
}
LYING = (0.7071067811865476, 0.0, 0.7071067811865476, 0.0)
SHAPES: Mapping[str, Body | Asset] = {
    "crate": Box(size_m=(0.20, 0.12, 0.08), mass_kg=0.6, pos=(0.0, 0.0, 0.045)),
    "orb": Sphere(radius_m=0.05, mass_kg=0.3, pos=(0.5, 0.0, 0.055)),
    "drum": Cylinder(radius_m=0.04, height_m=0.10, mass_kg=0.4, pos=(1.0, 0.0, 0.055)),
    "pill": Capsule(radius_m=0.03, length_m=0.10, mass_kg=0.2, pos=(1.5, 0.0, 0.035), quat=LYING),
    "chest": Asset(path=MODELS / "wedge.xml", pos=(2.0, 0.0, 0.005)),
}
MARKERS: Mapping[str, Body] = {
    "red": Sphere(radius_m=0.03, mass_kg=0.1, pos=(0.25, 0.10, 0.20), rgba=(1.0, 0.0, 0.0, 1.0)),
    "green": Sphere(radius_m=0.03, mass_kg=0.1, pos=(-0.20, 0.25, 0.30), rgba=(0.0, 1.0, 0.0, 1.0)),
    "blue": Sphere(radius_m=0.03, mass_kg=0.1, pos=(-0.10, -0.30, 0.10), rgba=(0.0, 0.0, 1.0, 1.0)),
}
PANEL = Box(size_m=(0.08, 0.08, 0.01), fixed=True, pos=(0.3, -0.3, 0.005), rgba=(1.0, 1.0, 0.0, 1.0))
CAMERAS: Mapping[str, Camera] = {
    "above": Camera(pos=(0.0, 0.0, 1.5), target=(0.0, 0.0, 0.0), fov_rad=0.9),
    "beside": Camera(pos=(1.2, -0.7, 0.9), target=(0.0, 0.0, 0.15), fov_rad=0.7),
}
DRIVES: Mapping[str, Robot] = {
    "spring": _slider(Drive(kind="position", stiffness=200.0, damping=12.0), 0.0),
    "cruise": _slider(Drive(kind="velocity", damping=8.0), 1.0),
    "thrust": _slider(Drive(kind="effort"), 2.0),
    "tame": _slider(Drive(kind="effort", effort_limit=2.0), 4.0),
    "weak": _slider(Drive(kind="position", stiffness=200.0, damping=12.0, effort_limit=3.0), 3.0),
}
DRIVE_READS = Reads(joints=tuple(f"{name}/rail" for name in DRIVES))
WELD = Weld(mocap="hand", body="load", time_constant_s=0.1)

SCENES: Mapping[str, tuple[Scene, Reads]] = {
    "ball": (
        Scene(ground=False, objects={"ball": Sphere(radius_m=0.05, mass_kg=0.5, pos=(0, 0, 2))}, physics=PHYSICS),
        Reads(joints=("ball",), bodies=("ball",), velocities=("ball",)),
    ),
    "block": (
        Scene(
            objects={"block": Box(size_m=(0.2, 0.2, 0.1), mass_kg=1.3, pos=(0, 0, 0.15))},
            physics=PHYSICS,
        ),
        Reads(joints=("block",), bodies=("block",), velocities=("block",), contacts=(("block", "world"),)),
    ),
    "blocks": (
        Scene(objects=BLOCKS, physics=PHYSICS),
        Reads(
            bodies=("bottom", "top"),
            contacts=(("top", "bottom"), ("bottom", "top"), ("bottom", "ground"), ("top", "ground")),
            fields=("cfrc_ext",),
        ),
    ),
    "pendulum": (Scene(base=_file("pendulum")), Reads(joints=("swing",))),
    "arm": (Scene(base=_file("arm")), ARM_READS),
    "rails": (Scene(base=_file("rails")), RAIL_READS),
    "drives": (Scene(robots=DRIVES, ground=False, physics=FLOATING), DRIVE_READS),
    "slide": (
        Scene(base=_file("slide")),
        Reads(joints=("box",), bodies=("box",), velocities=("box",), contacts=(("box", "floor"),)),
    ),
    "shapes": (
        Scene(objects=SHAPES, physics=PHYSICS),
        Reads(
            joints=("crate", "orb", "drum", "pill", "chest/wedge"),
            contacts=tuple((name, "ground") for name in ("crate", "orb", "drum", "pill", "chest/wedge")),
        ),
    ),
    "filters": (
        Scene(base=_file("filters")),
        Reads(
            joints=(
                "plain",
                "sought",
                "seeking",
                "other",
                "ghost",
                "lower",
                "excluded",
                "child",
                "grandchild",
            )
        ),
    ),
    "roll": (Scene(base=_file("roll")), Reads(joints=("ball",))),
    "plant": (Scene(base=_file("plant")), Reads(joints=("geared", "oiled", "sprung", "ranged", "wrist"))),
    "pucks": (
        Scene(objects=PUCKS, ground=False, physics=FLOATING),
        Reads(joints=("left", "right"), bodies=("left", "right"), contacts=(("left", "right"),), fields=("cfrc_ext",)),
    ),
    "cannon": (Scene(base=_file("cannon")), Reads(joints=("barrel", "bore"), bodies=("barrel", "shot"))),
    "offset": (
        Scene(base=_file("offset")),
        Reads(joints=("hull",), bodies=("hull",), sites=("eye",), velocities=("hull", "eye")),
    ),
    "tree": (Scene(base=_file("tree")), TREE_READS),
    "bodies": (
        Scene(base=_file("tree")),
        Reads(
            bodies=("base", "wrist", "lever"),
            velocities=("base", "wrist", "lever"),
            fields=("xpos", "xquat", "xipos", "subtree_com", "cinert", "cvel"),
        ),
    ),
    "mocap": (
        Scene(base=_file("mocap"), welds=(WELD,)),
        Reads(joints=("load",), bodies=("hand", "load")),
    ),
    "shelf": (
        Scene(base=_file("shelf")),
        Reads(joints=("ball",), bodies=("shelf", "ball"), sites=("mark",), contacts=(("ball", "shelf"),)),
    ),
    "heap": (Scene(base=_file("arm"), ground=True, objects=HEAP, physics=PHYSICS), HEAP_READS),
    "pictures": (
        Scene(objects={**MARKERS, "panel": PANEL}, cameras=CAMERAS, physics=FLOATING),
        Reads(joints=tuple(MARKERS), bodies=tuple(MARKERS)),
    ),
}


@functools.cache
def model(scene: str) -> Model:
    """Return a compiled scene of :data:`SCENES`."""
    return compile_scene(*SCENES[scene])


@contextmanager
def opened(make: BackendFactory, scene: str, num_worlds: int = 1, workers: int = 1) -> Iterator[Backend]:
    """Yield a backend with a scene of :data:`SCENES` loaded, and close it afterwards."""
    backend = make(num_worlds, workers=workers)
    try:
        backend.load(model(scene))
        yield backend
    finally:
        backend.close()
