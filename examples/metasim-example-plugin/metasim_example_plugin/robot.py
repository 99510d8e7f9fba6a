"""A row of the robot table: which file, and what is worth knowing about it."""

from pathlib import Path

from metasim.model.robots import RobotEntry

CART = RobotEntry(
    file=str(Path(__file__).with_name("cart.xml")),
    maker="nobody",
    effector="cart",
    home={"rail": 0.0},
    licence="CC0-1.0",
)
