"""Readers that turn one side of a batch into small codes, block by block, and list the bin of each code.

A bin is a class, C (void) or C + 1 (out of range), as in ``label_table``.
"""

import typing
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from meaniou.counting.kernels.label_table import NARROW, LabelTable, bins_of_codes, label_table, sparse_labels
from meaniou.counting.kernels.spec import CountSpec

Block = tuple[slice, ...]
Scratch = Callable[[torch.Size], Tensor]  # memory of a shape that the next call reuses

# From this number of classes on, the best group of classes is found first: one pass over the scores instead of four.
MANY_CLASSES = 96
GROUP = 8
# Images with fewer pixels are too small for reading class by class.
MIN_PIXELS = 64
# Up to this number sparse labels are compared with each pixel; more are found by binary search.
MANY_SPARSE = 4


class PixelReader(typing.Protocol):
    """One side of a batch: turns blocks into codes, and lists the bin of each code."""

    data: Tensor
    shape: torch.Size  # of the map, without the classes
    num_classes: int
    cost: int  # bytes of scratch per pixel

    def bins(self) -> Tensor:
        """Bin of each code, int64 ``[width]``, read-only; the last code is for invalid pixels."""

    def read(self, block: Block) -> Tensor:
        """Codes of a block in row-major order, int32 ``[n]``, which the caller may change."""


def target_reader(target: Tensor, spec: CountSpec) -> PixelReader:
    """The reader of the ground truth."""
    return _reader(target, spec.target_form, spec.target_ids, spec)


def preds_reader(preds: Tensor, spec: CountSpec) -> PixelReader:
    """The reader of the predictions."""
    return _reader(preds, spec.preds_form, spec.preds_ids, spec)


def _reader(data: Tensor, form: str, ids: str, spec: CountSpec) -> PixelReader:
    if form == "labels":
        return LabelReader(data, label_table(data.dtype, spec.num_classes, spec.ignore, ids))
    if form == "threshold":
        return ScoreReader(data, data.shape, partial(_above_threshold, spec.threshold), spec)
    data = data.movedim(1, 0)
    return ScoreReader(data, data.shape[1:], _first_maximum if form == "scores" else _single_one, spec)


class LabelReader:
    """A label map. Code 0 is the lowest label of its table; labels beyond the table are clamped to its ends.

    Each sparse label has its own code after the dense ones.
    """

    def __init__(self, data: Tensor, table: LabelTable) -> None:
        self.data, self.shape, self.num_classes, self.table = data, data.shape, table.num_classes, table
        self.cost = 8 if data.is_contiguous() else 8 + 2 * data.element_size()  # a copy, and one of the tile before
        self.narrow = data.dtype in NARROW

    def bins(self) -> Tensor:
        return cached_table(self.data.device, bins_of_codes, self.table, kept=not self.table.by_number)

    def read(self, block: Block) -> Tensor:
        tile, (low, high, _, sparse, *_) = self.data[block].reshape(-1), self.table
        if self.narrow:
            codes = tile.to(torch.int32, copy=True)
            return codes.sub_(low) if low else codes
        if tile.is_floating_point():  # fractions and NaN, which differ from their floor, are out of range
            codes = tile.float().masked_fill(tile != tile.floor(), high).clamp_(low, high)
        else:
            # uint16 and uint32 have no clamp, and int16 may not hold the ends of a table of ids.
            wide = {torch.uint32: torch.int64, torch.uint16: torch.int32, torch.int16: torch.int32}
            tile = tile.to(wide.get(tile.dtype, tile.dtype))
            codes = tile.clamp(low, high)
        codes = codes.to(torch.int32).sub_(low)
        if len(sparse) <= MANY_SPARSE:
            for code, (label, _) in enumerate(sparse, high + 1 - low):
                codes.masked_fill_(tile == label, code)
            return codes
        labels = cached_table(tile.device, sparse_labels, self.table, kept=True)
        place = torch.bucketize(tile.long(), labels).clamp_(max=len(sparse) - 1)
        return torch.where(labels[place] == tile, place + (high + 1 - low), codes).to(torch.int32)


class ScoreReader:
    """A map of scores or class planes, one class per pixel; except for ignored classes, codes are bins."""

    def __init__(
        self, data: Tensor, shape: torch.Size, decide: Callable[[Tensor, Scratch], Tensor], spec: CountSpec
    ) -> None:
        self.data, self.shape, self.decide, self.num_classes = data, shape, decide, spec.num_classes
        self.ignored = tuple(i for i in spec.ignore if 0 <= i < spec.num_classes)
        # Memory for one tile, reused: allocating it costs more than the computation in it.
        self.spare = data.new_empty(0, dtype=torch.float64 if data.dtype == torch.float64 else torch.float32)
        planes = data.shape[: data.dim() - len(shape)].numel()
        lies_flat = data.dim() == len(shape) or data.movedim(0, 1).is_contiguous()
        self.cost = planes * self.spare.element_size() * (1 if lies_flat else 2)
        if decide is _first_maximum and planes >= MANY_CLASSES:
            self.cost = planes + 32 * GROUP + (0 if lies_flat else planes * data.element_size())

    def bins(self) -> Tensor:
        return cached_table(self.data.device, _bins_of_classes, self.ignored, self.num_classes)

    def read(self, block: Block) -> Tensor:
        tile = at(self.data, block)
        tile = tile.reshape(*tile.shape[: tile.dim() - len(block)], -1)
        return self.decide(tile, self._scratch).to(torch.int32)

    def _scratch(self, shape: torch.Size) -> Tensor:
        if self.spare.numel() < shape.numel():
            self.spare = self.spare.new_empty(shape.numel())
        return self.spare[: shape.numel()].view(shape)


def layout(scores: Tensor) -> tuple[tuple[int, ...], int] | None:
    """The memory layout of scores: strides, and the number of pixels per image.

    If pixels are contiguous, the strides are those of image and class. If classes are (channels last), there is one
    stride, of the pixel, and the number is 0. ``None`` if neither is contiguous.
    """
    if scores[:1, :1].numel() >= MIN_PIXELS and scores[0, 0].is_contiguous():
        return scores.stride()[:2], scores[0, 0].numel()
    pixels = scores[:, 0]
    if scores.stride(1) == 1 and pixels.dim():
        stride = pixels.stride(-1)
        if pixels.stride() == tuple(stride * n for n in torch.empty(pixels.shape, device="meta").stride()):
            return (stride,), 0
    return None


def _bins_of_classes(ignored: tuple[int, ...], num_classes: int, device: torch.device) -> Tensor:
    bins = torch.arange(num_classes + 3, device=device)
    for i in (*ignored, num_classes + 2):
        bins[i] = num_classes
    return bins


def is_cpu(device: torch.device) -> bool:
    """Whether values on a device can be read without a wait."""
    return device.type == "cpu"


def cached_table(device: torch.device, make: Callable[..., Tensor], *settings: Any, kept: bool = False) -> Tensor:
    """A table, cached on the CPU and made anew on an accelerator: a copy waits, and a captured graph owns its memory.

    A table that takes many steps to make is copied to the accelerator once and, with ``kept``, cached there.
    """
    if device.type == "cpu":
        return _made_on_cpu(make, *settings)
    return _kept_on_device(device, make, *settings) if kept else make(*settings, device)


@lru_cache(maxsize=64)
def _made_on_cpu(make: Callable[..., Tensor], *settings: Any) -> Tensor:
    return make(*settings, torch.device("cpu"))


@cache
def _kept_on_device(device: torch.device, make: Callable[..., Tensor], *settings: Any) -> Tensor:
    return make(*settings, torch.device("cpu")).to(device, non_blocking=True)


def _above_threshold(threshold: float, tile: Tensor, _: Scratch) -> Tensor:
    """1 where scores ``[n]`` are above the threshold, else 0; 2 for NaN. Scores of 16 bits are compared as float32."""
    return _wide(tile).gt(threshold).to(torch.uint8).masked_fill_(tile.isnan(), 2)


def _first_maximum(tile: Tensor, scratch: Scratch) -> Tensor:
    """The class of the first maximum of scores ``[C, n]``, C where one of them is NaN.

    The maximum of a pixel with NaN is NaN and equals no score, so no class is found there. On a CPU ``argmax`` is
    faster for channels-last scores only; for others it takes 4 to 10 times as long.
    """
    num_classes = tile.shape[0]
    if num_classes > 1 and tile.stride(0) == 1 and tile.device.type == "cpu":
        scores = _wide(tile)
        best = scores.argmax(0, keepdim=True)
        return best.masked_fill_(scores.gather(0, best).isnan(), num_classes).squeeze(0)
    if num_classes >= MANY_CLASSES:
        return _maximum_by_groups(tile)
    spare = scratch(tile.shape)
    scores = tile if tile.dtype == spare.dtype else spare.copy_(tile)
    # The comparison is vectorised if its result has the same dtype; a bool result takes five times as long.
    return _first(torch.eq(scores, scores.amax(0), out=spare))


def _maximum_by_groups(tile: Tensor) -> Tensor:
    """The same in two steps: the first group of classes with the maximum, then the first class in that group."""
    num_classes = tile.shape[0]
    whole = num_classes // GROUP * GROUP
    groups = tile[:whole].unflatten(0, (-1, GROUP)).amax(1)
    if whole < num_classes:
        groups = torch.cat([groups, tile[whole:].amax(0, keepdim=True)])
    groups = _wide(groups)
    top = groups.amax(0)
    start = _first(torch.eq(groups, top, out=torch.empty_like(groups))).to(torch.int64).mul_(GROUP)
    classes = torch.arange(GROUP, device=tile.device)[:, None].add(start).clamp_(max=num_classes - 1)
    scores = _wide(tile.gather(0, classes))
    inside = _first(torch.eq(scores, top, out=torch.empty_like(scores))).to(torch.int64)
    return start.add_(inside).clamp_(max=num_classes - 1).masked_fill_(inside == GROUP, num_classes)


def _wide(scores: Tensor) -> Tensor:
    """16-bit scores as float32, which is faster and can hold any class number."""
    return scores.float() if scores.element_size() < 4 else scores


def _single_one(tile: Tensor, scratch: Scratch) -> Tensor:
    """The class of class planes ``[C, n]``, C + 1 for pixels without a single 1 among zeros."""
    num_classes, spare = tile.shape[0], scratch(tile.shape)
    single = torch.ne(spare.copy_(tile), 0, out=spare).sum(0) == 1
    first = _first(torch.eq(spare.copy_(tile), 1, out=spare))
    return first.masked_fill_(~single | (first == num_classes), num_classes + 1)


def _first(hit: Tensor) -> Tensor:
    """Index of the first 1 in each column of ``[C, n]`` zeros and ones, C if there is none; overwrites ``hit``."""
    num_classes = hit.shape[0]
    weight = torch.arange(num_classes, 0, -1, dtype=hit.dtype, device=hit.device)[:, None]
    return num_classes - hit.mul_(weight).amax(0)


def at(data: Tensor, place: tuple[Any, ...]) -> Tensor:
    """The part of a map ``[*]`` or ``[C, *]`` at an index or slices of ``[*]``."""
    return data[(..., *place)]
