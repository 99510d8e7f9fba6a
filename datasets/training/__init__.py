"""Reading for training: windows of steps of one or several datasets, by number, lazily or from memory.

:class:`SequenceDataset`, for torch, needs the extra ``learn`` and is imported when first asked for.
"""

from typing import TYPE_CHECKING, Any

from metasim.datasets.training.normalisation import Normaliser, Spread
from metasim.datasets.training.windows import Windows

if TYPE_CHECKING:
    from metasim.datasets.training.sequences import Order as Order
    from metasim.datasets.training.sequences import SequenceDataset as SequenceDataset

__all__ = ["Normaliser", "Spread", "Windows"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name in ("Order", "SequenceDataset"):
        from metasim.datasets.training import sequences

        return getattr(sequences, name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {[*__all__, 'Order', 'SequenceDataset']}"
    )
