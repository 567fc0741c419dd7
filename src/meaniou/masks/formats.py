"""A file -> the label map in it, in the dtype in which it is stored."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from meaniou.masks.arrays import read_npy, read_npz
from meaniou.masks.errors import MAX_PIXELS, ContentError, MaskError, reason
from meaniou.masks.png import SIGNATURE, read_png
from meaniou.masks.tiff import MAGIC, read_tiff

IMAGES, ARRAYS = (".png", ".tif", ".tiff"), (".npy", ".npz")
SUFFIXES = (*IMAGES, *ARRAYS)
Labels = NDArray[np.generic]
Reader = Callable[[IO[bytes], int], Labels]
# By how the content begins, which decides, whatever the file is called.
TIFFS: dict[bytes, Reader] = dict.fromkeys(MAGIC, read_tiff)
READERS = {SIGNATURE: read_png, b"\x93NUMPY": read_npy, b"PK\3\4": read_npz, b"PK\5\6": read_npz} | TIFFS


def labels(path: Path, max_pixels: int = MAX_PIXELS) -> Labels:
    """The label map in a file; raises ``MaskError`` if it cannot be read, holds no labels, or more than so many."""
    try:
        with path.open("rb") as file:
            begin = file.read(8)
            file.seek(0)
            if (read := next((READERS[magic] for magic in READERS if begin.startswith(magic)), None)) is None:
                kind = "array of NumPy" if path.suffix.lower() in ARRAYS else "PNG or TIFF image"
                raise ContentError(f"is no {kind}, or an empty one; expected a whole mask, so save it again.")
            return read(file, max_pixels)
    except ContentError as error:
        raise MaskError(f"{path} {error}") from error
    except MemoryError as error:
        raise MaskError(f"{path} does not fit into memory; expected a smaller mask, so save it in tiles.") from error
    except Exception as error:  # decoders raise whatever a broken file leads them to, such as a tokenizer's error
        raise MaskError(f"{path} cannot be read ({reason(error)}); expected a whole mask, so save it again.") from error
