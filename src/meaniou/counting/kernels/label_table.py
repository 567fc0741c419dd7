"""The ids that stand for classes -> windows of labels, and the bin of each label in them.

A bin is a class, C (void in the truth, no answer in the prediction) or C + 1 (outside).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

NARROW = (torch.bool, torch.uint8, torch.int8)
# Labels of a look-up table; ids that lie further apart are sought one by one.
MAX_WINDOW = 1 << 16
# Whole numbers below are exact in float32, and their window's ends fit into int32.
EXACT = 1 << 24


class Reading(NamedTuple):
    """How both sides of the pixels are read, in plain values that an operator can carry.

    A form is ``"labels"`` (``[*]``), ``"scores"`` or ``"one-hot"`` (``[B, C, *]``) or ``"threshold"`` (floating
    ``[*]``). ``ids`` name the label of each class and of the void, as ``(id, bin, id, bin, ...)`` in the order of the
    ids; without them a class is its own label, and ``ignore`` holds the void.
    """

    preds_form: str
    target_form: str
    num_classes: int
    ignore: tuple[int, ...] = ()
    threshold: float = 0.5
    target_ids: tuple[int, ...] = ()
    preds_ids: tuple[int, ...] = ()


class Window(NamedTuple):
    """The labels ``low .. high`` and some far ones, by their bins.

    It holds the whole range of an 8-bit dtype. For a wider one its ends are outside labels, which stand for all beyond.
    """

    low: int
    high: int
    near: tuple[tuple[int, int], ...]  # labels of the window, and their bins
    far: tuple[tuple[int, int], ...]  # other labels, and their bins
    num_classes: int
    own: bool  # a label of the window that is not named, but below the number of classes, is its own bin

    @property
    def width(self) -> int:
        """Number of codes: labels of the window, far ones, and one for pixels that are not valid."""
        return self.high - self.low + 1 + len(self.far) + 1


@lru_cache(maxsize=256)
def window(dtype: torch.dtype, num_classes: int, ignore: tuple[int, ...], ids: tuple[int, ...]) -> Window:
    """The labels that a dtype can hold, by their bins."""
    own = not ids
    known = dict.fromkeys(ignore, num_classes) if own else dict(zip(ids[::2], ids[1::2], strict=True))
    known = {label: place for label, place in known.items() if dtype == torch.bool or holds(dtype, label)}
    if dtype in NARROW:
        span = torch.iinfo(torch.int8 if dtype == torch.int8 else torch.uint8)
        low, high = span.min, 1 if dtype == torch.bool else span.max
        near = {i: c for i, c in known.items() if low <= i <= high}
        return Window(low, high, tuple(near.items()), (), num_classes, own)
    low, high = (-128, max(num_classes, 256) - 1) if own else (-MAX_WINDOW // 2, MAX_WINDOW // 2 - 1)
    if not own and known and max(known) - min(known) < MAX_WINDOW and max(map(abs, known)) < EXACT:
        low, high = min(known), max(known)
    inside = [i for i in known if low <= i <= high] + ([0, num_classes - 1] if own else [])
    inside = inside or [0]
    low, high = min(inside) - 1, max(inside) + 1
    while low in known:  # until neither end is a label with a bin of its own
        low -= 1
    while high in known:
        high += 1
    far = tuple((i, c) for i, c in sorted(known.items()) if not low < i < high)
    return Window(low, high, tuple((i, c) for i, c in known.items() if low < i < high), far, num_classes, own)


def label_bins(labels: Window, device: torch.device) -> Tensor:
    """Bins of the labels of a window, of the far ones, and of the code for pixels that are not valid."""
    label = torch.arange(labels.low, labels.low + labels.width, device=device)
    own = (label >= 0) & (label < labels.num_classes) if labels.own else label.new_zeros((), dtype=torch.bool)
    bins = torch.where(own, label, labels.num_classes + 1)
    for i, c in labels.near:
        bins[i - labels.low] = c
    beyond = labels.high + 1 - labels.low
    for place, (_, c) in enumerate(labels.far, beyond):
        bins[place] = c
    bins[-1] = labels.num_classes
    return bins


def far_labels(labels: Window, device: torch.device) -> Tensor:
    """The far labels of a window, int64, in their order."""
    return torch.tensor([i for i, _ in labels.far], device=device)


def holds(dtype: torch.dtype, label: int) -> bool:
    """Whether a dtype can store a label exactly; a comparison with another one would first round or overflow it."""
    if dtype.is_floating_point:
        odd, digits = abs(label) // max(1, label & -label), 1 - round(math.log2(torch.finfo(dtype).eps))
        return odd.bit_length() <= digits and abs(label) <= torch.finfo(dtype).max
    return torch.iinfo(dtype).min <= label <= torch.iinfo(dtype).max
