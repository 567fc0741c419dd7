"""Boundary IoU in a report: the mean, the IoU of each class, and the share of the class that lies in its band."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from meaniou._util import EqualByValue
from meaniou.scores import Areas, Ints, class_iou, class_mean, ratio
from meaniou.settings import BandSettings, LabelSpace, Policy

NEARLY_ALL = 0.9  # share of the ground truth in the band from which boundary IoU says little that IoU does not


@dataclass(frozen=True, eq=False)
class BoundaryClass(EqualByValue):
    """The numbers of one class at one width.

    Attributes:
        name: name of the class.
        iou: boundary IoU, a ratio 0 .. 1; NaN where undefined.
        share: share of the ground-truth pixels of the class that lie in the band, 0 .. 1; near 1 boundary IoU is close
            to IoU. NaN for a class that is not in the ground truth.
    """

    name: str
    iou: float
    share: float


@dataclass(frozen=True, eq=False)
class BoundaryReport(EqualByValue):
    """Boundary IoU at one width.

    Attributes:
        width: the width: a share of the diagonal, or an int in pixels.
        pixels: the width in pixels, a mean over images; NaN without an image.
        edge: whether the edge of the image is a contour.
        void: ``"ignore"`` or ``"literal"``, as in ``MeanBoundaryIoU``.
        mean_iou: mean boundary IoU over classes, a ratio 0 .. 1; NaN where undefined.
        classes: a ``BoundaryClass`` for each class, in class order.
    """

    width: int | float
    pixels: float
    edge: bool
    void: str
    mean_iou: float
    classes: tuple[BoundaryClass, ...]

    @property
    def nearly_all(self) -> tuple[str, ...]:
        """The names of the classes of which 90 % or more of the ground truth lies in the band."""
        return tuple(c.name for c in self.classes if c.share >= NEARLY_ALL)


def boundary_reports(
    bands: Ints, frames: Ints, matrix: Ints, space: LabelSpace, policy: Policy, inputs: BandSettings
) -> tuple[BoundaryReport, ...]:
    """A report for each width.

    Args:
        bands: the pixels of each class in both bands and in each band, ``[W, 3, C]``.
        frames: the widths in pixels summed over images, and the number of images, ``[W, 2]``.
        matrix: the confusion matrix ``[C + 2, C + 2]``.
        space: the label space, with the names of the classes.
        policy: the rules of presence and of means.
        inputs: the settings with which bands were counted.
    """
    whole = Areas.of_counts(matrix, space, policy).truth
    reports = []
    for width, of_width, (pixels, images) in zip(inputs.widths, bands, frames.tolist(), strict=True):
        areas = Areas.of_bands(of_width, space)
        values, shares = class_iou(areas, policy), ratio(areas.truth, whole)
        mean = float(class_mean(values, policy))
        in_pixels = pixels / images if images else math.nan
        classes = _classes(space.class_names, values.tolist(), shares.tolist())
        reports.append(BoundaryReport(width, in_pixels, inputs.edge, inputs.void, mean, classes))
    return tuple(reports)


def _classes(names: Sequence[str], values: Sequence[float], shares: Sequence[float]) -> tuple[BoundaryClass, ...]:
    return tuple(BoundaryClass(*parts) for parts in zip(names, values, shares, strict=True))
