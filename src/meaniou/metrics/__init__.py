"""The torchmetrics metric ``MeanIoU`` with exact counts, and paired comparisons of two metrics."""

from meaniou.metrics.checkpoint import to_bytes
from meaniou.metrics.comparison import compare, compare_classes, comparison_report, first_difference
from meaniou.metrics.mean_iou import MeanIoU

__all__ = [
    "MeanIoU",
    "compare",
    "compare_classes",
    "comparison_report",
    "first_difference",
    "to_bytes",
]
