"""States -> the reason why they cannot be computed, or added to or put in place of a metric's own, or none; and lists
of rows -> shorter ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor

from meaniou.counting import image_counts_of

WHOLE = "expected the metric_state or state_dict of the same metric, so pass that."
PARTS = 64  # tensors in a list of rows; more are joined


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


def shortened(rows: Sequence[Tensor], ids: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The same rows and ids in at most ``PARTS`` tensors, in the same order.

    Parts are joined from the first one on that is at most twice as large as all that follow it. So each row is copied
    a logarithmic number of times, however many batches there are, and the parts that stay are few: each is larger than
    twice the sum of those behind it.
    """
    if len(rows) <= PARTS:
        return list(rows), list(ids)
    after, first = 0, len(rows) - 1
    for i in range(len(rows) - 1, -1, -1):
        if len(rows[i]) <= 2 * after:
            first = i
        after += len(rows[i])
    return _joined_from(first, rows), _joined_from(first, ids)


def _joined_from(first: int, parts: Sequence[Tensor]) -> list[Tensor]:
    device = parts[first].device  # with compute_on_cpu not that of the newest
    return [*parts[:first], torch.cat([part.to(device) for part in parts[first:]])]


def why_not(states: Mapping[str, Any], settings: Tensor, counts: Tensor, per_image: bool) -> str:
    """The reason why states do not fit those of a metric with these settings and counts, empty if they do."""
    for name, mine in (("settings", settings), ("counts", counts)):
        theirs = states.get(name)
        if not isinstance(theirs, Tensor) or theirs.dtype != torch.int64:
            return f"The state holds no int64 tensor {name!r}; {WHOLE}"
        if why_no_numbers(theirs):
            return f"The state {name!r} is on the meta device or fake, and holds no numbers; {WHOLE}"
        if name == "settings" and not torch.equal(theirs.cpu(), mine.cpu()):
            return (
                f"The state was counted with {_decoded(theirs)} and this metric counts with {_decoded(mine)}; "
                "expected the same settings."
            )
        if theirs.shape != mine.shape:
            return (
                f"The state {name!r} has the shape {list(theirs.shape)}; expected {list(mine.shape)}, so give "
                "both the same num_classes."
            )
        if name == "counts" and bool((theirs < 0).any()):
            return "The state holds negative counts; expected numbers of pixels, so pass a state that was counted."
    return _why_not_images(states, counts.shape[0] - 2) if per_image else ""


def _why_not_images(states: Mapping[str, Any], num_classes: int) -> str:
    rows: Any = states.get("image_rows")
    ids: Any = states.get("image_ids")
    both = [*rows, *ids] if isinstance(rows, list) and isinstance(ids, list) else [None]
    if any(not isinstance(part, Tensor) or part.dtype != torch.int64 for part in both):
        return f"The state holds no lists 'image_rows' and 'image_ids' of int64 tensors; {WHOLE}"
    numbers = [part.numel() for part in ids]
    found = [[tuple(part.shape) for part in side] for side in (rows, ids)]
    if found != [[(n, 4, num_classes) for n in numbers], [(n,) for n in numbers]]:
        return f"The rows of images do not fit; expected [N, 4, {num_classes}] beside N ids, so pass both whole."
    if any(bool((part < 0).any()) for part in rows):
        return "The state holds negative rows; expected numbers of pixels, so pass a state that was counted."
    sums = [part.sum(0).cpu() for part in rows]
    if not torch.equal(
        sum(sums, torch.zeros(4, num_classes, dtype=torch.int64)), image_counts_of(states["counts"].cpu())
    ):
        return f"The rows of images hold other pixels than the counts; {WHOLE}"
    return ""


def _decoded(settings: Tensor) -> str:
    return bytes(byte % 256 for byte in settings.flatten().tolist()).decode(errors="replace")
