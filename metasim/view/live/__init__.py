"""A live view in a browser: a task that runs, or a recorded episode. Needs the extra ``view`` only to be served."""

from metasim.view.live.config import LiveConfig, registered_policy, runnable_policies
from metasim.view.live.handles import Handle
from metasim.view.live.playback import Playback, Recorded, Recordings
from metasim.view.live.poses import Frame, Poses
from metasim.view.live.session import Session
from metasim.view.live.shapes import Shape, shapes
from metasim.view.live.show import Clock, Show, Status
from metasim.view.live.viewer import Viewer

__all__ = [
    "Clock",
    "Frame",
    "Handle",
    "LiveConfig",
    "Playback",
    "Poses",
    "Recorded",
    "Recordings",
    "Session",
    "Shape",
    "Show",
    "Status",
    "Viewer",
    "registered_policy",
    "runnable_policies",
    "shapes",
]
