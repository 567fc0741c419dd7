"""The bands inside contours as masks, for pictures of them."""

from typing import Any

from torch import Tensor

from meaniou.counting.bands.count import band_batches, spec_of
from meaniou.counting.bands.frames import frames_of
from meaniou.counting.bands.ops import specs_of
from meaniou.counting.confusion.batch import map_shape
from meaniou.counting.confusion.count import run
from meaniou.counting.kernels import portable
from meaniou.settings import BandSettings, LabelSpace


def band_masks(
    preds: Tensor, target: Tensor, valid: Tensor | None, space: LabelSpace, inputs: BandSettings
) -> tuple[Tensor, Tensor]:
    """Whether a pixel lies in the band of the ground truth, and in that of the prediction, bool ``[B, W, *]`` each.

    They are the pixels that ``count_bands`` counts, so the ground truth of each is a class. ``preds`` and ``target``
    are one batch of maps.

    Raises:
        TypeError, ValueError: as ``count_bands``, but not for labels out of range.
    """
    (batch,) = band_batches(preds, target, valid, space, inputs)
    masks: tuple[Tensor, Tensor] = run(_masks, batch, space, inputs, *spec_of(inputs))
    return masks


def _masks(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    spec, of_bands = specs_of(arguments)
    frames = frames_of(map_shape(target, spec.target_form), valid, of_bands)
    return portable.band_masks(preds, target, valid, spec, frames)
