"""Mean IoU and the confusion matrix in one call."""

from collections.abc import Iterable
from typing import Any, Literal

from torch import Tensor

from meaniou.counting import check_impl, count, refuse_outside
from meaniou.functional.arguments import all_maps, device_of
from meaniou.metrics import MeanIoU
from meaniou.protocols import Protocol, resolve_label_space
from meaniou.settings import (
    Absent,
    Average,
    ClassNames,
    Impl,
    InputFormat,
    InputSettings,
    LabelSpace,
    Over,
    Present,
    VoidPreds,
)


def mean_iou(
    preds: Any,
    target: Any,
    num_classes: int | None = None,
    *,
    valid: Any = None,
    label_space: LabelSpace | None = None,
    protocol: str | Protocol | None = None,
    average: Average | None = "macro",
    ignore_index: int | Iterable[int] | None = None,
    pred_ids: Literal["ids", "classes"] | None = None,
    pred_void: int | Iterable[int] | None = None,
    void_preds: VoidPreds | None = None,
    present: Present | None = None,
    absent: Absent | None = None,
    classes: Iterable[int] | None = None,
    include_background: bool = True,
    input_format: InputFormat = "auto",
    threshold: float = 0.5,
    class_names: ClassNames | None = None,
    over: Over = "dataset",
    worst_percent: float | Iterable[float] | None = None,
    per_image: bool = False,
    validate_args: bool = True,
    impl: Impl = "auto",
    **kwargs: Any,
) -> Tensor:
    """Mean IoU of label maps or scores in one call: ``MeanIoU(...)``, one ``update`` and ``compute``.

    Args:
        preds: label maps ``[B, *]``, or scores ``[B, C, *]``: a tensor, a NumPy array or an object with DLPack, or a
            list with one map per image. ``MeanIoU.update`` has the details.
        target: label maps ``[B, *]``, or a list of them.
        num_classes: number of classes C, 1 to 4096; not needed with ``label_space`` or ``protocol``.
        valid: bool ``[B]`` or of the target's shape; ``False`` ignores an image or a pixel.
        kwargs: those of ``torchmetrics.Metric``. All other keywords are those of ``MeanIoU``.

    Returns:
        A ratio 0 .. 1, 0-d, or ``[C]`` with ``average="none"``; float32 (float64 where that is the default dtype), on
        the device of ``target``. NaN where undefined, such as the IoU of an absent class.

    Raises:
        TypeError: as ``MeanIoU`` and ``MeanIoU.update``.
        ValueError: as ``MeanIoU``, ``MeanIoU.update`` and ``MeanIoU.compute``.

    Example:
        >>> import numpy as np
        >>> from meaniou import mean_iou
        >>> mean_iou(np.array([[0, 1, 1]]), np.array([[0, 1, 0]]), num_classes=2)
        tensor(0.5000)
        >>> mean_iou(np.array([[0, 1, 1]]), np.array([[0, 1, 255]]), 3, ignore_index=255, average="none")
        tensor([1., 1., nan])
    """
    preds, target, valid = all_maps(preds, target, valid)
    with device_of(preds, target):
        metric = MeanIoU(
            num_classes,
            label_space=label_space,
            protocol=protocol,
            average=average,
            ignore_index=ignore_index,
            pred_ids=pred_ids,
            pred_void=pred_void,
            void_preds=void_preds,
            present=present,
            absent=absent,
            classes=classes,
            include_background=include_background,
            input_format=input_format,
            threshold=threshold,
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


def confusion_matrix(
    preds: Any,
    target: Any,
    num_classes: int | None = None,
    *,
    label_space: LabelSpace | None = None,
    protocol: str | Protocol | None = None,
    valid: Any = None,
    ignore_index: int | Iterable[int] | None = None,
    pred_ids: Literal["ids", "classes"] | None = None,
    pred_void: int | Iterable[int] | None = None,
    input_format: InputFormat = "auto",
    threshold: float = 0.5,
    validate_args: bool = True,
    impl: Impl = "auto",
    include_void: bool = False,
) -> Tensor:
    """The confusion matrix in pixels, int64 ``[C, C]``: rows are ground truth, columns are predictions.

    As in torchmetrics, ``preds`` comes first; scikit-learn's function of this name takes ``(y_true, y_pred)``.

    Args:
        preds, target, num_classes, valid: as in ``mean_iou``.
        include_void: return ``[C + 2, C + 2]``: row C is void, column C void predictions, and row and column C + 1 are
            out-of-range labels, so that the sum is the number of pixels. The other keywords are those of ``MeanIoU``.

    Returns:
        The matrix of this batch, on the device of the maps.

    Raises:
        TypeError: as ``MeanIoU`` and ``MeanIoU.update``.
        ValueError: as ``MeanIoU`` and ``MeanIoU.update``; for out-of-range labels on every device.

    Example:
        >>> import torch
        >>> from meaniou import confusion_matrix
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), num_classes=2)
        tensor([[1, 1],
                [0, 1]])
    """
    space, _ = resolve_label_space(
        num_classes, label_space, protocol, ignore_index=ignore_index, pred_ids=pred_ids, pred_void=pred_void
    )
    inputs = InputSettings.of(input_format, threshold, validate_args, impl)
    check_impl(impl)
    counts = count(*all_maps(preds, target, valid), space, inputs)
    if validate_args and counts.device.type != "cpu":
        refuse_outside(counts.cpu(), space)
    return counts if include_void else counts[:-2, :-2].clone()
