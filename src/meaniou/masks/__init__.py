"""Finds mask files in folders, pairs them by name, and reads them into label maps of the stored dtype.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from meaniou import MeanIoU, masks
    >>> metric = MeanIoU(num_classes=2)
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     for side in ("pred", "target"):
    ...         (folder / side).mkdir()
    ...         np.save(folder / side / "a.npy", np.array([[0, 1, 1]]))
    ...     pairs = masks.pair_masks(folder / "pred", folder / "target")
    ...     for pair, preds, target in masks.read_pairs(pairs, threads=2):
    ...         metric.update([preds], [target])
    >>> pair.name, metric.compute()
    ('a', tensor(1.))
"""

from meaniou.masks.errors import MAX_PIXELS, MaskError, NamesError, reason
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
    "NamesError",
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
