"""Meta-World in both engines: experts, replays of recorded actions, drift under the same actions, and a page of it.

``python -m metasim.benchmarks.metaworld NAME`` measures (``experts``, ``goldens``, ``drift``) into a folder of JSON
files, going on where it stopped, and writes the page from them (``page``).
"""

from metasim.benchmarks.metaworld.recordings import Recording, recordings
from metasim.benchmarks.metaworld.replay import Starts, Trace, record, replay
from metasim.benchmarks.metaworld.store import Rows, chosen_tasks

__all__ = ["Recording", "Rows", "Starts", "Trace", "chosen_tasks", "record", "recordings", "replay"]
