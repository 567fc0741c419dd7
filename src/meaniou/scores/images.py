"""Counts and areas per image, in an order that does not depend on batches or ranks."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from meaniou.scores.areas import Areas, Ints


def id_of(name: str) -> int:
    """A hash of an image name, the same in every run, so that shards can be merged and runs compared."""
    return int.from_bytes(hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()) >> 1


@dataclass(frozen=True)
class ImageAreas:
    """Areas ``[N, C]`` of images under a policy, in an order that does not depend on batches or ranks.

    Attributes:
        areas: the areas of each image.
        ids: image ids ``[N]``, -1 for images without one.
        names: names of images by id; some may be missing.
        numbers: position of each image in the order of counting, ``[N]``; ``None`` if images have ids or the order is
            unknown.
    """

    areas: Areas
    ids: Ints
    names: Mapping[int, str] = field(default_factory=dict)
    numbers: Ints | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def own_ids(self) -> list[int | str]:
        """The ids as they were passed to ``update``: names if these were names."""
        pairs = ((number, str(self.names.get(number, ""))) for number in self.ids.tolist())
        return [name if name and id_of(name) == number else number for number, name in pairs]


@dataclass(frozen=True)
class ImageRows:
    """Rows of images, int64 ``[N, 4, C]`` (intersection, ground truth, prediction, void predictions), with their ids.

    The other attributes are those of ``ImageAreas``.
    """

    rows: Ints
    ids: Ints
    names: Mapping[int, str] = field(default_factory=dict)
    numbers: Ints | None = None

    @classmethod
    def in_order(cls, rows: Ints, ids: Ints, names: Mapping[int, str], as_counted: bool) -> "ImageRows":
        """Sorts rows by id; rows without an id come first, sorted by their contents.

        With ``as_counted`` the rows are in the order of counting, and images are numbered by it if none has an id.
        """
        flat = rows.reshape(len(rows), rows.shape[1] * rows.shape[2])
        without, with_id = np.flatnonzero(ids < 0), np.flatnonzero(ids >= 0)
        if len(without) > 1:
            without = without[np.lexsort(flat[without].T[::-1])]
        with_id = with_id[np.argsort(ids[with_id], kind="stable")]
        if (ids[with_id][1:] == ids[with_id][:-1]).any():  # an image that was counted twice has two rows
            with_id = with_id[np.lexsort((*flat[with_id].T[::-1], ids[with_id]))]
        order = np.concatenate([without, with_id])
        return cls(rows[order], ids[order], names, order if as_counted and not len(with_id) else None)

    def __len__(self) -> int:
        return len(self.ids)

    def numbered(self) -> "ImageRows":
        """The rows in the order of counting with their numbers as ids; unchanged without numbers."""
        if self.numbers is None:
            return self
        order = np.argsort(self.numbers)
        return replace(self, rows=self.rows[order], ids=self.numbers[order], numbers=None)

    def with_areas(self, areas: Areas) -> ImageAreas:
        """The areas of these images, with their ids."""
        return ImageAreas(areas, self.ids, self.names, self.numbers)
