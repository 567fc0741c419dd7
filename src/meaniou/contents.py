"""The values in a map on the CPU -> what they are: class planes, probabilities, fractions, a decoded JPEG.

Shapes that can be read in two ways, and labels that are out of range, are explained by what the maps hold.
"""

import torch
from torch import Tensor

# Pixels of scores that are looked at first: enough to rule a reading out.
SAMPLE = 256
# Sums of probabilities: softmax in bfloat16 has 8 binary digits.
TOLERANCE = 0.02
# Labels of a two-valued mask after JPEG: near black or near white, but for the pixels at edges.
DARK, BRIGHT, SHARE = 55, 200, 0.9


def can_look(*maps: Tensor) -> bool:
    """Whether values can be read without a wait: on the CPU, and not while a graph is being traced."""
    if torch.compiler.is_compiling():
        return False
    return all(m.device.type == "cpu" and not isinstance(m, torch._subclasses.FakeTensor) for m in maps)


def are_class_planes(planes: Tensor) -> bool:
    """Whether every pixel of ``[B, C, *]`` holds a single 1 among zeros; ``False`` for no pixels."""
    if not planes.numel():
        return False
    return _single_ones(planes[:1]) and _single_ones(planes)


def are_flags(*maps: Tensor) -> bool:
    """Whether the maps hold nothing but 0 and 1."""
    return all(bool(((m == 0) | (m == 1)).all()) for m in maps)


def are_probabilities(scores: Tensor, dim: int) -> bool:
    """Whether scores are 0 or more and add up to 1 along a dimension, as class planes and softmax do."""
    scores = scores.detach().float()
    return bool((scores >= 0).all()) and bool(((scores.sum(dim) - 1).abs() <= TOLERANCE).all())


def cause_of(held: Tensor, form: str, num_classes: int) -> str:
    """Why a map on the CPU may hold labels that are out of range, a key of ``outside.CAUSES``; empty if nothing tells.

    Args:
        held: labels ``[*]``, or class planes ``[B, C, *]``.
        form: the form of the map, as in ``Views``.
        num_classes: number of classes, if a class is its own label; else 0.
    """
    if form == "one-hot":
        return ("overlap" if bool((held != 0).sum(1).max() > 1) else "no class") if are_flags(held) else ""
    if held.is_floating_point() and (cause := cause_of_fractions(held)):
        return cause
    return cause_of_mask(held) if num_classes in (1, 2) else ""


def is_divided(preds: Tensor, highest: float) -> bool:
    """Whether predictions with this maximum hold 0 and 1/255 alone, as a mask of two classes after ``ToTensor``."""
    if not 0 < highest < 1 or abs(highest * 255 - 1) > _tolerance(preds):
        return False
    preds = preds.detach()
    return bool(((preds == 0) | (preds == preds.max())).all())


def cause_of_fractions(values: Tensor) -> str:
    """What a floating map of labels holds: ``""`` for whole numbers, else ``"divided"`` or ``"fractions"``.

    ``"divided"`` are steps of 1/255, which torchvision's ``ToTensor`` makes of 8-bit labels.
    """
    wide = values.detach().double()
    if bool((wide == wide.floor()).all()):
        return ""
    steps = wide * 255
    inside = (wide >= 0) & (wide <= 1) & ((steps - steps.round()).abs() <= _tolerance(values))
    return "divided" if bool(inside.all()) else "fractions"


def cause_of_mask(labels: Tensor) -> str:
    """What a mask of two classes with labels out of range is: ``"binary"`` (0 and 255), ``"jpeg"``, or ``""``."""
    if bool(((labels == 255) | (labels == 0)).all()):
        return "binary"
    values = labels.double()
    dark, bright = (values >= 0) & (values <= DARK), (values >= BRIGHT) & (values <= 255)
    beyond = values[values > 1]
    several = beyond.numel() > 0 and bool(beyond.min() < beyond.max())
    near_white = bool((bright & (values < 255)).any())
    return "jpeg" if several and near_white and float((dark | bright).double().mean()) >= SHARE else ""


def _tolerance(values: Tensor) -> float:
    """How far 255 times a fraction may be from a whole number; doubles may have been floats before."""
    return min(0.2, 512 * max(torch.finfo(values.dtype).eps, torch.finfo(torch.float32).eps))


def _single_ones(planes: Tensor) -> bool:
    ones = planes == 1
    return bool((ones.sum(1) == 1).all()) and bool(((planes == 0) | ones).all())
