"""Label maps from scores, thresholds, class planes and stored ids."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]
Mask = NDArray[np.bool_]

VOID_PREDICTION = -(2**61) - 1
"""The label of a pixel whose scores hold NaN: a void prediction."""

OUTSIDE = -(2**61) - 2
"""The label of a pixel that is not one-hot: out of range."""

VOID = -(2**61) - 3
"""The label of a pixel whose id is void; pass it as ``ignore_index``."""


def labels_of_scores(scores: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """The class with the highest score, the first of equal ones (-0 equals 0; infinities are ordinary scores).

    Takes floating ``[B, C, *]`` and returns int64 ``[B, *]``, ``VOID_PREDICTION`` where any score of the pixel is NaN.
    Raises ``ValueError`` unless dimension 1 has size C.

    >>> labels_of_scores(np.array([[[0.1, 0.5, 0.2], [0.9, 0.5, np.nan]]]), 2)[0, :2]
    array([1, 0])
    """
    if scores.ndim < 2 or scores.shape[1] != num_classes:
        raise ValueError(f"scores is {scores.shape}; expected [B, {num_classes}, *].")
    best = scores[:, 0].copy()
    labels = np.zeros(best.shape, dtype=np.int64)
    for c in range(1, num_classes):
        higher = scores[:, c] > best
        best[higher] = scores[:, c][higher]
        labels[higher] = c
    labels[np.isnan(scores).any(axis=1)] = VOID_PREDICTION
    return labels


def labels_of_threshold(scores: NDArray[Any], threshold: float) -> NDArray[np.int64]:
    """Class 1 where ``scores > threshold``, class 0 elsewhere; both are compared as float32, for float64 as float64.

    Takes floating ``[*]``, one channel, and returns int64 ``[*]``, ``VOID_PREDICTION`` where the score is NaN.

    >>> labels_of_threshold(np.array([0.2, 0.5, 0.7]), 0.5)
    array([0, 0, 1])
    """
    wide = np.float64 if scores.dtype == np.float64 else np.float32
    with np.errstate(over="ignore"):
        above = scores.astype(wide) > wide(threshold)
    return np.where(np.isnan(scores), VOID_PREDICTION, np.where(above, 1, 0)).astype(np.int64)


def labels_of_one_hot(one_hot: NDArray[Any]) -> NDArray[np.int64]:
    """The channel that holds the single 1 of a pixel.

    Takes ``[B, C, *]`` of any dtype and returns int64 ``[B, *]``, ``OUTSIDE`` unless a pixel holds one 1 among zeros.

    >>> labels_of_one_hot(np.array([[[1, 0], [0, 1]]]))
    array([[0, 1]])
    """
    num_classes = one_hot.shape[1]
    one_is_left = np.count_nonzero(one_hot == 0, axis=1) == num_classes - 1
    labels = np.full(one_is_left.shape, OUTSIDE, dtype=np.int64)
    for c in range(num_classes):
        labels[one_is_left & (one_hot[:, c] == 1)] = c
    return labels


def labels_of_ids(stored: Labels, ids: Iterable[Iterable[int]], void: Iterable[int] = ()) -> NDArray[np.int64]:
    """The class of each pixel from its stored id; several ids may stand for one class.

    Takes integers ``[*]`` and returns int64 ``[*]``; ``ids`` holds the ids of each class. ``VOID`` where the id is in
    ``void``, also if a class has it, and ``OUTSIDE`` where the id is in neither.

    >>> labels_of_ids(np.array([7, 12, 11, 0]), [[7], [11, 12]], void=[0]).tolist() == [0, 1, 1, VOID]
    True
    """
    labels = np.full(stored.shape, OUTSIDE, dtype=np.int64)
    for c, of_class in enumerate(ids):
        labels[labelled(stored, of_class)] = c
    labels[labelled(stored, void)] = VOID
    return labels


def labelled(labels: Labels, ids: Iterable[int]) -> Mask:
    """The pixels with one of the ids; NumPy compares a Python int by value, also outside the range of the dtype."""
    pixels = np.zeros(labels.shape, dtype=np.bool_)
    for i in ids:
        pixels |= labels == i
    return pixels
