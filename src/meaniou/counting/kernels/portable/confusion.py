"""The kernel for every device: counts by PyTorch operators, in tiles that bound the memory.

Each label becomes a small code. The pair of codes of a pixel is a cell of a table; the cells are counted, and the table
is folded into the confusion matrix at the end. So ignored ids and labels out of range need no extra pass over the map.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from meaniou.counting.kernels.image_counts import image_by_image
from meaniou.counting.kernels.readers import Block, PixelReader, preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec

# Pixels per tile. On one core (EPYC, 1 MiB L2) uint8 maps take 2.1 ns/px at 2^16, 1.6 at 2^17, and 1.4 at 2^18 with
# twice the memory.
CPU_TILE = 1 << 17
ACCELERATOR_TILE = 1 << 20
# Bytes of the scores of a tile, so that they stay in the cache.
CPU_SCORES = 1 << 21
ACCELERATOR_SCORES = 1 << 24
# Most cells of a table that is folded at the end; beyond, pixels are counted in their bins directly.
MAX_TABLE = 1 << 17
# Most cells of all copies of the counts on an accelerator.
MAX_COPIED = 1 << 20


def count(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Tensor:
    """Counts of all pixels, int64 ``[C + 2, C + 2]`` with the ground truth in rows, on the device of ``preds``.

    ``valid`` is a bool mask of the map's shape; ``CountSpec`` explains the forms of the two maps.
    """
    maps = (preds, target) if valid is None else (preds, target, valid)
    flat = {spec.preds_form, spec.target_form}.isdisjoint(("scores", "one-hot"))
    if flat and all(m.is_contiguous() for m in maps):
        preds, target, valid = preds.view(-1), target.view(-1), None if valid is None else valid.view(-1)
    truth, prediction = target_reader(target, spec), preds_reader(preds, spec)
    way = count_on_cpu if preds.device.type == "cpu" else count_without_sync
    return way(truth, prediction, valid, spec.num_classes)


def count_images(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> tuple[Tensor, Tensor]:
    """The same counts, and those of each image, int64 ``[B, 4, C]``; see ``image_counts``."""
    return image_by_image(count, preds, target, valid, spec)


def count_on_cpu(truth: PixelReader, prediction: PixelReader, valid: Tensor | None, num_classes: int) -> Tensor:
    """Counts pairs of codes in a table and folds it; counts bins directly if the table is larger than the map."""
    rows, columns, size = truth.bins(), prediction.bins(), num_classes + 2
    parts = tiles(truth, prediction, valid, CPU_TILE, CPU_SCORES)
    width = columns.numel()
    if rows.numel() * width <= min(MAX_TABLE, truth.shape.numel()):
        table = rows.new_zeros(rows.numel() * width)
        for row, column in parts:
            _add(table, row.mul_(width).add_(column))
        by_row = table.new_zeros(size, width).index_add_(0, rows, table.view(-1, width))
        return table.new_zeros(size, size).index_add_(1, columns, by_row)
    rows = rows * size
    counts = rows.new_zeros(size * size)
    for row, column in parts:
        _add(counts, rows.index_select(0, row).add_(columns.index_select(0, column)))
    return counts.view(size, size)


def _add(table: Tensor, cell: Tensor) -> None:
    """Adds the cells of a tile to a table on the CPU."""
    if table.numel() <= min(MAX_TABLE, cell.numel()):
        table += torch.bincount(cell, minlength=table.numel())
    else:
        table.scatter_add_(0, cell.long(), table.new_ones(()).expand(cell.shape))


def count_without_sync(truth: PixelReader, prediction: PixelReader, valid: Tensor | None, num_classes: int) -> Tensor:
    """Counts by ``scatter_add_`` alone, which never waits for a value from the device.

    Each cell has several adjacent copies, and neighbouring pixels use different ones: otherwise the many pixels of one
    region would queue for the same cell.
    """
    size = num_classes + 2
    copies = max(1, min(64, MAX_COPIED // (size * size)))
    rows, columns = truth.bins() * (size * copies), prediction.bins() * copies
    counts = rows.new_zeros(size * size * copies)
    one = rows.new_ones(())
    for row, column in tiles(truth, prediction, valid, ACCELERATOR_TILE, ACCELERATOR_SCORES):
        cell = rows.index_select(0, row).add_(columns.index_select(0, column))
        cell.add_(torch.arange(cell.numel(), device=cell.device).remainder_(copies))
        counts.scatter_add_(0, cell, one.expand(cell.shape))
    return counts.view(size, size, copies).sum(2)


def tiles(
    truth: PixelReader, prediction: PixelReader, valid: Tensor | None, pixels: int, scores: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes of ground truth and prediction, tile by tile."""
    void = truth.bins().numel() - 1 if valid is not None else 0
    for block in blocks(truth.shape, max(1, min(pixels, scores // max(truth.cost, prediction.cost)))):
        yield masked(truth.read(block), valid, block, void), prediction.read(block)


def masked(codes: Tensor, valid: Tensor | None, block: Block, void: int) -> Tensor:
    """Sets the codes of invalid pixels to ``void``, in place."""
    return codes if valid is None else codes.masked_fill_(~valid[block].reshape(-1), void)


def blocks(shape: Sequence[int], limit: int) -> Iterator[Block]:
    """Slices that cover ``shape`` in row-major order, each of at most ``limit`` elements."""
    if not shape:
        yield ()
        return
    inner = math.prod(shape[1:])
    if inner <= limit:
        step = max(1, limit // max(1, inner))
        rest = tuple(slice(0, n) for n in shape[1:])
        yield from ((slice(start, min(start + step, shape[0])), *rest) for start in range(0, shape[0], step))
        return
    for i in range(shape[0]):
        yield from ((slice(i, i + 1), *block) for block in blocks(shape[1:], limit))
