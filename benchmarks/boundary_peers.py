"""The contenders on a case of bands: meaniou; erosions, filters and distances of public packages; and the limit.

All give the band of a class as the pixels whose square (or cube) of ``2 d + 1`` pixels holds another label or leaves
the image, with void as any label. The surface metrics of torchmetrics and MONAI are left out, since no setting of them
gives these pixels: they measure distances between contours of one pixel. Their distance transforms would: with
``"chessboard"`` MONAI calls SciPy's, which is timed here. The default one of torchmetrics 1.9 is wrong on maps that are
not square, and compares each pixel with all pixels of the background.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from boundary_cases import BoundaryCase
from cases import VOID
from numpy.typing import NDArray
from peers import MEGAPIXEL, Contender, read
from torch import Tensor

from meaniou import MeanBoundaryIoU, MeanIoU
from meaniou.counting import bands_of

Array = NDArray[Any]
# Labels [*], the pixels that are any label or None, and ascending widths -> for each width, whether a pixel of a class
# lies outside the band of its class, [*].
Interiors = Callable[[Array, Array | None, tuple[int, ...]], list[Array]]
OUTSIDE = 254  # the label around the image, in filters


def boundary_contenders(case: BoundaryCase) -> Iterator[Contender]:
    """meaniou first, then the others, then the limit; their counts are ``[W, 3, C]``: both bands, truth, prediction."""
    yield _ours("meaniou", case, "auto")
    yield _ours("meaniou, portable", case.up_to(2 * MEGAPIXEL), "portable")
    image = case.up_to(case.target[0].numel())
    yield _optional("OpenCV erosions", "cv2", _erosions, image)
    yield _optional("OpenCV distances", "cv2", _chessboard, image)
    yield _optional("SciPy filters", "scipy.ndimage", _filters, image)
    yield _optional("SciPy distances", "scipy.ndimage", _slow_chessboard, image)
    yield _optional("edt", "edt", _euclidean, image)
    alone = MeanIoU(case.num_classes, ignore_index=VOID)
    yield Contender("MeanIoU alone", lambda: alone.update(case.preds, case.target), None, case.pixels, "without bands")
    yield Contender("limit: read both", lambda: (read(case.preds), read(case.target)), None, case.pixels)


def _ours(name: str, case: BoundaryCase, impl: Any) -> Contender:
    metric = MeanBoundaryIoU(case.num_classes, width=case.widths, void=case.void, ignore_index=VOID, impl=impl)

    def counts() -> Tensor:
        metric.reset()
        metric.update(case.preds, case.target)
        return bands_of(metric.counts)

    run = lambda: metric.update(case.preds, case.target)  # noqa: E731
    # On two threads a busy machine slows the many short operators of the portable kernel down a hundred times.
    return Contender(name, run, counts, case.pixels, f"kernel {metric.kernel}", one_thread=impl == "portable")


def _optional(
    name: str, module: str, make: Callable[[Any, BoundaryCase], Interiors | str], case: BoundaryCase
) -> Contender:
    try:
        made = make(importlib.import_module(module), case)
    except ImportError:
        made = "not installed"
    if isinstance(made, str):
        return Contender(name, None, None, 0, made, one_thread=True)
    run = lambda: _counted(case, made)  # noqa: E731
    return Contender(name, run, run, case.pixels, one_thread=True)


def _counted(case: BoundaryCase, interiors: Interiors) -> Tensor:
    """The pixels of each class in both bands, and in each, as an evaluation script counts them."""
    labels = case.preds.argmax(1) if case.has_scores else case.preds
    counts = np.zeros((len(case.widths), 3, case.num_classes), np.int64)
    for preds, target in zip(labels.numpy().astype(np.uint8), case.target.numpy().astype(np.uint8), strict=True):
        void = target == VOID
        any_label = void if case.void == "ignore" else None
        pairs = zip(interiors(target, any_label, case.widths), interiors(preds, any_label, case.widths), strict=True)
        for rows, insides in zip(counts, pairs, strict=True):
            truth, prediction = (~(inside | void) for inside in insides)
            both = truth & prediction & (preds == target)
            parts = (target[both], target[truth], preds[prediction])
            rows += [np.bincount(part, minlength=case.num_classes) for part in parts]
    return torch.from_numpy(counts)


def _masks(labels: Array, any_label: Array | None) -> Iterator[Array]:
    """The masks of the classes that occur, uint8."""
    for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=VOID)[:VOID]):
        mask = labels == label
        yield (mask if any_label is None else mask | any_label).view(np.uint8)


def _erosions(cv2: Any, case: BoundaryCase) -> Interiors | str:
    """The erosion of the official code of Boundary IoU, class by class."""
    if case.target.dim() > 3:
        return "takes no volumes"
    cv2.setNumThreads(1)
    square = np.ones((3, 3), np.uint8)

    def interiors(labels: Array, any_label: Array | None, widths: tuple[int, ...]) -> list[Array]:
        insides = [np.zeros(labels.shape, np.bool_) for _ in widths]
        for eroded in _masks(labels, any_label):
            so_far = 0
            for inside, width in zip(insides, widths, strict=True):
                border = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
                eroded = cv2.erode(eroded, square, iterations=width - so_far, **border)
                inside |= eroded.view(np.bool_)
                so_far = width
        return insides

    return interiors


def _chessboard(cv2: Any, case: BoundaryCase) -> Interiors | str:
    """Chessboard distances to the next pixel of another class, class by class."""
    if case.target.dim() > 3:
        return "takes no volumes"
    cv2.setNumThreads(1)
    return _by_distance(lambda padded: cv2.distanceTransform(padded, cv2.DIST_C, 3))


def _slow_chessboard(ndimage: Any, case: BoundaryCase) -> Interiors:
    return _by_distance(lambda padded: ndimage.distance_transform_cdt(padded, "chessboard"))


def _by_distance(transform: Callable[[Array], Array]) -> Interiors:
    def interiors(labels: Array, any_label: Array | None, widths: tuple[int, ...]) -> list[Array]:
        insides = [np.zeros(labels.shape, np.bool_) for _ in widths]
        for mask in _masks(labels, any_label):
            distances = transform(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
            for inside, width in zip(insides, widths, strict=True):
                inside |= distances > width
        return insides

    return interiors


def _filters(ndimage: Any, case: BoundaryCase) -> Interiors:
    """Smallest and largest label of each window, all classes at once; they are equal if it holds one label."""

    def interiors(labels: Array, any_label: Array | None, widths: tuple[int, ...]) -> list[Array]:
        low, high, so_far, insides = *_low_and_high(labels, any_label), 0, []
        for width in widths:
            settings = {"size": 2 * (width - so_far) + 1, "mode": "constant", "cval": OUTSIDE}
            low, high = ndimage.minimum_filter(low, **settings), ndimage.maximum_filter(high, **settings)
            insides.append(low == high)
            so_far = width
        return insides

    return interiors


def _low_and_high(labels: Array, any_label: Array | None) -> tuple[Array, Array]:
    """Labels + 1, with any label as the largest and as the smallest number; void as a label is below ``OUTSIDE``."""
    codes = np.minimum(labels, OUTSIDE - 2) + np.uint8(1)
    if any_label is None:
        return codes, codes
    return np.where(any_label, np.uint8(255), codes), np.where(any_label, np.uint8(0), codes)


def _euclidean(edt: Any, case: BoundaryCase) -> Interiors | str:
    """Euclidean distances to other labels, all classes at once: along one axis after another they give the square.

    A step along the other axes is longer than the width. A pixel with another label in its window becomes background.
    """
    if case.void == "ignore":
        return "cannot take void as any label"

    def interiors(labels: Array, _: Array | None, widths: tuple[int, ...]) -> list[Array]:
        insides = []
        for width in widths:
            codes = labels + np.uint8(1)  # void becomes 0, which is background
            for axis in range(labels.ndim):
                lengths = tuple(1 if other == axis else width + 1 for other in range(labels.ndim))
                squares = edt.edtsq(codes, anisotropy=lengths, black_border=True, parallel=1)
                codes = np.where(squares > width**2, codes, np.uint8(0))
            insides.append(codes > 0)
        return insides

    return interiors
