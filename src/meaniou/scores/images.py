"""Rows of images -> scores of each image, and their means in two orders (Wang et al., NeurIPS 2023, arXiv 2310.19252).

A row holds, for each class, the pixels in both maps, in the truth and in the prediction, on valid pixels, and those
without an answer. All of this is on the CPU, in NumPy; ratios are float64.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou._util import EqualByValue, Table, percent, tables, visible
from meaniou.settings import LabelSpace, Policy

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ABSENT = {"skip": np.nan, "nan": np.nan, "zero": 0.0, "one": 1.0}


@dataclass(frozen=True)
class Rows:
    """Pixels per image and class under a policy, int64 ``[N, C]`` each, of images in the order of their ids.

    Images without an id come first, in the order of their numbers, so that the order is the same for any number of
    ranks.
    """

    ids: Ints  # [N], -1 where none was given
    intersection: Ints
    truth: Ints
    predicted: Ints
    ignored: NDArray[np.bool_]  # [C]
    names: Mapping[int, str]  # of images, by their ids; not every one need have one
    numbers: Ints | None = None  # [N], in the order of counting, where no image has an id

    @property
    def union(self) -> Ints:
        """Pixels in either map."""
        return self.truth + self.predicted - self.intersection

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether an image has a valid pixel, ``[N]``."""
        found: NDArray[np.bool_] = self.truth.sum(1) > 0
        return found


def rows_of(
    rows: Tensor,
    ids: Tensor,
    space: LabelSpace,
    policy: Policy,
    names: Mapping[int, str] | None = None,
    ordered: bool = False,
) -> Rows:
    """Rows ``[N, 4, C]`` and ids ``[N]`` under a policy, in an order that does not depend on that of the batches.

    ``ordered`` says that they come in the order of counting, by which images are numbered if none has an id.
    """
    found, numbers = rows.cpu().numpy(), ids.cpu().numpy()
    flat = found.reshape(len(found), 4 * space.num_classes)
    named = np.flatnonzero(numbers >= 0)
    unnamed = np.flatnonzero(numbers < 0)
    if len(unnamed) > 1:
        unnamed = unnamed[np.lexsort(flat[unnamed].T[::-1])]
    # An id that was counted twice may have two rows.
    named = named[np.lexsort((*flat[named].T[::-1], numbers[named]))] if len(named) > 1 else named
    order = np.concatenate([unnamed, named])
    intersection, truth, predicted, void_preds = (found[order, part] for part in range(4))
    if policy.void_preds == "drop":
        truth = truth - void_preds
    ignored = np.zeros(space.num_classes, bool)
    ignored[list(space.ignored_classes)] = True
    counted = order if ordered and not len(named) else None
    return Rows(numbers[order], intersection, truth, predicted, ignored, names or {}, counted)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """``part / whole`` in float64, NaN where ``whole`` is 0."""
    with np.errstate(invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def present(rows: Rows, policy: Policy) -> NDArray[np.bool_]:
    """Whether a class is there in an image, ``[N, C]``: in truth or prediction, or in the truth alone."""
    there: NDArray[np.bool_] = (rows.union if policy.present == "union" else rows.truth) > 0
    return there


def image_iou(rows: Rows, policy: Policy) -> Floats:
    """IoU of each class in each image, ``[N, C]``; by ``absent`` where it is not present, NaN without a valid pixel."""
    iou = np.where(present(rows, policy), ratio(rows.intersection, rows.union), ABSENT[policy.absent])
    iou[~rows.valid] = np.nan
    iou[:, rows.ignored] = np.nan
    return iou


def image_means(rows: Rows, policy: Policy) -> Floats:
    """Mean over the policy's classes that are defined in each image, ``[N]``; NaN where none is."""
    return mean(image_iou(rows, policy)[:, list(policy.classes)], 1)


def mean(values: Floats, axis: int) -> Floats:
    """Mean along an axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis), known.sum(axis))


def mean_iou(rows: Rows, policy: Policy) -> Floats:
    """What ``over="image"`` or ``"class"`` gives: 0-d, or ``[C]`` with ``average="none"``; NaN where undefined.

    A class that is active in no image is left out of the mean over classes, or makes it NaN with ``absent="nan"``.
    """
    if policy.over == "image":
        return np.asarray(_worst_mean(image_means(rows, policy), policy.worst_percent))
    iou = image_iou(rows, policy)
    of_class = np.array([_worst_mean(iou[:, c], policy.worst_percent) for c in range(iou.shape[1])])
    return of_class if policy.average == "none" else class_mean(of_class, policy)


def class_mean(of_class: Floats, policy: Policy) -> Floats:
    """Mean over the policy's classes of values ``[..., C]``."""
    chosen = of_class[..., list(policy.classes)]
    return np.asarray(chosen.mean(-1) if policy.absent == "nan" else mean(chosen, -1))


def lowest(number: int, percent: float) -> int:
    """How many of so many scores are the worst ``percent``: rounded down in whole numbers, and at least one."""
    return max(1, int(Fraction(str(percent)) * number / 100))


def _worst_mean(scores: Floats, worst: Sequence[float]) -> float:
    """Mean of the scores that are defined, or of the lowest ones for each share, and then of these."""
    known = np.sort(scores[~np.isnan(scores)])
    if not len(known):
        return np.nan
    return float(np.mean([known[: lowest(len(known), q)].mean() for q in worst or (100,)]))


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

    def to_text(self, number: int = 10) -> str:
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


def table_of(rows: Rows, space: LabelSpace, policy: Policy) -> ImageTable:
    """The table of all images."""
    means, iou = image_means(rows, policy), image_iou(rows, policy)
    order = np.argsort(means, kind="stable")
    ids = (rows.ids if rows.numbers is None else rows.numbers)[order].tolist()
    names = tuple(rows.names.get(i, i) for i in ids)
    return ImageTable(tuple(ids), names, tuple(means[order].tolist()), iou[order], space.class_names)


def once(rows: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and ids without the empty ones of images that have another row, as where ``valid=False`` marks what a
    sampler repeated.
    """
    numbers, empty = ids.cpu().numpy(), ~rows.flatten(1).any(1).cpu().numpy()
    spare = np.flatnonzero(empty & (numbers >= 0))
    needed = spare[np.unique(numbers[spare], return_index=True)[1]]
    needed = needed[~np.isin(numbers[needed], numbers[~empty])]
    kept = torch.from_numpy(np.setdiff1d(np.arange(len(numbers)), np.setdiff1d(spare, needed))).to(ids.device)
    return rows[kept], ids[kept]


def seen_twice(ids: Tensor, names: Mapping[int, str]) -> str:
    """The warning if an id was counted more than once, else ``""``."""
    numbers, times = np.unique(ids[ids >= 0].cpu().numpy(), return_counts=True)
    twice = numbers[times > 1].tolist()
    if not twice:
        return ""
    first = visible(str(names.get(twice[0], twice[0])))
    return (
        f"{len(twice)} image{'s were' if len(twice) > 1 else ' was'} counted more than once (the first is {first}), as "
        "by a sampler that repeats images to fill the last batch, or by a shard that is merged twice; use one that "
        "does not, pass valid=False for the repeated ones, or merge each once."
    )
