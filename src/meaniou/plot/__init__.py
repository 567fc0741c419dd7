"""Plots of reports, and of the errors in one image, on matplotlib axes."""

from meaniou.plot.boundary_plot import boundary_curve
from meaniou.plot.curve_plot import Curves, curve, draw_curves
from meaniou.plot.error_plot import boundary_errors, errors
from meaniou.plot.figures import classes, confusion
from meaniou.plot.pictures import Classes, Light, captions, grey, overlays

__all__ = [
    "Classes",
    "Curves",
    "Light",
    "boundary_curve",
    "boundary_errors",
    "captions",
    "classes",
    "confusion",
    "curve",
    "draw_curves",
    "errors",
    "grey",
    "overlays",
]
