"""The table of the file formats of masks, and the function that reads a file of any of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from meaniou.masks.errors import MAX_PIXELS, ContentError, MaskError, unreadable
from meaniou.masks.formats.arrays import read_npy, read_npz
from meaniou.masks.formats.png import PNG_SIGNATURE, read_png
from meaniou.masks.formats.tiff import TIFF_MAGIC, read_tiff

Labels = NDArray[np.generic]


@dataclass(frozen=True)
class Format:
    """A file format of masks.

    Attributes:
        kind: the noun for such a file in an error.
        suffixes: endings of its file names, in lower case.
        magic: the first bytes of its files; empty for a format that is known by its suffix alone.
        read: returns the labels of an open file; raises ``ContentError`` beyond a number of pixels.
    """

    kind: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    read: Callable[[IO[bytes], int], Labels]


IMAGE, ARRAY = "PNG or TIFF image", "NumPy array"
JPEG_MAGIC = b"\xff\xd8\xff"
FORMATS = (
    Format(IMAGE, (".png",), (PNG_SIGNATURE,), read_png),
    Format(IMAGE, (".tif", ".tiff"), TIFF_MAGIC, read_tiff),
    Format(ARRAY, (".npy",), (b"\x93NUMPY",), read_npy),
    Format(ARRAY, (".npz",), (b"PK\3\4", b"PK\5\6"), read_npz),
)
SUFFIXES = tuple(suffix for form in FORMATS for suffix in form.suffixes)
LONGEST_MAGIC = max(len(magic) for form in FORMATS for magic in form.magic)


def read(path: Path | str, max_pixels: int = MAX_PIXELS) -> Labels:
    """The label map in a file, in its stored dtype.

    The format follows from the content of the file, not from its name.

    Args:
        path: a PNG (greyscale or palette), TIFF, ``.npy`` or ``.npz`` file.
        max_pixels: the largest map that is read; a small compressed file can unpack to more than fits in memory.

    Returns:
        The integers as stored, usually ``[H, W]``; the indices of a palette, not its colours.

    Raises:
        MaskError: if the file cannot be read, holds no integer labels, or has more pixels than ``max_pixels``.

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
            return _format_of(path, beginning).read(file, max_pixels)
    except ContentError as error:
        raise MaskError(f"{path} {error.fact}", error.cure) from error
    except MemoryError as error:
        raise MaskError(f"Cannot read {path}: it does not fit in memory. Save the mask in tiles.") from error
    except Exception as error:  # decoders raise any kind of exception for a broken file, such as tokenize.TokenError
        raise unreadable(path, error) from error


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
