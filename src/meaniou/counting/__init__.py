"""One batch of maps becomes one int64 confusion matrix, and a row of counts for each image where asked."""

from meaniou.counting.batch import as_tensor
from meaniou.counting.confusion import (
    Maps,
    classes_of,
    count,
    count_images,
)
from meaniou.counting.errors import LabelRangeError, refuse_outside
from meaniou.counting.kernels.image_counts import row_of
from meaniou.counting.ops import kernel, why_not

__all__ = [
    "LabelRangeError",
    "Maps",
    "as_tensor",
    "classes_of",
    "count",
    "count_images",
    "kernel",
    "refuse_outside",
    "row_of",
    "why_not",
]
