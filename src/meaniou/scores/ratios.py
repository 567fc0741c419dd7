"""Counts -> IoU, its relatives and their means: the one place where whole numbers become float64 ratios, on the CPU."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meaniou.settings import LabelSpace, Policy


@dataclass(frozen=True)
class Areas:
    """Pixels per class under a policy, int64 ``[C]`` each: what the ratios are made of."""

    confmat: Tensor  # int64 [C, C], truth in rows
    truth: Tensor
    predicted: Tensor
    ignored: Tensor  # bool: the id is ignored and so no class

    @property
    def intersection(self) -> Tensor:
        return self.confmat.diagonal()

    @property
    def union(self) -> Tensor:
        return self.truth + self.predicted - self.intersection


def areas(counts: Tensor, space: LabelSpace, policy: Policy) -> Areas:
    """Areas from counts ``[C + 2, C + 2]`` on the CPU.

    Void and outside rows count for no one. The no-answer column is a part of the truth unless it is dropped, the
    outside column always.

    Raises:
        ValueError: if the policy is ``void_preds="error"`` and a valid pixel has no answer.
    """
    classes = counts[: space.num_classes]
    void_preds = classes[:, space.num_classes]
    if policy.void_preds == "error" and (number := int(void_preds.sum())):
        raise ValueError(
            f"The predictions give no answer (an ignored id or a NaN score) on {number:,} valid pixels, and "
            "void_preds='error'; correct the predictions, or take void_preds='miss' or 'drop'."
        )
    truth = classes.sum(1)
    if policy.void_preds == "drop":
        truth = truth - void_preds
    ignored = torch.zeros_like(truth, dtype=torch.bool)
    ignored[list(space.ignored_classes)] = True
    confmat = classes[:, : space.num_classes]
    return Areas(confmat, truth, confmat.sum(0), ignored)


def class_iou(found: Areas, policy: Policy) -> Tensor:
    """IoU per class, float64 ``[C]``; NaN for an ignored id, and by ``absent`` for a class that is not present."""
    return _under(policy, found, ratio(found.intersection, found.union))


def class_dice(found: Areas, policy: Policy) -> Tensor:
    """Dice per class, float64 ``[C]``, NaN and by ``absent`` where the IoU is."""
    return _under(policy, found, dice(found))


def _under(policy: Policy, found: Areas, values: Tensor) -> Tensor:
    value = {"skip": torch.nan, "nan": torch.nan, "zero": 0.0, "one": 1.0}[policy.absent]
    return torch.where(present(found, policy), values, value).masked_fill(found.ignored, torch.nan)


def mean_iou(found: Areas, policy: Policy) -> Tensor:
    """The number that the policy asks for: float64, 0-d, or ``[C]`` with ``average="none"``; NaN where undefined."""
    iou = class_iou(found, policy)
    if policy.average == "none":
        return iou
    if policy.average == "macro":
        return class_mean(iou, policy)
    if policy.average == "weighted":
        return weighted_iou(found, policy)
    chosen = _in_the_mean(found, policy)
    return ratio(found.intersection[chosen].sum(), found.union[chosen].sum())


def weighted_iou(found: Areas, policy: Policy) -> Tensor:
    """Frequency-weighted IoU: the mean over the policy's classes that are present, by truth area."""
    chosen = _in_the_mean(found, policy)
    truth = found.truth[chosen].double()
    return (truth * class_iou(found, policy)[chosen]).sum() / truth.sum()


def _in_the_mean(found: Areas, policy: Policy) -> Tensor:
    chosen = torch.zeros_like(found.ignored)
    chosen[list(policy.classes)] = True
    return chosen & present(found, policy)


def class_mean(values: Tensor, policy: Policy, classes: Sequence[int] | None = None) -> Tensor:
    """Mean of values ``[C]`` over the policy's classes, or those given, without NaN ones unless ``absent="nan"``."""
    chosen = values[list(policy.classes if classes is None else classes)]
    return chosen.mean() if policy.absent == "nan" else chosen.nanmean()


def mean_of(values: Sequence[float], policy: Policy) -> float:
    """Mean of ratios, without NaN ones unless ``absent="nan"``; NaN of none."""
    chosen = values if policy.absent == "nan" else [value for value in values if not math.isnan(value)]
    return math.fsum(chosen) / len(chosen) if chosen else math.nan


def present(found: Areas, policy: Policy) -> Tensor:
    """Whether a class is there, bool ``[C]``: in truth or prediction, or in the truth alone."""
    return (found.union if policy.present == "union" else found.truth) > 0


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole`` in float64, NaN where ``whole`` is 0."""
    return torch.where(whole > 0, part.double() / whole.double(), torch.nan)


def dice(found: Areas) -> Tensor:
    """Dice, or F1: twice the intersection over the sum of both areas."""
    return ratio(2 * found.intersection, found.truth + found.predicted)


def precision(found: Areas) -> Tensor:
    """Share of the predicted pixels that are right; NaN for a class that is never predicted."""
    return ratio(found.intersection, found.predicted)


def recall(found: Areas) -> Tensor:
    """Share of the true pixels that are found, also called class accuracy; NaN for a class that is not in the truth."""
    return ratio(found.intersection, found.truth)


def pixel_accuracy(found: Areas) -> Tensor:
    """Share of the valid pixels that are right."""
    return ratio(found.intersection.sum(), found.truth.sum())


def kappa(found: Areas) -> float:
    """Cohen's kappa of truth and prediction: agreement beyond chance, -1 .. 1; NaN where chance alone agrees in full.

    In Python's whole numbers, since the products pass 2^63.
    """
    number, right = int(found.truth.sum()), int(found.intersection.sum())
    chance = sum(t * p for t, p in zip(found.truth.tolist(), found.predicted.tolist(), strict=True))
    return (number * right - chance) / (number**2 - chance) if number**2 > chance else math.nan


def merged_iou(found: Areas, classes: Sequence[int], policy: Policy) -> float:
    """IoU of several classes taken as one, so that a confusion among them is none; as for a class where not present.

    The category score of the Cityscapes scripts (evalPixelLevelSemanticLabeling.py).
    """
    if not classes:
        return math.nan
    members = list(classes)
    block = found.confmat[members][:, members].sum()[None, None]
    group = Areas(block, found.truth[members].sum()[None], found.predicted[members].sum()[None], torch.tensor([False]))
    return float(class_iou(group, policy))


def harmonic_mean(a: float, b: float) -> float:
    """``2ab / (a + b)``, 0 where both are 0; what zero-shot work makes of its seen and unseen classes."""
    return 2 * a * b / (a + b) if a + b else 0.0


def confusions(counts: Tensor, found: Areas, policy: Policy, number: int) -> list[tuple[int, int, int, float, float]]:
    """The costliest mistakes: truth, prediction (C: no answer, C + 1: outside), pixels, share of the truth, IoU cost.

    The cost is what the IoU of the true class would gain if these pixels were right: they are already in its union.
    """
    wrong = counts[:-2].clone()
    wrong.fill_diagonal_(0)
    if policy.void_preds == "drop":
        wrong[:, -2] = 0
    truth, predicted = wrong.nonzero(as_tuple=True)
    pixels = wrong[truth, predicted]
    cost, share = ratio(pixels, found.union[truth]), ratio(pixels, found.truth[truth])
    first = cost.argsort(descending=True, stable=True)[:number]
    columns = (truth, predicted, pixels, share, cost)
    return list(zip(*(column[first].tolist() for column in columns), strict=True))
