"""``(preds, target)`` -> the number or the matrix in one call, from tensors, NumPy arrays or anything with DLPack."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from torch import Tensor

from meaniou.counting import as_tensor, check_impl, count, refuse_outside
from meaniou.metrics import MeanIoU
from meaniou.protocols import Protocol, space_of
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


class Settings(TypedDict, total=False):
    """The keywords of ``MeanIoU``."""

    label_space: LabelSpace | None
    protocol: str | Protocol | None
    average: Average | None
    ignore_index: int | Iterable[int] | None
    pred_ids: Literal["ids", "classes"] | None
    pred_void: int | Iterable[int] | None
    void_preds: VoidPreds | None
    present: Present | None
    absent: Absent | None
    classes: Iterable[int] | None
    include_background: bool
    input_format: InputFormat
    threshold: float
    class_names: ClassNames | None
    over: Over
    worst_percent: float | Iterable[float] | None
    per_image: bool
    validate_args: bool
    impl: Impl


def mean_iou(
    preds: Any,
    target: Any,
    num_classes: int | None = None,
    *,
    valid: Any = None,
    **settings: Unpack[Settings],
) -> Tensor:
    """Mean IoU of all that is passed, as ``MeanIoU(num_classes, **settings)`` gives it after one update.

    Args:
        preds: as in ``MeanIoU.update``, or a NumPy array or an object with DLPack, or a list or tuple of these.
        target: likewise.
        num_classes: number of classes C, 1 to 4096, or a ``LabelSpace``; not needed beside ``protocol=``.
        valid: bool ``[B]`` or of the target's shape, ``False`` where an image or a pixel is void.
        settings: the keywords of ``MeanIoU``.

    Returns:
        A ratio 0 .. 1, 0-d, or ``[C]`` with ``average="none"``; NaN where undefined.

    Raises:
        TypeError: as ``MeanIoU`` and its ``update``.
        ValueError: as ``MeanIoU``, its ``update`` and its ``compute``.

    Example:
        >>> import numpy as np
        >>> from meaniou import mean_iou
        >>> mean_iou(np.array([[0, 1, 1]]), np.array([[0, 1, 0]]), num_classes=2)
        tensor(0.5000)
    """
    preds, target, valid = (
        _maps("preds", preds),
        _maps("target", target),
        None if valid is None else _maps("valid", valid),
    )
    first = target if not isinstance(target, list) else next(iter(target), None)
    device = first.device if isinstance(first, Tensor) else None
    with nullcontext() if device is None or getattr(preds, "device", device) != device else device:
        metric = MeanIoU(num_classes, sync_on_compute=False, **settings)
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
    """Counted pixels, int64 ``[C, C]``, truth in rows and predictions in columns.

    With ``include_void``, int64 ``[C + 2, C + 2]``: row C is void, column C void predictions, and row and
    column C + 1 are outside the classes, so that the sum is the number of pixels. The other arguments, and what is
    raised, are those of ``MeanIoU`` and its ``update``.

    Example:
        >>> import torch
        >>> from meaniou import confusion_matrix
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), num_classes=2)
        tensor([[1, 1],
                [0, 1]])
    """
    space, _ = space_of(
        num_classes, label_space, protocol, ignore_index=ignore_index, pred_ids=pred_ids, pred_void=pred_void
    )
    inputs = InputSettings.of(input_format, threshold, validate_args, impl)
    check_impl(impl)
    counts = count(
        _maps("preds", preds),
        _maps("target", target),
        None if valid is None else _maps("valid", valid),
        space,
        inputs,
    )
    if validate_args and counts.device.type != "cpu":
        refuse_outside(counts.cpu(), space)
    return counts if include_void else counts[:-2, :-2].clone()


def _maps(name: str, value: Any) -> Any:
    """The maps, with tensors for all but NumPy arrays, whose errors name NumPy's functions."""
    if isinstance(value, (list, tuple)):
        return [_maps(f"{name}[{i}]", item) for i, item in enumerate(value)]
    tensor = as_tensor(value, name)
    return value if isinstance(value, np.ndarray) else tensor
