"""The one place where counted pixels become ratios and their means."""

from meaniou.scores.images import (
    Floats,
    ImageTable,
    Rows,
    columns_of,
    mean_iou,
    once,
    rows_of,
    seen_twice,
    table_of,
)
from meaniou.scores.ratios import areas

__all__ = [
    "Floats",
    "ImageTable",
    "Rows",
    "areas",
    "columns_of",
    "mean_iou",
    "once",
    "rows_of",
    "seen_twice",
    "table_of",
]
