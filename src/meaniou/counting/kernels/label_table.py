"""Lookup tables from the labels of a map to their bins.

A bin is a class, C (void) or C + 1 (out of range).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

NARROW = (torch.bool, torch.uint8, torch.int8)
# Most labels of a dense table; ids further apart are looked up one by one.
MAX_WIDTH = 1 << 16
# Whole numbers below this are exact in float32, and the ends of a table of them fit into int32.
EXACT = 1 << 24


class LabelTable(NamedTuple):
    """The dense labels ``low .. high`` and some sparse labels beyond them, with their bins.

    For an 8-bit dtype the dense labels are its whole range. For a wider dtype ``low`` and ``high`` are out of range and
    stand for all labels beyond.
    """

    low: int
    high: int
    dense: tuple[tuple[int, int], ...]  # labels from low to high with their bins
    sparse: tuple[tuple[int, int], ...]  # labels beyond with their bins
    num_classes: int
    by_number: bool  # dense labels 0 to C - 1 without an entry are their own bins

    @property
    def width(self) -> int:
        """Number of codes: one per dense label, one per sparse label, and one for invalid pixels."""
        return self.high - self.low + 1 + len(self.sparse) + 1


@lru_cache(maxsize=256)
def label_table(dtype: torch.dtype, num_classes: int, ignore: tuple[int, ...], ids: str) -> LabelTable:
    """The table for maps of a dtype; ``ignore`` and ``ids`` (of one side) are those of ``CountSpec``."""
    by_number = not ids
    bins = dict.fromkeys(ignore, num_classes) if by_number else bins_of_ids(ids)
    bins = {label: place for label, place in bins.items() if dtype == torch.bool or holds(dtype, label)}
    if dtype in NARROW:
        span = torch.iinfo(torch.int8 if dtype == torch.int8 else torch.uint8)
        low, high = span.min, 1 if dtype == torch.bool else span.max
        dense = tuple((i, c) for i, c in bins.items() if low <= i <= high)
        return LabelTable(low, high, dense, (), num_classes, by_number)
    low, high = (-128, max(num_classes, 256) - 1) if by_number else (-MAX_WIDTH // 2, MAX_WIDTH // 2 - 1)
    if not by_number and bins and max(bins) - min(bins) < MAX_WIDTH and max(map(abs, bins)) < EXACT:
        low, high = min(bins), max(bins)
    inside = [i for i in bins if low <= i <= high] + ([0, num_classes - 1] if by_number else [])
    inside = inside or [0]
    low, high = min(inside) - 1, max(inside) + 1
    while low in bins:  # until neither end has a bin of its own
        low -= 1
    while high in bins:
        high += 1
    dense = tuple((i, c) for i, c in bins.items() if low < i < high)
    sparse = tuple((i, c) for i, c in sorted(bins.items()) if not low < i < high)
    return LabelTable(low, high, dense, sparse, num_classes, by_number)


def bins_of_ids(ids: str) -> dict[int, int]:
    """The bin of each label in the ids of a ``CountSpec``."""
    numbers = list(map(int, ids.split()))
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def bins_of_codes(table: LabelTable, device: torch.device) -> Tensor:
    """Bin of each code of a table, int64 ``[width]``: dense labels, sparse labels, invalid pixels."""
    label = torch.arange(table.low, table.low + table.width, device=device)
    own = (label >= 0) & (label < table.num_classes) if table.by_number else label.new_zeros((), dtype=torch.bool)
    bins = torch.where(own, label, table.num_classes + 1)
    for i, c in table.dense:
        bins[i - table.low] = c
    first_sparse = table.high + 1 - table.low
    for place, (_, c) in enumerate(table.sparse, first_sparse):
        bins[place] = c
    bins[-1] = table.num_classes
    return bins


def sparse_labels(table: LabelTable, device: torch.device) -> Tensor:
    """The sparse labels of a table, int64, sorted."""
    return torch.tensor([i for i, _ in table.sparse], device=device)


def holds(dtype: torch.dtype, label: int) -> bool:
    """Whether a dtype can store a label exactly; other labels would be rounded or overflow in a comparison."""
    if dtype.is_floating_point:
        odd, digits = abs(label) // max(1, label & -label), 1 - round(math.log2(torch.finfo(dtype).eps))
        return odd.bit_length() <= digits and abs(label) <= torch.finfo(dtype).max
    return torch.iinfo(dtype).min <= label <= torch.iinfo(dtype).max
