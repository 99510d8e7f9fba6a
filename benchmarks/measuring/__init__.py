"""Measuring side by side: what a benchmark found, pages made of it, and the programs that run benchmarks."""

from metasim.benchmarks.measuring.pages import Section, write
from metasim.benchmarks.measuring.program import Benchmark, Page, command, run
from metasim.benchmarks.measuring.report import Column, Goal, Report, save, stored

__all__ = ["Benchmark", "Column", "Goal", "Page", "Report", "Section", "command", "run", "save", "stored", "write"]
