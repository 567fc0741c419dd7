"""The report: every number of a dataset as a frozen record, as plain values, and in the forms that are written."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, Table, percent, span, tables
from meaniou.report.records import COLUMNS, ClassReport, Confusion, GroupReport, ImagesReport, Intervals

SHOWN = {name: column for name, column in COLUMNS.items() if column.title}  # in tables and on the page
CSV_COLUMNS = ("kind", *(part.name for part in fields(ClassReport)))


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
        class_groups: one entry per group.
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
        return _csv(self)

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
        return {prefix + name: value for name, value in _scalars(self).items()}

    def tables(self) -> Iterator[Table]:
        """The tables that are shown, in percent with two decimals, ``-`` where a number is undefined."""
        yield from _all_tables(self)

    def headline(self) -> str:
        """The mean IoU in percent, and how many classes it is the mean of."""
        defined, number = classes_in_mean(self)
        mean = "undefined" if math.isnan(self.mean_iou) else f"{percent(self.mean_iou)} %"
        return f"mean IoU {mean} over {defined} of {number} classes"

    def footer(self) -> str:
        """The protocol, and what was changed in it."""
        if "protocol" not in self.rules:
            return ""
        changed = ", ".join(f"{rule}={value!r}" for rule, value in self.rules["changed"].items())
        return f"protocol: {self.rules['protocol']}" + (f", but with {changed}" if changed else "")


def overall_numbers(report: Report) -> dict[str, tuple[str, float]]:
    """The numbers over all classes by the names of their fields: titles and values."""
    return {part.name: (part.metadata["title"], getattr(report, part.name)) for part in fields(report) if part.metadata}


def classes_in_mean(report: Report, name: str = "iou") -> tuple[int, int]:
    """The number of classes over which the mean of a field of ``ClassReport`` is, and of those that could be in it."""
    values = [getattr(report.classes[c], name) for c in report.rules["classes"]]
    return sum(not math.isnan(value) for value in values), len(values)


def class_values(report: Report, c: int) -> list[float]:
    """What the table of classes shows of class ``c``, as numbers; an interval by its width."""
    values = [getattr(report.classes[c], name) for name in SHOWN]
    if report.intervals:
        values.insert(1, report.intervals.classes[c].high - report.intervals.classes[c].low)
    return values


def _scalars(report: Report) -> dict[str, float]:
    """Flat names and ratios."""
    values = {name: value for name, (_, value) in overall_numbers(report).items()}
    values |= {f"iou/{c.name}": c.iou for c in report.classes}
    values |= {f"mean_iou/{g.name}": g.mean_iou for g in report.class_groups}
    values |= {f"merged_iou/{g.name}": g.merged_iou for g in report.class_groups}
    if report.class_groups:
        values["mean_merged_iou"] = report.mean_merged_iou
    if len(report.class_groups) == 2:
        values["harmonic_mean"] = report.harmonic_mean
    return values


def _csv(report: Report) -> str:
    """A row for each class, their means, and each group."""
    rows: list[dict[str, Any]] = [{"kind": "class", **asdict(c)} for c in report.classes]
    means = {name: getattr(report, column.mean) for name, column in COLUMNS.items() if column.mean}
    rows.append({"kind": "mean", "name": "mean", **means})
    rows += [{"kind": "group mean", "name": g.name, "iou": g.mean_iou} for g in report.class_groups]
    rows += [{"kind": "group merged", "name": g.name, "iou": g.merged_iou} for g in report.class_groups]
    if report.class_groups:
        rows.append({"kind": "groups", "name": "mean merged", "iou": report.mean_merged_iou})
    if len(report.class_groups) == 2:
        rows.append({"kind": "groups", "name": "harmonic mean", "iou": report.harmonic_mean})
    return tables.as_csv(CSV_COLUMNS, ([row.get(column) for column in CSV_COLUMNS] for row in rows))


def _all_tables(report: Report) -> Iterator[Table]:
    """Classes, groups, confusions, numbers over all classes, images and pixels."""
    yield class_table(report)
    if report.class_groups:
        yield group_table(report)
    if report.confusions:
        yield confusion_table(report)
    titles = dict(overall_numbers(report).values())
    yield Table(tuple(titles), (tuple(map(percent, titles.values())),), words=0)
    if report.images:
        yield image_means_table(report)
    pixels = {f"{name.replace('_', ' ')} px": f"{number:,}" for name, number in report.pixels.items()}
    yield Table(tuple(pixels), (tuple(pixels.values()),), words=0)


def class_table(report: Report) -> Table:
    """A row for each class, and their means."""
    rows = [[c.name, *(_cell(getattr(c, name)) for name in SHOWN)] for c in report.classes]
    rows.append(["mean", *(percent(getattr(report, c.mean)) if c.mean else "" for c in SHOWN.values())])
    header = ["class", *(column.title for column in SHOWN.values())]
    if report.intervals:  # beside the IoU
        header.insert(2, f"{100 * report.intervals.mean_iou.confidence:g} % interval")
        for row, interval in zip(rows, (*report.intervals.classes, report.intervals.mean_iou), strict=True):
            row.insert(2, span(interval.low, interval.high))
    return Table(tuple(header), tuple(map(tuple, rows)), mean=True)


def group_table(report: Report) -> Table:
    """A row for each group of classes, and the means over groups."""
    rows = [(g.name, percent(g.mean_iou), percent(g.merged_iou)) for g in report.class_groups]
    if not math.isnan(report.mean_merged_iou):
        rows.append(("mean", "", percent(report.mean_merged_iou)))
    if len(report.class_groups) == 2:
        rows.append(("harmonic mean", percent(report.harmonic_mean), ""))
    return Table(("group", "mean IoU", "merged IoU"), tuple(rows))


def confusion_table(report: Report) -> Table:
    """The costliest confusions."""
    rows = tuple(
        (c.truth, c.predicted, f"{c.pixels:,}", percent(c.share), percent(c.iou_cost)) for c in report.confusions or ()
    )
    return Table(("truth", "taken for", "pixels", "% of truth", "IoU cost"), rows, words=2)


def image_means_table(report: Report) -> Table:
    """The means over images."""
    assert report.images is not None
    cells = {
        "mIoU over images": percent(report.images.mean_over_images),
        "over classes": percent(report.images.mean_over_classes),
        "images": f"{report.images.number:,}",
        "without a valid pixel": f"{report.images.skipped:,}",
    }
    if report.intervals:
        cells["% of draws that lost a class"] = percent(report.intervals.mean_iou.undefined_share)
    return Table(tuple(cells), (tuple(cells.values()),), words=0)


def _cell(value: float) -> str:
    """A ratio in percent, or a whole number of pixels."""
    return f"{value:,}" if isinstance(value, int) else percent(value)
