"""A light task that ends early, for every adapter; loaded as a user's file would be."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from metasim.core.task import TASKS
from metasim.core.task_files import load_task_module

CART_POLE = Path(__file__).with_name("cart_pole.py")


@pytest.fixture(scope="session")
def cart_pole() -> Iterator[str]:
    """The id of the cart-pole."""
    TASKS.discover()
    load_task_module(str(CART_POLE))
    yield "test/cart-pole-v0"


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
