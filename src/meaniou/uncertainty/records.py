"""Frozen records: a number with its confidence interval, and the difference of two numbers with its own."""

from dataclasses import dataclass
from typing import Literal

from meaniou._util import EqualByValue


@dataclass(frozen=True, eq=False)
class Interval(EqualByValue):
    """A value with its bootstrap confidence interval over images.

    Attributes:
        value: the number itself, a ratio 0 .. 1; NaN where it is undefined.
        low, high: ends of the percentile interval.
        std_error: standard deviation over the resamples.
        undefined_share: share of the resamples in which a class of the dataset vanished.
        confidence: the share of resamples inside the interval.
    """

    value: float
    low: float
    high: float
    std_error: float
    undefined_share: float
    confidence: float

    def __str__(self) -> str:
        """Such as ``0.296 [0.189, 0.572] (95 %)``."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] ({100 * self.confidence:g} %)"


@dataclass(frozen=True, eq=False)
class Comparison(EqualByValue):
    """The difference of two metrics, ``a`` and ``b``, over the same images.

    Attributes:
        value: the number of ``a`` minus that of ``b``; NaN where one of them is undefined.
        low, high: ends of the percentile interval of the difference.
        p_value: two-sided: twice the share of resamples whose difference is 0 or has the other sign, at most 1.
        better: ``"a"`` if the whole interval is above 0, ``"b"`` if it is below 0, else ``None``.
        confidence: the share of resamples inside the interval.
    """

    value: float
    low: float
    high: float
    p_value: float
    better: Literal["a", "b"] | None
    confidence: float
