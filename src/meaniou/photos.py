"""Image files of the common kinds -> their luminance, as errors are drawn on it."""

import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from meaniou.errors import ContentError, MaskError, reason
from meaniou.pictures import Light

PHOTOS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
# By how the content begins. No other decoder is asked: some run programs, such as that for PostScript.
KINDS: dict[bytes, type[ImageFile]] = {b"\x89PNG": PngImageFile, b"\xff\xd8\xff": JpegImageFile, b"BM": BmpImageFile}
KINDS |= {b"II*\0": TiffImageFile, b"MM\0*": TiffImageFile, b"RIFF": WebPImageFile}
WIDE = {"I;16", "I;16B", "I;16L", "I;16N"}
ORIENTATION = 274  # the tag; from 5 on the axes are swapped


def photo(path: Path, shape: tuple[int, int]) -> Light:
    """The luminance of the image in a file, upright, uint8 ``[H, W]``.

    Raises:
        MaskError: if it cannot be read, or is not of this shape.
    """
    try:
        # The command reads one photo at a time, so that the filter of warnings is no other thread's.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of metadata that we do not show
            return _light(_opened(file), shape)
    except ContentError as error:
        raise MaskError(f"{path} {error}") from error
    except Exception as error:  # as of masks
        raise MaskError(
            f"{path} cannot be read ({reason(error)}); expected a whole image, so save it again."
        ) from error


def _opened(file: IO[bytes]) -> ImageFile:
    begin = file.read(8)
    file.seek(0)
    for magic, kind in KINDS.items():
        if begin.startswith(magic):
            return kind(file)
    raise ContentError(f"is no image of a kind that is drawn; expected one ({', '.join(PHOTOS)}), so convert it.")


def _light(image: ImageFile, shape: tuple[int, int]) -> Light:
    # Decoded, as a PNG is for its orientation, only if it may fit, so that none is larger than its masks.
    orientation = image.getexif().get(ORIENTATION, 1) if sorted(image.size) == sorted(shape) else 1
    if isinstance(image, TiffImageFile) and orientation != 1:
        raise ContentError(f"has the orientation {orientation}; expected 1, the first row at the top, so turn it.")
    height, width = image.size if orientation > 4 else image.size[::-1]
    if (height, width) != shape:
        raise ContentError(
            f"is {height} x {width} and its masks are {shape[0]} x {shape[1]} (height x width); expected one size, so "
            "resize it."
        )
    upright = image if orientation == 1 else ImageOps.exif_transpose(image)
    if upright.mode in WIDE or (upright.mode == "I" and isinstance(image, PngImageFile)):
        return (np.asarray(upright) >> 8).astype(np.uint8)
    if upright.mode in ("I", "F"):
        raise ContentError("stores 32 bits a channel; expected 8 or 16, so convert it.")
    if upright.mode not in ("L", "RGB"):  # RGBA takes up what is transparent in a palette
        upright = upright.convert("RGBA" if upright.mode == "P" else "RGB")
    return np.asarray(upright.convert("L"))
