"""Factors: seeded, recorded, replayable variation of physics and looks."""

__all__: list[str] = []
