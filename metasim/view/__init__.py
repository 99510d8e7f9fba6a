"""Pictures and videos of episodes."""

from metasim.view.pictures import Picture, grid, jpeg, label, picture, png, strip
from metasim.view.video import Recording, ffmpeg, gif, mp4, record, write_mp4

__all__ = [
    "Picture",
    "Recording",
    "ffmpeg",
    "gif",
    "grid",
    "jpeg",
    "label",
    "mp4",
    "picture",
    "png",
    "record",
    "strip",
    "write_mp4",
]
