"""The parts of a report as frozen records, and where each ratio of a class comes from and is shown."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from numpy.typing import NDArray

from meaniou._util import EqualByValue
from meaniou.scores import Areas, dice, iou, precision, recall
from meaniou.uncertainty import Interval

NO_CLASS = ("(void prediction)", "(outside)")  # predictions that are no class, as a report names them


@dataclass(frozen=True)
class Column:
    """The function and the places of a field of ``ClassReport``; a new ratio is entered here alone.

    Every field is in ``to_dict`` and a column of CSV.

    Attributes:
        values: the function from areas to ``[C]``.
        title: of the column in tables and on the page; empty for none.
        mean: the field of ``Report`` that has the mean over classes; empty for none.
        by_presence: whether ``present`` and ``absent`` settle the value of a class that is not present.
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
    """The numbers of one class: ratios 0 .. 1 (NaN where undefined) and valid pixels."""

    name: str
    iou: float = field(metadata=Column(iou, "IoU", "mean_iou", by_presence=True).entry)
    dice: float = field(metadata=Column(dice, "Dice", "mean_dice", by_presence=True).entry)
    precision: float = field(metadata=Column(precision, "precision").entry)
    recall: float = field(metadata=Column(recall, "recall", "mean_accuracy").entry)
    truth: int = field(metadata=Column(lambda areas: areas.truth, "truth px").entry)
    predicted: int = field(metadata=Column(lambda areas: areas.predicted, "predicted px").entry)
    intersection: int = field(metadata=Column(lambda areas: areas.intersection).entry)


COLUMNS: dict[str, Column] = {part.name: part.metadata["column"] for part in fields(ClassReport) if part.metadata}


@dataclass(frozen=True, eq=False)
class GroupReport(EqualByValue):
    """A group of classes: the mean IoU of its classes, and the IoU of the group taken as one class."""

    name: str
    classes: tuple[str, ...]
    mean_iou: float
    merged_iou: float


@dataclass(frozen=True, eq=False)
class Confusion(EqualByValue):
    """Pixels of one class that were taken for another, or for none.

    Attributes:
        truth, predicted: names; ``"(void prediction)"`` and ``"(outside)"`` are predictions that are no class.
        pixels: how many.
        share: of the pixels of the true class, 0 .. 1.
        iou_cost: what the IoU of the true class would gain if these pixels were right, 0 .. 1.
    """

    truth: str
    predicted: str
    pixels: int
    share: float
    iou_cost: float


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


@dataclass(frozen=True, eq=False)
class Intervals(EqualByValue):
    """Bootstrap percentile intervals of the numbers of the same names in a report."""

    mean_iou: Interval
    pixel_accuracy: Interval
    classes: tuple[Interval, ...]
