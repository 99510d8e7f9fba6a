"""The command run in this process, with everything it registers taken away afterwards."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import metasim.model  # noqa: F401  before MuJoCo, which must be told how to draw before it is imported
from metasim.cli import main
from metasim.core.task import TASKS

MY_TASK = Path(__file__).with_name("my_task.py")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ran]]:
    """Run ``metasim WORDS`` in an empty folder; what is captured is all that the process writes."""
    TASKS.discover()
    items, modules = dict(TASKS._items), set(sys.modules)
    monkeypatch.chdir(tmp_path)

    def metasim(*words: object) -> Ran:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    yield metasim
    TASKS._items.clear()
    TASKS._items.update(items)
    for name in [name for name in sys.modules if name.startswith("metasim_task_file_") and name not in modules]:
        del sys.modules[name]


@pytest.fixture
def my_task() -> tuple[str, str, str]:
    """The words that name the task of my_task.py."""
    return ("lab/touch-v0", "--task-module", str(MY_TASK))
