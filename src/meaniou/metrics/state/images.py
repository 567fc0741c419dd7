"""Rows, ids and names of images: lists in few parts, so that the cost of a batch does not grow with the batches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from meaniou._util import quoted
from meaniou.metrics.image_ids import check_names

PARTS = 64  # in a list; more are joined


class BatchImages(NamedTuple):
    """What was counted for each image of a batch."""

    rows: Tensor  # int64 [B, 4, C]
    ids: Tensor  # int64 [B]
    names: Mapping[int, str]  # by id, where ids are names


def first_to_join(lengths: Sequence[int]) -> int:
    """The number of the first part to be joined with all behind it; that of parts where none has to be.

    It is the first one that is at most twice as large as all that follow it. So each item is copied a logarithmic
    number of times, however many batches there are, and the parts that stay are few: each is larger than twice the sum
    of those behind it.
    """
    if len(lengths) <= PARTS:
        return len(lengths)
    after, first = 0, len(lengths) - 1
    for i in range(len(lengths) - 1, -1, -1):
        if lengths[i] <= 2 * after:
            first = i
        after += lengths[i]
    return first


def shortened(rows: Sequence[Tensor], ids: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The same rows and ids in at most ``PARTS`` tensors, in the same order."""
    first = first_to_join([len(part) for part in rows])
    return _joined_from(first, rows), _joined_from(first, ids)


def _joined_from(first: int, parts: Sequence[Tensor]) -> list[Tensor]:
    if first == len(parts):
        return list(parts)
    device = parts[first].device  # with compute_on_cpu not that of the newest
    return [*parts[:first], torch.cat([part.to(device) for part in parts[first:]])]


def all_rows(rows: Sequence[Tensor], ids: Sequence[Tensor], empty: Tensor) -> tuple[Tensor, Tensor]:
    """All rows, int64 ``[N, 4, C]``, and ids, ``[N]``, on the device of ``empty``, which is ``[0, 4, C]``."""
    device = empty.device
    whole = torch.cat([empty, *(part.to(device) for part in rows)])
    return whole, torch.cat([empty[:, 0, 0], *(part.to(device) for part in ids)])


class ImageNames:
    """The attribute ``image_names`` of a metric: names by id, to which ``add`` adds those of a batch.

    It is kept as a tuple of dicts, joined when it is read, since a dict that copies of the metric share must not change
    and a new one for each batch would take the square of their number.
    """

    def __get__(self, metric: Any, owner: type | None = None) -> Any:
        if metric is None:
            return self
        parts = metric.__dict__["_image_names"]
        if len(parts) > 1:
            parts = (_joined_names(parts),)
            metric.__dict__["_image_names"] = parts
        return parts[0]

    def __set__(self, metric: Any, names: Mapping[int, str]) -> None:
        metric.__dict__["_image_names"] = (names,)

    @staticmethod
    def add(metric: Any, names: Mapping[int, str]) -> None:
        """Adds names; raises ``ValueError`` if two names have the same id."""
        parts = metric.__dict__["_image_names"]
        if wrong := [part for part in (*parts, names) if not isinstance(part, Mapping)]:
            raise TypeError(f"image_names is {quoted(wrong[0])}; expected names by id, so set a dict.")
        check_names(names, parts)
        parts = (*parts, names)
        first = first_to_join([len(part) for part in parts])
        metric.__dict__["_image_names"] = (*parts[:first], *([_joined_names(parts[first:])] if parts[first:] else []))


def _joined_names(parts: Iterable[Mapping[int, str]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for part in parts:
        names |= {**part}
    return names
