"""The report of IoU over thresholds: all numbers as a frozen record, and as a table, CSV, JSON or text."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, Table, percent, tables
from meaniou.scores import (
    Areas,
    Floats,
    Ints,
    class_iou,
    dice,
    mean,
    mean_iou,
    precision,
    recall,
    under_policy,
)
from meaniou.settings import LabelSpace, Policy

CSV_COLUMNS = ("label", "threshold", "iou", "dice", "precision", "recall")


@dataclass(frozen=True, eq=False)
class CurveReport(EqualByValue):
    """The numbers of labels at each threshold: ratios 0 .. 1, NaN where undefined.

    Attributes:
        names: name of each label.
        thresholds: the thresholds, ascending.
        iou, dice, precision, recall: ratios of each label at each threshold, float64 ``[T, L]``.
        mean_iou: the mean IoU over labels at each threshold, ``[T]``, by ``average``.
        best: the threshold with the highest IoU and that IoU, of each label; the lowest of equal ones.
        best_common: the threshold for all labels with the highest mean IoU, and that mean.
        area: the mean IoU over the thresholds at which it is defined, of each label.
        pixels: number of pixels ``seen``, ``counted``, ``void``, ``void_preds`` and ``outside``, summed over labels.
        counts: int64 ``[L, 4, T + 3]`` over all ranks. Rows are the ground truth: not set, set, void, outside. Column k
            holds the pixels above k thresholds; the last two void predictions and predictions outside. Not in
            ``to_dict``.
    """

    names: tuple[str, ...]
    thresholds: tuple[float, ...]
    iou: Floats
    dice: Floats
    precision: Floats
    recall: Floats
    mean_iou: Floats
    best: tuple[tuple[float, float], ...]
    best_common: tuple[float, float]
    area: tuple[float, ...]
    pixels: dict[str, int]
    counts: NDArray[np.int64] = field(repr=False)

    def rows(self) -> Iterator[tuple[str, float, float, float, float, float]]:
        """A row for each label and threshold: the values of the CSV."""
        for label, name in enumerate(self.names):
            parts = (part[:, label].tolist() for part in (self.iou, self.dice, self.precision, self.recall))
            for values in zip(self.thresholds, *parts, strict=True):
                yield (name, *values)

    def to_csv(self) -> str:
        """CSV text with a row for each label and threshold: unrounded ratios, empty for NaN."""
        return tables.as_csv(CSV_COLUMNS, self.rows())

    def to_dict(self) -> dict[str, Any]:
        """The report as nested dicts and lists: unrounded ratios, ``None`` for NaN; ratios are lists per label."""
        values = {name: value for name, value in vars(self).items() if name != "counts"}
        for name in ("iou", "dice", "precision", "recall"):
            values[name] = values[name].T.tolist()
        values["mean_iou"] = self.mean_iou.tolist()
        plain: dict[str, Any] = tables.without_nan(values)
        return plain

    def to_json(self) -> str:
        """The contents of ``to_dict`` as JSON text, ``null`` for NaN."""
        return tables.as_json(self.to_dict())

    def to_markdown(self) -> str:
        """The best thresholds in GitHub's Markdown: percent with two decimals, ``-`` for NaN."""
        return tables.markdown([self.table()], self.headline())

    def to_latex(self) -> str:
        """The best thresholds as a LaTeX ``tabular``: percent with two decimals, ``-`` for NaN."""
        return tables.latex([self.table()], self.headline())

    def __str__(self) -> str:
        """The best threshold of each label and its numbers: percent with two decimals, ``-`` for NaN."""
        return tables.text([self.table()], self.headline())

    def table(self) -> Table:
        """The best threshold of each label, and the numbers there."""
        rows: list[tuple[str, ...]] = []
        for label, (name, (threshold, _), area) in enumerate(zip(self.names, self.best, self.area, strict=True)):
            if math.isnan(threshold):
                rows.append((name, "-", "-", "-", "-", "-", percent(area)))
                continue
            k = self.thresholds.index(threshold)
            values = (part[k, label] for part in (self.iou, self.dice, self.precision, self.recall))
            rows.append((name, f"{threshold:.4g}", *map(percent, values), percent(area)))
        header = ("label", "best threshold", "IoU", "Dice", "precision", "recall", "mean over thresholds")
        return Table(header, tuple(rows))

    def headline(self) -> str:
        """The best threshold for all labels and the mean IoU there, in one line."""
        threshold, iou = self.best_common
        if math.isnan(iou):
            return "no label has an IoU at any threshold"
        mean_of = "IoU" if len(self.names) == 1 else f"mean IoU over {len(self.names)} labels"
        return f"highest {mean_of}: {percent(iou)} % at the threshold {threshold:.4g}"


def build_curve_report(
    counts: Ints,
    areas: Areas,
    labels: LabelSpace,
    policy: Policy,
    *,
    thresholds: tuple[float, ...],
    pixels: dict[str, int],
) -> CurveReport:
    """The report of the areas of labels at each threshold, ``[T, L]``."""
    iou, means = class_iou(areas, policy), mean_iou(areas, policy)
    return CurveReport(
        labels.class_names,
        thresholds,
        iou,
        under_policy(dice(areas), areas, policy),
        precision(areas),
        recall(areas),
        means,
        tuple(_best(of_label, thresholds) for of_label in iou.T),
        _best(means, thresholds),
        tuple(mean(iou, axis=0).tolist()),
        pixels,
        counts.copy(),
    )


def _best(values: Floats, thresholds: tuple[float, ...]) -> tuple[float, float]:
    """The first threshold with the highest value, and that value; NaN if none is defined."""
    if np.isnan(values).all():
        return math.nan, math.nan
    k = int(np.nanargmax(values))
    return thresholds[k], float(values[k])
