"""The frames of images: their boxes in maps, and the widths of their bands in pixels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from meaniou.counting.kernels.readers import cached_table, is_cpu
from meaniou.counting.kernels.spec import BandSpec, Frames


def frames_of(shape: Sequence[int], valid: Tensor | None, spec: BandSpec) -> Frames:
    """The frames of images in maps ``[B, *]``; with ``valid`` an image is the box of its valid pixels.

    Raises:
        ValueError: if a width in pixels is larger than the maps.
    """
    images, sides = shape[0], shape[1:]
    widths = tuple(map(_number, spec.widths.split()))
    limits = tuple(pixels_of(width, sides) for width in widths)
    boxes = None if valid is None else boxes_of(valid)
    if images:
        _refuse_wider(widths, sides)
    pixels: tuple[int | Tensor, ...] = limits
    if boxes is not None:
        pixels = tuple(_pixels_of_boxes(width, boxes, sides) for width in widths)
    return Frames(boxes, pixels, limits, spec.edge, spec.literal, spec.drop)


def _refuse_wider(widths: Sequence[int | float], sides: Sequence[int]) -> None:
    """Raises ``ValueError`` if a width in pixels is larger than the longest side of maps that have pixels."""
    for width in widths:
        if isinstance(width, int) and width > max(sides) and min(sides):
            raise ValueError(
                f"width is {width} pixels, but the images are {' x '.join(map(str, sides))}; expected at most their "
                "longest side. Pass a smaller width, or a share of the diagonal, such as 0.02."
            )


def _lengths(boxes: Tensor) -> Tensor:
    """The sides of boxes, int64 ``[B, A]``."""
    return boxes[..., 1] - boxes[..., 0]


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)


def pixels_of(width: int | float, sides: Sequence[int]) -> int:
    """A width in pixels for an image of these sides, at least 1, by the rule of Cheng et al., CVPR 2021.

    A share of the diagonal is rounded to the nearest whole number, a half to the even one.
    """
    return width if isinstance(width, int) else _rounded(width, sum(side**2 for side in sides))


def _rounded(share: float, square: int) -> int:
    """A share of a diagonal in pixels, from the square of the diagonal."""
    return max(1, round(share * math.sqrt(square)))


def boxes_of(valid: Tensor) -> Tensor:
    """The smallest box that holds the valid pixels of each image, int64 ``[B, A, 2]``: start and stop on each axis."""
    axes = range(1, valid.dim())
    boxes = torch.zeros(len(valid), len(axes), 2, dtype=torch.int64, device=valid.device)
    if not valid.numel():
        return boxes
    for axis in axes:
        rest = [other for other in axes if other != axis]
        hits = valid.any(rest) if rest else valid
        length, first = hits.shape[1], hits.byte().argmax(1)
        last = length - 1 - hits.flip(1).byte().argmax(1)
        boxes[:, axis - 1] = torch.stack([first, last + 1], 1) * hits.any(1, keepdim=True)
    return boxes


def _pixels_of_boxes(width: int | float, boxes: Tensor, sides: Sequence[int]) -> int | Tensor:
    """A width in pixels for each box, int64 ``[B]``, without a wait for the device."""
    if isinstance(width, int):
        return width
    if is_cpu(boxes.device):
        return torch.tensor([pixels_of(width, sides) for sides in _lengths(boxes).tolist()], dtype=torch.int64)
    steps = cached_table(boxes.device, _steps, width, tuple(sides), kept=True)
    return torch.bucketize((_lengths(boxes) ** 2).sum(1), steps, right=True) + 1


def _steps(width: float, sides: tuple[int, ...], device: torch.device) -> Tensor:
    """The smallest squared diagonals of images whose bands are 2, 3, ... pixels wide, up to those of these sides."""
    total = sum(side**2 for side in sides)
    squares, low = [], 1
    for pixels in range(2, pixels_of(width, sides) + 1):
        high = total
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if _rounded(width, middle) >= pixels else (middle + 1, high)
        squares.append(low)
    return torch.tensor(squares, dtype=torch.int64, device=device)
