"""Success rates: Wilson's interval of one, and how shares are written.

Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from metasim.core.errors import InvalidConfig

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A success rate: ``successes`` of ``n``, with the Wilson interval ``[low, high]``."""

    successes: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share of successes, in [0, 1]."""
        return self.successes / self.n


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval ``[low, high]``, and what the interval was found by."""

    value: float
    low: float
    high: float
    method: str = "bootstrap"


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate, as shares in [0, 1].

    Raises:
        InvalidConfig: Not 0 <= successes <= n with n >= 1, or the confidence is not between 0 and 1.
    """
    check_counts(successes, n)
    check_confidence(confidence)
    return _wilson(int(successes), int(n), float(confidence))


@functools.lru_cache(maxsize=4096)
def _wilson(successes: int, n: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def rate(successes: int, n: int, confidence: float = CONFIDENCE) -> Rate:
    """Return ``successes`` of ``n`` with their Wilson interval."""
    low, high = wilson(successes, n, confidence)
    return Rate(successes=successes, n=n, low=low, high=high)


def percent(share: float) -> str:
    """Return a share in percent with at most one decimal; ``0`` and ``100`` only where it is exactly that."""
    tenths = round(share * 1000)
    if 0.0 < abs(share) < 1.0:
        tenths = min(max(abs(tenths), 1), 999) * (1 if share > 0.0 else -1)
    return f"{tenths / 10:.0f}" if tenths % 10 == 0 else f"{tenths / 10:.1f}"


def format_rate(rate: Rate | Estimate) -> str:
    """Return ``98 % [89.5, 99.6]``."""
    return f"{percent(rate.value)} % [{percent(rate.low)}, {percent(rate.high)}]"


def format_share(rate: Rate | Estimate) -> str:
    """Return ``0.98 [0.90, 1.00]``: for probabilities and other numbers that are no rates."""
    return f"{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}]"


def format_p(value: float | None) -> str:
    """Return a p-value as a table shows it; ``–`` for none."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def check_counts(successes: int, n: int) -> None:
    """Raise InvalidConfig if so many successes cannot come of ``n`` episodes."""
    if n < 1 or not 0 <= successes <= n:
        raise InvalidConfig(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")


def check_confidence(confidence: float) -> None:
    """Raise InvalidConfig if a confidence is not between 0 and 1."""
    if not 0.0 < confidence < 1.0:
        raise InvalidConfig(f"expected a confidence between 0 and 1, such as 0.95, got {confidence}")
