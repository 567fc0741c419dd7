"""The plot of IoU over thresholds, on matplotlib axes."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from meaniou._util import as_integer, quoted
from meaniou.plot import colors
from meaniou.plot.axes import cut_off, draw_line, edge, new_axes, style_lines
from meaniou.plot.colors import css
from meaniou.report import CurveReport, best_of, check_curve_report
from meaniou.scores import Floats, class_mean
from meaniou.settings import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READABLE = len(colors.LINES)  # lines that can be told apart
LONGEST = 32  # characters of a name in the legend


@dataclass(frozen=True)
class Curves:
    """The lines of a plot of IoU over thresholds.

    Attributes:
        names: name of each label.
        thresholds: the thresholds, ascending, ``[T]``.
        iou: IoU of each label at each threshold, ``[T, L]``, NaN where undefined.
        mean_iou: mean IoU over labels at each threshold, ``[T]``; ``None`` for no line of the mean.
    """

    names: tuple[str, ...]
    thresholds: Floats
    iou: Floats
    mean_iou: Floats | None

    @classmethod
    def of_value(cls, val: object, names: tuple[str, ...], number: int, policy: Policy) -> "Curves":
        """The lines of a value of ``IoUCurve.compute`` with this number of thresholds.

        The mean is drawn for ``average="macro"``; other means need the counts.

        Raises:
            TypeError, ValueError: if it is no such value.
        """
        expected = "expected one value of compute(), (iou, thresholds)"
        if not isinstance(val, tuple | list) or len(val) != 2 or not all(isinstance(part, Tensor) for part in val):
            raise TypeError(f"val is {quoted(val)}; {expected}.")
        shapes = [list(part.shape) for part in val]
        usual = [[len(names), number] if len(names) > 1 else [number], [number]]
        if shapes != usual:
            raise ValueError(
                f"val has the shapes {shapes[0]} and {shapes[1]}; {expected}, which have {usual[0]} and {usual[1]}."
            )
        iou, thresholds = (part.detach().cpu().double().numpy() for part in val)
        iou = iou.reshape(len(names), number).T
        return cls(names, thresholds, iou, class_mean(iou, policy) if policy.average == "macro" else None)

    @property
    def highest(self) -> list[tuple[float, float]]:
        """The threshold with the highest IoU and that IoU, of each label; NaN where no IoU is defined."""
        return [best_of(of_label, self.thresholds.tolist()) for of_label in self.iou.T]


def curve(report: CurveReport, ax: "Axes | None" = None, *, most: int = READABLE) -> "Axes":
    """Draws the IoU of each label over the thresholds, and returns the axes.

    A point marks the highest IoU of each label. With several labels a dark line is the mean IoU, and a dashed one the
    best threshold for all labels. A line has a gap where its IoU is undefined.

    Args:
        report: a report of an ``IoUCurve``.
        ax: the axes to draw on; those of a new figure by default.
        most: with more labels than this, only those whose highest IoU is the lowest are drawn, beside the mean.

    Raises:
        TypeError: if ``report`` is something else, such as the metric.
        ValueError: if ``most`` is below 1.
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> import torch
        >>> from meaniou import IoUCurve, plot
        >>> metric = IoUCurve(thresholds=[0.2, 0.5, 0.8], class_names=["crack"])
        >>> metric.update(torch.tensor([[0.1, 0.3, 0.6, 0.9]]), torch.tensor([[0, 0, 1, 1]]))
        >>> ax = plot.curve(metric.report())
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['crack: 100.0 at 0.5']
    """
    check_curve_report(report)
    return draw_curves(Curves(report.names, np.array(report.thresholds), report.iou, report.mean_iou), ax, most=most)


def draw_curves(curves: Curves, ax: "Axes | None" = None, *, most: int = READABLE) -> "Axes":
    """Draws the lines as ``curve`` does, and returns the axes; raises as ``curve``."""
    if as_integer("most", most) < 1:
        raise ValueError(f"most is {most}; expected 1 label or more.")
    highest = curves.highest
    shown, title = _shown(curves, highest, most)
    ax = new_axes(ax, (8.3, 4.6))
    for i, label in enumerate(shown):
        color = css(colors.LINES[i % READABLE])
        (name,) = cut_off([curves.names[label]], LONGEST)
        _draw_line(ax, curves.thresholds, curves.iou[:, label], name, highest[label], color=color, linewidth=1.6)
    if curves.mean_iou is not None and len(curves.names) > 1:
        _draw_mean(ax, curves.thresholds, curves.mean_iou)
    style_lines(ax, "threshold", "IoU in percent", title, "highest IoU, and its threshold")
    return ax


def _shown(curves: Curves, highest: list[tuple[float, float]], most: int) -> tuple[list[int], str]:
    """The labels that are drawn, and the title, which counts the others."""
    number = len(curves.names)
    if number <= most:
        return list(range(number)), "IoU at each threshold"
    defined = [label for label in range(number) if not math.isnan(highest[label][1])]
    lowest = sorted(defined, key=lambda label: highest[label][1])[:most]
    undefined = f", {number - len(defined)} undefined" if len(defined) < number else ""
    return sorted(lowest), f"IoU at each threshold (the {len(lowest)} lowest of {len(defined)} labels{undefined})"


def _draw_mean(ax: "Axes", thresholds: Floats, mean_iou: Floats) -> None:
    """Draws the mean over labels, and its best threshold as a dashed line."""
    best = best_of(mean_iou, thresholds.tolist())
    _draw_line(ax, thresholds, mean_iou, "mean", best, color=css(colors.INK), linewidth=2.2, zorder=1.8)
    if math.isfinite(best[0]):
        label = f"best common threshold: {best[0]:.4g}"
        ax.axvline(best[0], color=css(colors.INK), linestyle="--", linewidth=1, label=label, zorder=1.5)


def _draw_line(ax: "Axes", thresholds: Floats, iou: Floats, name: str, best: tuple[float, float], **style: Any) -> None:
    """Draws a line with gaps, and a point where it is highest."""
    threshold, highest = best
    label = f"{name}: undefined" if math.isnan(highest) else f"{name}: {100 * highest:.1f} at {threshold:.4g}"
    draw_line(ax, thresholds, iou, label, **style)
    ax.plot([threshold], [100 * highest], marker="o", color=style["color"], path_effects=edge(), zorder=3)
