"""Guesses what a map on the CPU holds from its values: class planes, probabilities, fractions, a decoded JPEG.

The guesses choose between two readings of a shape and suggest causes of labels out of range.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from meaniou._util import Doubt, warn

# Pixels of scores that are checked first: enough to rule a reading out.
SAMPLE = 256
# For sums of probabilities: softmax in bfloat16 has 8 binary digits.
TOLERANCE = 0.02
# A two-valued mask after JPEG: this share of its labels is near black or near white; pixels at edges are not.
DARK, BRIGHT, SHARE = 55, 200, 0.9
CORNER = 8  # pixels along each axis that are checked before all others
PIECE = 1 << 18  # pixels that are checked in double precision at a time
# Scores of a large map that are checked for values outside 0 to 1. Maps with fewer than FEW_STEPS times as many are
# checked whole, which is as fast.
MANY_SCORES, FEW_STEPS = 1 << 14, 16
# Labels that were divided by 255 hold a small fraction; soft labels of annotators, such as 1/3, need not.
SMALL_STEP = 0.1


def can_look(*maps: Tensor) -> bool:
    """Whether values can be read without waiting for a device: on the CPU, and not while a graph is traced."""
    if torch.compiler.is_compiling():
        return False
    return all(m.device.type == "cpu" and not isinstance(m, torch._subclasses.FakeTensor) for m in maps)


def are_class_planes(planes: Tensor) -> bool:
    """Whether every pixel of ``[B, C, *]`` holds a single 1 among zeros; ``False`` without pixels."""
    if not planes.numel():
        return False
    return _single_ones(planes[:1]) and _single_ones(planes)


def are_flags(*maps: Tensor) -> bool:
    """Whether the maps hold only 0 and 1."""
    return all(bool(((m == 0) | (m == 1)).all()) for m in maps)


def are_probabilities(scores: Tensor, dim: int) -> bool:
    """Whether scores, or their exponentials (log_softmax), add up to 1 along a dimension."""
    scores = scores.detach().float()
    if bool((scores <= 0).all()):
        scores = scores.exp()  # log_softmax
    return bool((scores >= 0).all()) and bool(((scores.sum(dim) - 1).abs() <= TOLERANCE).all())


def cause_of(values: Tensor, form: str, num_classes: int) -> str:
    """The likely cause of labels out of range in a map on the CPU, a key of ``errors.CAUSES``; empty if unknown.

    Args:
        values: labels ``[*]``, or class planes ``[B, C, *]``.
        form: the form of the map, as in ``CountSpec``.
        num_classes: number of classes if labels are class numbers, else 0.
    """
    if form == "one-hot":
        return ("overlap" if bool((values != 0).sum(1).max() > 1) else "no class") if are_flags(values) else ""
    if values.is_floating_point() and (cause := cause_of_fractions(values)):
        return cause
    return cause_of_mask(values) if num_classes in (1, 2) else ""


def is_divided(preds: Tensor) -> bool:
    """Whether predictions of two classes hold 1/255 and otherwise only 0 and 1, as a mask after ``ToTensor`` does.

    A few values rule this out for almost all probabilities, so an update needs no pass over the map.
    """
    first = preds[(0,) * preds.dim()].item()  # mostly enough, and ten times faster than the corner
    if first not in (0, 1) and abs(255 * first - 1) > _tolerance(preds):
        return False
    corner = preds[tuple(slice(CORNER) for _ in preds.shape)]
    step = False
    for piece in _pieces(preds) if _holds_steps(corner) else ():
        if not _holds_steps(piece):
            return False
        step = step or bool(_are_step(piece).any())
    return step


def _holds_steps(preds: Tensor) -> bool:
    """Whether the values are only 0, 1/255 and 1."""
    return bool((_are_step(preds) | (preds == 0) | (preds == 1)).all())


def _are_step(preds: Tensor) -> Tensor:
    return (preds.detach().float() * 255 - 1).abs() <= _tolerance(preds)


def is_whole(values: Tensor) -> bool:
    """Whether a floating map holds only whole numbers."""
    return all(bool(((piece == piece.floor()) & piece.isfinite()).all()) for piece in _pieces(values))


def cause_of_fractions(values: Tensor) -> str:
    """What a floating map of labels holds: ``""`` for whole numbers, else ``"divided"`` or ``"fractions"``.

    ``"divided"`` means multiples of 1/255, into which torchvision's ``ToTensor`` turns 8-bit labels.
    """
    if is_whole(values):
        return ""
    tolerance, smallest = _tolerance(values), 1.0
    for piece in _pieces(values):
        steps = piece.double() * 255
        if not bool(((piece >= 0) & (piece <= 1) & ((steps - steps.round()).abs() <= tolerance)).all()):
            return "fractions"
        smallest = min(smallest, float(torch.where(piece > 0, piece, 1.0).min()))
    return "divided" if smallest <= SMALL_STEP else "fractions"


def first_fraction(values: Tensor) -> float:
    """The first fraction or infinity of a map; NaN if there is none."""
    for piece in _pieces(values):
        fractions = piece[((piece != piece.floor()) | piece.isinf()) & ~piece.isnan()]
        if fractions.numel():
            return float(fractions[0])
    return math.nan


def cause_of_mask(labels: Tensor) -> str:
    """The kind of a two-class mask with labels out of range: ``"binary"`` (0 and one label), ``"jpeg"``, or ``""``."""
    pieces = [piece.double() for piece in _pieces(labels)] if labels.numel() <= PIECE else _sampled(labels)
    values = torch.cat(pieces)
    others = values[(values != 0) & (values != 1)]
    if others.numel() and bool((labels == int(others[0])).logical_or_(labels == 0).all()):
        return "binary"
    dark, bright = (values >= 0) & (values <= DARK), (values >= BRIGHT) & (values <= 255)
    white, ones = int((values == 255).sum()), int((values == 1).sum())
    beyond = values[values > 1]
    near_white = beyond.numel() > 0 and bool((bright & (values < 255)).any()) and bool(beyond.min() < beyond.max())
    stray = white > 4 * ones > 0  # void is mostly a border, and seldom larger than the objects inside
    return "jpeg" if (near_white or stray) and float((dark | bright).double().mean()) >= SHARE else ""


def _sampled(labels: Tensor) -> list[Tensor]:
    """At most ``PIECE`` labels, evenly spaced."""
    return [labels.reshape(-1)[:: -(-labels.numel() // PIECE)].double()]


def _pieces(values: Tensor) -> Iterator[Tensor]:
    """The values as flat pieces of at most ``PIECE`` pixels; a map that is not contiguous is copied image by image."""
    values = values.detach()
    for part in [values] if values.is_contiguous() else values.split(1):
        yield from part.reshape(-1).split(PIECE)


def _tolerance(values: Tensor) -> float:
    """How far 255 times a fraction may be from a whole number; doubles may come from floats."""
    return min(0.2, 512 * max(torch.finfo(values.dtype).eps, torch.finfo(torch.float32).eps))


def _single_ones(planes: Tensor) -> bool:
    ones = planes == 1
    return bool((ones.sum(1) == 1).all()) and bool(((planes == 0) | ones).all())


def warn_of_logits(
    preds: Tensor,
    thresholds: tuple[float, ...],
    rule: str,
    labels_cure: str,
    logits_cure: str,
    logits_cure_of_files: str = "",
) -> None:
    """Warns if scores on the CPU are no probabilities, which thresholds for probabilities turn into a wrong number.

    Args:
        preds: the scores.
        thresholds: the thresholds.
        rule: how they are used, for the message.
        labels_cure: what to pass in place of labels.
        logits_cure: what to do about logits.
        logits_cure_of_files: the same on the command line; empty for no difference.
    """
    between = [0 < threshold < 1 for threshold in thresholds]
    if not any(between) or not 0 <= min(thresholds) <= max(thresholds) <= 1 or not preds.numel():
        return
    scores = preds.detach()
    low, high = _range(_sampled_view(scores))
    if low < 0 or high > 1:
        low, high = _range(scores)
    if high <= 1 and is_divided(preds):
        warn(
            f"preds holds only 0, 1/255 and 1, as if ToTensor had divided labels by 255, and {rule}. If these are "
            "labels, multiply by 255 and round."
        )
    if (low < 0 or high > 1) and is_whole(preds):
        warn(
            f"preds holds whole numbers from {low:g} to {high:g} as floats, and {rule}. If these are labels, pass "
            f"{labels_cure}."
        )
    elif low < 0 or high > 1:
        grey, percent = low >= 0 and high > 100, low >= 0 and high <= 100
        cure, of_files = f"{logits_cure}.", f"{logits_cure_of_files}." if logits_cure_of_files else ""
        if grey:
            cure, of_files = "If they are grey values from 0 to 255, divide by 255.", ""
        elif percent:  # logits are seldom all positive
            cure, of_files = (text and f"If they are percent, divide by 100. {text}" for text in (cure, of_files))
        fact = f"preds holds scores from {low:g} to {high:g}, which are not probabilities, and {rule}."
        warn(Doubt(cure, fact, of_files))


def _range(scores: Tensor) -> tuple[float, float]:
    """The lowest and the highest score, without NaN; zeros if there is none."""
    # aminmax is one pass, but copies a map that is not contiguous.
    low, high = map(float, torch.aminmax(scores) if scores.is_contiguous() else (scores.amin(), scores.amax()))
    if low == low:
        return low, high
    defined = scores[~scores.isnan()]
    return _range(defined) if defined.numel() else (0.0, 0.0)


def _sampled_view(scores: Tensor) -> Tensor:
    """About ``MANY_SCORES`` evenly spaced scores of a large map, since a whole pass takes as long as counting."""
    step, view = scores.numel() // MANY_SCORES, scores
    if step < FEW_STEPS:
        return scores
    for axis in reversed(range(scores.dim())):
        stride = min(step, scores.shape[axis] // 8)
        if stride > 1:
            view, step = view[(slice(None),) * axis + (slice(None, None, stride),)], step // stride
    return view
