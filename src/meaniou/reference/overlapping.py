"""Counts and IoU of labels that overlap, at one threshold or several, from the definitions on sets of pixels."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou.reference.iou import (
    Absent,
    Average,
    IgnoreIndex,
    Present,
    VoidPreds,
    divide,
    void_ids,
)
from meaniou.reference.labels import Mask

Thresholds = float | Sequence[float]


def label_counts(
    preds: NDArray[Any],
    target: NDArray[Any],
    threshold: Thresholds = 0.5,
    inclusive: bool = False,
    ignore_index: IgnoreIndex = (),
    valid: Mask | None = None,
) -> NDArray[np.int64]:
    """Pixels of each label by ground truth (rows) and prediction (columns): not set, set, void, outside.

    Args:
        preds: floating scores ``[B, L, *]``, or integer or bool labels, which are 0, 1 or void.
        target: labels ``[B, L, *]`` of any dtype: 0, 1 or void.
        threshold: one number, or one for each label. A label is set where its score is above it, or with ``inclusive``
            equal; both are compared as float32, for float64 scores as float64.
        ignore_index: value or values that are void.
        valid: bool, of a shape that can be broadcast to that of the target; ``False`` is void.

    Returns:
        int64 ``[L, 4, 4]``.

    Example:
        >>> label_counts(np.array([[[0.9, 0.2, 0.6]]]), np.array([[[1, 0, 0]]]))[0, :2, :2]
        array([[1, 1],
               [0, 1]])
    """
    void = void_ids(ignore_index)
    rows = _kinds(target, void)
    if valid is not None:
        rows[~np.broadcast_to(valid, rows.shape)] = 2
    columns = _predicted(preds, threshold, inclusive, void)
    counts = np.zeros((target.shape[1], 4, 4), dtype=np.int64)
    for label in range(target.shape[1]):
        for row in range(4):
            for column in range(4):
                pixels = (rows[:, label] == row) & (columns[:, label] == column)
                counts[label, row, column] = np.count_nonzero(pixels)
    return counts


def label_iou(
    preds: NDArray[Any],
    target: NDArray[Any],
    threshold: Thresholds = 0.5,
    inclusive: bool = False,
    ignore_index: IgnoreIndex = (),
    valid: Mask | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
) -> NDArray[np.float64]:
    """The IoU of each label, ``[L]``: the size of the intersection over the size of the union of T and P.

    T are the pixels that have the label in the ground truth, P those predicted to have it, both where the ground truth
    is not void. A void prediction (NaN) stays in T (``void_preds="miss"``) or drops the pixel (``"drop"``). The other
    arguments are those of `label_counts` and `class_iou`.

    Example:
        >>> label_iou(np.array([[[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]]), np.array([[[1, 1, 1], [0, 1, 1]]])).round(2)
        array([0.67, 1.  ])
    """
    parts = _sizes(preds, target, threshold, inclusive, ignore_index, valid, void_preds)
    value = {"skip": math.nan, "nan": math.nan, "zero": 0.0, "one": 1.0}[absent]
    return np.array(
        [
            intersection / union if (union if present == "union" else truth) else value
            for intersection, union, truth in parts
        ]
    )


def multilabel_mean_iou(
    preds: NDArray[Any],
    target: NDArray[Any],
    threshold: Thresholds = 0.5,
    inclusive: bool = False,
    ignore_index: IgnoreIndex = (),
    valid: Mask | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
    average: Average | None = "macro",
    classes: Iterable[int] | None = None,
) -> float | NDArray[np.float64]:
    """The average IoU over the labels ``classes`` (None: all), as `mean_iou` averages classes.

    Example:
        >>> multilabel_mean_iou(np.array([[[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]]), np.array([[[1, 1, 1], [0, 1, 1]]]))
        0.8333333333333333
    """
    values = label_iou(preds, target, threshold, inclusive, ignore_index, valid, void_preds, present, absent)
    if average in ("none", None):
        return values
    parts = _sizes(preds, target, threshold, inclusive, ignore_index, valid, void_preds)
    allowed = range(target.shape[1]) if classes is None else sorted(set(classes))
    there = [label for label in allowed if (parts[label][1] if present == "union" else parts[label][2])]
    if average == "macro":
        averaged = there if absent == "skip" else list(allowed)
        return divide(math.fsum(values[label] for label in averaged), len(averaged))
    if average == "micro":
        return divide(sum(parts[label][0] for label in there), sum(parts[label][1] for label in there))
    weighted = math.fsum(parts[label][2] * values[label] for label in there)
    return divide(weighted, sum(parts[label][2] for label in there))


def iou_curve(
    preds: NDArray[Any],
    target: NDArray[Any],
    thresholds: Iterable[float],
    inclusive: bool = False,
    ignore_index: IgnoreIndex = (),
    valid: Mask | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
) -> NDArray[np.float64]:
    """The IoU of each label at each threshold, ``[L, T]``, by as many passes.

    Example:
        >>> iou_curve(np.array([[[0.1, 0.3, 0.6, 0.9]]]), np.array([[[0, 0, 1, 1]]]), [0.2, 0.5]).round(2)
        array([[0.67, 1.  ]])
    """
    columns = [
        label_iou(preds, target, threshold, inclusive, ignore_index, valid, void_preds, present, absent)
        for threshold in thresholds
    ]
    return np.stack(columns, axis=1)


def _sizes(
    preds: NDArray[Any],
    target: NDArray[Any],
    threshold: Thresholds,
    inclusive: bool,
    ignore_index: IgnoreIndex,
    valid: Mask | None,
    void_preds: VoidPreds,
) -> list[tuple[int, int, int]]:
    """Pixels of intersection, union and T of each label."""
    void = void_ids(ignore_index)
    kinds, predicted = _kinds(target, void), _predicted(preds, threshold, inclusive, void)
    counted = (kinds == 0) | (kinds == 1)
    if valid is not None:
        counted &= valid
    if void_preds == "drop":
        counted &= predicted != 2
    if void_preds == "error" and (counted & (predicted == 2)).any():
        raise ValueError(f"preds holds {np.count_nonzero(counted & (predicted == 2))} void predictions.")
    sizes = []
    for label in range(target.shape[1]):
        of_truth, of_preds = ((part[:, label] == 1) & counted[:, label] for part in (kinds, predicted))
        intersection, union = of_truth & of_preds, of_truth | of_preds
        sizes.append((int(intersection.sum()), int(union.sum()), int(of_truth.sum())))
    return sizes


def _kinds(values: NDArray[Any], void: frozenset[int]) -> NDArray[np.int64]:
    """0 and 1 as they are, 2 for void values, and 3 for all others."""
    kinds = np.full(values.shape, 3, dtype=np.int64)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)  # NumPy would round a void value to the dtype of the values
    for value in void:
        kinds[values == value] = 2
    kinds[values == 0], kinds[values == 1] = 0, 1
    return kinds


def _predicted(preds: NDArray[Any], threshold: Thresholds, inclusive: bool, void: frozenset[int]) -> NDArray[np.int64]:
    """0, 1, 2 for NaN or a void label, 3 for other labels."""
    if preds.dtype.kind != "f":
        return _kinds(preds, void)
    wide = np.float64 if preds.dtype == np.float64 else np.float32
    scores: NDArray[Any] = preds.astype(wide)
    with np.errstate(over="ignore"):
        edges: NDArray[Any] = np.asarray(threshold).astype(wide)
    edges = edges.reshape(-1, *[1] * (preds.ndim - 2)) if edges.ndim else edges
    is_set = scores >= edges if inclusive else scores > edges
    return np.where(np.isnan(scores), 2, is_set).astype(np.int64)
