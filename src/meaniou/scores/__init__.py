"""Turns counts into ratios and means; no other module does."""

from meaniou.scores.areas import (
    Areas,
    Bools,
    Floats,
    Ints,
    refuse_void_preds,
)
from meaniou.scores.averages import (
    class_iou,
    class_mean,
    image_iou,
    image_means,
    lowest,
    mean,
    mean_iou,
    mean_over_images,
    under_policy,
    weighted_iou,
    weighted_means,
    weighted_sums,
    weighted_worst_means,
    without_ignored,
)
from meaniou.scores.confusions import harmonic_mean, merged_iou, top_confusions
from meaniou.scores.images import ImageAreas, ImageRows, id_of
from meaniou.scores.ratios import dice, iou, kappa, pixel_accuracy, precision, ratio, recall

__all__ = [
    "Areas",
    "Bools",
    "Floats",
    "ImageAreas",
    "ImageRows",
    "Ints",
    "class_iou",
    "class_mean",
    "dice",
    "harmonic_mean",
    "id_of",
    "image_iou",
    "image_means",
    "iou",
    "kappa",
    "lowest",
    "mean",
    "mean_iou",
    "mean_over_images",
    "merged_iou",
    "pixel_accuracy",
    "precision",
    "ratio",
    "recall",
    "refuse_void_preds",
    "top_confusions",
    "under_policy",
    "weighted_iou",
    "weighted_means",
    "weighted_sums",
    "weighted_worst_means",
    "without_ignored",
]
