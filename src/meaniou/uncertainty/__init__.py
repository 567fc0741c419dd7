"""How sure a number is: bootstrap confidence intervals and paired comparisons over images."""

from meaniou.uncertainty.resampling import (
    CONFIDENCE,
    MAX_RESAMPLES,
    RESAMPLES,
    Clusters,
    Comparison,
    Interval,
    bootstrap,
)
from meaniou.uncertainty.statistics import Of

__all__ = [
    "CONFIDENCE",
    "MAX_RESAMPLES",
    "RESAMPLES",
    "Clusters",
    "Comparison",
    "Interval",
    "Of",
    "bootstrap",
]
