"""Rows of images -> what a report says of them: means in two orders, the worst images, and how sure the numbers are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from meaniou._util import EqualByValue
from meaniou.scores import Rows, mean_iou, table_of
from meaniou.settings import LabelSpace, Policy
from meaniou.uncertainty import CONFIDENCE, RESAMPLES, Interval, bootstrap

WORST = 10


@dataclass(frozen=True, eq=False)
class ImagesReport(EqualByValue):
    """What the rows of images hold.

    Attributes:
        number: how many images, and ``skipped`` of these have no valid pixel.
        mean_over_images: mean over classes in each image, then over images (``over="image"``).
        mean_over_classes: mean over the images of each class, then over classes (``over="class"``).
        worst: id and mean IoU of the images with the lowest ones; the id is that of ``images``, or a name where there
            is one.
    """

    number: int
    skipped: int
    mean_over_images: float
    mean_over_classes: float
    worst: tuple[tuple[int | str, float], ...]

    @classmethod
    def of(cls, rows: Rows, space: LabelSpace, policy: Policy) -> "ImagesReport":
        """From rows under a policy."""
        table = table_of(rows, space, policy)
        orders = [replace(policy, average="macro", over=over, worst_percent=()) for over in ("image", "class")]
        over_images, over_classes = (float(mean_iou(rows, order)) for order in orders)
        worst = tuple(zip(table.images[:WORST], table.mean_iou[:WORST], strict=True))
        return cls(len(table), int((~rows.valid).sum()), over_images, over_classes, worst)


@dataclass(frozen=True, eq=False)
class Intervals(EqualByValue):
    """Bootstrap percentile intervals of the numbers of the same names in a report."""

    mean_iou: Interval
    pixel_accuracy: Interval
    classes: tuple[Interval, ...]

    @classmethod
    def of(cls, rows: Rows, policy: Policy, settings: Mapping[str, Any]) -> "Intervals":
        """Of the numbers over the dataset; settings are those of ``MeanIoU.bootstrap`` but ``of``."""
        rules = replace(policy, average="macro", over="dataset", worst_percent=())
        known = {"confidence": CONFIDENCE, "resamples": RESAMPLES, "seed": 0, "clusters": None}
        if unknown := [name for name in settings if name not in known]:
            raise TypeError(f"bootstrap holds {unknown[0]!r}; expected some of {', '.join(known)}.")
        mean, accuracy, of_class = (
            bootstrap(rows, rules, of, **{**known, **settings}) for of in ("mean", "accuracy", "class")
        )
        assert isinstance(mean, Interval)
        assert isinstance(accuracy, Interval)
        assert isinstance(of_class, list)
        return cls(mean, accuracy, tuple(of_class))
