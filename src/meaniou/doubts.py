"""Counts -> warnings: results that are possible, and yet are what a common mistake gives."""

from collections.abc import Iterator

from torch import Tensor

from meaniou.labels import LabelSpace
from meaniou.policy import Policy
from meaniou.words import Doubt

WHITE = 255  # the foreground of binary masks as image editors store it, and the usual void


def doubts(counts: Tensor, space: LabelSpace, policy: Policy) -> Iterator[Doubt]:
    """The doubts about counts on the CPU."""
    for sentence in (_of_truth(counts, space), _of_preds(counts, space, policy), _of_mask(counts, space)):
        if sentence:
            yield Doubt(sentence)


def _of_truth(counts: Tensor, space: LabelSpace) -> str:
    """Class numbers in a truth that should hold ids."""
    void, pixels = int(counts[-2].sum()), int(counts.sum())
    if space.ids is None or void <= pixels / 2:
        return ""
    return (
        f"{void:,} of {pixels:,} pixels of the truth are void, as if it held class numbers (train ids) where ids are "
        "expected; if it does, take a protocol or label space for these."
    )


def _of_preds(counts: Tensor, space: LabelSpace, policy: Policy) -> str:
    """Class numbers in predictions that should hold ids, or the other way round, and sides that are swapped."""
    classes = counts[:-2, :-2]
    known, right, no_answer = int(counts[:-2].sum()), int(classes.diagonal().sum()), int(counts[:-2, -2].sum())
    if space.pred_ids is not None:
        if no_answer > known / 4 or _fit(classes, _by_ids(classes, space.pred_ids)):
            return (
                f"The predictions are right on {right:,} of {known:,} valid pixels and give no answer (a void id, or a "
                f"NaN score) on {no_answer:,}, as if they held class numbers (train ids) where ids are expected; if "
                "they do, pass {pred_ids:classes}."
            )
    elif space.ids is not None:
        unshifted = _by_ids(classes.T, space.ids)
        if _fit(classes, unshifted):
            return (
                f"The predictions are right on {right:,} of {known:,} valid pixels, and would be on {unshifted:,} if "
                "both sides held the same numbers; if the truth holds class numbers already (reduced once before), "
                f"take plain {{num_classes:{space.num_classes}}}, and if predictions hold ids, pass {{pred_ids:ids}}."
            )
    void = int(counts[-2].sum())
    if space.pred_ids is None and space.void and no_answer and not void and policy.unanswered == "miss":
        if _is_white_foreground(space, space.pred_void) and not counts[:-2, 1].any():
            return ""  # said of the mask
        return (
            f"The predictions give no answer (an ignored id, or a NaN score) on {no_answer:,} pixels, and the truth "
            "has no void, as if the two were swapped; pass the prediction first."
        )
    return ""


def _of_mask(counts: Tensor, space: LabelSpace) -> str:
    """Binary masks of 0 and 255 where 255 is void: the foreground is lost, and the number is plausible."""
    cure = "if 255 is the foreground of binary masks, store it as 1 and do not ignore 255."
    void, no_answer = int(counts[-2].sum()), int(counts[:-2, -2].sum())
    foreground = 1 if space.num_classes == 2 else 0
    if _is_white_foreground(space, space.void) and void and not (foreground and counts[1].any()):
        return f"The truth holds no class 1, and {void:,} of its pixels are void; {cure}"
    if _is_white_foreground(space, space.pred_void) and no_answer and not (foreground and counts[:-1, 1].any()):
        return f"The predictions hold no class 1, and give no answer on {no_answer:,} pixels; {cure}"
    return ""


def _is_white_foreground(space: LabelSpace, void: tuple[int, ...]) -> bool:
    """Whether 255 is void where a background of 0 is a class and one other class at most."""
    return space.num_classes <= 2 and WHITE in void and (space.ids is None or 0 in space.ids[0])


def _fit(classes: Tensor, others: int) -> bool:
    """Whether most answers would be right, and more than are, if other cells were the right ones."""
    return others > int(classes.diagonal().sum()) and others > int(classes.sum()) / 2


def _by_ids(classes: Tensor, ids: tuple[tuple[int, ...], ...]) -> int:
    """Pixels in the cells whose row is the id of their column, both taken as numbers of classes."""
    number = len(ids)
    return sum(int(classes[i, c]) for c, labels in enumerate(ids) for i in labels if 0 <= i < number)
