"""Settings: what they become, and one sentence for each that is off."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou.settings.input_settings import InputSettings
from meaniou.settings.label_space import MAX_CLASSES, LabelSpace
from meaniou.settings.label_tables import LabelTables
from meaniou.settings.policy import Policy


def space_of(num_classes, void=None, names=None):
    return LabelSpace(num_classes, ignore_index=void, class_names=names)


def test_a_label_space():
    space = space_of(3, (255, 1, -100, 255), ["sky", " road ", "car"])
    assert (space.num_classes, space.ignore_index, space.class_names) == (3, (-100, 1, 255), ("sky", "road", "car"))
    assert space.ignored_classes == {1}
    assert hash(space) == hash(space_of(3, [1, 255, -100], ("sky", "road", "car")))
    with pytest.raises(dataclasses.FrozenInstanceError):
        space.num_classes = 4


def test_names_are_the_ids_unless_given():
    assert space_of(3).class_names == ("0", "1", "2")
    assert space_of(3, names={2: "c", 0: "a", 1: "b"}).class_names == ("a", "b", "c")


PRED_IDS = {
    "plain": ({}, "ids", ()),
    "class numbers in truth too": ({"pred_ids": "classes", "ignore_index": 5}, "ids", (5,)),
    "ids": ({"ids": [7, 8], "ignore_index": 5}, "ids", (5,)),
    "classes": ({"ids": [7, 8], "ignore_index": 5, "pred_ids": "classes"}, "classes", (255,)),
    "none": ({"ids": [7, 8], "ignore_index": 5, "pred_ids": None}, "classes", (255,)),
    "own": ({"ids": [7, 8], "ignore_index": 5, "pred_ids": [8, (9, 7)]}, ((8,), (9, 7)), ()),
    "another void": ({"ids": [7, 8], "ignore_index": 5, "pred_void": 0}, "ids", (0,)),
}


@pytest.mark.parametrize(("settings", "preds_hold", "pred_void"), PRED_IDS.values(), ids=PRED_IDS)
def test_what_predictions_hold(settings, preds_hold, pred_void):
    space = LabelSpace(2, **settings)
    assert (space.preds_hold, space.pred_void) == (preds_hold, pred_void)
    assert LabelSpace(**space.settings()) == space
    assert LabelSpace(**space.settings()).tables == space.tables


def test_what_follows_from_other_settings_changes_with_them():
    space = LabelSpace(2, ids=[7, 8], ignore_index=5, class_names=["a", "b"])
    assert space.replace(ignore_index=6).pred_void == (6,)
    assert space.replace(ids=[1, 2]).pred_ids == ((1,), (2,))
    assert space.replace(pred_ids="classes").pred_void == (255,)
    assert space.replace(pred_void=0).replace(ignore_index=6).pred_void == (0,)
    assert space.replace(pred_void=0).replace(pred_ids="classes").pred_void == (255,)
    assert space.replace(ignore_index=6).class_names == ("a", "b")
    with pytest.raises(TypeError, match="void"):
        space.replace(void=0)


def test_the_tables_of_a_kernel():
    plain = LabelSpace(3, ignore_index=[1, 255]).tables
    assert plain == LabelTables(frozenset({1}), (1, 255), (), (), "", "")
    ids = LabelSpace(2, ids=[(9, 7), 8], ignore_index=[0, 8]).tables
    assert ids.ignored_classes == {1}
    assert ids.target_bins == ids.preds_bins == (0, 2, 7, 0, 8, 2, 9, 0)
    assert ids.target_text == "0 2 7 0 8 2 9 0"
    classes = LabelSpace(2, ids=[7, 8], ignore_index=0, pred_ids="classes").tables
    assert (classes.ignore, classes.target_bins, classes.preds_bins) == ((255,), (0, 2, 7, 0, 8, 1), ())
    # Class numbers on both sides share the ignored ids, so that another void of predictions takes a table.
    apart = LabelSpace(2, ignore_index=255, pred_void=9).tables
    assert (apart.ignore, apart.target_bins, apart.preds_bins) == ((255,), (), (0, 0, 1, 1, 9, 2))


@pytest.mark.parametrize(
    "ignore",
    [255, np.int64(255), np.uint8(255), torch.tensor(255), [255], (255,), {255}, np.array([255]), range(255, 256)],
    ids=type,
)
def test_ignored_ids_of_any_kind(ignore):
    assert space_of(2, ignore).ignore_index == (255,)
    assert all(type(i) is int for i in space_of(2, ignore).ignore_index)


@pytest.mark.parametrize("ignore", [None, (), [], set()], ids=repr)
def test_nothing_is_ignored(ignore):
    assert space_of(2, ignore).ignore_index == ()


def test_the_ends_of_what_is_allowed():
    assert space_of(1).num_classes == 1
    assert space_of(MAX_CLASSES).num_classes == MAX_CLASSES == 4096
    assert space_of(np.int32(7)).num_classes == 7
    assert space_of(2, [2**63 - 1, -(2**63)]).ignore_index == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("settings", "kind", "parts"),
    [
        ((0,), ValueError, ["num_classes is 0", "1 to 4096"]),
        ((-3,), ValueError, ["num_classes is -3"]),
        ((4097,), ValueError, ["num_classes is 4097", "1 to 4096"]),
        ((2.0,), TypeError, ["num_classes", "2.0", "float", "int"]),
        ((True,), TypeError, ["num_classes", "True", "bool"]),
        ((None,), TypeError, ["num_classes", "None"]),
        (("19",), TypeError, ["num_classes", "'19'"]),
        ((2, 255.0), TypeError, ["ignore_index", "255.0", "float"]),
        ((2, True), TypeError, ["ignore_index", "True"]),
        ((2, [255, None]), TypeError, ["ignore_index", "None"]),
        ((2, "255"), TypeError, ["ignore_index"]),
        ((2, 2**63), ValueError, ["ignore_index", str(2**63), "int64"]),
        ((2, [0, -(2**63) - 1]), ValueError, ["ignore_index", str(-(2**63) - 1)]),
        ((2, None, ["a"]), ValueError, ["names has 1 names", "expected 2"]),
        ((2, None, ["a", "b", "c"]), ValueError, ["class_names has 3 names", "expected 2"]),
        ((2, None, ["a", "a"]), ValueError, ["'a' more than once"]),
        ((2, None, ["a", " a "]), ValueError, ["'a' more than once"]),
        ((2, None, ["a", ""]), TypeError, ["names", "''"]),
        ((2, None, ["a", "  "]), TypeError, ["names", "''"]),
        ((2, None, ["a", 1]), TypeError, ["names", "1"]),
        ((2, None, "ab"), TypeError, ["names", "'ab'", "sequence"]),
        ((2, None, 5), TypeError, ["names", "5"]),
        ((2, None, {0: "a"}), ValueError, ["names has 1 keys (0)", "0 to 1"]),
        ((2, None, {1: "a", 2: "b"}), ValueError, ["names", "0 to 1"]),
        ((2, None, {0: "a", 1: "b", 255: "void"}), ValueError, ["class_names has 3 keys", "0 to 1"]),
    ],
    ids=str,
)
def test_a_label_space_that_is_off(settings, kind, parts):
    with pytest.raises(kind) as error:
        space_of(*settings)
    assert_sentence(error, *parts)


def test_a_policy():
    space = space_of(5, [3, 255])
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
def test_a_policy_that_is_off(settings, kind, parts):
    with pytest.raises(kind) as error:
        Policy.of(space_of(5, [3, 255]), **settings)
    assert_sentence(error, *parts)


def test_everything_ignored_leaves_no_mean():
    with pytest.raises(ValueError, match="No class is left"):
        Policy.of(space_of(2, [0, 1]))
    with pytest.raises(ValueError, match="No class is left"):
        Policy.of(space_of(1), include_background=False)


def test_counting():
    assert InputSettings.of("auto", 1, True, "auto") == InputSettings("auto", 1.0, True, "auto")
    assert InputSettings.of("index", math.inf, False, "cpu").threshold == math.inf
    assert type(InputSettings.of("auto", 0, True, "auto").threshold) is float


@pytest.mark.parametrize(
    ("settings", "kind", "parts"),
    [
        (("onehot", 0.5, True, "auto"), ValueError, ["input_format is 'onehot'", "'auto', 'index', 'one-hot'"]),
        ((None, 0.5, True, "auto"), ValueError, ["input_format is None"]),
        (("auto", "0.5", True, "auto"), TypeError, ["threshold is '0.5'", "number"]),
        (("auto", None, True, "auto"), TypeError, ["threshold is None"]),
        (("auto", math.nan, True, "auto"), TypeError, ["threshold is nan"]),
        (("auto", True, True, "auto"), TypeError, ["threshold is True"]),
        (("auto", 0.5, 1, "auto"), TypeError, ["validate_args is 1", "True or False"]),
        (("auto", 0.5, "no", "auto"), TypeError, ["validate_args is 'no'"]),
    ],
    ids=str,
)
def test_counting_that_is_off(settings, kind, parts):
    with pytest.raises(kind) as error:
        InputSettings.of(*settings)
    assert_sentence(error, *parts)
