"""The report: every number of a dataset as a frozen record, as plain values, and in the forms that are written."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, Table, percent, tables
from meaniou.report import exports
from meaniou.report.records import ClassReport, Confusion, GroupReport, ImagesReport, Intervals


def _titled(title: str) -> dict[str, str]:
    """The metadata of a number over all classes, by which tables name it."""
    return {"title": title}


@dataclass(frozen=True, eq=False)
class Report(EqualByValue):
    """Every number that one matrix of counts holds, and what the rows of images hold where they are kept.

    Attributes:
        mean_iou, mean_dice, mean_accuracy: means over the classes of the policy, ratios 0 .. 1, NaN if none is defined.
        pixel_accuracy: share of the valid pixels that are right.
        frequency_weighted_iou: mean IoU by truth area, as ``average="weighted"``.
        kappa: Cohen's, -1 .. 1.
        classes: one entry per class, in the order of the ids.
        class_groups: one entry per group that was asked for.
        mean_merged_iou: of the merged IoU of all groups, NaN if there are none, or if they overlap.
        harmonic_mean: of the mean IoU of two groups; NaN unless there are two.
        confusions: the mistakes that cost most IoU, the costliest first; ``None`` where no confusion matrix is counted.
        pixels: ``seen``, and of these ``counted`` (truth and prediction are classes), ``void``, ``void_preds`` and
            ``outside``.
        rules: the settings under which all this holds, with the protocol and what was changed in it.
        counts: pixels, int64 ``[C + 2, C + 2]``, truth in rows; after the classes the rows have void and outside, the
            columns void predictions and outside. Not in ``to_dict``.
        images: scores over images, with ``per_image``.
        intervals: how sure the numbers are, where that was asked.
    """

    mean_iou: float = field(metadata=_titled("mIoU"))
    mean_dice: float = field(metadata=_titled("mean Dice"))
    mean_accuracy: float = field(metadata=_titled("mean accuracy"))
    pixel_accuracy: float = field(metadata=_titled("pixel accuracy"))
    frequency_weighted_iou: float = field(metadata=_titled("frequency-weighted IoU"))
    kappa: float = field(metadata=_titled("kappa"))
    classes: tuple[ClassReport, ...]
    class_groups: tuple[GroupReport, ...]
    mean_merged_iou: float
    harmonic_mean: float
    confusions: tuple[Confusion, ...] | None
    pixels: dict[str, int]
    rules: dict[str, Any]
    counts: NDArray[np.int64] = field(repr=False)
    images: ImagesReport | None = None
    intervals: Intervals | None = None

    def to_dict(self) -> dict[str, Any]:
        """Full fractions; ``None`` where a number is undefined."""
        values = asdict(self)
        del values["counts"]
        return {name: tables.without_nan(value) for name, value in values.items()}

    def to_json(self) -> str:
        """The same as JSON, ``null`` where a number is undefined."""
        return tables.as_json(self.to_dict())

    def to_csv(self) -> str:
        """Text: a row for each class, their means, and each group, in full fractions; empty where none is defined.

        See ``tables.as_csv`` for names that a spreadsheet would take for formulas.
        """
        return exports.csv(self)

    def to_markdown(self) -> str:
        """Tables of GitHub's Markdown, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.markdown(self.tables(), self.footer())

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` for each table, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.latex(self.tables(), self.footer())

    def __str__(self) -> str:
        """Tables in percent with two decimals, ``-`` where a number is undefined."""
        return tables.text(self.tables(), self.footer())

    def scalars(self, prefix: str = "") -> dict[str, float]:
        """Flat names and ratios for a logger, as ``prefix + "iou/road"``, the same on every rank and in every epoch.

        A number that is undefined, such as the IoU of a class that is absent, is NaN.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(2, class_names=["road", "car"])
            >>> metric.update(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))
            >>> scalars = metric.report().scalars(prefix="val/")
            >>> scalars["val/mean_iou"], scalars["val/iou/road"]
            (0.5833333333333333, 0.5)
        """
        return {prefix + name: value for name, value in exports.scalars(self).items()}

    def tables(self) -> Iterator[Table]:
        """The tables that are shown, in percent with two decimals, ``-`` where a number is undefined."""
        yield from exports.all_tables(self)

    def headline(self) -> str:
        """The mean IoU in percent, and how many classes it is the mean of."""
        values = [self.classes[c].iou for c in self.rules["classes"]]
        defined = sum(not math.isnan(iou) for iou in values)
        mean = "undefined" if math.isnan(self.mean_iou) else f"{percent(self.mean_iou)} %"
        return f"mean IoU {mean} over {defined} of {len(values)} classes"

    def footer(self) -> str:
        """The protocol, and what was changed in it."""
        if "protocol" not in self.rules:
            return ""
        changed = ", ".join(f"{rule}={value!r}" for rule, value in self.rules["changed"].items())
        return f"protocol: {self.rules['protocol']}" + (f", but with {changed}" if changed else "")
