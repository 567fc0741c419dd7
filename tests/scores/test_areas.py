"""Areas of datasets, images and resamples use the same formulas, whatever the dimensions before the classes."""

from itertools import product

import numpy as np
import pytest

from meaniou import scores
from meaniou.scores import Areas, ImageRows
from meaniou.settings import LabelSpace, Policy

C = 6
SPACE = LabelSpace(C, ignore_index=[2])
RATIOS = [scores.iou, scores.dice, scores.precision, scores.recall, scores.pixel_accuracy]
POLICIES = [
    Policy.of(SPACE, present=present, absent=absent, average=average, classes=classes)
    for present, absent, average, classes in product(
        ("union", "target"), ("skip", "zero", "one", "nan"), ("macro", "micro", "weighted", "none"), (None, [0, 2, 5])
    )
]


def areas_of(rng, *shape):
    """Areas with absent classes, and with one entry of the first dimension all void."""
    intersection, missed, false = rng.integers(0, 50, (3, *shape, C)) * (rng.random((3, *shape, C)) < 0.6)
    intersection[..., 0, :] = missed[..., 0, :] = false[..., 0, :] = 0
    ignored = np.zeros(C, bool)
    ignored[2] = True
    return Areas(intersection, intersection + missed, intersection + false, ignored)


def part_of(areas, index):
    return Areas(areas.intersection[index], areas.truth[index], areas.predicted[index], areas.ignored)


@pytest.mark.parametrize("dtype", [np.int64, np.float64], ids=["whole", "floating"])
def test_a_formula_is_the_same_in_any_dimensions(dtype):
    areas = areas_of(np.random.default_rng(3), 4, 5)
    areas = Areas(*(p.astype(dtype) for p in (areas.intersection, areas.truth, areas.predicted)), areas.ignored)
    formulas = [*RATIOS]
    for policy in POLICIES:
        formulas += [lambda a, p=policy: scores.mean_iou(a, p), lambda a, p=policy: scores.class_iou(a, p)]
        formulas += [lambda a, p=policy: scores.weighted_iou(a, p), lambda a, p=policy: scores.image_iou(a, p)]
    for formula in formulas:
        whole = formula(areas)
        assert whole.dtype == np.float64
        for index in np.ndindex(4, 5):
            np.testing.assert_allclose(whole[index], formula(part_of(areas, index)), rtol=1e-15, atol=0)


@pytest.mark.parametrize("void_preds", ["miss", "drop"])
def test_the_areas_of_images_add_up_to_those_of_the_dataset(void_preds):
    policy, rng = Policy.of(SPACE, void_preds=void_preds), np.random.default_rng(4)
    counts = rng.integers(0, 9, (7, C + 2, C + 2))
    classes = counts[:, :C]
    rows = np.stack(
        [classes.diagonal(axis1=1, axis2=2), classes.sum(2), classes[..., :C].sum(1), classes[..., C]], axis=1
    )
    images, dataset = Areas.of_rows(rows, SPACE, policy), Areas.of_counts(counts.sum(0), SPACE, policy)
    for name in ("intersection", "truth", "predicted", "union"):
        assert getattr(images, name).sum(0).tolist() == getattr(dataset, name).tolist()
    assert images.ignored.tolist() == dataset.ignored.tolist() == [c == 2 for c in range(C)]


def test_rows_are_in_one_order_whatever_the_batches():
    rng = np.random.default_rng(5)
    rows, ids = rng.integers(0, 3, (9, 4, 2)), np.array([5, -1, 3, 5, -1, 0, 9, -1, 7])
    expected = ImageRows.in_order(rows, ids, {}, as_counted=False)
    assert expected.ids.tolist() == [-1, -1, -1, 0, 3, 5, 5, 7, 9]
    assert sorted(map(str, expected.rows)) == sorted(map(str, rows))
    for _ in range(5):
        order = rng.permutation(9)
        again = ImageRows.in_order(rows[order], ids[order], {}, as_counted=True)
        assert again.ids.tolist() == expected.ids.tolist()
        assert again.rows.tolist() == expected.rows.tolist()
        assert again.numbers is None  # some have ids


def test_images_without_ids_have_the_numbers_of_their_counting():
    rows = np.random.default_rng(6).integers(0, 9, (8, 4, 2))
    images = ImageRows.in_order(rows, np.full(8, -1), {}, as_counted=True)
    assert rows[images.numbers].tolist() == images.rows.tolist() != rows.tolist()
    assert images.numbered().rows.tolist() == rows.tolist()
    assert images.numbered().ids.tolist() == list(range(8))
    assert ImageRows.in_order(rows, np.full(8, -1), {}, as_counted=False).numbers is None
