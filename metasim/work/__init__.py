"""Work: shards of a list, executors that run them here or on Ray, and files that are there whole or not at all."""

from metasim.work.claims import Claims
from metasim.work.cluster import Ray
from metasim.work.executors import Executor, Local, executor
from metasim.work.files import draft, remove_drafts, write_atomically
from metasim.work.local import run_shards, shards
from metasim.work.outcome import Emit

__all__ = [
    "Claims",
    "Emit",
    "Executor",
    "Local",
    "Ray",
    "draft",
    "executor",
    "remove_drafts",
    "run_shards",
    "shards",
    "write_atomically",
]
