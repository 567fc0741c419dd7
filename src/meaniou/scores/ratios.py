"""Ratios of areas: one function each, float64 ``[..., C]``, NaN where the denominator is 0."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou.scores.areas import Areas, Floats


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """``part / whole`` in float64, NaN where ``whole`` is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def iou(areas: Areas) -> Floats:
    """Intersection over union, also called Jaccard index."""
    return ratio(areas.intersection, areas.union)


def dice(areas: Areas) -> Floats:
    """Dice, or F1: twice the intersection over the sum of both areas."""
    return ratio(2 * areas.intersection, areas.truth + areas.predicted)


def precision(areas: Areas) -> Floats:
    """Share of the predicted pixels that are right; NaN for classes that are never predicted."""
    return ratio(areas.intersection, areas.predicted)


def recall(areas: Areas) -> Floats:
    """Share of the ground-truth pixels that are right (class accuracy); NaN for classes not in the ground truth."""
    return ratio(areas.intersection, areas.truth)


def pixel_accuracy(areas: Areas) -> Floats:
    """Share of the valid pixels that are right, ``[...]``, over all classes."""
    return ratio(areas.right, areas.valid)


def kappa(areas: Areas) -> float:
    """Cohen's kappa of areas ``[C]``: agreement beyond chance, -1 to 1; NaN if agreement by chance is already 1.

    It assumes that classes exclude each other. Python's ints are used since the products exceed 2^63.
    """
    number, right = int(areas.truth.sum()), int(areas.intersection.sum())
    chance = sum(t * p for t, p in zip(areas.truth.tolist(), areas.predicted.tolist(), strict=True))
    return (number * right - chance) / (number**2 - chance) if number**2 > chance else math.nan
