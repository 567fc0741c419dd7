"""Counts of a batch, passed as tensors or as lists with one map per image, in total and per image."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from meaniou.counting.confusion import ops
from meaniou.counting.confusion.batch import Batch, map_shape, prepare_batch
from meaniou.counting.confusion.errors import LabelRangeError
from meaniou.counting.kernels.readers import preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec
from meaniou.counting.maps import Maps, are_lists, check_batch_dimension, images_of, naming_image
from meaniou.settings import InputSettings, LabelSpace


def count(preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings) -> Tensor:
    """Counts of one batch, int64 ``[C + 2, C + 2]`` on its device: tensors, or lists with one map per image.

    Raises:
        TypeError: if an argument is neither a tensor nor an array, or its dtype is neither for labels nor for scores.
        ValueError: if shapes or devices do not match, or the shapes can be read in two ways.
        LabelRangeError: with ``validate_args`` and on the CPU, if the ground truth holds a label out of range, or the
            prediction does where the ground truth is a class. It is a ``ValueError``.
    """
    total: Tensor | None = None
    for batch in batches(preds, target, valid, space, inputs):
        counts = run(ops.count, batch, space, inputs)
        total = counts if total is None else total.add_(counts)
    return _no_counts(space) if total is None else total


def count_images(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings, *, batched: bool = False
) -> tuple[Tensor, Tensor]:
    """The same counts, and the counts of each image, int64 ``[B, 4, C]``.

    The four numbers of a class in an image are its pixels in both maps, in the ground truth, in the prediction (where
    the ground truth is a class), and its ground-truth pixels with a void prediction. With ``batched``, maps ``[B, N]``
    are B images of N points.

    Raises:
        TypeError, ValueError: as ``count``, and if a map may be one image or several.
    """
    total: Tensor | None = None
    parts = []
    for batch in batches(preds, target, valid, space, inputs):
        if batch.image is None:
            # Rows of a map without a batch dimension would count as images.
            planes = {batch.preds_form, batch.target_form} & {"scores", "one-hot"}
            check_batch_dimension(map_shape(batch.target, batch.target_form), 2 if planes or batched else 3)
        counts, image_counts = run(ops.count_images, batch, space, inputs)
        total = counts if total is None else total.add_(counts)
        parts.append(image_counts)
    if total is None:
        return _no_counts(space), torch.zeros(0, 4, space.num_classes, dtype=torch.int64)
    return total, parts[0] if len(parts) == 1 else torch.cat(parts)


def classes_of(
    preds: Tensor, target: Tensor, valid: Tensor | None, space: LabelSpace, inputs: InputSettings
) -> tuple[Tensor, Tensor]:
    """The bin of every pixel in prediction and ground truth, int64 ``[B, *]``.

    A bin is a class, C for void or C + 1 for out of range.

    Raises:
        TypeError, ValueError: as ``count``, but not for labels out of range.
    """
    batch = prepare_batch(preds, target, valid, space.num_classes, inputs.input_format)
    spec = _spec(batch, space, inputs)
    both = []
    for reader in (preds_reader(batch.preds, spec), target_reader(batch.target, spec)):
        everything = tuple(slice(None) for _ in reader.shape)
        both.append(reader.bins()[reader.read(everything).long()].view(reader.shape))
    if batch.valid is not None:
        both[1] = both[1].masked_fill(~batch.valid, space.num_classes)
    return both[0], both[1]


def batches(preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings) -> Iterator[Batch]:
    """One batch of tensors, or a batch for each image of lists."""
    if not are_lists(preds, target):
        yield prepare_batch(preds, target, valid, space.num_classes, inputs.input_format)
        return
    for i, maps in enumerate(images_of(preds, target, valid)):
        try:
            batch = prepare_batch(*maps, space.num_classes, inputs.input_format, i)
        except (TypeError, ValueError) as error:
            raise naming_image(error, i) from None
        yield batch


def _no_counts(space: LabelSpace) -> Tensor:
    return torch.zeros(space.num_classes + 2, space.num_classes + 2, dtype=torch.int64, device="cpu")


def _spec(batch: Batch, space: LabelSpace, inputs: InputSettings) -> CountSpec:
    return CountSpec(
        preds_form=batch.preds_form,
        target_form=batch.target_form,
        num_classes=space.num_classes,
        ignore=space.tables.ignore,
        threshold=inputs.threshold,
        validate=inputs.validate_args,
        impl=inputs.impl,
        target_ids=space.tables.target_ids,
        preds_ids=space.tables.preds_ids,
    )


def run(operator: Any, batch: Batch, space: LabelSpace, inputs: InputSettings, *more: Any) -> Any:
    """The result of an operator for a batch, which may need more arguments than the specification of the counts.

    Errors get the label space and the index of the image in a list.
    """
    try:
        return operator(batch.preds, batch.target, batch.valid, *_spec(batch, space, inputs), *more)
    except LabelRangeError as error:
        labels = batch.preds if error.side == "preds" else batch.target
        few_operators = labels.dtype in (torch.uint16, torch.uint32) and error.side not in batch.arrays
        index = error.index if batch.image is None or error.index is None else error.index[1:]
        operand = f"{error.side}.long()" if few_operators else ""
        raise replace(error, label_space=space, image=batch.image, index=index, operand=operand) from None
    except (TypeError, ValueError) as error:
        if batch.image is None:
            raise
        raise naming_image(error, batch.image) from None
