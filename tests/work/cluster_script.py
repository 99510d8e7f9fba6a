"""A Ray cluster of two nodes of one CPU each on this machine, for as long as whoever started it holds its input open.

It says its address, then "lost" when it has killed its second node, which a line of input asks for.
"""

import contextlib
import os
import sys
import warnings
from pathlib import Path

from metasim.work.scratch import scratch_folder

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
warnings.simplefilter("ignore")

from ray.cluster_utils import Cluster  # noqa: E402


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> None:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder("metasim-test-"))
        os.environ["RAY_TMPDIR"] = folder  # where Ray notes the newest cluster's address, if there is a folder for it
        Path(folder, "ray").mkdir()
        settings = {"num_cpus": 1, "include_dashboard": False, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=settings)
        stack.callback(cluster.shutdown)
        second = cluster.add_node(num_cpus=1)
        say(f"{cluster.address}")
        for _ in sys.stdin:
            cluster.remove_node(second, allow_graceful=False)
            say("lost")


if __name__ == "__main__":
    main()
