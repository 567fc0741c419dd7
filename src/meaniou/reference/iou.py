"""Counts, IoU and means of label maps, written from the definitions on sets of pixels.

A set of pixels is a boolean mask of the target's shape: intersection is ``&``, union ``|``, size ``np.count_nonzero``.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from meaniou.reference.labels import VOID_PREDICTION, Labels, Mask, labelled

Average = Literal["macro", "micro", "weighted", "none"]
VoidPreds = Literal["miss", "drop", "error"]
Present = Literal["union", "target"]
Absent = Literal["skip", "zero", "one", "nan"]
IgnoreIndex = int | Iterable[int] | None


def counts(
    preds: Labels, target: Labels, num_classes: int, ignore_index: IgnoreIndex = (), valid: Mask | None = None
) -> NDArray[np.int64]:
    """The confusion matrix with void and out-of-range labels: ground truth in rows, every pixel in one cell.

    Args:
        preds, target: integer or bool labels ``[B, *]`` of one shape; preds may hold ``VOID_PREDICTION``.
        num_classes: number of classes C.
        ignore_index: id or ids that are void, inside or outside ``0 .. C-1``.
        valid: bool ``[B]`` or of the target's shape; ``False`` makes an image or a pixel void.

    Returns:
        Pixels, int64 ``[C + 2, C + 2]``. Row C is void, column C void predictions, row and column C + 1 out of range.

    Raises:
        TypeError, ValueError: if a dtype or a shape does not fit.

    Example:
        >>> counts(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]), 2, ignore_index=255)
        array([[1, 1, 0, 0],
               [0, 0, 0, 0],
               [0, 1, 0, 0],
               [0, 0, 0, 0]])
    """
    void, void_preds = set_aside(preds, target, void_ids(ignore_index), valid)
    matrix = np.zeros((num_classes + 2, num_classes + 2), dtype=np.int64)
    for row, truth in _bins(target, num_classes, void):
        for column, predicted in _bins(preds[truth], num_classes, void_preds[truth]):
            matrix[row, column] = np.count_nonzero(predicted)
    return matrix


def class_iou(
    preds: Labels,
    target: Labels,
    num_classes: int,
    ignore_index: IgnoreIndex = (),
    valid: Mask | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
) -> NDArray[np.float64]:
    """The IoU of each class: the size of the intersection over the size of the union of T and P.

    T are the ground-truth pixels of the class, P its predicted pixels, both on valid pixels whose ground truth is a
    class. A void prediction stays in T (``void_preds="miss"``), drops the pixel (``"drop"``) or raises (``"error"``);
    an out-of-range prediction stays in T. A class is present if the union, or T with ``present="target"``, is not
    empty; otherwise it has NaN (``absent="skip"``, ``"nan"``), 0 (``"zero"``) or 1 (``"one"``). The rest as `counts`.

    Returns:
        Ratios 0 .. 1, float64 ``[C]``; NaN where a class is not present, or its id is ignored.

    Example:
        >>> class_iou(np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 1]]), 3).round(2)
        array([0.5 , 0.67,  nan])
    """
    areas = _areas(preds, target, num_classes, ignore_index, valid, void_preds)
    return _ratios(areas, _present(areas, present), absent)


def mean_iou(
    preds: Labels,
    target: Labels,
    num_classes: int,
    ignore_index: IgnoreIndex = (),
    valid: Mask | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
    average: Average | None = "macro",
    classes: Iterable[int] | None = None,
) -> float | NDArray[np.float64]:
    """The average IoU over ``classes`` (None: all) without ignored ones, from all pixels together.

    ``"macro"``: mean over classes; a class that is not present is left out (``absent="skip"``) or has the value of
    ``absent``. ``"micro"``: sum of intersections over sum of unions of present classes. ``"weighted"``: mean over
    present classes, weighted by T. ``"none"`` or None: `class_iou`. The other arguments are those of `class_iou`.

    Returns:
        A ratio 0 .. 1; NaN if there is no class to average, or ``absent="nan"`` and a class is not present.

    Example:
        >>> mean_iou(np.array([[0, 1, 1, 1]]), np.array([[0, 1, 1, 0]]), 3, average="micro")
        0.6
    """
    average = "none" if average is None else average
    one_of("average", average, get_args(Average))
    areas = _areas(preds, target, num_classes, ignore_index, valid, void_preds)
    is_present = _present(areas, present)
    ratios = _ratios(areas, is_present, absent)
    if average == "none":
        return ratios
    allowed = [c for c in (range(num_classes) if classes is None else sorted(set(classes))) if not areas.ignored[c]]
    there = [c for c in allowed if is_present[c]]
    if average == "macro":
        averaged = there if absent == "skip" else allowed
        return divide(math.fsum(ratios[c] for c in averaged), len(averaged))
    if average == "micro":
        return divide(sum(areas.intersection[c] for c in there), sum(areas.union[c] for c in there))
    return divide(math.fsum(areas.truth[c] * ratios[c] for c in there), sum(areas.truth[c] for c in there))


class _Areas(NamedTuple):
    """Sizes in pixels, one for each class, and whether its id is ignored."""

    intersection: list[int]
    union: list[int]
    truth: list[int]
    ignored: list[bool]


def _areas(
    preds: Labels,
    target: Labels,
    num_classes: int,
    ignore_index: IgnoreIndex,
    valid: Mask | None,
    void_preds: VoidPreds,
) -> _Areas:
    one_of("void_preds", void_preds, get_args(VoidPreds))
    ignored = void_ids(ignore_index)
    void, void_pred = set_aside(preds, target, ignored, valid)
    counted = labelled(target, range(num_classes)) & ~void
    if void_preds == "error" and (counted & void_pred).any():
        number = np.count_nonzero(counted & void_pred)
        raise ValueError(f"preds holds {number} void predictions where the ground truth is a class.")
    if void_preds == "drop":
        counted &= ~void_pred
    areas = _Areas([], [], [], [])
    for c in range(num_classes):
        of_truth, of_preds = counted & (target == c), counted & (preds == c)
        areas.intersection.append(int(np.count_nonzero(of_truth & of_preds)))
        areas.union.append(int(np.count_nonzero(of_truth | of_preds)))
        areas.truth.append(int(np.count_nonzero(of_truth)))
        areas.ignored.append(c in ignored)
    return areas


def _present(areas: _Areas, present: Present) -> list[bool]:
    one_of("present", present, get_args(Present))
    return [size > 0 for size in (areas.union if present == "union" else areas.truth)]


def _ratios(areas: _Areas, is_present: list[bool], absent: Absent) -> NDArray[np.float64]:
    one_of("absent", absent, get_args(Absent))
    value = {"skip": math.nan, "nan": math.nan, "zero": 0.0, "one": 1.0}[absent]
    ratios = np.full(len(is_present), math.nan)
    for c, here in enumerate(is_present):
        if not areas.ignored[c]:
            ratios[c] = areas.intersection[c] / areas.union[c] if here else value
    return ratios


def _bins(labels: Labels, num_classes: int, aside: Mask) -> Iterator[tuple[int, Mask]]:
    """The index and the pixels of each class that occurs, of void (``aside``), and of the rest."""
    yield num_classes, aside
    rest = ~aside
    for c in map(int, np.unique(labels[rest])):
        if 0 <= c < num_classes:
            pixels = (labels == c) & ~aside
            yield c, pixels
            rest = rest & ~pixels
    yield num_classes + 1, rest


def set_aside(preds: Labels, target: Labels, ignored: frozenset[int], valid: Mask | None) -> tuple[Mask, Mask]:
    """The void pixels, and the pixels with a void prediction; a pixel may be both."""
    for name, labels in (("preds", preds), ("target", target)):
        if labels.dtype.kind not in "biu":
            raise TypeError(f"{name} is {labels.dtype}; expected integer or bool labels.")
    if preds.shape != target.shape:
        raise ValueError(f"preds is {preds.shape} and target {target.shape}; expected one shape.")
    void, void_preds = labelled(target, ignored), labelled(preds, ignored | {VOID_PREDICTION})
    if valid is None:
        return void, void_preds
    if valid.dtype != np.bool_:
        raise TypeError(f"valid is {valid.dtype}; expected bool.")
    if valid.shape not in (target.shape, target.shape[:1]):
        raise ValueError(f"valid is {valid.shape}; expected {target.shape} or {target.shape[:1]}.")
    return void | ~valid.reshape(valid.shape + (1,) * (target.ndim - valid.ndim)), void_preds


def void_ids(ignore_index: IgnoreIndex) -> frozenset[int]:
    if ignore_index is None:
        return frozenset()
    return frozenset(map(int, ignore_index)) if isinstance(ignore_index, Iterable) else frozenset({int(ignore_index)})


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}.")


def divide(numerator: float, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan
