"""Pixels of each class, of which every ratio is made: of a dataset, of each image or of each resample."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou.settings import LabelSpace, Policy

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Areas:
    """Valid pixels of each class under a policy, whole numbers ``[..., C]`` each.

    Attributes:
        intersection: in the truth and in the prediction.
        truth, predicted: in one of them.
        ignored: ``[C]``, whether the id is ignored and so no class.
    """

    intersection: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]
    ignored: Bools

    @classmethod
    def of_counts(cls, counts: Ints, space: LabelSpace, policy: Policy) -> "Areas":
        """From a confusion matrix ``[C + 2, C + 2]``, truth in rows.

        Rows of void and of labels outside the classes count for no one. The column of void predictions is a part of the
        truth unless it is dropped, the column outside the classes always.
        """
        classes = counts[: space.num_classes]
        truth = classes.sum(1) - _dropped(classes[:, space.num_classes], policy)
        matrix = classes[:, : space.num_classes]
        return cls(matrix.diagonal(), truth, matrix.sum(0), ignored_of(space))

    @classmethod
    def of_rows(cls, rows: Ints, space: LabelSpace, policy: Policy) -> "Areas":
        """From rows of images ``[N, 4, C]``: intersection, truth, prediction, void predictions."""
        intersection, truth, predicted, void_preds = rows.transpose(1, 0, 2)
        return cls(intersection, truth - _dropped(void_preds, policy), predicted, ignored_of(space))

    @cached_property
    def union(self) -> NDArray[Any]:
        """Pixels in the truth or in the prediction."""
        return np.asarray(self.truth + self.predicted - self.intersection)

    @property
    def valid(self) -> Bools:
        """Whether there is a valid pixel, ``[...]``."""
        return np.asarray(self.truth.sum(-1) > 0)

    def present(self, policy: Policy) -> Bools:
        """Whether a class is there, ``[..., C]``: in truth or prediction, or in the truth alone."""
        return np.asarray((self.union if policy.present == "union" else self.truth) > 0)


def ignored_of(space: LabelSpace) -> Bools:
    """Whether the id of a class is ignored, ``[C]``."""
    ignored = np.zeros(space.num_classes, bool)
    ignored[list(space.ignored_classes)] = True
    return ignored


def refuse_void_preds(counts: Ints, policy: Policy) -> None:
    """Raises ``ValueError`` if void predictions are an error and a valid pixel of a confusion matrix has one."""
    if policy.void_preds == "error" and (number := int(counts[:-2, -2].sum())):
        raise ValueError(
            f"The predictions give no answer (an ignored id or a NaN score) on {number:,} valid pixels, and "
            "void_preds='error'; correct the predictions, or take void_preds='miss' or 'drop'."
        )


def _dropped(void_preds: Ints, policy: Policy) -> Ints | int:
    """The void predictions that are no part of the truth."""
    return void_preds if policy.void_preds == "drop" else 0
