"""Runs the command as ``python -m metasim``."""

import sys

from metasim.cli import main

if __name__ == "__main__":
    sys.exit(main())
