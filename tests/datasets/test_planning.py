"""Which episodes a dataset holds: decided by their outcomes alone, whatever was run before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasim.core.errors import InvalidConfig
from metasim.datasets import CollectConfig, EpisodeInfo
from metasim.datasets.planning import plan

BASE = CollectConfig(tasks=("a/b-v0",), out=Path("x.h5"))
INFO: Any = object.__new__(EpisodeInfo)  # stands for "kept"


@given(
    st.integers(1, 6),
    st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.9, 1.0]),
    st.integers(0, 2**32),
    st.sets(st.integers(0, 40)),
)
def test_the_first_successes_are_chosen_whatever_was_known(
    wanted: int, rate: float, seed: int, known: set[int]
) -> None:
    outcomes = np.random.default_rng(seed).random(400) < rate
    expected: list[int] | None = []
    failures = 0
    for i, solved in enumerate(outcomes):
        failures += not solved
        expected += [i] if solved else []
        if len(expected) == wanted:
            break
        if failures == 10 * wanted:
            expected = None
            break
    config = BASE.replace(episodes=wanted)
    found = {i: INFO if outcomes[i] else None for i in known}
    for _ in range(60):
        chosen, missing = plan(found, config)
        if not missing:
            break
        assert not set(missing) & set(found)
        assert len(set(missing)) == len(missing)
        found |= {i: INFO if outcomes[i] else None for i in missing}
    assert (None if missing is None else chosen) == expected
    assert max(found) <= max(40, 11 * wanted - 2)


@given(st.integers(1, 9), st.sets(st.integers(0, 12)))
def test_all_episodes_are_wanted_when_all_are_kept(wanted: int, known: set[int]) -> None:
    config = BASE.replace(episodes=wanted, keep="all")
    _, missing = plan(dict.fromkeys(known, INFO), config)
    assert missing == [i for i in range(wanted) if i not in known]
    assert plan(dict.fromkeys(range(20), INFO), config) == (list(range(wanted)), [])


@given(
    st.integers(1, 6),
    st.sampled_from(["successes", "all"]),
    st.integers(0, 2**32),
    st.sets(st.integers(0, 30)),
    st.sets(st.integers(0, 30)),
)
def test_where_only_some_indices_can_be_run_the_first_of_them_are_chosen(
    wanted: int, keep: str, seed: int, some: set[int], known: set[int]
) -> None:
    outcomes, given = np.random.default_rng(seed).random(31) < 0.5, sorted(some)
    expected = [i for i in given if outcomes[i] or keep == "all"][:wanted]
    config = BASE.replace(episodes=wanted, keep=keep)
    found = {i: INFO if outcomes[i] or keep == "all" else None for i in known}
    for _ in range(40):
        chosen, missing = plan(found, config, given)
        if not missing:
            break
        assert set(missing) <= some - set(found)
        found |= {i: INFO if outcomes[i] or keep == "all" else None for i in missing}
    assert missing is None or chosen == expected  # None: ten failures in a row for each episode asked for
    assert missing is not None or len(given) >= 10 * wanted


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tasks": ()}, "at least one task"),
        ({"tasks": ("a", "a")}, "each once"),
        ({"split": "valid"}, "split must be one of.*'valid'"),
        ({"keep": "some"}, "keep must be one of"),
        ({"episodes": 0}, "episodes must be a whole number of at least 1, got 0"),
        ({"workers": 1.5}, "workers must be a whole number"),
        ({"worlds": True}, "worlds"),
        ({"seed": -1}, "seed"),
        ({"tail": -1}, "tail"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        BASE.replace(**change)


def test_workers_worlds_and_the_file_are_no_arguments_of_a_dataset() -> None:
    other = BASE.replace(workers=3, worlds=5, out=Path("y.h5"))
    assert other.arguments() == BASE.arguments()
    for name, value in {"tasks": ("c",), "backend": "b", "policy": "p", "episodes": 3, "seed": 1, "split": "test",
                        "keep": "all", "tail": None, "horizon": 9, "goals": "g"}.items():  # fmt: skip
        assert BASE.replace(**{name: value}).arguments() != BASE.arguments()
