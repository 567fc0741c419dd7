"""The forms of a report: its tables, CSV and scalars; the columns follow from the fields of the records."""

import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from meaniou._util import Table, percent, span, tables
from meaniou.report.records import COLUMNS, ClassReport

if TYPE_CHECKING:
    from meaniou.report.report import Report

SHOWN = {name: column for name, column in COLUMNS.items() if column.title}  # in tables and on the page
CSV_COLUMNS = ("kind", *(part.name for part in fields(ClassReport)))


def overall_numbers(report: "Report") -> dict[str, tuple[str, float]]:
    """The numbers over all classes by the names of their fields: titles and values."""
    return {part.name: (part.metadata["title"], getattr(report, part.name)) for part in fields(report) if part.metadata}


def class_values(report: "Report", c: int) -> list[float]:
    """What the table of classes shows of class ``c``, as numbers; an interval by its width."""
    values = [getattr(report.classes[c], name) for name in SHOWN]
    if report.intervals:
        values.insert(1, report.intervals.classes[c].high - report.intervals.classes[c].low)
    return values


def scalars(report: "Report") -> dict[str, float]:
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


def csv(report: "Report") -> str:
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


def all_tables(report: "Report") -> Iterator[Table]:
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


def class_table(report: "Report") -> Table:
    """A row for each class, and their means."""
    rows = [[c.name, *(_cell(getattr(c, name)) for name in SHOWN)] for c in report.classes]
    rows.append(["mean", *(percent(getattr(report, c.mean)) if c.mean else "" for c in SHOWN.values())])
    header = ["class", *(column.title for column in SHOWN.values())]
    if report.intervals:  # beside the IoU
        header.insert(2, f"{100 * report.intervals.mean_iou.confidence:g} % interval")
        for row, interval in zip(rows, (*report.intervals.classes, report.intervals.mean_iou), strict=True):
            row.insert(2, span(interval.low, interval.high))
    return Table(tuple(header), tuple(map(tuple, rows)), mean=True)


def group_table(report: "Report") -> Table:
    """A row for each group of classes, and what is made of all groups."""
    rows = [(g.name, percent(g.mean_iou), percent(g.merged_iou)) for g in report.class_groups]
    if not math.isnan(report.mean_merged_iou):
        rows.append(("mean", "", percent(report.mean_merged_iou)))
    if len(report.class_groups) == 2:
        rows.append(("harmonic mean", percent(report.harmonic_mean), ""))
    return Table(("group", "mean IoU", "merged IoU"), tuple(rows))


def confusion_table(report: "Report") -> Table:
    """The costliest confusions."""
    rows = tuple(
        (c.truth, c.predicted, f"{c.pixels:,}", percent(c.share), percent(c.iou_cost)) for c in report.confusions or ()
    )
    return Table(("truth", "taken for", "pixels", "% of truth", "IoU cost"), rows, words=2)


def image_means_table(report: "Report") -> Table:
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
