"""A state from elsewhere -> the reason why it cannot be added to or put in place of a metric's own, or none."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from meaniou.kernels.rows import row_of

WHOLE = "expected the metric_state or state_dict of the same metric, so pass that."


def why_not(states: Mapping[str, Any], settings: Tensor, counts: Tensor, per_image: bool) -> str:
    """The reason why states do not fit those of a metric with these settings and counts, empty if they do."""
    for name, mine in (("settings", settings), ("counts", counts)):
        theirs = states.get(name)
        if not isinstance(theirs, Tensor) or theirs.dtype != torch.int64:
            return f"The state holds no int64 tensor {name!r}; {WHOLE}"
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
    if not torch.equal(sum(sums, torch.zeros(4, num_classes, dtype=torch.int64)), row_of(states["counts"].cpu())):
        return f"The rows of images hold other pixels than the counts; {WHOLE}"
    return ""


def _decoded(settings: Tensor) -> str:
    return bytes(byte % 256 for byte in settings.flatten().tolist()).decode(errors="replace")
