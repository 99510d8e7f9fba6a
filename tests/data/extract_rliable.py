"""Makes rliable_answers.json: what rliable says about scores, and statsmodels about differences of rates.

Usage, in an environment with rliable 1.2.0, arch 7.2 and pandas below 3: python tests/data/extract_rliable.py [FILE]

The scores stand in the file beside the answers, so that ours are computed from the same numbers.
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rliable import library, metrics
from statsmodels.stats.proportion import confint_proportions_2indep

THRESHOLDS = [0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0]
AGGREGATES = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "iqm": metrics.aggregate_iqm,
    "optimality_gap": metrics.aggregate_optimality_gap,
}
REPS, REPS_OF_PAIRS = 10_000, 4_000
COUNTS = [(56, 70, 48, 80), (25, 50, 29, 50), (0, 50, 3, 50), (50, 50, 45, 50), (9, 10, 3, 10), (490, 500, 250, 400)]


def scores() -> dict[str, np.ndarray]:
    """Return made-up scores (runs, tasks): continuous ones, some above 1; success rates of twenty episodes; outcomes.

    There are enough of each that one score more or less moves no aggregate by more than 0.005.
    """
    rng = np.random.default_rng(20_241_101)
    level = rng.uniform(0.1, 0.9, 10)
    return {
        "strong": (level + 0.15 + 0.1 * rng.standard_normal((24, 10))).round(6),
        "weak": (level + 0.1 * rng.standard_normal((21, 10))).round(6),
        "rates": rng.binomial(20, level[:6], (15, 6)) / 20,
        "outcomes": rng.binomial(1, level[4:8], (120, 4)).astype(float),
        "other outcomes": rng.binomial(1, level[4:8] ** 2, (110, 4)).astype(float),
    }


def estimate(data: Any, function: Any, reps: int) -> dict[str, Any]:
    """Return rliable's point estimate and 95 % interval."""
    np.random.seed(0)  # rliable draws from the global generator
    points, ends = library.get_interval_estimates({"x": data}, lambda *x: np.atleast_1d(function(*x)), reps=reps)
    value, (low, high) = points["x"].tolist(), ends["x"].tolist()
    return {"value": value, "low": low, "high": high}


def main(out: Path) -> None:
    """Ask and write."""
    warnings.simplefilter("ignore")
    made = scores()
    pairs = [("strong", "weak"), ("outcomes", "other outcomes"), ("outcomes", "outcomes")]
    tree = {
        "versions": {name: version(name) for name in ("rliable", "arch", "statsmodels", "numpy", "scipy", "pandas")},
        "scores": {name: matrix.tolist() for name, matrix in made.items()},
        "aggregates": {
            name: {metric: estimate(matrix, function, REPS) for metric, function in AGGREGATES.items()}
            for name, matrix in made.items()
        },
        "thresholds": THRESHOLDS,
        "profiles": {
            name: estimate(made[name], lambda x: library.score_distributions(x, THRESHOLDS), REPS)
            for name in ("strong", "weak")
        },
        "improvement": [
            {"first": a, "second": b} | estimate([made[a], made[b]], metrics.probability_of_improvement, REPS_OF_PAIRS)
            for a, b in pairs
        ],
        "newcombe": [
            {"counts": c, "interval": [float(v) for v in confint_proportions_2indep(*c, method="newcomb")]}
            for c in COUNTS
        ],
    }
    out.write_text(json.dumps(tree, indent=None, separators=(",", ":")).replace('"profiles"', '\n"profiles"') + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("rliable_answers.json"))
