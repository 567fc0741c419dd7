"""The operator ``meaniou::count_bands``.

On the CPU it raises for labels out of range before a state changes. On an accelerator that would wait for the device;
there the labels are counted and ``compute`` raises.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from meaniou.counting.bands.frames import frames_of
from meaniou.counting.confusion.batch import map_shape
from meaniou.counting.confusion.errors import refuse_labels
from meaniou.counting.confusion.ops import kernel_of_maps
from meaniou.counting.kernels.spec import BandSpec, CountSpec, Frames, schema, unpack
from meaniou.counting.operators import register

ARGUMENTS = f"Tensor preds, Tensor target, Tensor? valid, {schema(CountSpec)}, {schema(BandSpec)}"
FIELDS = len(CountSpec._fields)


def specs_of(arguments: Sequence[Any]) -> tuple[CountSpec, BandSpec]:
    """Both specifications, from the arguments of the operator after the maps."""
    return unpack(CountSpec, arguments[:FIELDS]), unpack(BandSpec, arguments[FIELDS:])


def _count(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    spec, of_bands = specs_of(arguments)
    shape = map_shape(target, spec.target_form)
    frames = frames_of(shape, valid, of_bands)
    matrix, bands = kernel_of_maps(preds, target, valid, spec).count_bands(preds, target, valid, spec, frames)
    refuse_labels(matrix, preds, target, valid, spec)
    return torch.cat([matrix, _rows(bands, frames, shape.numel() > 0)]), bands


def _rows(bands: Tensor, frames: Frames, has_pixels: bool) -> Tensor:
    """The pixels of all images in bands, int64 ``[3 W, C + 2]``.

    The last two columns hold the widths in pixels, summed over images, and the number of images.
    """
    images, number, _, classes = bands.shape
    images *= has_pixels
    rows = bands.new_zeros(number, 3, classes + 2)
    rows[..., :classes] = bands.sum(0)
    for i, width in enumerate(frames.pixels):
        if frames.boxes is None:
            rows[i, :, -2], rows[i, :, -1] = images * width, images
            continue
        held = (frames.boxes[:, 0, 1] > 0).long()  # an image without a valid pixel has no frame
        rows[i, :, -2], rows[i, :, -1] = (held * width).sum(), held.sum()
    return rows.flatten(0, 1)


def _count_fake(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    spec, of_bands = specs_of(arguments)
    number, size = len(of_bands.widths.split()), spec.num_classes + 2
    counts = preds.new_empty((size + 3 * number, size), dtype=torch.int64)
    return counts, preds.new_empty((preds.shape[0], number, 3, spec.num_classes), dtype=torch.int64)


count_bands = register("count_bands", ARGUMENTS, "(Tensor, Tensor)", _count, _count_fake)
