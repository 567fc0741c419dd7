"""The errors of mask files, and the checks that several file formats share."""

import math
from collections.abc import Iterable

import numpy as np

from meaniou._util import printable, shorten

MAX_PIXELS = 1 << 28  # of a mask by default: 16,384 x 16,384


class MaskError(ValueError):
    """A folder or file that cannot be scored; the message names it, and is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ContentError(ValueError):
    """An error about the content of a file: the rest of a sentence that begins with the file's name."""


def reason(error: BaseException) -> str:
    """The message of an error of another library or of the system: its first line, without its number."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.strip().splitlines()
    return shorten(lines[0].rstrip(".")) if lines else type(error).__name__


def check_pixels(shape: Iterable[int], max_pixels: int) -> None:
    """Raises ``ContentError`` for a map that a small file may unpack to, and that fills the memory."""
    if (pixels := math.prod(shape)) > max_pixels:
        raise ContentError(
            f"has {pixels:,} pixels; expected at most {max_pixels:,}, since a small file may unpack to more than the "
            f"memory holds, so pass --max-pixels {pixels} if the mask is to be that large."
        )


def check_labels(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    """Raises ``ContentError`` if an array of this dtype and shape is no map of labels."""
    if dtype.kind not in "biu" or not shape:
        raise ContentError(
            f"holds {shorten(str(dtype))} {size(shape)}; expected a map of labels, so save integers: the argmax of "
            "scores, whole numbers by astype(int), or labels as they were before they became fractions."
        )
    if dtype.kind == "u" and dtype.itemsize == 8:
        raise ContentError(
            f"holds uint64 {size(shape)}; expected labels that fit into int64, so convert it, as by astype('int64')."
        )


def size(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return " x ".join(map(str, shape)) or "(one number)"
