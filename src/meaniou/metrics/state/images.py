"""Rows, ids and names of images: lists in few parts, so that the cost of a batch does not grow with the batches."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from meaniou._util import quoted
from meaniou.metrics.image_ids import names_by_id

PARTS = 64  # in a list; more are joined


class BatchImages(NamedTuple):
    """The counts of each image of a batch."""

    rows: Tensor  # int64 [B, 4, C]
    ids: Tensor  # int64 [B]
    names: Mapping[int, str]  # by id, where ids are names

    def lists(self) -> "ImageLists":
        """As lists, in which the metric keeps them."""
        return ImageLists([self.rows], [self.ids], [encoded_names(self.names.values())] if self.names else [])


def first_to_join(lengths: Sequence[int]) -> int:
    """The index of the first part to join with all later ones.

    It is the first one that is at most twice as large as all that follow it. So each item is copied a logarithmic
    number of times, however many batches there are, and the parts that stay are few: each is larger than twice the sum
    of those behind it.
    """
    after, first = 0, len(lengths) - 1
    for i in range(len(lengths) - 1, -1, -1):
        if lengths[i] <= 2 * after:
            first = i
        after += lengths[i]
    return first


class ImageLists(NamedTuple):
    """Rows, ids and names of images, each in a list of some tensors."""

    rows: list[Tensor]  # int64 [N, 4, C]
    ids: list[Tensor]  # int64 [N]
    labels: list[Tensor]  # uint8 [K]

    @classmethod
    def of(cls, states: Mapping[str, Any]) -> "ImageLists":
        """Those among states, by their names."""
        return cls(states["image_rows"], states["image_ids"], states.get("image_labels", []))

    def plus(self, others: "ImageLists", device: torch.device) -> "ImageLists":
        """New lists, with those of others behind, moved to a device."""
        rows = [*self.rows, *(part.to(device) for part in others.rows)]
        ids = [*self.ids, *(part.to(device) for part in others.ids)]
        labels = [*self.labels, *(part.to(device, non_blocking=True) for part in others.labels)]
        return ImageLists(rows, ids, labels).shortened()

    def shortened(self) -> "ImageLists":
        """Lists of at most ``PARTS`` tensors, in the same order."""
        rows, ids, labels = self
        if len(rows) > PARTS:  # only then, since a length of a tensor takes as long as adding to a list
            first = first_to_join([len(part) for part in rows])
            rows, ids = _joined_from(first, rows), _joined_from(first, ids)
        if len(labels) > PARTS:
            labels = _joined_from(first_to_join([len(part) for part in labels]), labels)
        return ImageLists(rows, ids, labels)


def _joined_from(first: int, parts: Sequence[Tensor]) -> list[Tensor]:
    device = parts[first].device  # with compute_on_cpu not that of the newest
    return [*parts[:first], torch.cat([part.to(device) for part in parts[first:]])]


def all_rows(rows: Sequence[Tensor], ids: Sequence[Tensor], empty: Tensor) -> tuple[Tensor, Tensor]:
    """All rows, int64 ``[N, 4, C]``, and ids, ``[N]``, on the device of ``empty``, which is ``[0, 4, C]``."""
    device = empty.device
    whole = torch.cat([empty, *(part.to(device) for part in rows)])
    return whole, torch.cat([empty[:, 0, 0], *(part.to(device) for part in ids)])


def joined_labels(labels: Sequence[Tensor], device: torch.device) -> Tensor:
    """All names as one tensor, uint8 ``[K]``, on a device."""
    return torch.cat([torch.zeros(0, dtype=torch.uint8, device=device), *(part.to(device) for part in labels)])


class ImageNames:
    """The attribute ``image_names`` of a metric: names by id.

    Names that ``update`` was given lie in a state of their own, as lines of JSON in ``image_labels``, so that they go
    wherever the states go. Display names, which somebody set, come before these.
    """

    def __get__(self, metric: Any, owner: type | None = None) -> Any:
        if metric is None:
            return self
        labels, names = metric.__dict__.get("image_labels"), metric.__dict__["_display_names"]
        return {**decoded_names(labels), **names} if labels and isinstance(names, Mapping) else names

    def __set__(self, metric: Any, names: Mapping[int, str]) -> None:
        metric.__dict__["_display_names"] = names


def display_names_of(metric: Any) -> Any:
    """The names by id that somebody set for what is printed."""
    return metric.__dict__["_display_names"]


def encoded_names(names: Iterable[str]) -> Tensor:
    """Names of images as a line of JSON each, uint8 ``[K]``."""
    text = "".join(f"{json.dumps(name)}\n" for name in names).encode()
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)


def decoded_names(labels: Iterable[Tensor]) -> dict[int, str]:
    """Names of images by id; raises ``ValueError`` if two have the same id."""
    lines = b"".join(part.cpu().numpy().tobytes() for part in labels).splitlines()
    return names_by_id(json.loads(line) for line in lines)


def add_display_names(metric: Any, more: Any) -> None:
    """Adds names by id to the display names."""
    names = display_names_of(metric)
    if wrong := [part for part in (names, more) if not isinstance(part, Mapping)]:
        raise TypeError(f"image_names is {quoted(wrong[0])}; expected names by id, so set a dict.")
    metric.image_names = {**names, **more}
