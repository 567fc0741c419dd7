"""Files become label maps, and two folders become pairs of them."""

from meaniou.masks.errors import MAX_PIXELS, MaskError
from meaniou.masks.formats import SUFFIXES
from meaniou.masks.photos import PHOTOS, photo

__all__ = [
    "MAX_PIXELS",
    "PHOTOS",
    "SUFFIXES",
    "MaskError",
    "photo",
]
