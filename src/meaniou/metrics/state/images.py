"""Rows, ids and names of images in lists of few tensors, so that each batch costs the same."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from meaniou._util import quoted
from meaniou.metrics.checked.image_ids import names_by_id

PARTS = 64  # tensors in a list; more are joined


class BatchImages(NamedTuple):
    """The counts of each image of a batch."""

    rows: Tensor  # int64 [B, 4, C]
    ids: Tensor  # int64 [B]
    names: Mapping[int, str]  # by id, for ids that are names

    def lists(self) -> "ImageLists":
        """The lists in which a metric keeps them."""
        return ImageLists([self.rows], [self.ids], [encoded_names(self.names.values())] if self.names else [])


def first_to_join(lengths: Sequence[int]) -> int:
    """The index of the first part to join with all later ones.

    It is the first part that is at most twice as large as all later ones together. Each item is therefore copied a
    logarithmic number of times, and few parts remain: each is larger than twice the sum of the later ones.
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
        """The lists in a dict of states."""
        return cls(states["image_rows"], states["image_ids"], states.get("image_labels", []))

    def plus(self, others: "ImageLists", device: torch.device) -> "ImageLists":
        """New lists on a device, with the other images appended."""
        rows = [*self.rows, *(part.to(device) for part in others.rows)]
        ids = [*self.ids, *(part.to(device) for part in others.ids)]
        labels = [*self.labels, *(part.to(device, non_blocking=True) for part in others.labels)]
        if torch.compiler.is_compiling():  # lists that grow would be compiled anew for each length
            return ImageLists(*([torch.cat(parts)] if parts else [] for parts in (rows, ids, labels)))
        return ImageLists(rows, ids, labels).shortened()

    def shortened(self) -> "ImageLists":
        """The same images, in the same order, in lists of at most ``PARTS`` tensors."""
        rows, ids, labels = self
        if len(rows) > PARTS:  # only then, since len() of a tensor takes as long as appending to a list
            first = first_to_join([len(part) for part in rows])
            rows, ids = _joined_from(first, rows), _joined_from(first, ids)
        if len(labels) > PARTS:
            labels = _joined_from(first_to_join([len(part) for part in labels]), labels)
        return ImageLists(rows, ids, labels)


def _joined_from(first: int, parts: Sequence[Tensor]) -> list[Tensor]:
    device = parts[first].device  # with compute_on_cpu the newest part is on another one
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
    """The attribute ``image_names`` of a metric, ``{id: name}``.

    Names that were passed to ``update`` are in the state ``image_labels``, as lines of JSON, so that they follow the
    other states. Display names that were assigned to the attribute take precedence.
    """

    def __get__(self, metric: Any, owner: type | None = None) -> Any:
        if metric is None:
            return self
        labels, names = metric.__dict__.get("image_labels"), metric.__dict__["_display_names"]
        return {**decoded_names(labels), **names} if labels else names

    def __set__(self, metric: Any, names: Mapping[int, str]) -> None:
        metric.__dict__["_display_names"] = _checked_names(names)


def display_names_of(metric: Any) -> Any:
    """The display names of a metric, by id."""
    return metric.__dict__["_display_names"]


def encoded_names(names: Iterable[str]) -> Tensor:
    """Image names as lines of JSON, uint8 ``[K]``."""
    text = "".join(f"{json.dumps(name)}\n" for name in names).encode()
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)


def decoded_names(labels: Iterable[Tensor]) -> dict[int, str]:
    """Image names by id; raises ``ValueError`` if two names have the same hash."""
    lines = b"".join(part.cpu().numpy().tobytes() for part in labels).splitlines()
    return names_by_id(json.loads(line) for line in lines)


def add_display_names(metric: Any, more: Any) -> None:
    """Adds display names; raises ``TypeError`` unless they are a dict."""
    metric.image_names = {**display_names_of(metric), **_checked_names(more)}


def _checked_names(names: Any) -> Mapping[int, str]:
    if not isinstance(names, Mapping):
        raise TypeError(f"image_names is {quoted(names)}; expected a dict {{id: name}}.")
    return names
