"""The file formats of masks: a reader for each, and the registry by which any of them is read."""

from meaniou.masks.formats.png import SIGNATURE
from meaniou.masks.formats.registry import SUFFIXES, read
from meaniou.masks.formats.tiff import MAGIC, strict

__all__ = [
    "MAGIC",
    "SIGNATURE",
    "SUFFIXES",
    "read",
    "strict",
]
