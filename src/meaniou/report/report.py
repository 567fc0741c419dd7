"""The report: all numbers of a dataset as a frozen record, and as a dict, JSON, CSV, Markdown, LaTeX or text."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, Table, kind_of, percent, span, tables
from meaniou.report.records import COLUMNS, ClassReport, Confusion, GroupReport, ImagesReport, Intervals

SHOWN = {name: column for name, column in COLUMNS.items() if column.title}  # columns of tables and the page
CSV_COLUMNS = ("kind", *(part.name for part in fields(ClassReport)))


def check_report(report: object) -> None:
    """Raises ``TypeError`` unless ``report`` is a ``Report``; a metric is a common mistake."""
    if not isinstance(report, Report):
        raise TypeError(f"report is {kind_of(report)}; expected a Report. Pass metric.report().")


def _titled(title: str) -> dict[str, str]:
    """The metadata of a number over all classes: its title in tables."""
    return {"title": title}


@dataclass(frozen=True, eq=False)
class Report(EqualByValue):
    """All numbers of a dataset. ``print(report)`` shows them as tables, ``to_dict`` and the like export them.

    Attributes:
        mean_iou: mean IoU over classes, a ratio 0 .. 1 as all others; NaN where undefined.
        mean_dice: mean Dice over classes.
        mean_accuracy: mean recall over classes.
        pixel_accuracy: share of the valid pixels that are right.
        frequency_weighted_iou: mean IoU weighted by ground-truth pixels, as ``average="weighted"``.
        kappa: Cohen's kappa, -1 .. 1.
        classes: a ``ClassReport`` for each class, in class order: ``name``, ``iou``, ``dice``, ``precision``,
            ``recall``, ``truth``, ``predicted``, ``intersection``.
        class_groups: a ``GroupReport`` for each group of classes: ``name``, ``classes``, ``mean_iou``, ``merged_iou``.
        mean_merged_iou: mean of the merged IoU over groups; NaN without groups, or if they overlap.
        harmonic_mean: harmonic mean of the mean IoU of two groups; NaN unless there are exactly two.
        confusions: the ten costliest mistakes, the costliest first: ``truth``, ``predicted``, ``pixels``, ``share``,
            ``iou_cost``. ``None`` if no confusion matrix was counted.
        pixels: number of pixels ``seen``, and of these ``counted`` (a class on both sides), ``void`` (ignored ground
            truth), ``void_preds`` (void predictions on valid pixels) and ``outside`` (out of range).
        rules: the settings of the report; with a protocol also its name, and the rules that were changed.
        counts: the confusion matrix over all ranks, int64 ``[C + 2, C + 2]``, ground truth in rows. Row C is void,
            column C void predictions, row and column C + 1 out of range. Not in ``to_dict``.
        images: means over images and the worst images; ``None`` without ``per_image``.
        intervals: bootstrap confidence intervals; ``None`` without ``report(bootstrap=...)``.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU
        >>> metric = MeanIoU(num_classes=3, ignore_index=255, class_names=["road", "car", "sky"])
        >>> metric.update(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 255]))
        >>> report = metric.report()
        >>> report.headline()
        'mean IoU 100.00 % over 2 of 3 classes'
        >>> report.classes[2].iou
        nan
        >>> report.pixels
        {'seen': 4, 'counted': 3, 'void': 1, 'void_preds': 0, 'outside': 0}
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
        """The report as nested dicts and lists: unrounded ratios, ``None`` for NaN."""
        values = asdict(self)
        del values["counts"]
        return {name: tables.without_nan(value) for name, value in values.items()}

    def to_json(self) -> str:
        """The contents of ``to_dict`` as JSON text, ``null`` for NaN."""
        return tables.as_json(self.to_dict())

    def to_csv(self) -> str:
        """CSV text with a row for each class, the means, and each group: unrounded ratios, empty for NaN.

        With intervals, ``iou_low`` and ``iou_high`` are the bounds of the IoU of each class and of the mean IoU.
        A name that a spreadsheet would read as a formula gets an apostrophe in front.
        """
        return _csv(self)

    def to_markdown(self) -> str:
        """Tables in GitHub's Markdown: percent with two decimals, ``-`` for NaN."""
        return tables.markdown(self.tables(), _note(self))

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` for each table: percent with two decimals, ``-`` for NaN."""
        return tables.latex(self.tables(), _note(self))

    def __str__(self) -> str:
        """Text tables: percent with two decimals, ``-`` for NaN."""
        return tables.text(self.tables(), _note(self))

    def scalars(self, prefix: str = "") -> dict[str, float]:
        """A flat dict for a logger, such as ``{"val/mean_iou": 0.58, "val/iou/road": 0.5}``, with NaN where undefined.

        It holds the numbers over all classes, ``iou/<class>`` for each class, and ``mean_iou/<group>`` and
        ``merged_iou/<group>`` for each group. The names are the same on every rank and in every epoch.

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
        """The tables that the text forms show: percent with two decimals, ``-`` for NaN."""
        yield from _all_tables(self)

    def headline(self) -> str:
        """The mean IoU in percent and the number of classes in it, such as ``mean IoU 56.42 % over 8 of 9 classes``."""
        defined, number = classes_in_mean(self)
        mean = "undefined" if math.isnan(self.mean_iou) else f"{percent(self.mean_iou)} %"
        return f"mean IoU {mean} over {defined} of {number} classes"

    def footer(self) -> str:
        """The protocol, and which of its rules were changed; empty without a protocol."""
        if "protocol" not in self.rules:
            return ""
        changed = ", ".join(f"{rule}={value!r}" for rule, value in self.rules["changed"].items())
        return f"protocol: {self.rules['protocol']}" + (f", but with {changed}" if changed else "")


def overall_numbers(report: Report) -> dict[str, tuple[str, float]]:
    """The title and the value of each number over all classes, by field."""
    return {part.name: (part.metadata["title"], getattr(report, part.name)) for part in fields(report) if part.metadata}


def classes_in_mean(report: Report, name: str = "iou") -> tuple[int, int]:
    """The number of classes in the mean of a field of ``ClassReport``, and the number of all classes."""
    values = [getattr(report.classes[c], name) for c in report.rules["classes"]]
    return sum(not math.isnan(value) for value in values), len(report.classes)


def _note(report: Report) -> str:
    """The note below the tables: the number of classes in the mean if some are left out, and the footer."""
    defined, number = classes_in_mean(report)
    mean = report.headline() if math.isnan(report.mean_iou) else f"mean IoU over {defined} of {number} classes"
    return "; ".join(filter(None, [mean if 0 < defined < number else "", report.footer()]))


def class_values(report: Report, c: int) -> list[float]:
    """The numbers of class ``c`` in the class table, in column order; an interval as its width."""
    values = [getattr(report.classes[c], name) for name in SHOWN]
    if report.intervals:
        values.insert(1, report.intervals.classes[c].high - report.intervals.classes[c].low)
    return values


def _scalars(report: Report) -> dict[str, float]:
    """The dict of ``Report.scalars`` without a prefix."""
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
    """CSV text with a row for each class, the means, and each group."""
    rows: list[dict[str, Any]] = [{"kind": "class", **asdict(c)} for c in report.classes]
    means = {name: getattr(report, column.mean) for name, column in COLUMNS.items() if column.mean}
    rows.append({"kind": "mean", "name": "mean", **means})
    columns = CSV_COLUMNS
    if report.intervals:
        columns = (*CSV_COLUMNS, "iou_low", "iou_high")
        for row, interval in zip(rows, (*report.intervals.classes, report.intervals.mean_iou), strict=True):
            row |= {"iou_low": interval.low, "iou_high": interval.high}
    rows += [{"kind": "group mean", "name": g.name, "iou": g.mean_iou} for g in report.class_groups]
    rows += [{"kind": "group merged", "name": g.name, "iou": g.merged_iou} for g in report.class_groups]
    if report.class_groups:
        rows.append({"kind": "groups", "name": "mean merged", "iou": report.mean_merged_iou})
    if len(report.class_groups) == 2:
        rows.append({"kind": "groups", "name": "harmonic mean", "iou": report.harmonic_mean})
    return tables.as_csv(columns, ([row.get(column) for column in columns] for row in rows))


def _all_tables(report: Report) -> Iterator[Table]:
    """The tables of classes, groups, confusions, overall numbers, images and pixels."""
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
    """A row for each class, and a row of means."""
    rows = [[c.name, *(_cell(getattr(c, name)) for name in SHOWN)] for c in report.classes]
    rows.append(["mean", *(percent(getattr(report, c.mean)) if c.mean else "" for c in SHOWN.values())])
    header = ["class", *(column.title for column in SHOWN.values())]
    if report.intervals:  # after the IoU
        header.insert(2, f"{100 * report.intervals.mean_iou.confidence:g} % interval")
        for row, interval in zip(rows, (*report.intervals.classes, report.intervals.mean_iou), strict=True):
            row.insert(2, span(interval.low, interval.high))
    return Table(tuple(header), tuple(map(tuple, rows)), mean=True)


def group_table(report: Report) -> Table:
    """A row for each group of classes, and means over groups."""
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
    return Table(("ground truth", "predicted as", "pixels", "% of ground truth", "IoU cost"), rows, words=2)


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
        cells["% of resamples lacking a class"] = percent(report.intervals.mean_iou.undefined_share)
    return Table(tuple(cells), (tuple(cells.values()),), words=0)


def _cell(value: float) -> str:
    """A ratio in percent, or a whole number of pixels."""
    return f"{value:,}" if isinstance(value, int) else percent(value)
