"""The settings of thresholding and counting the scores of labels that overlap."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from meaniou._util import as_integer, as_iterable, check_bool, quoted
from meaniou.settings.choices import Impl
from meaniou.settings.inputs.input_settings import as_threshold
from meaniou.settings.label_ids import as_void_ids

MAX_THRESHOLDS = 4096


@dataclass(frozen=True)
class ThresholdSettings:
    """How scores of labels that overlap are thresholded and counted.

    Attributes:
        thresholds: ascending thresholds for all labels, or one threshold for each label.
        per_label: whether each label has a threshold of its own.
        inclusive: whether a score that equals a threshold sets the label.
        ignore_index: values of the ground truth that are void, sorted; also of predicted labels.
        validate_args: whether other values raise ``LabelValueError``, and suspicious scores cause a warning.
        impl: the requested kernel, which is left out of comparisons.
    """

    thresholds: tuple[float, ...] = (0.5,)
    per_label: bool = False
    inclusive: bool = False
    ignore_index: tuple[int, ...] = ()
    validate_args: bool = True
    impl: Impl = field(default="auto", compare=False)

    @classmethod
    def of(
        cls,
        thresholds: tuple[float, ...],
        inclusive: bool,
        ignore_index: int | Iterable[int] | None,
        validate_args: bool,
        impl: Impl,
        *,
        per_label: bool = False,
    ) -> "ThresholdSettings":
        """Checks the settings and freezes them; raises ``TypeError`` or ``ValueError`` for a wrong one."""
        check_bool("inclusive", inclusive)
        check_bool("validate_args", validate_args)
        void = as_void_ids("ignore_index", ignore_index)
        if taken := [value for value in void if value in (0, 1)]:
            raise ValueError(
                f"ignore_index holds {taken[0]}, but here it is a value of the ground truth, in which 0 and 1 say "
                f"whether a label is set; expected other values, such as 255. To leave label {taken[0]} out of means, "
                "pass classes= with the other labels."
            )
        return cls(thresholds, per_label, inclusive, void, validate_args, impl)

    def __post_init__(self) -> None:
        _ = self.text  # compiled code then reads an attribute, and no settings are made into text in each update

    @cached_property
    def text(self) -> str:
        """The thresholds as text, from which the same numbers can be read."""
        return " ".join(map(repr, self.thresholds))

    @property
    def number(self) -> int:
        """Number of thresholds at which each label is counted."""
        return 1 if self.per_label else len(self.thresholds)


def label_thresholds(threshold: Any, num_labels: int) -> tuple[float, ...]:
    """One threshold for all labels, or one for each; raises ``TypeError`` or ``ValueError``."""
    if not isinstance(threshold, Iterable) or isinstance(threshold, str) or getattr(threshold, "ndim", 1) == 0:
        return (as_threshold("threshold", threshold),)
    if isinstance(threshold, Mapping | Set):  # it would yield the keys, or numbers in any order
        raise TypeError(
            f"threshold is {quoted(threshold)}; expected one number, or a list with one for each label in their order."
        )
    values = tuple(as_threshold("threshold", value) for value in threshold)
    if len(values) != num_labels:
        raise ValueError(
            f"threshold holds {len(values)} numbers; expected one number, or {num_labels}, one for each label. For the "
            "IoU at many thresholds use IoUCurve."
        )
    return values


def threshold_grid(thresholds: Any) -> tuple[float, ...]:
    """Ascending thresholds; a whole number n stands for n even ones from 0 to 1, both included.

    Raises:
        TypeError: if they are something else.
        ValueError: if there are none or too many, or they do not ascend.
    """
    if not isinstance(thresholds, Iterable) or getattr(thresholds, "ndim", 1) == 0:
        if isinstance(thresholds, float):
            raise TypeError(
                f"thresholds is {thresholds!r}; expected a list, such as [{thresholds!r}], or the number of even "
                "thresholds from 0 to 1."
            )
        number = as_integer("thresholds", thresholds)
        if not 2 <= number <= MAX_THRESHOLDS:
            raise ValueError(
                f"thresholds is {number}; expected 2 to {MAX_THRESHOLDS}, the number of even thresholds from 0 to 1, "
                "or a list of thresholds."
            )
        return tuple(k / (number - 1) for k in range(number))
    if isinstance(thresholds, Mapping):  # it would yield the keys
        raise TypeError(f"thresholds is {quoted(thresholds)}; expected a number, or a list of thresholds.")
    grid = tuple(as_threshold("thresholds", value) for value in as_iterable("thresholds", thresholds))
    if not 1 <= len(grid) <= MAX_THRESHOLDS:
        raise ValueError(f"thresholds holds {len(grid)} numbers; expected 1 to {MAX_THRESHOLDS}.")
    for low, high in pairwise(grid):
        if high <= low:
            fault = "twice" if high == low else f"before {high:g}"
            several = "thresholds.tolist()" if hasattr(thresholds, "tolist") else "thresholds"
            raise ValueError(
                f"thresholds holds {low:g} {fault}; expected ascending thresholds. Pass sorted(set({several}))."
            )
    return grid
