"""The page that shows engines side by side: what is off stands out, what was not measured says why."""

import copy
from dataclasses import replace

from metasim.backends.mujoco import MujocoBackend
from metasim.conformance.compare import compare_engines, markdown
from metasim.model import Model


class Weightless(MujocoBackend):
    """A second engine: no gravity, no wrenches."""

    name = "weightless"
    capabilities = MujocoBackend.capabilities - {"wrench"}

    def load(self, model: Model) -> None:
        mj = copy.copy(model.mj)
        mj.opt.gravity[:] = 0
        super().load(replace(model, mj=mj))


def test_every_quantity_is_shown_for_every_engine() -> None:
    rows = compare_engines((MujocoBackend, Weightless), only=["free_fall", "wrench"])
    fall = next(row for row in rows if row.name == "velocity after 1 s")
    assert fall.passed == (True, False)
    assert [round(v, 6) for v in fall.values if isinstance(v, float)] == [-7.81, 2.0]
    page = markdown(rows, ("mujoco", "weightless"))
    assert "| velocity after 1 s | -7.81 | -7.81 | **2** | 1e-09 | m/s |" in page
    assert "- weightless did not measure this: weightless does not declare ['wrench']" in page
    assert page.index("## free fall") < page.index("## wrench")


def test_promises_without_a_number_are_counted() -> None:
    page = markdown(compare_engines((MujocoBackend,), only=["not_ready"]), ("mujoco",))
    assert "- mujoco keeps 48 of 48 promises without a number" in page
    assert "|" not in page


def test_a_check_that_nobody_measured_says_why() -> None:
    page = markdown(compare_engines((Weightless,), only=["weld"]), ("weightless",))
    assert "did not measure this" in page
