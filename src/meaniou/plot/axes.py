"""The matplotlib axes that plots are drawn on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
