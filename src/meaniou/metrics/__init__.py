"""The torchmetrics metrics: exact state, synchronisation over ranks, checkpoints, results."""

from meaniou.metrics.comparison import compare
from meaniou.metrics.comparison_report import ComparisonReport
from meaniou.metrics.mean_iou import MeanIoU

__all__ = [
    "ComparisonReport",
    "MeanIoU",
    "compare",
]
