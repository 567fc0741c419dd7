"""Counts -> IoU, its relatives and their means: the one place where whole numbers become float64 ratios, on the CPU."""

from dataclasses import dataclass

import torch
from torch import Tensor

from meaniou.labels import LabelSpace, Policy


@dataclass(frozen=True)
class Areas:
    """Pixels per class under a policy, int64 ``[C]`` each, and the account of all pixels seen."""

    intersection: Tensor
    truth: Tensor
    predicted: Tensor
    ignored: Tensor  # bool: the id is ignored and so no class

    @property
    def union(self) -> Tensor:
        return self.truth + self.predicted - self.intersection


def areas(counts: Tensor, space: LabelSpace, policy: Policy) -> Areas:
    """Areas from counts ``[C + 2, C + 2]`` on the CPU.

    Void and outside rows count for no one. The no-answer column is a part of the truth unless it is dropped, the
    outside column always.

    Raises:
        ValueError: if the policy is ``unanswered="error"`` and a valid pixel has no answer.
    """
    classes = counts[: space.num_classes]
    unanswered = classes[:, space.num_classes]
    if policy.unanswered == "error" and (number := int(unanswered.sum())):
        raise ValueError(
            f"The predictions give no answer (an ignored id or a NaN score) on {number:,} valid pixels, and "
            "unanswered='error'; "
            "mend the predictions, or take unanswered='miss' or 'drop'."
        )
    truth = classes.sum(1)
    if policy.unanswered == "drop":
        truth = truth - unanswered
    ignored = torch.zeros_like(truth, dtype=torch.bool)
    ignored[list(space.ignored_classes)] = True
    return Areas(classes.diagonal(), truth, classes.sum(0)[: space.num_classes], ignored)


def class_iou(found: Areas, policy: Policy) -> Tensor:
    """IoU per class, float64 ``[C]``; NaN for an ignored id, and by ``absent`` for a class that is not present."""
    value = {"skip": torch.nan, "nan": torch.nan, "zero": 0.0, "one": 1.0}[policy.absent]
    iou = torch.where(present(found, policy), ratio(found.intersection, found.union), value)
    return iou.masked_fill(found.ignored, torch.nan)


def mean_iou(found: Areas, policy: Policy) -> Tensor:
    """The number that the policy asks for: float64, 0-d, or ``[C]`` with ``average="none"``; NaN where undefined."""
    iou = class_iou(found, policy)
    if policy.average == "none":
        return iou
    if policy.average == "macro":
        return class_mean(iou, policy)
    chosen = torch.zeros_like(found.ignored)
    chosen[list(policy.classes)] = True
    chosen &= present(found, policy)
    if policy.average == "micro":
        return ratio(found.intersection[chosen].sum(), found.union[chosen].sum())
    truth = found.truth[chosen].double()
    return (truth * iou[chosen]).sum() / truth.sum()


def class_mean(values: Tensor, policy: Policy) -> Tensor:
    """Mean of values ``[C]`` over the policy's classes, without those that are NaN unless ``absent="nan"``."""
    chosen = values[list(policy.classes)]
    return chosen.mean() if policy.absent == "nan" else chosen.nanmean()


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
