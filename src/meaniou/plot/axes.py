"""The matplotlib axes that plots are drawn on, and what all plots share."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from meaniou.plot import colors
from meaniou.plot.colors import css
from meaniou.scores import Bools, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 60  # characters of a name
SMALL = 9  # size of the text in bars, cells and legends, in points
FEW = 20  # points of a line, up to which each is marked
PAD = 0.12  # inches around a figure, which may be shown on a dark ground


def new_axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Returns ``ax``, or the axes of a new figure of this size in inches.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Plots need matplotlib; install the extra 'plot'.") from error
    figure, axes = pyplot.subplots(figsize=size)
    figure.set_layout_engine("constrained", w_pad=PAD, h_pad=PAD)
    return axes


def edge() -> list[Any]:
    """A light edge for a dark line, so that it is visible on a bar and beside it."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3.5, foreground="white")]


def cut_off(names: Iterable[str], longest: int = LONGEST) -> list[str]:
    """The names, with dots in place of the middle of long ones, which would leave no room for the axes."""
    return [name if len(name) <= longest else f"{name[: longest // 2]}...{name[3 - longest // 2 :]}" for name in names]


def draw_line(ax: "Axes", x: Floats, iou: Floats, label: str, **style: Any) -> None:
    """Draws a line of IoU in percent with gaps where it is undefined, and points if there are few."""
    points = np.flatnonzero(_has_point(iou)).tolist()
    ax.plot(x, 100 * iou, marker="." if points else None, markevery=points, label=label, **style)


def style_lines(ax: "Axes", x: str, y: str, title: str, legend_title: str) -> None:
    """Sets the axes of lines of IoU in percent, and the legend beside them."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_ylim(-2, 102)  # room for points at the ends
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=css(colors.UNDEFINED))
    ax.set_axisbelow(True)
    ax.set_title(title, fontsize=11)
    legend = ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=SMALL, frameon=False, alignment="left")
    legend.set_title(legend_title)
    legend.get_title().set_fontsize(SMALL)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _has_point(iou: Floats) -> Bools:
    """Whether a value has a point: each of few, and those between gaps, where there is no line."""
    gaps = np.isnan(np.concatenate([[math.nan], iou, [math.nan]]))
    return np.asarray(~gaps[1:-1] & ((len(iou) <= FEW) | (gaps[:-2] & gaps[2:])))
