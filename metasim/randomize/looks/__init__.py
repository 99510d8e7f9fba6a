"""Axes that pictures show and physics does not feel: materials, camera, light, reflection, renderer."""

__all__: list[str] = []
