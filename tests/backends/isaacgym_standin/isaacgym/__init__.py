"""Not Isaac Gym: a stand-in with the part of its interface that the worker uses, simulated by MuJoCo."""
