"""The parts of a report as frozen records, with the function and the column of each number of a class."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from numpy.typing import NDArray

from meaniou._util import EqualByValue
from meaniou.scores import Areas, dice, iou, precision, recall
from meaniou.uncertainty import Interval

NO_CLASS = ("(void prediction)", "(outside)")  # names of predictions that are no class


@dataclass(frozen=True)
class Column:
    """How a field of ``ClassReport`` is computed and shown; a new ratio needs only a new field.

    Every field is in ``to_dict`` and is a column of the CSV.

    Attributes:
        values: the function from areas to values ``[C]``.
        title: title of the column in tables and on the page; empty for no column.
        mean: the field of ``Report`` that holds the mean over classes; empty for none.
        by_presence: whether ``present`` and ``absent`` define the value of a class that is not present.
    """

    values: Callable[[Areas], NDArray[Any]]
    title: str = ""
    mean: str = ""
    by_presence: bool = False

    @property
    def entry(self) -> dict[str, "Column"]:
        """The metadata of the field."""
        return {"column": self}


@dataclass(frozen=True, eq=False)
class ClassReport(EqualByValue):
    """The numbers of one class, or of one label of several that overlap.

    Attributes:
        name: name of the class or label.
        iou: intersection over union, a ratio 0 .. 1 as the next three; NaN where undefined.
        dice: Dice coefficient (F1).
        precision: share of the predicted pixels that are right; NaN for a class that is never predicted.
        recall: share of the ground-truth pixels that are right; NaN for a class that is not in the ground truth.
        truth: valid pixels of the class in the ground truth.
        predicted: valid pixels predicted as the class.
        intersection: pixels of the class in both.
    """

    name: str
    iou: float = field(metadata=Column(iou, "IoU", "mean_iou", by_presence=True).entry)
    dice: float = field(metadata=Column(dice, "Dice", "mean_dice", by_presence=True).entry)
    precision: float = field(metadata=Column(precision, "precision").entry)
    recall: float = field(metadata=Column(recall, "recall", "mean_accuracy").entry)
    truth: int = field(metadata=Column(lambda areas: areas.truth, "ground-truth px").entry)
    predicted: int = field(metadata=Column(lambda areas: areas.predicted, "predicted px").entry)
    intersection: int = field(metadata=Column(lambda areas: areas.intersection).entry)


COLUMNS: dict[str, Column] = {part.name: part.metadata["column"] for part in fields(ClassReport) if part.metadata}


@dataclass(frozen=True, eq=False)
class GroupReport(EqualByValue):
    """The numbers of a group of classes or labels.

    Attributes:
        name: name of the group.
        classes: names of its classes.
        mean_iou: mean IoU of its classes, a ratio 0 .. 1; NaN where undefined.
        merged_iou: IoU of the group as a single class, so that confusions inside it count as right; NaN for
            labels that overlap.
    """

    name: str
    classes: tuple[str, ...]
    mean_iou: float
    merged_iou: float


@dataclass(frozen=True, eq=False)
class Confusion(EqualByValue):
    """Pixels of one class that were predicted as another class, or as no class.

    Attributes:
        truth: class name in the ground truth.
        predicted: class name in the prediction; ``"(void prediction)"`` or ``"(outside)"`` for no class.
        pixels: number of pixels.
        share: their share of the ground-truth pixels of the class, 0 .. 1.
        iou_cost: gain in IoU of the true class if these pixels were right, 0 .. 1.
    """

    truth: str
    predicted: str
    pixels: int
    share: float
    iou_cost: float


@dataclass(frozen=True, eq=False)
class ImagesReport(EqualByValue):
    """The numbers over images.

    Attributes:
        number: number of images.
        skipped: number of images without a valid pixel, which are in no mean.
        mean_over_images: mean IoU over classes in each image, then over images, as ``over="image"``.
        mean_over_classes: mean IoU over the images of each class, then over classes, as ``over="class"``.
        worst: name (or id) and mean IoU of the ten images with the lowest mean IoU, the lowest first.
    """

    number: int
    skipped: int
    mean_over_images: float
    mean_over_classes: float
    worst: tuple[tuple[int | str, float], ...]


@dataclass(frozen=True, eq=False)
class Intervals(EqualByValue):
    """Bootstrap confidence intervals of numbers of a report: mean IoU, pixel accuracy, and the IoU of each class."""

    mean_iou: Interval
    pixel_accuracy: Interval
    classes: tuple[Interval, ...]
