"""Plots of a report on matplotlib axes: the confusion matrix, and the IoU of each class."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from meaniou._util import as_integer
from meaniou.plot import colors, matrix_view
from meaniou.plot.axes import SMALL, cut_off, edge, new_axes
from meaniou.plot.colors import css
from meaniou.plot.matrix_view import READABLE, MatrixView, Normalize
from meaniou.report import Intervals, Report, check_report, class_notes, extent, measure_of, nouns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERS = 20  # columns up to which the numbers in the cells can be read
OF = {"truth": "percent of the ground truth", "prediction": "percent of the prediction", None: "pixels"}


def confusion(
    report: Report, ax: "Axes | None" = None, *, normalize: Normalize | None = "truth", most: int = READABLE
) -> "Axes":
    """Draws the confusion matrix, ground truth in rows and prediction in columns, and returns the axes.

    Args:
        report: a report of a metric with a confusion matrix, such as ``MeanIoU``.
        ax: the axes to draw on; those of a new figure by default.
        normalize: ``"truth"`` for shares of each row (the diagonal is the recall), ``"prediction"`` for shares of each
            column (the diagonal is the precision), or ``None`` for pixels. The colour grows with the square root of the
            share, so that small confusions stay visible.
        most: with more classes than this, only those with the lowest IoU have a row.

    Raises:
        TypeError: if ``report`` is something else, such as the metric.
        ValueError: if a setting is unknown or out of range, or the report has no confusion matrix, as of labels that
            overlap.
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU, plot
        >>> metric = MeanIoU(2, class_names=["road", "car"])
        >>> metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
        >>> ax = plot.confusion(metric.report())
        >>> [text.get_text() for text in ax.texts]  # half of the road is predicted as car
        ['50', '50', '100']
    """
    check_report(report)
    view = matrix_view.select_classes(report, normalize, most)
    rows, columns = view.values.shape
    below, beside = cut_off(view.columns), cut_off(view.rows)
    upright = columns > 5 or max(map(len, below)) > 12
    height = 1.3 + 0.08 * max(map(len, below)) * upright + max(2.0, 0.38 * rows)
    ax = new_axes(ax, (min(15.0, 2.2 + 0.08 * max(map(len, beside)) + max(2.5, 0.42 * columns)), min(14.0, height)))
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    top = 1.0 if normalize else max(1.0, float(view.values.max()))
    ends = [css(colors.EMPTY), css(colors.RIGHT)]
    shades = LinearSegmentedColormap.from_list("right", ends).with_extremes(bad=css(colors.UNDEFINED))
    image = ax.imshow(view.values, cmap=shades, norm=PowerNorm(0.5, vmin=0, vmax=top), aspect="auto")
    ax.set_xticks(range(columns), below, rotation=90 if upright else 0, parse_math=False)
    ax.set_yticks(range(rows), beside, parse_math=False)
    ax.tick_params(labelsize=10 if columns <= NUMBERS else 8, length=0)
    ax.set_xticks(np.arange(columns) + 0.5, minor=True)
    ax.set_yticks(np.arange(rows) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    if view.title:
        ax.axvline(rows - 0.5, color=css(colors.INK), linewidth=0.8)
    if columns <= NUMBERS:
        _write_numbers(ax, view, normalize, top)
    ax.set_xlabel("prediction")
    ax.set_ylabel("ground truth")
    ax.set_title("\n".join(filter(None, (f"Confusion matrix, {OF[normalize]}", view.title))), fontsize=11)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.02)
    bar.outline.set_visible(False)
    if normalize:
        bar.set_ticks(colors.SCALE, labels=[f"{100 * share:g} %" for share in colors.SCALE])
    return ax


def classes(report: Report, ax: "Axes | None" = None, *, most: int = 40) -> "Axes":
    """Draws the IoU of each class or label as a bar, the highest first, and returns the axes.

    Intervals are drawn if the report has them. A note beside the bar marks an absent class (neither in the ground truth
    nor in the prediction) and a class that is only predicted, whose IoU is 0.

    Args:
        report: a report of a metric; that of ``metric.report(bootstrap=True)`` has intervals.
        ax: the axes to draw on; those of a new figure by default.
        most: with more classes than this, only those with the lowest IoU are drawn.

    Raises:
        TypeError: if ``report`` is something else, such as the metric.
        ValueError: if ``most`` is below 1.
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU, plot
        >>> metric = MeanIoU(4, class_names=["road", "car", "bicycle", "train"])
        >>> metric.update(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 1]))
        >>> ax = plot.classes(metric.report())
        >>> [text.get_text() for text in ax.texts]
        ['50.0', '33.3', '0.0 only predicted', 'absent']
    """
    check_report(report)
    nouns = nouns_of(report)
    if as_integer("most", most) < 1:
        raise ValueError(f"most is {most}; expected 1 {nouns.one} or more.")
    defined = [c for c in range(len(report.classes)) if not math.isnan(report.classes[c].iou)]
    undefined = [c for c in range(len(report.classes)) if math.isnan(report.classes[c].iou)]
    bars = sorted(defined, key=lambda c: -report.classes[c].iou)[-most:]
    rows = [*bars, *undefined] if len(defined) + len(undefined) <= most else bars
    ax = new_axes(ax, (8.3, min(14.0, 1.6 + 0.3 * max(4, len(rows)))))
    ax.barh(range(len(bars)), [100 * report.classes[c].iou for c in bars], color=css(colors.RIGHT), height=0.72)
    ends = [report.classes[c].iou for c in bars] + [0.0] * (len(rows) - len(bars))
    if report.intervals:
        _draw_intervals(ax, report.intervals, bars)
        highs = (report.intervals.classes[c].high for c in bars)
        ends[: len(bars)] = [max(end, high) for end, high in zip(ends, highs, strict=False)]
    notes = class_notes(report)
    for i, (c, end) in enumerate(zip(rows, ends, strict=True)):
        number = f"{100 * report.classes[c].iou:.1f}" if i < len(bars) else ""
        ax.text(100 * end + 1, i, " ".join(filter(None, (number, notes[c]))), va="center", fontsize=SMALL)
    if not math.isnan(report.mean_iou):
        label = f"mean {measure_of(report)} {100 * report.mean_iou:.2f} {extent(report)}"
        ax.axvline(100 * report.mean_iou, color=css(colors.INK), linestyle="--", path_effects=edge(), label=label)
        ax.legend(loc="lower right", fontsize=SMALL)
    _style_classes(ax, [report.classes[c].name for c in rows], measure_of(report))
    parts = [f"the {len(bars)} lowest of {len(defined)} {nouns.many}"] if len(bars) < len(defined) else []
    parts += [f"{len(undefined)} undefined"] if len(rows) == len(bars) and undefined else []
    ax.set_title(f"{measure_of(report)} of each {nouns.one}" + (f" ({', '.join(parts)})" if parts else ""), fontsize=11)
    return ax


def _write_numbers(ax: "Axes", view: MatrixView, normalize: Normalize | None, top: float) -> None:
    """Writes a number into each cell with pixels, and words into rows and columns without any."""
    rows, columns = view.values.shape
    size = SMALL if columns <= NUMBERS // 2 else SMALL - 1
    for (i, j), value in np.ndenumerate(view.values):
        if value > 0:
            light = colors.strength(value / top) >= colors.FULL_INK
            text = matrix_view.percent(value) if normalize else _short(int(value))
            ax.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if light else "black")
    words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size, "color": css(colors.SOFT)}
    words["bbox"] = {"facecolor": css(colors.UNDEFINED), "edgecolor": "none", "pad": 1}  # hides the grid
    if normalize == "truth":
        for i in view.undefined_rows:
            ax.text((columns - 1) / 2, i, "not in the ground truth", **words)
    if normalize == "prediction":
        for j in view.undefined_columns:
            ax.text(j, (rows - 1) / 2, "never predicted", rotation=90, **words)


def _draw_intervals(ax: "Axes", intervals: Intervals, order: list[int]) -> None:
    """Draws the interval of each bar as a line, and that of the mean as a band."""
    label: str | None = f"{100 * intervals.mean_iou.confidence:g} % interval"
    for i, c in enumerate(order):
        interval = intervals.classes[c]
        if not math.isnan(interval.low):
            ends = [100 * interval.low, 100 * interval.high]
            ax.plot(ends, [i, i], color=css(colors.INK), marker="|", path_effects=edge(), label=label)
            label = None
    mean = intervals.mean_iou
    if not math.isnan(mean.low):
        ax.axvspan(100 * mean.low, 100 * mean.high, color=css(colors.SOFT), alpha=0.2, linewidth=0, zorder=0)


def _style_classes(ax: "Axes", names: list[str], measure: str) -> None:
    ax.set_yticks(range(len(names)), cut_off(names), parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 108)  # room for the number of a bar that fills the width
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel(f"{measure} in percent")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", color=css(colors.UNDEFINED))
    ax.set_axisbelow(True)


def _short(number: int) -> str:
    """A number of at most three digits with a letter for its size, such as ``1.23M``."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)
