"""Parts of the metric of bands inside contours: its states and its files."""

from collections.abc import Mapping
from typing import Any

from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.counters.classes import counting_settings, saved_classes
from meaniou.metrics.state.state_form import StateForm
from meaniou.settings import BandSettings, LabelSpace


def band_form(space: LabelSpace, inputs: BandSettings, per_image: bool) -> StateForm:
    """The form of the states, with the settings on which the counts depend."""
    size, number = space.num_classes + 2, len(inputs.widths)
    shape = size + 3 * number, size
    return StateForm.of(counting_settings(space, inputs), shape, number * space.num_classes, per_image)


def saved_bands(metric: str) -> SavedSettings:
    """How a metric of bands is saved."""
    return saved_classes(metric, BandSettings, _keywords, ("width", "void_preds"))


def _keywords(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a metric from saved input settings."""
    others = {name: value for name, value in inputs.items() if name not in ("widths", "drop_void_preds")}
    return {**others, "width": inputs["widths"]}
