"""The table of the file formats of masks, and the function that reads a file of any of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from meaniou.masks.errors import MAX_PIXELS, ContentError, MaskError, check_stack, unreadable
from meaniou.masks.formats.arrays import read_npy, read_npz
from meaniou.masks.formats.png import PNG_SIGNATURE, read_png
from meaniou.masks.formats.tiff import TIFF_MAGIC, read_tiff
from meaniou.masks.formats.tiff_stack import read_tiff_stack

Labels = NDArray[np.generic]


@dataclass(frozen=True)
class Format:
    """A file format of masks.

    Attributes:
        kind: the noun for such a file in an error.
        suffixes: endings of its file names, in lower case.
        magic: the first bytes of its files; empty for a format that is known by its suffix alone.
        read: returns the labels of an open file; raises ``ContentError`` beyond a number of pixels.
        read_stack: the same for a stack with a map of each label; ``None`` for a format that stores one map.
    """

    kind: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    read: Callable[[IO[bytes], int], Labels]
    read_stack: Callable[[IO[bytes], int], Labels] | None = None


IMAGE, ARRAY = "PNG or TIFF image", "NumPy array"
JPEG_MAGIC = b"\xff\xd8\xff"
FORMATS = (
    Format(IMAGE, (".png",), (PNG_SIGNATURE,), read_png),
    Format(IMAGE, (".tif", ".tiff"), TIFF_MAGIC, read_tiff, read_tiff_stack),
    Format(ARRAY, (".npy",), (b"\x93NUMPY",), read_npy, partial(read_npy, check=check_stack)),
    Format(ARRAY, (".npz",), (b"PK\3\4", b"PK\5\6"), read_npz, partial(read_npz, check=check_stack)),
)
SUFFIXES = tuple(suffix for form in FORMATS for suffix in form.suffixes)
LONGEST_MAGIC = max(len(magic) for form in FORMATS for magic in form.magic)


def read(path: Path | str, max_pixels: int = MAX_PIXELS, *, multilabel: bool = False) -> Labels:
    """The label map in a file, in its stored dtype; with ``multilabel`` a stack of maps, one for each label.

    The format follows from the content of the file, not from its name.

    Args:
        path: a PNG (greyscale or palette), TIFF, ``.npy`` or ``.npz`` file.
        max_pixels: the largest map or stack that is read; a small compressed file can unpack to more than fits in
            memory.
        multilabel: whether the file holds labels that overlap: an array whose first axis is that of the labels, or a
            TIFF file with a page for each label.

    Returns:
        The integers as stored, usually ``[H, W]``; the indices of a palette, not its colours. With ``multilabel``
        labels or floating scores, usually ``[L, H, W]``.

    Raises:
        MaskError: if the file cannot be read, holds no integer labels (with ``multilabel``: no labels or scores), or
            has more pixels than ``max_pixels``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/mask.npy", np.array([[0, 255]], dtype=np.uint8))
        ...     read(f"{folder}/mask.npy")
        array([[  0, 255]], dtype=uint8)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            beginning = file.read(LONGEST_MAGIC)
            file.seek(0)
            form = _format_of(path, beginning)
            return _stack_reader(form)(file, max_pixels) if multilabel else form.read(file, max_pixels)
    except ContentError as error:
        raise MaskError(f"{path} {error.fact}", error.cure) from error
    except MemoryError as error:
        raise MaskError(f"Cannot read {path}: it does not fit in memory. Save the mask in tiles.") from error
    except Exception as error:  # decoders raise any kind of exception for a broken file, such as tokenize.TokenError
        raise unreadable(path, error) from error


def _stack_reader(form: Format) -> Callable[[IO[bytes], int], Labels]:
    if form.read_stack is None:
        raise ContentError(
            "is a PNG image, which holds one map; expected a stack of maps, one for each label.",
            "Save the stack as .npy or .npz, or as TIFF with a page for each label. Leave out {multilabel:} if each "
            "pixel has one class.",
        )
    return form.read_stack


def _format_of(path: Path, beginning: bytes) -> Format:
    suffix = path.suffix.lower()
    for form in FORMATS:
        if beginning.startswith(form.magic) or (not form.magic and suffix in form.suffixes):
            return form
    if not beginning:
        raise ContentError("is empty.", "Save the mask again.")
    if beginning.startswith(JPEG_MAGIC):
        raise ContentError("is a JPEG image, and JPEG changes labels.", "Save the mask as PNG.")
    kind = next((form.kind for form in FORMATS if suffix in form.suffixes), IMAGE)
    raise ContentError(f"is not a {kind}.", f"Save the mask in one of the formats {', '.join(SUFFIXES)}.")
