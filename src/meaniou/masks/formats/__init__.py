"""Readers of the file formats of masks, and the function that reads any of them."""

from meaniou.masks.formats.png import PNG_SIGNATURE
from meaniou.masks.formats.registry import SUFFIXES, Labels, read
from meaniou.masks.formats.tiff import TIFF_MAGIC, decoded, strict_tifffile

__all__ = [
    "PNG_SIGNATURE",
    "SUFFIXES",
    "TIFF_MAGIC",
    "Labels",
    "decoded",
    "read",
    "strict_tifffile",
]
