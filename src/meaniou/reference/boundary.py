"""Counts and IoU of the bands inside contours (Boundary IoU), from the definition on sets of pixels.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from meaniou.reference.iou import Absent, IgnoreIndex, Present, VoidPreds, one_of, set_aside, void_ids
from meaniou.reference.labels import Labels, Mask, labelled

Void = Literal["ignore", "literal"]
Width = int | float | Sequence[int | float]


def boundary_counts(
    preds: Labels | Sequence[Labels],
    target: Labels | Sequence[Labels],
    num_classes: int,
    *,
    width: Width,
    edge: bool = True,
    void: Void = "ignore",
    ignore_index: IgnoreIndex = (),
    valid: Mask | Sequence[Mask] | None = None,
    void_preds: VoidPreds = "miss",
    per_image: bool = False,
) -> NDArray[np.int64]:
    """Pixels of each class in both bands, in the band of the ground truth, and in the band of the prediction.

    The band of a class holds its pixels whose window holds another label or, with ``edge``, leaves the image. The
    window of a pixel is the square (in a volume the cube) of ``2 d + 1`` pixels around it. Only pixels whose ground
    truth is a class are counted.

    Args:
        preds, target: integer or bool labels ``[B, H, W]`` or ``[B, D, H, W]`` of one shape, or lists with one map for
            each image. preds may hold ``VOID_PREDICTION``.
        num_classes: number of classes C.
        width: ``d`` in pixels if it is an int, else as a share of the diagonal, as in `band_width`; one or several.
        edge: whether the edge of the image is a contour.
        void: with ``"ignore"`` both maps hold any label where the ground truth is void or out of range. With
            ``"literal"`` void and out of range are one more label.
        ignore_index: id or ids that are void, inside or outside ``0 .. C-1``.
        valid: bool, one value for each image or for each pixel; ``False`` is void. The image is the smallest box that
            holds its valid pixels.
        void_preds: a void prediction is a label without a class (``"miss"``), makes its pixel void (``"drop"``), or
            raises (``"error"``). A prediction out of range is the same label without a class.
        per_image: whether each image has counts of its own.

    Returns:
        Pixels, int64 ``[W, 3, C]`` for W widths, or ``[B, W, 3, C]`` with ``per_image``.

    Raises:
        TypeError: if labels are neither integers nor bool.
        ValueError: if shapes do not fit, a setting is unknown, or there are void predictions with
            ``void_preds="error"``.

    Example:
        >>> target = np.array([[[0, 0, 0, 0, 1, 1]]])
        >>> preds = np.array([[[0, 0, 0, 1, 1, 1]]])
        >>> boundary_counts(preds, target, 2, width=1, edge=False)
        array([[[0, 0],
                [1, 1],
                [1, 1]]])
    """
    one_of("void", void, get_args(Void))
    one_of("void_preds", void_preds, get_args(VoidPreds))
    if len(preds) != len(target):
        raise ValueError(f"preds holds {len(preds)} images and target {len(target)}; expected the same number.")
    widths = width if isinstance(width, Sequence) else [width]
    counts = np.zeros((len(target), len(widths), 3, num_classes), dtype=np.int64)
    for image in range(len(target)):
        maps = preds[image], target[image], None if valid is None else np.asarray(valid[image])
        sides, counted = _image(*maps, num_classes, void_ids(ignore_index), void, void_preds)
        if not counted.any():
            continue
        for w, one_width in enumerate(widths):
            pixels = band_width(one_width, counted.shape)
            for c in range(num_classes):
                truth, prediction = (_band(labels, c, pixels, edge) & counted for labels in sides)
                parts = truth & prediction, truth, prediction
                counts[image, w, :, c] = [np.count_nonzero(part) for part in parts]
    return counts if per_image else counts.sum(axis=0)


def boundary_iou(
    preds: Labels | Sequence[Labels],
    target: Labels | Sequence[Labels],
    num_classes: int,
    *,
    width: Width,
    edge: bool = True,
    void: Void = "ignore",
    ignore_index: IgnoreIndex = (),
    valid: Mask | Sequence[Mask] | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
) -> NDArray[np.float64]:
    """The Boundary IoU of each class: the IoU of its bands in ground truth and prediction, from all images together.

    A class is present if the union of its bands, or its band in the ground truth with ``present="target"``, is not
    empty; otherwise it has NaN (``absent="skip"``, ``"nan"``), 0 (``"zero"``) or 1 (``"one"``). The rest as
    `boundary_counts`.

    Returns:
        Ratios 0 .. 1, float64 ``[C]``, or ``[W, C]`` if ``width`` is a sequence; NaN where a class is not present, or
        its id is ignored.

    Example:
        >>> target = np.array([[[0, 0, 0, 0, 1, 1]]])
        >>> preds = np.array([[[0, 0, 0, 1, 1, 1]]])
        >>> boundary_iou(preds, target, 3, width=[1, 2], edge=False).round(2)
        array([[0.  , 0.  ,  nan],
               [0.33, 0.33,  nan]])
    """
    one_of("present", present, get_args(Present))
    one_of("absent", absent, get_args(Absent))
    counts = boundary_counts(
        preds,
        target,
        num_classes,
        width=width,
        edge=edge,
        void=void,
        ignore_index=ignore_index,
        valid=valid,
        void_preds=void_preds,
    )
    value = {"skip": math.nan, "nan": math.nan, "zero": 0.0, "one": 1.0}[absent]
    ratios = np.full((len(counts), num_classes), math.nan)
    for w, c in np.ndindex(*ratios.shape):
        both, truth, prediction = map(int, counts[w, :, c])
        union = truth + prediction - both
        if c not in void_ids(ignore_index):
            ratios[w, c] = both / union if (union if present == "union" else truth) else value
    return ratios if isinstance(width, Sequence) else ratios[0]


def band_width(width: int | float, sides: Sequence[int]) -> int:
    """A width in pixels: itself if it is an int, else that share of the diagonal of an image with these sides.

    It is rounded to the nearest whole number, a half to the even one, and at least 1.

    >>> band_width(7, (480, 640)), band_width(0.02, (480, 640)), band_width(0.0001, (480, 640))
    (7, 16, 1)
    """
    if isinstance(width, int):
        return width
    return max(1, round(width * math.sqrt(sum(int(side) ** 2 for side in sides))))


OTHER, ANY = -1, -2
"""Labels of a map of class numbers: one that is no class, and any label."""


def _image(
    preds: Labels,
    target: Labels,
    valid: Mask | None,
    num_classes: int,
    ignored: frozenset[int],
    void: Void,
    void_preds: VoidPreds,
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], Mask]:
    """Class numbers, ``OTHER`` and ``ANY`` of ground truth and prediction in the box of the image, and a mask.

    The mask holds the pixels that are counted: their ground truth is a class.
    """
    if valid is not None and not valid.ndim:
        valid = np.broadcast_to(valid, target.shape)
    is_void, is_void_pred = set_aside(preds, target, ignored, valid)
    counted = labelled(target, range(num_classes)) & ~is_void
    if void_preds == "error" and (counted & is_void_pred).any():
        number = np.count_nonzero(counted & is_void_pred)
        raise ValueError(f"preds holds {number} void predictions where the ground truth is a class.")
    if void_preds == "drop":
        counted &= ~is_void_pred
    truth, prediction = np.full(target.shape, OTHER), np.full(target.shape, OTHER)
    for c in range(num_classes):
        truth[counted & (target == c)] = c
        prediction[(preds == c) & ~is_void_pred] = c
    if void == "ignore":
        truth[~counted] = prediction[~counted] = ANY
    box = tuple(slice(None) for _ in target.shape) if valid is None else _box(valid)
    return (truth[box], prediction[box]), counted[box]


def _box(valid: Mask) -> tuple[slice, ...]:
    """The smallest box that holds the valid pixels."""
    places = np.nonzero(valid)
    return tuple(slice(along.min(), along.max() + 1) if along.size else slice(0) for along in places)


def _band(labels: NDArray[np.int64], c: int, width: int, edge: bool) -> Mask:
    """The pixels of class c whose window holds another label or, with ``edge``, leaves the image."""
    of_class: Mask = labels == c
    contrary: Mask = np.pad(~of_class & (labels != ANY), width, constant_values=edge)
    for axis in range(labels.ndim):  # a window is the product of an interval on each axis
        contrary = np.logical_or.reduce(sliding_window_view(contrary, 2 * width + 1, axis), axis=-1)
    return of_class & contrary
