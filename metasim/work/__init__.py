"""Work: shards of a list, a pool of processes to run them, and files that are there whole or not at all."""

from metasim.work.files import draft, remove_drafts, write_atomically
from metasim.work.local import Emit, run_shards, shards

__all__ = ["Emit", "draft", "remove_drafts", "run_shards", "shards", "write_atomically"]
