"""Label or score views -> counts, by PyTorch operators on any device, in tiles that bound the memory.

Each side of a pixel becomes a small code. The two codes name a cell of a table, the cells are counted, and the table is
folded into the bins: a class, C (void in the truth, no answer in the prediction) or C + 1 (outside). So ignored ids and
outside labels cost no pass of their own over the map.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol

import torch
from torch import Tensor

Block = tuple[slice, ...]

# Pixels a tile. One core (EPYC, 1 MiB L2), ns/px of uint8 maps: 2.1 at 2^16, 1.6 at 2^17, 1.4 at 2^18, which takes
# twice the memory.
CPU_TILE = 1 << 17
ACCELERATOR_TILE = 1 << 20
# Bytes of the scores of a tile, so that what is compared stays in the cache.
CPU_SCORES = 1 << 21
ACCELERATOR_SCORES = 1 << 24
# Cells of a table that is counted as it is and folded afterwards; beyond, each pixel is sent to its bin at once.
MAX_TABLE = 1 << 17
# Cells of all copies of the counts on an accelerator.
MAX_COPIED = 1 << 20


class Side(Protocol):
    """One side of the pixels: how a block becomes codes, and the bin that each code stands for."""

    data: Tensor
    shape: torch.Size  # of the map, without the classes

    def bins(self) -> Tensor:
        """Bin of each code, int64 ``[width]``, not to be changed; the last code is for pixels that are not valid."""

    def read(self, block: Block) -> Tensor:
        """Codes of a block in row-major order, int32 ``[n]``, the caller's own to change."""


def count(
    preds: Tensor,
    target: Tensor,
    valid: Tensor | None,
    preds_form: str,
    target_form: str,
    num_classes: int,
    ignore: Sequence[int],
    threshold: float,
) -> Tensor:
    """Counts of all pixels, int64 ``[C + 2, C + 2]`` with truth in rows, on the device of ``preds``.

    A form is ``"labels"`` (``[*]``), ``"scores"`` or ``"one-hot"`` (``[B, C, *]``) or ``"threshold"`` (floating
    ``[*]``); ``valid`` is bool of the map's shape.
    """
    maps = (preds, target) if valid is None else (preds, target, valid)
    if not {preds_form, target_form} & {"scores", "one-hot"} and all(m.is_contiguous() for m in maps):
        preds, target, valid = preds.view(-1), target.view(-1), None if valid is None else valid.view(-1)
    truth = side(target, target_form, num_classes, ignore)
    prediction = side(preds, preds_form, num_classes, ignore, threshold)
    kernel = count_on_cpu if preds.device.type == "cpu" else count_without_sync
    return kernel(truth, prediction, valid, num_classes)


def side(data: Tensor, form: str, num_classes: int, ignore: Sequence[int], threshold: float = math.nan) -> Side:
    """The reader of a tensor in one of the four forms."""
    if form == "labels":
        return _Labels(data, num_classes, ignore)
    if form == "threshold":
        return _Answers(data, data.shape, partial(_above, threshold), num_classes, ignore)
    data = data.movedim(1, 0)
    return _Answers(data, data.shape[1:], _best if form == "scores" else _only, num_classes, ignore)


def count_on_cpu(truth: Side, prediction: Side, valid: Tensor | None, num_classes: int) -> Tensor:
    """Counts pairs of codes and folds their table at the end, or counts bins at once if that is larger than the map."""
    rows, columns, size = truth.bins(), prediction.bins(), num_classes + 2
    tiles = _tiles(truth, prediction, valid, CPU_TILE, CPU_SCORES)
    width = columns.numel()
    if rows.numel() * width <= min(MAX_TABLE, truth.shape.numel()):
        table = torch.zeros(rows.numel() * width, dtype=torch.int64)
        for row, column in tiles:
            _add(table, row.mul_(width).add_(column))
        by_row = table.new_zeros(size, width).index_add_(0, rows, table.view(-1, width))
        return table.new_zeros(size, size).index_add_(1, columns, by_row)
    rows = rows * size
    counts = torch.zeros(size * size, dtype=torch.int64)
    for row, column in tiles:
        _add(counts, rows.index_select(0, row).add_(columns.index_select(0, column)))
    return counts.view(size, size)


def _add(table: Tensor, cell: Tensor) -> None:
    """Counts a tile into a table on the CPU."""
    if table.numel() <= min(MAX_TABLE, cell.numel()):
        table += torch.bincount(cell, minlength=table.numel())
    else:
        table.scatter_add_(0, cell.long(), torch.ones((), dtype=torch.int64).expand(cell.shape))


def count_without_sync(truth: Side, prediction: Side, valid: Tensor | None, num_classes: int) -> Tensor:
    """Counts by ``scatter_add_`` alone, so that nothing asks the device for a value.

    The copies of a cell lie side by side and neighbouring pixels take different ones, or the many pixels of one region
    would queue for the same cell.
    """
    size = num_classes + 2
    copies = max(1, min(64, MAX_COPIED // (size * size)))
    rows, columns = truth.bins() * (size * copies), prediction.bins() * copies
    counts = rows.new_zeros(size * size * copies)
    one = rows.new_ones(())
    for row, column in _tiles(truth, prediction, valid, ACCELERATOR_TILE, ACCELERATOR_SCORES):
        cell = rows.index_select(0, row).add_(columns.index_select(0, column))
        cell.add_(torch.arange(cell.numel(), device=cell.device).remainder_(copies))
        counts.scatter_add_(0, cell, one.expand(cell.shape))
    return counts.view(size, size, copies).sum(2)


def first_outside(
    truth: Side, prediction: Side, valid: Tensor | None, num_classes: int, on_truth: bool
) -> tuple[tuple[int, ...], list[float]]:
    """Index of the first outside pixel and what is stored there; for the sentence of an error, on the CPU."""
    rows, columns, outside = truth.bins(), prediction.bins(), num_classes + 1
    for block in _blocks(truth.shape, max(1, CPU_TILE // num_classes)):
        row = rows[_masked(truth.read(block), valid, block, rows.numel() - 1)]
        wrong = row == outside if on_truth else (columns[prediction.read(block)] == outside) & (row < num_classes)
        if wrong.any():
            where = torch.unravel_index(wrong.nonzero()[0, 0], [s.stop - s.start for s in block])
            index = tuple(s.start + int(i) for s, i in zip(block, where, strict=True))
            stored = _at(truth.data if on_truth else prediction.data, index)
            return index, stored.reshape(-1).tolist()
    raise AssertionError("no pixel is outside")


class _Labels:
    """A map of labels. Code 0 is the label ``low``; what lies beyond ``low`` and ``high`` is clamped to them.

    The window ``low .. high`` is the whole range of an 8-bit dtype. For a wider one it holds the classes and the near
    ignored ids, its ends are outside labels, and each far ignored id has a code of its own after it.
    """

    def __init__(self, data: Tensor, num_classes: int, ignore: Sequence[int]) -> None:
        self.data, self.shape, self.num_classes = data, data.shape, num_classes
        self.narrow = data.dtype in (torch.bool, torch.uint8, torch.int8)
        if self.narrow:
            span = torch.iinfo(torch.int8 if data.dtype == torch.int8 else torch.uint8)
            self.low, self.high, self.far = span.min, 1 if data.dtype == torch.bool else span.max, []
            self.near = tuple(i for i in ignore if self.low <= i <= self.high)
        else:
            self.near = tuple(i for i in ignore if -128 <= i < max(num_classes, 256))
            self.far = [i for i in ignore if i not in self.near and _holds(data.dtype, i)]
            self.low, self.high = min([*self.near, 0]) - 1, max([*self.near, num_classes - 1]) + 1

    def bins(self) -> Tensor:
        return _made(
            _label_bins, self.data.device, self.low, self.high, tuple(self.near), len(self.far), self.num_classes
        )

    def read(self, block: Block) -> Tensor:
        tile = self.data[block].reshape(-1)
        if self.narrow:
            codes = tile.to(torch.int32, copy=True)
            return codes.sub_(self.low) if self.low else codes
        if tile.is_floating_point():  # a fraction is no label; NaN differs from its floor
            codes = tile.float().masked_fill(tile != tile.floor(), self.high).clamp_(self.low, self.high)
        else:
            tile = tile.int() if tile.dtype == torch.uint16 else tile  # uint16 has no clamp
            codes = tile.clamp(self.low, self.high)
        codes = codes.to(torch.int32).sub_(self.low)
        for code, i in enumerate(self.far, self.high + 1 - self.low):
            codes.masked_fill_(tile == i, code)
        return codes


class _Answers:
    """A map that is decided pixel by pixel; but for ignored classes, the codes are the bins."""

    def __init__(
        self,
        data: Tensor,
        shape: torch.Size,
        decide: Callable[[Tensor, Tensor], Tensor],
        num_classes: int,
        ignore: Sequence[int],
    ) -> None:
        self.data, self.shape, self.decide, self.num_classes = data, shape, decide, num_classes
        self.ignored = tuple(i for i in ignore if 0 <= i < num_classes)
        # Room for one tile, reused: fresh memory of this size costs more than what is done in it.
        self.spare = data.new_empty(0, dtype=torch.float64 if data.dtype == torch.float64 else torch.float32)

    def bins(self) -> Tensor:
        return _made(_answer_bins, self.data.device, self.ignored, self.num_classes)

    def read(self, block: Block) -> Tensor:
        tile = _at(self.data, block)
        tile = tile.reshape(*tile.shape[: tile.dim() - len(block)], -1)
        if self.spare.numel() < tile.numel():
            self.spare = self.spare.new_empty(tile.numel())
        return self.decide(tile, self.spare[: tile.numel()].view(tile.shape)).to(torch.int32)


def _label_bins(low: int, high: int, near: tuple[int, ...], far: int, num_classes: int, device: torch.device) -> Tensor:
    label = torch.arange(low, high + 1 + far + 1, device=device)
    bins = label.masked_fill((label < 0) | (label >= num_classes), num_classes + 1)
    for i in near:
        bins[i - low] = num_classes
    bins[high + 1 - low :] = num_classes
    return bins


def _answer_bins(ignored: tuple[int, ...], num_classes: int, device: torch.device) -> Tensor:
    bins = torch.arange(num_classes + 3, device=device)
    for i in (*ignored, num_classes + 2):
        bins[i] = num_classes
    return bins


@lru_cache(maxsize=64)
def _made_once(make: Callable[..., Tensor], *settings: Any) -> Tensor:
    return make(*settings, torch.device("cpu"))


def _made(make: Callable[..., Tensor], device: torch.device, *settings: Any) -> Tensor:
    """Bins, kept on the CPU; made anew on an accelerator, since copies wait and a captured graph owns what it makes."""
    return _made_once(make, *settings) if device.type == "cpu" else make(*settings, device)


def _holds(dtype: torch.dtype, label: int) -> bool:
    return dtype.is_floating_point or torch.iinfo(dtype).min <= label <= torch.iinfo(dtype).max


def _above(threshold: float, tile: Tensor, _spare: Tensor) -> Tensor:
    """Scores ``[n]`` -> 1 where above the threshold, else 0; 2 for NaN."""
    return tile.gt(threshold).to(torch.uint8).masked_fill_(tile.isnan(), 2)


def _best(tile: Tensor, spare: Tensor) -> Tensor:
    """Scores ``[C, n]`` -> the class of the first maximum, C where one of them is NaN.

    The maximum of a pixel with a NaN is NaN and equals nothing, so that no class is found there. Classes that lie side
    by side (channels last) are the case where ``argmax`` is the faster way on a CPU; elsewhere it takes 4 to 10 times
    as long.
    """
    if tile.shape[0] > 1 and tile.stride(0) == 1 and tile.device.type == "cpu":
        scores = tile.float() if tile.element_size() < 4 else tile
        best = scores.argmax(0, keepdim=True)
        return best.masked_fill_(scores.gather(0, best).isnan(), tile.shape[0]).squeeze(0)
    scores = spare.copy_(tile) if tile.element_size() < 4 else tile
    # Into a tensor of the same dtype the comparison is vectorised; to bool it takes five times as long.
    return _first(torch.eq(scores, scores.amax(0), out=spare))


def _only(tile: Tensor, spare: Tensor) -> Tensor:
    """One-hot ``[C, n]`` -> the class, C + 1 where a pixel is not a single 1 among zeros."""
    num_classes = tile.shape[0]
    single = tile.ne(0).sum(0) == 1
    spare.copy_(tile)
    first = _first(torch.eq(spare, 1, out=spare))
    return first.masked_fill_(~single | (first == num_classes), num_classes + 1)


def _first(hit: Tensor) -> Tensor:
    """Index of the first 1 in each column of ``[C, n]`` zeros and ones, C where there is none; ``hit`` is used up."""
    num_classes = hit.shape[0]
    weight = torch.arange(num_classes, 0, -1, dtype=hit.dtype, device=hit.device)[:, None]
    return num_classes - hit.mul_(weight).amax(0)


def _at(data: Tensor, place: tuple[Any, ...]) -> Tensor:
    """The part of ``[*]`` or ``[C, *]`` at a place of the map."""
    return data[(..., *place)]


def _tiles(
    truth: Side, prediction: Side, valid: Tensor | None, pixels: int, scores: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes of truth and prediction, tile after tile."""
    planes = [side.data for side in (truth, prediction) if side.data.dim() > len(side.shape)]
    cost = max((data.shape[0] * max(4, data.element_size()) for data in planes), default=1)
    void = truth.bins().numel() - 1 if valid is not None else 0
    for block in _blocks(truth.shape, max(1, min(pixels, scores // cost))):
        yield _masked(truth.read(block), valid, block, void), prediction.read(block)


def _masked(codes: Tensor, valid: Tensor | None, block: Block, void: int) -> Tensor:
    """Gives pixels that are not valid the code of the void."""
    return codes if valid is None else codes.masked_fill_(~valid[block].reshape(-1), void)


def _blocks(shape: Sequence[int], limit: int) -> Iterator[Block]:
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
        yield from ((slice(i, i + 1), *block) for block in _blocks(shape[1:], limit))
