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


def refuse_table(val: Any) -> None:
    """Raises ``ValueError`` if values to plot are those of classes at several widths."""
    for value in val if isinstance(val, list | tuple) else [val]:
        if getattr(value, "ndim", 0) > 1:
            raise ValueError(
                f"val has the shape {list(value.shape)}; expected one value, or one for each class. Pass the row of "
                "one width, such as val[0], or leave val out to draw all widths."
            )


def saved_bands(metric: str) -> SavedSettings:
    """How a metric of bands is saved."""
    return saved_classes(metric, BandSettings, _keywords, ("width", "void_preds"))


def _keywords(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a metric from saved input settings."""
    others = {name: value for name, value in inputs.items() if name not in ("widths", "drop_void_preds")}
    return {**others, "width": inputs["widths"]}
