"""Counts a batch of maps into one int64 confusion matrix, and into counts per image on request."""

from meaniou.counting.batch import as_tensor
from meaniou.counting.confusion import (
    Maps,
    classes_of,
    count,
    count_images,
)
from meaniou.counting.dispatch import check_impl, kernel, why_not
from meaniou.counting.errors import LabelRangeError, explain, refuse_outside
from meaniou.counting.kernels.image_counts import image_counts_of

__all__ = [
    "LabelRangeError",
    "Maps",
    "as_tensor",
    "check_impl",
    "classes_of",
    "count",
    "count_images",
    "explain",
    "image_counts_of",
    "kernel",
    "refuse_outside",
    "why_not",
]
