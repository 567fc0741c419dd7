"""A batch, of tensors or of lists with one map per image -> its counts, and a row for each image where asked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meaniou.counting import ops
from meaniou.counting.batch import Views, map_shape, views
from meaniou.counting.errors import LabelRangeError
from meaniou.counting.kernels.label_table import Reading
from meaniou.counting.kernels.readers import side_of_preds, side_of_truth
from meaniou.settings import InputSettings, LabelSpace

Maps = Tensor | Sequence[Tensor]


def count(preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings) -> Tensor:
    """Counts of one batch, int64 ``[C + 2, C + 2]``, on its device, of tensors or of sequences with one map per image.

    Raises:
        TypeError: if something is no tensor, or of a dtype that holds neither labels nor scores.
        ValueError: if shapes or devices do not fit, or the shapes can be read in two ways; with ``validate_args`` and
            on the CPU also if a truth, or a prediction where the truth is a class, is outside the classes.
    """
    if not isinstance(preds, (list, tuple)) and not isinstance(target, (list, tuple)):
        counts: Tensor = _counted(ops.count, _views(preds, target, valid, space, inputs), space, inputs)
        return counts
    _check_lists(preds, target, valid)
    total = torch.zeros(space.num_classes + 2, space.num_classes + 2, dtype=torch.int64, device="cpu")
    for i in range(len(target)):
        counts = _counted_one(ops.count, i, preds, target, valid, space, inputs)
        total = counts if i == 0 else total.add_(counts)
    return total


def count_images(
    preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings, *, several: bool = False
) -> tuple[Tensor, Tensor]:
    """The same counts, and a row for each image, int64 ``[B, 4, C]``: pixels in both maps, in the truth, in the
    prediction where the truth is a class, and those of the truth without an answer.

    ``several`` says that maps ``[B, N]`` are B images of N points, and not one image without a batch dimension.

    Raises:
        TypeError, ValueError: as ``count``, and if one map may be an image, or several of them.
    """
    if not isinstance(preds, (list, tuple)) and not isinstance(target, (list, tuple)):
        found = _views(preds, target, valid, space, inputs)
        _check_images(found, several)
        counted: tuple[Tensor, Tensor] = _counted(ops.count_images, found, space, inputs)
        return counted
    _check_lists(preds, target, valid)
    parts = [_counted_one(ops.count_images, i, preds, target, valid, space, inputs) for i in range(len(target))]
    if not parts:
        size = space.num_classes + 2
        return torch.zeros(size, size, dtype=torch.int64), torch.zeros(0, 4, space.num_classes, dtype=torch.int64)
    return torch.stack([counts for counts, _ in parts]).sum(0), torch.cat([rows for _, rows in parts])


def classes_of(
    preds: Tensor, target: Tensor, valid: Tensor | None, space: LabelSpace, inputs: InputSettings
) -> tuple[Tensor, Tensor]:
    """What every pixel of a batch counts as on both sides, int64 ``[B, *]``: a class, C for void in the truth and no
    answer in the prediction, C + 1 for outside.

    Raises:
        TypeError, ValueError: as ``count``, but not for labels outside the classes.
    """
    found = _views(preds, target, valid, space, inputs)
    settings = (space.num_classes, space.ignore, inputs.threshold, space.target_bins, space.preds_bins)
    reading = Reading(found.preds_form, found.target_form, *settings)
    both = []
    for side in (side_of_preds(found.preds, reading), side_of_truth(found.target, reading)):
        everything = tuple(slice(None) for _ in side.shape)
        both.append(side.bins()[side.read(everything).long()].view(side.shape))
    if found.valid is not None:
        both[1] = both[1].masked_fill(~found.valid, space.num_classes)
    return both[0], both[1]


def _views(
    preds: Any, target: Any, valid: Any, space: LabelSpace, inputs: InputSettings, of_list: bool = False
) -> Views:
    return views(preds, target, valid, space.num_classes, inputs.input_format, of_list)


def _check_images(found: Views, several: bool) -> None:
    """Refuses maps without a batch dimension, each row of which would count as an image."""
    classes = {found.preds_form, found.target_form} & {"scores", "one-hot"}
    shape = map_shape(found.target, found.target_form)
    if len(shape) >= (2 if classes or several else 3):
        return
    points = ""
    if len(shape) == 2:
        points = f", preds[:, None] and target[:, None] (or image_ids=) for {shape[0]} images of {shape[1]} points"
    raise ValueError(
        f"target is {list(shape)}, which does not tell where images begin, and scores are kept for each image; pass "
        f"preds[None] and target[None] for one image{points}, or lists with one map per image."
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


def _counted_one(
    operator: Any, i: int, preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, inputs: InputSettings
) -> Any:
    """What an operator gives for one image of lists."""
    try:
        image = (_one(preds[i]), _one(target[i]), None if valid is None else _one(valid[i]))
        return _counted(operator, _views(*image, space, inputs, of_list=True), space, inputs)
    except LabelRangeError as error:
        error.image, error.index = i, error.index and error.index[1:]
        raise
    except (TypeError, ValueError) as error:
        raise type(error)(f"Image {i} of the sequence: {error}") from None


def _one(image: Any) -> Any:
    return image[None] if isinstance(image, (Tensor, np.ndarray)) else image


def _counted(operator: Any, found: Views, space: LabelSpace, inputs: InputSettings) -> Any:
    try:
        return operator(
            found.preds,
            found.target,
            found.valid,
            found.preds_form,
            found.target_form,
            space.num_classes,
            space.ignore,
            inputs.threshold,
            inputs.validate_args,
            inputs.impl,
            space.target_text,
            space.preds_text,
        )
    except LabelRangeError as error:
        error.label_space = space
        side = found.preds if error.side == "preds" else found.target
        if side.dtype in (torch.uint16, torch.uint32) and error.side not in found.arrays:
            error.operand = f"{error.side}.long()"
        raise
