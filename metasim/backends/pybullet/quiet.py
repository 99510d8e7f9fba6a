"""Imports a library that greets on the terminal without letting the greeting through."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys


def import_quietly(name: str) -> None:
    """Import a module while what its C code writes goes nowhere; an exception is raised as usual."""
    if name in sys.modules:
        return
    libc = ctypes.CDLL(None)
    _flush(libc)
    kept, nowhere = {fd: os.dup(fd) for fd in (1, 2)}, os.open(os.devnull, os.O_WRONLY)
    try:
        for fd in kept:
            os.dup2(nowhere, fd)
        importlib.import_module(name)
    finally:
        _flush(libc)
        for fd, copy in kept.items():
            os.dup2(copy, fd)
            os.close(copy)
        os.close(nowhere)


def _flush(libc: ctypes.CDLL) -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    libc.fflush(None)
