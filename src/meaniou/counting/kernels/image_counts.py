"""Counts of an image -> its row, which is all that scores per image need.

A row is int64 ``[4, C]``. For each class it holds the pixels that are of it in both maps, in the truth, and in the
prediction where the truth is a class, and those of the truth that have no answer.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from meaniou.counting.kernels.label_table import Reading


def row_of(counts: Tensor) -> Tensor:
    """Rows ``[..., 4, C]`` of counts ``[..., C + 2, C + 2]``."""
    known = counts[..., :-2, :]
    classes = known[..., :-2]
    return torch.stack([classes.diagonal(dim1=-2, dim2=-1), known.sum(-1), classes.sum(-2), known[..., -2]], dim=-2)


def image_by_image(
    count: Callable[[Tensor, Tensor, Tensor | None, Reading], Tensor],
    preds: Tensor,
    target: Tensor,
    valid: Tensor | None,
    reading: Reading,
) -> tuple[Tensor, Tensor]:
    """Counts of all images and rows ``[B, 4, C]``, by a kernel that counts them one after the other."""
    total = count(preds[:0], target[:0], None if valid is None else valid[:0], reading)
    rows = total.new_empty(len(preds), 4, len(total) - 2)
    for i in range(len(preds)):
        image = slice(i, i + 1)
        counts = count(preds[image], target[image], None if valid is None else valid[image], reading)
        rows[i] = row_of(counts)
        total += counts
    return total, rows
