"""Parts that the metrics of labels that overlap share: their labels, kernel, thresholds, states and files."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from meaniou._util import as_integer
from meaniou.counting import why_not
from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.state.state_form import StateForm
from meaniou.settings import MAX_CLASSES, ClassNames, LabelSpace, ThresholdSettings

INPUTS = tuple(field.name for field in fields(ThresholdSettings))


def label_space_of(num_labels: int, class_names: ClassNames | None) -> LabelSpace:
    """The labels and their names; raises ``TypeError`` or ``ValueError``."""
    number = as_integer("num_labels", num_labels)
    if not 1 <= number <= MAX_CLASSES:
        raise ValueError(f"num_labels is {number}; expected 1 to {MAX_CLASSES}.")
    return LabelSpace(number, class_names=class_names)


def refuse_kernel(impl: str) -> None:
    """Raises ``ValueError`` if a kernel is unknown or cannot run on this machine."""
    if reason := why_not(impl):
        raise ValueError(reason)


def place_in(grid: tuple[float, ...], threshold: float) -> int:
    """The index of a threshold in a grid; raises ``ValueError`` if neither it nor its float32 form is there."""
    if threshold in grid:  # first, since several thresholds for float64 scores may be one number in float32
        return grid.index(threshold)
    with np.errstate(over="ignore"):
        same = np.flatnonzero(np.array(grid).astype(np.float32) == np.float64(threshold).astype(np.float32))
    if not len(same):
        inside = min(max(threshold, grid[0]), grid[-1])
        nearest = min(grid, key=lambda value: abs(value - inside))
        raise ValueError(
            f"threshold is {threshold!r}, which was not counted; expected one of thresholds, such as {nearest!r}."
        )
    return int(same[0])


def label_form(labels: LabelSpace, inputs: ThresholdSettings, per_image: bool) -> StateForm:
    """The form of the states, with the settings on which the counts depend."""
    settings = {field.name: getattr(inputs, field.name) for field in fields(inputs) if field.compare}
    number = labels.num_classes
    shape = (number, 4, inputs.number + 3)
    return StateForm.of({"num_labels": number, **settings}, shape, 2 * number, per_image)


def saved_labels(
    metric: str,
    policy: tuple[str, ...],
    settled: tuple[str, ...],
    keywords: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> SavedSettings:
    """How a metric of labels that overlap is saved."""
    return SavedSettings(
        metric=metric,
        space=("num_labels", "class_names"),
        policy=policy,
        inputs=INPUTS,
        settled=("num_labels", "class_names", "ignore_index", "inclusive", "validate_args", *settled),
        values=lambda of: {"num_labels": of.label_space.num_classes, "class_names": of.label_space.class_names},
        keywords=keywords,
    )
