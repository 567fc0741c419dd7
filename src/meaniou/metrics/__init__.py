"""The torchmetrics metrics: exact state, synchronisation over ranks, checkpoints, results."""

from meaniou.metrics.checkpoint import to_bytes
from meaniou.metrics.comparison import compare
from meaniou.metrics.comparison_report import ComparisonReport
from meaniou.metrics.image_ids import ImageIds, id_of
from meaniou.metrics.mean_iou import MeanIoU

__all__ = [
    "ComparisonReport",
    "ImageIds",
    "MeanIoU",
    "compare",
    "id_of",
    "to_bytes",
]
