"""Counts bands inside contours by PyTorch operators, without a wait on any device."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from meaniou.counting.kernels.portable.confusion import (
    ACCELERATOR_SCORES,
    ACCELERATOR_TILE,
    CPU_SCORES,
    CPU_TILE,
    blocks,
    count,
)
from meaniou.counting.kernels.portable.windows import WILD, mixed_windows
from meaniou.counting.kernels.readers import Block, PixelReader, is_cpu, preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec, Frames

# Pixels of the images that are worked on at once on an accelerator; each takes about 30 bytes.
ACCELERATOR_PIXELS = 1 << 26
COPIES = 64


def count_bands(
    preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, frames: Frames
) -> tuple[Tensor, Tensor]:
    """Counts of all pixels, int64 ``[C + 2, C + 2]``, and the pixels of each class in bands, int64 ``[B, W, 3, C]``.

    The three numbers of a class are its valid pixels in both bands, in the band of the ground truth, and in the band of
    the prediction. The band of a class holds its pixels whose window (the square or cube of ``2 d + 1`` pixels around
    them) holds another label.
    """
    preds, target = preds.detach(), target.detach()
    truth, prediction = target_reader(target, spec), preds_reader(preds, spec)
    bands = torch.zeros(len(target), len(frames.pixels), 3, spec.num_classes, dtype=torch.int64, device=target.device)
    for images in _parts(truth.shape, target.device):
        codes = _codes(truth, prediction, valid, frames, images)
        for i, width, limit in _widths(frames, images):
            bands[images, i] = _in_bands(codes, width, limit, spec.num_classes, frames.edge)
    return count(preds, target, valid, spec), bands


def band_masks(
    preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, frames: Frames
) -> tuple[Tensor, Tensor]:
    """Whether a pixel lies in the band of the ground truth, and in that of the prediction, bool ``[B, W, *]`` each.

    They are the pixels that ``count_bands`` counts, so the ground truth of each is a class.
    """
    truth, prediction = target_reader(target.detach(), spec), preds_reader(preds.detach(), spec)
    size = len(frames.pixels)
    masks = torch.zeros(2, truth.shape[0], size, *truth.shape[1:], dtype=torch.bool, device=target.device)
    for images in _parts(truth.shape, target.device):
        codes = _codes(truth, prediction, valid, frames, images)
        for i, width, limit in _widths(frames, images):
            masks[0, images, i], masks[1, images, i] = _bands(codes, width, limit, spec.num_classes, frames.edge)
    return masks[0], masks[1]


class Codes(NamedTuple):
    """The labels of some images, int16 ``[b, *]``: class c is c + 1, and 0 is any label."""

    truth: Tensor
    prediction: Tensor
    valid: Tensor  # bool, whether the ground truth is a class


def _parts(shape: torch.Size, device: torch.device) -> Iterator[slice]:
    """The images that are worked on at once: one on the CPU, several on an accelerator."""
    pixels = max(1, shape[1:].numel())
    step = 1 if is_cpu(device) else max(1, ACCELERATOR_PIXELS // pixels)
    return (slice(start, start + step) for start in range(0, shape[0], step))


def _widths(frames: Frames, images: slice) -> Iterator[tuple[int, int | Tensor, int]]:
    """The index of each width, its pixels for some images, and the most pixels."""
    for i, (width, limit) in enumerate(zip(frames.pixels, frames.limits, strict=True)):
        yield i, width if isinstance(width, int) else width[images], limit


def _codes(truth: PixelReader, prediction: PixelReader, valid: Tensor | None, frames: Frames, images: slice) -> Codes:
    classes = truth.num_classes
    void, other, outside_of_image = classes, classes + 1, classes + 2 if frames.edge else WILD
    target, preds = bins_of_images(truth, images), bins_of_images(prediction, images)
    is_class = target < void
    if valid is not None:
        is_class &= valid[images]
    if frames.drop:
        is_class &= preds != void
    target = (target + 1).masked_fill_(~is_class, other if frames.literal else WILD)
    preds = (preds + 1).clamp_(max=other)
    if not frames.literal:
        preds.masked_fill_(~is_class, WILD)
    if frames.boxes is not None:
        inside = _inside(frames.boxes[images], target.shape)
        target, preds = (side.masked_fill_(~inside, outside_of_image) for side in (target, preds))
    return Codes(target, preds, is_class)


def bins_of_images(reader: PixelReader, images: slice) -> Tensor:
    """The bins of some images, int16 ``[b, *]``."""
    tile, scores = (CPU_TILE, CPU_SCORES) if is_cpu(reader.data.device) else (ACCELERATOR_TILE, ACCELERATOR_SCORES)
    first, stop, _ = images.indices(reader.shape[0])
    bins, shape = reader.bins().to(torch.int16), (stop - first, *reader.shape[1:])
    labels = torch.empty(shape, dtype=torch.int16, device=bins.device)
    for block in blocks(shape, max(1, min(tile, scores // reader.cost))):
        of_batch: Block = (slice(block[0].start + first, block[0].stop + first), *block[1:])
        labels[block] = bins.index_select(0, reader.read(of_batch)).view(labels[block].shape)
    return labels


def _inside(boxes: Tensor, shape: torch.Size) -> Tensor:
    """Whether a pixel lies in the box of its image, bool ``[b, *]``."""
    inside = boxes.new_ones(shape, dtype=torch.bool)
    for axis, length in enumerate(shape[1:]):
        place = torch.arange(length, device=boxes.device).view(-1, *[1] * (len(shape) - axis - 2))
        start, stop = (side.view(-1, *[1] * (len(shape) - 1)) for side in boxes[:, axis].unbind(1))
        inside &= (place >= start) & (place < stop)
    return inside


def _in_bands(codes: Codes, width: int | Tensor, limit: int, num_classes: int, edge: bool) -> Tensor:
    """The pixels of each class in both bands, and in each band, int64 ``[b, 3, C]``."""
    truth, prediction = _bands(codes, width, limit, num_classes, edge)
    both = truth & prediction & (codes.truth == codes.prediction)
    parts = ((codes.truth, both), (codes.truth, truth), (codes.prediction, prediction))
    return torch.stack([_of_classes(labels, counted, num_classes) for labels, counted in parts], 1)


def _bands(codes: Codes, width: int | Tensor, limit: int, num_classes: int, edge: bool) -> tuple[Tensor, Tensor]:
    """Whether a pixel lies in the band of the ground truth, and in that of the prediction, bool ``[b, *]``."""
    pad = num_classes + 2 if edge else WILD
    truth = codes.valid & mixed_windows(codes.truth, width, limit, pad)
    prediction = codes.valid & mixed_windows(codes.prediction, width, limit, pad) & (codes.prediction <= num_classes)
    return truth, prediction


def _of_classes(labels: Tensor, counted: Tensor, num_classes: int) -> Tensor:
    """The counted pixels of each class, int64 ``[b, C]``."""
    if is_cpu(labels.device):
        images = zip(labels, counted, strict=True)
        return torch.stack([torch.bincount(of[pixels], minlength=num_classes + 1)[1:] for of, pixels in images])
    # Each cell has adjacent copies, which neighbouring pixels use in turn, so that they do not wait for each other.
    cells = labels.masked_fill(~counted, 0).flatten(1).long().mul_(COPIES)
    cells.add_(torch.arange(cells.shape[1], device=cells.device).remainder_(COPIES))
    totals = cells.new_zeros(len(cells), (num_classes + 1) * COPIES)
    totals.scatter_add_(1, cells, cells.new_ones(()).expand(cells.shape))
    return totals.view(len(cells), -1, COPIES).sum(2)[:, 1:]
