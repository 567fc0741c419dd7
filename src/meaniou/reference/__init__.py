"""Counts, IoU and means in slow, plain NumPy, written from the definitions on sets of pixels.

Tests compare the package with these modules, which therefore share no code with it.
"""

from meaniou.reference.boundary import band_width, boundary_counts, boundary_iou
from meaniou.reference.iou import class_iou, counts, mean_iou
from meaniou.reference.labels import (
    OUTSIDE,
    VOID,
    VOID_PREDICTION,
    labels_of_ids,
    labels_of_one_hot,
    labels_of_scores,
    labels_of_threshold,
)
from meaniou.reference.overlapping import iou_curve, label_counts, label_iou, multilabel_mean_iou

__all__ = [
    "OUTSIDE",
    "VOID",
    "VOID_PREDICTION",
    "band_width",
    "boundary_counts",
    "boundary_iou",
    "class_iou",
    "counts",
    "iou_curve",
    "label_counts",
    "label_iou",
    "labels_of_ids",
    "labels_of_one_hot",
    "labels_of_scores",
    "labels_of_threshold",
    "mean_iou",
    "multilabel_mean_iou",
]
