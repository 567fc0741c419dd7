"""A confidence interval and a paired comparison as frozen records."""

from dataclasses import dataclass
from typing import Literal

from meaniou._util import EqualByValue


@dataclass(frozen=True, eq=False)
class Interval(EqualByValue):
    """A value with its bootstrap percentile interval over images; all are ratios 0 .. 1.

    Attributes:
        value: the value on all images; NaN where it is undefined.
        low, high: ends of the interval; NaN if all resamples are undefined, or there are fewer than two images or
            clusters.
        std_error: standard deviation over the resamples; NaN as for ``low``.
        undefined_share: for a mean, the share of the resamples that lack a class of the dataset, so that the mean is
            over fewer classes; for the IoU of a class, the share of the resamples that lack this class.
        confidence: share of the resamples inside the interval.

    Example:
        >>> from meaniou import Interval
        >>> print(Interval(value=0.296, low=0.189, high=0.572, std_error=0.1, undefined_share=0.0, confidence=0.95))
        0.296 [0.189, 0.572] (95 %)
    """

    value: float
    low: float
    high: float
    std_error: float
    undefined_share: float
    confidence: float

    def __str__(self) -> str:
        """The value, the interval and the confidence, such as ``0.296 [0.189, 0.572] (95 %)``."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] ({100 * self.confidence:g} %)"


@dataclass(frozen=True, eq=False)
class Comparison(EqualByValue):
    """The difference between metrics ``a`` and ``b`` over the same images, with its paired bootstrap interval.

    Attributes:
        value: value of ``a`` minus value of ``b``, -1 .. 1; NaN where one of them is undefined.
        low, high: ends of the percentile interval of the difference; NaN if all resamples are undefined, or there are
            fewer than two images or clusters.
        p_value: two-sided bootstrap p-value: about twice the share of the resamples whose difference is zero or has the
            opposite sign; above 0, at most 1, NaN as for ``low``.
        better: ``"a"`` if the whole interval is above 0, ``"b"`` if it is below 0, otherwise ``None``.
        confidence: share of the resamples inside the interval.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU, compare
        >>> a, b = MeanIoU(2, per_image=True), MeanIoU(2, per_image=True)
        >>> target = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 1, 1]], [[0, 1, 0, 1]]])
        >>> a.update(target, target, image_ids=[0, 1, 2])
        >>> b.update(1 - target, target, image_ids=[0, 1, 2])
        >>> difference = compare(a, b)
        >>> difference.value, difference.better
        (1.0, 'a')
    """

    value: float
    low: float
    high: float
    p_value: float
    better: Literal["a", "b"] | None
    confidence: float
