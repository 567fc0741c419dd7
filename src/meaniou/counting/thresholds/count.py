"""Counts of a batch of labels that overlap, passed as tensors or as lists with one map per image."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from meaniou.counting.kernels.image_counts import image_counts_of
from meaniou.counting.kernels.spec import ThresholdSpec
from meaniou.counting.maps import Maps, are_lists, check_batch_dimension, images_of, naming_image
from meaniou.counting.thresholds import ops
from meaniou.counting.thresholds.batch import LabelBatch, prepare_labels
from meaniou.counting.thresholds.errors import LabelValueError
from meaniou.settings import LabelSpace, ThresholdSettings


def count_labels(
    preds: Maps,
    target: Maps,
    valid: Maps | None,
    labels: LabelSpace,
    inputs: ThresholdSettings,
    *,
    per_image: bool = False,
    batched: bool = False,
) -> Tensor:
    """Counts of labels that overlap, int64 ``[G, L, 4, T + 3]`` on the device of the batch.

    G is the number of images with ``per_image``, else 1. Rows are the ground truth: not set, set, void, outside. Column
    k holds the pixels whose score is above exactly the k lowest thresholds; the last two columns hold void predictions
    and predictions outside. With ``batched``, maps ``[B, N]`` of one label are B images of N points.

    Raises:
        TypeError: if an argument is neither a tensor nor an array, or its dtype does not fit.
        ValueError: if shapes or devices do not match, or with ``per_image`` a map may be one image or several.
        LabelValueError: with ``validate_args`` and on the CPU, if the ground truth holds a value that is neither 0, 1
            nor void, or a predicted label does where the ground truth is 0 or 1. It is a ``ValueError``.
    """
    parts = []
    for batch in _batches(preds, target, valid, labels, inputs):
        if per_image and batch.image is None and not batch.has_label_dimension:
            check_batch_dimension(batch.target[:, 0].shape, 2 if batched else 3)
        parts.append(_run(batch, labels, inputs, per_image))
    if not parts:
        number = 0 if per_image else 1
        return torch.zeros(number, labels.num_classes, 4, inputs.number + 3, dtype=torch.int64, device="cpu")
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts) if per_image else torch.stack(parts).sum(0)


def label_rows(counts: Tensor) -> Tensor:
    """Image counts ``[..., 4, 2 L]`` from counts ``[..., L, 4, 4]`` at one threshold.

    "Not set" and "set" are counted as two classes: the first L columns are the four numbers of ``image_counts`` for
    "not set" of each label, the last L those for "set".
    """
    return image_counts_of(counts).movedim(-3, -1).flatten(-2)


def _batches(
    preds: Maps, target: Maps, valid: Maps | None, labels: LabelSpace, inputs: ThresholdSettings
) -> Iterator[LabelBatch]:
    """One batch of tensors, or a batch for each image of lists."""
    number = labels.num_classes
    if not are_lists(preds, target):
        yield prepare_labels(preds, target, valid, number, inputs)
        return
    for i, maps in enumerate(images_of(preds, target, valid)):
        try:
            batch = prepare_labels(*maps, number, inputs, i)
        except (TypeError, ValueError) as error:
            raise naming_image(error, i) from None
        yield batch


def _run(batch: LabelBatch, labels: LabelSpace, inputs: ThresholdSettings, per_image: bool) -> Tensor:
    """The counts of a batch; errors get the name of the label and the index of the image in a list."""
    spec = ThresholdSpec(
        thresholds=inputs.text,
        per_label=inputs.per_label,
        inclusive=inputs.inclusive,
        ignore=inputs.ignore_index,
        images=per_image,
        validate=inputs.validate_args,
        impl=inputs.impl,
    )
    try:
        counts: Tensor = ops.count_thresholds(batch.preds, batch.target, batch.valid, *spec)
        return counts
    except LabelValueError as error:
        index = error.index
        if index is not None and error.side in batch.without_labels:
            index = index[:1] + index[2:]
        if index is not None and batch.image is not None:
            index = index[1:]
        raise replace(error, name=labels.class_names[error.label], image=batch.image, index=index) from None
