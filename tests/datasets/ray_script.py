"""What test_ray.py runs in a process of its own: collections on Ray, one after another, by one connection.

Arguments: Ray's address, and configurations as JSON. It makes the connection itself, and finds it as it was in the end.
"""

import json
import logging
import sys

import ray

from metasim.datasets import CollectConfig, collect

if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
    for settings in json.loads(sys.argv[2]):
        collect(CollectConfig(**settings))
        assert ray.is_initialized()
    ray.shutdown()
