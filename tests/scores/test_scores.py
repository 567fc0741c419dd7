"""IoU and means of counts: against the reference under every policy, against fractions, against scikit-learn."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from support import random_map

from meaniou import reference
from meaniou.scores import (
    Areas,
    class_iou,
    dice,
    mean_iou,
    pixel_accuracy,
    precision,
    recall,
    refuse_void_preds,
    under_policy,
)
from meaniou.settings.label_space import LabelSpace
from meaniou.settings.policy import Policy

AVERAGES = ["macro", "micro", "weighted", "none"]
PRESENT = ["union", "target"]
ABSENT = ["skip", "zero", "one", "nan"]
VOID_PREDS = ["miss", "drop"]


def every_kind():
    rng = np.random.default_rng(5)
    return [random_map(rng, (2, 300), torch.int64, 6, [255]).numpy() for _ in "pt"]


def pair(preds, target):
    return np.array([preds]), np.array([target])


MAPS = {  # predictions and truth of six classes; 255 is ignored, and where the name says so a class as well
    "every kind of label": every_kind(),
    "absent classes": pair([0, 1, 1, 3], [0, 1, 3, 3]),
    "only predicted": pair([0, 1, 5, 5], [0, 1, 1, 0]),
    "only in the truth": pair([0, 1, 1, 0], [0, 1, 5, 5]),
    "only predicted on void": pair([0, 5, 5, 1], [0, 255, 255, 1]),
    "only void predictions": pair([255, 255, 255], [2, 2, 4]),
    "some void predictions": pair([255, 0, 255, 1, 2], [0, 0, 2, 1, 1]),
    "one class is never predicted": pair([255, 0, 255], [4, 0, 4]),
    "only predictions out of range": pair([77, -1, 6], [0, 1, 1]),
    "outside truth": pair([0, 1, 2], [77, -1, 2]),
    "all void": pair([0, 1, 2], [255, 255, 255]),
    "nothing right": pair([1, 2, 3], [0, 1, 2]),
    "all right": pair([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
    "ignored class in the truth": pair([0, 1, 1, 2], [0, 1, 2, 2]),
    "empty": pair([], []),
}
MAPS["empty"] = [side.astype(np.int64) for side in MAPS["empty"]]


def areas_of(preds, target, num_classes=6, ignore=(255,), **policy):
    """Areas and policy of two maps, by the reference's counts."""
    space = LabelSpace(num_classes, ignore_index=ignore)
    rules = Policy.of(space, **policy)
    return Areas.of_counts(reference.counts(preds, target, num_classes, ignore), space, rules), rules


def assert_ratios(actual, expected):
    assert actual.dtype == np.float64
    assert actual.tolist() == pytest.approx(np.asarray(expected, dtype=float).tolist(), rel=1e-13, abs=0, nan_ok=True)


@pytest.mark.parametrize("classes", [None, [1, 4, 5], [3]], ids=["all classes", "classes 1 4 5", "class 3"])
@pytest.mark.parametrize("ignore", [(255,), (2, 255), (0, 1, 255)], ids=["void 255", "void 2", "void 0 1"])
@pytest.mark.parametrize("maps", MAPS)
def test_every_policy(maps, ignore, classes):
    preds, target = MAPS[maps]
    for present, absent, void_preds in product(PRESENT, ABSENT, VOID_PREDS):
        policy = {"present": present, "absent": absent, "void_preds": void_preds}
        areas, chosen = areas_of(preds, target, 6, ignore, **policy)
        assert_ratios(class_iou(areas, chosen), reference.class_iou(preds, target, 6, ignore, **policy))
        for average in AVERAGES:
            chosen = Policy.of(LabelSpace(6, ignore_index=ignore), average=average, classes=classes, **policy)
            expected = reference.mean_iou(preds, target, 6, ignore, average=average, classes=classes, **policy)
            assert_ratios(mean_iou(areas, chosen), expected)


def test_a_wrong_ratio_is_noticed():
    right = np.array([0.5, math.nan])
    assert_ratios(right, [0.5, math.nan])
    for wrong in ([0.5 + 1e-12, math.nan], [0.5, 0.0], [math.nan, 0.5], [0.5]):
        with pytest.raises(AssertionError):
            assert_ratios(right, wrong)
    with pytest.raises(AssertionError):
        assert_ratios(right.astype(np.float32), [0.5, math.nan])


# class  intersection  truth  predicted  union  IoU
#   0         1          2        1        2    1/2
#   1         1          2        2        3    1/3
#   2         0          0        1        1     0    only predicted; the prediction on the void pixel does not count
#   3         0          0        0        0     -
BY_HAND = pair([0, 1, 1, 2, 2], [0, 0, 1, 1, 255])


@pytest.mark.parametrize(
    ("policy", "value"),
    [
        ({}, (1 / 2 + 1 / 3 + 0) / 3),
        ({"present": "target"}, (1 / 2 + 1 / 3) / 2),
        ({"absent": "zero"}, (1 / 2 + 1 / 3 + 0 + 0) / 4),
        ({"absent": "one"}, (1 / 2 + 1 / 3 + 0 + 1) / 4),
        ({"absent": "nan"}, math.nan),
        ({"present": "target", "absent": "one"}, (1 / 2 + 1 / 3 + 1 + 1) / 4),
        ({"classes": [0, 3]}, 1 / 2),
        ({"classes": [0, 3], "absent": "zero"}, 1 / 4),
        ({"classes": [3]}, math.nan),
        ({"average": "micro"}, 2 / 6),
        ({"average": "micro", "present": "target"}, 2 / 5),
        ({"average": "weighted"}, (2 / 2 + 2 / 3) / 4),
        ({"average": "weighted", "include_background": False}, 1 / 3),
    ],
    ids=str,
)
def test_by_hand(policy, value):
    areas, chosen = areas_of(*BY_HAND, num_classes=4, **policy)
    assert areas.intersection.tolist() == [1, 1, 0, 0]
    assert areas.truth.tolist() == [2, 2, 0, 0]
    assert areas.predicted.tolist() == [1, 2, 1, 0]
    assert areas.union.tolist() == [2, 3, 1, 0]
    assert_ratios(mean_iou(areas, chosen), value)


def test_a_prediction_on_void_makes_no_class_present():
    areas, chosen = areas_of(*pair([0, 1, 1, 2], [0, 0, 1, 255]), num_classes=4)
    assert_ratios(class_iou(areas, chosen), [1 / 2, 1 / 2, math.nan, math.nan])
    assert areas.present(chosen).tolist() == [True, True, False, False]


def test_a_dropped_void_prediction_is_a_void_pixel():
    preds, target = pair([255, 0, 255, 1], [0, 0, 2, 1])
    miss, chosen = areas_of(preds, target, 3, void_preds="miss")
    assert_ratios(class_iou(miss, chosen), [1 / 2, 1, 0])
    drop, chosen = areas_of(preds, target, 3, void_preds="drop")
    assert_ratios(class_iou(drop, chosen), [1, 1, math.nan])
    # The same as with void ground truth there.
    void, chosen = areas_of(preds, np.where(preds == 255, 255, target), 3)
    assert [x.tolist() for x in (drop.intersection, drop.truth, drop.predicted)] == [
        x.tolist() for x in (void.intersection, void.truth, void.predicted)
    ]


def test_void_predictions_that_are_an_error():
    preds, target = pair([255, 0, 255, 255], [0, 0, 1, 255])
    rules = Policy.of(LabelSpace(6), void_preds="error")
    with pytest.raises(ValueError, match=r"on 2 valid pixels.*void_preds.*'error'.*'miss' or 'drop'"):
        refuse_void_preds(reference.counts(preds, target, 6, (255,)), rules)
    refuse_void_preds(reference.counts(preds, target, 6, (255,)), Policy.of(LabelSpace(6)))
    on_void = reference.counts(*pair([255, 1], [255, 1]), 6, (255,))  # predictions on void are not asked for
    refuse_void_preds(on_void, rules)
    assert Areas.of_counts(on_void, LabelSpace(6), rules).truth.tolist() == [0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("huge", [2**24, 2**31, 2**32, 2**40, 2**50], ids=lambda n: f"2**{n.bit_length() - 1}")
def test_huge_counts_give_exact_ratios(huge):
    # Rounded to float32, a 2**24 + 1 would be 2**24; in int32, 2**31 would be negative.
    counts = np.zeros((5, 5), np.int64)
    counts[0, 0], counts[0, 1], counts[1, 0], counts[1, 1], counts[2, 2] = huge + 1, 1, huge + 3, 1, huge - 1
    counts[3, 0] = counts[0, 3] = counts[1, 4] = counts[4, 4] = huge + 5
    space = LabelSpace(3)
    policy = Policy.of(space)
    areas = Areas.of_counts(counts, space, policy)
    truth = [huge + 1 + 1 + huge + 5, huge + 3 + 1 + huge + 5, huge - 1]
    predicted = [huge + 1 + huge + 3, 2, huge - 1]
    intersection = [huge + 1, 1, huge - 1]
    union = [t + p - i for t, p, i in zip(truth, predicted, intersection, strict=True)]

    def exact(part, whole):
        return [float(Fraction(p, w)) for p, w in zip(part, whole, strict=True)]

    assert class_iou(areas, policy).tolist() == exact(intersection, union)
    assert recall(areas).tolist() == exact(intersection, truth)
    assert precision(areas).tolist() == exact(intersection, predicted)
    assert dice(areas).tolist() == exact(
        [2 * i for i in intersection], [t + p for t, p in zip(truth, predicted, strict=True)]
    )
    assert pixel_accuracy(areas).item() == float(Fraction(sum(intersection), sum(truth)))
    micro = Policy.of(space, average="micro")
    assert mean_iou(areas, micro).item() == float(Fraction(sum(intersection), sum(union)))
    weighted = Policy.of(space, average="weighted")
    exact_weighted = sum(Fraction(t * i, u) for t, i, u in zip(truth, intersection, union, strict=True)) / sum(truth)
    assert mean_iou(areas, weighted).item() == pytest.approx(float(exact_weighted), rel=1e-15)


def test_areas_leave_the_counts_alone():
    counts = np.arange(25).reshape(5, 5)
    space = LabelSpace(3, ignore_index=[1])
    for void_preds in ("miss", "drop"):
        policy = Policy.of(space, void_preds=void_preds)
        mean_iou(Areas.of_counts(counts, space, policy), policy)
    assert np.array_equal(counts, np.arange(25).reshape(5, 5))


@pytest.mark.parametrize("num_classes", [1, 2, 19, 150])
def test_relatives_against_scikit_learn(num_classes):
    rng = np.random.default_rng(num_classes)
    preds, target = (random_map(rng, (4000,), torch.uint8, num_classes, [255]).numpy() for _ in "pt")
    areas, policy = areas_of(preds, target, num_classes)
    valid = target < num_classes  # outside labels are no class, as 255 is
    true = target[valid].astype(int)
    prediction = np.where(preds[valid] < num_classes, preds[valid], num_classes).astype(int)
    each = {"labels": range(num_classes), "average": None, "zero_division": np.nan}
    assert_ratios(dice(areas), sklearn.f1_score(true, prediction, **each))
    assert_ratios(precision(areas), sklearn.precision_score(true, prediction, **each))
    assert_ratios(recall(areas), sklearn.recall_score(true, prediction, **each))
    assert_ratios(pixel_accuracy(areas), sklearn.accuracy_score(true, prediction))
    labels = range(num_classes)
    assert_ratios(class_iou(areas, policy), sklearn.jaccard_score(true, prediction, labels=labels, average=None))
    for average in ("macro", "micro", "weighted"):
        areas, policy = areas_of(preds, target, num_classes, average=average)
        expected = sklearn.jaccard_score(true, prediction, labels=labels, average=average)
        assert_ratios(mean_iou(areas, policy), expected)


def test_relatives_of_nothing_are_not_defined():
    areas, _ = areas_of(*MAPS["all void"])
    for relative in (dice, precision, recall):
        assert_ratios(relative(areas), [math.nan] * 6)
    assert_ratios(pixel_accuracy(areas), math.nan)


MATRIX = st.integers(1, 5).flatmap(
    lambda c: st.lists(
        st.lists(st.integers(0, 2**40) | st.just(0), min_size=c + 2, max_size=c + 2), min_size=c + 2, max_size=c + 2
    )
)


@settings(deadline=None, max_examples=80)
@given(MATRIX, st.sampled_from(list(product(PRESENT, ABSENT, AVERAGES, VOID_PREDS))))
def test_what_holds_for_any_counts(matrix, policy):
    counts = np.array(matrix)
    space = LabelSpace(len(matrix) - 2)
    chosen = Policy.of(space, **dict(zip(("present", "absent", "average", "void_preds"), policy, strict=True)))
    areas = Areas.of_counts(counts, space, chosen)
    value = mean_iou(areas, chosen)
    assert value.dtype == np.float64
    assert value.shape == ((space.num_classes,) if chosen.average == "none" else ())
    assert ((value >= 0) & (value <= 1) | np.isnan(value)).all()
    iou, f1 = class_iou(areas, Policy.of(space)), dice(areas)
    np.testing.assert_allclose(f1, 2 * iou / (1 + iou), rtol=1e-12, atol=0)
    iou, f1 = class_iou(areas, chosen), under_policy(dice(areas), areas, chosen)  # by the same rules
    np.testing.assert_allclose(f1, 2 * iou / (1 + iou), rtol=1e-12, atol=0)
    for void in (-2, -1):  # what is in the void and outside rows changes nothing
        other = counts.copy()
        other[void] += 1000
        again = mean_iou(Areas.of_counts(other, space, chosen), chosen)
        np.testing.assert_array_equal(again, value)


@settings(deadline=None, max_examples=40)
@given(MATRIX)
def test_iou_is_symmetric(matrix):
    counts = np.array(matrix)
    counts[-2:] = counts[:, -2:] = 0
    space = LabelSpace(len(matrix) - 2)
    policy = Policy.of(space)
    there, back = (class_iou(Areas.of_counts(c, space, policy), policy) for c in (counts, counts.T))
    np.testing.assert_array_equal(there, back)
