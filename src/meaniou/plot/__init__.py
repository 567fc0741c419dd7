"""A report, or label maps, drawn on matplotlib axes."""

from meaniou.plot.figures import classes, confusion, errors
from meaniou.plot.overlays import (
    Classes,
    Light,
    grey,
)

__all__ = [
    "Classes",
    "Light",
    "classes",
    "confusion",
    "errors",
    "grey",
]
