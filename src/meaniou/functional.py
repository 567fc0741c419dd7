"""Metrics in one call, from tensors, NumPy arrays or objects with DLPack."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
from torch import Tensor

from meaniou.counting import as_tensor, check_impl, count, refuse_outside
from meaniou.metrics import IoUCurve, MeanIoU, MultilabelMeanIoU
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
    preds, target, valid = _all_maps(preds, target, valid)
    with _device_of(preds, target):
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


def multilabel_mean_iou(
    preds: Any,
    target: Any,
    num_labels: int,
    *,
    valid: Any = None,
    threshold: float | Sequence[float] | Tensor = 0.5,
    **settings: Any,
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
        settings: the other keywords of ``MultilabelMeanIoU``, such as ``average``, ``ignore_index`` and ``absent``.

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
    preds, target, valid = _all_maps(preds, target, valid)
    with _device_of(preds, target):
        metric = MultilabelMeanIoU(num_labels, threshold=threshold, sync_on_compute=False, **settings)
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
    **settings: Any,
) -> tuple[Tensor, Tensor]:
    """The IoU at many thresholds in one call: ``IoUCurve(...)``, one ``update`` and ``compute``.

    Args:
        preds: floating scores ``[B, L, *]``, with one label also ``[B, *]``, as for ``multilabel_mean_iou``.
        target, num_labels, valid: as for ``multilabel_mean_iou``.
        thresholds: a number of even thresholds from 0 to 1, both included, or ascending thresholds.
        settings: the other keywords of ``IoUCurve``, such as ``inclusive`` and ``ignore_index``.

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
    preds, target, valid = _all_maps(preds, target, valid)
    with _device_of(preds, target):
        curve = IoUCurve(num_labels, thresholds=thresholds, sync_on_compute=False, **settings)
    curve.update(preds, target, valid)
    value: tuple[Tensor, Tensor] = curve.compute()
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
    counts = count(*_all_maps(preds, target, valid), space, inputs)
    if validate_args and counts.device.type != "cpu":
        refuse_outside(counts.cpu(), space)
    return counts if include_void else counts[:-2, :-2].clone()


def _device_of(preds: Any, target: Any) -> AbstractContextManager[Any]:
    """The device on which a metric for these maps is made; the default device if they differ."""
    first = target if not isinstance(target, list) else next(iter(target), None)
    device = first.device if isinstance(first, Tensor) else None
    return nullcontext() if device is None or getattr(preds, "device", device) != device else device


def _all_maps(preds: Any, target: Any, valid: Any) -> tuple[Any, Any, Any]:
    return _maps("preds", preds), _maps("target", target), None if valid is None else _maps("valid", valid)


def _maps(name: str, value: Any) -> Any:
    """The maps as tensors; NumPy arrays stay arrays, so that errors name NumPy's functions."""
    if isinstance(value, (list, tuple)):
        return [_maps(f"{name}[{i}]", item) for i, item in enumerate(value)]
    tensor = as_tensor(value, name)
    return value if isinstance(value, np.ndarray) else tensor
