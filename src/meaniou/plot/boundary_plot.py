"""The plot of boundary IoU over widths of the band, on matplotlib axes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from meaniou._util import as_integer, kind_of
from meaniou.plot import colors
from meaniou.plot.axes import cut_off, draw_line, new_axes, style_lines
from meaniou.plot.colors import css
from meaniou.report import BoundaryReport, Report, of_bands
from meaniou.scores import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READABLE = len(colors.LINES)  # lines that can be told apart
LONGEST = 32  # characters of a name in the legend
SPREAD = 8  # ratio of the largest to the smallest width from which the horizontal axis is logarithmic
ROOM = 0.09  # share of the axis that a number below it needs


def boundary_curve(
    report: Report | Sequence[BoundaryReport], ax: "Axes | None" = None, *, most: int = READABLE
) -> "Axes":
    """Draws the boundary IoU of each class over the width of the band, and returns the axes.

    With several classes a dark line is the mean. The wider the band, the closer boundary IoU is to IoU; for the report
    of a ``MeanIoU`` a dashed line is its mean IoU. Shares of the diagonal and pixels are drawn as they are; where there
    are both, shares are drawn at their mean width in pixels. Widths that differ much are on a logarithmic axis. A line
    has a gap where its IoU is undefined.

    Args:
        report: a report with ``boundaries``, or these alone.
        ax: the axes to draw on; those of a new figure by default.
        most: with more classes than this, only those with the lowest IoU at the largest width are drawn, beside the
            mean.

    Raises:
        TypeError: if ``report`` is something else, such as the metric.
        ValueError: if the report has no boundary IoU, or ``most`` is below 1.
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> import torch
        >>> from meaniou import MeanBoundaryIoU, MeanIoU, plot
        >>> target = torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]]).expand(1, 8, 8)
        >>> iou, bands = MeanIoU(2), MeanBoundaryIoU(2, width=[1, 2], edge=False)
        >>> for metric in (iou, bands):
        ...     metric.update(target.roll(1, dims=2), target)
        >>> ax = plot.boundary_curve(iou.report(boundary=bands))
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['0: 0.0 to 50.0', '1: 0.0 to 25.0', 'mean: 0.0 to 37.5', 'mean IoU: 60.0']
    """
    if as_integer("most", most) < 1:
        raise ValueError(f"most is {most}; expected 1 class or more.")
    boundaries, x, axis = _over_widths(_boundaries(report))
    iou: Floats = np.array([[c.iou for c in boundary.classes] for boundary in boundaries])
    names = [c.name for c in boundaries[0].classes]
    shown, title = _shown(iou, most)
    ax = new_axes(ax, (8.3, 4.6))
    for i, c in enumerate(shown):
        (name,) = cut_off([names[c]], LONGEST)
        color = css(colors.LINES[i % READABLE])
        draw_line(ax, x, iou[:, c], f"{name}: {_ends(iou[:, c])}", color=color, linewidth=1.6)
    if len(names) > 1:
        mean: Floats = np.array([boundary.mean_iou for boundary in boundaries])
        draw_line(ax, x, mean, f"mean: {_ends(mean)}", color=css(colors.INK), linewidth=2.2, zorder=1.8)
    if isinstance(report, Report) and not of_bands(report) and not math.isnan(report.mean_iou):
        label = f"mean IoU: {100 * report.mean_iou:.1f}"
        ax.axhline(100 * report.mean_iou, color=css(colors.INK), linestyle="--", linewidth=1, label=label, zorder=1.5)
    style_lines(ax, axis, "boundary IoU in percent", title, "smallest to largest width" if len(x) > 1 else "")
    if x[-1] >= SPREAD * x[0]:
        _spread(ax, x)
    return ax


def _spread(ax: "Axes", x: Floats) -> None:
    """Makes the horizontal axis logarithmic, with widths as its numbers, as many as can be read."""
    apart = (x[-1] / x[0]) ** ROOM
    shown = [float(x[-1])]
    for value in x[-2::-1].tolist():
        if shown[-1] >= apart * value:
            shown.append(value)
    ax.set_xscale("log")
    ax.set_xticks(shown, [f"{value:.3g}" for value in shown])
    ax.set_xticks([], minor=True)


def _boundaries(report: object) -> Sequence[BoundaryReport]:
    if isinstance(report, Report):
        if not report.boundaries:
            raise ValueError("The report has no boundary IoU. Pass that of a MeanIoU.report(boundary=...).")
        return report.boundaries
    if isinstance(report, Sequence) and report and all(isinstance(part, BoundaryReport) for part in report):
        return report
    raise TypeError(
        f"report is {kind_of(report)}; expected a Report with boundaries. Pass metric.report(boundary=...)."
    )


def _over_widths(boundaries: Sequence[BoundaryReport]) -> tuple[Sequence[BoundaryReport], Floats, str]:
    """The reports from the smallest width to the largest, their places on the horizontal axis, and its label."""
    in_pixels = [isinstance(boundary.width, int) for boundary in boundaries]
    label = "width of the band in pixels" if all(in_pixels) else "width of the band, a share of the diagonal"
    places = [float(boundary.width) for boundary in boundaries]
    if any(in_pixels) and not all(in_pixels):
        label = "width of the band in pixels, mean over images"
        places = [boundary.pixels for boundary in boundaries]
    order = np.argsort(places, kind="stable").tolist()
    return [boundaries[i] for i in order], np.array(places)[order], label


def _shown(iou: Floats, most: int) -> tuple[list[int], str]:
    """The classes that are drawn, and the title, which counts the others."""
    number, title = iou.shape[1], "boundary IoU at each width"
    if number <= most:
        return list(range(number)), title
    defined = [c for c in range(number) if not math.isnan(iou[-1, c])]
    lowest = sorted(defined, key=lambda c: float(iou[-1, c]))[:most]
    undefined = f", {number - len(defined)} undefined" if len(defined) < number else ""
    return sorted(lowest), f"{title} (the {len(lowest)} lowest of {len(defined)} classes{undefined})"


def _ends(iou: Floats) -> str:
    """The IoU at the smallest and at the largest width, in percent."""
    if np.isnan(iou).all():
        return "undefined"
    ends = ["undefined" if math.isnan(value) else f"{100 * value:.1f}" for value in (iou[0], iou[-1])]
    return " to ".join(ends[: len(iou)])
