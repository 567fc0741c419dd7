"""A metric with scores per image."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from meaniou import MeanIoU

C, VOID = 4, 255


def metric_of(
    maps: tuple[Tensor, Tensor], ids: Sequence[Any] | None = None, batch: int = 5, **settings: Any
) -> MeanIoU:
    """A metric that has counted batches of maps of four classes, with scores per image by default."""
    metric = MeanIoU(C, ignore_index=VOID, **({"per_image": True} | settings))
    preds, target = maps
    for start in range(0, len(preds), batch):
        part = slice(start, start + batch)
        metric.update(preds[part], target[part], image_ids=None if ids is None else ids[part])
    return metric
