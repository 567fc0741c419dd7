"""The matplotlib axes that plots are drawn on, and what all plots share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 60  # characters of a name
SMALL = 9  # size of the text in bars, cells and legends, in points
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
