"""Warnings about counts that are possible, but typical of a common mistake."""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from meaniou._util import Doubt
from meaniou.settings import LabelSpace, Policy

MANY = 1000  # pixels; fewer may be chance


def suspicious_counts(counts: Tensor, space: LabelSpace, policy: Policy) -> Iterator[Doubt]:
    """The warnings about the counts of a dataset, on the CPU; for a single batch they would often be false alarms."""
    sentences = (
        _class_numbers_in_truth(counts, space),
        _class_numbers_in_preds(counts, space) or _swapped_sides(counts, space, policy),
        _void_foreground(counts, space),
        _labels_off_by_one(counts, space),
    )
    for sentence in sentences:
        if sentence:
            yield Doubt(sentence)


def void_labels(counts: Tensor, ignore_index: Sequence[int]) -> Iterator[Doubt]:
    """The warning that set labels may be void, as in masks of 0 and 255; counts are ``[L, 4, T + 3]`` on the CPU."""
    void = int(counts[:, 2].sum())
    if void and not counts[:, 1].any() and ignore_index:
        yield Doubt(f"The ground truth of no label holds a 1, and {_are_void(void)}; {_store_as_one(ignore_index)}")


def void_label_predictions(counts: Tensor, ignore_index: Sequence[int], policy: Policy) -> Iterator[Doubt]:
    """The warnings about predicted labels that are void, from counts ``[L, 4, 4]`` on the CPU."""
    void, void_preds = int(counts[:, 2].sum()), int(counts[:, :2, 2].sum())
    if void_preds and not counts[..., 1].any() and ignore_index:
        kind = "an ignored value or a NaN score"
        yield Doubt(f"No label is predicted, and {_are_void(void_preds)} ({kind}); {_store_as_one(ignore_index)}")
    elif void_preds and not void and ignore_index and policy.void_preds == "miss":
        yield Doubt(
            f"In the predictions {_are_void(void_preds)} (an ignored value or a NaN score), and in the ground truth "
            "none: either the two are swapped (the prediction comes first), or the predictions hold ignored values, "
            "which count as misses."
        )


def _are_void(number: int) -> str:
    return f"{number:,} pixel{'s are' if number > 1 else ' is'} void"


def _store_as_one(ignore_index: Sequence[int]) -> str:
    ids = " or ".join(map(str, ignore_index))
    return f"if {ids} says that a label is set, store it as 1 and do not ignore {ids}."


def undivided_labels(counts: Tensor, thresholds: Sequence[float]) -> Iterator[Doubt]:
    """The warning that a threshold seems to be for other scores, from counts ``[L, 4, 4]`` of labels on the CPU."""
    pixels, low, high = counts[:, :2, :2], min(thresholds), max(thresholds)
    if int(pixels.sum()) <= MANY:
        return
    fact = ""
    if -math.inf < high <= 0 and not pixels[..., 0].any() and pixels[:, 0].any():
        fact = f"Every pixel is predicted for every label, since all scores are above {high:g}."
    elif math.inf > low >= 1 and not pixels[..., 1].any() and pixels[:, 1].any():
        fact = f"No pixel is predicted for any label, since no score is above {low:g}."
    if fact:
        cure = "If they are probabilities, pass"
        yield Doubt(f"{cure} threshold=0.5.", fact, f"{cure} --threshold 0.5.")


def undivided_scores(counts: Tensor, thresholds: Sequence[float]) -> Iterator[Doubt]:
    """The warning that no threshold divides the scores of a label, from counts ``[L, 4, T + 3]`` on the CPU.

    There is no warning if every label is right at every threshold, such as a label that is set nowhere and has no score
    above a threshold.
    """
    scores = counts[:, :2, :-2]  # those of valid pixels, by the number of thresholds below
    number = int(scores.sum())
    divided = bool((scores.any(1).sum(-1) > 1).any())
    right = not (scores[:, 1, 0].any() or scores[:, 0, -1].any() or scores[..., 1:-1].any())
    if number <= MANY or divided or right:
        return
    if not scores[..., 1:].any():
        sentence = (
            f"None of the {number:,} scores is above the lowest threshold, {thresholds[0]:g}, so nothing is predicted."
        )
    elif not scores[..., :-1].any():
        sentence = (
            f"None of the {number:,} scores is below the highest threshold, {thresholds[-1]:g}, so every pixel is "
            "predicted at every threshold."
        )
    else:
        sentence = "No threshold lies between the scores of any label, so each predicts all pixels of a label or none."
    thresholds_cure = "thresholds within the range of the scores"
    yield Doubt(
        f"{sentence} If the scores are logits, pass torch.sigmoid(preds); otherwise pass {thresholds_cure}.",
        on_command_line=f"{sentence} If the scores are logits, store probabilities; otherwise pass {thresholds_cure}.",
    )


def _class_numbers_in_truth(counts: Tensor, space: LabelSpace) -> str:
    """The warning that the ground truth seems to hold class numbers where ids are expected."""
    void, pixels = int(counts[-2].sum()), int(counts.sum())
    if space.ids is None or void <= pixels / 2:
        return ""
    replaced = "the protocol" if space.protocol else "the label space"  # whose ids hold with other settings too
    return (
        f"{void:,} of {pixels:,} pixels of the ground truth are void; if it holds class numbers (train ids) instead "
        f"of ids, use {{num_classes:{space.num_classes}}} and {{ignore_index:255}} instead of {replaced}, or a "
        "protocol for class numbers."
    )


def _class_numbers_in_preds(counts: Tensor, space: LabelSpace) -> str:
    """The warning that predictions seem to hold class numbers where ids are expected, or ids for class numbers."""
    classes = counts[:-2, :-2]
    valid, right, void_preds = int(counts[:-2].sum()), int(classes.diagonal().sum()), int(counts[:-2, -2].sum())
    if space.pred_ids is not None and not _hold_no_class_numbers(classes, space.pred_ids):
        if void_preds > valid / 4 or _fit_better(classes, _right_by_ids(classes, space.pred_ids)):
            return (
                f"The predictions are right on {right:,} of {valid:,} valid pixels, and void (a void id or a NaN "
                f"score) on {void_preds:,}; if they hold class numbers (train ids) instead of ids, pass "
                "{pred_ids:classes}."
            )
    elif space.pred_ids is None and space.ids is not None:
        as_numbers = _right_by_ids(classes.T, space.ids)
        if _fit_better(classes, as_numbers):
            plain = f"use {{num_classes:{space.num_classes}}} and {{ignore_index:255}} instead of the label space"
            cure = "use the original masks" if space.protocol else plain
            return (
                f"The predictions are right on {right:,} of {valid:,} valid pixels, but hold the same number as the "
                f"ground truth on {as_numbers:,} pixels; if the ground truth was converted to class numbers before, "
                f"{cure}; if the predictions hold ids, pass {{pred_ids:ids}}."
            )
    return ""


def _hold_no_class_numbers(classes: Tensor, ids: tuple[tuple[int, ...], ...]) -> bool:
    """Whether a predicted class has no id that could be a class number."""
    predicted = classes.sum(0)
    return any(bool(predicted[c]) for c, labels in enumerate(ids) if not {*labels} & {*range(len(ids))})


def _swapped_sides(counts: Tensor, space: LabelSpace, policy: Policy) -> str:
    """The warning that only the predictions hold void, as if they were the ground truth."""
    void, void_preds = int(counts[-2].sum()), int(counts[:-2, -2].sum())
    if space.pred_ids is None and space.ignore_index and void_preds and not void and policy.void_preds == "miss":
        if _foregrounds(space, space.pred_void) and not counts[:-2, -3].any():
            return ""  # ``_void_foreground`` warns
        return (
            f"{void_preds:,} predicted pixel{'s are' if void_preds > 1 else ' is'} void (an ignored id or a NaN "
            "score), and the ground truth has no void: either the two are swapped (the prediction comes first), or the "
            "predictions hold ignored ids, which count as misses."
        )
    return ""


def _void_foreground(counts: Tensor, space: LabelSpace) -> str:
    """The warning that the foreground of binary masks may be void: all of it is ignored, and the score looks plausible.

    In a mask that was stored as JPEG some pixels are class 1. Then most predictions of class 1 lie on void pixels.
    """
    void, void_preds, classes = int(counts[-2].sum()), int(counts[:-2, -2].sum()), counts[:-2, :-2]
    binary = space.num_classes == 2  # not with a single class
    foreground = int(classes[1].sum()) if binary else 0
    on_void, on_valid = (int(counts[-2, 1]), int(classes[:, 1].sum())) if binary else (0, 0)
    lost = not foreground or (void > foreground and on_void > 2 * on_valid)
    if void and lost and (ids := _foregrounds(space, space.ignore_index)):
        held = f"{foreground:,} pixels of" if foreground else "no"
        return (
            f"The ground truth holds {held} class 1, and {void:,} of its pixels are void; if {ids} is the foreground "
            f"of binary masks, store it as 1 and do not ignore {ids}."
        )
    if void_preds and not on_valid + on_void and (ids := _foregrounds(space, space.pred_void)):
        return (
            f"The predictions hold no class 1, and {void_preds:,} of their pixels are void; if {ids} is the foreground "
            f"of binary masks, store it as 1 and do not ignore {ids}."
        )
    return ""


def _labels_off_by_one(counts: Tensor, space: LabelSpace) -> str:
    """The warning that labels seem to be off by one: 1 .. C on one side, and 0 .. C-1 on the other."""
    classes = counts[:-2, :-2]
    right, predicted = int(classes.diagonal().sum()), int(classes.sum())
    higher = (
        "ground truth stores classes as 1 to C (0 is void) and the predictions as 0 to C-1, subtract 1 from the ground "
        "truth and store 0 as 255, or in Python pass label_space=LabelSpace.reduce_zero_label(C)"
    )
    lower = "predictions store classes as 1 to C and the ground truth as 0 to C-1, subtract 1 from the predictions"
    for offset, word, cure in ((-1, "higher", higher), (1, "lower", lower)):
        shifted = int(classes.diagonal(offset).sum())
        if space.ids is None and space.num_classes > 2 and shifted > max(predicted / 2, 10 * right, MANY):
            return (
                f"The predictions are right on {right:,} of {predicted:,} pixels, but would be right on {shifted:,} if "
                f"each were one {word}; if the {cure}."
            )
    return ""


def _foregrounds(space: LabelSpace, void: tuple[int, ...]) -> str:
    """The void ids that may be the foreground of masks whose background is 0, as text; empty if there are none."""
    if space.num_classes > 2 or not (space.ids is None or 0 in space.ids[0]):
        return ""
    classes = range(space.num_classes) if space.ids is None else (label for of in space.ids for label in of)
    return " or ".join(map(str, sorted({*void} - {0, *classes})))


def _fit_better(classes: Tensor, others: int) -> bool:
    """Whether ``others``, a number of pixels off the diagonal, is most pixels, or far more than those on it."""
    right, predicted = int(classes.diagonal().sum()), int(classes.sum())
    return others > right and (others > predicted / 2 or others > max(3 * right, predicted / 5, MANY))


def _right_by_ids(classes: Tensor, ids: tuple[tuple[int, ...], ...]) -> int:
    """The pixels in cells whose row is an id of the class of their column."""
    number = len(ids)
    return sum(int(classes[i, c]) for c, labels in enumerate(ids) for i in labels if 0 <= i < number)
