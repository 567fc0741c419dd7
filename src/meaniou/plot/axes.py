"""The matplotlib axes that plots are drawn on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def new_axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """The axes ``ax``, or those of a new figure of this size in inches; raises ``ModuleNotFoundError``."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Plots need matplotlib; install the extra 'plot'.") from error
    _, axes = pyplot.subplots(figsize=size, layout="constrained")
    return axes
