"""The forms of a report: scalars for loggers, CSV, and the tables that text, Markdown and LaTeX show."""

import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from meaniou._util import Table, percent, span, tables
from meaniou.report.bands import WORDS, band_columns, boundary_means
from meaniou.report.notes import LABELS, classes_in_mean, extent, measure_of, nouns_of, of_bands
from meaniou.report.records import COLUMNS, ClassReport

if TYPE_CHECKING:
    from meaniou.report.report import Report

SHOWN = {name: column for name, column in COLUMNS.items() if column.title}  # columns of tables and the page
CSV_COLUMNS = ("kind", *(part.name for part in fields(ClassReport)))


def overall_numbers(report: "Report") -> dict[str, tuple[str, float]]:
    """The title and the value of each number over all classes, by field; without a confusion matrix not kappa.

    The key of the mean boundary IoU beside mean IoU is its name in ``scalars``.
    """
    numbers = {
        part.name: (_title(report, part.name, part.metadata["title"]), getattr(report, part.name))
        for part in fields(report)
        if part.metadata and (report.confusions is not None or part.name != "kappa")
    }
    return {"mean_iou": numbers.pop("mean_iou"), **boundary_means(report), **numbers}


def note(report: "Report") -> str:
    """The note below the tables: the number of classes in the mean if some are left out, and the footer."""
    defined, number = classes_in_mean(report)
    mean = report.headline() if math.isnan(report.mean_iou) else f"mean {measure_of(report)} {extent(report)}"
    return "; ".join(filter(None, [mean if 0 < defined < number else "", report.footer()]))


def class_values(report: "Report", c: int) -> list[float]:
    """The numbers of class ``c`` in the class table, in column order; an interval as its width."""
    values = [getattr(report.classes[c], name) for name in SHOWN]
    if report.intervals:
        values.insert(1, report.intervals.classes[c].high - report.intervals.classes[c].low)
    after = 2 if report.intervals else 1
    values[after:after] = [column.values[c] for column in band_columns(report)]
    return values


def scalars(report: "Report") -> dict[str, float]:
    """The dict of ``Report.scalars`` without a prefix."""
    values = {_key(report, name): value for name, (_, value) in overall_numbers(report).items()}
    values |= {f"{_key(report, 'iou')}/{c.name}": c.iou for c in report.classes}
    for column in band_columns(report):
        if column.mean is not None:
            pairs = zip(report.classes, column.values, strict=True)
            values |= {f"{column.name}/{c.name}": value for c, value in pairs}
    values |= {f"{_key(report, 'mean_iou')}/{g.name}": g.mean_iou for g in report.class_groups}
    if report.class_groups and report.confusions is not None:
        values |= {f"merged_iou/{g.name}": g.merged_iou for g in report.class_groups}
        values["mean_merged_iou"] = report.mean_merged_iou
    if len(report.class_groups) == 2:
        values[_key(report, "harmonic_mean")] = report.harmonic_mean
    return values


def as_csv(report: "Report") -> str:
    """CSV text with a row for each class, the means, and each group."""
    rows: list[dict[str, Any]] = [{"kind": "class", **asdict(c)} for c in report.classes]
    means = {name: getattr(report, column.mean) for name, column in COLUMNS.items() if column.mean}
    rows.append({"kind": "mean", "name": "mean", **means})
    columns = CSV_COLUMNS
    if report.intervals:
        columns = (*CSV_COLUMNS, "iou_low", "iou_high")
        for row, interval in zip(rows, (*report.intervals.classes, report.intervals.mean_iou), strict=True):
            row |= {"iou_low": interval.low, "iou_high": interval.high}
    for extra in band_columns(report):
        columns = (*columns, extra.csv)
        for row, value in zip(rows, (*extra.values, extra.mean), strict=True):
            row[extra.csv] = value
    rows += [{"kind": "group mean", "name": g.name, "iou": g.mean_iou} for g in report.class_groups]
    if report.class_groups and report.confusions is not None:
        rows += [{"kind": "group merged", "name": g.name, "iou": g.merged_iou} for g in report.class_groups]
        rows.append({"kind": "groups", "name": "mean merged", "iou": report.mean_merged_iou})
    if len(report.class_groups) == 2:
        rows.append({"kind": "groups", "name": "harmonic mean", "iou": report.harmonic_mean})
    return tables.as_csv(columns, ([row.get(column) for column in columns] for row in rows))


def all_tables(report: "Report") -> Iterator[Table]:
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
    yield pixel_table(report)


def class_table(report: "Report") -> Table:
    """A row for each class, and a row of means."""
    rows = [[c.name, *(_cell(getattr(c, name)) for name in SHOWN)] for c in report.classes]
    rows.append(["mean", *(percent(getattr(report, c.mean)) if c.mean else "" for c in SHOWN.values())])
    header = [nouns_of(report).one, *(_title(report, name, column.title) for name, column in SHOWN.items())]
    after = 2
    if report.intervals:  # after the IoU
        after = 3
        header.insert(2, f"{100 * report.intervals.mean_iou.confidence:g} % interval")
        for row, interval in zip(rows, (*report.intervals.classes, report.intervals.mean_iou), strict=True):
            row.insert(2, span(interval.low, interval.high))
    extra = band_columns(report)
    header[after:after] = [column.title for column in extra]
    for c, row in enumerate(rows[:-1]):
        row[after:after] = [percent(column.values[c]) for column in extra]
    rows[-1][after:after] = ["" if column.mean is None else percent(column.mean) for column in extra]
    return Table(tuple(header), tuple(map(tuple, rows)), mean=True)


def group_table(report: "Report") -> Table:
    """A row for each group of classes, and means over groups; the merged IoU needs the confusion matrix."""
    rows = [(g.name, percent(g.mean_iou), percent(g.merged_iou)) for g in report.class_groups]
    if not math.isnan(report.mean_merged_iou):
        rows.append(("mean", "", percent(report.mean_merged_iou)))
    if len(report.class_groups) == 2:
        rows.append(("harmonic mean", percent(report.harmonic_mean), ""))
    columns = 3 if report.confusions is not None else 2
    header = ("group", f"mean {measure_of(report)}", "merged IoU")
    return Table(header[:columns], tuple(row[:columns] for row in rows))


def confusion_table(report: "Report") -> Table:
    """The costliest confusions."""
    rows = tuple(
        (c.truth, c.predicted, f"{c.pixels:,}", percent(c.share), percent(c.iou_cost)) for c in report.confusions or ()
    )
    return Table(("ground truth", "predicted as", "pixels", "% of ground truth", "IoU cost"), rows, words=2)


def pixel_table(report: "Report") -> Table:
    """The account of the pixels; a label that overlaps others accounts for every pixel, and the sum is shown."""
    header, cells = pixel_header(report.pixels), pixel_cells(report.pixels)
    if nouns_of(report) is LABELS:
        return Table(("", *header), (("sum over labels", *cells),))
    return Table(header, (cells,), words=0)


def pixel_header(pixels: dict[str, int]) -> tuple[str, ...]:
    """The titles of an account of pixels."""
    return tuple(f"{name.replace('_', ' ')} px" for name in pixels)


def pixel_cells(pixels: dict[str, int]) -> tuple[str, ...]:
    """The numbers of an account of pixels."""
    return tuple(f"{number:,}" for number in pixels.values())


def image_means_table(report: "Report") -> Table:
    """The means over images."""
    assert report.images is not None
    nouns = nouns_of(report)
    cells = {
        f"{'mean boundary IoU' if of_bands(report) else 'mIoU'} over images": percent(report.images.mean_over_images),
        f"over {nouns.many}": percent(report.images.mean_over_classes),
        "images": f"{report.images.number:,}",
        "without a valid pixel": f"{report.images.skipped:,}",
    }
    if report.intervals:
        cells[f"% of resamples lacking a {nouns.one}"] = percent(report.intervals.mean_iou.undefined_share)
    return Table(tuple(cells), (tuple(cells.values()),), words=0)


def _title(report: "Report", name: str, title: str) -> str:
    """The title of a field, from ``WORDS`` in the report of a ``MeanBoundaryIoU``."""
    return WORDS[name].title if of_bands(report) and name in WORDS else title


def _key(report: "Report", name: str) -> str:
    """The name of a field in scalars, from ``WORDS`` in the report of a ``MeanBoundaryIoU``."""
    return WORDS[name].key if of_bands(report) and name in WORDS else name


def _cell(value: float) -> str:
    """A ratio in percent, or a whole number of pixels."""
    return f"{value:,}" if isinstance(value, int) else percent(value)
