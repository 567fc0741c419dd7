"""The public metrics, each with its settings and its update."""

from meaniou.metrics.counters.iou_curve import BestThreshold, IoUCurve
from meaniou.metrics.counters.mean_boundary_iou import MeanBoundaryIoU
from meaniou.metrics.counters.mean_iou import MeanIoU
from meaniou.metrics.counters.multilabel_mean_iou import MultilabelMeanIoU

__all__ = ["BestThreshold", "IoUCurve", "MeanBoundaryIoU", "MeanIoU", "MultilabelMeanIoU"]
