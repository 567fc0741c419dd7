"""Inputs with two possible readings: picks the one that the contents allow, or raises an error with the cure."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from meaniou._util import warn
from meaniou.counting.contents import (
    SAMPLE,
    are_class_planes,
    are_flags,
    are_probabilities,
    can_look,
    cause_of_fractions,
    first_fraction,
)
from meaniou.counting.maps import LABELS, SCORES, shown

BY_FORMAT = "input_format='index' for label maps or 'one-hot' for class planes"


class RawBatch(NamedTuple):
    """The arguments of a batch as tensors, with what an error message about them needs."""

    preds: Tensor
    target: Tensor
    num_classes: int
    input_format: str
    arrays: tuple[str, ...] = ()  # the sides that came as NumPy arrays, for which messages name functions of NumPy
    of_list: bool = False  # one map of a list, which the user passed without a batch dimension

    def __str__(self) -> str:
        shapes = (
            f"Got preds {self.shown('preds')} and target {self.shown('target')} with num_classes={self.num_classes}"
        )
        return shapes if self.input_format == "auto" else f"{shapes} and input_format={self.input_format!r}"

    def side(self, name: str) -> Tensor:
        """The map of a side, ``"preds"`` or ``"target"``."""
        return self.preds if name == "preds" else self.target

    def shown(self, name: str) -> str:
        """Dtype and shape of a side, as the user passed it."""
        side = self.side(name)
        return shown(side[0] if self.of_list else side)

    def as_integers(self, name: str) -> str:
        """The expression that converts a floating side to labels."""
        return f"{name}.astype(np.int64)" if name in self.arrays else f"{name}.long()"

    def multiplied(self, name: str) -> str:
        """The expression that restores labels that were divided by 255."""
        return f"({name} * 255).round()" + (".astype(np.int64)" if name in self.arrays else ".long()")

    @property
    def axis(self) -> int:
        """The dimension of the classes in the maps that the user passed."""
        return 0 if self.of_list else 1

    @property
    def maps(self) -> str:
        """The shape of a label map."""
        return "[*]" if self.of_list else "[B, *]"

    @property
    def planes(self) -> str:
        """The shape of scores or class planes."""
        return f"[{self.num_classes}, *]" if self.of_list else f"[B, {self.num_classes}, *]"

    def classes_first(self) -> str:
        """Where the classes are expected, and the cure for classes in the last dimension."""
        cure = f"np.moveaxis(preds, -1, {self.axis})" if "preds" in self.arrays else f"preds.movedim(-1, {self.axis})"
        return f"expected the classes in dimension {self.axis}. Pass {cure}"

    def channels(self) -> str:
        """The cure for labels that overlap, one in each channel."""
        return f"For overlapping labels use MultilabelMeanIoU({self.target.shape[1]})"

    def with_channel(self) -> str:
        """The expressions that add a channel dimension, the cure for a volume that looks like channels."""
        return "preds[None] and target[None]" if self.of_list else "preds[:, None] and target[:, None]"


def refuse_floating_truth(raw: RawBatch) -> None:
    """Raises ``TypeError`` if the target is floating, with the cure that its contents need."""
    preds, target = raw.preds, raw.target
    if target.dtype not in SCORES:
        return
    if preds.dtype in LABELS and target.dim() == preds.dim() + 1:
        raise TypeError(
            f"{raw}; expected an integer target. If the two are swapped, pass the prediction first; otherwise pass "
            f"{BY_FORMAT}."
        )
    raise TypeError(floating_labels(raw, "target"))


def floating_labels(raw: RawBatch, name: str) -> str:
    """The message for floating labels: what they hold, and how to convert them."""
    side, fact, expected = raw.side(name), f"{name} is {raw.shown(name)}", "expected integer labels"
    if not can_look(side):
        return (
            f"{fact}; {expected}. Pass {raw.as_integers(name)} if it holds whole numbers, or {raw.multiplied(name)} if "
            "it was divided by 255."
        )
    cause = cause_of_fractions(side)
    if cause == "divided":
        return f"{fact} and looks divided by 255, as by ToTensor; {expected}. Pass {raw.multiplied(name)}."
    if cause:
        fraction = first_fraction(side)
        held = "NaN" if math.isnan(fraction) else f"fractions, such as {fraction:.3g}"
        scores = f"scores {raw.planes}" if name == "preds" else "scores as preds"
        return (
            f"{fact} and holds {held}; {expected}. Pass labels as stored (resize them only by nearest neighbour), or "
            f"{scores}."
        )
    planes = ", or input_format='one-hot' for class planes" if raw.input_format == "auto" else ""
    return f"{fact}; {expected}. Pass {raw.as_integers(name)}{planes}."


def advice_on_one_channel(raw: RawBatch) -> str:
    """What to pass instead of floating predictions in the shape of the target, unless there are two classes."""
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    advice = f"expected scores {raw.planes} or integer labels, since one floating channel is for two classes"
    advice += ". Pass num_classes=2 for scores of a foreground" if classes == 1 else ""
    if not can_look(preds, target):
        return advice
    cause = cause_of_fractions(preds)
    if target.dim() > 3 and target.shape[1] > 1 and are_flags(target):
        return f"{advice}. {raw.channels()}"
    if cause == "divided" and not are_flags(target):
        return f"{advice}. If preds holds labels that were divided by 255, pass {raw.multiplied('preds')}"
    return advice if cause else f"{advice}. If preds holds labels, pass {raw.as_integers('preds')}"


def refuse_planes(raw: RawBatch) -> None:
    """Raises ``ValueError`` if both sides have the same shape and dimension 1 holds, or may hold, the classes.

    Class planes hold a single 1 among zeros in dimension 1. Anything else in that shape is label maps, except channels
    of overlapping labels 0 and 1, which would be pooled into one class map.
    """
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    if preds.shape != target.shape or preds.dim() < 2:
        return
    channels, scores = preds.shape[1], preds.dtype in SCORES
    if channels == classes > 1:
        if not can_look(preds, target):
            raise ValueError(
                f"{raw}, which may be label maps or class planes, since dimension {raw.axis} has {classes} entries. "
                f"Pass {BY_FORMAT}."
            )
        planes = (are_class_planes(target), are_probabilities(preds, 1) if scores else are_class_planes(preds))
        # A map of a few pixels may look like planes by chance, where dimension 1 is the last one.
        if preds.numel() and (any(planes) if preds.dim() > 2 else all(planes)):
            raise ValueError(
                f"{raw}, where dimension {raw.axis} looks like class planes (a single 1 among zeros); expected label "
                f"maps {raw.maps}. Pass input_format='one-hot', or 'index' if these are labels."
            )
    if preds.dim() < 4 or channels == 1:
        return
    overlap = (
        f"{raw}, which may be {channels} channels of overlapping labels or volumes. {raw.channels()}. For volumes add "
        f"a channel dimension: {raw.with_channel()}."
    )
    if classes == 2:
        raise ValueError(overlap)
    if channels not in (classes, classes - 1) or not can_look(preds, target) or not target.numel():
        return
    if are_flags(target) and (scores or are_flags(preds)):
        warn(overlap)


def refuse_classes_last(raw: RawBatch) -> None:
    """Raises ``ValueError`` if scores ``[B, C, ..., C]`` are probabilities over the last dimension, not the second."""
    preds = raw.preds
    if preds.dim() < 3 or preds.shape[-1] != preds.shape[1] or preds.shape[1] < 2 or not preds.numel():
        return
    if not can_look(preds):
        return  # dimension 1 is documented, and looking would make every batch wait for the device
    sample = preds[(slice(1), slice(None), *[slice(SAMPLE)] * (preds.dim() - 2))].detach()
    if are_probabilities(sample, -1) and not are_probabilities(sample, 1) and are_probabilities(preds, -1):
        raise ValueError(
            f"{raw}, and the scores add up to 1 over the last dimension; {raw.classes_first()}, or "
            "input_format='index' if the shape is right."
        )


def is_one_image(raw: RawBatch) -> bool:
    """Whether scores ``[C, C, *]`` with a target ``[C, *]`` are one image of C rows without a batch dimension.

    The documented reading is a batch of C. One image is assumed if the scores are probabilities over dimension 0 and
    not over dimension 1. Warns if more predictions would be right in that reading.
    """
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    if not (preds.shape[0] == preds.shape[1] == classes > 1 and preds.shape[1:] == target.shape and preds.numel()):
        return False
    cure = "Pass preds[None] and target[None] for one image, or input_format='index' for a batch"
    if not can_look(preds, target):
        if preds.dim() > 3:
            return False  # images have a batch dimension as a rule
        raise ValueError(f"{raw}, which may be a batch of {classes} or one image of {classes} rows. {cure}.")
    length = max(1, round(SAMPLE ** (1 / max(1, preds.dim() - 2))))
    part = (slice(None), slice(None), *[slice(length)] * (preds.dim() - 2))
    sample, truth = preds[part].detach(), target[part[1:]].long()
    by_image, by_batch = are_probabilities(sample, 0), are_probabilities(sample, 1)
    if by_image and by_batch and preds.dim() < 4 and not torch.equal(preds.argmax(0), preds.argmax(1)):
        raise ValueError(f"{raw}, which may be a batch of {classes} or one image of {classes} rows. {cure}.")
    if by_image and not by_batch:
        return are_probabilities(preds, 0)
    right = [int((sample.argmax(dim) == truth).sum()) for dim in (0, 1)]
    pixels = truth.numel()
    if right[0] > min(pixels / 2, 3 * right[1]) and right[0] - right[1] >= 2 * pixels**0.5:
        warn(
            f"{raw}, read as a batch of {classes}. Read as one image of {classes} rows, {right[0]:,} instead of "
            f"{right[1]:,} of {pixels:,} pixels would be right. {cure}."
        )
    return False
