"""What the states of a metric look like, and the reasons why others cannot be added to or put in place of them."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor
from torchmetrics import Metric

from meaniou._util import as_integer
from meaniou.metrics.state.images import display_names_of

CAPTURED = "A captured CUDA graph adds to these counts, so forward cannot set them aside; call update."
SYNCED = "The metric holds the sum over ranks, and unsync() would drop new counts; call unsync() first."
WHOLE = "expected the metric_state or state_dict of the same metric, so pass that."


@dataclass(frozen=True)
class StateForm:
    """What the states of a metric look like.

    Attributes:
        settings: a JSON text of all that makes counts comparable, so that different ones never look equal.
        shape: of the counts.
        num_classes: of the rows of images.
        per_image: whether there are rows of images.
    """

    settings: str
    shape: tuple[int, ...]
    num_classes: int
    per_image: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any], shape: tuple[int, ...], num_classes: int, per_image: bool) -> "StateForm":
        """The form of states that are counted under some settings."""
        rows = {"per_image": True} if per_image else {}
        return cls(json.dumps({**settings, **rows}), shape, num_classes, per_image)

    def fresh(self, device: torch.device | None) -> dict[str, Tensor | list[Any]]:
        """The states of a metric that has counted nothing, on a device or on the default one."""
        # The settings come first: torchmetrics 1.6 forms its compute groups by the first state alone.
        settings = torch.tensor(list(self.settings.encode()), dtype=torch.int64, device=device)
        states: dict[str, Tensor | list[Any]] = {"settings": settings, "counts": settings.new_zeros(self.shape)}
        # Lists, since joining a tensor to all before it, batch after batch, would take the square of their number.
        return states | ({"image_rows": [], "image_ids": [], "image_labels": []} if self.per_image else {})

    def stamp(self, epoch: int) -> int:
        """A number below 2^24 that ranks in step share: they have the same settings, and were reset equally often."""
        return zlib.crc32(f"{epoch} {self.settings}".encode()) >> 8

    def why_not_own(self, settings: Tensor) -> str:
        """The reason why the state ``settings`` does not hold those of this form, empty if it does."""
        if settings.tolist() == list(self.settings.encode()):
            return ""
        return (
            "The states are not those that this metric counted, as after .to_empty(...) of a wrapper; call reset() "
            "after such a move, and count again."
        )

    def why_not(self, states: Mapping[str, Any], image_counts_of: Callable[[Tensor], Tensor]) -> str:
        """The reason why states do not have this form, empty if they do.

        ``image_counts_of`` gives what the rows of all images add up to, ``[4, C]``, from the counts.
        """
        for name, shape in (("settings", (len(self.settings.encode()),)), ("counts", self.shape)):
            theirs = states.get(name)
            if not isinstance(theirs, Tensor) or theirs.dtype != torch.int64:
                return f"The state holds no int64 tensor {name!r}; {WHOLE}"
            if why_no_numbers(theirs):
                return f"The state {name!r} is on the meta device or fake, and holds no numbers; {WHOLE}"
            if name == "settings" and self.why_not_own(theirs):
                return (
                    f"The state was counted with {_decoded(theirs)} and this metric counts with {self.settings}; "
                    "expected the same settings."
                )
            if theirs.shape != shape:
                return (
                    f"The state {name!r} has the shape {list(theirs.shape)}; expected {list(shape)}, so give both the "
                    "same num_classes."
                )
            if name == "counts" and bool((theirs < 0).any()):
                return "The state holds negative counts; expected numbers of pixels, so pass a state that was counted."
        return _why_not_rows(states, image_counts_of(states["counts"].cpu())) if self.per_image else ""


def states_of(incoming: Any, kind: type[Metric]) -> Mapping[str, Any]:
    """The states of a metric of a kind, and what is beside them; or such a dict itself."""
    if isinstance(incoming, kind):
        states = {name: getattr(incoming, name) for name in (*incoming.metric_state, "update_count")}
        return {**states, "image_names": display_names_of(incoming)}
    if isinstance(incoming, dict):
        if as_integer("update_count", incoming.get("update_count", 1)) < 0:
            raise ValueError("The state holds a negative update_count; expected how often was counted.")
        return incoming
    raise TypeError(
        f"Got a {type(incoming).__name__}; expected a {kind.__name__} or the metric_state of one, so pass that."
    )


def why_no_numbers(counts: Tensor) -> str:
    """The reason why counts hold no numbers, empty if they do."""
    if counts.is_meta:
        return (
            "The metric is on the meta device, which holds no numbers; call .to_empty(device=...) or .to(...) on it or "
            "on its model, and count then."
        )
    if isinstance(counts, FakeTensor):
        return "The counts are fake tensors, which hold no numbers; compute them outside of FakeTensorMode."
    return ""


def _why_not_rows(states: Mapping[str, Any], total: Tensor) -> str:
    """The reason why the rows of images do not add up to ``total``, ``[4, C]``, empty if they do."""
    rows: Any = states.get("image_rows")
    ids: Any = states.get("image_ids")
    tensors = [*rows, *ids] if isinstance(rows, list) and isinstance(ids, list) else [None]
    if any(not isinstance(part, Tensor) or part.dtype != torch.int64 for part in tensors):
        return f"The state holds no lists 'image_rows' and 'image_ids' of int64 tensors; {WHOLE}"
    numbers = [part.numel() for part in ids]
    shapes = [[tuple(part.shape) for part in parts] for parts in (rows, ids)]
    if shapes != [[(n, *total.shape) for n in numbers], [(n,) for n in numbers]]:
        expected = ", ".join(map(str, ("N", *total.shape)))
        return f"The rows of images do not fit; expected [{expected}] beside N ids, so pass both whole."
    if any(bool((part < 0).any()) for part in rows):
        return "The state holds negative rows; expected numbers of pixels, so pass a state that was counted."
    if not torch.equal(sum((part.sum(0).cpu() for part in rows), torch.zeros_like(total)), total):
        return f"The rows of images hold other pixels than the counts; {WHOLE}"
    labels: Any = states.get("image_labels", [])
    if not isinstance(labels, list) or any(not isinstance(p, Tensor) or p.dtype != torch.uint8 for p in labels):
        return f"The state 'image_labels' is no list of uint8 tensors; {WHOLE}"
    return ""


def _decoded(settings: Tensor) -> str:
    return bytes(byte % 256 for byte in settings.flatten().tolist()).decode(errors="replace")
