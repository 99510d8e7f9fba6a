"""MuJoCo's classes and functions are compiled and come without types: every name here is Any."""

from typing import Any

def __getattr__(name: str) -> Any: ...
