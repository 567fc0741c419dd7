"""Mean Boundary IoU in one call."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from torch import Tensor

from meaniou.functional.arguments import all_maps, device_of
from meaniou.metrics import MeanBoundaryIoU
from meaniou.protocols import Protocol
from meaniou.settings import (
    Absent,
    Average,
    ClassNames,
    Impl,
    InputFormat,
    LabelSpace,
    Over,
    Present,
    VoidPreds,
    VoidRule,
)


def mean_boundary_iou(
    preds: Any,
    target: Any,
    num_classes: int | None = None,
    *,
    width: float | Sequence[float] = 0.02,
    edge: bool = True,
    void: VoidRule = "ignore",
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
    """Mean Boundary IoU of label maps or scores in one call: ``MeanBoundaryIoU(...)``, one ``update`` and ``compute``.

    Args:
        preds: label maps ``[B, H, W]`` or ``[B, D, H, W]``, or scores with the classes in dimension 1: a tensor, a
            NumPy array or an object with DLPack, or a list with one map per image.
        target: label maps ``[B, H, W]`` or ``[B, D, H, W]``, or a list of them.
        num_classes: number of classes C, 1 to 4096; not needed with ``label_space`` or ``protocol``.
        width: width of the band: a share of the diagonal of each image, an int in pixels, or a list of widths.
        edge: whether the edge of the image is a contour.
        void: ``"ignore"`` (void is any label in both maps) or ``"literal"`` (void is one more label).
        valid: bool ``[B]`` or of the target's shape; ``False`` makes an image or a pixel void.
        kwargs: those of ``torchmetrics.Metric``. All other keywords are those of ``MeanBoundaryIoU``.

    Returns:
        A ratio 0 .. 1: 0-d, or ``[C]`` with ``average="none"``; with W widths ``[W]`` or ``[W, C]``; float32 (float64
        where that is the default dtype), on the device of ``target``. NaN where undefined, such as the value of an
        absent class.

    Raises:
        TypeError: as ``MeanBoundaryIoU`` and ``MeanBoundaryIoU.update``.
        ValueError: as ``MeanBoundaryIoU``, ``MeanBoundaryIoU.update`` and ``MeanBoundaryIoU.compute``.

    Example:
        >>> import numpy as np
        >>> from meaniou import mean_boundary_iou
        >>> target = np.zeros((1, 8, 8), np.uint8)
        >>> target[:, 2:6, 2:6] = 1
        >>> mean_boundary_iou(target, target, num_classes=2, width=1)
        tensor(1.)
    """
    preds, target, valid = all_maps(preds, target, valid)
    with device_of(preds, target):
        metric = MeanBoundaryIoU(
            num_classes,
            width=width,
            edge=edge,
            void=void,
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
