"""The HTML page of a report: one file with all numbers, the confusion matrix if there is one, and the worst images."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from meaniou._util import Table, percent, span
from meaniou.plot import colors, matrix_view, overlays
from meaniou.report import (
    COLUMNS,
    LABELS,
    Nouns,
    Report,
    band_extent,
    band_notes,
    boundary_means,
    check_report,
    class_notes,
    class_values,
    extent,
    measure_of,
    nouns_of,
    of_bands,
    overall_numbers,
    width_words,
)
from meaniou.settings import Color, LabelSpace
from meaniou.uncertainty import Interval

NARROW = 12  # columns of a confusion matrix that leave room for another table beside it
FEW = 30  # classes whose colours are listed beside the worst images
RULES = {
    "void_preds": {
        "miss": "void predictions are misses",
        "drop": "pixels with a void prediction are ignored",
        "error": "void predictions are errors",
    },
    "present": {
        "union": "the mean is over {many} in the ground truth or the prediction",
        "target": "the mean is over {many} in the ground truth",
    },
    "absent": {
        "skip": "absent {many} are left out of the mean",
        "zero": "absent {many} count as 0",
        "one": "absent {many} count as 1",
        "nan": "an absent {one} makes the mean undefined",
    },
}


def html(
    report: Report,
    *,
    title: str = "Mean IoU",
    label_space: LabelSpace | None = None,
    worst: Sequence[tuple[str, float, Mapping[str, str]]] = (),
    photos: bool = False,
) -> str:
    """The report as an HTML page: the text of one file, which needs no network.

    The page of labels that overlap, or of a ``MeanBoundaryIoU``, has no confusion matrix.

    Args:
        report: a report of a metric.
        title: the heading of the page, such as the name of the model and the data.
        label_space: the classes with their colours (``metric.label_space``); generated colours by default.
        worst: name, mean IoU and pictures of the images to show. The pictures are URIs by their captions, such as
            ``{"errors": "data:image/png;base64,..."}``; an image without pictures is listed by its name.
        photos: whether the errors are drawn on photos, as the legend then shows each colour from dark to light.

    Raises:
        TypeError: if ``report`` is something else, such as the metric.
        ValueError: if ``label_space`` has another number of classes than the report.
        ModuleNotFoundError: if Jinja is not installed (the extra ``cli``).

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU, page
        >>> metric = MeanIoU(num_classes=2, class_names=["road", "car"])
        >>> metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
        >>> text = page.html(metric.report(), title="Model A", label_space=metric.label_space)
        >>> text.splitlines()[0]  # write it to a file with pathlib.Path("report.html").write_text(text, "utf-8")
        '<!doctype html>'
    """
    check_report(report)
    nouns, size = nouns_of(report), len(report.classes)
    if label_space is not None and label_space.num_classes != size:
        raise ValueError(
            f"label_space has {label_space.num_classes} {nouns.many}, but the report has {size}; pass the "
            "label_space of the metric that made the report."
        )
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(
        resources.files("meaniou.page").joinpath("template.html").read_text(encoding="utf-8")
    )
    view = None if report.confusions is None else matrix_view.select_classes(report)
    wide_matrix = view is not None and len(view.columns) > NARROW
    beside = view is not None and not wide_matrix  # the matrix has a table beside it
    palette = overlays.palette(label_space or LabelSpace(size))
    class_table, *tables = _tables(report)
    rows = list(_class_rows(report, class_table, palette))
    return template.render(
        title=title,
        nouns=nouns,
        measure=measure_of(report),
        band_notes=band_notes(report),
        of_bands=of_bands(report),
        of_labels=nouns is LABELS,
        mean_iou=percent(report.mean_iou),
        themes=[
            {name: " ".join(map(str, color)) for name, color in page.items()}
            for page in (colors.LIGHT_PAGE, colors.DARK_PAGE)
        ],
        rules=_rules(report),
        cards=list(_cards(report)),
        class_header=[re.sub(r"(\d) px", "\\1\N{NO-BREAK SPACE}px", title) for title in class_table.header],
        class_rows=rows,
        class_mean=class_table.rows[-1][1:],
        extent=extent(report),
        noted={word for row in rows for word in row["note"].split(", ")},
        tables=tables,
        matrix=view,
        matrix_rows=[] if view is None else list(_matrix_rows(view)),
        scale=[{"text": f"{100 * share:g} %", "strength": _strength(share)} for share in colors.SCALE],
        full_ink=round(100 * colors.FULL_INK),
        wide_matrix=wide_matrix,
        pixels_alone=(len(tables) + beside) % 2 == 0,
        account=list(_account(report)),
        seen=f"{report.pixels['seen']:,}",
        worst=[(name, percent(value), pictures) for name, value, pictures in worst],
        legend=_errors_legend(photos),
        class_legend=[(row["name"], row["color"]) for row in rows] if size <= FEW else [],
        mask_legend=[("void", colors.css(colors.VOID)), ("outside", colors.css(colors.OUTSIDE))],
    )


def _rules(report: Report) -> str:
    nouns = nouns_of(report)
    void = ", ".join(map(str, report.rules["ignore_index"])) or "none"
    number = len(report.classes)
    first = [f"{number} {nouns.of(number)}", f"void {'values' if nouns is LABELS else 'ids'}: {void}"]
    if nouns is LABELS:
        first.insert(1, _threshold_rule(report))
    words = [words[report.rules[name]].format(**nouns._asdict()) for name, words in RULES.items()]
    return "; ".join(filter(None, [*first, *words, report.footer()]))


def _threshold_rule(report: Report) -> str:
    """Which scores set a label; of different thresholds the lowest and the highest."""
    threshold, above = report.rules["threshold"], "at or above" if report.rules["inclusive"] else "above"
    if isinstance(threshold, float):
        return f"a label is set where its score is {above} {threshold:g}"
    return (
        f"each label is set where its score is {above} a threshold of its own, {min(threshold):g} to {max(threshold):g}"
    )


def _cards(report: Report) -> Iterable[dict[str, Any]]:
    """The numbers over all classes in percent, each with its notes; kappa is no share and is left out."""
    fields = {column.mean: name for name, column in COLUMNS.items() if column.mean}
    intervals = {}
    if report.intervals:
        intervals = {"mean_iou": report.intervals.mean_iou, "pixel_accuracy": report.intervals.pixel_accuracy}
    of_boundary = dict(zip(boundary_means(report), _boundary_notes(report), strict=False))
    for name, (title, value) in overall_numbers(report).items():
        if name != "kappa":
            lines = [extent(report, fields[name])] if name in fields else []
            lines += _interval_notes(intervals[name], nouns_of(report)) if name in intervals else []
            lines += of_boundary.get(name, [])
            shown = f"mean {measure_of(report)}" if name == "mean_iou" else title
            yield {"name": shown, "value": percent(value), "notes": lines}
    if report.images:
        images = f"{report.images.number:,} images"
        skipped = [f"{report.images.skipped:,} without a valid pixel"] if report.images.skipped else []
        mean = percent(report.images.mean_over_images)
        yield {"name": f"mean {measure_of(report)} over images", "value": mean, "notes": [images, *skipped]}


def _boundary_notes(report: Report) -> list[list[str]]:
    """The notes of the mean boundary IoU at each width."""
    return [[band_extent(report, boundary), f"width {width_words(boundary)}"] for boundary in report.boundaries]


def _interval_notes(interval: Interval, nouns: Nouns) -> list[str]:
    lines = [f"{100 * interval.confidence:g} % interval {span(interval.low, interval.high)}"]
    if interval.undefined_share:
        lines.append(f"{percent(interval.undefined_share)} % of the resamples lack a {nouns.one}")
    return lines


def _class_rows(report: Report, table: Table, palette: Sequence[Color]) -> Iterable[dict[str, Any]]:
    """The rows of the table except the mean, with the numbers by which they are sorted."""
    for c, ((name, *texts), note) in enumerate(zip(table.rows[:-1], class_notes(report), strict=True)):
        values = class_values(report, c)
        cells = [(text, "" if math.isnan(value) else value) for text, value in zip(texts, values, strict=True)]
        interval = report.intervals.classes[c] if report.intervals else None
        if interval is None or math.isnan(interval.low):
            ends = None
        else:
            ends = (100 * interval.low, 100 * (interval.high - interval.low))
        yield {"name": name, "note": note, "color": colors.css(palette[c]), "cells": cells, "interval": ends}


def _tables(report: Report) -> list[Any]:
    """The tables of the classes, and of groups and confusions where there are any, with titles."""
    tables = report.tables()
    shown: list[Any] = [next(tables)]
    for title, records in (
        (f"Groups of {nouns_of(report).many}", report.class_groups),
        ("Costliest confusions", report.confusions),
    ):
        if records:
            table = next(tables)
            shown.append({"title": title, "header": table.header, "rows": table.rows, "words": table.words})
    return shown


def _matrix_rows(view: matrix_view.MatrixView) -> Iterable[dict[str, Any]]:
    for name, pixels, values in zip(view.rows, view.pixels.tolist(), view.values.tolist(), strict=True):
        cells = []
        for column, number, value in zip(view.columns, pixels, values, strict=True):
            text = matrix_view.percent(value) if number else ""
            title = f"{name} predicted as {column}: {number:,} px, {percent(value)} % of {name}"
            cells.append({"text": text, "strength": _strength(value), "title": title})
        yield {"name": name, "cells": cells, "undefined": all(map(math.isnan, values))}


def _strength(share: float) -> int:
    """The strength of the colour of a cell in percent."""
    return 0 if math.isnan(share) else round(100 * colors.strength(share))


def _account(report: Report) -> Iterable[dict[str, Any]]:
    """Every pixel, of labels that of each label, by what became of it; right and wrong ones are those ``counted``."""
    of_labels = nouns_of(report) is LABELS
    seen = report.pixels["seen"]
    right = sum(c.intersection for c in report.classes)
    if of_labels:  # also where a label is rightly not set
        right += int(report.counts[:, 0, 0].sum())
    if of_bands(report):  # also outside of bands
        right = int(report.counts.diagonal()[: len(report.classes)].sum())
    parts = {
        "right": (right, None),
        "wrong" if of_labels else "wrong class": (report.pixels["counted"] - right, colors.WRONG),
        "void prediction": (report.pixels["void_preds"], colors.MISSED),
        "void": (report.pixels["void"], colors.VOID),
        "outside": (report.pixels["outside"], colors.OUTSIDE),
    }
    for name, (number, color) in parts.items():
        share = number / seen if seen else math.nan
        shares = {"share": 0 if math.isnan(share) else 100 * share, "text": percent(share)}
        shade = "rgb(var(--right))" if color is None else colors.css(color)
        yield {"name": name, "pixels": f"{number:,}", "color": shade, **shares}


def _errors_legend(photos: bool) -> list[tuple[str, str]]:
    """The colours of errors as CSS; on photos each goes from that on black to that on white."""
    if not photos:
        return [(name, colors.css(color)) for name, color in overlays.legend().items()]
    pairs = zip(overlays.legend(light=0).items(), overlays.legend(light=255).values(), strict=True)
    return [(name, f"linear-gradient(to right, {colors.css(a)}, {colors.css(b)})") for (name, a), b in pairs]
