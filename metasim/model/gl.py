"""Chooses how MuJoCo draws without a screen, before MuJoCo is imported (afterwards it can no longer be chosen)."""

from __future__ import annotations

import ctypes.util
import os
import sys


def choose_gl() -> None:
    """Set ``MUJOCO_GL`` to EGL, else OSMesa, on a Linux machine without a display, unless it is set already."""
    if sys.platform != "linux" or "mujoco" in sys.modules or os.environ.get("MUJOCO_GL") or os.environ.get("DISPLAY"):
        return
    for choice, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = choice
            return
