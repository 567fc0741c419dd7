"""Bootstrap resampling of images, and the intervals and paired comparisons computed from it.

Images, or whole clusters of images that are alike (patients, scenes, sequences), are resampled with replacement, as
Everingham et al. (IJCV 2015) do for Pascal VOC. The interval covers the choice of images, not that of training seeds
or of annotators. Resamples depend only on the seed and the number of images, so they are the same on every device, for
any number of ranks, and for two metrics over the same images.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from meaniou._util import as_integer, kind_of
from meaniou.scores import Floats, ImageAreas, Ints
from meaniou.settings import Policy
from meaniou.uncertainty.records import Comparison, Interval
from meaniou.uncertainty.statistics import Statistic, WeightedStatistic, statistic_of

Clusters = Mapping[int, Hashable] | Mapping[str, Hashable] | Callable[[Any], Hashable]
CONFIDENCE, RESAMPLES = 0.95, 1000  # by default
MAX_RESAMPLES = 10**6  # far more than improves an interval
CHUNK = 1 << 22  # weights held in memory at a time
# Smaller differences come from rounding: (0.1 + 0.2) / 2 is 0.15000000000000002. One pixel of 10^10 is more.
NOTHING = 1e-12


@dataclass(frozen=True)
class Resampling:
    """Settings of the bootstrap, for ``report(bootstrap=...)``.

    Attributes:
        confidence: share of the resamples inside the interval, above 0 and below 1.
        resamples: number of resamples, 2 to 1,000,000.
        seed: seed of the resampling, at least 0.
        clusters: ``{image id: cluster}``, or a function from the image id (number or name, as passed to ``update``) to
            its cluster, for images that are alike (of one patient, scene or sequence): whole clusters are resampled.

    Raises:
        TypeError: if a setting has the wrong type.
        ValueError: if a setting is out of range.

    Example:
        >>> from meaniou import Resampling
        >>> Resampling(resamples=5000, clusters=lambda name: name.split("/")[0]).resamples
        5000
    """

    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = 0
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.confidence, float) or not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence!r}; expected a number between 0 and 1, such as 0.95.")
        for name in ("resamples", "seed"):  # whole numbers of other types become ints
            object.__setattr__(self, name, as_integer(name, getattr(self, name)))
        if not 2 <= self.resamples <= MAX_RESAMPLES:
            raise ValueError(f"resamples is {self.resamples}; expected 2 to {MAX_RESAMPLES:,}, such as 1000.")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected a whole number of at least 0.")
        if self.clusters is not None and not callable(self.clusters) and not isinstance(self.clusters, Mapping):
            raise TypeError(
                f"clusters is {kind_of(self.clusters)}; expected a dict {{image id: cluster}} or a function."
            )

    def weights(self, images: ImageAreas) -> Iterator[Ints]:
        """The times each image occurs in each resample, ``[R, N]``, in chunks of resamples; none for one image."""
        members = self._members(images)
        number = int(members.max()) + 1 if len(members) else 0
        if number < 2:
            return
        generator = np.random.Generator(np.random.Philox(self.seed))
        step = max(1, CHUNK // max(number, len(members)))
        for start in range(0, self.resamples, step):
            yield _multinomial(generator, number, min(step, self.resamples - start))[:, members]

    def _members(self, images: ImageAreas) -> Ints:
        """The cluster number of each image; without clusters each image is one."""
        if self.clusters is None:
            return np.arange(len(images))
        if (images.ids < 0).any():
            raise ValueError("clusters needs an id for every image; pass image_ids= in every update.")
        find: Callable[[Any], Hashable] = self.clusters if callable(self.clusters) else self.clusters.__getitem__
        try:
            names: list[Any] = [find(image_id) for image_id in images.own_ids]
        except KeyError as error:
            raise ValueError(f"clusters has no entry for image {error}; add a cluster for every image id.") from None
        # A tensor is hashed by identity, and NaN equals nothing: each image would be a cluster of its own.
        names = [name.item() if getattr(name, "ndim", None) == 0 else name for name in names]
        if unfit := [n for n in names if not isinstance(n, Hashable) or hasattr(n, "ndim") or n != n]:
            raise TypeError(f"clusters holds {unfit[0]!r} as a cluster; expected a string or a number.")
        numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], np.int64)


@dataclass(frozen=True)
class Resampled:
    """A statistic: its values ``[K]``, those of each resample ``[R, K]``, and the share that lacks a class, ``[K]``."""

    values: Floats
    numbers: Floats
    lost: Floats


def bootstrap(
    images: ImageAreas, policy: Policy, resampling: Resampling, *of: Statistic
) -> tuple[tuple[Interval, ...], ...]:
    """Bootstrap intervals of statistics of images; ``MeanIoU.bootstrap`` calls it.

    Args:
        images: the areas of the images.
        policy: the rules.
        resampling: settings of the bootstrap.
        of: ``"mean"``, ``"accuracy"`` or ``"class"`` (the IoU of each class).

    Returns:
        For each statistic its intervals: one, or with ``"class"`` one for each class.
    """
    statistics = [statistic_of(images.areas, policy, name) for name in of]
    return tuple(_intervals(part, resampling) for part in resampled(statistics, images, resampling))


def compare(
    a: ImageAreas, b: ImageAreas, policy: Policy, resampling: Resampling, *of: Statistic
) -> tuple[tuple[Comparison, ...], ...]:
    """Paired comparisons of statistics of the same images under two models; ``meaniou.compare`` calls it.

    Arguments and result are those of ``bootstrap``, with the areas of the images for ``a`` and for ``b``. Both use the
    same resamples.
    """
    statistics = [statistic_of(images.areas, policy, name) for images in (a, b) for name in of]
    parts = resampled(statistics, a, resampling)
    pairs = zip(parts[: len(of)], parts[len(of) :], strict=True)
    return tuple(_comparisons(of_a, of_b, resampling) for of_a, of_b in pairs)


def resampled(statistics: Sequence[WeightedStatistic], images: ImageAreas, resampling: Resampling) -> list[Resampled]:
    """The values of several statistics on the images and on the same resamples."""
    values = [statistic(np.ones((1, len(images)), np.int64))[0][0] for statistic in statistics]
    chunks = [[statistic(weights) for statistic in statistics] for weights in resampling.weights(images)]
    if not chunks:  # a single image
        size = resampling.resamples
        return [Resampled(value, np.full((size, len(value)), np.nan), np.zeros(len(value))) for value in values]
    parts = []
    for value, of_statistic in zip(values, zip(*chunks, strict=True), strict=True):
        numbers, lost = (np.concatenate(part) for part in zip(*of_statistic, strict=True))
        parts.append(Resampled(value, numbers, lost.mean(0)))
    return parts


def _intervals(part: Resampled, resampling: Resampling) -> tuple[Interval, ...]:
    return tuple(
        Interval(float(value), *_ends(numbers, resampling), _std(numbers), float(lost), resampling.confidence)
        for value, numbers, lost in zip(part.values, part.numbers.T, part.lost, strict=True)
    )


def _comparisons(a: Resampled, b: Resampled, resampling: Resampling) -> tuple[Comparison, ...]:
    values, differences = (np.where(abs(d) < NOTHING, 0, d) for d in (a.values - b.values, a.numbers - b.numbers))
    comparisons = []
    for value, numbers in zip(values, differences.T, strict=True):
        low, high = _ends(numbers, resampling)
        better: Literal["a", "b"] | None = "a" if low > 0 else "b" if high < 0 else None
        comparisons.append(Comparison(float(value), low, high, _p_value(numbers), better, resampling.confidence))
    return tuple(comparisons)


def _multinomial(generator: np.random.Generator, number: int, resamples: int) -> Ints:
    """The times each of ``number`` clusters occurs in each resample, ``[resamples, number]``."""
    places = generator.integers(0, number, size=(resamples, number))
    places += np.arange(resamples)[:, None] * number
    return np.bincount(places.ravel(), minlength=resamples * number).reshape(resamples, number)


def _ends(numbers: Floats, resampling: Resampling) -> tuple[float, float]:
    defined = numbers[~np.isnan(numbers)]
    if not len(defined):
        return math.nan, math.nan
    outside = [(1 - resampling.confidence) / 2, (1 + resampling.confidence) / 2]
    low, high = np.quantile(defined, outside)
    return float(low), float(high)


def _std(numbers: Floats) -> float:
    defined = numbers[~np.isnan(numbers)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else math.nan


def _p_value(numbers: Floats) -> float:
    """The two-sided p-value; the observed value counts as a resample, so that it is never 0."""
    defined = numbers[~np.isnan(numbers)]
    if not len(defined):
        return math.nan
    below, above = (defined <= 0).sum(), (defined >= 0).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(defined))))
