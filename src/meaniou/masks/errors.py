"""Errors of mask files, and checks that several file formats share."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from meaniou._util import as_options, in_python, printable, shorten

MAX_PIXELS = 1 << 28  # default limit of a mask: 16,384 x 16,384


class MaskError(ValueError):
    """A folder or file that cannot be scored. The message is one line and names it.

    Attributes:
        as_options: the message with options of the command line in place of arguments.
    """

    def __init__(self, fact: str, cure: str = "") -> None:
        """Settings in the cure are marked as in ``meaniou._util.dialect``."""
        super().__init__(printable(f"{fact} {in_python(cure)}".rstrip()))
        self.as_options = printable(f"{fact} {as_options(cure)}".rstrip())


class NamesError(MaskError):
    """Few or no names of files in a folder are the expected ones."""


class ContentError(ValueError):
    """An error about the content of a file.

    Attributes:
        fact: a sentence without its subject, the file.
        cure: a sentence about what to do; settings in it are marked as for ``MaskError``.
    """

    def __init__(self, fact: str, cure: str) -> None:
        super().__init__(fact, cure)
        self.fact, self.cure = fact, cure


def reason(error: BaseException) -> str:
    """The message of an error of another library or of the system: its first line, without its number."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.strip().splitlines()
    return shorten(lines[0].rstrip(".")) if lines else type(error).__name__


def unreadable(path: Path, error: BaseException) -> MaskError:
    """The error about a file that cannot be read: by the system, or because its content is damaged."""
    by_system = isinstance(error, OSError) and error.errno
    return MaskError(
        f"Cannot read {path}: {reason(error)}.",
        "" if by_system else "The file is damaged or incomplete; save it again.",
    )


def check_pixels(shape: Iterable[int], max_pixels: int) -> None:
    """Raises ``ContentError`` for a map of more pixels than allowed; a small file can unpack to a huge map."""
    if (pixels := math.prod(shape)) > max_pixels:
        raise ContentError(
            f"has {pixels:,} pixels, more than the limit of {max_pixels:,}.",
            f"If the mask is really that large, pass {{max_pixels:{pixels}}}.",
        )


def check_labels(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    """Raises ``ContentError`` if an array of this dtype and shape is not a map of labels."""
    array = f"an array of shape {size(shape)} and dtype {shorten(str(dtype))}"
    if not shape:
        raise ContentError("holds a single number; expected a map of class ids.", "Save the whole map.")
    if dtype.kind not in "biu":
        stack = " If it holds a score for each of several labels that overlap, pass {multilabel:}."
        raise ContentError(
            f"holds {array}; expected integer class ids.",
            "Save the argmax of scores, or convert whole numbers with astype(int). If the ids were divided by 255, "
            "save the original ids." + stack * (dtype.kind == "f" and len(shape) > 2),
        )
    if dtype.kind == "u" and dtype.itemsize == 8:
        raise ContentError(
            f"holds {array}; expected labels that fit in int64.", "Convert the array with astype('int64')."
        )


def check_stack(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    """Raises ``ContentError`` if an array of this dtype and shape is no stack of labels or scores."""
    if len(shape) < 2:
        raise ContentError(
            f"holds an array of shape {size(shape)}; expected a stack of maps, one for each label, such as [L, H, W].",
            "Save np.stack(maps), or leave out {multilabel:} if each pixel has one class.",
        )
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or (dtype.kind == "u" and dtype.itemsize == 8):
        raise ContentError(
            f"holds values of dtype {shorten(str(dtype))}; expected labels 0 and 1 (bool, integers up to int64), or "
            "scores (float16, float32, float64).",
            "Convert labels with astype('uint8'), and scores with astype('float32').",
        )


def size(shape: tuple[int, ...]) -> str:
    """A shape as in ``3 x 4``."""
    return " x ".join(map(str, shape)) or "()"
