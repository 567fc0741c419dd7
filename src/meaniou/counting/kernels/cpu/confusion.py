"""The kernel for the CPU: loops compiled by Numba, on as many threads as PyTorch uses.

Contiguous maps are read in place. Everything else (strided views, bytes not aligned to 8, masks, class planes,
thresholds) is copied block by block through a small buffer.
"""

from functools import lru_cache, partial
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.kernels.cpu import loops
from meaniou.counting.kernels.cpu.threads import Add, Array, parallel_for
from meaniou.counting.kernels.image_counts import image_by_image
from meaniou.counting.kernels.label_table import LabelTable, bins_of_codes
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.portable.confusion import blocks, tiles
from meaniou.counting.kernels.readers import Block, LabelReader, PixelReader, at, layout, preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec

BYTES = (torch.bool, torch.uint8, torch.int8)
INFINITY = {torch.float16: np.int16(0x7C00), torch.bfloat16: np.int16(0x7F80)}  # as bits
# Pixels of label maps, and scores, that are worth the start of another thread (about 50 µs).
LABELS_PER_THREAD, SCORES_PER_THREAD = 1 << 19, 1 << 20
# Pixels whose running maximum is kept, 8 bytes each (64 KiB).
SCORE_TILE = 1 << 13
# A buffer for labels or scores is a tile of the portable kernel divided by this: two buffers are in use at a time.
SHARE = 4
NO_SPARSE = np.empty(0, np.int64)
Table = tuple[Array, int, Array]  # each code's part of a cell index, the lowest label, the sparse labels


def count(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Tensor:
    """Counts of all pixels, int64 ``[C + 2, C + 2]``, as by the portable kernel."""
    preds, target = preds.detach(), target.detach()
    truth, prediction = target_reader(target, spec), preds_reader(preds, spec)
    size = spec.num_classes + 2
    counts = np.zeros(size * size, np.int64)
    if truth.shape.numel():
        if not _in_loops(truth, prediction, spec, valid):
            _count_codes(truth, prediction, valid, counts)
        elif flat := _lies_flat(truth, prediction, preds):
            parallel_for(*flat, 0, truth.shape.numel(), counts)
        else:
            _count_blocks(truth, prediction, counts)
    return torch.from_numpy(counts.reshape(size, size))


def count_images(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> tuple[Tensor, Tensor]:
    """The same counts, and those of each image, int64 ``[B, 4, C]``, in one pass; see ``image_counts``.

    Each image adds about 2 µs, and 0.7 ns per cell of the counts.
    """
    preds, target = preds.detach(), target.detach()
    truth, prediction = target_reader(target, spec), preds_reader(preds, spec)
    flat = None
    if truth.shape.numel() and _in_loops(truth, prediction, spec, valid):
        flat = _lies_flat(truth, prediction, preds)
    if flat is None:
        return image_by_image(count, preds, target, valid, spec)
    add, grain = flat
    images, pixels, size = truth.shape[0], truth.shape[1:].numel(), spec.num_classes + 2
    counts = np.zeros(size * size, np.int64)
    image_counts = np.zeros((images, 4, spec.num_classes), np.int64)

    def add_images(start: int, stop: int, mine: Array, among_threads: bool = False) -> None:
        one = np.zeros_like(mine)
        for i in range(start, stop):
            if among_threads:
                parallel_for(add, grain, i * pixels, (i + 1) * pixels, one)
            else:
                add(i * pixels, (i + 1) * pixels, one)
            loops.fold_image(one, mine, image_counts[i])

    if images < torch.get_num_threads():
        add_images(0, images, counts, among_threads=True)
    else:
        parallel_for(add_images, max(1, grain // pixels), 0, images, counts, unit=1)
    return torch.from_numpy(counts.reshape(size, size)), torch.from_numpy(image_counts)


def _in_loops(
    truth: PixelReader, prediction: PixelReader, spec: CountSpec, valid: Tensor | None
) -> TypeGuard[LabelReader]:
    """Whether the compiled loops can read both sides; other maps are converted to codes first."""
    if valid is not None or not isinstance(truth, LabelReader) or truth.data.is_floating_point():
        return False
    labels = isinstance(prediction, LabelReader) and not prediction.data.is_floating_point()
    return labels or spec.preds_form == "scores"


def _lies_flat(truth: LabelReader, prediction: PixelReader, preds: Tensor) -> tuple[Add, int] | None:
    """The loop for maps that can be read in place, and the pixels that are worth a thread; None for other maps."""
    if not _is_flat(truth.data):
        return None
    if isinstance(prediction, LabelReader):
        if not _is_flat(prediction.data):
            return None
        return _of_maps(truth, truth.data.view(-1), prediction, prediction.data.view(-1)), LABELS_PER_THREAD
    lie = layout(preds)
    if lie is None:
        return None
    extent = 1 + sum((n - 1) * stride for n, stride in zip(preds.shape, preds.stride(), strict=True))
    flat = preds.as_strided((extent,), (1,), preds.storage_offset())
    return _of_scores(truth, truth.data.view(-1), prediction, flat, *lie), SCORES_PER_THREAD // preds.shape[1]


def _is_flat(labels: Tensor) -> bool:
    return labels.is_contiguous() and (labels.dtype not in BYTES or labels.data_ptr() % 8 == 0)


def _count_blocks(truth: LabelReader, prediction: PixelReader, counts: Array) -> None:
    """Counts maps that are not contiguous, block by block through a buffer."""
    if isinstance(prediction, LabelReader):
        for block in blocks(truth.shape, max(1, portable.CPU_TILE // SHARE)):
            target, preds = _flat(truth.data, block), _flat(prediction.data, block)
            _of_maps(truth, target, prediction, preds)(0, target.numel(), counts)
        return
    classes, size = truth.num_classes, prediction.data.element_size()
    for block in blocks(truth.shape, max(1, portable.CPU_SCORES // (SHARE * classes * size))):
        target = _flat(truth.data, block)
        scores = at(prediction.data, block).reshape(classes, -1).contiguous().view(-1)
        pixels = target.numel()
        _of_scores(truth, target, prediction, scores, (0, pixels), pixels)(0, pixels, counts)


def _of_maps(truth: LabelReader, target: Tensor, prediction: LabelReader, preds: Tensor) -> Add:
    size = truth.num_classes + 2
    if target.dtype in BYTES and preds.dtype in BYTES:
        rows, cols = byte_table(truth.table, size), byte_table(prediction.table, 1)
        return partial(_add_bytes, _aligned(preds), _aligned(target), rows, cols)
    tables = table_of(truth.table, size), table_of(prediction.table, 1)
    return partial(_add_labels, array_of(preds), array_of(target), tables)


def _add_bytes(preds: Array, target: Array, rows: Array, cols: Array, start: int, stop: int, counts: Array) -> None:
    loops.count_bytes(preds, target, start, stop, rows, cols, counts)


def _add_labels(preds: Array, target: Array, tables: tuple[Table, Table], start: int, stop: int, counts: Array) -> None:
    loops.count_labels(preds, target, start, stop, *tables, counts)


def _of_scores(
    truth: LabelReader, target: Tensor, prediction: PixelReader, flat: Tensor, strides: tuple[int, ...], pixels: int
) -> Add:
    """The loop for the layout of flat scores."""
    scores = (flat.view(torch.int16) if flat.dtype in INFINITY else flat).numpy()
    nan_above = INFINITY.get(flat.dtype, np.int16(0))
    tables = table_of(truth.table, truth.num_classes + 2), (prediction.bins().numpy(), 0, NO_SPARSE)
    if len(strides) == 1:
        return partial(_add_scores_last, scores, (*strides, truth.num_classes, nan_above), array_of(target), tables)
    shape = (*strides, truth.num_classes, pixels, nan_above)
    return partial(_add_scores, scores, shape, array_of(target), tables)


def _add_scores(
    scores: Array,
    shape: tuple[Any, ...],
    target: Array,
    tables: tuple[Table, Table],
    start: int,
    stop: int,
    counts: Array,
) -> None:
    best, buffer = np.empty(SCORE_TILE, scores.dtype), np.empty(SCORE_TILE, np.int32)
    loops.count_scores(scores, *shape, target, start, stop, *tables, counts, best, buffer)


def _add_scores_last(
    scores: Array,
    shape: tuple[Any, ...],
    target: Array,
    tables: tuple[Table, Table],
    start: int,
    stop: int,
    counts: Array,
) -> None:
    loops.count_scores_last(scores, *shape, target, start, stop, *tables, counts, np.empty(SCORE_TILE, np.int32))


def _count_codes(truth: PixelReader, prediction: PixelReader, valid: Tensor | None, counts: Array) -> None:
    """Counts any maps from the codes of their readers."""
    rows, cols = truth.bins().numpy() * (truth.num_classes + 2), prediction.bins().numpy()
    for row, column in tiles(truth, prediction, valid, max(1, portable.CPU_TILE // 2), portable.CPU_SCORES):
        codes = column.numpy(), row.numpy()
        loops.count_labels(*codes, 0, row.numel(), (rows, 0, NO_SPARSE), (cols, 0, NO_SPARSE), counts)


def _flat(data: Tensor, block: Block) -> Tensor:
    return data[block].reshape(-1).contiguous()


def array_of(labels: Tensor) -> Array:
    return (labels.view(torch.uint8) if labels.dtype == torch.bool else labels).numpy()


def _aligned(labels: Tensor) -> Array:
    """The bytes of labels, copied if their address is not a multiple of 8."""
    return (labels if labels.data_ptr() % 8 == 0 else labels.clone()).view(torch.uint8).numpy()


@lru_cache(maxsize=64)
def table_of(table: LabelTable, scale: int) -> Table:
    """Bins times ``scale`` of dense, then sparse labels; the lowest dense label; the sparse labels."""
    bins = bins_of_codes(table, torch.device("cpu")).numpy()
    return bins[:-1] * scale, table.low, np.array([i for i, _ in table.sparse], np.int64)


@lru_cache(maxsize=64)
def byte_table(table: LabelTable, scale: int) -> Array:
    """Bins times ``scale`` of each of the 256 bytes; the negative labels of int8 are the upper half."""
    bins, low, _ = table_of(table, scale)
    stored = np.arange(256)
    signed = np.where(stored > 127, stored - 256, stored) if low < 0 else np.minimum(stored, table.high)
    of_bytes: Array = bins[signed - low]
    return of_bytes
