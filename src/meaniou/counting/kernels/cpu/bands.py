"""The CPU kernel for bands inside contours, compiled by Numba: the same cost for any width and number of classes.

Memory: a thread that works on an image keeps two maps of codes and two of windows, each with 1 byte a pixel up to 253
classes and 2 bytes beyond, and windows of up to ``2 d + 2`` rows of 2048 columns. Threads that share an image share its
maps. Scores, class planes and thresholds become labels first, with 1 byte or 2 a pixel, image by image. Only the counts
of each image, 24 bytes for each class and width, grow with the batch.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.kernels.cpu import band_loops as loops
from meaniou.counting.kernels.cpu.band_labels import Code, LabelMaps, code_of, label_maps
from meaniou.counting.kernels.cpu.confusion import count
from meaniou.counting.kernels.cpu.threads import Add, Array, parallel_for
from meaniou.counting.kernels.portable.confusion import blocks
from meaniou.counting.kernels.spec import CountSpec, Frames

# Pixels that are worth the start of another thread (about 50 µs).
PER_THREAD = 1 << 16
# Pixels whose codes are written at once; labels that are not contiguous are copied.
BLOCK = 1 << 17
NO_MASK = np.empty(0, np.bool_)
Run = Callable[..., None]  # ``parallel_for``, or on the calling thread alone


class Plan(NamedTuple):
    """The label maps ``[B, *]`` of some images, and how their codes are written."""

    target: Array
    preds: Array
    valid: Array | None
    code_target: Code
    code_preds: Code
    rest: np.generic  # code of void
    num_classes: int


def count_bands(
    preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, frames: Frames
) -> tuple[Tensor, Tensor]:
    """Counts of all pixels, int64 ``[C + 2, C + 2]``, and bands, int64 ``[B, W, 3, C]``, as by the portable kernel."""
    preds, target = preds.detach(), target.detach()
    size = spec.num_classes + 2
    counts = torch.zeros(size, size, dtype=torch.int64, device="cpu")
    bands = np.zeros((len(target), len(frames.pixels), 3, spec.num_classes), np.int64)
    for maps in label_maps(preds, target, valid, spec):
        counts += count(maps.preds, maps.target, maps.valid, maps.spec)
        _count_images(maps, frames, bands)
    return counts, torch.from_numpy(bands)


def _count_images(maps: LabelMaps, frames: Frames, bands: Array) -> None:
    """Counts the bands of images, each on a thread of its own if there are as many as threads."""
    plan = _plan(maps, frames)
    images, pixels = len(maps.target), maps.target[:1].numel()

    def add(start: int, stop: int, _: Array, run: Run = _alone) -> None:
        room = np.empty(4 * pixels, plan.rest.dtype)
        for i in range(start, stop):
            _count_image(plan, frames, i, maps.first + i, room, run, bands)

    if not images * pixels:
        return
    if images < torch.get_num_threads():
        add(0, images, _no_counts(), parallel_for)
    else:
        parallel_for(add, max(1, PER_THREAD // pixels), 0, images, _no_counts(), unit=1)


def _plan(maps: LabelMaps, frames: Frames) -> Plan:
    classes = maps.spec.num_classes
    kind = np.min_scalar_type(classes + 2).type
    other, top = kind(classes + 1), ~kind(0)
    rest = other if frames.literal else kind(0)
    target, code_target = code_of(maps.target, maps.spec, maps.spec.target_ids, rest, rest)
    preds, code_preds = code_of(maps.preds, maps.spec, maps.spec.preds_ids, top if frames.drop else other, other)
    valid = None if maps.valid is None else maps.valid.numpy()
    return Plan(target, preds, valid, code_target, code_preds, rest, classes)


def _alone(add: Add, grain: int, start: int, stop: int, counts: Array, unit: int = 0) -> None:
    add(start, stop, counts)


def _no_counts() -> Array:
    return np.zeros(1, np.int64)


def _count_image(plan: Plan, frames: Frames, i: int, image: int, room: Array, run: Run, bands: Array) -> None:
    """Counts the bands of image ``i`` of the maps, which has the number ``image`` in the batch."""
    place: tuple[int | slice, ...] = (i,)
    if frames.boxes is not None:
        place = (i, *(slice(start, stop) for start, stop in frames.boxes[image].tolist()))
    shape = plan.target[place].shape
    pixels = math.prod(shape)
    if not pixels:
        return
    codes, windows = room[: 4 * pixels].reshape(2, 2, pixels)
    _write_codes(plan, place, codes, run)
    for k, width in enumerate(frames.pixels):
        _write_windows(codes, shape, int(width if isinstance(width, int) else width[image]), frames.edge, windows, run)
        counts = np.zeros((3, plan.num_classes + 1), np.int64)
        run(partial(loops.count_codes, codes, windows, plan.num_classes), PER_THREAD, 0, pixels, counts)
        bands[image, k] = counts[:, 1:]


def _write_codes(plan: Plan, place: tuple[int | slice, ...], codes: Array, run: Run) -> None:
    """Writes the codes of ground truth and prediction at a place, ``[2, n]``."""
    target, preds = plan.target[place], plan.preds[place]
    valid = None if plan.valid is None else plan.valid[place]
    parts = list(blocks(target.shape, BLOCK))
    ends = list(accumulate(target[part].size for part in parts))

    def write(start: int, stop: int, _: Array) -> None:
        for first, last, part in zip([0, *ends][start:stop], ends[start:stop], parts[start:stop], strict=True):
            truth, prediction = codes[0, first:last], codes[1, first:last]
            plan.code_target(np.ascontiguousarray(target[part]).reshape(-1), truth)
            plan.code_preds(np.ascontiguousarray(preds[part]).reshape(-1), prediction)
            mask = NO_MASK if valid is None else np.ascontiguousarray(valid[part]).reshape(-1)
            loops.settle(truth, prediction, mask, plan.rest)

    run(write, 1, 0, len(parts), _no_counts(), unit=1)


def _write_windows(codes: Array, shape: tuple[int, ...], width: int, edge: bool, windows: Array, run: Run) -> None:
    """Writes the windows of codes ``[2, n]``, axis by axis."""
    rows, of_rows = codes.reshape(-1, shape[-1]), windows.reshape(-1, shape[-1])

    def along_rows(start: int, stop: int, _: Array) -> None:
        loops.row_windows(rows[start:stop], width, edge, of_rows[start:stop])

    run(along_rows, max(1, PER_THREAD // shape[-1]), 0, len(rows), _no_counts(), unit=1)
    for axis in range(len(shape) - 2, -1, -1):
        lines = windows.reshape(-1, shape[axis], math.prod(shape[axis + 1 :]))

        def along_axis(start: int, stop: int, _: Array, lines: Array = lines) -> None:
            loops.merge_windows(lines, width, edge, start, stop)

        run(along_axis, max(1, PER_THREAD // shape[axis]), 0, lines.size // shape[axis], _no_counts())
