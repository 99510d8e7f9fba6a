"""A task, a robot, an engine and a policy for metasim; each is found through an entry point in pyproject.toml."""

__all__: list[str] = []
