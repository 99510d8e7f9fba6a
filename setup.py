"""Which folder is which package; everything else about the distribution stands in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {
    "metasim": "metasim",
    "metasim.tasks": "tasks",
    "metasim.datasets": "datasets",
    "metasim.policies": "policies",
    "metasim.benchmarks": "benchmarks",
}

setup(
    package_dir=FOLDERS,
    packages=[
        *FOLDERS,
        *(f"{name}.{inner}" for name, folder in FOLDERS.items() for inner in find_packages(folder)),
    ],
)
