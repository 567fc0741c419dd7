"""Mean IoU of labels that overlap, and the IoU at many thresholds, in one call."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from meaniou.functional.arguments import all_maps, device_of
from meaniou.metrics import IoUCurve, MultilabelMeanIoU
from meaniou.settings import Absent, Average, ClassNames, Impl, Over, Present, VoidPreds


def multilabel_mean_iou(
    preds: Any,
    target: Any,
    num_labels: int,
    *,
    valid: Any = None,
    threshold: float | Sequence[float] | Tensor = 0.5,
    inclusive: bool = False,
    average: Average | None = "macro",
    ignore_index: int | Iterable[int] | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
    classes: Iterable[int] | None = None,
    class_names: ClassNames | None = None,
    over: Over = "dataset",
    worst_percent: float | Iterable[float] | None = None,
    per_image: bool = False,
    validate_args: bool = True,
    impl: Impl = "auto",
    **kwargs: Any,
) -> Tensor:
    """Mean IoU of labels that overlap in one call: ``MultilabelMeanIoU(...)``, one ``update`` and ``compute``.

    Args:
        preds: floating scores ``[B, L, *]``, or integer or bool labels 0 and 1: a tensor, a NumPy array or an object
            with DLPack, or a list with one map per image. ``MultilabelMeanIoU.update`` has the details.
        target: 0, 1 and void values (``ignore_index``) of the same shape, or a list of such maps.
        num_labels: number of labels L, 1 to 4096.
        valid: bool ``[B]``, ``[B, L]``, ``[B, *]`` or ``[B, L, *]``; ``False`` ignores an image, a label of an image,
            a pixel for all labels, or a pixel for one label.
        threshold: a label is set where ``preds > threshold``; one number, or one for each label.
        kwargs: those of ``torchmetrics.Metric``. All other keywords are those of ``MultilabelMeanIoU``.

    Returns:
        A ratio 0 .. 1, 0-d, or ``[L]`` with ``average="none"``; float32 (float64 where that is the default dtype), on
        the device of ``target``. NaN where undefined, such as the IoU of an absent label.

    Raises:
        TypeError: as ``MultilabelMeanIoU`` and its ``update``.
        ValueError: as ``MultilabelMeanIoU``, its ``update`` and ``compute``.

    Example:
        >>> import numpy as np
        >>> from meaniou import multilabel_mean_iou
        >>> scores = np.array([[[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]])
        >>> multilabel_mean_iou(scores, np.array([[[1, 1, 1], [0, 1, 1]]]), num_labels=2, average="none")
        tensor([0.6667, 1.0000])
    """
    preds, target, valid = all_maps(preds, target, valid)
    with device_of(preds, target):
        metric = MultilabelMeanIoU(
            num_labels,
            threshold=threshold,
            inclusive=inclusive,
            average=average,
            ignore_index=ignore_index,
            void_preds=void_preds,
            present=present,
            absent=absent,
            classes=classes,
            class_names=class_names,
            over=over,
            worst_percent=worst_percent,
            per_image=per_image,
            validate_args=validate_args,
            impl=impl,
            sync_on_compute=False,
            **kwargs,
        )
    metric.update(preds, target, valid)
    value: Tensor = metric.compute()
    return value


def iou_curve(
    preds: Any,
    target: Any,
    num_labels: int = 1,
    *,
    valid: Any = None,
    thresholds: int | Iterable[float] = 101,
    inclusive: bool = False,
    ignore_index: int | Iterable[int] | None = None,
    void_preds: VoidPreds = "miss",
    present: Present = "union",
    absent: Absent = "skip",
    validate_args: bool = True,
    impl: Impl = "auto",
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """The IoU at many thresholds in one call: ``IoUCurve(...)``, one ``update`` and ``compute``.

    Args:
        preds: floating scores ``[B, L, *]``, with one label also ``[B, *]``, as for ``multilabel_mean_iou``.
        target, num_labels, valid: as for ``multilabel_mean_iou``.
        thresholds: a number of even thresholds from 0 to 1, both included, or ascending thresholds.
        kwargs: those of ``torchmetrics.Metric``. All other keywords are those of ``IoUCurve``.

    Returns:
        The IoU ``[L, T]``, or ``[T]`` with one label, ratios 0 .. 1, and the thresholds ``[T]``; both float32 (float64
        where that is the default dtype), on the device of ``target``. NaN where the IoU is undefined.

    Raises:
        TypeError: as ``IoUCurve`` and its ``update``.
        ValueError: as ``IoUCurve``, its ``update`` and ``compute``.

    Example:
        >>> import numpy as np
        >>> from meaniou import iou_curve
        >>> iou_curve(np.array([[0.1, 0.3, 0.6, 0.9]]), np.array([[0, 0, 1, 1]]), thresholds=[0.2, 0.5, 0.8])
        (tensor([0.6667, 1.0000, 0.5000]), tensor([0.2000, 0.5000, 0.8000]))
    """
    preds, target, valid = all_maps(preds, target, valid)
    with device_of(preds, target):
        curve = IoUCurve(
            num_labels,
            thresholds=thresholds,
            inclusive=inclusive,
            ignore_index=ignore_index,
            void_preds=void_preds,
            present=present,
            absent=absent,
            validate_args=validate_args,
            impl=impl,
            sync_on_compute=False,
            **kwargs,
        )
    curve.update(preds, target, valid)
    value: tuple[Tensor, Tensor] = curve.compute()
    return value
