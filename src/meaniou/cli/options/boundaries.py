"""The options of boundary IoU, with ``--boundary``."""

from collections.abc import Callable
from typing import Any

import click

from meaniou.cli.options.definitions import options
from meaniou.cli.options.help import options_of
from meaniou.settings import CHOICES

BANDS = options_of("Boundaries")
BOUNDARY_IOU = "boundary IoU (the IoU of the bands inside the contours of each class)"
WIDTHS = (
    "A number with a point is a share of the diagonal of each image (0.02 is usual, 0.005 for Cityscapes); a whole "
    "number is in pixels."
)


def _boundary(purpose: str, number: str) -> Callable[[Any], Any]:
    """The options of boundary IoU; ``purpose`` begins the help of ``--boundary``, ``number`` ends it."""
    return options(
        BANDS(
            "--boundary",
            multiple=True,
            metavar="WIDTH",
            help=f"{purpose}, with bands of this width. {WIDTHS} {number}",
        ),
        BANDS(
            "--boundary-void",
            type=click.Choice(CHOICES["void"]),
            help="Void pixels neither make nor move a contour (ignore), or void is a label with contours whose pixels "
            "are not counted (literal).  [default: ignore]",
        ),
        BANDS("--no-boundary-edge", is_flag=True, help="Do not take the edge of the image as a contour."),
    )


BOUNDARY = _boundary(
    f"Also report the {BOUNDARY_IOU}",
    "Repeatable. Intervals, image scores and the list of the worst images stay those of the IoU.",
)
BOUNDARY_TEST = _boundary(
    f"Compare the {BOUNDARY_IOU} in place of the IoU",
    "With files of --save-boundary it selects one of their widths.",
)
