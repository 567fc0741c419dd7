"""The file formats of masks, and the one way to read a file of any of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from meaniou.masks.errors import MAX_PIXELS, ContentError, MaskError, reason
from meaniou.masks.formats.arrays import read_npy, read_npz
from meaniou.masks.formats.png import PNG_SIGNATURE, read_png
from meaniou.masks.formats.tiff import TIFF_MAGIC, read_tiff

Labels = NDArray[np.generic]


@dataclass(frozen=True)
class Format:
    """A file format of masks.

    Attributes:
        kind: the noun for such a file in an error.
        suffixes: how names of its files end, in lower case.
        magic: how its files begin; empty for a format that has only its suffix.
        read: gives the labels of an open file, or raises ``ContentError`` beyond a number of pixels.
    """

    kind: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    read: Callable[[IO[bytes], int], Labels]


IMAGE, ARRAY = "PNG or TIFF image", "array of NumPy"
FORMATS = (
    Format(IMAGE, (".png",), (PNG_SIGNATURE,), read_png),
    Format(IMAGE, (".tif", ".tiff"), TIFF_MAGIC, read_tiff),
    Format(ARRAY, (".npy",), (b"\x93NUMPY",), read_npy),
    Format(ARRAY, (".npz",), (b"PK\3\4", b"PK\5\6"), read_npz),
)
SUFFIXES = tuple(suffix for form in FORMATS for suffix in form.suffixes)
LONGEST_MAGIC = max(len(magic) for form in FORMATS for magic in form.magic)


def read(path: Path | str, max_pixels: int = MAX_PIXELS) -> Labels:
    """Reads the label map in a file, in the dtype in which it is stored.

    The content decides the format, whatever the file is called.

    Args:
        path: a PNG, TIFF, ``.npy`` or ``.npz`` file.
        max_pixels: the largest map that is read, since a small file may unpack to more than the memory holds.

    Raises:
        MaskError: if the file cannot be read, holds no labels, or more than so many.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            beginning = file.read(LONGEST_MAGIC)
            file.seek(0)
            return _format_of(path, beginning).read(file, max_pixels)
    except ContentError as error:
        raise MaskError(f"{path} {error}") from error
    except MemoryError as error:
        raise MaskError(f"{path} does not fit into memory; expected a smaller mask, so save it in tiles.") from error
    except Exception as error:  # decoders raise whatever a broken file leads them to, such as a tokenizer's error
        raise MaskError(f"{path} cannot be read ({reason(error)}); expected a whole mask, so save it again.") from error


def _format_of(path: Path, beginning: bytes) -> Format:
    suffix = path.suffix.lower()
    for form in FORMATS:
        if beginning.startswith(form.magic) or (not form.magic and suffix in form.suffixes):
            return form
    kind = next((form.kind for form in FORMATS if suffix in form.suffixes), IMAGE)
    raise ContentError(f"is no {kind}, or an empty one; expected a whole mask, so save it again.")
