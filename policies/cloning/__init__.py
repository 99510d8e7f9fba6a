"""Behaviour cloning: a policy that repeats what demonstrations do, from numbers or from pictures."""

from metasim.policies.cloning.config import CloneConfig, CloneProgress, CloneRow, CloneSettings
from metasim.policies.cloning.run import clone

__all__ = ["CloneConfig", "CloneProgress", "CloneRow", "CloneSettings", "clone"]
