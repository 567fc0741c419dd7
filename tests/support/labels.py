"""Seeded batches of labels that overlap, with scores on and beside thresholds, and their counts by two oracles."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou import reference
from meaniou.counting.kernels.label_table import holds
from meaniou.counting.kernels.spec import ThresholdSpec
from support import FAR, as_numpy

IGNORE = (255, -1, 7)
# Values that are easily taken for 0, 1 or void.
ODD_VALUES = (-1, 2, 3, 127, 128, -128, 254, 255, 256, -(2**31), 2**31, 2**32, 2**32 + 1, 2**32 - 1, *FAR)
ODD_FRACTIONS = (0.5, 1.5, -0.0, 1 + 2**-7, 1e-7, np.nan, np.inf, -np.inf)
ODD_SCORES = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -2.0, 1e-7, 1e-45, -1e-45, 1e300, -1e300, 3.4e38)


def spec_of(thresholds: Sequence[float] = (0.5,), **settings: object) -> ThresholdSpec:
    """A specification with these thresholds."""
    return ThresholdSpec(" ".join(map(repr, thresholds)))._replace(**settings)  # type: ignore[arg-type]


def difficult_scores(
    rng: np.random.Generator, shape: Sequence[int], dtype: torch.dtype, thresholds: Sequence[float]
) -> Tensor:
    """Scores of a dtype: half of them in the range of the thresholds, the others on them, next to them, or odd."""
    edges = torch.tensor(thresholds, dtype=torch.float64).to(dtype)
    beside = [torch.nextafter(edges, torch.full_like(edges, end)) for end in (-np.inf, np.inf)]
    special = torch.cat([edges, *beside, torch.tensor(ODD_SCORES, dtype=torch.float64).to(dtype)])
    finite = edges[edges.isfinite()].double().tolist() or [0.0]
    between = torch.from_numpy(rng.uniform(min(finite) - 0.1, max(finite) + 0.1, size=shape)).to(dtype)
    picked = special[torch.from_numpy(rng.integers(0, len(special), size=shape))]
    return torch.where(torch.from_numpy(rng.random(shape) < 1 / 2), between, picked)


def difficult_labels(
    rng: np.random.Generator, shape: Sequence[int], dtype: torch.dtype, ignore: Iterable[int] = IGNORE
) -> Tensor:
    """Labels of a dtype: three in four are 0 or 1, the others void or odd values that the dtype can store."""
    flags = rng.integers(0, 2, size=shape)
    if dtype == torch.bool:
        return torch.from_numpy(flags).to(dtype)
    odd = sorted(value for value in {*ignore, *ODD_VALUES} if holds(dtype, value))
    values = np.array([*odd, *ODD_FRACTIONS] if dtype.is_floating_point else odd)
    return torch.from_numpy(np.where(rng.random(shape) < 3 / 4, flags, rng.choice(values, size=shape))).to(dtype)


def batch_of(
    rng: np.random.Generator,
    shape: Sequence[int],
    spec: ThresholdSpec,
    dtypes: tuple[torch.dtype, torch.dtype] = (torch.float32, torch.int64),
    valid: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Predictions and ground truth of these dtypes, and a mask with ``valid``."""
    if dtypes[0].is_floating_point:
        preds = difficult_scores(rng, shape, dtypes[0], spec.numbers)
    else:
        preds = difficult_labels(rng, shape, dtypes[0])
    return preds, difficult_labels(rng, shape, dtypes[1]), torch.from_numpy(rng.random(shape) < 0.7) if valid else None


def counts_by_pixels(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> NDArray[np.int64]:
    """Counts ``[G, L, 4, T + 3]`` by the definition, pixel by pixel."""
    wide = np.float64 if preds.dtype == torch.float64 else np.float32
    with np.errstate(over="ignore"):
        edges = np.asarray(spec.numbers, dtype=np.float64).astype(wide)
    images, labels = preds.shape[:2]
    counts = np.zeros((images if spec.images else 1, labels, 4, spec.number + 3), dtype=np.int64)

    def kind(value: float) -> int:
        return 0 if value == 0 else 1 if value == 1 else 2 if value in spec.ignore else 3

    for place in np.ndindex(*target.shape):
        value, predicted = target[place].item(), preds[place].item()
        row = 2 if valid is not None and not valid[place] else kind(value)
        if preds.is_floating_point():
            own = edges[place[1] : place[1] + 1] if spec.per_label else edges
            score = wide(predicted)
            is_set = score >= own if spec.inclusive else score > own
            column = len(own) + 1 if score != score else int(is_set.sum())
        else:
            column = kind(predicted)
        counts[place[0] if spec.images else 0, place[1], row, column] += 1
    return counts


def counts_by_reference(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> NDArray[np.int64]:
    """Counts ``[G, L, 4, T + 3]`` by the reference, from as many passes as there are thresholds.

    Column k holds the pixels that are set at threshold k - 1 and not at threshold k.
    """
    scores, truth, mask = as_numpy(preds), as_numpy(target), None if valid is None else valid.numpy()
    images = [slice(i, i + 1) for i in range(len(truth))] if spec.images else [slice(None)]
    thresholds = [spec.numbers] if spec.per_label else spec.numbers
    groups = []
    for image in images:
        maps, part = (scores[image], truth[image]), None if mask is None else mask[image]
        passes = [reference.label_counts(*maps, at, spec.inclusive, spec.ignore, part) for at in thresholds]
        is_set = [counts[..., 1] for counts in passes]
        above = [passes[0][..., :2].sum(-1), *is_set, np.zeros_like(is_set[0])]
        columns = [more - less for more, less in pairwise(above)]
        groups.append(np.stack([*columns, passes[0][..., 2], passes[0][..., 3]], axis=-1))
    return np.stack(groups) if groups else np.zeros((0, truth.shape[1], 4, spec.number + 3), np.int64)


def assert_counts(
    counts: Tensor, preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec, by_pixels: bool = True
) -> None:
    """Fails unless counts are those of the reference, and with ``by_pixels`` of the other oracle."""
    assert_same_label_counts(counts, counts_by_reference(preds, target, valid, spec))
    if by_pixels:
        assert_same_label_counts(counts, counts_by_pixels(preds, target, valid, spec))


def assert_same_label_counts(actual: Tensor, expected: NDArray[np.int64]) -> None:
    """Fails unless counts ``[G, L, 4, T + 3]`` are equal in dtype, shape and every cell; names the first other cell."""
    assert actual.dtype == torch.int64, f"counts are {actual.dtype}, not int64"
    assert tuple(actual.shape) == expected.shape, f"counts are {tuple(actual.shape)}, not {expected.shape}"
    wrong = np.argwhere(actual.numpy() != expected)
    if len(wrong):
        group, label, row, column = wrong[0].tolist()
        numbers = f"{actual[group, label, row, column]} != {expected[group, label, row, column]}"
        pytest.fail(f"group {group}, label {label}, row {row}, column {column}: {numbers}, {len(wrong)} cells differ")
