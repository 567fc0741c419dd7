"""Counts labels that overlap: each pixel of a label in the cell of its ground truth and of its thresholds."""

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

    Rows are the ground truth: not set, set, void, outside. Column k holds the pixels whose score is above the k lowest
    thresholds and no other; column T + 1 void predictions, column T + 2 predictions outside.

    Args:
        preds: scores ``[B, L, *]``, or labels 0 and 1 if there is one threshold.
        target: labels 0 and 1 of the same shape.
        valid: bool of the same shape, or ``None``.
        spec: how to count.
    """
    preds, target = preds.detach(), target.detach()
    images, labels, columns = *preds.shape[:2], spec.number + 3
    groups = images if spec.images else 1
    size, on_cpu = groups * labels * 4 * columns, preds.device.type == "cpu"
    copies = 1 if on_cpu else max(1, min(64, MAX_COPIED // max(1, size)))
    counts = torch.zeros(size * copies, dtype=torch.int64, device=preds.device)
    start = torch.arange(groups * labels, dtype=torch.int32 if size < 1 << 31 else torch.int64, device=preds.device)
    starts = start.mul_(4 * columns).view(groups, labels, *[1] * (preds.dim() - 2)).expand(images, -1, *preds.shape[2:])
    for block in blocks(preds.shape, CPU_TILE if on_cpu else ACCELERATOR_TILE):
        cell = _rows(target, valid, block, spec).mul_(columns).add_(_columns(preds, block, spec))
        _add(counts, (cell + starts[block]).reshape(-1), copies)
    return counts.view(groups, labels, 4, columns, copies).sum(-1)


def _rows(target: Tensor, valid: Tensor | None, block: Block, spec: ThresholdSpec) -> Tensor:
    """The row of each pixel of a block, int32."""
    tile = target[block]
    tile = tile.to(WIDER.get(tile.dtype, tile.dtype))
    rows = _flags(tile, OUTSIDE, VOID, spec.ignore)
    return rows if valid is None else rows.masked_fill_(~valid[block], VOID)


def _columns(preds: Tensor, block: Block, spec: ThresholdSpec) -> Tensor:
    """The column of each pixel of a block, int32."""
    tile, number = preds[block], spec.number
    if not tile.is_floating_point():
        return _flags(tile.to(WIDER.get(tile.dtype, tile.dtype)), number + 2, number + 1, spec.ignore)
    scores = tile if tile.dtype == torch.float64 else tile.float()
    edges = cached_table(scores.device, _edges, spec.thresholds, scores.dtype, kept=True)
    if number > 1:
        columns = torch.bucketize(scores.contiguous(), edges, out_int32=True, right=spec.inclusive)
    else:
        edges = edges.view(-1, *[1] * (preds.dim() - 2))  # one, or one for each label
        edges = edges[block[1]] if spec.per_label else edges
        columns = (scores >= edges if spec.inclusive else scores > edges).to(torch.int32)
    return columns.masked_fill_(scores.isnan(), number + 1)


def _flags(tile: Tensor, outside: int, void: int, ignore: tuple[int, ...]) -> Tensor:
    """0 and 1 as they are, ``void`` for ignored values, and ``outside`` for all others, int32."""
    flags = (tile != 0).to(torch.int32)
    if tile.dtype == torch.bool:
        return flags
    flags.masked_fill_((tile != 0) & (tile != 1), outside)
    for value in ignore:
        if holds(tile.dtype, value):
            flags.masked_fill_(tile == value, void)
    return flags


def _edges(thresholds: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(list(map(float, thresholds.split())), dtype=dtype, device=device)


def _add(counts: Tensor, cells: Tensor, copies: int) -> None:
    """Adds the cells of a block; on an accelerator neighbouring pixels use different copies of the counts."""
    if counts.device.type == "cpu" and counts.numel() <= min(MAX_TABLE, cells.numel()):
        counts += torch.bincount(cells, minlength=counts.numel())
        return
    cells = cells.long()
    if copies > 1:
        cells = cells * copies + torch.arange(cells.numel(), device=cells.device).remainder_(copies)
    counts.scatter_add_(0, cells, counts.new_ones(()).expand(cells.shape))
