"""Datasets of other projects: ours written for them, theirs read into ours."""

from metasim.datasets.exchange.formats import FORMATS, Format, export_dataset, import_dataset
from metasim.datasets.exchange.options import Converted, ExportOptions, ImportOptions

__all__ = [
    "FORMATS",
    "Converted",
    "ExportOptions",
    "Format",
    "ImportOptions",
    "export_dataset",
    "import_dataset",
]
