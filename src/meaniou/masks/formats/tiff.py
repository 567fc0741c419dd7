"""The reader of TIFF files: integers as they are stored, by tifffile, which does not invert, rotate or widen them."""

import logging
import math
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from meaniou.masks.errors import ContentError, check_labels, check_pixels
from meaniou.masks.formats.lzw import check_lzw

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how files begin
# Lossless compressions. JPEG and similar ones change values, and LERC may.
LOSSLESS = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000}  # none, CCITT, LZW, DEFLATE, PackBits, DEFLATE, LZMA, ZSTD
PREDICTED = {5, 8, 32946, 34925, 50000}  # may store differences of neighbours; with others, readers disagree
INVERTED, GREY, PALETTE = 0, 1, 3  # photometric interpretations
OVERVIEW = 1  # bit of the page type
HEADER = 8  # bytes; pixels cannot lie before
# Tags of one value: size, compression, colours, fill order, orientation, channels, rows, layout, predictor, tiles.
ONE_VALUE = (256, 257, 259, 262, 266, 274, 277, 278, 284, 317, 322, 323)
# Tags that labels depend on: these, and page type, bits and format of values, strips, tiles, depth and nodata.
NEEDED = {*ONE_VALUE, 254, 255, 258, 273, 279, 324, 325, 339, 32997, 42113}


@dataclass(frozen=True)
class Contents:
    """What the pages of a file are expected to hold.

    Attributes:
        check: raises ``ContentError`` for other dtypes.
        photometric: the photometric interpretations that store values as they are.
        channels: what is expected in place of several channels.
        cure: what to do about them.
        values: what is expected in place of other values.
    """

    check: Callable[[np.dtype[np.generic], tuple[int, ...]], None]
    photometric: tuple[int, ...]
    channels: str
    cure: str
    values: str


LABEL_MAP = Contents(
    check_labels,
    (INVERTED, GREY, PALETTE),
    "one channel of class ids (greyscale or palette)",
    "Save the class ids, not their colours.",
    "a map of integers",
)


def read_tiff(file: IO[bytes], max_pixels: int) -> NDArray[np.generic]:
    """The labels in an open TIFF file.

    It is read, not memory-mapped: if another process shortened a mapped file, this process would crash.

    Raises:
        ContentError: if it holds no labels as they are, several images, or too many pixels.
        ValueError: if it is damaged.
    """
    with strict_tifffile(), TiffFile(file, is_ome=False) as tiff:
        page = _only_page(tiff)
        check_pixels(page.shape, max_pixels)
        check_kind(page, LABEL_MAP)
        return values_of(page, tiff.filehandle.size, max_pixels)


def values_of(page: TiffPage, size: int, max_pixels: int) -> NDArray[np.generic]:
    """The values of a page in a file of a size in bytes; raises as ``read_tiff``."""
    check_pixels((page.tilelength, page.tilewidth), max_pixels)
    if _check_segments(page, size):
        return decoded(page)
    return np.full(page.shape, page.nodata, page.dtype)  # for which tifffile would return bytes of the header


def decoded(page: TiffPage) -> NDArray[Any]:
    """The values of a page as tifffile decodes it, in this thread: other threads of the command read other files."""
    check_lzw(page)
    return page.asarray(maxworkers=1)


class _Complaints(logging.Filter):
    """Keeps tifffile's messages about the files read here out of the log, and collects the errors among them."""

    def __init__(self) -> None:
        super().__init__()
        self.of_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        faults = getattr(self.of_thread, "faults", None)
        message = record.getMessage()
        if faults is not None and record.levelno >= logging.ERROR and not message.startswith("<TiffTag.fromfile>"):
            faults.append(message)
        return faults is None


COMPLAINTS = _Complaints()
logging.getLogger("tifffile").addFilter(COMPLAINTS)


@contextmanager
def strict_tifffile() -> Iterator[None]:
    """Raises ``ValueError`` for errors in a file that tifffile only logs, such as more strips than the size needs.

    Its warnings do not concern the pixels here, such as one about a nodata value that the dtype cannot hold. Unreadable
    tags are left to ``check_tags``, since most of them do not matter.
    """
    faults: list[str] = []
    COMPLAINTS.of_thread.faults = faults
    try:
        yield
    finally:
        COMPLAINTS.of_thread.faults = None
    if faults:
        raise ValueError(faults[0])


def pages_of(tiff: TiffFile) -> Iterator[TiffPage]:
    """The pages, in order; raises ``ValueError`` after a page that comes again, since tifffile would never end."""
    offsets: set[int] = set()
    for page in tiff.pages:
        if not isinstance(page, TiffPage):
            raise TypeError("its pages cannot be read")
        yield page
        if page.offset in offsets:
            raise ValueError("its list of pages has no end")
        offsets.add(page.offset)


def _only_page(tiff: TiffFile) -> TiffPage:
    """The only page that holds an image; overviews of it are allowed."""
    pages = pages_of(tiff)
    first = next(pages)
    check_tags(tiff, first)
    more = any(not page.subfiletype & OVERVIEW for page in pages)
    # tifffile and ImageJ may store a stack with a single page.
    stacks = [shaped["shape"] for shaped in tiff.shaped_metadata or () if shaped.get("truncated")]
    more |= any(math.prod(shape) != math.prod(first.shape) for shape in stacks)
    if more or (tiff.imagej_metadata or {}).get("images", 1) != 1:
        raise ContentError(
            "holds more than one image; expected one.",
            "Save each mask in a file of its own. If the pages are labels that overlap, pass {multilabel:}.",
        )
    return first


def check_tags(tiff: TiffFile, page: TiffPage) -> None:
    """Raises ``ValueError`` if a tag that labels depend on has several values, or cannot be read."""
    if several := [tag.name for code in ONE_VALUE if (tag := page.tags.get(code)) and tag.count != 1]:
        raise ValueError(f"its tag {several[0]} has several values")
    form, file = tiff.tiff, tiff.filehandle
    file.seek(page.offset)
    (number,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    codes = {struct.unpack(f"{form.byteorder}H", file.read(form.tagsize)[:2])[0] for _ in range(number)}
    if lost := (codes & NEEDED) - {tag.code for tag in page.tags}:
        raise ValueError(f"its tag {min(lost)} is damaged")


def check_kind(page: TiffPage, contents: Contents) -> None:
    """Raises ``ContentError`` unless a page holds one channel of the expected contents, lossless and upright."""
    if page.samplesperpixel != 1 or page.photometric not in contents.photometric:
        same = contents is LABEL_MAP and _alike(page)
        equal = ", which are equal" if same else ""
        channels = f"{page.samplesperpixel} channel{'s' * (page.samplesperpixel != 1)}"
        raise ContentError(
            f"has {channels} ({_name(page.photometric)}){equal}; expected {contents.channels}.",
            "If the values are the ids, save one of these channels." if same else contents.cure,
        )
    if page.photometric == INVERTED:
        raise ContentError(
            "stores inverted values (0 is white), which programs read in different ways; expected 0 as black.",
            "Save it again, with tifffile as photometric='minisblack'.",
        )
    if page.compression not in LOSSLESS:
        raise ContentError(
            f"is compressed with {_name(page.compression)}, which can change ids.",
            "Save the original with a lossless compression (LZW, DEFLATE, PackBits, ZSTD, LZMA, CCITT) or with none.",
        )
    if (orientation := page.tags.valueof(274, 1)) != 1:
        raise ContentError(
            f"has the orientation tag {int(orientation)}, which some programs apply and others ignore; expected 1 (the "
            "first row at the top).",
            "Rotate or flip the map itself, and save it without the tag.",
        )
    if page.dtype is not None:
        contents.check(page.dtype, page.shape)
    predictors = (1, 2) if page.compression in PREDICTED else (1,)
    if page.dtype is None or len(page.shape) != 2 or page.predictor not in predictors:
        raise ContentError(
            f"stores values of {page.bitspersample} bits ({_name(page.sampleformat)}, predictor {int(page.predictor)}) "
            f"in {len(page.shape)} dimensions; expected {contents.values}.",
            f"Save it again as {contents.values}.",
        )


def _alike(page: TiffPage) -> bool:
    """Whether all channels hold the same values."""
    try:
        values = decoded(page)
    except Exception:  # the page is refused in any case
        return False
    channels = np.moveaxis(values, -1 if page.planarconfig == 1 else 0, 0)
    return page.samplesperpixel > 2 and all(np.array_equal(channels[0], other) for other in channels[1:3])


def _name(value: int) -> str:
    """The name of a number of the format in tifffile, or the number."""
    return getattr(value, "name", str(value))


def _check_segments(page: TiffPage, size: int) -> bool:
    """Whether any strip or tile is stored.

    Sparse files of GDAL leave out strips and tiles that hold only the nodata value, or 0.

    Raises:
        ValueError: if they do not have the number and length that the shape needs, or lie outside the file.
    """
    number = math.prod(page.chunked)
    if not len(page.dataoffsets) == len(page.databytecounts) == number:
        raise ValueError(f"its size needs {number} strips or tiles, but it has {len(page.dataoffsets)}")
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    width, rows = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
    for i, (offset, length) in enumerate(segments):
        if offset == length == 0:
            if page.nodata != float(page.tags.valueof(42113, 0)):
                raise ValueError("it leaves out parts, and their nodata value does not fit its dtype")
            continue
        if offset < HEADER or not length or offset + length > size:
            raise ValueError("it ends early, or a strip or tile lies outside of it")
        last = 0 if page.is_tiled else max(0, (i + 1) * rows - page.imagelength)
        needed = {n * math.ceil(width * page.bitspersample / 8) for n in (rows, rows - last)}
        # A longer one in the middle would shift those after it, which are read in one go.
        if page.compression == 1 and length not in needed and (length < min(needed) or i < number - 1):
            raise ValueError(f"a strip or tile has {length} bytes and needs {min(needed)}")
    return any(length for _, length in segments)
