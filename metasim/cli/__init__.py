"""The command ``metasim``: one frozen dataclass for each verb, read by tyro, shown by rich."""

from metasim.cli.entry import main

__all__ = ["main"]
