"""Warnings about the size of images: padded to one size, or so small that they lie in their bands completely."""

import torch
from torch import Tensor

from meaniou._util import Doubt, warn
from meaniou.counting.bands.frames import pixels_of
from meaniou.counting.confusion.batch import Batch, map_shape
from meaniou.counting.contents import can_look
from meaniou.counting.kernels.readers import PixelReader, target_reader
from meaniou.counting.kernels.spec import CountSpec
from meaniou.settings import BandSettings, LabelSpace

MANY = 1000  # pixels; the bands of fewer may well be all of an image
LEAST = 256  # void pixels of padding; fewer may be chance
MOSTLY = 0.5  # the most void in the last line of an image before its padding, as a share; other void has more
SAMPLE = 16  # places on each other axis at which the end of an image is searched
EVERY, FIRST, LAST = slice(None), slice(0, 1), slice(-1, None)


def warn_of_padding(batch: Batch, space: LabelSpace, inputs: BandSettings) -> None:
    """Warns if the ground truth of a batch looks padded, and the bands depend on the size of the images."""
    shares = any(isinstance(width, float) for width in inputs.widths)
    affected = ["width"] * shares + ["edge"] * inputs.edge
    if not affected or not inputs.validate_args or not can_look(batch.target):
        return
    if batch.image is not None or batch.valid is not None or batch.target_form != "labels" or len(batch.target) < 2:
        return
    tables = space.tables
    spec = CountSpec("labels", "labels", space.num_classes, tables.ignore, target_ids=tables.target_ids)
    if _is_padded(target_reader(batch.target, spec)):
        follow = "follows" if len(affected) == 1 else "follow"
        warn(
            Doubt(
                "The ground truth is void in the last rows or columns of some images, and not equally in all, as if "
                f"images of different sizes were padded to one size. The {' and the '.join(affected)} of the bands "
                f"then {follow} from the padded size. Pass valid=, which is False on padding, or lists with one map "
                "per image. If the void pixels are part of the images, nothing is wrong."
            )
        )


def warn_of_small_images(batch: Batch, inputs: BandSettings) -> None:
    """Warns if every pixel of an image is so near to its edge that it lies in a band."""
    sides = map_shape(batch.target, batch.target_form)[1:]
    if not inputs.edge or not inputs.validate_args or batch.valid is not None or sides.numel() < MANY:
        return
    if torch.compiler.is_compiling():  # a warning would break the graph
        return
    if any(min(sides) <= 2 * pixels_of(width, sides) for width in inputs.widths):
        warn(
            Doubt(
                "Every pixel of an image is so near to its edge that it lies in a band, so boundary IoU is IoU there. "
                "Pass a smaller width. If an axis of the maps holds channels or images, it is read as an axis of an "
                "image; remove it, or pass a list of maps."
            )
        )


def _is_padded(truth: PixelReader) -> bool:
    """Whether the images look padded: each fills a box from its first lines on, and the boxes differ.

    A few lines rule that out for most batches: a padded image has a void last corner, and a void last row or column.
    """
    axes = range(1, len(truth.shape))
    if not truth.shape.numel() or not _are_void(truth, EVERY, *[LAST for _ in axes]).any():
        return False
    ends = _void_lines(truth, LAST)
    if not ends.any() or _void_lines(truth, FIRST).any():
        return False
    stops = _stops(truth, ends)
    padding = truth.shape.numel() - int(stops.prod(1).sum())
    if padding < LEAST or bool((stops == stops[0]).all()):
        return False
    return all(_ends_at(truth, image, of_image) for image, of_image in enumerate(stops.tolist()))


def _stops(truth: PixelReader, ends: Tensor) -> Tensor:
    """Where each image seems to end on each axis, int64 ``[B, A]``; ``ends`` says whether its last line is void."""
    sides = truth.shape[1:]
    stops = torch.tensor(sides).repeat(truth.shape[0], 1)
    for axis, side in enumerate(sides):
        across = [slice(None, None, max(1, n // SAMPLE)) for n in sides]
        across[axis] = EVERY
        held = ~_are_void(truth, EVERY, *across).movedim(axis + 1, 1).flatten(2).all(2)
        last = side - held.flip(1).byte().argmax(1)
        stops[:, axis] = torch.where(ends[:, axis], last, side)
    return stops


def _ends_at(truth: PixelReader, image: int, stops: list[int]) -> bool:
    """Whether an image is void beyond its stops, and mostly valid in the last lines before them."""
    for axis, stop in enumerate(stops):
        if stop == truth.shape[axis + 1]:
            continue
        beyond, line = [EVERY for _ in stops], [slice(0, other) for other in stops]
        beyond[axis], line[axis] = slice(stop, None), slice(stop - 1, stop)
        of_image = slice(image, image + 1)
        if not _are_void(truth, of_image, *beyond).all() or _are_void(truth, of_image, *line).float().mean() > MOSTLY:
            return False
    return True


def _void_lines(truth: PixelReader, part: slice) -> Tensor:
    """Whether a line (in volumes a plane) of each image is void, across each axis, bool ``[B, A]``."""
    axes = range(1, len(truth.shape))
    lines = (_are_void(truth, EVERY, *[part if other == axis else EVERY for other in axes]) for axis in axes)
    return torch.stack([line.flatten(1).all(1) for line in lines], 1)


def _are_void(truth: PixelReader, *block: slice) -> Tensor:
    """Whether the pixels of a part of the ground truth are void, bool of its shape."""
    void = (truth.bins() == truth.num_classes)[truth.read(block).long()]
    return void.view(truth.data[block].shape)
