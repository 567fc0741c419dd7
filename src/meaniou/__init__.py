"""Exact mean IoU for semantic segmentation: a torchmetrics ``Metric``, functions for one call, and a command line.

``MeanIoU`` adds up one int64 confusion matrix over batches and ranks; rows are ground truth, columns are predictions.
Void pixels, void predictions and out-of-range labels have cells of their own, so that every pixel is accounted for.
Ratios are computed once, in float64. NaN means "undefined", never zero.

``MeanBoundaryIoU`` counts the bands inside contours, which show ragged edges that mean IoU hides. ``MultilabelMeanIoU``
is for labels that overlap, such as the outputs of a sigmoid. ``IoUCurve`` returns the IoU at many thresholds, and the
best threshold.

Example:
    >>> import torch
    >>> from meaniou import MeanIoU
    >>> metric = MeanIoU(num_classes=3, ignore_index=255)
    >>> metric.update(torch.tensor([[0, 1, 1, 2]]), torch.tensor([[0, 1, 2, 255]]))  # preds, target: once per batch
    >>> metric.compute()
    tensor(0.5000)
"""

from importlib.metadata import version as _version

from meaniou import protocols
from meaniou.counting import LabelRangeError, LabelValueError
from meaniou.functional import confusion_matrix, iou_curve, mean_boundary_iou, mean_iou, multilabel_mean_iou
from meaniou.metrics import (
    BestThreshold,
    IoUCurve,
    MeanBoundaryIoU,
    MeanIoU,
    MultilabelMeanIoU,
    compare,
    compare_classes,
)
from meaniou.protocols import Protocol
from meaniou.report import CurveReport, Report
from meaniou.settings import LabelSpace, Policy
from meaniou.uncertainty import Comparison, Interval, Resampling

__version__ = _version("meaniou")

__all__ = [
    "BestThreshold",
    "Comparison",
    "CurveReport",
    "Interval",
    "IoUCurve",
    "LabelRangeError",
    "LabelSpace",
    "LabelValueError",
    "MeanBoundaryIoU",
    "MeanIoU",
    "MultilabelMeanIoU",
    "Policy",
    "Protocol",
    "Report",
    "Resampling",
    "__version__",
    "compare",
    "compare_classes",
    "confusion_matrix",
    "iou_curve",
    "mean_boundary_iou",
    "mean_iou",
    "multilabel_mean_iou",
    "protocols",
]
