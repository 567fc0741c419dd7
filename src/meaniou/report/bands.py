"""Boundary IoU in the forms of a report: its words, its columns beside those of IoU, and its notes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from meaniou._util import join_names, percent
from meaniou.report.notes import nouns_of, of_bands
from meaniou.report.records import NEARLY_ALL, BoundaryReport
from meaniou.settings import BandSettings, InputSettings, ThresholdSettings

if TYPE_CHECKING:
    from meaniou.report.report import Report


class Words(NamedTuple):
    """The names of a number in the report of a ``MeanBoundaryIoU``."""

    key: str  # in scalars; a logger may have the number of a ``MeanIoU`` under its usual name
    title: str


# By the fields of ``ClassReport`` and ``Report``. Ratios of bands must not be read as ratios of whole classes.
WORDS = {
    "iou": Words("boundary_iou", "boundary IoU"),
    "dice": Words("band_dice", "band Dice"),
    "precision": Words("band_precision", "band precision"),
    "recall": Words("band_recall", "band recall"),
    "truth": Words("band_truth", "ground-truth band px"),
    "predicted": Words("band_predicted", "predicted band px"),
    "mean_iou": Words("mean_boundary_iou", "mean boundary IoU"),
    "mean_dice": Words("mean_band_dice", "mean band Dice"),
    "mean_accuracy": Words("mean_band_recall", "mean band recall"),
    "pixel_accuracy": Words("overall_band_recall", "overall band recall"),
    "frequency_weighted_iou": Words("frequency_weighted_boundary_iou", "frequency-weighted boundary IoU"),
    "harmonic_mean": Words("harmonic_mean_boundary_iou", ""),
}


def overall_names(inputs: InputSettings | ThresholdSettings) -> tuple[str, str]:
    """The names of the pixel accuracy and of the mean IoU of a metric with these settings; for bands with the width."""
    if isinstance(inputs, BandSettings):
        width = ", ".join(map(_short, inputs.widths))
        return f"{WORDS['pixel_accuracy'].title} ({width})", f"{WORDS['mean_iou'].title} ({width})"
    return "pixel accuracy", "mean IoU"


class BandColumn(NamedTuple):
    """A column beside those of ``ClassReport``.

    Attributes:
        name: its name in scalars, with its width if there are several.
        csv: its name in CSV, always with its width, since no other cell has it.
        title: its title in tables.
        values: the ratio of each class.
        mean: the mean over classes; ``None`` for none.
    """

    name: str
    csv: str
    title: str
    values: tuple[float, ...]
    mean: float | None


def band_columns(report: "Report") -> list[BandColumn]:
    """The columns of each width: boundary IoU, unless the report has it as IoU, and the share in the band."""
    columns = []
    for boundary in report.boundaries:
        (key, title), width = _suffixes(report, boundary), _key(boundary.width)
        if not of_bands(report):
            values = tuple(c.iou for c in boundary.classes)
            names = f"boundary_iou{key}", f"boundary_iou_{width}", f"boundary IoU{title}"
            columns.append(BandColumn(*names, values, boundary.mean_iou))
        shares = tuple(c.share for c in boundary.classes)
        columns.append(BandColumn(f"in_band{key}", f"in_band_{width}", f"in band{title}", shares, None))
    return columns


def boundary_means(report: "Report") -> dict[str, tuple[str, float]]:
    """The title and the value of the mean boundary IoU at each width, by its key in scalars, beside mean IoU."""
    if of_bands(report):
        return {}
    keys = [(_suffixes(report, boundary), boundary.mean_iou) for boundary in report.boundaries]
    return {f"mean_boundary_iou{key}": (f"mean boundary IoU{title}", mean) for (key, title), mean in keys}


def band_headline(report: "Report") -> str:
    """The mean boundary IoU beside mean IoU at each width, as the end of a headline; empty for none."""
    if of_bands(report) or not report.boundaries:
        return ""
    means = [
        f"{'undefined' if math.isnan(of.mean_iou) else f'{percent(of.mean_iou)} %'} (width {_short(of.width)})"
        for of in report.boundaries
    ]
    return f"; mean boundary IoU {', '.join(means)}"


def band_notes(report: "Report") -> list[str]:
    """The widths of the bands, the rules that differ from the defaults, and the classes that lie in their bands.

    Empty for a report without boundary IoU.
    """
    if not report.boundaries:
        return []
    first = report.boundaries[0]
    widths = join_names(map(width_words, report.boundaries))
    words = [f"boundary IoU: {'width' if len(report.boundaries) == 1 else 'widths'} {widths}"]
    if not first.edge:
        words.append("the edge of the image is no contour")
    if first.void == "literal":
        words.append("void is a label with contours")
    notes = ["; ".join(words)]
    if names := _nearly_all(report.boundaries):
        notes.append(
            f"{100 * NEARLY_ALL:g} % or more of the ground truth lies in the band, so boundary IoU says little that "
            f"IoU does not: {join_names(names)}"
        )
    return notes


def band_extent(report: "Report", boundary: BoundaryReport) -> str:
    """How many classes the mean boundary IoU is over, such as ``over 8 of 9 classes``."""
    defined = sum(not math.isnan(boundary.classes[c].iou) for c in report.rules["classes"])
    return f"over {defined} of {len(boundary.classes)} {nouns_of(report).of(len(boundary.classes))}"


def width_words(boundary: BoundaryReport) -> str:
    """A width with its unit, and a share of the diagonal also in pixels."""
    if isinstance(boundary.width, int):
        return _short(boundary.width)
    pixels = "" if math.isnan(boundary.pixels) else f" ({f'{boundary.pixels:.1f}'.removesuffix('.0')} px on average)"
    return f"{boundary.width} of the diagonal{pixels}"


def _suffixes(report: "Report", boundary: BoundaryReport) -> tuple[str, str]:
    """The ends of the name and of the title of a column: the width, if there are several."""
    if len(report.boundaries) == 1:
        return "", ""
    return f"_{_key(boundary.width)}", f" {_short(boundary.width)}"


def _key(width: int | float) -> str:
    """A width as part of a name, such as ``3px`` or ``0.02``."""
    return _short(width).replace(" ", "")


def _short(width: int | float) -> str:
    """A width as text, such as ``3 px`` or ``0.02``."""
    return f"{width} px" if isinstance(width, int) else str(width)


def _nearly_all(boundaries: Sequence[BoundaryReport]) -> list[str]:
    """The classes that lie in their bands for 90 % or more; with several widths, each with the smallest such width."""
    if len(boundaries) == 1:
        return list(boundaries[0].nearly_all)
    widths: dict[str, str] = {}
    for boundary in sorted(boundaries, key=lambda boundary: boundary.pixels):
        for name in boundary.nearly_all:
            widths.setdefault(name, _short(boundary.width))
    return [f"{c.name} (from width {widths[c.name]})" for c in boundaries[0].classes if c.name in widths]
