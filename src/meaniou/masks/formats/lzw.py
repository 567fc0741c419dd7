"""The check of LZW streams in TIFF files, before they are decoded.

imagecodecs (up to 2026.5.10, at least) does not check that the first code after a clear code is a byte. In a damaged
file it can be any entry of the table, and the decoder then reads and writes outside its memory: the process crashes,
or gets other pixels. The decoder checks all other codes.
"""

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffPage

from meaniou.masks.errors import ContentError

LZW = 5  # the number of the compression
REVERSED = 2  # the fill order in which the lowest bit comes first
CLEAR, END = 256, 257
MAX_CODES = 4864  # between two clear codes; the decoder refuses more
# Bits of each code after a clear code: the next one is a bit longer from 511, 1023 and 2047 entries of the table on.
ENTRIES = 257 + np.maximum(1, np.arange(MAX_CODES))
BITS = 9 + (ENTRIES >= 511) + (ENTRIES >= 1023) + (ENTRIES >= 2047)
STARTS = np.concatenate([[0], np.cumsum(BITS)[:-1]])  # bits before each code


def check_lzw(page: TiffPage) -> None:
    """Checks the strips or tiles of a page that is compressed with LZW.

    Raises:
        ContentError: for the order of bits that was in use before TIFF 6.0.
        ValueError: if the decoder would read outside its memory.
    """
    if page.compression != LZW:
        return
    file = page.parent.filehandle
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):  # tifffile passes over the others
        file.seek(offset)
        stream = np.frombuffer(file.read(length), np.uint8)
        if page.fillorder == REVERSED:
            stream = np.packbits(np.unpackbits(stream, bitorder="little"))
        _check_stream(stream)


def _check_stream(stream: NDArray[np.uint8]) -> None:
    if len(stream) > 1 and stream[0] == 0 and stream[1] & 1:
        raise ContentError("is compressed with LZW as before TIFF 6.0.", "Save it again with LZW or DEFLATE.")
    bits = 8 * len(stream)
    padded = np.concatenate([stream, np.zeros(3, np.uint8)]).astype(np.int64)
    place, at_start = 0, True  # the first code must be a clear code, which the decoder checks
    while place < bits:
        starts = place + STARTS[: np.searchsorted(place + STARTS + BITS, bits, "right")]
        sizes = BITS[: len(starts)]
        byte = starts >> 3
        words = padded[byte] << 16 | padded[byte + 1] << 8 | padded[byte + 2]
        codes = words >> (24 - (starts & 7) - sizes) & ((1 << sizes) - 1)
        if len(codes) and not at_start and codes[0] > END:
            raise ValueError("an LZW code has no entry in its table")
        marks = np.flatnonzero((codes == CLEAR) | (codes == END))
        if not len(marks) or codes[marks[0]] == END:
            return
        place, at_start = int(starts[marks[0]] + sizes[marks[0]]), False
