"""Counts -> what in them is a mistake, or may be one, in words."""

from collections.abc import Iterator

from torch import Tensor

from meaniou.labels import LabelSpace
from meaniou.policy import Policy


class OutsideError(ValueError):
    """Labels outside the classes that are a mistake in the data or the settings.

    Attributes:
        side: which map holds them.
        fact: how many, and on the CPU where the first is and what is stored there.
        looks_like: a mistake that can be told from what is stored: ``"binary"`` for a mask of 0 and 255,
            ``"train ids"`` for class numbers with 255 as their void; empty for none.
        hint: what the label space has to say.
    """

    def __init__(self, side: str, fact: str, looks_like: str = "", hint: str = "") -> None:
        super().__init__(side, fact, looks_like, hint)
        self.side, self.fact, self.looks_like, self.hint = side, fact, looks_like, hint

    @property
    def of_preds(self) -> bool:
        """Whether it is the predictions that hold them."""
        return self.side.endswith("preds")

    @property
    def ignored(self) -> str:
        """What such labels are once they are ignored."""
        return "no answer and a miss" if self.of_preds else "void"

    def __str__(self) -> str:
        name = "preds" if self.of_preds else "target"
        cures = {
            "binary": f"if 255 is the foreground of a binary mask, pass {name} > 0; otherwise ",
            "train ids": "if they are class numbers (train ids), set pred_ids to 'classes'; otherwise "
            if self.of_preds
            else "if they are class numbers (train ids), take a label space without ids; otherwise ",
        }
        hint = f"{self.hint}; otherwise " if self.hint else cures.get(self.looks_like, "")
        return (
            f"{self.side} {self.fact}; {hint}set num_classes= to all classes, pass ignore_index= if such labels "
            f"are {self.ignored}, or mend the data (validate_args=False only counts such pixels)."
        )


def refuse_outside(counts: Tensor, space: LabelSpace) -> None:
    """Raises ``OutsideError`` if counts on the CPU hold a label outside the classes that is a mistake."""
    for name, number in zip(("target", "preds"), number_outside(counts), strict=True):
        if number:
            ids = space.target_bins if name == "target" else space.preds_bins
            raise OutsideError(name, fact_of(number, space.num_classes, bool(ids)), hint=space.hint)


def doubts(counts: Tensor, space: LabelSpace, policy: Policy) -> Iterator[str]:
    """Sentences on counts on the CPU that are possible, and yet are what a common mistake gives."""
    void, unanswered = int(counts[-2].sum()), int(counts[:-2, -2].sum())
    known = int(counts[:-2].sum())
    if space.target_bins and void > int(counts.sum()) / 2:
        yield (
            f"{void:,} of {int(counts.sum()):,} pixels of the truth are void, as if it held class numbers (train ids) "
            "where ids are expected; if it does, take a protocol or label space for these."
        )
    if space.preds_bins and (unanswered > known / 4 or _fits_as_classes(counts, space)):
        yield (
            f"The predictions are right on {int(counts[:-2, :-2].diagonal().sum()):,} of {known:,} valid pixels and "
            f"give no answer (a void id, or a NaN score) on {unanswered:,}, as if they held class numbers (train ids) "
            "where ids are expected; if they do, set pred_ids to 'classes'."
        )
    elif space.void and unanswered and not void and policy.unanswered == "miss":
        yield (
            f"The predictions give no answer (an ignored id, or a NaN score) on {unanswered:,} pixels, and the truth "
            "has no void, as if the two were swapped; pass the prediction first."
        )
    nowhere = not counts[1].any() and not counts[:, 1].any()
    if space.num_classes == 2 and space.ids is None and 255 in space.void and nowhere and void:
        yield (
            f"Class 1 is on neither side, and {void:,} pixels of the truth are void; if 255 is the foreground of "
            "binary masks, make it 1 (mask > 0) and ignore no id."
        )


def _fits_as_classes(counts: Tensor, space: LabelSpace) -> bool:
    """Whether most answers would be right, and more than are, if their ids were the numbers of the classes."""
    number = space.num_classes
    pairs = [(i, c) for i, c in zip(space.preds_bins[::2], space.preds_bins[1::2], strict=True) if c < number]
    as_numbers = sum(int(counts[i, c]) for i, c in pairs if 0 <= i < number)
    right, answered = int(counts[:-2, :-2].diagonal().sum()), int(counts[:-2, :-2].sum())
    return as_numbers > right and as_numbers > answered / 2


def number_outside(counts: Tensor) -> tuple[int, int]:
    """Pixels outside the classes in the truth, and in the prediction where the truth is a class."""
    return int(counts[-1].sum()), int(counts[:-2, -1].sum())


def fact_of(number: int, num_classes: int, by_ids: bool) -> str:
    """How many labels are outside of what."""
    classes = f"ids of the {num_classes} classes" if by_ids else f"classes 0 to {num_classes - 1}"
    return f"holds {number:,} pixel{'s' * (number != 1)} outside the {classes}"
