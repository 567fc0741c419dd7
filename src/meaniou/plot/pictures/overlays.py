"""Pictures of label maps: masks in the colours of their classes, and the errors of a prediction."""

import colorsys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from meaniou.counting import as_tensor, band_masks, classes_of
from meaniou.plot import colors
from meaniou.settings import BandSettings, Color, LabelSpace

Picture = NDArray[np.uint8]  # [H, W, 3]
Light = NDArray[np.uint8]  # [H, W]
Classes = NDArray[np.int64]  # [H, W]: a class, C for void, C + 1 for out of range
Kinds = NDArray[np.uint8]  # [H, W]: 0 unmarked, 1 to 3 the kinds of a legend, 4 void

LUMA = np.array((0.299, 0.587, 0.114), np.float32)
BLOCK = 1 << 18  # pixels that are drawn at once, so that intermediate arrays stay small
GOLDEN = (5**0.5 - 1) / 2  # multiples of the golden ratio never come close to each other, modulo 1


def palette(space: LabelSpace) -> tuple[Color, ...]:
    """The colours of a label space, or generated ones of different hue and lightness if it has none."""
    if space.colors is not None:
        return space.colors
    made = []
    for c in range(space.num_classes):
        light = (0.45, 0.65, 0.3)[c % 3]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb((0.6 + c * GOLDEN) % 1, light, 0.5))
        made.append((red, green, blue))
    return tuple(made)


def mask(classes: Classes, space: LabelSpace) -> Picture:
    """A label map in the colours of its classes; void is black, out of range white."""
    table = np.array([*palette(space), colors.VOID, colors.OUTSIDE], np.uint8)
    return np.asarray(table[classes])


def errors(image: Any, preds: Classes, target: Classes, num_classes: int, of: int | None = None) -> Picture:
    """The photo in grey with the errors of a prediction in the colours of ``OF_ALL``; void is dark.

    With ``of``, a class, these are its hits, misses and false alarms in the colours of ``OF_ONE``. Predictions that are
    out of range are drawn as void predictions: neither is a class, and both are misses.

    Raises:
        TypeError, ValueError: if ``image`` has another dtype or size; see ``grey``.
    """
    light, shades = grey(image, target.shape), _shades()
    picture = np.empty((*target.shape, 3), np.uint8)
    for part in blocks(*target.shape):
        picture[part] = shades[_kinds(preds[part], target[part], num_classes, of), light[part]]
    return picture


def boundary_errors(light: Light, kinds: Kinds) -> Picture:
    """The photo in grey with the errors in bands, from ``band_kinds``, in the colours of ``OF_ONE``; void is dark.

    Rows can be drawn in parts: pass the same rows of both.
    """
    return np.asarray(_shades()[kinds, light])


def band_kinds(preds: Tensor, target: Tensor, space: LabelSpace, inputs: BandSettings, of: int | None = None) -> Kinds:
    """The kind of each pixel of an image in the bands of one width: unmarked, hit, miss, false alarm, or void.

    A hit lies in both bands with the same class, a miss in the band of the ground truth alone, a false alarm in the
    band of the prediction alone. A pixel that lies in both with different classes is a miss of one class and a false
    alarm of the other; it is drawn as a miss.

    Args:
        preds: the label map ``[H, W]`` or the scores ``[C, H, W]`` of the prediction.
        target: the label map ``[H, W]`` of the ground truth.
        space: the classes.
        inputs: how the bands are counted, with one width.
        of: a class, to draw its bands alone.

    Raises:
        TypeError, ValueError: as ``MeanBoundaryIoU.update``, but not for labels out of range.
    """
    both = classes_of(preds[None], target[None], None, space, inputs)
    predicted, truth = (side[0].cpu().numpy() for side in both)
    masks = band_masks(preds[None], target[None], None, space, inputs)
    ((in_truth,),), ((in_prediction,),) = (side.cpu().numpy() for side in masks)
    if of is not None:
        in_truth, in_prediction = in_truth & (truth == of), in_prediction & (predicted == of)
    void = truth >= space.num_classes
    if inputs.drop_void_preds:
        void |= predicted == space.num_classes
    kinds: Kinds = np.zeros(truth.shape, np.uint8)
    kinds[in_prediction] = 3
    kinds[in_truth] = 2
    kinds[in_truth & in_prediction & (predicted == truth)] = 1
    kinds[void] = 4
    return kinds


def legend(names: Mapping[str, Color] = colors.OF_ALL, light: int = colors.MIDDLE) -> dict[str, Color]:
    """The label and colour of each kind of pixel as ``errors`` draws it, void last.

    Args:
        names: ``OF_ALL`` or ``OF_ONE``.
        light: the grey of the photo, 0 to 255; by default that of a picture without a photo.
    """
    red_green_blue = [(int(r), int(g), int(b)) for r, g, b in _shades()[1:, light]]
    return dict(zip((*names, "void"), red_green_blue, strict=True))


def blocks(height: int, width: int, multiple: int = 1) -> Iterator[slice]:
    """The rows of a map in blocks; the height of each but the last is a multiple of ``multiple``."""
    rows = max(1, BLOCK // max(1, width * multiple)) * multiple
    yield from (slice(i, min(i + rows, height)) for i in range(0, height, rows))


def grey(image: Any, shape: tuple[int, ...]) -> Light:
    """The luminance of an image, uint8 ``[H, W]``; middle grey for ``None``.

    Args:
        image: ``[H, W]``, ``[H, W, 3]`` or ``[3, H, W]`` (a fourth channel is dropped); uint8, or floating from 0 to 1.
        shape: the size ``(H, W)`` of the label maps.

    Raises:
        TypeError: if the image has another dtype.
        ValueError: if the image has another shape or size.
    """
    if image is None:
        return np.full(shape, colors.MIDDLE, np.uint8)
    pixels = as_tensor(image, "image").detach().cpu().numpy()
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise TypeError(f"image has dtype {pixels.dtype}; expected uint8, or floats from 0 to 1.")
    if pixels.shape[1:] == shape and pixels.shape[0] in (3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[:2] != shape or pixels.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(
            f"image has shape {list(pixels.shape)} and the label maps have {list(shape)}; expected the same height and "
            "width, so resize the image."
        )
    if pixels.dtype == np.uint8 and pixels.ndim == 2:
        return pixels
    light = np.empty(shape, np.uint8)
    for part in blocks(*pixels.shape[:2]):
        scaled = pixels[part].astype(np.float32) * (1 if pixels.dtype == np.uint8 else 255)
        if scaled.ndim == 3:
            # The luma of BT.601, as Pillow's mode "L".
            scaled = scaled[..., :3] @ LUMA if scaled.shape[2] > 1 else scaled[..., 0]
        light[part] = np.rint(np.nan_to_num(scaled).clip(0, 255))
    return light


def _shades() -> NDArray[np.uint8]:
    """The colour of each kind of pixel on each grey, ``[5, 256, 3]``: unmarked, the three of a legend, void."""
    greys = np.repeat(np.arange(256.0)[:, None], 3, 1)
    strengths = ((color, colors.STRENGTH[color]) for color in colors.OF_ALL.values())
    marked = [(1 - strength) * greys + strength * np.array(color) for color, strength in strengths]
    return np.rint([greys, *marked, colors.DARK * greys]).astype(np.uint8)


def _kinds(preds: Classes, target: Classes, num_classes: int, of: int | None) -> Kinds:
    """The kind of each pixel, 0 to 4: unmarked, right, missed, wrong, void."""
    if of is not None:
        predicted, truth = preds == of, target == of
        kinds = np.where(truth, np.where(predicted, 1, 2), np.where(predicted, 3, 0))
    else:
        kinds = np.where(preds >= num_classes, 2, np.where(preds == target, 1, 3))
    return np.where(target < num_classes, kinds, 4).astype(np.uint8)
