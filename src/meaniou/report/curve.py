"""The report of IoU over thresholds: all numbers as a frozen record, and as a table, CSV, JSON or text."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, Table, kind_of, percent, tables
from meaniou.report.build import label_accounts, label_rules
from meaniou.report.forms import pixel_cells, pixel_header
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
from meaniou.settings import LabelSpace, Policy, ThresholdSettings

CSV_COLUMNS = ("label", "threshold", "iou", "dice", "precision", "recall")


def check_curve_report(report: object) -> None:
    """Raises ``TypeError`` unless ``report`` is a ``CurveReport``; the metric is a common mistake."""
    if not isinstance(report, CurveReport):
        raise TypeError(f"report is {kind_of(report)}; expected a CurveReport. Pass the report() of an IoUCurve.")


@dataclass(frozen=True, eq=False)
class CurveReport(EqualByValue):
    """The numbers of labels at each threshold: ratios 0 .. 1, NaN where undefined.

    ``print(report)`` shows the best thresholds and an account of the pixels as tables; ``to_csv`` and the like have the
    numbers at all thresholds.

    Attributes:
        names: name of each label.
        thresholds: the thresholds, ascending.
        iou, dice, precision, recall: ratios of each label at each threshold, float64 ``[T, L]``.
        mean_iou: the mean IoU over labels at each threshold, ``[T]``, by ``average``.
        best: the threshold with the highest IoU and that IoU, of each label; of neighbours with equal IoU the middle
            threshold. The threshold is NaN where no IoU is above 0.
        best_common: the threshold for all labels with the highest mean IoU, and that mean.
        area: the mean IoU over the thresholds at which it is defined, of each label.
        pixels: number of pixels ``seen``, and of these ``counted``, ``void``, ``void_preds`` (void predictions on valid
            pixels) and ``outside``; a label accounts for every pixel, and the numbers are sums over labels.
        label_pixels: the same numbers of each label.
        rules: the settings of the report.
        counts: int64 ``[L, 4, T + 3]`` over all ranks. Rows are the ground truth: not set, set, void, outside. Column k
            holds the pixels whose score is above exactly the k lowest thresholds; the last two columns hold void
            predictions and predictions outside. Not in ``to_dict``.

    Example:
        >>> import torch
        >>> from meaniou import IoUCurve
        >>> curve = IoUCurve(thresholds=[0.2, 0.5, 0.8], class_names=["crack"])
        >>> curve.update(torch.tensor([[0.1, 0.3, 0.6, 0.9]]), torch.tensor([[0, 0, 1, 1]]))
        >>> report = curve.report()
        >>> report.headline()
        'highest IoU: 100.00 % at the threshold 0.5'
        >>> report.iou[:, 0].round(2).tolist(), report.best, report.best_common
        ([0.67, 1.0, 0.5], ((0.5, 1.0),), (0.5, 1.0))
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
    label_pixels: tuple[dict[str, int], ...]
    rules: dict[str, Any]
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

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns of the CSV.

        Raises:
            ModuleNotFoundError: if pandas is not installed.
        """
        import pandas

        return pandas.DataFrame(self.rows(), columns=CSV_COLUMNS)

    def scalars(self, prefix: str = "") -> dict[str, float]:
        """A flat dict for a logger, such as ``{"val/best_iou/road": 0.58}``, with NaN where undefined.

        It holds ``best_threshold/<label>``, ``best_iou/<label>`` and ``area/<label>`` for each label, and the best
        threshold for all labels as ``best_common_threshold`` and ``best_common_iou``. The names are the same on every
        rank and in every epoch.

        Example:
            >>> import torch
            >>> from meaniou import IoUCurve
            >>> curve = IoUCurve(thresholds=[0.2, 0.5], class_names=["crack"])
            >>> curve.update(torch.tensor([[0.1, 0.3, 0.6]]), torch.tensor([[0, 0, 1]]))
            >>> curve.report().scalars()["best_threshold/crack"]
            0.5
        """
        values = dict(zip(("best_common_threshold", "best_common_iou"), self.best_common, strict=True))
        for name, (threshold, iou), area in zip(self.names, self.best, self.area, strict=True):
            values |= {f"best_threshold/{name}": threshold, f"best_iou/{name}": iou, f"area/{name}": area}
        return {prefix + name: value for name, value in values.items()}

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
        """The tables in GitHub's Markdown: percent with two decimals, ``-`` for NaN."""
        return tables.markdown(self.tables(), self.headline())

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` for each table: percent with two decimals, ``-`` for NaN."""
        return tables.latex(self.tables(), self.headline())

    def __str__(self) -> str:
        """Text tables: percent with two decimals, ``-`` for NaN."""
        return tables.text(self.tables(), self.headline())

    def tables(self) -> Iterator[Table]:
        """The tables that the text forms show: the best thresholds, and the account of the pixels of each label.

        If the account of all labels is the same, it is shown once.
        """
        yield self.table()
        rows = [(name, *pixel_cells(of)) for name, of in zip(self.names, self.label_pixels, strict=True)]
        if len(rows) > 1 and len({cells[1:] for cells in rows}) == 1:
            rows = [("each label", *rows[0][1:])]
        yield Table(("label", *pixel_header(self.pixels)), tuple(rows))

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
        """The best threshold for all labels and the mean IoU there, in one line.

        The line ends with a note if this is the lowest or the highest threshold, since one beyond it may be better.
        """
        threshold, iou = self.best_common
        if math.isnan(iou):
            return "no label has an IoU at any threshold"
        mean_of = "IoU" if len(self.names) == 1 else f"mean IoU {self._extent(threshold)}"
        end = {self.thresholds[-1]: ", the highest", self.thresholds[0]: ", the lowest"}.get(threshold, "")
        end = f"{end} of {len(self.thresholds)}" if end and len(self.thresholds) > 1 else ""
        return f"highest {mean_of}: {percent(iou)} % at the threshold {threshold:.4g}{end}"

    def _extent(self, threshold: float) -> str:
        """The number of labels in the mean at a threshold."""
        values = self.iou[self.thresholds.index(threshold), self.rules["classes"]]
        return f"over {np.count_nonzero(~np.isnan(values))} of {len(self.names)} labels"


def build_curve_report(
    counts: Ints,
    areas: Areas,
    labels: LabelSpace,
    policy: Policy,
    *,
    inputs: ThresholdSettings,
    pixels: dict[str, int],
) -> CurveReport:
    """The report of the areas of labels at each threshold, ``[T, L]``."""
    thresholds = inputs.thresholds
    rules = {"num_labels": labels.num_classes, **label_rules(inputs), **vars(policy), "classes": list(policy.classes)}
    for name in ("over", "worst_percent"):  # a curve is that of the dataset
        del rules[name]
    iou, means = class_iou(areas, policy), mean_iou(areas, policy)
    return CurveReport(
        labels.class_names,
        thresholds,
        iou,
        under_policy(dice(areas), areas, policy),
        precision(areas),
        recall(areas),
        means,
        tuple(best_of(of_label, thresholds) for of_label in iou.T),
        best_of(means, thresholds),
        tuple(mean(iou, axis=0).tolist()),
        pixels,
        label_accounts(counts),
        rules,
        counts.copy(),
    )


def best_of(values: Floats, thresholds: Sequence[float]) -> tuple[float, float]:
    """The threshold with the highest value, and that value: the middle of the longest run of thresholds that have it.

    The threshold is NaN if no value is above 0: then none is better than another, as for a label that is in no ground
    truth.
    """
    if np.isnan(values).all():
        return math.nan, math.nan
    highest = float(np.nanmax(values))
    if highest <= 0:
        return math.nan, highest
    places = np.flatnonzero(values == highest)
    run = max(np.split(places, np.flatnonzero(np.diff(places) > 1) + 1), key=len)
    return thresholds[int(run[(len(run) - 1) // 2])], highest
