"""One folder per physics engine, with the same file names in each; loaded by name, on demand."""

__all__: list[str] = []
