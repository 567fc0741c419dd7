"""The table of image scores, the lowest first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from meaniou._util import EqualByValue, Table, percent, tables
from meaniou.report.notes import CLASSES, LABELS
from meaniou.scores import Floats, ImageAreas, image_iou, image_means
from meaniou.settings import LabelSpace, Policy

WORST = 10  # images shown by default


@dataclass(frozen=True, eq=False)
class ImageTable(EqualByValue):
    """The scores of each image, sorted by mean IoU, the lowest first; images without a valid pixel come last.

    Attributes:
        ids: id of each image; for a name its 63-bit hash. If no image has an id, ids are 0, 1, ... in the order of
            counting, or all -1 with several ranks.
        images: name of each image, or its id where it has no name.
        mean_iou: mean over the classes in the image, a ratio 0 .. 1; NaN without a valid pixel.
        iou: IoU of each class in each image, float64 ``[N, C]``; NaN where undefined, such as an absent class.
        names: names of the classes, or of the labels of ``MultilabelMeanIoU``.
        nouns: what they are, ``("class", "classes")`` or ``("label", "labels")``.
        of_bands: whether IoU is boundary IoU, from a ``MeanBoundaryIoU``.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU
        >>> metric = MeanIoU(num_classes=2, per_image=True)
        >>> target = torch.tensor([[0, 1, 1], [1, 1, 1]])
        >>> metric.update(torch.tensor([[0, 1, 0], [1, 1, 1]]), target, image_ids=["a.png", "b.png"])
        >>> metric.image_scores().images
        ('a.png', 'b.png')
    """

    ids: tuple[int, ...]
    images: tuple[int | str, ...]
    mean_iou: tuple[float, ...]
    iou: Floats
    names: tuple[str, ...]
    nouns: tuple[str, str] = CLASSES
    of_bands: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def to_csv(self) -> str:
        """CSV text with the columns ``image``, ``mean_iou`` and one for each class: unrounded ratios, empty for NaN.

        Raises:
            ValueError: if a class has the name of another column.
        """
        rows = zip(self.images, self.mean_iou, self.iou.tolist(), strict=True)
        return tables.as_csv(
            ("image", *columns_of(self.names, self.nouns[0])), ([i, value, *iou] for i, value, iou in rows)
        )

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the same columns and ``image`` as index.

        Raises:
            ModuleNotFoundError: if pandas is not installed.
            ValueError: if a class has the name of another column.
        """
        import pandas

        columns = dict(zip(columns_of(self.names, self.nouns[0]), (self.mean_iou, *self.iou.T), strict=True))
        return pandas.DataFrame(columns, index=pandas.Index(self.images, name="image"))

    def __str__(self) -> str:
        """The ten images with the lowest mean IoU, in percent, and the lowest classes of each."""
        return self.to_text()

    def to_text(self, number: int = WORST) -> str:
        """A table of the ``number`` images with the lowest mean IoU, in percent, and the lowest classes of each."""
        rows = []
        for image, value, of_class in list(zip(self.images, self.mean_iou, self.iou, strict=True))[:number]:
            low = [c for c in np.argsort(of_class, kind="stable")[:3] if not math.isnan(of_class[c])]
            rows.append((str(image), ", ".join(f"{self.names[c]} {percent(of_class[c])}" for c in low), percent(value)))
        mean = "mean boundary IoU" if self.of_bands else "mIoU"
        return tables.text([Table(("image", f"worst {self.nouns[1]}", mean), tuple(rows), words=2)])


def columns_of(names: Sequence[str], noun: str = CLASSES.one) -> tuple[str, ...]:
    """The columns of the image table after ``image``; raises ``ValueError`` if a class is named like one of them."""
    if taken := [name for name in ("image", "mean_iou") if name in names]:
        raise ValueError(f"A {noun} is named {taken[0]!r}, which is a column of the image table; rename the {noun}.")
    return "mean_iou", *names


def image_table(images: ImageAreas, space: LabelSpace, policy: Policy, *, of_bands: bool = False) -> ImageTable:
    """The table of all images, ``of_bands`` for areas of bands."""
    nouns = CLASSES if images.areas.unset is None else LABELS
    iou = image_iou(images.areas, policy)
    means = image_means(iou, policy)
    order = np.argsort(means, kind="stable")
    ids = (images.ids if images.numbers is None else images.numbers)[order].tolist()
    names = tuple(images.names.get(i, i) for i in ids)
    return ImageTable(tuple(ids), names, tuple(means[order].tolist()), iou[order], space.class_names, nouns, of_bands)
