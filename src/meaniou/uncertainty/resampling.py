"""Rows of images -> how sure a number is: bootstrap percentile intervals, and paired comparisons.

Images are drawn with replacement, or whole groups of them (patients, scenes, sequences) where they are alike, as
Everingham et al. (IJCV 2015) do for Pascal VOC. The interval covers the choice of images, not that of training seeds
or of annotators. The draws depend only on the seed and the number of images, so they are the same on every device, for
any number of ranks, and for two metrics over the same images.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, integer
from meaniou.scores import Floats, Rows
from meaniou.settings import Policy
from meaniou.uncertainty.statistics import Of, statistic_of

Clusters = Mapping[int, Hashable] | Callable[[int], Hashable]
CONFIDENCE, RESAMPLES = 0.95, 1000  # by default
MAX_RESAMPLES = 10**6  # far more than an interval gains from
CHUNK = 1 << 22  # weights that are held at a time
# Differences below are of rounding: 0.1 and 0.2 have the mean 0.15000000000000002. A pixel of 10^10 is more.
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Interval(EqualByValue):
    """A value and what it might have been with other images of the same kind.

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


@dataclass(frozen=True, eq=False)
class Comparison(EqualByValue):
    """The difference of two metrics over the same images.

    Attributes:
        value: the number of the first metric minus that of the second.
        low, high: ends of the percentile interval of the difference.
        p_value: two-sided: twice the share of resamples with a difference of the other sign or none, at most 1.
        better: ``"a"`` or ``"b"`` where the interval is on one side of 0, else ``None``.
        confidence: the share of resamples inside the interval.
    """

    value: float
    low: float
    high: float
    p_value: float
    better: Literal["a", "b"] | None
    confidence: float


def bootstrap(
    rows: Rows,
    policy: Policy,
    of: Of,
    confidence: float,
    resamples: int,
    seed: int,
    clusters: Clusters | None,
) -> Interval | list[Interval]:
    """The interval of a number, or one for each class; its arguments are those of ``MeanIoU.bootstrap``."""
    _check(of, confidence, resamples, seed)
    values, drawn, lost = _drawn(rows, policy, of, resamples, seed, clusters)
    found = [
        Interval(float(v), *_ends(d, confidence), _std(d), float(share), confidence)
        for v, d, share in zip(np.atleast_1d(values), drawn.T, lost, strict=True)
    ]
    return found if of == "class" else found[0]


def compare(
    first: Rows,
    second: Rows,
    policy: Policy,
    of: Of,
    confidence: float,
    resamples: int,
    seed: int,
    clusters: Clusters | None,
) -> Comparison | list[Comparison]:
    """The difference of two over the same images, drawn together."""
    _check(of, confidence, resamples, seed)
    (a, drawn_a, _), (b, drawn_b, _) = (_drawn(rows, policy, of, resamples, seed, clusters) for rows in (first, second))
    found = []
    values, draws = (np.where(abs(d) < NOTHING, 0, d) for d in (np.atleast_1d(a - b), drawn_a - drawn_b))
    for value, drawn in zip(values, draws.T, strict=True):
        low, high = _ends(drawn, confidence)
        better: Literal["a", "b"] | None = "a" if low > 0 else "b" if high < 0 else None
        found.append(Comparison(float(value), low, high, _p_value(drawn), better, confidence))
    return found if of == "class" else found[0]


def _check(of: str, confidence: float, resamples: int, seed: int) -> None:
    if of not in ("mean", "class", "accuracy"):
        raise ValueError(f"of is {of!r}; expected 'mean', 'class' or 'accuracy'.")
    if not isinstance(confidence, float) or not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}; expected a share between 0 and 1, such as 0.95.")
    if not 2 <= integer("resamples", resamples) <= MAX_RESAMPLES:
        raise ValueError(f"resamples is {resamples}; expected 2 to {MAX_RESAMPLES:,}, such as 1000.")
    if integer("seed", seed) < 0:
        raise ValueError(f"seed is {seed}; expected a whole number from 0 on.")


def _drawn(
    rows: Rows, policy: Policy, of: Of, resamples: int, seed: int, clusters: Clusters | None
) -> tuple[Floats, Floats, Floats]:
    """The number itself, what it is in each draw ``[resamples, K]``, and the share of draws that lost a class."""
    members = _members(rows, clusters)
    number = int(members.max()) + 1 if len(members) else 0
    statistic = statistic_of(rows, policy, of)
    value, _ = statistic(np.ones((1, len(members)), np.int64))
    drawn, lost = np.full((resamples, np.size(value)), np.nan), np.zeros(np.size(value))
    if number > 1:
        generator = np.random.Generator(np.random.Philox(seed))
        step = max(1, CHUNK // max(number, len(members)))
        for start in range(0, resamples, step):
            times = _times(generator, number, min(step, resamples - start))
            part, gone = statistic(times[:, members])
            drawn[start : start + len(times)] = part.reshape(len(times), -1)
            lost += gone.reshape(len(times), -1).sum(0) / resamples
    return value[0], drawn, lost


def _times(generator: np.random.Generator, number: int, resamples: int) -> NDArray[np.int64]:
    """How often each of so many is drawn, ``[resamples, number]``: multinomial, by counting the draws."""
    chosen = generator.integers(0, number, size=(resamples, number))
    chosen += np.arange(resamples)[:, None] * number
    return np.bincount(chosen.ravel(), minlength=resamples * number).reshape(resamples, number)


def _members(rows: Rows, clusters: Clusters | None) -> NDArray[np.int64]:
    """The number of the group of each image; by default each is its own."""
    if clusters is None:
        return np.arange(len(rows.ids))
    if (rows.ids < 0).any():
        raise ValueError("clusters are of images with ids; expected ids in every update, so pass image_ids=.")
    if not callable(clusters) and not isinstance(clusters, Mapping):
        raise TypeError(
            f"clusters is a {type(clusters).__name__}; expected {{id: cluster}} or a function, so pass a dict."
        )
    find = clusters if callable(clusters) else clusters.__getitem__
    try:
        found: list[Any] = [find(int(i)) for i in rows.ids]
    except KeyError as error:
        raise ValueError(f"clusters has no image {error}; expected a cluster for each id, so name it.") from None
    # A number in a tensor has the hash of the tensor, and NaN equals nothing: each would be a group of its own.
    named = [name.item() if getattr(name, "ndim", None) == 0 else name for name in found]
    if unfit := [n for n in named if not isinstance(n, Hashable) or hasattr(n, "ndim") or n != n]:
        raise TypeError(f"clusters holds {unfit[0]!r}; expected names or numbers of clusters, so pass text.")
    numbers = {name: k for k, name in enumerate(dict.fromkeys(named))}
    return np.array([numbers[name] for name in named], np.int64)


def _ends(drawn: Floats, confidence: float) -> tuple[float, float]:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _std(drawn: Floats) -> float:
    known = drawn[~np.isnan(drawn)]
    return float(known.std(ddof=1)) if len(known) > 1 else math.nan


def _p_value(drawn: Floats) -> float:
    """Two sides, with the value itself counted as a draw, so that it is never 0."""
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return math.nan
    below, above = (known <= 0).sum(), (known >= 0).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(known))))
