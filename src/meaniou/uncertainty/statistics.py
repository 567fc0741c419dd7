"""The statistics for resampling: values for weighted images, in any order of averaging."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from meaniou.scores import (
    Areas,
    Bools,
    Floats,
    Ints,
    class_iou,
    class_mean,
    image_iou,
    image_means,
    mean_iou,
    ratio,
    weighted_means,
    weighted_sums,
    weighted_worst_means,
)
from meaniou.settings import Policy

OverallStatistic = Literal["mean", "accuracy"]
Statistic = Literal["mean", "accuracy", "class"]  # "class": the IoU of each class
# From weights [R, N] to the values of each resample [R, K], and whether it lacks a class of the dataset.
WeightedStatistic = Callable[[Ints], tuple[Floats, Bools]]


def check_overall_statistic(of: str) -> None:
    """Raises ``ValueError`` unless ``of`` is a statistic over all classes."""
    if of not in get_args(OverallStatistic):
        raise ValueError(
            f"of is {of!r}; expected 'mean' or 'accuracy'. For each class call bootstrap_classes or compare_classes."
        )


def statistic_of(areas: Areas, policy: Policy, of: Statistic) -> WeightedStatistic:
    """The statistic of areas of images ``[N, C]``; with ``"class"`` it has a value for each class."""
    if of == "accuracy":
        return lambda weights: _accuracy(areas, weights)
    if policy.over == "dataset":
        return lambda weights: _over_dataset(areas, policy, of, weights)
    iou, present = image_iou(areas, policy), areas.present(policy)
    if policy.over == "image" and of == "mean":
        means = image_means(iou, policy)
        return lambda weights: _over_images(means, present, policy, weights)
    return lambda weights: _over_classes(iou, present, policy, of, weights)


def _weighted_areas(areas: Areas, weights: Ints) -> Areas:
    """The areas of each resample, ``[R, C]``."""
    intersection, truth, predicted = weighted_sums(weights, *_parts(areas))
    return Areas(intersection, truth, predicted, areas.ignored)


def _parts(areas: Areas) -> tuple[NDArray[Any], ...]:
    return areas.intersection, areas.truth, areas.predicted


def _accuracy(areas: Areas, weights: Ints) -> tuple[Floats, Bools]:
    """Pixel accuracy, which no class can be missing from."""
    right, valid = weighted_sums(weights, areas.right[:, None], areas.valid[:, None])
    return ratio(right, valid), np.zeros((len(weights), 1), bool)


def _over_dataset(areas: Areas, policy: Policy, of: Statistic, weights: Ints) -> tuple[Floats, Bools]:
    resampled = _weighted_areas(areas, weights)
    lost = ~resampled.present(policy) & areas.present(policy).any(0)
    if of == "class":
        return class_iou(resampled, policy), lost
    rules = replace(policy, average="macro") if policy.average == "none" else policy
    return mean_iou(resampled, rules)[:, None], _lost_in_mean(lost, policy)


def _over_images(means: Floats, present: Bools, policy: Policy, weights: Ints) -> tuple[Floats, Bools]:
    numbers = weighted_worst_means(means, weights, policy.worst_percent)
    return numbers[:, None], _lost_in_mean(_lost(present, weights), policy)


def _over_classes(iou: Floats, present: Bools, policy: Policy, of: Statistic, weights: Ints) -> tuple[Floats, Bools]:
    lost = _lost(present, weights)
    if policy.worst_percent:
        of_class = np.stack([weighted_worst_means(values, weights, policy.worst_percent) for values in iou.T], 1)
    else:
        of_class = weighted_means(iou, weights)
    if of == "class":
        return of_class, lost
    return class_mean(of_class, policy)[:, None], _lost_in_mean(lost, policy)


def _lost(present: Bools, weights: Ints) -> Bools:
    """Whether a class that is present in the dataset is in no image of a resample, ``[R, C]``."""
    return np.asarray((weighted_sums(weights, present)[0] == 0) & present.any(0))


def _lost_in_mean(lost: Bools, policy: Policy) -> Bools:
    """Whether a resample lacks one of the policy's classes, ``[R, 1]``."""
    return np.asarray(lost[:, list(policy.classes)].any(1, keepdims=True))
