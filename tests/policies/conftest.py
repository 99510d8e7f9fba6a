"""How learners run in the tests."""

import sys
from collections.abc import Iterator

import pytest

from metasim.core.policy import POLICIES


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are fastest on one thread, all the more on a busy machine."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def policies_kept() -> Iterator[None]:
    """Policies that a test read from files are forgotten."""
    before = dict(POLICIES._items)
    yield
    POLICIES._items.clear()
    POLICIES._items.update(before)
