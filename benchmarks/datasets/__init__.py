"""Whether datasets keep what they promise, and what that costs.

``python -m metasim.benchmarks.datasets NAME`` runs one of them: ``kills`` ends collections by force, ``writing``
and ``merge`` time what keeps finished episodes safe, ``experts`` compares with the original Meta-World. Each prints a
table, and with ``--out FILE`` writes a report from which ``page`` makes a page.
"""

__all__: list[str] = []
