"""Bootstrap confidence intervals and paired tests over images."""

from meaniou.uncertainty.records import Comparison, Interval
from meaniou.uncertainty.resampling import (
    CONFIDENCE,
    MAX_RESAMPLES,
    RESAMPLES,
    Clusters,
    Resampling,
    bootstrap,
    compare,
)
from meaniou.uncertainty.statistics import OverallStatistic, check_overall_statistic

__all__ = [
    "CONFIDENCE",
    "MAX_RESAMPLES",
    "RESAMPLES",
    "Clusters",
    "Comparison",
    "Interval",
    "OverallStatistic",
    "Resampling",
    "bootstrap",
    "check_overall_statistic",
    "compare",
]
