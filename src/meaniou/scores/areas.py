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
        unset: for labels that overlap, the areas of "not set" of each label; else ``None``.
    """

    intersection: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]
    ignored: Bools
    unset: "Areas | None" = None

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

    @classmethod
    def of_label_rows(cls, rows: Ints, policy: Policy) -> "Areas":
        """Areas of labels that overlap, ``[..., L]``, from the image counts ``[..., 4, 2 L]`` of ``label_rows``."""
        labels = rows.shape[-1] // 2
        parts = []
        for of_half in (rows[..., :labels], rows[..., labels:]):
            intersection, truth, predicted, void_preds = np.moveaxis(of_half, -2, 0)
            parts.append((intersection, truth - _dropped(void_preds, policy), predicted))
        unset, is_set = parts
        ignored = np.zeros(labels, bool)
        return cls(*is_set, ignored, cls(*unset, ignored))

    @classmethod
    def of_thresholds(cls, counts: Ints, policy: Policy) -> "Areas":
        """Areas of labels that overlap at each threshold, ``[T, L]``, from counts ``[L, 4, T + 3]``."""
        above = counts[:, :2, 1:-2][..., ::-1].cumsum(-1)[..., ::-1]  # [L, 2, T], of not set and set
        truth = counts[:, 1].sum(-1) - _dropped(counts[:, 1, -2], policy)
        intersection = above[:, 1].T
        ignored = np.zeros(len(counts), bool)
        return cls(intersection, np.broadcast_to(truth, intersection.shape), above.sum(1).T, ignored)

    @classmethod
    def of_bands(cls, bands: Ints, space: LabelSpace) -> "Areas":
        """Areas of bands inside contours, ``[..., C]``, from their counts ``[..., 3, C]``.

        The policy has no effect: the counts of bands already treat a void prediction as a miss, or as void.
        """
        intersection, truth, predicted = np.moveaxis(bands, -2, 0)
        return cls(intersection, truth, predicted, ignored_of(space))

    @cached_property
    def union(self) -> NDArray[Any]:
        """Pixels of the class in ground truth or prediction."""
        return np.asarray(self.truth + self.predicted - self.intersection)

    @property
    def right(self) -> NDArray[Any]:
        """Number of valid pixels that are right, ``[...]``; summed over labels that overlap."""
        total = self.intersection.sum(-1)
        return np.asarray(total if self.unset is None else total + self.unset.right)

    @property
    def valid(self) -> NDArray[Any]:
        """Number of valid pixels, ``[...]``; summed over labels that overlap."""
        total = self.truth.sum(-1)
        return np.asarray(total if self.unset is None else total + self.unset.valid)

    @property
    def any_valid(self) -> Bools:
        """Whether any pixel is valid, bool ``[..., 1]``; of labels that overlap for each label, ``[..., L]``.

        For bands, whether any valid pixel is in a band of either map.
        """
        if self.unset is None:
            return np.asarray(self.union.any(-1))[..., None]
        return np.asarray(self.truth + self.unset.truth > 0)

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
