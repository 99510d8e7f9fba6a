"""Chooses how MuJoCo draws without a screen; by itself it chooses at its import, and a way that needs a display."""

from __future__ import annotations

import ctypes.util
import importlib
import os
import sys

CHOSEN = "mujoco.rendering.classic.gl_context"
"""MuJoCo's module that holds its choice; its renderer looks there whenever it makes a context."""


def choose_gl() -> None:
    """Take EGL, else OSMesa, on a Linux machine without a display, unless ``MUJOCO_GL`` says something."""
    if sys.platform != "linux" or os.environ.get("MUJOCO_GL") or os.environ.get("DISPLAY"):
        return
    for choice, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = choice
            if CHOSEN in sys.modules:  # somebody imported MuJoCo before metasim
                _choose_late(choice)
            return


def _choose_late(choice: str) -> None:
    os.environ.setdefault("PYOPENGL_PLATFORM", choice)
    sys.modules[CHOSEN].GLContext = importlib.import_module(f"mujoco.{choice}").GLContext  # type: ignore[attr-defined]
