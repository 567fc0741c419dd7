"""Label spaces: the values that settings become, and an error for each wrong one."""

import dataclasses

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou.settings.label_space import MAX_CLASSES, LabelSpace
from meaniou.settings.label_tables import LabelTables


def space_of(num_classes, void=None, names=None):
    return LabelSpace(num_classes, ignore_index=void, class_names=names)


def test_a_label_space():
    space = space_of(3, (255, 1, -100, 255), ["sky", " road ", "car"])
    assert (space.num_classes, space.ignore_index, space.class_names) == (3, (-100, 1, 255), ("sky", "road", "car"))
    assert space.ignored_classes == {1}
    assert hash(space) == hash(space_of(3, [1, 255, -100], ("sky", "road", "car")))
    with pytest.raises(dataclasses.FrozenInstanceError):
        space.num_classes = 4


def test_names_are_the_ids_by_default():
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
    assert plain == LabelTables(frozenset({1}), (1, 255), "", "")
    ids = LabelSpace(2, ids=[(9, 7), 8], ignore_index=[0, 8]).tables
    assert ids.ignored_classes == {1}
    assert ids.target_ids == ids.preds_ids == "0 2 7 0 8 2 9 0"
    classes = LabelSpace(2, ids=[7, 8], ignore_index=0, pred_ids="classes").tables
    assert (classes.ignore, classes.target_ids, classes.preds_ids) == ((255,), "0 2 7 0 8 1", "")
    # Class numbers on both sides share the void ids; other void ids in predictions take a table.
    apart = LabelSpace(2, ignore_index=255, pred_void=9).tables
    assert (apart.ignore, apart.target_ids, apart.preds_ids) == ((255,), "", "0 0 1 1 9 2")


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
        ((2, None, ["a"]), ValueError, ["names has 1 name", "expected 2"]),
        ((2, None, ["a", "b", "c"]), ValueError, ["class_names has 3 names", "expected 2"]),
        ((2, None, ["a", "a"]), ValueError, ["'a' more than once"]),
        ((2, None, ["a", " a "]), ValueError, ["'a' more than once"]),
        ((2, None, ["a", ""]), TypeError, ["names", "''"]),
        ((2, None, ["a", "  "]), TypeError, ["names", "''"]),
        ((2, None, ["a", 1]), TypeError, ["names", "1"]),
        ((2, None, "ab"), TypeError, ["names", "'ab'", "list"]),
        ((2, None, 5), TypeError, ["names", "5"]),
        ((2, None, {0: "a"}), ValueError, ["names has 1 key (0)", "0 to 1"]),
        ((2, None, {1: "a", 2: "b"}), ValueError, ["names", "0 to 1"]),
        ((2, None, {0: "a", 1: "b", 255: "void"}), ValueError, ["class_names has 3 keys", "0 to 1"]),
    ],
    ids=str,
)
def test_a_label_space_that_is_wrong(settings, kind, parts):
    with pytest.raises(kind) as error:
        space_of(*settings)
    assert_sentence(error, *parts)
