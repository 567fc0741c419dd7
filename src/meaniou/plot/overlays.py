"""Pictures of label maps: the classes in their colours, and what of a prediction is right and wrong."""

import colorsys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou.counting import as_tensor
from meaniou.settings import Color, LabelSpace

Picture = NDArray[np.uint8]  # [H, W, 3]
Light = NDArray[np.uint8]  # [H, W]
Classes = NDArray[np.int64]  # [H, W]: a class, C for void, C + 1 for outside

# The high-contrast scheme of Paul Tol (technical note SRON/EPS/TN/09-002): told apart also without colour vision.
RIGHT, MISSED, FALSE = (0, 68, 136), (221, 170, 51), (187, 85, 102)
VOID, OUTSIDE = (0, 0, 0), (255, 255, 255)
OF_ONE = {"hit": RIGHT, "miss": MISSED, "false alarm": FALSE}
OF_ALL = {"right": RIGHT, "no answer": MISSED, "wrong class": FALSE}
STRENGTH = {RIGHT: 0.25, MISSED: 0.75, FALSE: 0.75}  # what is right is to be seen through
DARK = 0.35  # of void
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
MIDDLE = 160  # the grey where there is no image
BLOCK = 1 << 18  # pixels that are drawn at once, so that numbers on the way take little memory
GOLDEN = (5**0.5 - 1) / 2  # hues that are so far apart never come close


def palette(space: LabelSpace) -> tuple[Color, ...]:
    """The colours of a label space, or hues that differ where it has none."""
    if space.colors is not None:
        return space.colors
    colors = []
    for c in range(space.num_classes):
        light = (0.45, 0.65, 0.3)[c % 3]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb((0.6 + c * GOLDEN) % 1, light, 0.65))
        colors.append((red, green, blue))
    return tuple(colors)


def css(color: Color) -> str:
    """A colour in hexadecimal, such as ``#004488``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def mask(classes: Classes, space: LabelSpace) -> Picture:
    """A map of classes in their colours; void is black, outside white."""
    colors = np.array([*palette(space), VOID, OUTSIDE], np.uint8)
    return np.asarray(colors[classes])


def errors(image: Any, preds: Classes, target: Classes, num_classes: int, of: int | None = None) -> Picture:
    """The image in grey with what is right and wrong drawn in, as ``OF_ALL``, or ``OF_ONE`` for a class; void is dark.

    Raises:
        TypeError, ValueError: if the image is none, or of another size; see ``grey``.
    """
    light, shades = grey(image, target.shape), _shades()
    picture = np.empty((*target.shape, 3), np.uint8)
    for part in blocks(*target.shape):
        picture[part] = shades[_kinds(preds[part], target[part], num_classes, of), light[part]]
    return picture


def legend(names: Mapping[str, Color] = OF_ALL) -> dict[str, Color]:
    """The labels and colours of what ``errors`` draws without an image; void comes last."""
    red_green_blue = [(int(r), int(g), int(b)) for r, g, b in _shades()[1:, MIDDLE]]
    return dict(zip((*names, "void"), red_green_blue, strict=True))


def blocks(height: int, width: int, multiple: int = 1) -> Iterator[slice]:
    """The rows of a map in blocks of some pixels; each but the last has a multiple of so many rows."""
    rows = max(1, BLOCK // max(1, width * multiple)) * multiple
    yield from (slice(i, min(i + rows, height)) for i in range(0, height, rows))


def grey(image: Any, shape: tuple[int, ...]) -> Light:
    """The luminance of an image, 0 to 255, ``[H, W]``; middle grey for ``None``.

    Args:
        image: ``[H, W]``, ``[H, W, 3]`` or ``[3, H, W]`` (or with a fourth channel, which is left out); uint8, or
            floating from 0 to 1.
        shape: what its size has to be.

    Raises:
        TypeError: if it is of another dtype.
        ValueError: if it has another shape.
    """
    if image is None:
        return np.full(shape, MIDDLE, np.uint8)
    pixels = as_tensor(image, "image").detach().cpu().numpy()
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise TypeError(f"image is {pixels.dtype}; expected uint8, or floating numbers from 0 to 1, so convert it.")
    if pixels.shape[1:] == shape and pixels.shape[0] in (3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[:2] != shape or pixels.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(f"image is {list(pixels.shape)} and the maps {list(shape)}; expected one size, so resize it.")
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
    """The colours ``[5, 256, 3]`` of a kind of pixel on each grey: none, the three of a legend, void."""
    greys = np.repeat(np.arange(256.0)[:, None], 3, 1)
    marked = [(1 - STRENGTH[color]) * greys + STRENGTH[color] * np.array(color) for color in OF_ALL.values()]
    return np.rint([greys, *marked, DARK * greys]).astype(np.uint8)


def _kinds(preds: Classes, target: Classes, num_classes: int, of: int | None) -> NDArray[np.uint8]:
    """What each pixel is: nothing of note, right, missing, false or void, as 0 to 4."""
    if of is not None:
        predicted, truth = preds == of, target == of
        kinds = np.where(truth, np.where(predicted, 1, 2), np.where(predicted, 3, 0))
    else:
        kinds = np.where(preds >= num_classes, 2, np.where(preds == target, 1, 3))
    return np.where(target < num_classes, kinds, 4).astype(np.uint8)
