"""An engine: MuJoCo, which counts how many substeps its worlds have taken since it was loaded."""

from metasim.backends.mujoco import MujocoBackend
from metasim.core.state import State


class CountingBackend(MujocoBackend):
    """MuJoCo that counts.

    Attributes:
        substeps: Physics steps so far.
    """

    name = "example-counting"
    substeps = 0

    def step(self, substeps: int = 1) -> State:
        """Advance every world, and count."""
        self.substeps += substeps
        return super().step(substeps)
