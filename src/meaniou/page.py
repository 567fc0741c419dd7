"""A report -> one HTML page that holds all it shows: numbers, the confusion matrix, and the worst images."""

import math
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from meaniou import matrix, pictures
from meaniou.labels import Color, LabelSpace
from meaniou.report import Report
from meaniou.tables import percent
from meaniou.uncertainty import Interval

COLORS = {"counted": pictures.RIGHT, "void": (150, 150, 150), "no_answer": pictures.MISSED, "outside": pictures.FALSE}


def html(
    report: Report,
    *,
    title: str = "Mean IoU",
    space: LabelSpace | None = None,
    worst: Sequence[tuple[str, float, str]] = (),
) -> str:
    """The page of a report as text; it needs no network.

    Args:
        report: what ``MeanIoU.report`` gives.
        title: what was scored.
        space: the classes, for their colours (``metric.space``).
        worst: name, mean IoU and picture (a URI, such as ``"data:image/png;base64,..."``) of images to show.

    Raises:
        ModuleNotFoundError: if Jinja is not there.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    template = environment.from_string(resources.files("meaniou").joinpath("page.html").read_text(encoding="utf-8"))
    shown = matrix.shown(report)
    seen = report.pixels["seen"]
    return template.render(
        title=title,
        report=report,
        rules=_rules(report),
        summary=list(_summary(report)),
        class_header=_class_header(report),
        class_rows=list(_class_rows(report, pictures.palette(space or LabelSpace(len(report.classes))))),
        class_mean=_class_mean(report),
        tables=list(_tables(report)),
        matrix=shown,
        matrix_rows=list(_matrix_rows(shown)),
        account=list(_account(report)),
        seen=f"{seen:,}",
        worst=[(name, percent(value), source) for name, value, source in worst],
        legend=[(name, _css(color)) for name, color in pictures.OF_ALL.items()],
    )


def _css(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _ends(interval: Interval) -> str:
    return "-" if math.isnan(interval.low) else f"{percent(interval.low)} to {percent(interval.high)}"


def _rules(report: Report) -> str:
    rules = {name: value for name, value in report.rules.items() if name in ("unanswered", "present", "absent")}
    void = ", ".join(map(str, report.rules["ignore_index"])) or "none"
    told = [f"{len(report.classes)} classes", f"void: {void}", *(f"{name}: {value}" for name, value in rules.items())]
    return "; ".join([*told, *filter(None, [report.footer()])])


def _summary(report: Report) -> Iterable[tuple[str, str, str]]:
    intervals = report.intervals
    confidence = f"{100 * intervals.mean_iou.confidence:g} %: " if intervals else ""
    yield "mean IoU", percent(report.mean_iou), confidence + _ends(intervals.mean_iou) if intervals else ""
    yield "mean Dice", percent(report.mean_dice), ""
    yield "mean accuracy", percent(report.mean_accuracy), ""
    accuracy = confidence + _ends(intervals.pixel_accuracy) if intervals else ""
    yield "pixel accuracy", percent(report.pixel_accuracy), accuracy
    yield "frequency-weighted IoU", percent(report.frequency_weighted_iou), ""
    if report.images:
        yield "mean IoU over images", percent(report.images.mean_over_images), f"{report.images.number:,} images"


def _class_header(report: Report) -> list[str]:
    interval = [f"{100 * report.intervals.mean_iou.confidence:g} % interval"] if report.intervals else []
    return ["class", "IoU", *interval, "Dice", "precision", "recall", "truth px", "predicted px"]


def _class_rows(report: Report, colors: Sequence[Color]) -> Iterable[dict[str, Any]]:
    for c, row in enumerate(report.classes):
        cells: list[tuple[str, float | str]] = [
            (percent(v), "" if math.isnan(v) else v) for v in (row.iou, row.dice, row.precision, row.recall)
        ]
        if report.intervals:
            interval = report.intervals.classes[c]
            # The width is what one would sort by.
            width = interval.high - interval.low
            cells.insert(1, (_ends(interval), "" if math.isnan(width) else width))
        cells += [(f"{number:,}", number) for number in (row.truth, row.predicted)]
        yield {"name": row.name, "color": _css(colors[c]), "cells": cells}


def _class_mean(report: Report) -> list[str]:
    interval = [_ends(report.intervals.mean_iou)] if report.intervals else []
    return [percent(report.mean_iou), *interval, percent(report.mean_dice), "", percent(report.mean_accuracy), "", ""]


def _tables(report: Report) -> Iterable[dict[str, Any]]:
    titles = {"group": "Groups", "truth": "The costliest confusions"}
    for table in report.tables():
        if table.header[0] in titles:
            title = titles[table.header[0]]
            yield {"title": title, "header": table.header, "rows": table.rows, "words": table.words}


def _matrix_rows(shown: matrix.Shown) -> Iterable[dict[str, Any]]:
    for name, pixels, values in zip(shown.rows, shown.pixels.tolist(), shown.values.tolist(), strict=True):
        cells = []
        for column, number, value in zip(shown.columns, pixels, values, strict=True):
            share = 0.0 if math.isnan(value) else value
            text = "" if not number else f"{100 * share:.0f}" if share >= 0.005 else "<1"
            title = f"{name} taken for {column}: {number:,} px, {percent(value)} %"
            cells.append({"text": text, "strength": round(100 * math.sqrt(share)), "title": title})
        yield {"name": name, "cells": cells}


def _account(report: Report) -> Iterable[dict[str, Any]]:
    for name, color in COLORS.items():
        number = report.pixels[name]
        share = number / report.pixels["seen"] if report.pixels["seen"] else math.nan
        shares = {"share": 0 if math.isnan(share) else 100 * share, "text": percent(share)}
        yield {"name": name.replace("_", " "), "pixels": f"{number:,}", "color": _css(color), **shares}
