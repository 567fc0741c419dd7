"""The HTML page of a report, which holds all that it shows: numbers, the confusion matrix, and the worst images."""

import math
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from meaniou._util import Table, percent, span
from meaniou.plot import matrix_view, overlays
from meaniou.report import Report, class_values, overall_numbers
from meaniou.settings import Color, LabelSpace
from meaniou.uncertainty import Interval

COLORS = {"counted": overlays.RIGHT, "void": (150, 150, 150), "void_preds": overlays.MISSED, "outside": overlays.FALSE}


def html(
    report: Report,
    *,
    title: str = "Mean IoU",
    label_space: LabelSpace | None = None,
    worst: Sequence[tuple[str, float, str]] = (),
) -> str:
    """The page of a report as text; it needs no network.

    Args:
        report: what ``MeanIoU.report`` gives.
        title: a text for the data that were scored.
        label_space: the classes, for their colours (``metric.label_space``).
        worst: name, mean IoU and picture (a URI, such as ``"data:image/png;base64,..."``) of images to show; with
            ``""`` as picture, only the name is shown.

    Raises:
        ValueError: if ``label_space`` has another number of classes.
        ModuleNotFoundError: if Jinja is not there.
    """
    if label_space is not None and label_space.num_classes != len(report.classes):
        raise ValueError(
            f"label_space has {label_space.num_classes} classes and the report {len(report.classes)}; expected "
            "that of the metric, so pass metric.label_space."
        )
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    template = environment.from_string(
        resources.files("meaniou.page").joinpath("template.html").read_text(encoding="utf-8")
    )
    view = matrix_view.select_classes(report)
    class_table = next(report.tables())
    seen = report.pixels["seen"]
    return template.render(
        title=title,
        report=report,
        rules=_rules(report),
        summary=list(_summary(report)),
        class_header=class_table.header,
        class_rows=list(
            _class_rows(report, class_table, overlays.palette(label_space or LabelSpace(len(report.classes))))
        ),
        class_mean=class_table.rows[-1][1:],
        tables=list(_tables(report)),
        matrix=view,
        matrix_rows=list(_matrix_rows(view)),
        account=list(_account(report)),
        seen=f"{seen:,}",
        worst=[(name, percent(value), source) for name, value, source in worst],
        legend=[(name, overlays.css(color)) for name, color in overlays.legend().items()],
    )


def _rules(report: Report) -> str:
    rules = {name: value for name, value in report.rules.items() if name in ("void_preds", "present", "absent")}
    void = ", ".join(map(str, report.rules["ignore_index"])) or "none"
    parts = [f"{len(report.classes)} classes", f"void: {void}", *(f"{name}: {value}" for name, value in rules.items())]
    return "; ".join([*parts, *filter(None, [report.footer()])])


def _summary(report: Report) -> Iterable[tuple[str, str, str]]:
    mean = accuracy = ""
    if report.intervals:
        mean, accuracy = _note(report.intervals.mean_iou), _note(report.intervals.pixel_accuracy)
        if lost := report.intervals.mean_iou.undefined_share:
            mean += f"; {percent(lost)} % of draws lost a class"
    notes = {"mean_iou": mean, "pixel_accuracy": accuracy}
    for name, (title, value) in overall_numbers(report).items():
        if name != "kappa":  # no share, so not in percent
            yield "mean IoU" if name == "mean_iou" else title, percent(value), notes.get(name, "")
    if report.images:
        yield "mean IoU over images", percent(report.images.mean_over_images), f"{report.images.number:,} images"


def _note(interval: Interval) -> str:
    return f"{100 * interval.confidence:g} %: {span(interval.low, interval.high)}"


def _class_rows(report: Report, table: Table, colors: Sequence[Color]) -> Iterable[dict[str, Any]]:
    """The rows of the table but for the mean, with the numbers that they are sorted by."""
    for c, (name, *texts) in enumerate(table.rows[:-1]):
        values = class_values(report, c)
        cells = [(text, "" if math.isnan(value) else value) for text, value in zip(texts, values, strict=True)]
        yield {"name": name, "color": overlays.css(colors[c]), "cells": cells}


def _tables(report: Report) -> Iterable[dict[str, Any]]:
    titles = {"group": "Groups", "truth": "The costliest confusions"}
    for table in report.tables():
        if table.header[0] in titles:
            title = titles[table.header[0]]
            yield {"title": title, "header": table.header, "rows": table.rows, "words": table.words}


def _matrix_rows(view: matrix_view.MatrixView) -> Iterable[dict[str, Any]]:
    for name, pixels, values in zip(view.rows, view.pixels.tolist(), view.values.tolist(), strict=True):
        cells = []
        for column, number, value in zip(view.columns, pixels, values, strict=True):
            share = 0.0 if math.isnan(value) else value
            text = matrix_view.percent(share) if number else ""
            title = f"{name} taken for {column}: {number:,} px, {percent(value)} %"
            cells.append({"text": text, "strength": round(100 * math.sqrt(share)), "title": title})
        yield {"name": name, "cells": cells}


def _account(report: Report) -> Iterable[dict[str, Any]]:
    for name, color in COLORS.items():
        number = report.pixels[name]
        share = number / report.pixels["seen"] if report.pixels["seen"] else math.nan
        shares = {"share": 0 if math.isnan(share) else 100 * share, "text": percent(share)}
        yield {"name": name.replace("_", " "), "pixels": f"{number:,}", "color": overlays.css(color), **shares}
