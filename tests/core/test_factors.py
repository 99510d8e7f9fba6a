"""Factors: what a task may call them."""

import pytest

from metasim.core.errors import InvalidConfig
from metasim.core.factors import Uniform
from metasim.core.task import Task, register


@pytest.mark.parametrize("names", [("box/hinge",), ("", "a"), ("a", "a")])
def test_factors_whose_values_could_not_be_stored_are_refused(names: tuple[str, ...]) -> None:
    body = {"scene": None, "control": None, "factors": tuple(Uniform(name, (0.0,), (1.0,)) for name in names)}
    with pytest.raises(InvalidConfig, match="names of factors must be unique and without '/'"):
        register("odd/names-v0")(type("Odd", (Task,), body))
