"""Counts of a batch and of its bands, passed as tensors or as lists with one map per image."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from meaniou.counting.bands import ops
from meaniou.counting.bands.sizes import warn_of_padding, warn_of_small_images
from meaniou.counting.confusion.batch import Batch, map_shape
from meaniou.counting.confusion.count import batches, run
from meaniou.counting.kernels.spec import BandSpec
from meaniou.counting.maps import Maps
from meaniou.settings import BandSettings, LabelSpace

AXES = (2, 3)  # of an image, and of a volume


def count_bands(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: BandSettings
) -> tuple[Tensor, Tensor]:
    """Counts of one batch, int64 ``[C + 2 + 3 W, C + 2]``, and bands of each image, ``[B, W, 3, C]``, on its device.

    The first C + 2 rows of the counts are the confusion matrix. Then come three rows for each of W widths: the pixels
    of each class in both bands, in the band of the ground truth, and in that of the prediction; the last two columns
    hold the widths in pixels, summed over images, and the number of images.

    Raises:
        TypeError, ValueError: as ``count``; also for maps that are neither images nor volumes, and for a width that is
            larger than the images.
    """
    total: Tensor | None = None
    parts = []
    for batch in band_batches(preds, target, valid, space, inputs):
        counts, of_images = run(ops.count_bands, batch, space, inputs, *spec_of(inputs))
        warn_of_padding(batch, space, inputs)
        warn_of_small_images(batch, inputs)
        total = counts if total is None else total.add_(counts)
        parts.append(of_images)
    if total is None:
        size, number = space.num_classes + 2, len(inputs.widths)
        total = torch.zeros(size + 3 * number, size, dtype=torch.int64, device="cpu")
        return total, torch.zeros(0, number, 3, space.num_classes, dtype=torch.int64, device="cpu")
    return total, parts[0] if len(parts) == 1 else torch.cat(parts)


def band_rows(bands: Tensor) -> Tensor:
    """Image counts ``[..., 4, W C]`` from the pixels of each class in bands, ``[..., W, 3, C]``; the fourth are 0."""
    rows = bands.movedim(-2, -3).flatten(-2)
    return torch.cat([rows, torch.zeros_like(rows[..., :1, :])], -2)


def bands_of(counts: Tensor) -> Tensor:
    """The pixels of each class in bands, ``[W, 3, C]``, from counts ``[C + 2 + 3 W, C + 2]``."""
    size = counts.shape[-1]
    return counts[size:, :-2].reshape(-1, 3, size - 2)


def counts_of_width(counts: Tensor, i: int) -> Tensor:
    """The counts of width ``i`` alone, ``[C + 5, C + 2]``, from counts ``[C + 2 + 3 W, C + 2]``."""
    size = counts.shape[-1]
    start = size + 3 * i
    return torch.cat([counts[:size], counts[start : start + 3]])


def spec_of(inputs: BandSettings) -> BandSpec:
    """How bands are counted, as arguments of the operator."""
    return BandSpec(inputs.text, inputs.edge, inputs.void == "literal", inputs.drop_void_preds)


def band_batches(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: BandSettings
) -> Iterator[Batch]:
    """One batch of tensors, or a batch for each image of lists: images or volumes, without a lone channel.

    Raises:
        TypeError, ValueError: as ``count``; also for maps that are neither images nor volumes.
    """
    for batch in map(_without_channel, batches(preds, target, valid, space, inputs)):
        _check_axes(batch)
        yield batch


def _without_channel(batch: Batch) -> Batch:
    """The batch without lone channels, as in ``[B, 1, H, W]``.

    As a volume of depth 1 it would lie in the band completely, since every window leaves it.
    """
    while len(shape := map_shape(batch.target, batch.target_form)) > 3 and shape[1] == 1:
        sides = ((batch.preds, batch.preds_form), (batch.target, batch.target_form))
        preds, target = (side.squeeze(2 if form in ("scores", "one-hot") else 1) for side, form in sides)
        valid = None if batch.valid is None else batch.valid.squeeze(1)
        batch = replace(batch, preds=preds, target=target, valid=valid)
    return batch


def _check_axes(batch: Batch) -> None:
    """Raises ``ValueError`` unless the maps are images or volumes."""
    shape = list(map_shape(batch.target, batch.target_form))
    axes, of_list = len(shape) - 1, batch.image is not None
    if axes == 3 and 1 in shape[1:]:
        channel = shape[-1] == 1
        cure = "Pass preds[..., 0] and target[..., 0]" if channel else "Remove the axis of length 1"
        raise ValueError(
            f"target has the shape {shape[1:] if of_list else shape}, and a volume of one plane lies in its bands "
            f"completely; expected images or volumes of several planes. {cure}."
        )
    if axes in AXES:
        return
    expected = "[H, W] or [D, H, W]" if of_list else "[B, H, W] or [B, D, H, W]"
    fact = f"target has the shape {shape[1:] if of_list else shape}; expected images or volumes {expected}"
    if axes == 1 and not of_list:
        raise ValueError(
            f"{fact}, since points have no contour. For points use MeanIoU; for one image without a batch dimension "
            "pass preds[None] and target[None]."
        )
    raise ValueError(f"{fact}, since points have no contour." if axes < 2 else f"{fact}.")
