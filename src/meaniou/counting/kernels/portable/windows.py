"""Windows around pixels: whether all labels in the square or cube around a pixel are the same, on any device.

The window of a pixel holds one label if the largest and the smallest label in it are equal. Both come from running
maxima, whose length doubles with each step, so that the cost grows with the logarithm of the width.
"""

import torch
from torch import Tensor

WILD = 0  # the code of a pixel that is any label


def mixed_windows(codes: Tensor, width: int | Tensor, limit: int, pad: int) -> Tensor:
    """Whether the window of a pixel holds several labels, bool ``[B, *]``.

    Args:
        codes: labels from 1 on, or 0 (``WILD``), int16 ``[B, *]``.
        width: pixels on each side of a pixel: one number, or int64 ``[B]``.
        limit: the most pixels on each side.
        pad: the code outside the map.
    """
    axes, top = range(1, codes.dim()), torch.iinfo(codes.dtype).max
    padded = torch.nn.functional.pad(codes, [limit] * 2 * len(axes), value=pad)
    # The smallest label is the largest of the negative ones; a wild pixel is the smallest number in both.
    both = torch.stack([padded, -padded.masked_fill(padded == WILD, top)])
    for axis in axes:
        both = _window_maxima(both, axis + 1, codes.shape[axis], width, limit)
    largest, smallest = both[0], -both[1]
    return (largest != smallest) & (largest != WILD)


def _window_maxima(values: Tensor, axis: int, length: int, width: int | Tensor, limit: int) -> Tensor:
    """The maximum of each window of ``2 width + 1`` values along an axis that is padded by ``limit`` at both ends."""
    if isinstance(width, int):
        run = 1
        while 2 * run <= 2 * width + 1:
            values, run = _doubled(values, axis, run), 2 * run
        first, second = limit - width, limit + width + 1 - run
        return torch.maximum(values.narrow(axis, first, length), values.narrow(axis, second, length))
    runs, run = torch.ones_like(width), 1
    of_image = (1, -1, *[1] * (values.dim() - 2))
    while 2 * run <= 2 * limit + 1:
        longer = 2 * run <= 2 * width + 1
        values = torch.where(longer.view(of_image), _doubled(values, axis, run), values)
        runs, run = torch.where(longer, 2 * run, runs), 2 * run
    shape = (*values.shape[:axis], length, *values.shape[axis + 1 :])
    places = torch.arange(length, device=values.device).view(-1, *[1] * (values.dim() - axis - 1))
    starts = (limit - width, limit + width + 1 - runs)
    parts = [values.gather(axis, (start.view(of_image) + places).expand(shape)) for start in starts]
    return torch.maximum(*parts)


def _doubled(values: Tensor, axis: int, run: int) -> Tensor:
    """The maxima of runs of twice the length, from those of runs of a length."""
    longer, size = values.clone(), values.shape[axis] - run
    torch.maximum(values.narrow(axis, 0, size), values.narrow(axis, run, size), out=longer.narrow(axis, 0, size))
    return longer
