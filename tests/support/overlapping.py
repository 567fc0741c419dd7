"""Seeded maps of labels that overlap, with scores at and beside their thresholds, and their counts by the reference."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou import reference
from meaniou.counting.kernels.label_table import holds
from meaniou.counting.kernels.spec import ThresholdSpec
from support import FAR, as_numpy

# Values that are easily taken for 0, 1 or void.
ODD_VALUES = (-1, 2, 3, 127, 254, 255, 256, -(2**31), 2**31, 2**32, 2**32 + 1, 2**32 - 1, *FAR)
ODD_FRACTIONS = (0.5, -0.0, 1 + 2**-7, 1e-7, np.nan, np.inf, -np.inf)
ODD_SCORES = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, 1e-45, -1e-45, 1e300, -1e300, 3.4e38)


def spec_of(thresholds: Sequence[float], **settings: object) -> ThresholdSpec:
    """A specification with these thresholds."""
    return ThresholdSpec(thresholds=" ".join(map(repr, thresholds)))._replace(**settings)  # type: ignore[arg-type]


def random_flags(rng: np.random.Generator, shape: Sequence[int], dtype: torch.dtype, ignore: Iterable[int]) -> Tensor:
    """Labels of a dtype: three in four are 0 or 1, the others void or odd values that the dtype can store."""
    flags = rng.integers(0, 2, size=shape)
    if dtype == torch.bool:
        return torch.from_numpy(flags).to(dtype)
    odd = sorted(value for value in {*ignore, *ODD_VALUES} if holds(dtype, value))
    values = np.array([*odd, *ODD_FRACTIONS] if dtype.is_floating_point else odd)
    return torch.from_numpy(np.where(rng.random(shape) < 3 / 4, flags, rng.choice(values, size=shape))).to(dtype)


def scores_around(
    rng: np.random.Generator, shape: Sequence[int], dtype: torch.dtype, thresholds: Sequence[float]
) -> Tensor:
    """Scores of a dtype: thresholds, the numbers next to them, any number between them, and odd ones."""
    edges = torch.tensor(thresholds, dtype=torch.float64).to(dtype)
    beside = [torch.nextafter(edges, torch.full_like(edges, end)) for end in (-np.inf, np.inf)] if len(edges) else []
    special = torch.cat([edges, *beside, torch.tensor(ODD_SCORES, dtype=torch.float64).to(dtype)])
    finite = edges[edges.isfinite()].double().tolist() or [0.0]
    low, high = min(finite), max(finite)
    between = torch.from_numpy(rng.uniform(low - 0.1, high + 0.1, size=shape)).to(dtype)
    picked = special[torch.from_numpy(rng.integers(0, len(special), size=shape))]
    return torch.where(torch.from_numpy(rng.random(shape) < 1 / 2), between, picked)


def expected_label_counts(
    preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec
) -> NDArray[np.int64]:
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
        at_least = [passes[0][..., :2].sum(-1), *(counts[..., 1] for counts in passes)]
        columns = [
            more - less for more, less in zip(at_least, [*at_least[1:], np.zeros_like(at_least[0])], strict=True)
        ]
        groups.append(np.stack([*columns, passes[0][..., 2], passes[0][..., 3]], axis=-1))
    return np.stack(groups) if groups else np.zeros((0, truth.shape[1], 4, spec.number + 3), np.int64)


def assert_same_label_counts(actual: Tensor, expected: NDArray[np.int64]) -> None:
    """Fails unless counts ``[G, L, 4, T + 3]`` are equal in dtype, shape and every cell; names the first other cell."""
    assert actual.dtype == torch.int64, f"counts are {actual.dtype}, not int64"
    assert tuple(actual.shape) == expected.shape, f"counts are {tuple(actual.shape)}, not {expected.shape}"
    wrong = np.argwhere(actual.numpy() != expected)
    if len(wrong):
        group, label, row, column = wrong[0].tolist()
        numbers = f"{actual[group, label, row, column]} != {expected[group, label, row, column]}"
        pytest.fail(f"group {group}, label {label}, row {row}, column {column}: {numbers}, {len(wrong)} cells differ")
