"""Warnings about results that are possible, but look like those of a common mistake."""

from collections.abc import Iterator

from torch import Tensor

from meaniou._util import Doubt
from meaniou.settings import LabelSpace, Policy

MANY = 1000  # pixels, of which fewer are chance


def suspicious_counts(counts: Tensor, space: LabelSpace, policy: Policy) -> Iterator[Doubt]:
    """The warnings about counts on the CPU, of which a batch alone would give false ones."""
    sentences = (
        _class_numbers_in_truth(counts, space),
        _class_numbers_in_preds(counts, space) or _swapped_sides(counts, space, policy),
        _void_foreground(counts, space),
        _labels_off_by_one(counts, space),
    )
    for sentence in sentences:
        if sentence:
            yield Doubt(sentence)


def _class_numbers_in_truth(counts: Tensor, space: LabelSpace) -> str:
    """Class numbers in a truth that should hold ids."""
    void, pixels = int(counts[-2].sum()), int(counts.sum())
    if space.ids is None or void <= pixels / 2:
        return ""
    return (
        f"{void:,} of {pixels:,} pixels of the truth are void, as if it held class numbers (train ids) where ids are "
        "expected; if it does, take a protocol or label space for these."
    )


def _class_numbers_in_preds(counts: Tensor, space: LabelSpace) -> str:
    """Class numbers in predictions that should hold ids, or the other way round."""
    classes = counts[:-2, :-2]
    valid, right, void_preds = int(counts[:-2].sum()), int(classes.diagonal().sum()), int(counts[:-2, -2].sum())
    if space.pred_ids is not None and not _hold_no_class_numbers(classes, space.pred_ids):
        if void_preds > valid / 4 or _fit_better(classes, _right_by_ids(classes, space.pred_ids)):
            return (
                f"The predictions are right on {right:,} of {valid:,} valid pixels and give no answer (a void id, or a "
                f"NaN score) on {void_preds:,}, as if they held class numbers (train ids) where ids are expected; if "
                "they do, pass {pred_ids:classes}."
            )
    elif space.pred_ids is None and space.ids is not None:
        as_numbers = _right_by_ids(classes.T, space.ids)
        if _fit_better(classes, as_numbers):
            plain = f"take plain {{num_classes:{space.num_classes}}} and {{ignore_index:255}}"
            cure = "pass it as it is stored" if space.protocol else plain
            return (
                f"The predictions are right on {right:,} of {valid:,} valid pixels, and would be on {as_numbers:,} if "
                "both sides held the same numbers; if the truth holds class numbers already (reduced once before), "
                f"{cure}, and if predictions hold ids, pass {{pred_ids:ids}}."
            )
    return ""


def _hold_no_class_numbers(classes: Tensor, ids: tuple[tuple[int, ...], ...]) -> bool:
    """Whether there are predictions of a class all of whose ids are too large, or negative, for a class number."""
    predicted = classes.sum(0)
    return any(bool(predicted[c]) for c, labels in enumerate(ids) if not {*labels} & {*range(len(ids))})


def _swapped_sides(counts: Tensor, space: LabelSpace, policy: Policy) -> str:
    """Void in the predictions alone, as if they were the truth."""
    void, void_preds = int(counts[-2].sum()), int(counts[:-2, -2].sum())
    if space.pred_ids is None and space.ignore_index and void_preds and not void and policy.void_preds == "miss":
        if _foregrounds(space, space.pred_void) and not counts[:-2, -3].any():
            return ""  # ``_void_foreground`` says it
        return (
            f"The predictions give no answer (an ignored id, or a NaN score) on {void_preds:,} pixels, and the truth "
            "has no void: either the two are swapped (the prediction comes first), or the predictions hold ignored "
            "ids, and such pixels are misses."
        )
    return ""


def _void_foreground(counts: Tensor, space: LabelSpace) -> str:
    """Binary masks whose foreground is void: it is lost, and the number is plausible.

    Beside few pixels of class 1, which JPEG leaves behind, it shows where the predictions of class 1 lie.
    """
    void, void_preds, classes = int(counts[-2].sum()), int(counts[:-2, -2].sum()), counts[:-2, :-2]
    binary = space.num_classes == 2  # with a single class there is no foreground
    foreground = int(classes[1].sum()) if binary else 0
    on_void, on_valid = (int(counts[-2, 1]), int(classes[:, 1].sum())) if binary else (0, 0)
    lost = not foreground or (void > foreground and on_void > 2 * on_valid)
    if void and lost and (ids := _foregrounds(space, space.ignore_index)):
        held = f"{foreground:,} pixels of" if foreground else "no"
        return (
            f"The truth holds {held} class 1, and {void:,} of its pixels are void; if {ids} is the foreground of "
            f"binary masks, store it as 1 and do not ignore {ids}."
        )
    if void_preds and not on_valid + on_void and (ids := _foregrounds(space, space.pred_void)):
        return (
            f"The predictions hold no class 1, and give no answer on {void_preds:,} pixels; if {ids} is the foreground "
            f"of binary masks, store it as 1 and do not ignore {ids}."
        )
    return ""


def _labels_off_by_one(counts: Tensor, space: LabelSpace) -> str:
    """Labels that are off by one: a truth of 1 .. C with 0 for void, beside predictions of 0 .. C-1."""
    classes = counts[:-2, :-2]
    right, predicted = int(classes.diagonal().sum()), int(classes.sum())
    for offset, word in ((-1, "higher"), (1, "lower")):
        shifted = int(classes.diagonal(offset).sum())
        if space.ids is None and space.num_classes > 2 and shifted > max(predicted / 2, 10 * right, MANY):
            return (
                f"The predictions are right on {right:,} of {predicted:,} pixels, and would be on {shifted:,} if each "
                f"were one {word}; if the truth stores 1 to C with 0 for void, and predictions hold 0 to C-1, pass "
                "label_space=LabelSpace.reduce_zero_label(C)."
            )
    return ""


def _foregrounds(space: LabelSpace, void: tuple[int, ...]) -> str:
    """Void ids that may be the foreground of masks with the background 0; empty if there is none."""
    if space.num_classes > 2 or not (space.ids is None or 0 in space.ids[0]):
        return ""
    classes = range(space.num_classes) if space.ids is None else (label for of in space.ids for label in of)
    return " or ".join(map(str, sorted({*void} - {0, *classes})))


def _fit_better(classes: Tensor, others: int) -> bool:
    """Whether ``others``, the pixels in other cells than the diagonal, are most pixels, or many times those in it."""
    right, predicted = int(classes.diagonal().sum()), int(classes.sum())
    return others > right and (others > predicted / 2 or others > max(3 * right, predicted / 5, MANY))


def _right_by_ids(classes: Tensor, ids: tuple[tuple[int, ...], ...]) -> int:
    """Pixels in the cells whose row is the id of their column, both taken as numbers of classes."""
    number = len(ids)
    return sum(int(classes[i, c]) for c, labels in enumerate(ids) for i in labels if 0 <= i < number)
