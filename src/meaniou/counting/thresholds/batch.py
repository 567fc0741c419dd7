"""Checks the arguments of a batch of labels that overlap, and prepares them as views ``[B, L, *]`` without a copy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.maps import SCORES, as_tensor, check_tensors, shown
from meaniou.settings import ThresholdSettings


@dataclass(frozen=True)
class LabelBatch:
    """Prediction and ground truth of the same labels and pixels."""

    preds: Tensor  # [B, L, *]: floating scores, or labels 0 and 1
    target: Tensor  # [B, L, *]: 0, 1 and void values
    valid: Tensor | None  # bool [B, L, *]
    image: int | None = None  # index in the list of maps that was passed
    without_labels: tuple[str, ...] = ()  # the sides that came without that dimension, as maps of one label may

    @property
    def has_label_dimension(self) -> bool:
        """Whether a side came with the dimension of the labels; maps ``[B, *]`` of one label have none."""
        return len(self.without_labels) < 2


def prepare_labels(
    preds: Any, target: Any, valid: Any, num_labels: int, inputs: ThresholdSettings, image: int | None = None
) -> LabelBatch:
    """The batch of tensors, NumPy arrays or objects with DLPack; ``image`` is the index of a map from a list.

    Raises:
        TypeError: if an argument is none of these, or its dtype does not fit.
        ValueError: if shapes or devices do not fit.
    """
    arrays = ("preds",) * isinstance(preds, np.ndarray) + ("target",) * isinstance(target, np.ndarray)
    preds, target = as_tensor(preds, "preds"), as_tensor(target, "target")
    valid = None if valid is None else as_tensor(valid, "valid")
    check_tensors(preds, target, valid)
    if inputs.number > 1 and preds.dtype not in SCORES:
        raise TypeError(
            f"preds is {shown(preds)}; expected floating scores, since labels are the same at every threshold. Pass "
            "the scores of the model, or count labels with MultilabelMeanIoU."
        )
    raw = _RawLabels(preds, target, num_labels, arrays, image is not None)
    preds, target = _with_labels(raw)
    dims = {"preds": raw.preds.dim(), "target": raw.target.dim()}
    without_labels = tuple(side for side, dim in dims.items() if dim < preds.dim())
    return LabelBatch(preds, target, _valid_mask(valid, preds.shape, raw), image, without_labels)


@dataclass(frozen=True)
class _RawLabels:
    """The arguments of a batch as tensors, with what an error message about them needs."""

    preds: Tensor
    target: Tensor
    num_labels: int
    arrays: tuple[str, ...]
    of_list: bool  # one map of a list, which the user passed without a batch dimension

    def __str__(self) -> str:
        sides = (shown(side[0] if self.of_list else side) for side in (self.preds, self.target))
        return "Got preds {} and target {} with num_labels={}".format(*sides, self.num_labels)

    @property
    def axis(self) -> int:
        """The dimension of the labels in the maps that the user passed."""
        return 0 if self.of_list else 1

    @property
    def shape(self) -> str:
        """The shape of maps that the user should pass."""
        return f"[{self.num_labels}, *]" if self.of_list else f"[B, {self.num_labels}, *]"

    def moved(self, name: str) -> str:
        """The cure for labels in the last dimension."""
        return f"np.moveaxis({name}, -1, {self.axis})" if name in self.arrays else f"{name}.movedim(-1, {self.axis})"


def _with_labels(raw: _RawLabels) -> tuple[Tensor, Tensor]:
    """Both sides as ``[B, L, *]``; with one label ``[B, *]`` is taken too."""
    preds, target = raw.preds, raw.target
    if raw.num_labels == 1 and preds.dim() and target.dim():
        preds, target = _with_one_label(preds, target)
    if preds.shape == target.shape and preds.dim() > 1 and preds.shape[1] == raw.num_labels:
        return preds, target
    raise ValueError(f"{raw}; {_advice(raw)}.")


def _with_one_label(preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides with a dimension for the only label, which is added to a side that lacks it."""
    lone = [side.dim() > 1 and side.shape[1] == 1 for side in (preds, target)]
    if preds.shape == target.shape and preds.dim() > 3 and not all(lone):
        return preds, target  # several labels, or volumes without the dimension of the label
    if preds.dim() == target.dim():
        return (preds, target) if all(lone) else (preds.unsqueeze(1), target.unsqueeze(1))
    if preds.dim() == target.dim() + 1 and lone[0]:
        return preds, target.unsqueeze(1)
    if target.dim() == preds.dim() + 1 and lone[1]:
        return preds.unsqueeze(1), target
    return preds, target


def _advice(raw: _RawLabels) -> str:
    """What was expected of the shapes, and what to do."""
    preds, target, labels = raw.preds, raw.target, raw.num_labels
    fits = preds.dim() > 1 and preds.shape[1] == labels
    if fits and preds.shape[:1] + preds.shape[2:] == target.shape:
        return (
            f"expected a target of the same shape, which holds 0 or 1 for each label. If it holds one class per pixel, "
            f"use MeanIoU({labels})"
        )
    if labels == 1 and preds.dim() == target.dim() and preds.dim() > 1 and preds.shape[1] == 2 > target.shape[1]:
        return (
            "expected one channel. Pass preds[:, 1:] if channel 1 holds probabilities of the label, or use MeanIoU(2) "
            "for scores of two classes"
        )
    if labels == 1 and preds.shape == target.shape and preds.dim() > 3:
        add = "preds[None] and target[None]" if raw.of_list else "preds[:, None] and target[:, None]"
        return (
            f"these may be {preds.shape[1]} labels or volumes of one. Pass num_labels={preds.shape[1]} for labels, or "
            f"{add} for volumes"
        )
    if preds.shape == target.shape:
        if preds.dim() > 2 and preds.shape[-1] == labels:
            sides = " and ".join(raw.moved(name) for name in ("preds", "target"))
            return f"expected the labels in dimension {raw.axis}. Pass {sides}"
        if preds.dim() > 1 and preds.shape[0] == labels and not raw.of_list:
            return "expected a batch dimension. Pass preds[None] and target[None]"
        if preds.dim() > 1 and preds.dim() < 4 and labels > 1 and not raw.of_list:
            return f"expected both {raw.shape}. Pass num_labels=1 if the maps hold a single label"
        return f"expected both {raw.shape}. Check the model and num_labels"
    if fits and target.dim() == preds.dim() and preds.shape[:2] == target.shape[:2] and preds.dim() > 2:
        axes = preds.dim() - 2
        images, image = ("preds[None]", "[0]") if raw.of_list else ("preds", "")  # interpolate needs a batch dimension
        resize = f": torch.nn.functional.interpolate({images}, size=target.shape[-{axes}:]){image}"
        resize = "" if "preds" in raw.arrays or preds.dtype not in SCORES else resize
        return f"expected scores at the resolution of the target. Resize the scores first{resize}"
    return f"expected both {raw.shape}"


def _valid_mask(valid: Tensor | None, shape: torch.Size, raw: _RawLabels) -> Tensor | None:
    """``valid`` as a mask ``[B, L, *]``: it may have one value per image, label of an image, pixel, or label and pixel.

    Raises:
        ValueError: if its shape is none of these, or can be read in two ways.
    """
    if valid is None:
        return None
    inner = [1] * (len(shape) - 2)
    if valid.shape == shape[:1]:
        return valid.view(-1, 1, *inner).expand(shape)
    of_pixels, of_labels = valid.shape == shape[:1] + shape[2:], valid.shape == shape[:2]
    if of_pixels and of_labels and len(shape) > 2:
        pixels, labels = ("valid[None]", "valid[:, None]") if raw.of_list else ("valid[:, None]", "valid[:, :, None]")
        raise ValueError(
            f"valid is {_shown(valid, raw)}, which may be one value per pixel or one per label. Pass {pixels} for "
            f"pixels or {labels} for labels."
        )
    if of_pixels and len(shape) > 2:
        return valid.unsqueeze(1).expand(shape)
    if of_labels:
        return valid.view(*shape[:2], *inner).expand(shape)
    if valid.dim() == len(shape) and all(n in (1, whole) for n, whole in zip(valid.shape, shape, strict=True)):
        return valid.expand(shape)
    shapes = [list(part[raw.of_list :]) for part in (shape, shape[:1] + shape[2:], shape[:2])]
    one = "or a single value" if raw.of_list else f"or one per image, {list(shape[:1])}"
    raise ValueError(
        f"valid is {_shown(valid, raw)}; expected one value per label and pixel, {shapes[0]}, one per pixel, "
        f"{shapes[1]}, one per label, {shapes[2]}, {one}."
    )


def _shown(valid: Tensor, raw: _RawLabels) -> str:
    return shown(valid[0] if raw.of_list and valid.dim() else valid)
