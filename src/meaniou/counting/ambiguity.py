"""Inputs that can be read in two ways: the reading that the contents allow, or one sentence why none is sure."""

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
    is_divided,
    is_whole,
)

LABELS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64)
SCORES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

PLANES = "pass input_format='index' if they are labels, 'one-hot' if they are class planes"


class RawBatch(NamedTuple):
    """The arguments of a batch as tensors, and the facts that an error about them needs."""

    preds: Tensor
    target: Tensor
    num_classes: int
    input_format: str
    arrays: tuple[str, ...] = ()  # the sides that came as NumPy arrays, whose cures are NumPy's
    of_list: bool = False  # one map of a sequence, which has no batch dimension where it came from

    def __str__(self) -> str:
        preds, target = (shown(side[0] if self.of_list else side) for side in (self.preds, self.target))
        shapes = f"Got preds {preds} and target {target} with num_classes={self.num_classes}"
        return shapes if self.input_format == "auto" else f"{shapes} and input_format={self.input_format!r}"

    def as_integers(self, name: str) -> str:
        """How a floating side is made labels."""
        return f"{name}.astype(np.int64)" if name in self.arrays else f"{name}.long()"

    def multiplied(self, name: str) -> str:
        """How labels that were divided by 255 are made whole again."""
        return f"({name} * 255).round()" + (".astype(np.int64)" if name in self.arrays else ".long()")

    def classes_first(self) -> str:
        """How classes in the last dimension are put where they are expected."""
        place = 0 if self.of_list else 1
        return f"np.moveaxis(preds, -1, {place})" if "preds" in self.arrays else f"preds.movedim(-1, {place})"

    def channels(self) -> str:
        """How labels that overlap are counted, one in each channel."""
        part = "[0]" if self.of_list else "[:, 0]"
        return f"make a MeanIoU(2) for each channel, as with preds{part} and target{part}"

    def lone_channel(self) -> str:
        """The cure for a volume that looks like channels."""
        return "preds[None] and target[None]" if self.of_list else "preds[:, None] and target[:, None]"


def shown(side: Tensor) -> str:
    """Dtype and shape of a side, for a sentence."""
    return f"{str(side.dtype).removeprefix('torch.')} {list(side.shape)}"


def refuse_floating_truth(raw: RawBatch) -> None:
    """Raises ``TypeError`` if the truth is floating, with the cure that its contents need."""
    preds, target = raw.preds, raw.target
    if target.dtype not in SCORES:
        return
    if preds.dtype in LABELS and target.dim() == preds.dim() + 1:
        raise TypeError(f"{raw}; expected the labels as target, so pass the prediction first, or {PLANES}.")
    raise TypeError(f"target is {shown(target)}{advice_on_floating_labels(raw, 'target', planes=True)}.")


def advice_on_floating_labels(raw: RawBatch, name: str, planes: bool = False) -> str:
    """What floating labels hold, and how they become integers; begins where a fact ends."""
    side = raw.preds if name == "preds" else raw.target
    if not can_look(side):
        return (
            f"; expected integer labels, so convert whole numbers by {raw.as_integers(name)}, and labels that were "
            f"divided by 255 by {raw.multiplied(name)}"
        )
    cause = cause_of_fractions(side)
    if cause == "divided":
        return (
            f" and holds fractions as if labels were divided by 255, as ToTensor does; expected integer labels, so "
            f"multiply and round, by {raw.multiplied(name)}"
        )
    if cause:
        fraction = first_fraction(side)
        held = "NaN" if math.isnan(fraction) else f"fractions, such as {fraction:.3g}"
        return (
            f" and holds {held}; expected integer labels, so pass labels as they are stored "
            "(resized with nearest neighbours), and scores as preds"
        )
    return f"; expected integer labels, so call {raw.as_integers(name)}" + (f", or {PLANES}" if planes else "")


def advice_on_one_channel(raw: RawBatch) -> str:
    """What floating predictions in the shape of the truth may be, where there are not two classes."""
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    advice = f"one floating channel is for two classes, so pass scores [B, {classes}, *]"
    if not can_look(preds, target):
        return f"{advice}, or labels as integers"
    cause = cause_of_fractions(preds)
    if target.dim() > 3 and target.shape[1] > 1 and are_flags(target):
        return f"{advice}; for labels that overlap {raw.channels()}"
    if cause == "divided" and not are_flags(target):
        return f"{advice}, or, if labels were divided by 255, {raw.multiplied('preds')}"
    return advice if cause else f"{advice}, or labels as integers, by {raw.as_integers('preds')}"


def refuse_planes(raw: RawBatch) -> None:
    """Raises ``ValueError`` where both sides have the same shape and dimension 1 holds classes, or may do so.

    Class planes hold a single 1 among zeros in dimension 1. Anything else in that shape is labels, except channels of
    0 and 1 that overlap, of which a class map would pool all.
    """
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    if preds.shape != target.shape or preds.dim() < 2:
        return
    channels, scores = preds.shape[1], preds.dtype in SCORES
    if channels == classes > 1:
        if not can_look(preds, target):
            raise ValueError(
                f"{raw}, where dimension 1 has as many entries as there are classes, and may be part of a map or the "
                f"classes; {PLANES}."
            )
        planes = (are_class_planes(target), are_probabilities(preds, 1) if scores else are_class_planes(preds))
        # A map of a few pixels may look like planes by chance, where dimension 1 is the last one.
        if preds.numel() and (any(planes) if preds.dim() > 2 else all(planes)):
            raise ValueError(
                f"{raw}, and dimension 1 holds class planes (a single 1 among zeros); expected labels [B, *], so "
                "pass input_format='one-hot', or 'index' if these are labels."
            )
    if preds.dim() < 4 or channels == 1:
        return
    overlap = (
        f"{raw}, which may be {channels} channels of labels that overlap; for these {raw.channels()}, and for "
        f"volumes add a lone channel, as by {raw.lone_channel()}."
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
        return  # dimension 1 is what is documented, and a wait would be the price of each batch
    sample = preds[(slice(1), slice(None), *[slice(SAMPLE)] * (preds.dim() - 2))].detach()
    if are_probabilities(sample, -1) and not are_probabilities(sample, 1) and are_probabilities(preds, -1):
        raise ValueError(
            f"{raw}, and scores add up to 1 over the last dimension; expected the classes in dimension 1, so pass "
            f"{raw.classes_first()}, or input_format='index' if they are there."
        )


def is_one_image(raw: RawBatch) -> bool:
    """Whether scores ``[C, C, *]`` beside a truth ``[C, *]`` are one image of C rows without a batch dimension.

    The documented reading is a batch of C. The other one is taken where the scores are probabilities over dimension 0
    and not over dimension 1, and is warned of where the answers would fit it better.
    """
    preds, target, classes = raw.preds, raw.target, raw.num_classes
    if not (preds.shape[0] == preds.shape[1] == classes > 1 and preds.shape[1:] == target.shape and preds.numel()):
        return False
    cure = "pass preds[None] and target[None] for one image, or input_format='index' for a batch"
    if not can_look(preds, target):
        if preds.dim() > 3:
            return False  # of images, a batch of as many as there are classes is what is meant
        raise ValueError(f"{raw}, which may be a batch of {classes} or one image of {classes} rows; {cure}.")
    length = max(1, round(SAMPLE ** (1 / max(1, preds.dim() - 2))))
    part = (slice(None), slice(None), *[slice(length)] * (preds.dim() - 2))
    sample, truth = preds[part].detach(), target[part[1:]].long()
    by_image, by_batch = are_probabilities(sample, 0), are_probabilities(sample, 1)
    if by_image and by_batch and preds.dim() < 4 and not torch.equal(preds.argmax(0), preds.argmax(1)):
        raise ValueError(f"{raw}, which may be a batch of {classes} or one image of {classes} rows; {cure}.")
    if by_image and not by_batch:
        return are_probabilities(preds, 0)
    right = [int((sample.argmax(dim) == truth).sum()) for dim in (0, 1)]
    pixels = truth.numel()
    if right[0] > min(pixels / 2, 3 * right[1]) and right[0] - right[1] >= 2 * pixels**0.5:
        warn(
            f"{raw}, which is taken for a batch of {classes}; taken for one image of {classes} rows, more answers "
            f"would be right ({right[0]:,} instead of {right[1]:,} of {pixels:,}); {cure}."
        )
    return False


def warn_of_logits(preds: Tensor, threshold: float) -> None:
    """Warns of predictions that a threshold for probabilities would turn into a plausible wrong number."""
    if not 0 < threshold < 1 or not preds.numel():
        return
    # aminmax is one pass, and copies a map that does not lie flat.
    scores = preds.detach()
    low, high = map(float, torch.aminmax(scores) if scores.is_contiguous() else (scores.amin(), scores.amax()))
    if 0 < high <= 1 and is_divided(preds):
        warn(
            "preds holds 0 and 1/255 alone, as masks that ToTensor divided by 255, and class 1 is where they are "
            f"above {threshold:g}; if these are labels, multiply by 255 and round."
        )
    if (low < 0 or high > 1) and is_whole(preds):
        warn(
            f"preds holds whole numbers from {low:g} to {high:g} as floats, and class 1 is where they are above "
            f"{threshold:g}; if these are labels, pass integers, or input_format='index'."
        )
    elif low < 0 or high > 1:
        grey = low >= 0 and high > 100
        cure = "if they are 0 to 255, divide by 255" if grey else "for logits pass threshold=0.0"
        warn(
            f"preds holds scores from {low:g} to {high:g}, which are no probabilities, and class 1 is where they "
            f"are above {threshold:g}; {cure}."
        )
