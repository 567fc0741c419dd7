"""The reader of PNG files: grey values, or indices into a palette, as they are stored."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from meaniou.masks.errors import ContentError, check_pixels

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: "L", 2: "R, G, B", 3: "P", 4: "L, A", 6: "R, G, B, A"}  # by the color type
SPREAD = {(0, 2): 85, (0, 4): 17}  # Pillow scales grey values of 2 and 4 bits to 8 bits, by these factors
PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")  # the chunks that define the pixels


def read_png(file: IO[bytes], max_pixels: int) -> NDArray[np.generic]:
    """The labels in an open PNG file.

    Raises:
        ContentError: if it has several channels or images, or too many pixels.
        ValueError: if it is damaged.
    """
    content = file.read()
    plain = [memoryview(PNG_SIGNATURE)]
    for kind, chunk in _chunks(memoryview(content)):
        if kind in PIXELS:
            plain.append(chunk)
        elif kind == b"acTL" and (frames := int.from_bytes(chunk[8:12])) != 1:
            raise ContentError(f"holds {frames} images; expected one.", "Save each mask in a file of its own.")
        elif kind[:1].isupper():
            raise ValueError(f"its chunk {kind!r} is unknown")
    width, height, depth, color = struct.unpack(">IIBB", plain[1][8:18])
    check_pixels((height, width), max_pixels)
    # Only the chunks of the pixels are decoded, so that metadata cannot raise or warn. Image.open is avoided, since its
    # limit and its warning are settings of the whole process.
    with PngImageFile(io.BytesIO(b"".join(plain))) as image:
        pixels = np.asarray(image)
    if color not in (0, 3):
        raise _colors(pixels, CHANNELS[color], depth)
    return pixels // np.uint8(SPREAD[color, depth]) if (color, depth) in SPREAD else pixels


def _chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and bytes of each chunk up to the end of the image; raises ``ValueError`` for a damaged chunk.

    Pillow does not compare the checksums of pixels, and would decode other labels.
    """
    start, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        end = start + 12 + int.from_bytes(content[start : start + 4])
        kind = bytes(content[start + 4 : start + 8])
        if end > len(content):
            raise ValueError("it ends early")
        if zlib.crc32(content[start + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
            raise ValueError(f"the checksum of its chunk {kind!r} is wrong")
        if (kind == b"IHDR") != (start == len(PNG_SIGNATURE)):
            raise ValueError("its header is not at the beginning")
        yield kind, content[start:end]
        start = end


def _colors(image: NDArray[np.generic], channels: str, depth: int) -> ContentError:
    """The error about an image with several channels."""
    equal, cure = "", "Save the class ids, not their colours."
    if depth == 8 and image.ndim == 3 and (image[..., :3] == image[..., :1]).all() and image.shape[2] > 2:
        equal, cure = " (R, G and B are equal)", "If the values are the ids, save one of these channels."
    return ContentError(
        f"has the channels {channels}{equal}; expected one channel of class ids (greyscale or palette).", cure
    )
