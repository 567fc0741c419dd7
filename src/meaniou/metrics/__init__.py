"""The torchmetrics metrics with exact counts, and paired comparisons of two metrics."""

from meaniou.metrics.checkpoint import load_any, to_bytes
from meaniou.metrics.comparison import compare, compare_classes, comparison_report, first_difference
from meaniou.metrics.counters import BestThreshold, IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU

__all__ = [
    "BestThreshold",
    "IoUCurve",
    "MeanBoundaryIoU",
    "MeanIoU",
    "MultilabelMeanIoU",
    "compare",
    "compare_classes",
    "comparison_report",
    "first_difference",
    "load_any",
    "to_bytes",
]
