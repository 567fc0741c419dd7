"""Scores that need the whole confusion matrix: the costliest confusions, and merged groups of classes."""

from collections.abc import Sequence

import numpy as np

from meaniou.scores.areas import Areas, Ints
from meaniou.scores.averages import class_iou
from meaniou.scores.ratios import ratio
from meaniou.settings import Policy


def top_confusions(counts: Ints, areas: Areas, policy: Policy, number: int) -> list[tuple[int, int, int, float, float]]:
    """The costliest confusions: true class, predicted bin, pixels, share of the true class, IoU cost.

    A predicted bin is a class, C (void) or C + 1 (out of range). The cost is the IoU that the true class would gain if
    these pixels were right; they are already in its union.
    """
    wrong = counts[:-2].copy()
    np.fill_diagonal(wrong, 0)
    if policy.void_preds == "drop":
        wrong[:, -2] = 0
    truth, predicted = wrong.nonzero()
    pixels = wrong[truth, predicted]
    cost, share = ratio(pixels, areas.union[truth]), ratio(pixels, areas.truth[truth])
    first = np.argsort(-cost, kind="stable")[:number]
    columns = (truth, predicted, pixels, share, cost)
    return list(zip(*(column[first].tolist() for column in columns), strict=True))


def merged_iou(counts: Ints, areas: Areas, classes: Sequence[int], policy: Policy) -> float:
    """IoU of several classes merged into one, within which confusions count as right; ``absent`` applies to it too.

    This is the category score of the Cityscapes scripts (evalPixelLevelSemanticLabeling.py).
    """
    if not classes:
        return np.nan
    members = list(classes)
    parts = (counts[np.ix_(members, members)], areas.truth[members], areas.predicted[members])
    intersection, truth, predicted = (np.array([part.sum()]) for part in parts)
    return float(class_iou(Areas(intersection, truth, predicted, np.array([False])), policy)[0])


def harmonic_mean(a: float, b: float) -> float:
    """``2ab / (a + b)``, 0 if both are 0; zero-shot papers report it for seen and unseen classes."""
    return 2 * a * b / (a + b) if a + b else 0.0
