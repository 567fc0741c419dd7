"""The table of images: the scores of each, the worst first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from meaniou._util import EqualByValue, Table, percent, tables
from meaniou.scores import Floats, ImageAreas, image_iou, image_means
from meaniou.settings import LabelSpace, Policy

WORST = 10  # images that are shown by default


@dataclass(frozen=True, eq=False)
class ImageTable(EqualByValue):
    """Scores of each image, the worst first, those without a valid pixel last.

    Attributes:
        ids: of each image; without any ids, numbers in the order of counting in one process, and -1 in several.
        images: their names, or the id where there is none.
        mean_iou: mean over classes in each image, a ratio 0 .. 1; NaN without a valid pixel.
        iou: of each class in each image, ``[N, C]``; NaN for a class that is not there.
        names: of the classes.
    """

    ids: tuple[int, ...]
    images: tuple[int | str, ...]
    mean_iou: tuple[float, ...]
    iou: Floats
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def to_csv(self) -> str:
        """Text: a row for each image, in full fractions, empty where none is defined.

        Raises:
            ValueError: if a class has the name of another column.
        """
        rows = zip(self.images, self.mean_iou, self.iou.tolist(), strict=True)
        return tables.as_csv(("image", *columns_of(self.names)), ([i, value, *iou] for i, value, iou in rows))

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the same columns, and the images as its index; pandas has to be there.

        Raises:
            ValueError: if a class has the name of another column.
        """
        import pandas

        columns = dict(zip(columns_of(self.names), (self.mean_iou, *self.iou.T), strict=True))
        return pandas.DataFrame(columns, index=pandas.Index(self.images, name="image"))

    def __str__(self) -> str:
        """The ten worst in percent, and the classes that are worst in each."""
        return self.to_text()

    def to_text(self, number: int = WORST) -> str:
        """The same for the ``number`` worst images."""
        rows = []
        for image, value, of_class in list(zip(self.images, self.mean_iou, self.iou, strict=True))[:number]:
            low = [c for c in np.argsort(of_class, kind="stable")[:3] if not math.isnan(of_class[c])]
            rows.append((str(image), ", ".join(f"{self.names[c]} {percent(of_class[c])}" for c in low), percent(value)))
        return tables.text([Table(("image", "worst classes", "mIoU"), tuple(rows), words=2)])


def columns_of(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of a table of images after ``image``; raises ``ValueError`` if a class is named like a column."""
    if taken := [name for name in ("image", "mean_iou") if name in names]:
        raise ValueError(
            f"A class is named {taken[0]!r}, like a column of the table of images; expected another name, so rename "
            "the class."
        )
    return "mean_iou", *names


def image_table(images: ImageAreas, space: LabelSpace, policy: Policy) -> ImageTable:
    """The table of all images."""
    iou = image_iou(images.areas, policy)
    means = image_means(iou, policy)
    order = np.argsort(means, kind="stable")
    ids = (images.ids if images.numbers is None else images.numbers)[order].tolist()
    names = tuple(images.names.get(i, i) for i in ids)
    return ImageTable(tuple(ids), names, tuple(means[order].tolist()), iou[order], space.class_names)
