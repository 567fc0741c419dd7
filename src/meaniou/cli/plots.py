"""The plots of a report, as PNG files."""

import io
import warnings
from collections.abc import Callable
from typing import Any

from meaniou.plot import boundary_curve, curve, figures
from meaniou.report import CurveReport, Report

PLOTS: dict[str, Callable[[Any], Any]] = {
    "confusion.png": figures.confusion,
    "classes.png": figures.classes,
    "curve.png": curve,
    "boundary.png": boundary_curve,
}


def plots(report: Report | CurveReport) -> dict[str, bytes]:
    """The plots of a report as PNG files: those for which it has the numbers."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    contents = {}
    for name in _names(report):
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks are drawn as boxes
            PLOTS[name](report)
            pyplot.savefig(file, format="png", dpi=150)
        pyplot.close()
        contents[name] = file.getvalue()
    return contents


def _names(report: Report | CurveReport) -> list[str]:
    """The plots for which a report has the numbers."""
    if isinstance(report, CurveReport):
        return ["curve.png"]
    matrix = ["confusion.png"] if report.confusions is not None else []
    return [*matrix, "classes.png", *(["boundary.png"] if len(report.boundaries) > 1 else [])]
