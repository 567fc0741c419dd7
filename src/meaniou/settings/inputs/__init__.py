"""How a batch is read and counted: label maps and scores, thresholds, and bands inside contours."""

from meaniou.settings.inputs.band_settings import BandSettings, as_widths
from meaniou.settings.inputs.input_settings import InputSettings, as_threshold
from meaniou.settings.inputs.threshold_settings import ThresholdSettings, label_thresholds, threshold_grid

__all__ = [
    "BandSettings",
    "InputSettings",
    "ThresholdSettings",
    "as_threshold",
    "as_widths",
    "label_thresholds",
    "threshold_grid",
]
