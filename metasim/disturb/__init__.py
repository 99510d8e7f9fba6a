"""Disturbers: state to wrenches on named bodies."""

__all__: list[str] = []
