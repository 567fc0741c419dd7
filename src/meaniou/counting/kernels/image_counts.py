"""Counts per image, int64 ``[4, C]``, which are all that scores per image need.

The four numbers of a class are its pixels in both maps, in the ground truth, in the prediction (where the ground truth
is a class), and its ground-truth pixels with a void prediction.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from meaniou.counting.kernels.spec import CountSpec


def image_counts_of(counts: Tensor) -> Tensor:
    """Image counts ``[..., 4, C]`` of confusion matrices ``[..., C + 2, C + 2]``."""
    of_classes = counts[..., :-2, :]
    classes = of_classes[..., :-2]
    parts = [classes.diagonal(dim1=-2, dim2=-1), of_classes.sum(-1), classes.sum(-2), of_classes[..., -2]]
    return torch.stack(parts, dim=-2)


def image_by_image(
    count: Callable[[Tensor, Tensor, Tensor | None, CountSpec], Tensor],
    preds: Tensor,
    target: Tensor,
    valid: Tensor | None,
    spec: CountSpec,
) -> tuple[Tensor, Tensor]:
    """Counts of the batch, and of each image ``[B, 4, C]``, by calling ``count`` image by image."""
    total = count(preds[:0], target[:0], None if valid is None else valid[:0], spec)
    image_counts = total.new_empty(len(preds), 4, len(total) - 2)
    for i in range(len(preds)):
        image = slice(i, i + 1)
        counts = count(preds[image], target[image], None if valid is None else valid[image], spec)
        image_counts[i] = image_counts_of(counts)
        total += counts
    return total, image_counts
