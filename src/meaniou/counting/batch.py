"""Prepares the arguments of a batch for the kernels, as views without a copy, or raises an error of one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou.counting import ambiguity
from meaniou.counting.ambiguity import LABELS, SCORES, RawBatch, shown

Sides = tuple[Tensor, Tensor, str, str]  # preds and target, and their forms


@dataclass(frozen=True)
class Batch:
    """Two sides of the same pixels, as a kernel can read them; ``CountSpec`` says what a form is."""

    preds: Tensor  # [B, *], or [B, C, *] where the form has classes
    target: Tensor
    valid: Tensor | None  # bool, of the map's shape [B, *]
    preds_form: str
    target_form: str
    arrays: tuple[str, ...] = ()  # the sides that came as NumPy arrays
    image: int | None = None  # place in the sequence that it is one map of


def prepare_batch(
    preds: Any, target: Any, valid: Any, num_classes: int, input_format: str, image: int | None = None
) -> Batch:
    """A batch of tensors, NumPy arrays or objects with DLPack, or one map of a sequence, as a batch of one.

    Raises:
        TypeError: if something is none of these, or of a dtype that holds neither labels nor scores.
        ValueError: if shapes or devices do not fit, or the shapes can be read in two ways.
    """
    arrays = ("preds",) * isinstance(preds, np.ndarray) + ("target",) * isinstance(target, np.ndarray)
    preds, target = as_tensor(preds, "preds"), as_tensor(target, "target")
    valid = None if valid is None else as_tensor(valid, "valid")
    _check_tensors(preds, target, valid)
    raw = RawBatch(preds, target, num_classes, input_format, arrays, image is not None)
    preds, target, preds_form, target_form = _read_one_hot(raw) if input_format == "one-hot" else _read_index(raw)
    mask = _valid_mask(valid, raw.target, map_shape(target, target_form))
    return Batch(preds, target, mask, preds_form, target_form, arrays, image)


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
        if not value.dtype.isnative or not strides:
            return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        return torch.from_numpy(value if value.flags.writeable else np.asarray(_Writable(value)))
    if hasattr(value, "__dlpack__"):
        return torch.utils.dlpack.from_dlpack(value)
    inside = f"pass what is in it, as {name}['out']" if isinstance(value, Mapping) else "convert it first"
    raise TypeError(
        f"{name} is a {type(value).__name__}; expected a tensor, a NumPy array or an object with DLPack, so {inside}."
    )


class _Writable:
    """The memory of a read-only array, which PyTorch shares without a warning only where it may write; nobody does."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array  # kept alive
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _check_tensors(preds: Tensor, target: Tensor, valid: Tensor | None) -> None:
    for name, value in (("preds", preds), ("target", target)):
        if value.dtype not in LABELS + SCORES:
            raise TypeError(
                f"{name} is {value.dtype}; expected labels (bool to int64) or floating scores, so convert it, and "
                "labels to int64."
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


def _read_index(raw: RawBatch) -> Sides:
    """The sides under ``"index"`` and ``"auto"``: a map of labels as truth, with scores or labels as predictions."""
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
    """The sides under ``"one-hot"``: class planes on one or both.

    Floating predictions are scores, since their planes need not be 0 and 1.
    """
    preds, target, num_classes = raw.preds, raw.target, raw.num_classes
    if preds.dim() == target.dim() > 1 and num_classes > 1:  # labels [B, 1, *] beside class planes [B, C, *]
        if _has_lone_channel(target) and preds.shape[1] == num_classes:
            target = target.squeeze(1)
        elif _has_lone_channel(preds) and target.shape[1] == num_classes:
            preds = preds.squeeze(1)
    preds_form = "labels" if preds.dim() < target.dim() else "scores" if preds.dtype in SCORES else "one-hot"
    target_form = "labels" if target.dim() < preds.dim() else "one-hot"
    for name, side, form in (("preds", preds, preds_form), ("target", target, target_form)):
        if form != "labels" and (side.dim() < 2 or side.shape[1] != num_classes):
            raise ValueError(
                f"{raw}; expected class planes [B, {num_classes}, *], so check dimension 1, or pass 'index' for labels."
            )
        if form == "labels" and side.dtype in SCORES:
            raise TypeError(f"{raw}; {ambiguity.advice_on_floating_labels(raw, name)}.")
    if map_shape(preds, preds_form) != map_shape(target, target_form):
        raise ValueError(f"{raw}; expected the same map [B, *] on both sides, so check the batch and the resolution.")
    return preds, target, preds_form, target_form


def map_shape(side: Tensor, form: str) -> torch.Size:
    """Shape of a side without its classes."""
    return side.shape[:1] + side.shape[2:] if form in ("scores", "one-hot") else side.shape


def _valid_mask(valid: Tensor | None, target: Tensor, shape: torch.Size) -> Tensor | None:
    """The mask over the map, as a view: one value per pixel or one per image."""
    if valid is None:
        return None
    if valid.shape == shape:
        return valid
    if valid.shape == shape[:1]:
        return valid.view(-1, *[1] * (len(shape) - 1)).expand(shape)
    if valid.shape == target.shape and valid.numel() == shape.numel():
        return valid.view(shape)
    raise ValueError(
        f"valid is {shown(valid)}; expected one value per pixel, {list(shape)}, or one per image, {list(shape[:1])}, "
        "so check its shape."
    )


def _has_lone_channel(side: Tensor) -> bool:
    """Whether dimension 1 is a lone channel, as in ``[B, 1, H, W]``."""
    return side.dim() > 1 and side.shape[1] == 1


def _drop_lone_channel(preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Takes the lone channel from the side that has one dimension more."""
    if preds.dim() == target.dim() + 1 and _has_lone_channel(preds):
        return preds.squeeze(1), target
    if target.dim() == preds.dim() + 1 and _has_lone_channel(target):
        return preds, target.squeeze(1)
    return preds, target


def _advice_on_scores(raw: RawBatch) -> str:
    if raw.preds.shape[:-1] == raw.target.shape and raw.preds.shape[-1] == raw.num_classes:
        return f"expected the classes {'first' if raw.of_list else 'in dimension 1'}, so pass {raw.classes_first()}"
    if raw.preds.shape[0] != raw.target.shape[0]:
        return "expected as many images on both sides, so check the batch"
    resize = "" if "preds" in raw.arrays else ", as by torch.nn.functional.interpolate(preds, size=target.shape[1:])"
    return f"expected scores at the resolution of the truth, so resize them first{resize}"


def _advice_on_shapes(raw: RawBatch, preds: Tensor, target: Tensor) -> str:
    num_classes = raw.num_classes
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
        return f"expected the classes {'first' if raw.of_list else 'in dimension 1'}, so pass {raw.classes_first()}"
    if preds.dim() == target.dim() + 1 and preds.shape[:1] + preds.shape[2:] == target.shape:
        return (
            f"expected one score for each class, and there are {preds.shape[1]} channels for {num_classes} classes, so "
            "check the model or the number of classes"
        )
    return f"expected maps of one shape, or scores [B, {num_classes}, *] for a truth [B, *], so check both shapes"
