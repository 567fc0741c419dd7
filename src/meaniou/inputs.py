"""``(preds, target, valid)`` -> views that a kernel can read, or one sentence why not; nothing is copied."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

LABELS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64)
SCORES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Views:
    """Two sides of the same pixels. A form is ``"labels"``, ``"scores"``, ``"threshold"`` or ``"one-hot"``."""

    preds: Tensor  # [B, *], or [B, C, *] where the form has classes
    target: Tensor
    valid: Tensor | None  # bool, of the map's shape [B, *]
    preds_form: str
    target_form: str


def views(preds: Any, target: Any, valid: Any, num_classes: int, input_format: str) -> Views:
    """Views of one batch of tensors.

    Raises:
        TypeError: if something is no tensor, or of a dtype that holds neither labels nor scores.
        ValueError: if shapes or devices do not fit, or the shapes can be read in two ways.
    """
    _check_tensors(preds, target, valid)
    one_hot = input_format == "one-hot"
    found = _one_hot(preds, target, num_classes) if one_hot else _index(preds, target, num_classes, input_format)
    mask = _valid(valid, target, map_shape(found.target, found.target_form))
    return Views(found.preds, found.target, mask, found.preds_form, found.target_form)


def as_tensor(value: Any, name: str) -> Tensor:
    """A tensor over the memory of a NumPy array or of anything with DLPack, or a copy where it cannot be shared.

    Raises:
        TypeError: if it is none of these.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array; expected plain labels, so pass {name}.data, and ~{name}.mask as valid."
        )
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise TypeError(
                f"{name} is an array of {value.dtype}; expected integers, bool or floating scores, so convert it first."
            )
        strides = all(s >= 0 and s % value.itemsize == 0 for s in value.strides)
        shareable = value.flags.writeable and value.dtype.isnative and strides
        return torch.from_numpy(value if shareable else value.astype(value.dtype.newbyteorder("="), order="C"))
    if hasattr(value, "__dlpack__"):
        return torch.utils.dlpack.from_dlpack(value)
    raise TypeError(
        f"{name} is a {type(value).__name__}; expected a tensor, a NumPy array or an object with DLPack, so "
        "convert it first."
    )


def _check_tensors(preds: Any, target: Any, valid: Any) -> None:
    for name, value in (("preds", preds), ("target", target), ("valid", valid)):
        if not isinstance(value, Tensor) and not (name == "valid" and value is None):
            inside = f"pass what is in it, as {name}['out']" if isinstance(value, Mapping) else "convert it"
            raise TypeError(
                f"{name} is a {type(value).__name__}; expected a torch.Tensor, so {inside}; for arrays there is "
                "meaniou.mean_iou."
            )
    for name, value in (("preds", preds), ("target", target)):
        if value.dtype not in LABELS + SCORES:
            raise TypeError(
                f"{name} is {value.dtype}; expected labels (bool to int64) or floating scores, so convert it, as "
                "by .long()."
            )
        if value.layout != torch.strided:
            raise TypeError(
                f"{name} has the layout {value.layout}; expected a dense tensor, so call .to_dense() first."
            )
        if value.device != preds.device:
            raise ValueError(
                f"{name} is on {value.device} and preds on {preds.device}; expected one device, so move one of them."
            )
    if valid is not None and valid.dtype != torch.bool:
        raise TypeError(
            f"valid is {valid.dtype}; expected bool, True where a pixel or image counts, so pass valid.bool()."
        )
    if valid is not None and valid.device != preds.device:
        raise ValueError(
            f"valid is on {valid.device} and preds on {preds.device}; expected one device, so move one of them."
        )


def _index(preds: Tensor, target: Tensor, num_classes: int, input_format: str) -> Views:
    """Maps of labels, with scores or labels as predictions."""
    got = partial(_got, preds, target, num_classes)  # text is made for errors only
    one_hot = "pass input_format='index' if they are labels, 'one-hot' if they are class planes"
    if target.dtype in SCORES and preds.dtype in LABELS and target.dim() == preds.dim() + 1 and input_format == "auto":
        raise TypeError(f"{got()}; expected the labels as target, so pass the prediction first, or {one_hot}.")
    if target.dtype in SCORES and input_format == "auto":
        raise TypeError(f"target is {_is(target)}; expected integer labels, so call target.long(), or {one_hot}.")
    planes = preds.dim() == target.dim() > 1 and preds.shape[1] == target.shape[1] == num_classes > 1
    if input_format == "auto" and planes:
        raise ValueError(
            f"{got()}, where dimension 1 has as many entries as there are classes, and may be part of a map or the "
            f"classes; {one_hot}."
        )
    scores = preds.dtype in SCORES
    if scores and preds.dim() == target.dim() and _single(target) and preds.shape[1] == num_classes:
        target = target.squeeze(1)
    if scores and preds.dim() == target.dim() + 1 > 1 and preds.shape[1] == num_classes:
        if preds.shape[:1] + preds.shape[2:] == target.shape:
            return Views(preds, target, None, "scores", "labels")
        if preds.shape[0] != target.shape[0]:
            raise ValueError(f"{got()}; expected as many images on both sides, so check the batch.")
        raise ValueError(
            f"{got()}; expected scores at the resolution of the truth, so resize them first, as by "
            "torch.nn.functional.interpolate(preds, size=target.shape[1:])."
        )
    preds, target = _drop_single(preds, target)
    if preds.shape != target.shape:
        raise ValueError(f"{got()}; {_advice(preds, target, num_classes)}.")
    if not scores:
        return Views(preds, target, None, "labels", "labels")
    if num_classes != 2:
        raise ValueError(
            f"{got()}; one floating channel is for two classes, so pass scores [B, {num_classes}, *], or labels "
            "as integers, by preds.long()."
        )
    return Views(preds, target, None, "threshold", "labels")


def _one_hot(preds: Tensor, target: Tensor, num_classes: int) -> Views:
    """Class planes on one side or both; floating predictions are scores, since their planes need not be 0 and 1."""
    got = partial(_got, preds, target, num_classes)
    if preds.dim() == target.dim() > 1 and num_classes > 1:  # labels [B, 1, *] beside class planes [B, C, *]
        if _single(target) and preds.shape[1] == num_classes:
            target = target.squeeze(1)
        elif _single(preds) and target.shape[1] == num_classes:
            preds = preds.squeeze(1)
    preds_form = "labels" if preds.dim() < target.dim() else "scores" if preds.dtype in SCORES else "one-hot"
    target_form = "labels" if target.dim() < preds.dim() else "one-hot"
    for side, form in ((preds, preds_form), (target, target_form)):
        if form != "labels" and (side.dim() < 2 or side.shape[1] != num_classes):
            raise ValueError(
                f"{got()} and input_format='one-hot'; expected class planes [B, {num_classes}, *], so check dimension "
                "1, or pass 'index' for labels."
            )
        if form == "labels" and side.dtype in SCORES:
            raise TypeError(
                f"{got()} and input_format='one-hot'; expected integer labels beside class planes, so call "
                ".long() on the labels."
            )
    if map_shape(preds, preds_form) != map_shape(target, target_form):
        raise ValueError(
            f"{got()} and input_format='one-hot'; expected the same map [B, *] on both sides, so "
            "check the batch and the resolution."
        )
    return Views(preds, target, None, preds_form, target_form)


def map_shape(side: Tensor, form: str) -> torch.Size:
    """Shape of a side without its classes."""
    return side.shape[:1] + side.shape[2:] if form in ("scores", "one-hot") else side.shape


def _valid(valid: Tensor | None, target: Tensor, shape: torch.Size) -> Tensor | None:
    """The mask over the map, as a view: one value a pixel or one an image."""
    if valid is None:
        return None
    if valid.shape == shape:
        return valid
    if valid.shape == shape[:1]:
        return valid.view(-1, *[1] * (len(shape) - 1)).expand(shape)
    if valid.shape == target.shape and valid.numel() == shape.numel():
        return valid.view(shape)
    raise ValueError(
        f"valid is {_is(valid)}; expected one value a pixel, {list(shape)}, or one an image, {list(shape[:1])}, so "
        "check its shape."
    )


def _single(side: Tensor) -> bool:
    """Whether dimension 1 is a lone channel, as in ``[B, 1, H, W]``."""
    return side.dim() > 1 and side.shape[1] == 1


def _drop_single(preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Takes the lone channel from the side that has one dimension more."""
    if preds.dim() == target.dim() + 1 and _single(preds):
        return preds.squeeze(1), target
    if target.dim() == preds.dim() + 1 and _single(target):
        return preds, target.squeeze(1)
    return preds, target


def _advice(preds: Tensor, target: Tensor, num_classes: int) -> str:
    if preds.dim() > 1 and preds.dim() == target.dim() + 1 and preds.shape[1] == num_classes:
        return (
            "expected floating scores, or integer class planes with input_format='one-hot', so pass that or "
            "preds.argmax(1)"
        )
    if target.dim() > 1 and target.dim() == preds.dim() + 1 and target.shape[1] == num_classes:
        return "expected labels [B, *] as target, so pass input_format='one-hot' for class planes"
    if preds.dim() == target.dim() + 1 and preds.shape[0] == num_classes and preds.shape[1:] == target.shape:
        return "expected a batch, so pass preds[None] and target[None]"
    if preds.dim() == target.dim() + 1 > 2 and preds.shape[:-1] == target.shape and preds.shape[-1] == num_classes:
        return "expected the classes in dimension 1, so pass preds.movedim(-1, 1)"
    if preds.dim() == target.dim() + 1 and preds.shape[:1] + preds.shape[2:] == target.shape:
        return f"expected one score a class, so set num_classes={preds.shape[1]} or pass {num_classes} channels"
    return f"expected maps of one shape, or scores [B, {num_classes}, *] for a truth [B, *], so check both shapes"


def _got(preds: Tensor, target: Tensor, num_classes: int) -> str:
    return f"Got preds {_is(preds)} and target {_is(target)} with num_classes={num_classes}"


def _is(side: Tensor) -> str:
    return f"{str(side.dtype).removeprefix('torch.')} {list(side.shape)}"
