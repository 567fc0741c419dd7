"""Counts and names -> a frozen record of every number, as a table and as plain values."""

import json
import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from meaniou import scores
from meaniou.labels import LabelSpace, Policy


@dataclass(frozen=True)
class ClassReport:
    """What is known of one class: ratios 0 .. 1 (NaN where undefined) and pixels on valid ground."""

    name: str
    iou: float
    dice: float
    precision: float
    recall: float
    truth: int
    predicted: int
    intersection: int


@dataclass(frozen=True)
class Report:
    """Per class, over classes, and the account of all pixels seen.

    Attributes:
        classes: one entry per class, in the order of the ids.
        mean_iou, mean_dice, mean_accuracy: means over the classes of the policy, ratios 0 .. 1, NaN if none is defined.
        pixel_accuracy: share of the valid pixels that are right.
        pixels: ``seen``, and of these ``counted`` (truth and prediction are classes), ``void``, ``no_answer`` and
            ``outside``.
    """

    classes: tuple[ClassReport, ...]
    mean_iou: float
    mean_dice: float
    mean_accuracy: float
    pixel_accuracy: float
    pixels: dict[str, int]

    @classmethod
    def of(cls, counts: Tensor, space: LabelSpace, policy: Policy) -> "Report":
        """The report of counts ``[C + 2, C + 2]`` on the CPU; raises as ``scores.areas``."""
        found = scores.areas(counts, space, policy)
        iou = scores.class_iou(found, policy)
        dice, precision, recall = (
            f(found).masked_fill(found.ignored, math.nan) for f in (scores.dice, scores.precision, scores.recall)
        )
        columns = (iou, dice, precision, recall, found.truth, found.predicted, found.intersection)
        rows = zip(space.names, *(column.tolist() for column in columns), strict=True)
        return cls(
            classes=tuple(ClassReport(*row) for row in rows),
            mean_iou=float(scores.class_mean(iou, policy)),
            mean_dice=float(scores.class_mean(dice, policy)),
            mean_accuracy=float(scores.class_mean(recall, policy)),
            pixel_accuracy=float(scores.pixel_accuracy(found)),
            pixels=_account(counts),
        )

    def to_dict(self) -> dict[str, Any]:
        """Full fractions; ``None`` where a number is undefined."""
        means = {
            name: _number(getattr(self, name)) for name in ("mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy")
        }
        return means | {
            "classes": [{k: _number(v) for k, v in vars(c).items()} for c in self.classes],
            "pixels": dict(self.pixels),
        }

    def to_json(self) -> str:
        """The same as JSON, ``null`` where a number is undefined."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        """A table in percent with two decimals, ``-`` where a number is undefined."""
        head = ["class", "IoU", "Dice", "precision", "recall", "truth px", "predicted px"]
        ratios = ("iou", "dice", "precision", "recall")
        rows = [
            [c.name, *(_percent(getattr(c, r)) for r in ratios), f"{c.truth:,}", f"{c.predicted:,}"]
            for c in self.classes
        ]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in [head, *rows]
        ]
        lines.insert(1, "-" * len(lines[0]))
        means = (
            f"mIoU {_percent(self.mean_iou)}  mean Dice {_percent(self.mean_dice)}  mean accuracy "
            f"{_percent(self.mean_accuracy)}  "
            f"pixel accuracy {_percent(self.pixel_accuracy)}"
        )
        pixels = "pixels  " + "  ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in self.pixels.items())
        return "\n".join([*lines, "", means, pixels])


def _account(counts: Tensor) -> dict[str, int]:
    classes = counts[:-2]
    void = int(counts[-2].sum())
    outside = int(counts[-1].sum() + classes[:, -1].sum())
    no_answer = int(classes[:, -2].sum())
    seen = int(counts.sum())
    return {
        "seen": seen,
        "counted": seen - void - outside - no_answer,
        "void": void,
        "no_answer": no_answer,
        "outside": outside,
    }


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"
