"""Areas: the pixels per class from which all ratios are computed, of a dataset, of images or of resamples."""

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
    """Valid pixels of each class under a policy, whole numbers ``[..., C]``.

    Attributes:
        intersection: pixels of the class in both ground truth and prediction.
        truth, predicted: pixels of the class in the ground truth, and in the prediction.
        ignored: bool ``[C]``, whether the class is ignored.
    """

    intersection: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]
    ignored: Bools

    @classmethod
    def of_counts(cls, counts: Ints, space: LabelSpace, policy: Policy) -> "Areas":
        """Areas from a confusion matrix ``[C + 2, C + 2]`` with the ground truth in rows.

        The rows for void and for labels out of range are left out. Void predictions are part of ``truth`` unless the
        policy drops them; predictions out of range always are.
        """
        classes = counts[: space.num_classes]
        truth = classes.sum(1) - _dropped(classes[:, space.num_classes], policy)
        matrix = classes[:, : space.num_classes]
        return cls(matrix.diagonal(), truth, matrix.sum(0), ignored_of(space))

    @classmethod
    def of_rows(cls, rows: Ints, space: LabelSpace, policy: Policy) -> "Areas":
        """Areas from rows of images ``[N, 4, C]``: intersection, ground truth, prediction, void predictions."""
        intersection, truth, predicted, void_preds = rows.transpose(1, 0, 2)
        return cls(intersection, truth - _dropped(void_preds, policy), predicted, ignored_of(space))

    @cached_property
    def union(self) -> NDArray[Any]:
        """Pixels of the class in ground truth or prediction."""
        return np.asarray(self.truth + self.predicted - self.intersection)

    @property
    def valid(self) -> Bools:
        """Whether any pixel is valid, bool ``[...]``."""
        return np.asarray(self.truth.sum(-1) > 0)

    def present(self, policy: Policy) -> Bools:
        """Whether a class is present under the policy, bool ``[..., C]``."""
        return np.asarray((self.union if policy.present == "union" else self.truth) > 0)


def ignored_of(space: LabelSpace) -> Bools:
    """Whether a class is ignored, bool ``[C]``."""
    ignored = np.zeros(space.num_classes, bool)
    ignored[list(space.ignored_classes)] = True
    return ignored


def refuse_void_preds(counts: Ints, policy: Policy) -> None:
    """Raises ``ValueError`` for void predictions on valid pixels if the policy has ``void_preds="error"``."""
    if policy.void_preds == "error" and (number := int(counts[:-2, -2].sum())):
        raise ValueError(
            f"Predictions are void (an ignored id or a NaN score) on {number:,} valid pixel{'s' * (number != 1)}, "
            "which void_preds='error' does not allow. Correct the predictions, or pass void_preds='miss' or 'drop'."
        )


def _dropped(void_preds: Ints, policy: Policy) -> Ints | int:
    """The void predictions to subtract from ``truth``."""
    return void_preds if policy.void_preds == "drop" else 0
