"""Batches of labels that overlap with every special case, and their counts by two oracles."""

import numpy as np
import torch

from meaniou import reference
from meaniou.counting.kernels.label_table import holds
from meaniou.counting.kernels.spec import ThresholdSpec
from support import as_numpy, assert_same_counts

IGNORE = (255, -1, 7)
BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def spec_of(thresholds=(0.5,), **settings):
    return ThresholdSpec(" ".join(map(repr, thresholds)), **settings)


def difficult_scores(rng, shape, dtype, thresholds):
    """Scores on the thresholds and next to them, both zeros, both infinities, NaN, and others in their range."""
    edges = torch.tensor(thresholds, dtype=torch.float64).to(dtype)
    bits = edges.view(BITS[dtype.itemsize])
    others = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-7, -2.0], dtype=dtype)
    even = torch.linspace(thresholds[0] - 0.1, thresholds[-1] + 0.1, 50, dtype=torch.float64).to(dtype)
    values = torch.cat([edges, (bits + 1).view(dtype), (bits - 1).view(dtype), others, even])
    return values[torch.from_numpy(rng.integers(0, len(values), size=shape))]


def difficult_labels(rng, shape, dtype, ignore=IGNORE):
    """0 and 1 in four of five pixels, void values, and values outside that the dtype can store."""
    if dtype == torch.bool:
        return torch.from_numpy(rng.random(shape) < 0.5)
    fractions = (0.5, 1.5, float("nan"), float("inf")) if dtype.is_floating_point else (2**32, 2**32 + 1, -(2**31))
    others = [value for value in (*ignore, 2, 3, 128, -128) if holds(dtype, value)]
    others += [v for v in fractions if dtype.is_floating_point or holds(dtype, v)]
    values = torch.tensor([0, 1] * 2 * len(others) + others, dtype=torch.float64).to(dtype)
    return values[torch.from_numpy(rng.integers(0, len(values), size=shape))]


def counts_by_pixels(preds, target, valid, spec):
    """The counts by the definition, pixel by pixel: ``[G, L, 4, T + 3]``."""
    wide = np.float64 if preds.dtype == torch.float64 else np.float32
    with np.errstate(over="ignore"):
        edges = np.asarray(spec.numbers, dtype=np.float64).astype(wide)
    images, labels = preds.shape[:2]
    counts = np.zeros((images if spec.images else 1, labels, 4, spec.number + 3), dtype=np.int64)

    def kind(value):
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


def counts_by_reference(preds, target, valid, spec):
    """The counts at each threshold by the reference, ``[G, T, L, 4, 4]``."""
    sides = [as_numpy(preds), as_numpy(target), None if valid is None else valid.numpy()]
    groups = [slice(i, i + 1) for i in range(len(preds))] if spec.images else [slice(None)]
    thresholds = [list(spec.numbers)] if spec.per_label else spec.numbers
    return np.array(
        [
            [
                reference.label_counts(
                    sides[0][group],
                    sides[1][group],
                    threshold,
                    spec.inclusive,
                    spec.ignore,
                    None if valid is None else sides[2][group],
                )
                for threshold in thresholds
            ]
            for group in groups
        ]
    ).reshape(len(groups), len(thresholds), preds.shape[1], 4, 4)


def at_thresholds(counts):
    """Counts ``[G, L, 4, T + 3]`` at each threshold, ``[G, T, L, 4, 4]``."""
    number = counts.shape[-1] - 3
    parts = [
        np.concatenate(
            [counts[..., : k + 1].sum(-1, keepdims=True), counts[..., k + 1 : -2].sum(-1, keepdims=True)], axis=-1
        )
        for k in range(number)
    ]
    return np.stack([np.concatenate([part, counts[..., -2:]], axis=-1) for part in parts], axis=1)


def assert_counts(counts, preds, target, valid, spec, by_pixels=True):
    """Fails unless counts are those of both oracles."""
    expected = counts_by_reference(preds, target, valid, spec)
    actual = at_thresholds(np.asarray(counts))
    assert counts.dtype == torch.int64
    assert_same_counts(torch.from_numpy(actual).view(-1, 4), expected.reshape(-1, 4))
    if by_pixels:
        again = counts_by_pixels(preds, target, valid, spec)
        assert counts.shape == again.shape
        assert_same_counts(counts.reshape(-1, counts.shape[-1]), again.reshape(-1, again.shape[-1]))


def batch_of(rng, shape, spec, dtypes=(torch.float32, torch.int64), valid=False):
    preds = (
        difficult_scores(rng, shape, dtypes[0], spec.numbers)
        if dtypes[0].is_floating_point
        else difficult_labels(rng, shape, dtypes[0])
    )
    return preds, difficult_labels(rng, shape, dtypes[1]), torch.from_numpy(rng.random(shape) < 0.7) if valid else None
