"""The checks, one module per noun; each is a function from a backend factory to measurements."""

__all__ = [
    "contact",
    "control",
    "errors",
    "fields",
    "forces",
    "kinematics",
    "motion",
    "parameters",
    "pictures",
    "snapshots",
    "state",
    "worlds",
]
