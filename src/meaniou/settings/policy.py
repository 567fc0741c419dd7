"""Settings of scores and of counting -> frozen objects, made once and passed on whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from meaniou._util import each, flag, integer
from meaniou.settings.choices import Absent, Average, Over, Present, VoidPreds, one_of
from meaniou.settings.label_space import LabelSpace


@dataclass(frozen=True)
class Policy:
    """How counts become numbers; none of it changes what is counted.

    Attributes:
        average: ``"macro"``, ``"micro"``, ``"weighted"`` (by truth area) or ``"none"``.
        void_preds: what a no-answer on a valid pixel is: a ``"miss"``, void (``"drop"``) or an ``"error"``.
        present: the classes that enter an average: those in truth or prediction (``"union"``) or in the truth
            (``"target"``).
        absent: what a class that is not present brings to macro and none: nothing, 0, 1 or NaN.
        classes: the classes that enter an average, sorted.
        over: the order of averaging: pixels of the ``"dataset"`` first, or means over each ``"image"`` or ``"class"``.
        worst_percent: percent of the lowest scores that are averaged, of images or of each class's
            images; nothing for all.
    """

    average: Average = "macro"
    void_preds: VoidPreds = "miss"
    present: Present = "union"
    absent: Absent = "skip"
    classes: tuple[int, ...] = ()
    over: Over = "dataset"
    worst_percent: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        space: LabelSpace,
        *,
        average: Average | None = "macro",
        void_preds: VoidPreds = "miss",
        present: Present = "union",
        absent: Absent = "skip",
        classes: Iterable[int] | None = None,
        include_background: bool = True,
        over: Over = "dataset",
        worst_percent: float | Iterable[float] | None = None,
    ) -> "Policy":
        """Checks the settings against the label space and freezes them; raises ``TypeError`` or ``ValueError``."""
        average = "none" if average is None else average
        one_of("average", average)
        one_of("void_preds", void_preds)
        one_of("present", present)
        one_of("absent", absent)
        one_of("over", over)
        shares = _shares(worst_percent)
        if shares and over == "dataset":
            raise ValueError(
                "worst_percent is for over='image' or over='class'; expected one of them beside it, so add it."
            )
        if (over == "image" and average != "macro") or (over == "class" and average not in ("macro", "none")):
            raise ValueError(
                f"average is {average!r} and over is {over!r}; expected average='macro', or 'none' with over='class', "
                "since these are means over classes."
            )
        flag("include_background", include_background)
        chosen = (
            set(range(space.num_classes))
            if classes is None
            else {integer("classes", c) for c in each("classes", classes)}
        )
        wrong = sorted(c for c in chosen if not 0 <= c < space.num_classes)
        if wrong:
            raise ValueError(f"classes holds {wrong[0]}; expected class ids 0 to {space.num_classes - 1}, so drop it.")
        if not include_background:
            chosen.discard(0)
        chosen -= space.ignored_classes
        if not chosen:
            raise ValueError(
                "No class is left for the mean after classes, include_background and ignore_index; leave at "
                "least one class id in."
            )
        return cls(average, void_preds, present, absent, tuple(sorted(chosen)), over, shares)

    def under(self, space: LabelSpace, rules: Mapping[str, Any]) -> "Policy":
        """The same with other rules of a report; raises ``TypeError`` if one is no such rule, else as ``of``."""
        known = ("void_preds", "present", "absent", "classes", "include_background")
        if not isinstance(rules, Mapping):
            raise TypeError(f"policy is a {type(rules).__name__}; expected {{rule: value}}, so pass a dict.")
        if unknown := [name for name in rules if name not in known]:
            raise TypeError(
                f"policy holds {unknown[0]!r}, which is no rule of a report; expected some of {', '.join(known)}, "
                "since all else is settled when pixels are counted, or is in the report anyway."
            )
        return Policy.of(space, **{**vars(self), **rules})


def _shares(worst: float | Iterable[float] | None) -> tuple[float, ...]:
    number = worst.item() if getattr(worst, "ndim", None) == 0 else worst  # type: ignore[union-attr]
    shares: tuple[Any, ...] = () if number is None else tuple(number) if isinstance(number, Iterable) else (number,)
    for share in shares:
        if isinstance(share, bool) or not isinstance(share, Real) or not 0 < float(share) <= 100:
            raise ValueError(f"worst_percent holds {share!r}; expected percent above 0 and up to 100, such as 5.")
    return tuple(share if isinstance(share, int) else float(share) for share in shares)
