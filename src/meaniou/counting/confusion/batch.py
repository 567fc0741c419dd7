"""Checks the arguments of a batch and prepares them for the kernels, as views without a copy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.confusion import ambiguity
from meaniou.counting.confusion.ambiguity import RawBatch
from meaniou.counting.maps import SCORES, as_tensor, check_tensors, shown

Sides = tuple[Tensor, Tensor, str, str]  # preds and target, and their forms


@dataclass(frozen=True)
class Batch:
    """Prediction and ground truth of the same pixels, as a kernel can read them; ``CountSpec`` explains the forms."""

    preds: Tensor  # [B, *], or [B, C, *] if the form is "scores" or "one-hot"
    target: Tensor
    valid: Tensor | None  # bool, of the map's shape [B, *]
    preds_form: str
    target_form: str
    arrays: tuple[str, ...] = ()  # the sides that came as NumPy arrays
    image: int | None = None  # index in the list of maps that was passed


def prepare_batch(
    preds: Any, target: Any, valid: Any, num_classes: int, input_format: str, image: int | None = None
) -> Batch:
    """The batch of tensors, NumPy arrays or objects with DLPack; ``image`` is the index of a map from a list.

    Raises:
        TypeError: if an argument is none of these, or its dtype is neither for labels nor for scores.
        ValueError: if shapes or devices do not match, or the shapes can be read in two ways.
    """
    arrays = ("preds",) * isinstance(preds, np.ndarray) + ("target",) * isinstance(target, np.ndarray)
    preds, target = as_tensor(preds, "preds"), as_tensor(target, "target")
    valid = None if valid is None else as_tensor(valid, "valid")
    check_tensors(preds, target, valid)
    raw = RawBatch(preds, target, num_classes, input_format, arrays, image is not None)
    preds, target, preds_form, target_form = _read_one_hot(raw) if input_format == "one-hot" else _read_index(raw)
    mask = _valid_mask(valid, raw, map_shape(target, target_form))
    return Batch(preds, target, mask, preds_form, target_form, arrays, image)


def _read_index(raw: RawBatch) -> Sides:
    """The sides under ``"index"`` and ``"auto"``: a label map as target, with scores or labels as predictions."""
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    auto, scores = raw.input_format == "auto", preds.dtype in SCORES
    if auto:
        ambiguity.refuse_floating_truth(raw)
        ambiguity.refuse_planes(raw)
    lone = _has_lone_channel(target) and (auto or classes > 1)
    if scores and lone and preds.dim() == target.dim() and preds.shape[1] == classes:
        target = target.squeeze(1)
    if scores and preds.dim() == target.dim() + 1 > 1 and preds.shape[1] == classes:
        if preds.shape[:1] + preds.shape[2:] != target.shape:
            raise ValueError(f"{raw}; {_advice_on_scores(raw)}.")
        if auto and ambiguity.is_one_image(raw):
            preds, target = preds[None], target[None]
        elif auto:
            ambiguity.refuse_classes_last(raw)
        return preds, target, "scores", "labels"
    preds, target = _drop_lone_channel(preds, target)
    if preds.shape != target.shape:
        raise ValueError(f"{raw}; {_advice_on_shapes(raw, preds, target)}.")
    if scores and auto:
        if classes != 2:
            raise ValueError(f"{raw}; {ambiguity.advice_on_one_channel(raw)}.")
        return preds, target, "threshold", "labels"
    return preds, target, "labels", "labels"


def _read_one_hot(raw: RawBatch) -> Sides:
    """The sides under ``"one-hot"``: class planes on one side or both.

    Floating predictions ``[B, C, *]`` are scores, since their planes need not be 0 and 1.
    """
    preds, target, num_classes = raw.preds, raw.target, raw.num_classes
    if preds.dim() == target.dim() > 1 and num_classes > 1:  # labels [B, 1, *] with class planes [B, C, *]
        if _has_lone_channel(target) and preds.shape[1] == num_classes:
            target = target.squeeze(1)
        elif _has_lone_channel(preds) and target.shape[1] == num_classes:
            preds = preds.squeeze(1)
    preds_form = "labels" if preds.dim() < target.dim() else "scores" if preds.dtype in SCORES else "one-hot"
    target_form = "labels" if target.dim() < preds.dim() else "one-hot"
    for name, side, form in (("preds", preds, preds_form), ("target", target, target_form)):
        if form != "labels" and (side.dim() < 2 or side.shape[1] != num_classes):
            raise ValueError(
                f"{raw}; expected class planes {raw.planes}. Check dimension {raw.axis}, or pass input_format='index' "
                "for label maps."
            )
        if form == "labels" and side.dtype in SCORES:
            raise TypeError(ambiguity.floating_labels(raw, name))
    if map_shape(preds, preds_form) != map_shape(target, target_form):
        raise ValueError(f"{raw}; expected the same batch size and resolution on both sides.")
    return preds, target, preds_form, target_form


def map_shape(side: Tensor, form: str) -> torch.Size:
    """Shape of a side without its classes."""
    return side.shape[:1] + side.shape[2:] if form in ("scores", "one-hot") else side.shape


def _valid_mask(valid: Tensor | None, raw: RawBatch, shape: torch.Size) -> Tensor | None:
    """``valid``, one value per pixel or per image, as a mask of the map's shape."""
    if valid is None:
        return None
    if valid.shape == shape:
        return valid
    if valid.shape == shape[:1]:
        return valid.view(-1, *[1] * (len(shape) - 1)).expand(shape)
    if valid.shape == raw.target.shape and valid.numel() == shape.numel():
        return valid.view(shape)
    if raw.of_list:
        one = shown(valid[0] if valid.dim() else valid)
        raise ValueError(f"valid is {one}; expected one value per pixel, {list(shape[1:])}, or a single value.")
    raise ValueError(
        f"valid is {shown(valid)}; expected one value per pixel, {list(shape)}, or one per image, {list(shape[:1])}."
    )


def _has_lone_channel(side: Tensor) -> bool:
    """Whether dimension 1 is a lone channel, as in ``[B, 1, H, W]``."""
    return side.dim() > 1 and side.shape[1] == 1


def _drop_lone_channel(preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Drops the lone channel of the side that has one dimension more."""
    if preds.dim() == target.dim() + 1 and _has_lone_channel(preds):
        return preds.squeeze(1), target
    if target.dim() == preds.dim() + 1 and _has_lone_channel(target):
        return preds, target.squeeze(1)
    return preds, target


def _advice_on_scores(raw: RawBatch) -> str:
    if raw.preds.shape[:-1] == raw.target.shape and raw.preds.shape[-1] == raw.num_classes:
        return raw.classes_first()
    if raw.preds.shape[0] != raw.target.shape[0]:
        return "expected the same number of images on both sides"
    axes = raw.preds.dim() - 2
    images, image = ("preds[None]", "[0]") if raw.of_list else ("preds", "")  # interpolate needs a batch dimension
    resize = f": torch.nn.functional.interpolate({images}, size=target.shape[-{axes}:]){image}"
    resize = "" if "preds" in raw.arrays else resize
    return f"expected scores at the resolution of the target. Resize the scores first{resize}"


def _advice_on_shapes(raw: RawBatch, preds: Tensor, target: Tensor) -> str:
    num_classes = raw.num_classes
    if preds.dtype not in SCORES and preds.dim() == target.dim() > 2:
        if _has_lone_channel(target):
            target = target.squeeze(1)
        elif _has_lone_channel(preds):
            preds = preds.squeeze(1)
    if preds.dim() > 1 and preds.dim() == target.dim() + 1 and preds.shape[1] == num_classes:
        return (
            f"expected floating scores or label maps as preds. Pass preds.argmax({raw.axis}) for scores, or "
            "input_format='one-hot' for class planes"
        )
    if target.dim() > 1 and target.dim() == preds.dim() + 1 and target.shape[1] == num_classes:
        return f"expected label maps {raw.maps} as target. Pass input_format='one-hot' for class planes"
    if preds.dim() == target.dim() + 1 and preds.shape[0] == num_classes and preds.shape[1:] == target.shape:
        return "expected a batch dimension. Pass preds[None] and target[None]"
    if advice := _advice_on_channels(raw, preds, target):
        return advice
    if preds.dim() == target.dim() + 1 > 2 and preds.shape[:-1] == target.shape and preds.shape[-1] == num_classes:
        return raw.classes_first()
    if preds.dim() == target.dim() + 1 and preds.shape[:1] + preds.shape[2:] == target.shape:
        return (
            f"expected one channel per class, but preds has {preds.shape[1]} channels. Check the model and num_classes"
        )
    return (
        f"expected label maps of the same shape, or scores {raw.planes} with a target {raw.maps}"
        f"{_cure_of_sizes(raw, preds, target)}"
    )


def _advice_on_channels(raw: RawBatch, preds: Tensor, target: Tensor) -> str:
    """The advice on integers with a dimension of channels, such as colours; empty for other shapes."""
    for name, side, other in (("preds", preds, target), ("target", target, preds)):
        if side.dtype in SCORES or side.dim() != other.dim() + 1 or side.dim() < 3:
            continue
        for axis, rest in ((1, side.shape[:1] + side.shape[2:]), (-1, side.shape[:-1])):
            if rest == other.shape:
                channels = side.shape[axis]
                colors = "Convert colours to labels, or pass" if channels in (3, 4) else "Pass"
                cure = f"{name}.argmax({0 if raw.of_list and axis == 1 else axis})"
                return (
                    f"expected one label per pixel, but {name} has {channels} channels. {colors} {cure} for scores or "
                    "class planes"
                )
    return ""


def _cure_of_sizes(raw: RawBatch, preds: Tensor, target: Tensor) -> str:
    """What to do about maps of other sizes, axes in another order, or without a batch dimension; empty for others."""
    for name, side, other in (("preds", preds, target), ("target", target, preds)):
        if other.shape[1:] == side.shape and other.shape[0] == 1:
            return f". Pass {name}[None]"
    if preds.dim() != target.dim() or preds.dim() < 2:
        return ""
    axes = [i - raw.of_list for i in range(preds.dim()) if preds.shape[i] != target.shape[i]]
    if sorted(preds.shape) == sorted(target.shape):
        swap = f"Pass preds.swapaxes({axes[0]}, {axes[1]})" if len(axes) == 2 else "Permute the axes of preds"
        return f". {swap} if its axes are in another order"
    if preds.shape[0] == target.shape[0]:
        return ". Resize the prediction to the target (label maps by nearest neighbour)"
    return ""
