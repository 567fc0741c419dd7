"""Weights of images -> the number in each draw, in any order of averaging, and whether a class vanished there."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meaniou.scores import Floats, Rows, images
from meaniou.settings import Policy

Of = Literal["mean", "class", "accuracy"]
Statistic = Callable[[NDArray[np.int64]], tuple[Floats, NDArray[Any]]]


def statistic_of(rows: Rows, policy: Policy, of: Of) -> Statistic:
    """From weights ``[R, N]`` to the number in each draw ``[R]`` or ``[R, C]``, and whether a class is lost there."""
    if of == "accuracy":
        return lambda times: _accuracy(rows, times)
    if policy.over == "dataset":
        return lambda times: _over_dataset(rows, policy, of, times)
    if policy.over == "image" and of == "mean":
        return lambda times: _over_images(rows, policy, times)
    return lambda times: _over_classes(rows, policy, of, times)


def _sums(times: NDArray[np.int64], *parts: NDArray[Any]) -> list[Floats]:
    """Weighted sums of parts ``[N, C]``, exact below 2^53 pixels, in one product."""
    product = times.astype(np.float64) @ np.concatenate(parts, 1).astype(np.float64)
    return list(np.split(product, len(parts), axis=1))


def _accuracy(rows: Rows, times: NDArray[np.int64]) -> tuple[Floats, NDArray[Any]]:
    right, all_pixels = _sums(times, rows.intersection.sum(1, keepdims=True), rows.truth.sum(1, keepdims=True))
    found = images.ratio(right[:, 0], all_pixels[:, 0])
    return found, np.zeros(len(times), bool)


def _over_dataset(rows: Rows, policy: Policy, of: Of, times: NDArray[np.int64]) -> tuple[Floats, NDArray[Any]]:
    both, truth, predicted = _sums(times, rows.intersection, rows.truth, rows.predicted)
    union = truth + predicted - both
    there = (union if policy.present == "union" else truth) > 0
    iou = np.where(there, images.ratio(both, union), images.ABSENT[policy.absent])
    iou[:, rows.ignored] = np.nan
    chosen = np.zeros(there.shape[1], bool)
    chosen[list(policy.classes)] = True
    gone = ~there & images.present(rows, policy).any(0)
    if of == "class":
        return iou, gone
    lost: NDArray[Any] = np.asarray((gone & chosen).any(1))
    if policy.average == "micro":
        part = there & chosen
        return images.ratio((both * part).sum(1), (union * part).sum(1)), lost
    if policy.average == "weighted":
        part = there & chosen
        return images.ratio((truth * np.where(part, iou, 0)).sum(1), (truth * part).sum(1)), lost
    return images.class_mean(iou, policy), lost


def _over_images(rows: Rows, policy: Policy, times: NDArray[np.int64]) -> tuple[Floats, NDArray[Any]]:
    scores = images.image_means(rows, policy)
    gone = images.present(rows, policy)[:, list(policy.classes)]
    lost = (_sums(times, gone)[0] == 0) & gone.any(0)
    return _worst_means(scores, times, policy), lost.any(1)


def _over_classes(rows: Rows, policy: Policy, of: Of, times: NDArray[np.int64]) -> tuple[Floats, NDArray[Any]]:
    iou = images.image_iou(rows, policy)
    there = images.present(rows, policy)
    gone = (_sums(times, there)[0] == 0) & there.any(0)
    if policy.worst_percent:
        of_class = np.stack([_worst_means(iou[:, c], times, policy) for c in range(iou.shape[1])], 1)
    else:
        known = ~np.isnan(iou)
        part, whole = _sums(times, np.where(known, iou, 0), known)
        of_class = images.ratio(part, whole)
    if of == "class":
        return of_class, gone
    return images.class_mean(of_class, policy), gone[:, list(policy.classes)].any(1)


def _worst_means(scores: Floats, times: NDArray[np.int64], policy: Policy) -> Floats:
    """Mean of the scores ``[N]`` in each draw, or of the lowest ones for each share, and then of these."""
    order = np.argsort(scores, kind="stable")[: np.count_nonzero(~np.isnan(scores))]
    drawn, sorted_scores = times[:, order], scores[order]
    if not len(order):
        return np.full(len(times), np.nan)
    before = np.cumsum(drawn, 1) - drawn
    numbers = drawn.sum(1)
    means = []
    for share in policy.worst_percent or (100,):
        most = np.array([images.lowest(int(n), share) for n in numbers])
        taken = np.clip(most[:, None] - before, 0, drawn)
        means.append(images.ratio(taken @ sorted_scores, taken.sum(1)))
    return np.asarray(np.mean(means, 0))
