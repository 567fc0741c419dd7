"""Policies: the values that settings become, and an error for each wrong one."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou.settings.label_space import LabelSpace
from meaniou.settings.policy import Policy


def test_a_policy():
    space = LabelSpace(5, ignore_index=[3, 255])
    assert Policy.of(space) == Policy("macro", "miss", "union", "skip", (0, 1, 2, 4))
    assert Policy.of(space, average=None).average == "none"
    assert Policy.of(space, include_background=False).classes == (1, 2, 4)
    assert Policy.of(space, classes=[4, 1, 4]).classes == (1, 4)
    assert Policy.of(space, classes=[4, 3, 0], include_background=False).classes == (4,)
    assert Policy.of(space, classes=iter([np.int64(2)])).classes == (2,)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy.of(space).average = "micro"


@pytest.mark.parametrize(
    ("settings", "kind", "parts"),
    [
        ({"average": "mean"}, ValueError, ["average is 'mean'", "'macro', 'micro', 'weighted', 'none'"]),
        ({"average": 1}, ValueError, ["average is 1"]),
        ({"average": ["macro"]}, ValueError, ["average is ['macro']"]),
        ({"void_preds": "ignore"}, ValueError, ["void_preds is 'ignore'", "'miss', 'drop', 'error'"]),
        ({"present": "preds"}, ValueError, ["present is 'preds'", "'union', 'target'"]),
        ({"absent": 0}, ValueError, ["absent is 0", "'skip', 'zero', 'one', 'nan'"]),
        ({"absent": None}, ValueError, ["absent is None"]),
        ({"include_background": 1}, TypeError, ["include_background is 1", "True or False"]),
        ({"include_background": None}, TypeError, ["include_background is None"]),
        ({"classes": [0, 5]}, ValueError, ["classes holds 5", "0 to 4"]),
        ({"classes": [-1]}, ValueError, ["classes holds -1", "0 to 4"]),
        ({"classes": [255]}, ValueError, ["classes holds 255", "0 to 4"]),
        ({"classes": [1.0]}, TypeError, ["classes holds 1.0", "whole number"]),
        ({"classes": [True]}, TypeError, ["classes holds True"]),
        ({"classes": []}, ValueError, ["No class is left"]),
        ({"classes": [3]}, ValueError, ["No class is left", "ignore_index"]),
        ({"classes": [0], "include_background": False}, ValueError, ["No class is left", "include_background"]),
        ({"classes": 3}, TypeError, ["classes"]),
    ],
    ids=str,
)
def test_a_policy_that_is_wrong(settings, kind, parts):
    with pytest.raises(kind) as error:
        Policy.of(LabelSpace(5, ignore_index=[3, 255]), **settings)
    assert_sentence(error, *parts)


def test_everything_ignored_leaves_no_mean():
    with pytest.raises(ValueError, match="No class is left"):
        Policy.of(LabelSpace(2, ignore_index=[0, 1]))
    with pytest.raises(ValueError, match="No class is left"):
        Policy.of(LabelSpace(1), include_background=False)


@pytest.mark.parametrize(
    ("worst_percent", "expected"),
    [
        (None, ()),
        (5, (5,)),
        ([5, 12.5], (5, 12.5)),
        (np.float64(5), (5.0,)),
        (np.array(20), (20,)),
        (torch.tensor(2.5), (2.5,)),
        (Fraction(5, 2), (2.5,)),
        (iter([1, 100]), (1, 100)),
    ],
    ids=range(8),
)
def test_percents_of_the_lowest_scores(worst_percent, expected):
    percents = Policy.of(LabelSpace(2), over="image", worst_percent=worst_percent).worst_percent
    assert percents == expected
    assert [type(p) for p in percents] == [type(p) for p in expected]


@pytest.mark.parametrize("worst_percent", [0, -1, 100.5, True, "5", [5, None], float("nan")], ids=repr)
def test_percents_that_are_none(worst_percent):
    with pytest.raises(ValueError, match="worst_percent holds") as error:
        Policy.of(LabelSpace(2), over="image", worst_percent=worst_percent)
    assert_sentence(error, "above 0 and up to 100")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"worst_percent": 5}, "over='image' or over='class'"),
        ({"over": "image", "average": "none"}, "expected average='macro'"),
        ({"over": "image", "average": "micro"}, "expected average='macro'"),
        ({"over": "class", "average": "weighted"}, "'none' with over='class'"),
    ],
    ids=str,
)
def test_orders_of_averaging_that_do_not_fit(settings, part):
    with pytest.raises(ValueError, match="over=") as error:
        Policy.of(LabelSpace(2), **settings)
    assert_sentence(error, part)
