"""A Ray cluster of two nodes, for those who test on one."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TRIES = 3
SCRIPT = Path(__file__).parent / "work" / "cluster_script.py"


class Nodes:
    """The cluster: its address, and how to lose its second node."""

    def __init__(self) -> None:
        if importlib.util.find_spec("ray") is None:
            pytest.skip("ray is not installed; it comes with the extra ray")
        self.address = ""
        said = ""
        for _ in range(TRIES):  # ports may be taken between Ray's choosing and using them
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.address = self._hear()
            if self.address:
                return
            _, said = self._process.communicate(timeout=60)
        pytest.fail(f"Ray's nodes did not start; the last of {TRIES} tries said:\n{said[-2000:]}", pytrace=False)

    def lose_one(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("lose one\n")
        self._process.stdin.flush()
        assert self._hear() == "lost"

    def end(self) -> None:
        self._process.communicate(timeout=60)

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="session")
def ray_nodes() -> Iterator[Nodes]:
    """A cluster of two nodes of one CPU each, which stays whole."""
    nodes = Nodes()
    yield nodes
    nodes.end()


@pytest.fixture
def frail_ray_nodes() -> Iterator[Nodes]:
    """A cluster of two nodes of one CPU each, which may lose one."""
    nodes = Nodes()
    yield nodes
    nodes.end()
