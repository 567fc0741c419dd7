"""Ratios of areas, float64: one function each, on ``[..., C]``; NaN where a ratio is not defined."""

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
    """Share of the predicted pixels that are right; NaN for a class that is never predicted."""
    return ratio(areas.intersection, areas.predicted)


def recall(areas: Areas) -> Floats:
    """Share of the true pixels that are right, also called class accuracy; NaN for a class that is not in the truth."""
    return ratio(areas.intersection, areas.truth)


def pixel_accuracy(areas: Areas) -> Floats:
    """Share of the valid pixels that are right, ``[...]``."""
    return ratio(areas.intersection.sum(-1), areas.truth.sum(-1))


def kappa(areas: Areas) -> float:
    """Cohen's kappa of areas ``[C]``: agreement beyond chance, -1 .. 1; NaN where chance alone agrees in full.

    It is of classes that exclude each other. In Python's whole numbers, since the products pass 2^63.
    """
    number, right = int(areas.truth.sum()), int(areas.intersection.sum())
    chance = sum(t * p for t, p in zip(areas.truth.tolist(), areas.predicted.tolist(), strict=True))
    return (number * right - chance) / (number**2 - chance) if number**2 > chance else math.nan
