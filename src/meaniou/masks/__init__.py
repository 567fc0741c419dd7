"""Finds mask files in folders, pairs them by name, and reads them into label maps of the stored dtype."""

from meaniou.masks.errors import MAX_PIXELS, MaskError, reason
from meaniou.masks.formats import SUFFIXES, read
from meaniou.masks.pairs import (
    Pair,
    find_masks,
    find_photos,
    has_files_ending_in,
    pair_masks,
)
from meaniou.masks.photos import PHOTOS, photo
from meaniou.masks.reading import read_pair, read_pairs

__all__ = [
    "MAX_PIXELS",
    "PHOTOS",
    "SUFFIXES",
    "MaskError",
    "Pair",
    "find_masks",
    "find_photos",
    "has_files_ending_in",
    "pair_masks",
    "photo",
    "read",
    "read_pair",
    "read_pairs",
    "reason",
]
