"""Learning algorithms and planners."""

__all__: list[str] = []
