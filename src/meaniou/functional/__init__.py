"""Metrics in one call, from tensors, NumPy arrays or objects with DLPack."""

from meaniou.functional.boundaries import mean_boundary_iou
from meaniou.functional.classes import confusion_matrix, mean_iou
from meaniou.functional.labels import iou_curve, multilabel_mean_iou

__all__ = ["confusion_matrix", "iou_curve", "mean_boundary_iou", "mean_iou", "multilabel_mean_iou"]
