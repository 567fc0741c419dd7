"""The policy: the settings by which counts become scores, checked once and frozen."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, get_args

from meaniou._util import as_integer, as_iterable, check_bool, warn
from meaniou.settings.choices import Absent, Average, Over, Present, VoidPreds, check_choice
from meaniou.settings.label_space import LabelSpace


@dataclass(frozen=True)
class Policy:
    """How counts become scores; a policy does not change the counts.

    Attributes:
        average: ``"macro"``, ``"micro"``, ``"weighted"`` (by ground-truth area) or ``"none"``.
        void_preds: effect of a void prediction on a valid pixel: a miss of the true class (``"miss"``), a pixel that is
            ignored (``"drop"``), or a ``ValueError`` (``"error"``).
        present: which classes are present: those in ground truth or prediction (``"union"``), or those in the ground
            truth (``"target"``).
        absent: the score of a class that is not present, for the averages macro and none: left out (``"skip"``), 0
            (``"zero"``), 1 (``"one"``) or NaN (``"nan"``).
        classes: the class numbers that enter an average, sorted.
        over: the order of averaging: sum the pixels of the ``"dataset"`` first, or take the mean per ``"image"`` or per
            ``"class"`` first.
        worst_percent: average only this percentage of the lowest scores (of images, or of each class's images); with
            several values, the mean over them; empty for all scores.
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
        check_choice("average", average)
        check_choice("void_preds", void_preds)
        check_choice("present", present)
        check_choice("absent", absent)
        check_choice("over", over)
        percents = _percents(worst_percent)
        _check_over(over, average, percents)
        check_bool("include_background", include_background)
        in_mean = _classes_in_mean(space, classes, include_background)
        _warn_of_fractions(percents)
        return cls(average, void_preds, present, absent, in_mean, over, percents)

    def under(self, space: LabelSpace, **rules: Any) -> "Policy":
        """The same policy with other rules, by the keywords of ``of``; raises as ``of``."""
        if "worst_percent" in rules:
            return Policy.of(space, **{**vars(self), **rules})
        # Own percentages were checked before, with a warning that comes once.
        policy = Policy.of(space, **{**vars(self), "worst_percent": None, **rules})
        _check_over(policy.over, policy.average, self.worst_percent)
        return replace(policy, worst_percent=self.worst_percent)


def _check_over(over: Over, average: Average, worst_percent: tuple[float, ...]) -> None:
    """Raises ``ValueError`` if ``average`` or ``worst_percent`` does not fit the order of averaging."""
    if worst_percent and over == "dataset":
        raise ValueError("worst_percent is for scores per image. Pass over='image' or over='class' with it.")
    averages = {"dataset": get_args(Average), "image": ("macro",), "class": ("macro", "none")}
    if average not in averages[over]:
        raise ValueError(
            f"average is {average!r} and over is {over!r}; expected average='macro', or 'none' with over='class'."
        )


def _classes_in_mean(space: LabelSpace, classes: Iterable[int] | None, include_background: bool) -> tuple[int, ...]:
    """The sorted classes that enter an average; raises ``TypeError`` or ``ValueError``."""
    in_mean = set(range(space.num_classes))
    if classes is not None:
        asked = {as_integer("classes", c) for c in as_iterable("classes", classes)}
        if outside := sorted(asked - in_mean):
            raise ValueError(f"classes holds {outside[0]}; expected class numbers 0 to {space.num_classes - 1}.")
        in_mean = asked
    in_mean -= space.ignored_classes
    if not include_background:
        in_mean.discard(0)
    if not in_mean:
        passed = {
            "classes": classes is not None,
            "include_background=False": not include_background,
            "ignore_index": bool(space.ignored_classes),
        }
        excluding = " and ".join(name for name, is_passed in passed.items() if is_passed)
        exclude = "together exclude" if " and " in excluding else "excludes"
        raise ValueError(
            f"No class is left for the mean: {excluding} {exclude} all of them. Include at least one class."
        )
    return tuple(sorted(in_mean))


def _percents(worst_percent: float | Iterable[float] | None) -> tuple[float, ...]:
    """One or several percentages as a tuple of numbers; raises ``ValueError`` if one is not above 0 and up to 100."""
    if worst_percent is None:
        return ()
    scalar = getattr(worst_percent, "ndim", None) == 0  # a 0-d array or tensor only looks iterable
    percents: Any = worst_percent.item() if scalar else worst_percent  # type: ignore[union-attr]
    numbers = tuple(percents) if isinstance(percents, Iterable) else (percents,)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, Real) or not 0 < float(number) <= 100:
            raise ValueError(f"worst_percent holds {number!r}; expected a percentage above 0 and up to 100, such as 5.")
    return tuple(number if isinstance(number, int) else float(number) for number in numbers)


def _warn_of_fractions(percents: tuple[float, ...]) -> None:
    """Warns of a percentage below 1, which may be meant as a fraction."""
    if small := [percent for percent in percents if percent < 1]:
        warn(
            f"worst_percent holds {float(small[0]):g}, which is {float(small[0]):g} percent of the scores. If it is a "
            f"fraction, pass worst_percent={100 * float(small[0]):g}."
        )
