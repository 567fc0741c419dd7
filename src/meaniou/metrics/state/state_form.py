"""The form of the states of a metric, and the reasons why other states cannot be merged or loaded."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor
from torchmetrics import Metric

from meaniou._util import as_integer, kind_of, quoted
from meaniou.metrics.state.images import display_names_of

CAPTURED = (
    "A captured CUDA graph adds to this metric, so forward() cannot compute a batch alone; call update() instead."
)
SYNCED = "The metric is synchronised, and unsync() would discard changes made now; call unsync() first."
WHOLE = "Pass the metric_state or state_dict of a metric with the same settings."


@dataclass(frozen=True)
class StateForm:
    """The form of the states of a metric.

    Attributes:
        settings: the settings on which the counts depend, as JSON.
        shape: the shape of the counts.
        num_classes: the number of classes in the counts of each image.
        per_image: whether counts of each image are kept.
    """

    settings: str
    shape: tuple[int, ...]
    num_classes: int
    per_image: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any], shape: tuple[int, ...], num_classes: int, per_image: bool) -> "StateForm":
        """The form of states that are counted with these settings."""
        rows = {"per_image": True} if per_image else {}
        return cls(json.dumps({**settings, **rows}), shape, num_classes, per_image)

    def fresh(self, device: torch.device | None) -> dict[str, Tensor | list[Any]]:
        """The states of a metric that has counted nothing, on a device or on the default device."""
        # The settings come first: torchmetrics 1.6 forms its compute groups by the first state alone.
        settings = torch.tensor(list(self.settings.encode()), dtype=torch.int64, device=device)
        states: dict[str, Tensor | list[Any]] = {"settings": settings, "counts": settings.new_zeros(self.shape)}
        # Lists, since joining a tensor to all before it, batch after batch, would take the square of their number.
        return states | ({"image_rows": [], "image_ids": [], "image_labels": []} if self.per_image else {})

    def stamp(self, epoch: int) -> int:
        """A number below 2^24 that ranks share if their settings are the same and they were reset equally often."""
        return zlib.crc32(f"{epoch} {self.settings}".encode()) >> 8

    def why_not_own(self, settings: Tensor) -> str:
        """The reason why the state ``settings`` of this metric is not the one it was made with; empty if it is."""
        if settings.tolist() == list(self.settings.encode()):
            return ""
        return (
            "The state of this metric was overwritten, for example by to_empty() of a wrapper; call reset() after such "
            "a move and count again."
        )

    def why_not(self, states: Mapping[str, Any], image_counts_of: Callable[[Tensor], Tensor]) -> str:
        """The reason why states do not have this form; empty if they do.

        ``image_counts_of`` computes from the counts the sum of the rows of all images, ``[4, C]``.
        """
        for name, shape in (("settings", (len(self.settings.encode()),)), ("counts", self.shape)):
            theirs = states.get(name)
            if not isinstance(theirs, Tensor) or theirs.dtype != torch.int64:
                return f"The state holds no int64 tensor {name!r}. {WHOLE}"
            if why_no_numbers(theirs):
                return f"The state {name!r} is on the meta device or a fake tensor, which stores no data. {WHOLE}"
            if name == "settings" and self.why_not_own(theirs):
                return (
                    f"The state was counted with {_differences(theirs, self.settings)}. Use the same settings for both."
                )
            if theirs.shape != shape:
                return f"The state {name!r} has the shape {list(theirs.shape)}; expected {list(shape)}. {WHOLE}"
            if name == "counts" and bool((theirs < 0).any()):
                return f"The state holds negative counts, so it is damaged. {WHOLE}"
        return _why_not_rows(states, image_counts_of(states["counts"].cpu())) if self.per_image else ""


def states_of(incoming: Any, kind: type[Metric]) -> Mapping[str, Any]:
    """The states, image names and update count of a metric of this kind, or a dict that already holds them."""
    if isinstance(incoming, kind):
        states = {name: getattr(incoming, name) for name in (*incoming.metric_state, "update_count")}
        return {**states, "image_names": display_names_of(incoming)}
    if isinstance(incoming, dict):
        if as_integer("update_count", incoming.get("update_count", 1)) < 0:
            raise ValueError("update_count is negative; expected the number of updates of the incoming metric.")
        return incoming
    raise TypeError(
        f"merge_state got {kind_of(incoming)}; expected another {kind.__name__}, or the metric_state of one."
    )


def why_no_numbers(counts: Tensor) -> str:
    """The reason why a tensor stores no data; empty if it does."""
    if counts.is_meta:
        return (
            "The metric is on the meta device, which stores no data; call to_empty(device=...) on the metric or on its "
            "model first."
        )
    if isinstance(counts, FakeTensor):
        return "The counts are fake tensors, which store no data; construct and use the metric outside FakeTensorMode."
    return ""


def _why_not_rows(states: Mapping[str, Any], total: Tensor) -> str:
    """The reason why the rows of images do not add up to ``total``, ``[4, C]``; empty if they do."""
    rows: Any = states.get("image_rows")
    ids: Any = states.get("image_ids")
    tensors = [*rows, *ids] if isinstance(rows, list) and isinstance(ids, list) else [None]
    if any(not isinstance(part, Tensor) or part.dtype != torch.int64 for part in tensors):
        return f"The state holds no lists 'image_rows' and 'image_ids' of int64 tensors. {WHOLE}"
    numbers = [part.numel() for part in ids]
    shapes = [[tuple(part.shape) for part in parts] for parts in (rows, ids)]
    if shapes != [[(n, *total.shape) for n in numbers], [(n,) for n in numbers]]:
        expected = ", ".join(map(str, ("N", *total.shape)))
        return f"The states 'image_rows' and 'image_ids' do not fit together; expected [{expected}] and [N]. {WHOLE}"
    if any(bool((part < 0).any()) for part in rows):
        return f"The state 'image_rows' holds negative counts, so it is damaged. {WHOLE}"
    if not torch.equal(sum((part.sum(0).cpu() for part in rows), torch.zeros_like(total)), total):
        return f"The state 'image_rows' does not add up to 'counts'. {WHOLE}"
    labels: Any = states.get("image_labels", [])
    if not isinstance(labels, list) or any(not isinstance(p, Tensor) or p.dtype != torch.uint8 for p in labels):
        return f"The state 'image_labels' is not a list of uint8 tensors. {WHOLE}"
    return ""


def _differences(theirs: Tensor, mine: str) -> str:
    """The settings in which two states differ, such as ``num_classes=3, and this metric counts with num_classes=4``."""
    try:
        texts = bytes(theirs.flatten().tolist()), mine
        other, own = ({"per_image": False, **json.loads(text)} for text in texts)
    except (TypeError, ValueError):  # arbitrary memory
        return "unknown settings"
    names = [name for name in {**own, **other} if own.get(name) != other.get(name)]
    shown = [", ".join(f"{name}={quoted(of.get(name))}" for name in names) for of in (other, own)]
    sizes = [{name: of[name] for name in ("num_classes", "num_labels") if name in of} for of in (other, own)]
    if all(sizes) and sizes[0].keys() != sizes[1].keys():  # one counts classes, and the other labels that overlap
        shown = [", ".join(f"{name}={quoted(size)}" for name, size in of.items()) for of in sizes]
    return f"{shown[0]}, and this metric counts with {shown[1]}"
