"""The parts of a report: what is known of a class, a group and a confusion, of every pixel, and under which rules."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from meaniou._util import EqualByValue
from meaniou.protocols import Protocol
from meaniou.settings import LabelSpace, Policy


@dataclass(frozen=True, eq=False)
class ClassReport(EqualByValue):
    """What is known of one class: ratios 0 .. 1 (NaN where undefined) and pixels on valid ground."""

    name: str
    iou: float
    dice: float
    precision: float
    recall: float
    truth: int
    predicted: int
    intersection: int


@dataclass(frozen=True, eq=False)
class GroupReport(EqualByValue):
    """A group of classes: the mean IoU of its classes, and the IoU of the group taken as one class."""

    name: str
    classes: tuple[str, ...]
    mean_iou: float
    merged_iou: float


@dataclass(frozen=True, eq=False)
class Confusion(EqualByValue):
    """Pixels of one class that were taken for another, or got no answer.

    Attributes:
        truth, predicted: names; ``"(void)"`` and ``"(outside)"`` are predictions that are no class.
        pixels: how many.
        share: of the pixels of the true class, 0 .. 1.
        iou_cost: what the IoU of the true class would gain if these pixels were right, 0 .. 1.
    """

    truth: str
    predicted: str
    pixels: int
    share: float
    iou_cost: float


def rules_of(space: LabelSpace, policy: Policy, protocol: Protocol | None) -> dict[str, Any]:
    """The settings under which a report holds, with the protocol and what was changed in it."""
    found = {"num_classes": space.num_classes, "ignore_index": list(space.ignore_index)} | vars(policy)
    for name in ("average", "over", "worst_percent"):  # a report has the means over classes, by area, and over images
        del found[name]
    if protocol is not None:
        found |= {"protocol": protocol.name, "changed": protocol.changes(space, policy)}
    return {**found, "classes": list(policy.classes)}


def account_of(counts: Tensor) -> dict[str, int]:
    """What became of every pixel of counts on the CPU."""
    classes = counts[:-2]
    void = int(counts[-2].sum())
    outside = int(counts[-1].sum() + classes[:, -1].sum())
    no_answer = int(classes[:, -2].sum())
    seen = int(counts.sum())
    return {
        "seen": seen,
        "counted": seen - void - outside - no_answer,
        "void": void,
        "void_preds": no_answer,
        "outside": outside,
    }
