"""The file formats of masks: a reader for each, and the registry by which any of them is read."""

from meaniou.masks.formats.png import PNG_SIGNATURE
from meaniou.masks.formats.registry import SUFFIXES, read
from meaniou.masks.formats.tiff import TIFF_MAGIC, strict_tifffile

__all__ = [
    "PNG_SIGNATURE",
    "SUFFIXES",
    "TIFF_MAGIC",
    "read",
    "strict_tifffile",
]
