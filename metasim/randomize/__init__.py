"""What varies between episodes besides a task's own factors: named axes, drawn from a seed and stored as JSON."""

from metasim.randomize.axis import (
    AXES,
    Axis,
    Channel,
    LooksAxis,
    SceneAxis,
    StartAxis,
    StepAxis,
    check,
    sample,
)
from metasim.randomize.starting import starts
from metasim.randomize.variation import Channels, by_scene, looks_of, scene_key, varied_task

__all__ = [
    "AXES",
    "Axis",
    "Channel",
    "Channels",
    "LooksAxis",
    "SceneAxis",
    "StartAxis",
    "StepAxis",
    "by_scene",
    "check",
    "looks_of",
    "sample",
    "scene_key",
    "starts",
    "varied_task",
]

for _name, _where in {
    "size": "size:SIZE",
    "distractors": "distractors:DISTRACTORS",
    "mass": "scales:MASS",
    "friction": "scales:FRICTION",
    "gains": "scales:GAINS",
    "robot-state": "robot:ROBOT_STATE",
    "action-noise": "actions:ACTION_NOISE",
    "action-delay": "actions:ACTION_DELAY",
    "pushes": "pushes:PUSHES",
    "materials": "looks.axes:MATERIALS",
    "camera": "looks.axes:CAMERA",
    "light": "looks.axes:LIGHT",
    "reflection": "looks.axes:REFLECTION",
    "renderer": "looks.axes:RENDERER",
}.items():
    AXES.register(_name, f"metasim.randomize.{_where}")
