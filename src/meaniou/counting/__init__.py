"""Counts a batch of maps: a confusion matrix, labels that overlap, or bands inside contours."""

from meaniou.counting.bands.count import band_rows, bands_of, count_bands, counts_of_width
from meaniou.counting.bands.frames import pixels_of
from meaniou.counting.bands.masks import band_masks
from meaniou.counting.confusion.count import (
    classes_of,
    count,
    count_images,
)
from meaniou.counting.confusion.errors import LabelRangeError, explain, refuse_outside
from meaniou.counting.dispatch import check_impl, kernel, why_not
from meaniou.counting.kernels.image_counts import image_counts_of
from meaniou.counting.maps import Maps, as_tensor
from meaniou.counting.thresholds.count import count_labels, label_rows
from meaniou.counting.thresholds.errors import LabelValueError, explain_value, refuse_values

__all__ = [
    "LabelRangeError",
    "LabelValueError",
    "Maps",
    "as_tensor",
    "band_masks",
    "band_rows",
    "bands_of",
    "check_impl",
    "classes_of",
    "count",
    "count_bands",
    "count_images",
    "count_labels",
    "counts_of_width",
    "explain",
    "explain_value",
    "image_counts_of",
    "kernel",
    "label_rows",
    "pixels_of",
    "refuse_outside",
    "refuse_values",
    "why_not",
]
