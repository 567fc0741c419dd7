"""Ratios under a policy, and their means over classes and images.

The three orders of averaging are those of Wang et al. (NeurIPS 2023, arXiv 2310.19252).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou.scores.areas import Areas, Bools, Floats, Ints
from meaniou.scores.ratios import iou, ratio
from meaniou.settings import Policy

ABSENT = {"skip": np.nan, "nan": np.nan, "zero": 0.0, "one": 1.0}


def under_policy(values: Floats, areas: Areas, policy: Policy) -> Floats:
    """Values of classes ``[..., C]``, with the value of ``absent`` for classes not present and NaN for ignored ones."""
    return without_ignored(np.where(areas.present(policy), values, ABSENT[policy.absent]), areas)


def without_ignored(values: Floats, areas: Areas) -> Floats:
    """Values of classes ``[..., C]``, with NaN for ignored classes."""
    return np.where(areas.ignored, np.nan, values)


def class_iou(areas: Areas, policy: Policy) -> Floats:
    """IoU of each class, ``[..., C]``, under the policy."""
    return under_policy(iou(areas), areas, policy)


def image_iou(areas: Areas, policy: Policy) -> Floats:
    """IoU of each class in each image, ``[N, C]``, under the policy; NaN where no pixel is valid."""
    return np.where(areas.any_valid, class_iou(areas, policy), np.nan)


def mean(values: Floats, axis: int = -1) -> Floats:
    """Mean of the values that are not NaN, along an axis; NaN if there are none."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis), defined.sum(axis))


def class_mean(values: Floats, policy: Policy, classes: Sequence[int] | None = None) -> Floats:
    """Mean of values ``[..., C]`` over ``classes``, by default those of the policy.

    NaN values are left out, but with ``absent="nan"`` they make the mean NaN.
    """
    members = values[..., list(policy.classes if classes is None else classes)]
    if policy.absent == "nan":
        return ratio(members.sum(-1), np.asarray(members.shape[-1]))
    return mean(members)


def mean_iou(areas: Areas, policy: Policy) -> Floats:
    """Mean IoU by ``policy.average``, ``[...]``, or IoU ``[..., C]`` with ``"none"``; NaN where undefined."""
    if policy.average == "none":
        return class_iou(areas, policy)
    if policy.average == "macro":
        return class_mean(class_iou(areas, policy), policy)
    if policy.average == "weighted":
        return weighted_iou(areas, policy)
    members = _in_the_mean(areas, policy)
    return ratio((areas.intersection * members).sum(-1), (areas.union * members).sum(-1))


def weighted_iou(areas: Areas, policy: Policy) -> Floats:
    """Frequency-weighted IoU: mean over the policy's classes that are present, weighted by ground-truth area."""
    members = _in_the_mean(areas, policy)
    values = np.where(members, class_iou(areas, policy), 0)
    return ratio((areas.truth * values).sum(-1), (areas.truth * members).sum(-1))


def _in_the_mean(areas: Areas, policy: Policy) -> Bools:
    """Whether a class is in the policy's classes and present, bool ``[..., C]``."""
    members = np.zeros(len(areas.ignored), bool)
    members[list(policy.classes)] = True
    return members & areas.present(policy)


def image_means(iou: Floats, policy: Policy) -> Floats:
    """Mean IoU of each image over the policy's classes that are not NaN there, ``[N]``; NaN if none is."""
    return mean(iou[..., list(policy.classes)])


def mean_over_images(areas: Areas, policy: Policy) -> Floats:
    """The score for ``over="image"`` or ``"class"``: 0-d, or ``[C]`` with ``average="none"``; NaN where undefined.

    The mean over classes leaves out a class that no image defines; with ``absent="nan"`` the mean is NaN then.
    """
    iou = image_iou(areas, policy)
    if policy.over == "image":
        return np.asarray(worst_mean(image_means(iou, policy), policy.worst_percent))
    of_class = np.array([worst_mean(values, policy.worst_percent) for values in iou.T])
    return of_class if policy.average == "none" else class_mean(of_class, policy)


def worst_mean(scores: Floats, worst_percent: Sequence[float]) -> float:
    """Mean of the lowest scores for each percentage, then over the percentages; without any, of all scores.

    NaN scores are left out.
    """
    ordered = np.sort(scores[~np.isnan(scores)])
    if not len(ordered):
        return np.nan
    return float(np.mean([ordered[: lowest(len(ordered), share)].mean() for share in worst_percent or (100,)]))


def lowest(number: int, percent: float) -> int:
    """``percent`` of a number of scores, rounded down by exact arithmetic, and at least 1."""
    return max(1, int(Fraction(str(percent)) * number / 100))


def weighted_sums(weights: Ints, *parts: NDArray[Any]) -> list[Floats]:
    """Sums ``[R, C]`` of parts ``[N, C]``, weighted by images ``[R, N]``, in one product; exact below 2^53 pixels."""
    product = weights.astype(np.float64) @ np.concatenate(parts, 1).astype(np.float64)
    return list(np.split(product, len(parts), axis=1))


def weighted_means(scores: Floats, weights: Ints) -> Floats:
    """Means ``[R, C]`` of the scores ``[N, C]`` that are not NaN, weighted by images ``[R, N]``."""
    defined = ~np.isnan(scores)
    return ratio(*weighted_sums(weights, np.where(defined, scores, 0), defined))


def weighted_worst_means(scores: Floats, weights: Ints, worst_percent: Sequence[float]) -> Floats:
    """``worst_mean`` of the scores ``[N]``, weighted by images ``[R, N]``: one mean per resample, ``[R]``."""
    order = np.argsort(scores, kind="stable")[: np.count_nonzero(~np.isnan(scores))]
    times, sorted_scores = weights[:, order], scores[order]
    if not len(order):
        return np.full(len(weights), np.nan)
    before = np.cumsum(times, 1) - times
    numbers = times.sum(1)
    means = []
    for share in worst_percent or (100,):
        most = np.array([lowest(int(number), share) for number in numbers])
        taken = np.clip(most[:, None] - before, 0, times)
        means.append(ratio(taken @ sorted_scores, taken.sum(1)))
    return np.asarray(np.mean(means, 0))
