"""Label maps -> pictures: the classes in their colours, and what of a prediction is right and wrong."""

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou.inputs import as_tensor
from meaniou.labels import Color, LabelSpace

Picture = NDArray[np.uint8]  # [H, W, 3]
Classes = NDArray[np.int64]  # [H, W]: a class, C for void or no answer, C + 1 for outside

# The high-contrast scheme of Paul Tol (technical note SRON/EPS/TN/09-002): told apart also without colour vision.
RIGHT, MISSED, FALSE = (0, 68, 136), (221, 170, 51), (187, 85, 102)
VOID, OUTSIDE = (0, 0, 0), (255, 255, 255)
OF_ONE = {"hit": RIGHT, "miss": MISSED, "false alarm": FALSE}
OF_ALL = {"right": RIGHT, "no answer": MISSED, "wrong class": FALSE}
STRENGTH = {RIGHT: 0.25, MISSED: 0.75, FALSE: 0.75}  # what is right is to be seen through
GOLDEN = (5**0.5 - 1) / 2  # hues that are so far apart never come close


def palette(space: LabelSpace) -> tuple[Color, ...]:
    """The colours of a label space, or hues that differ where it has none."""
    if space.colors is not None:
        return space.colors
    found = []
    for c in range(space.num_classes):
        light = (0.45, 0.65, 0.3)[c % 3]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb((0.6 + c * GOLDEN) % 1, light, 0.65))
        found.append((red, green, blue))
    return tuple(found)


def mask(classes: Classes, space: LabelSpace) -> Picture:
    """A map of classes in their colours; void and no answer black, outside white."""
    colors = np.array([*palette(space), VOID, OUTSIDE], np.uint8)
    return np.asarray(colors[classes])


def errors(image: Any, preds: Classes, target: Classes, num_classes: int, of: int | None = None) -> Picture:
    """The image in grey with what is right and wrong drawn in, as ``OF_ALL``, or ``OF_ONE`` for a class; void is dark.

    Raises:
        TypeError, ValueError: if the image is none, or of another size; see ``grey``.
    """
    drawn = np.repeat(grey(image, target.shape)[..., None], 3, 2)
    for color, where in zip(OF_ALL.values(), _parts(preds, target, num_classes, of), strict=True):
        strength = STRENGTH[color]
        drawn[where] = (1 - strength) * drawn[where] + strength * np.array(color)
    drawn[target >= num_classes] *= 0.35
    return np.rint(drawn).astype(np.uint8)


def grey(image: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
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
        return np.full(shape, 160.0)
    found = as_tensor(image, "image").detach().cpu().numpy()
    if found.dtype != np.uint8 and found.dtype.kind != "f":
        raise TypeError(f"image is {found.dtype}; expected uint8, or floating numbers from 0 to 1, so convert it.")
    if found.shape[1:] == shape and found.shape[0] in (3, 4):
        found = np.moveaxis(found, 0, -1)
    if found.shape[:2] != shape or found.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(f"image is {list(found.shape)} and the maps {list(shape)}; expected one size, so resize it.")
    scaled = found.astype(np.float64) * (1 if found.dtype == np.uint8 else 255)
    if scaled.ndim == 3:
        # The luma of BT.601, as Pillow's mode "L".
        scaled = scaled[..., :3] @ (0.299, 0.587, 0.114) if scaled.shape[2] > 1 else scaled[..., 0]
    return np.asarray(np.nan_to_num(scaled).clip(0, 255))


def _parts(preds: Classes, target: Classes, num_classes: int, of: int | None) -> tuple[NDArray[np.bool_], ...]:
    """Where the answer is right, where it is missing, and where it is false; on valid pixels."""
    valid = target < num_classes
    if of is not None:
        return (
            valid & (preds == of) & (target == of),
            (preds != of) & (target == of),
            valid & (preds == of) & (target != of),
        )
    no_answer = valid & (preds >= num_classes)
    return valid & (preds == target), no_answer, valid & ~no_answer & (preds != target)
