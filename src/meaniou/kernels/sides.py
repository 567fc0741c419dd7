"""One side of the pixels -> small codes, block after block, and the bin that each code stands for.

A bin is a class, C (void in the truth, no answer in the prediction) or C + 1 (outside).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol

import torch
from torch import Tensor

Block = tuple[slice, ...]
Room = Callable[[torch.Size], Tensor]

# From so many classes on, the best group of classes is sought first: one pass over the scores instead of four.
MANY_CLASSES = 96
GROUP = 8
# Images with fewer pixels are too small to be read class by class.
MIN_PIXELS = 64


class Side(Protocol):
    """One side of the pixels: how a block becomes codes, and the bin that each code stands for."""

    data: Tensor
    shape: torch.Size  # of the map, without the classes
    num_classes: int
    cost: int  # bytes of scratch a pixel

    def bins(self) -> Tensor:
        """Bin of each code, int64 ``[width]``, not to be changed; the last code is for pixels that are not valid."""

    def read(self, block: Block) -> Tensor:
        """Codes of a block in row-major order, int32 ``[n]``, the caller's own to change."""


def side(data: Tensor, form: str, num_classes: int, ignore: Sequence[int], threshold: float = math.nan) -> Side:
    """The reader of a tensor in one of the four forms."""
    if form == "labels":
        return Labels(data, num_classes, ignore)
    if form == "threshold":
        return _Answers(data, data.shape, partial(_above, threshold), num_classes, ignore)
    data = data.movedim(1, 0)
    return _Answers(data, data.shape[1:], _best if form == "scores" else _only, num_classes, ignore)


class Labels:
    """A map of labels. Code 0 is the label ``low``; what lies beyond ``low`` and ``high`` is clamped to them.

    The window ``low .. high`` is the whole range of an 8-bit dtype. For a wider one it holds the classes and the near
    ignored ids, its ends are outside labels, and each far ignored id has a code of its own after it.
    """

    @property
    def window(self) -> tuple[int, int, tuple[int, ...], tuple[int, ...], int]:
        """Lowest and highest label of the window, ignored ids in and beyond it, and the number of classes."""
        return self.low, self.high, self.near, tuple(self.far), self.num_classes

    def __init__(self, data: Tensor, num_classes: int, ignore: Sequence[int]) -> None:
        self.data, self.shape, self.num_classes = data, data.shape, num_classes
        self.cost = 8 if data.is_contiguous() else 8 + 2 * data.element_size()  # a copy, and one of the tile before
        self.narrow = data.dtype in (torch.bool, torch.uint8, torch.int8)
        if self.narrow:
            span = torch.iinfo(torch.int8 if data.dtype == torch.int8 else torch.uint8)
            self.low, self.high, self.far = span.min, 1 if data.dtype == torch.bool else span.max, []
            self.near = tuple(i for i in ignore if self.low <= i <= self.high)
        else:
            self.near, self.low, self.high = _window(num_classes, tuple(ignore))
            self.far = [i for i in ignore if i not in self.near and holds(data.dtype, i)]

    def bins(self) -> Tensor:
        return _made(label_bins, self.data.device, self.low, self.high, self.near, len(self.far), self.num_classes)

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


@lru_cache(maxsize=64)
def _window(num_classes: int, ignore: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """Ignored ids within the window of a wide dtype, and its ends, which are neither classes nor ignored."""
    low, high = -128, max(num_classes, 256) - 1
    while True:
        near = tuple(i for i in ignore if low <= i <= high)
        ends = min([*near, 0]) - 1, max([*near, num_classes - 1]) + 1
        if not any(end in ignore for end in ends):
            return near, *ends
        low, high = min(low, ends[0]), max(high, ends[1])


class _Answers:
    """A map that is decided pixel by pixel; but for ignored classes, the codes are the bins."""

    def __init__(
        self,
        data: Tensor,
        shape: torch.Size,
        decide: Callable[[Tensor, Room], Tensor],
        num_classes: int,
        ignore: Sequence[int],
    ) -> None:
        self.data, self.shape, self.decide, self.num_classes = data, shape, decide, num_classes
        self.ignored = tuple(i for i in ignore if 0 <= i < num_classes)
        # Room for one tile, reused: fresh memory of this size costs more than what is done in it.
        self.spare = data.new_empty(0, dtype=torch.float64 if data.dtype == torch.float64 else torch.float32)
        planes = data.shape[: data.dim() - len(shape)].numel()
        lies_flat = data.dim() == len(shape) or data.movedim(0, 1).is_contiguous()
        self.cost = planes * self.spare.element_size() * (1 if lies_flat else 2)
        if decide is _best and planes >= MANY_CLASSES:
            self.cost = planes + 32 * GROUP + (0 if lies_flat else planes * data.element_size())

    def bins(self) -> Tensor:
        return _made(_answer_bins, self.data.device, self.ignored, self.num_classes)

    def read(self, block: Block) -> Tensor:
        tile = at(self.data, block)
        tile = tile.reshape(*tile.shape[: tile.dim() - len(block)], -1)
        return self.decide(tile, self._room).to(torch.int32)

    def _room(self, shape: torch.Size) -> Tensor:
        if self.spare.numel() < shape.numel():
            self.spare = self.spare.new_empty(shape.numel())
        return self.spare[: shape.numel()].view(shape)


def layout(scores: Tensor) -> tuple[tuple[int, ...], int] | None:
    """How scores lie: strides of image and class where pixels lie side by side, or of the pixel where classes do.

    With them the pixels of an image, 0 where that does not matter; None where neither lies side by side.
    """
    if scores[:1, :1].numel() >= MIN_PIXELS and scores[0, 0].is_contiguous():
        return scores.stride()[:2], scores[0, 0].numel()
    pixels = scores[:, 0]
    if scores.stride(1) == 1 and pixels.dim():
        stride = pixels.stride(-1)
        if pixels.stride() == tuple(stride * n for n in torch.empty(pixels.shape, device="meta").stride()):
            return (stride,), 0
    return None


def label_bins(low: int, high: int, near: tuple[int, ...], far: int, num_classes: int, device: torch.device) -> Tensor:
    """Bins of the labels ``low .. high``, of so many far ignored ids, and of the code for pixels that are not valid."""
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


def holds(dtype: torch.dtype, label: int) -> bool:
    """Whether a dtype can store a label exactly; a comparison with another one would first round or overflow it."""
    if dtype.is_floating_point:
        odd, digits = abs(label) // max(1, label & -label), 1 - round(math.log2(torch.finfo(dtype).eps))
        return odd.bit_length() <= digits and abs(label) <= torch.finfo(dtype).max
    return torch.iinfo(dtype).min <= label <= torch.iinfo(dtype).max


def _above(threshold: float, tile: Tensor, _: Room) -> Tensor:
    """Scores ``[n]`` -> 1 where above the threshold, else 0; 2 for NaN."""
    return tile.gt(threshold).to(torch.uint8).masked_fill_(tile.isnan(), 2)


def _best(tile: Tensor, room: Room) -> Tensor:
    """Scores ``[C, n]`` -> the class of the first maximum, C where one of them is NaN.

    The maximum of a pixel with a NaN is NaN and equals nothing, so that no class is found there. Classes that lie side
    by side (channels last) are the case where ``argmax`` is the faster way on a CPU; elsewhere it takes 4 to 10 times
    as long.
    """
    num_classes = tile.shape[0]
    if num_classes > 1 and tile.stride(0) == 1 and tile.device.type == "cpu":
        scores = _wide(tile)
        best = scores.argmax(0, keepdim=True)
        return best.masked_fill_(scores.gather(0, best).isnan(), num_classes).squeeze(0)
    if num_classes >= MANY_CLASSES:
        return _best_of_groups(tile)
    spare = room(tile.shape)
    scores = tile if tile.dtype == spare.dtype else spare.copy_(tile)
    # Into a tensor of the same dtype the comparison is vectorised; to bool it takes five times as long.
    return _first(torch.eq(scores, scores.amax(0), out=spare))


def _best_of_groups(tile: Tensor) -> Tensor:
    """The same: the first group of classes that holds the maximum, then the first class of that group."""
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
    """Half types as float32, which is faster and holds the number of any class."""
    return scores.float() if scores.element_size() < 4 else scores


def _only(tile: Tensor, room: Room) -> Tensor:
    """One-hot ``[C, n]`` -> the class, C + 1 where a pixel is not a single 1 among zeros."""
    num_classes, spare = tile.shape[0], room(tile.shape)
    single = torch.ne(spare.copy_(tile), 0, out=spare).sum(0) == 1
    first = _first(torch.eq(spare.copy_(tile), 1, out=spare))
    return first.masked_fill_(~single | (first == num_classes), num_classes + 1)


def _first(hit: Tensor) -> Tensor:
    """Index of the first 1 in each column of ``[C, n]`` zeros and ones, C where there is none; ``hit`` is used up."""
    num_classes = hit.shape[0]
    weight = torch.arange(num_classes, 0, -1, dtype=hit.dtype, device=hit.device)[:, None]
    return num_classes - hit.mul_(weight).amax(0)


def at(data: Tensor, place: tuple[Any, ...]) -> Tensor:
    """The part of ``[*]`` or ``[C, *]`` at a place of the map."""
    return data[(..., *place)]
