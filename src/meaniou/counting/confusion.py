"""Counts of a batch, of tensors or of lists with one map per image, and of each image where asked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meaniou.counting import ops
from meaniou.counting.batch import Batch, map_shape, prepare_batch
from meaniou.counting.errors import LabelRangeError
from meaniou.counting.kernels.readers import preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec
from meaniou.settings import InputSettings, LabelSpace

Maps = Tensor | Sequence[Tensor]


def count(preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings) -> Tensor:
    """Counts of one batch, int64 ``[C + 2, C + 2]``, on its device, of tensors or of sequences with one map per image.

    Raises:
        TypeError: if something is no tensor, or of a dtype that holds neither labels nor scores.
        ValueError: if shapes or devices do not fit, or the shapes can be read in two ways; with ``validate_args`` and
            on the CPU also if a truth, or a prediction where the truth is a class, is outside the classes.
    """
    total: Tensor | None = None
    for batch in _batches(preds, target, valid, space, inputs):
        counts = _run(ops.count, batch, space, inputs)
        total = counts if total is None else total.add_(counts)
    return _no_counts(space) if total is None else total


def count_images(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings, *, batched: bool = False
) -> tuple[Tensor, Tensor]:
    """The same counts, and those of each image, int64 ``[B, 4, C]``: pixels in both maps, in the truth, in the
    prediction where the truth is a class, and pixels of the class with a void prediction.

    ``batched`` says that there is a batch dimension, so that maps ``[B, N]`` are B images of N points.

    Raises:
        TypeError, ValueError: as ``count``, and if one map may be an image, or several of them.
    """
    total: Tensor | None = None
    parts = []
    for batch in _batches(preds, target, valid, space, inputs):
        if batch.image is None:
            _check_batch_dimension(batch, batched)
        counts, image_counts = _run(ops.count_images, batch, space, inputs)
        total = counts if total is None else total.add_(counts)
        parts.append(image_counts)
    if total is None:
        return _no_counts(space), torch.zeros(0, 4, space.num_classes, dtype=torch.int64)
    return total, parts[0] if len(parts) == 1 else torch.cat(parts)


def classes_of(
    preds: Tensor, target: Tensor, valid: Tensor | None, space: LabelSpace, inputs: InputSettings
) -> tuple[Tensor, Tensor]:
    """What every pixel of a batch counts as on both sides, int64 ``[B, *]``: a class, C for void, C + 1 for outside.

    Raises:
        TypeError, ValueError: as ``count``, but not for labels outside the classes.
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


def _batches(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings
) -> Iterable[Batch]:
    """The batch of tensors, or one for each image of lists."""
    if isinstance(preds, (list, tuple)) or isinstance(target, (list, tuple)):
        _check_lists(preds, target, valid)
        return _batches_of_lists(preds, target, valid, space, inputs)
    return [prepare_batch(preds, target, valid, space.num_classes, inputs.input_format)]


def _batches_of_lists(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings
) -> Iterator[Batch]:
    for i in range(len(target)):
        try:
            maps = _batch_of_one(preds[i]), _batch_of_one(target[i]), None if valid is None else _batch_of_one(valid[i])
            batch = prepare_batch(*maps, space.num_classes, inputs.input_format, i)
        except (TypeError, ValueError) as error:
            raise _naming_image(error, i) from None
        yield batch


def _batch_of_one(image: Any) -> Any:
    return image[None] if isinstance(image, (Tensor, np.ndarray)) else image


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


def _run(operator: Any, batch: Batch, space: LabelSpace, inputs: InputSettings) -> Any:
    """What an operator gives for a batch; an error names the label space, and the image of a sequence."""
    try:
        return operator(batch.preds, batch.target, batch.valid, *_spec(batch, space, inputs))
    except LabelRangeError as error:
        labels = batch.preds if error.side == "preds" else batch.target
        few_operators = labels.dtype in (torch.uint16, torch.uint32) and error.side not in batch.arrays
        index = error.index if batch.image is None or error.index is None else error.index[1:]
        operand = f"{error.side}.long()" if few_operators else ""
        raise replace(error, label_space=space, image=batch.image, index=index, operand=operand) from None
    except (TypeError, ValueError) as error:
        if batch.image is None:
            raise
        raise _naming_image(error, batch.image) from None


def _naming_image(error: Exception, image: int) -> Exception:
    return type(error)(f"Image {image} of the sequence: {error}")


def _check_batch_dimension(batch: Batch, batched: bool) -> None:
    """Refuses maps without a batch dimension, each row of which would count as an image."""
    classes = {batch.preds_form, batch.target_form} & {"scores", "one-hot"}
    shape = map_shape(batch.target, batch.target_form)
    if len(shape) >= (2 if classes or batched else 3):
        return
    cure = ""
    if len(shape) == 2:
        cure = f", preds[:, None] and target[:, None] (or image_ids=) for {shape[0]} images of {shape[1]} points"
    raise ValueError(
        f"target is {list(shape)}, which does not tell where images begin, and scores are kept for each image; pass "
        f"preds[None] and target[None] for one image{cure}, or lists with one map per image."
    )


def _check_lists(preds: Maps, target: Maps, valid: Maps | None) -> None:
    lists = [("preds", preds), ("target", target)] + ([] if valid is None else [("valid", valid)])
    for name, maps in lists:
        if not isinstance(maps, (list, tuple)) and (name != "valid" or not _has_length(maps)):
            raise TypeError(
                f"{name} is a {type(maps).__name__} beside a sequence; expected one map per image on both sides, "
                "so pass two lists."
            )
    for name, maps in lists:
        if len(maps) != len(target):
            raise ValueError(
                f"{name} has {len(maps)} images and target {len(target)}; expected as many, so check that both "
                "are whole."
            )


def _has_length(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0
