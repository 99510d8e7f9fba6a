"""Numbers taken in turns: each once, in order for each taker, and a new set does not touch an old one's takers."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Barrier

from metasim.work import Claims


def test_takers_that_race_get_every_number_once(tmp_path: Path) -> None:
    """Each opens the file anew, so that for the lock threads are what processes are."""
    claims, takers = pickle.loads(pickle.dumps(Claims.laid(tmp_path / "claims", 2000))), 4
    start = Barrier(takers)

    def take(_: int) -> list[int]:
        start.wait()
        return list(claims)

    with ThreadPoolExecutor(takers) as pool:
        taken = list(pool.map(take, range(takers)))
    assert all(numbers == sorted(numbers) for numbers in taken)
    assert sorted(number for numbers in taken for number in numbers) == list(range(2000))
    assert list(claims) == []


def test_one_who_was_left_over_takes_nothing_of_a_new_set(tmp_path: Path) -> None:
    left_over = iter(Claims.laid(tmp_path / "claims", 5))
    assert next(left_over) == 0
    new = iter(Claims.laid(tmp_path / "claims", 3))
    assert list(islice(new, 2)) == [0, 1]
    assert list(left_over) == [1, 2, 3, 4]
    assert list(new) == [2]
