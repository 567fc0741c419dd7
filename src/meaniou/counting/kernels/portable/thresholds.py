"""Counts labels that overlap: each pixel of a label in the cell of its ground truth and of its thresholds."""

from collections.abc import Iterator

import torch
from torch import Tensor

from meaniou.counting.kernels.label_table import holds
from meaniou.counting.kernels.portable.confusion import ACCELERATOR_TILE, CPU_TILE, MAX_COPIED, MAX_TABLE, blocks
from meaniou.counting.kernels.readers import Block, cached_table
from meaniou.counting.kernels.spec import ThresholdSpec

# Rows of the counts: the ground truth of a label.
UNSET, SET, VOID, OUTSIDE = range(4)
WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64}  # for dtypes with few operators


def count_thresholds(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> Tensor:
    """Counts of labels that overlap, int64 ``[G, L, 4, T + 3]``; G is B with ``images``, else 1.

    Rows are the ground truth: not set, set, void, outside. Column k holds the pixels whose score is above exactly the k
    lowest thresholds; column T + 1 void predictions, column T + 2 predictions outside.

    Args:
        preds: scores ``[B, L, *]``, or labels 0 and 1 if there is one threshold.
        target: labels 0 and 1 of the same shape.
        valid: bool of the same shape, or ``None``.
        spec: how to count.
    """
    way = count_on_cpu if preds.device.type == "cpu" else count_without_sync
    return way(preds.detach(), target.detach(), valid, spec)


def count_on_cpu(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> Tensor:
    """Counts the cells of a tile by ``bincount``, unless there are more cells than pixels."""
    counts = _zeros(preds, spec)
    flat = counts.view(-1)
    for cells in _cells(preds, target, valid, spec, CPU_TILE):
        if flat.numel() <= min(MAX_TABLE, cells.numel()):
            flat += torch.bincount(cells, minlength=flat.numel())
        else:
            _scatter(flat, cells)
    return counts


def count_without_sync(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> Tensor:
    """Counts by ``scatter_add_`` alone, which never waits for a value from the device.

    Each cell has several adjacent copies, and neighbouring pixels use different ones.
    """
    counts = _zeros(preds, spec)
    copies = max(1, min(64, MAX_COPIED // max(1, counts.numel())))
    flat = counts.new_zeros(counts.numel() * copies)
    for cells in _cells(preds, target, valid, spec, ACCELERATOR_TILE):
        places = cells.long().mul_(copies)
        _scatter(flat, places.add_(torch.arange(places.numel(), device=places.device).remainder_(copies)))
    return counts.add_(flat.view(*counts.shape, copies).sum(-1))


def _zeros(preds: Tensor, spec: ThresholdSpec) -> Tensor:
    shape = preds.shape[0] if spec.images else 1, preds.shape[1], 4, spec.number + 3
    return torch.zeros(shape, dtype=torch.int64, device=preds.device)


def _cells(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec, tile: int) -> Iterator[Tensor]:
    """The cell of each pixel in the flat counts, tile by tile, int32, or int64 if there are more cells."""
    (images, labels), columns = preds.shape[:2], spec.number + 3
    groups = images if spec.images else 1
    small = groups * labels * 4 * columns < 1 << 31
    start = torch.arange(groups * labels, dtype=torch.int32 if small else torch.int64, device=preds.device)
    starts = start.mul_(4 * columns).view(groups, labels, *[1] * (preds.dim() - 2)).expand(images, -1, *preds.shape[2:])
    for block in blocks(preds.shape, tile):
        cell = _rows(target, valid, block, spec).mul_(columns).add_(_columns(preds, block, spec))
        yield (cell + starts[block]).reshape(-1)


def _scatter(counts: Tensor, cells: Tensor) -> None:
    counts.scatter_add_(0, cells.long(), counts.new_ones(()).expand(cells.shape))


def _rows(target: Tensor, valid: Tensor | None, block: Block, spec: ThresholdSpec) -> Tensor:
    """The row of each pixel of a block, int32."""
    tile = target[block]
    tile = tile.to(WIDER.get(tile.dtype, tile.dtype))
    rows = flags_of(tile, OUTSIDE, VOID, spec.ignore)
    return rows if valid is None else rows.masked_fill_(~valid[block], VOID)


def _columns(preds: Tensor, block: Block, spec: ThresholdSpec) -> Tensor:
    """The column of each pixel of a block, int32."""
    tile, number = preds[block], spec.number
    if not tile.is_floating_point():
        return flags_of(tile.to(WIDER.get(tile.dtype, tile.dtype)), number + 2, number + 1, spec.ignore)
    scores = tile if tile.dtype == torch.float64 else tile.float()
    edges = cached_table(scores.device, edges_of, spec.thresholds, scores.dtype, kept=True)
    if number > 1:
        columns = torch.bucketize(scores.contiguous(), edges, out_int32=True, right=spec.inclusive)
    else:
        edges = edges.view(-1, *[1] * (preds.dim() - 2))  # one, or one for each label
        edges = edges[block[1]] if spec.per_label else edges
        columns = (scores >= edges if spec.inclusive else scores > edges).to(torch.int32)
    return columns.masked_fill_(scores.isnan(), number + 1)


def flags_of(tile: Tensor, outside: int, void: int, ignore: tuple[int, ...]) -> Tensor:
    """The values of labels: 0 and 1 as they are, ``void`` for ignored values, and ``outside`` for all others, int32."""
    flags = (tile != 0).to(torch.int32)
    if tile.dtype == torch.bool:
        return flags
    flags.masked_fill_((tile != 0) & (tile != 1), outside)
    for value in ignore:
        if holds(tile.dtype, value):
            flags.masked_fill_(tile == value, void)
    return flags


def edges_of(thresholds: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The thresholds in the dtype in which scores are compared."""
    return torch.tensor(list(map(float, thresholds.split())), dtype=dtype, device=device)
