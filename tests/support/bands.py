"""Seeded batches of maps with regions, and the pixels of their bands by four oracles."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from meaniou import reference
from meaniou.counting.bands.frames import frames_of
from meaniou.counting.confusion.batch import map_shape
from meaniou.counting.kernels.label_table import bins_of_ids
from meaniou.counting.kernels.spec import BandSpec, CountSpec
from support import as_numpy, planes_of, special_labels

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
VOID_LABELS = (reference.VOID, reference.VOID_PREDICTION)
FAR = 1 << 20


def band_spec(widths: Iterable[float] = (1,), **settings: Any) -> BandSpec:
    """A specification with these widths."""
    return BandSpec(" ".join(map(repr, widths)))._replace(**settings)


def widths_of(of_bands: BandSpec) -> list[int | float]:
    return [int(text) if text.isdecimal() else float(text) for text in of_bands.widths.split()]


# ---------------------------------------------------------------------------------------------------------------- maps


def regions(rng: np.random.Generator, shape: Sequence[int], values: Sequence[int], size: int = 4) -> Labels:
    """Label maps ``[B, *]`` of rectangular regions up to this size, with single pixels of other labels."""
    coarse = rng.choice(np.array(values), size=shape)
    for axis, length in enumerate(shape[1:], 1):
        steps = rng.integers(1, size + 1, size=length)
        coarse = coarse.take(np.repeat(np.arange(length), steps)[:length], axis)
    return np.where(rng.random(shape) < 0.03, rng.choice(np.array(values), size=shape), coarse)


def band_batch(
    rng: np.random.Generator,
    shape: Sequence[int],
    spec: CountSpec,
    dtypes: tuple[torch.dtype, torch.dtype] = (torch.int64, torch.int64),
    size: int = 4,
) -> tuple[Tensor, Tensor]:
    """Predictions and ground truth with classes, void and labels out of range; the predictions are about half right.

    A form of ``spec`` other than ``"labels"`` gives scores or class planes; some of the scores are NaN.
    """
    classes = list(range(spec.num_classes))
    special = [*spec.ignore, *special_labels(spec.num_classes, spec.ignore)]
    labels = regions(rng, shape, classes, size)
    shifted = np.roll(labels, tuple(rng.integers(-1, 2, size=len(shape) - 1)), tuple(range(1, len(shape))))
    wrong = regions(rng, shape, [0, 0, 1], size) == 1
    predicted = np.where(wrong, regions(rng, shape, classes, size), shifted)
    sides = []
    for side, dtype, form in zip((predicted, labels), dtypes, (spec.preds_form, spec.target_form), strict=True):
        if form == "labels" and dtype == torch.bool:
            sides.append(torch.from_numpy(side % 2 == 1))
            continue
        if form == "labels":
            low, high = torch.iinfo(dtype).min, torch.iinfo(dtype).max
            odd = rng.choice(np.array([i for i in special if low <= i <= high]), size=shape)
            kept = np.where(regions(rng, shape, [0] * 5 + [1], size) == 1, odd, side)
            sides.append(torch.from_numpy(np.where((kept < low) | (kept > high), 0, kept)).to(dtype))
            continue
        planes = planes_of(torch.from_numpy(side), spec.num_classes, dtype)
        if form == "one-hot":
            planes[torch.from_numpy(rng.random(planes.shape) < 0.03)] = 1
            sides.append(planes)
            continue
        scores = planes[:, 1] if form == "threshold" else planes
        none = torch.from_numpy(regions(rng, shape, [0] * 5 + [1], size) == 1)
        none = none if form == "threshold" else none[:, None].expand(planes.shape)
        sides.append(scores.masked_fill(none & torch.from_numpy(rng.random(scores.shape) < 0.6), float("nan")))
    return sides[0], sides[1]


VALID = ("none", "images", "pixels", "boxes", "boxes with holes", "nothing")


def valid_of(rng: np.random.Generator, shape: Sequence[int], kind: str) -> Tensor | None:
    """A mask of the map's shape ``[B, *]`` of one of the kinds ``VALID``; in a box only some images have pixels."""
    if kind == "none":
        return None
    if kind == "images":
        return torch.from_numpy(rng.random(shape[0]) < 0.6).view(-1, *[1] * (len(shape) - 1)).expand(*shape)
    pixels = rng.random(shape) < {"pixels": 0.8, "nothing": 0.0}.get(kind, 1.0)
    if kind.startswith("boxes"):
        inside = np.zeros(shape, bool)
        for image in inside:
            starts = [int(rng.integers(0, side)) // 2 for side in shape[1:]]
            sizes = [int(rng.integers(1, side - start + 1)) for side, start in zip(shape[1:], starts, strict=True)]
            image[tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))] = rng.random() < 0.9
        pixels = inside & (rng.random(shape) < (0.85 if "holes" in kind else 1.0))
    return torch.from_numpy(pixels)


# ------------------------------------------------------------------------------------------------- kernels and oracles


def bands_by_kernel(
    kernel: Callable[..., tuple[Tensor, Tensor]],
    preds: Tensor,
    target: Tensor,
    valid: Tensor | None,
    spec: CountSpec,
    of_bands: BandSpec,
) -> tuple[Tensor, Tensor]:
    """The confusion matrix and the bands ``[B, W, 3, C]`` by a kernel."""
    frames = frames_of(map_shape(target, spec.target_form), valid, of_bands)
    return kernel(preds, target, valid, spec, frames)


def label_map(data: Tensor, form: str, ids: str, spec: CountSpec) -> Labels:
    """Class numbers, ``reference.VOID`` and labels out of range of one side, int64 ``[B, *]``, by the reference."""
    classes = range(spec.num_classes)
    if form == "labels":
        bins = bins_of_ids(ids)
        of_class = [[i for i, own in bins.items() if own == c] for c in classes] if ids else [[c] for c in classes]
        void = [i for i, own in bins.items() if own == spec.num_classes] if ids else spec.ignore
        return reference.labels_of_ids(as_numpy(data), of_class, void)
    if form == "threshold":
        labels = reference.labels_of_threshold(as_numpy(data), spec.threshold)
    elif form == "scores":
        labels = reference.labels_of_scores(as_numpy(data), spec.num_classes)
    else:
        labels = reference.labels_of_one_hot(as_numpy(data))
    return np.where(np.isin(labels, spec.ignore), reference.VOID, labels)


def label_maps(preds: Tensor, target: Tensor, spec: CountSpec) -> tuple[Labels, Labels]:
    """Both sides as label maps."""
    return (
        label_map(preds, spec.preds_form, spec.preds_ids, spec),
        label_map(target, spec.target_form, spec.target_ids, spec),
    )


def bands_by_reference(
    preds: Labels, target: Labels, valid: Mask | None, num_classes: int, of_bands: BandSpec
) -> NDArray[np.int64]:
    """Bands ``[B, W, 3, C]`` of label maps by the reference."""
    return reference.boundary_counts(
        preds,
        target,
        num_classes,
        width=widths_of(of_bands),
        edge=of_bands.edge,
        void="literal" if of_bands.literal else "ignore",
        ignore_index=reference.VOID,
        valid=valid,
        void_preds="drop" if of_bands.drop else "miss",
        per_image=True,
    )


def bands_by_pixels(
    preds: Labels, target: Labels, valid: Mask | None, num_classes: int, of_bands: BandSpec
) -> NDArray[np.int64]:
    """Bands ``[B, W, 3, C]`` of label maps by the definition, pixel by pixel and neighbour by neighbour.

    A label is a class number, "none" for one that is no class, "outside", or None where it can be any label.
    """
    widths = widths_of(of_bands)
    counts = np.zeros((len(target), len(widths), 3, num_classes), dtype=np.int64)
    for image in range(len(target)):
        box = [p for p in np.ndindex(*target.shape[1:]) if valid is None or valid[image][p]]
        if not box:
            continue
        ends = [(min(along), max(along) + 1) for along in zip(*box, strict=True)]
        truth: dict[tuple[int, ...], Any] = {}
        prediction: dict[tuple[int, ...], Any] = {}
        for place in product(*(range(*of_axis) for of_axis in ends)):
            label, answer = int(target[image][place]), int(preds[image][place])
            is_class = 0 <= label < num_classes and (valid is None or bool(valid[image][place]))
            if of_bands.drop and answer in VOID_LABELS:
                is_class = False
            truth[place] = label if is_class else "none" if of_bands.literal else None
            prediction[place] = answer if 0 <= answer < num_classes else "none"
            if not is_class and not of_bands.literal:
                prediction[place] = None
        counted = [place for place, label in truth.items() if label not in (None, "none")]
        diagonal = sum((stop - start) ** 2 for start, stop in ends) ** 0.5
        for w, width in enumerate(widths):
            d = width if isinstance(width, int) else max(1, int(np.rint(width * diagonal)))
            for place in counted:
                in_truth, in_prediction = (_is_mixed(side, place, d, of_bands.edge) for side in (truth, prediction))
                own, answer = truth[place], prediction[place]
                counts[image, w, 1, own] += in_truth
                if answer != "none":
                    counts[image, w, 2, answer] += in_prediction
                    counts[image, w, 0, own] += in_truth and in_prediction and own == answer
    return counts


def _is_mixed(side: dict[tuple[int, ...], Any], place: tuple[int, ...], d: int, edge: bool) -> bool:
    outside = "outside" if edge else None
    for neighbour in product(*(range(x - d, x + d + 1) for x in place)):
        label = side.get(neighbour, outside)
        if label is not None and label != side[place]:
            return True
    return False


def bands_by_filters(labels: Labels, d: int, edge: bool, anything: int | None = None) -> Mask:
    """The pixels of one label map ``[*]`` whose window holds another label, by SciPy's minimum and maximum filters.

    ``anything`` is the label of pixels that can be any label.
    """
    any_label = np.zeros(labels.shape, bool) if anything is None else labels == anything
    ends = []
    for sign in (1, -1):
        nothing, outside = sign * FAR, -sign * FAR
        filtered = np.where(any_label, nothing, labels)
        of = ndimage.minimum_filter if sign > 0 else ndimage.maximum_filter
        ends.append(of(filtered, size=2 * d + 1, mode="constant", cval=outside if edge else nothing))
    return np.asarray((ends[0] != ends[1]) & ~any_label)


def bands_by_erosion(labels: Labels, num_classes: int, d: int, edge: bool) -> Mask:
    """The band of each class of one image, bool ``[C, H, W]``, by OpenCV.

    The mask of a class gets a border of one pixel of zeros and is eroded d times by a square of 3 x 3; its band holds
    the pixels that are removed. Without ``edge`` it gets no border; OpenCV then erodes nothing at the edge.
    """
    cv2 = pytest.importorskip("cv2")
    square, border = np.ones((3, 3), np.uint8), int(edge)
    bands = []
    for c in range(num_classes):
        mask = (labels == c).astype(np.uint8)
        larger = cv2.copyMakeBorder(mask, *[border] * 4, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(larger, square, iterations=d)
        bands.append((mask - eroded[border : border + len(mask), border : border + mask.shape[1]]).astype(bool))
    return np.stack(bands)


def planes_of_band(labels: Labels, num_classes: int, band: Mask) -> Mask:
    """The band of each class, bool ``[C, *]``, from the pixels in the band of their own class."""
    return np.stack([band & (labels == c) for c in range(num_classes)])


def counts_of_bands(truth: Mask, prediction: Mask, counted: Mask | None = None) -> NDArray[np.int64]:
    """Pixels ``[3, C]`` of the bands ``[C, *]`` of one image: in both, in the first, in the second."""
    parts = [truth & prediction, truth, prediction]
    parts = parts if counted is None else [part & counted for part in parts]
    return np.stack([part.reshape(len(part), -1).sum(1) for part in parts]).astype(np.int64)


def assert_same_bands(actual: Any, expected: NDArray[np.int64]) -> None:
    """Fails unless bands ``[B, W, 3, C]`` are equal in dtype, shape and every cell; names the first other cell."""
    actual = np.asarray(actual)
    assert actual.dtype == np.int64, f"bands are {actual.dtype}, not int64"
    assert actual.shape == expected.shape, f"bands are {actual.shape}, not {expected.shape}"
    wrong = np.argwhere(actual != expected)
    if len(wrong):
        image, width, row, c = wrong[0].tolist()
        numbers = f"{actual[image, width, row, c]} != {expected[image, width, row, c]}"
        pytest.fail(f"image {image}, width {width}, row {row}, class {c}: {numbers}, {len(wrong)} cells differ")
