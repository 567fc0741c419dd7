"""The masks of bands: their pixels against the definition, and their sums against the counts."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meaniou import LabelSpace
from meaniou.counting import band_masks, bands_of, classes_of, count_bands
from meaniou.settings import BandSettings, InputSettings

CLASSES = 3
SPACE = LabelSpace(CLASSES, ignore_index=255)


def settings_of(width: Any = 1, edge: bool = True, void: Any = "ignore", drop: bool = False) -> BandSettings:
    inputs = InputSettings.of("auto", 0.5, False, "portable")
    return BandSettings.of_bands(inputs, width, edge, void, drop)


def maps(seed: int, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """A prediction and a ground truth of few contours, both with void; the prediction has labels out of range."""
    rng = np.random.default_rng(seed)
    labels = np.array([0, 0, 0, 1, 1, 2, 255, 9])
    target, preds = (rng.choice(labels[:top], [*shape[:-2], shape[-2] // 3 + 1, shape[-1] // 3 + 1]) for top in (7, 8))
    both = (side.repeat(3, -2).repeat(3, -1)[..., : shape[-2], : shape[-1]] for side in (preds, target))
    first, second = (torch.from_numpy(side.copy()) for side in both)
    return first, second


def in_band(codes: Any, width: int, edge: bool) -> Any:
    """Whether the window of each pixel holds two labels, from the definition; -1 is any label."""
    result = np.zeros(codes.shape, bool)
    for place in itertools.product(*map(range, codes.shape)):
        window = codes[tuple(slice(max(0, i - width), i + width + 1) for i in place)]
        labels = {*window.ravel().tolist()} - {-1}
        leaves = any(i < width or i + width >= side for i, side in zip(place, codes.shape, strict=True))
        result[place] = len(labels) > 1 or (edge and leaves and bool(labels))
    return result


@settings(max_examples=20)
@given(st.integers(0, 999), st.sampled_from([1, 2, 4]), st.booleans(), st.booleans(), st.booleans())
def test_masks_by_the_definition(seed: int, width: int, edge: bool, literal: bool, drop: bool) -> None:
    preds, target = maps(seed, (9, 11))
    inputs = settings_of(width, edge, "literal" if literal else "ignore", drop)
    truth, prediction = (side[0, 0].numpy() for side in band_masks(preds[None], target[None], None, SPACE, inputs))
    is_class = (target.numpy() < CLASSES) & ~((preds.numpy() == 255) & drop)
    in_classes = np.where(preds < CLASSES, preds, CLASSES)
    codes = np.where(is_class, target, CLASSES if literal else -1)
    of_preds = in_classes if literal else np.where(is_class, in_classes, -1)
    assert (truth == (in_band(codes, width, edge) & is_class)).all()
    assert (prediction == (in_band(of_preds, width, edge) & is_class & (in_classes < CLASSES))).all()


def sums(masks: tuple[torch.Tensor, torch.Tensor], labels: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The pixels of each class in both bands, and in each, ``[W, 3, C]``."""
    (truth, prediction), (of_preds, of_truth) = masks, (side[:, None] for side in labels)
    both = truth & prediction & (of_preds == of_truth)
    rows = [
        torch.stack([(part & (of == c)).flatten(2).sum((0, 2)) for c in range(CLASSES)], -1)
        for part, of in ((both, of_truth), (truth, of_truth), (prediction, of_preds))
    ]
    return torch.stack(rows, 1)


@pytest.mark.parametrize("shape", [(3, 17, 23), (2, 5, 9, 11)])
@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize(
    "keywords",
    [{}, {"edge": False}, {"void": "literal"}, {"void": "literal", "edge": False, "drop": True}, {"drop": True}],
)
def test_sums_of_masks_are_the_counts(shape: tuple[int, ...], with_valid: bool, keywords: dict[str, Any]) -> None:
    preds, target = maps(len(shape), shape)
    valid = torch.ones(shape, dtype=torch.bool) if with_valid else None
    if valid is not None:
        valid[0, ..., 12:] = valid[1, ..., :4, :] = False
    inputs = settings_of((1, 0.1, 3), **keywords)
    labels = classes_of(preds, target, valid, SPACE, inputs)
    masks = band_masks(preds, target, valid, SPACE, inputs)
    counts, _ = count_bands(preds, target, valid, SPACE, inputs)
    assert masks[0].shape == (shape[0], 3, *shape[1:])
    assert (sums(masks, labels) == bands_of(counts)).all()
    assert bands_of(counts)[:, 0].any()
    masks[0][0, 0].logical_not_()
    assert (sums(masks, labels) != bands_of(counts)).any()


def test_scores_have_masks_too() -> None:
    preds, target = maps(5, (2, 12, 14))
    scores = torch.nn.functional.one_hot(preds.clamp(max=2), CLASSES).movedim(-1, 1).float()
    masks = band_masks(scores, target, None, SPACE, settings_of(2))
    others = band_masks(preds.clamp(max=2), target, None, SPACE, settings_of(2))
    assert all(torch.equal(*pair) for pair in zip(masks, others, strict=True))


def test_points_have_no_bands() -> None:
    with pytest.raises(ValueError, match="points have no contour"):
        band_masks(torch.zeros(2, 5).long(), torch.zeros(2, 5).long(), None, SPACE, settings_of())
    with pytest.raises(ValueError, match="longest side"):
        band_masks(torch.zeros(1, 5, 5).long(), torch.zeros(1, 5, 5).long(), None, SPACE, settings_of(9))
