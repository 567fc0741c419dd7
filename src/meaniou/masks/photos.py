"""The reader of photos: their luminance, on which errors are drawn."""

import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from tifffile import TiffFile

from meaniou.masks.errors import MAX_PIXELS, ContentError, MaskError, unreadable
from meaniou.masks.formats import PNG_SIGNATURE, TIFF_MAGIC, decoded, strict_tifffile
from meaniou.plot import Light, grey

PHOTOS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
# By the first bytes. No other decoders are tried, since some of them run programs, such as that for PostScript.
KINDS: dict[bytes, type[ImageFile]] = {PNG_SIGNATURE: PngImageFile, b"\xff\xd8\xff": JpegImageFile, b"BM": BmpImageFile}
KINDS |= {b"RIFF": WebPImageFile}
ORIENTATION = 274  # the tag; values from 5 on swap the axes


def photo(path: Path, shape: tuple[int, int]) -> Light:
    """The luminance of the photo in a file, upright, uint8 ``[H, W]``.

    Raises:
        MaskError: if it cannot be read, or has another shape than its masks.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(8)
            file.seek(0)
            if begin.startswith(TIFF_MAGIC):
                return _of_tiff(file, shape)
            for magic, kind in KINDS.items():
                if begin.startswith(magic):
                    return _of_pillow(file, kind, shape)
        raise ContentError("is not a PNG, JPEG, TIFF, WebP or BMP image.", "Convert the photo.")
    except ContentError as error:
        raise MaskError(f"{path} {error.fact}", error.cure) from error
    except Exception as error:  # decoders raise anything, as for masks
        raise unreadable(path, error) from error


def _of_pillow(file: IO[bytes], kind: type[ImageFile], shape: tuple[int, int]) -> Light:
    # The filter of warnings is that of all threads, but the command reads one photo at a time.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about metadata
        image: Any = kind(file)
        # Reading the orientation of a PNG decodes it, so the size is checked first.
        orientation = image.getexif().get(ORIENTATION, 1) if sorted(image.size) == sorted(shape) else 1
        _check_size(image.size[::-1], orientation, shape)
        if image.mode.startswith("I"):  # 16 bits, which convert("L") would clip
            return _upright((np.asarray(image) >> 8).astype(np.uint8), orientation)
        if image.mode not in ("L", "RGB"):  # RGBA applies the transparency of a palette
            image = image.convert("RGBA" if image.mode == "P" else "RGB")
        return _upright(np.asarray(image.convert("L")), orientation)


def _of_tiff(file: IO[bytes], shape: tuple[int, int]) -> Light:
    """A TIFF photo, read by tifffile, which supports more bands and depths than Pillow and prints nothing."""
    with strict_tifffile(), TiffFile(file, is_ome=False) as tiff:
        page = tiff.pages.first
        orientation = int(page.tags.valueof(ORIENTATION, 1))
        _check_size((page.imagelength, page.imagewidth), orientation, shape)
        if page.tilelength * page.tilewidth > MAX_PIXELS:
            raise ContentError(f"has tiles of more than {MAX_PIXELS:,} pixels.", "Save the photo with smaller tiles.")
        values = decoded(page)
        if page.samplesperpixel > 1 and page.planarconfig == 2:
            values = np.moveaxis(values, 0, -1)
        bits = page.bitspersample
        if page.photometric == 3 and page.colormap is not None:
            values, bits = page.colormap.T[values], 16
    if values.dtype.kind not in "bu" or bits > 16 or values.ndim not in (2, 3):
        raise ContentError(
            f"stores {values.dtype} values of {bits} bits; expected 8 or 16 bits per channel.", "Convert the photo."
        )
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] >= 3 else values[..., 0]
    scaled = (values >> (bits - 8) if bits >= 8 else values * (255 // (2**bits - 1))).astype(np.uint8)
    light = grey(scaled, scaled.shape[:2])
    return _upright(255 - light if page.photometric == 0 else light, orientation)


def _check_size(stored: tuple[int, ...], orientation: int, shape: tuple[int, int]) -> None:
    height, width = stored[::-1] if orientation > 4 else stored
    if (height, width) != shape:
        raise ContentError(
            f"is {height} x {width}, but its masks are {shape[0]} x {shape[1]} (height x width).",
            "Resize the photo to the size of its masks.",
        )


def _upright(values: NDArray[np.uint8], orientation: int) -> Light:
    """An image turned upright, by the orientation tag of TIFF and EXIF."""
    values = values.T if orientation > 4 else values
    values = values[:, ::-1] if orientation in (2, 3, 6, 7) else values
    return values[::-1] if orientation in (3, 4, 7, 8) else values
