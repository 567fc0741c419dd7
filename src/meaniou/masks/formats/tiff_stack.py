"""The reader of TIFF files with a page for each of several labels that overlap: labels 0 and 1, or scores."""

import math
from typing import IO

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from meaniou.masks.errors import ContentError, check_pixels, check_stack, size
from meaniou.masks.formats.tiff import (
    GREY,
    INVERTED,
    OVERVIEW,
    Contents,
    check_kind,
    check_tags,
    pages_of,
    strict_tifffile,
    values_of,
)
from meaniou.settings import MAX_CLASSES

MASK = 4  # bit of the page type: a transparency mask
AXES = ("channels", "slices", "frames")  # of a stack of ImageJ
AS_ARRAY = "Save the stack as .npy, or as TIFF with a page for each label."


def _check_page(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    check_stack(dtype, (1, *shape))


STACK = Contents(
    _check_page,
    (INVERTED, GREY),
    "a greyscale page for each label",
    "Save the stack as .npy, or as TIFF with a page for each label (with tifffile as photometric='minisblack').",
    "a page of integers or floats without a floating-point predictor",
)


def read_tiff_stack(file: IO[bytes], max_pixels: int) -> NDArray[np.generic]:
    """The pages of an open TIFF file, ``[L, H, W]``; overviews are left out.

    Raises:
        ContentError: if the pages are not maps of one size and dtype, or if there are too many pages or pixels.
        ValueError: if the file is damaged.
    """
    with strict_tifffile(), TiffFile(file, is_ome=False) as tiff:
        pages = _pages(tiff, max_pixels)
        _check_axes(tiff, len(pages))
        stack: NDArray[np.generic] | None = None
        for i, page in enumerate(pages):
            values = values_of(page, tiff.filehandle.size, max_pixels)
            if stack is None:
                stack = np.empty((len(pages), *values.shape), values.dtype)
            stack[i] = values
        assert stack is not None
        return stack


def _pages(tiff: TiffFile, max_pixels: int) -> list[TiffPage]:
    """The pages of the labels, checked before any is decoded."""
    pages: list[TiffPage] = []
    for page in pages_of(tiff):
        if pages and page.subfiletype & OVERVIEW:
            continue
        try:
            check_tags(tiff, page)
            if page.subfiletype & MASK:
                raise ContentError("is a transparency mask; expected the map of a label.", AS_ARRAY)
            check_kind(page, STACK)
        except ContentError as error:
            raise ContentError(f"(page {len(pages) + 1}) {error.fact}", error.cure) from error
        pages.append(page)
        if len(pages) > MAX_CLASSES:
            raise ContentError(f"holds more than {MAX_CLASSES:,} pages; expected one for each label.", AS_ARRAY)
        _check_same(pages[0], page, len(pages))
        check_pixels((len(pages), *page.shape), max_pixels)
    return pages


def _check_same(first: TiffPage, page: TiffPage, number: int) -> None:
    """Raises ``ContentError`` if a page has another size or dtype than the first one."""
    if page.shape != first.shape:
        raise ContentError(
            f"(page {number}) has the size {size(page.shape)}, and page 1 {size(first.shape)}; expected one size.",
            "Save a page of the same size for each label, without previews.",
        )
    if page.dtype != first.dtype:
        raise ContentError(
            f"(page {number}) holds values of dtype {page.dtype}, and page 1 {first.dtype}; expected one dtype.",
            "Save all pages in one dtype.",
        )


def _check_axes(tiff: TiffFile, pages: int) -> None:
    """Raises ``ContentError`` if a file of tifffile or ImageJ stores several images in a page, or volumes."""
    shapes = [shaped["shape"] for shaped in tiff.shaped_metadata or ()]
    images = tiff.imagej_metadata or {}
    hidden = [shape for shape in shapes if math.prod(shape) > pages * math.prod(tiff.pages.first.shape)]
    if hidden or images.get("images", pages) != pages:
        raise ContentError("stores several images in one page; expected a page for each label.", AS_ARRAY)
    deep = [shape for shape in shapes if sum(n > 1 for n in shape) > 3]
    if deep or sum(images.get(axis, 1) > 1 for axis in AXES) > 1:
        shape = f" of shape {size(tuple(deep[0]))}" if deep else " with several axes of pages"
        raise ContentError(
            f"holds a stack{shape}; expected maps [H, W], one for each label.", "Save volumes [L, D, H, W] as .npy."
        )
