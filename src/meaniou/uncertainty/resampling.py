"""How images are resampled, and the intervals and paired comparisons that follow.

Images are drawn with replacement, or whole clusters of them (patients, scenes, sequences) where they are alike, as
Everingham et al. (IJCV 2015) do for Pascal VOC. The interval covers the choice of images, not that of training seeds
or of annotators. The resamples depend only on the seed and the number of images, so they are the same on every device,
for any number of ranks, and for two metrics over the same images.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from meaniou._util import integer
from meaniou.scores import Floats, ImageAreas, Ints
from meaniou.settings import Policy
from meaniou.uncertainty.records import Comparison, Interval
from meaniou.uncertainty.statistics import Statistic, statistic_of

Clusters = Mapping[int, Hashable] | Callable[[int], Hashable]
CONFIDENCE, RESAMPLES = 0.95, 1000  # by default
MAX_RESAMPLES = 10**6  # far more than an interval gains from
CHUNK = 1 << 22  # weights that are held at a time
# Differences below are of rounding: 0.1 and 0.2 have the mean 0.15000000000000002. A pixel of 10^10 is more.
NOTHING = 1e-12


@dataclass(frozen=True)
class Resampling:
    """How images are resampled; it checks itself, and raises ``ValueError`` or ``TypeError`` if a setting is off.

    Attributes:
        confidence: the share of resamples inside the interval.
        resamples: how often the images are resampled.
        seed: of the resampling.
        clusters: ``{id: cluster}`` or a function of the id, where images are alike (of one patient, scene or sequence):
            whole clusters are resampled then.
    """

    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = 0
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.confidence, float) or not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence!r}; expected a share between 0 and 1, such as 0.95.")
        if not 2 <= integer("resamples", self.resamples) <= MAX_RESAMPLES:
            raise ValueError(f"resamples is {self.resamples}; expected 2 to {MAX_RESAMPLES:,}, such as 1000.")
        if integer("seed", self.seed) < 0:
            raise ValueError(f"seed is {self.seed}; expected a whole number from 0 on.")
        if self.clusters is not None and not callable(self.clusters) and not isinstance(self.clusters, Mapping):
            raise TypeError(
                f"clusters is a {type(self.clusters).__name__}; expected {{id: cluster}} or a function, so pass a dict."
            )

    def weights(self, ids: Ints) -> Iterator[Ints]:
        """How often each image is in each resample, ``[R, N]``, some resamples at a time; none for a single image."""
        members = self._members(ids)
        number = int(members.max()) + 1 if len(members) else 0
        if number < 2:
            return
        generator = np.random.Generator(np.random.Philox(self.seed))
        step = max(1, CHUNK // max(number, len(members)))
        for start in range(0, self.resamples, step):
            yield _multinomial(generator, number, min(step, self.resamples - start))[:, members]

    def _members(self, ids: Ints) -> Ints:
        """The number of the cluster of each image; by default each is its own."""
        if self.clusters is None:
            return np.arange(len(ids))
        if (ids < 0).any():
            raise ValueError("clusters are of images with ids; expected ids in every update, so pass image_ids=.")
        find = self.clusters if callable(self.clusters) else self.clusters.__getitem__
        try:
            names: list[Any] = [find(int(i)) for i in ids]
        except KeyError as error:
            raise ValueError(f"clusters has no image {error}; expected a cluster for each id, so name it.") from None
        # A number in a tensor has the hash of the tensor, and NaN equals nothing: each would be a cluster of its own.
        names = [name.item() if getattr(name, "ndim", None) == 0 else name for name in names]
        if unfit := [n for n in names if not isinstance(n, Hashable) or hasattr(n, "ndim") or n != n]:
            raise TypeError(f"clusters holds {unfit[0]!r}; expected names or numbers of clusters, so pass text.")
        numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], np.int64)


def bootstrap(images: ImageAreas, policy: Policy, of: Statistic, resampling: Resampling) -> list[Interval]:
    """The interval of a number, or one for each class."""
    values, resampled, lost = _resampled(images, policy, of, resampling)
    return [
        Interval(float(value), *_ends(numbers, resampling), _std(numbers), float(share), resampling.confidence)
        for value, numbers, share in zip(values, resampled.T, lost, strict=True)
    ]


def compare(
    both: tuple[ImageAreas, ImageAreas], policy: Policy, of: Statistic, resampling: Resampling
) -> list[Comparison]:
    """The difference of two over the same images, resampled together; one, or one for each class."""
    (a, resampled_a, _), (b, resampled_b, _) = (_resampled(part, policy, of, resampling) for part in both)
    values, resampled = (np.where(abs(d) < NOTHING, 0, d) for d in (a - b, resampled_a - resampled_b))
    return [_comparison(float(value), numbers, resampling) for value, numbers in zip(values, resampled.T, strict=True)]


def _comparison(value: float, resampled: Floats, resampling: Resampling) -> Comparison:
    low, high = _ends(resampled, resampling)
    better: Literal["a", "b"] | None = "a" if low > 0 else "b" if high < 0 else None
    return Comparison(value, low, high, _p_value(resampled), better, resampling.confidence)


def _resampled(
    images: ImageAreas, policy: Policy, of: Statistic, resampling: Resampling
) -> tuple[Floats, Floats, Floats]:
    """The numbers themselves ``[K]``, what they are in each resample ``[R, K]``, and how often a class was lost."""
    statistic = statistic_of(images.areas, policy, of)
    values, _ = statistic(np.ones((1, len(images)), np.int64))
    size = values.shape[1]
    resampled, lost, start = np.full((resampling.resamples, size), np.nan), np.zeros(size), 0
    for weights in resampling.weights(images.ids):
        numbers, gone = statistic(weights)
        resampled[start : start + len(weights)] = numbers
        lost += gone.sum(0) / resampling.resamples
        start += len(weights)
    return values[0], resampled, lost


def _multinomial(generator: np.random.Generator, number: int, resamples: int) -> Ints:
    """How often each of so many is drawn, ``[resamples, number]``, by counting the draws."""
    places = generator.integers(0, number, size=(resamples, number))
    places += np.arange(resamples)[:, None] * number
    return np.bincount(places.ravel(), minlength=resamples * number).reshape(resamples, number)


def _ends(resampled: Floats, resampling: Resampling) -> tuple[float, float]:
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return math.nan, math.nan
    outside = [(1 - resampling.confidence) / 2, (1 + resampling.confidence) / 2]
    low, high = np.quantile(defined, outside)
    return float(low), float(high)


def _std(resampled: Floats) -> float:
    defined = resampled[~np.isnan(resampled)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else math.nan


def _p_value(resampled: Floats) -> float:
    """Two sides, with the value itself counted as a resample, so that it is never 0."""
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return math.nan
    below, above = (defined <= 0).sum(), (defined >= 0).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(defined))))
