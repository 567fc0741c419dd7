"""Input settings: the values that they become, and an error for each wrong one."""

import math

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou.settings import (
    InputSettings,
    ThresholdSettings,
    as_threshold,
    label_thresholds,
    threshold_grid,
)


def test_input_settings():
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
def test_input_settings_that_are_wrong(settings, kind, parts):
    with pytest.raises(kind) as error:
        InputSettings.of(*settings)
    assert_sentence(error, *parts)


def test_threshold_settings():
    settings = ThresholdSettings.of((0.5,), False, [255, 254], True, "auto")
    assert settings == ThresholdSettings((0.5,), ignore_index=(254, 255))
    assert settings.number == 1
    assert ThresholdSettings((0.1, 0.2), per_label=True).number == 1
    assert ThresholdSettings((0.1, 0.2)).number == 2
    grid = (-1e300, 0.1, 1 / 3, 7e-320, math.inf)
    assert tuple(map(float, ThresholdSettings(grid).text.split())) == grid
    for void in (0, 1, [255, 1]):
        with pytest.raises(ValueError, match=r"ignore_index holds [01]") as error:
            ThresholdSettings.of((0.5,), False, void, True, "auto")
        assert_sentence(error, "255", "classes=")


def test_a_narrow_number_is_its_shortest_decimal():
    for narrow in (np.float32(0.1), torch.tensor(0.1), np.array(0.1, np.float32)):
        assert as_threshold("threshold", narrow) == 0.1
    for narrow in (np.float16(0.1), torch.tensor(0.1, dtype=torch.float16), torch.tensor(0.1, dtype=torch.bfloat16)):
        assert np.float32(as_threshold("threshold", narrow)) == float(narrow)
    assert as_threshold("threshold", np.float64(np.float32(0.1))) == float(np.float32(0.1))
    assert as_threshold("threshold", torch.tensor(1 / 3, dtype=torch.float64)) == 1 / 3
    assert as_threshold("threshold", torch.tensor(-math.inf)) == -math.inf
    assert as_threshold("threshold", torch.tensor(1e-45)) == 1e-45
    for number in (torch.tensor(2), np.int8(2), 2):
        assert as_threshold("threshold", number) == 2
    grid = [k / 100 for k in range(101)]
    assert label_thresholds(torch.tensor(grid), 101) == tuple(grid)
    with pytest.raises(TypeError, match="nan_to_num"):
        label_thresholds(torch.tensor([0.5, math.nan]), 2)


def test_a_threshold_for_all_labels_or_one_for_each():
    assert label_thresholds(1, 3) == (1.0,)
    assert label_thresholds(np.float32(0.25), 3) == label_thresholds(torch.tensor(0.25), 3) == (0.25,)
    for several in ([0.5, 0, 1], (0.5, 0, 1), np.array([0.5, 0, 1]), torch.tensor([0.5, 0, 1])):
        assert label_thresholds(several, 3) == (0.5, 0.0, 1.0)
    assert label_thresholds([0.5], 1) == (0.5,)


@pytest.mark.parametrize(
    ("threshold", "kind", "parts"),
    [
        ([0.1, 0.2], ValueError, ["holds 2 numbers", "3", "IoUCurve"]),
        ([], ValueError, ["holds 0 numbers"]),
        ("0.5", TypeError, ["'0.5'", "number"]),
        (["a", 0, 0], TypeError, ["'a'"]),
        (None, TypeError, ["None"]),
        (math.nan, TypeError, ["nan"]),
        ([0.1, math.nan, 0.2], TypeError, ["nan"]),
        ({0: 0.1, 1: 0.2, 2: 0.3}, TypeError, ["{0: 0.1", "a list with one for each label"]),
        ({0.9, 0.2, 0.3}, TypeError, ["a list with one for each label"]),
        (10**400, ValueError, ["1.8e308"]),
        ([0, 10**400, 1], ValueError, ["1.8e308"]),
    ],
    ids=str,
)
def test_thresholds_of_labels_that_are_wrong(threshold, kind, parts):
    with pytest.raises(kind) as error:
        label_thresholds(threshold, 3)
    assert_sentence(error, "threshold", *parts)


def test_a_grid_of_thresholds():
    assert threshold_grid(101) == tuple(k / 100 for k in range(101))
    assert threshold_grid(2) == (0.0, 1.0)
    assert threshold_grid(np.int64(3)) == threshold_grid(torch.tensor(3)) == (0.0, 0.5, 1.0)
    for several in ([0.25], (-3, 0.25), np.array([-3, 0.25]), torch.tensor([-3, 0.25]), range(2), iter([1, 2.5])):
        assert threshold_grid(several)[-1] in (0.25, 1.0, 2.5)
    assert threshold_grid(torch.linspace(0, 1, 5)) == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("thresholds", "kind", "parts"),
    [
        (0.5, TypeError, ["0.5", "a list"]),
        (1, ValueError, ["is 1", "2 to 4096"]),
        (5000, ValueError, ["5000"]),
        ([], ValueError, ["holds 0 numbers"]),
        ([k / 5000 for k in range(5000)], ValueError, ["holds 5000 numbers"]),
        ([0.5, 0.2], ValueError, ["0.5 before 0.2", "sorted"]),
        ([0.2, 0.5, 0.5], ValueError, ["0.5 twice", "sorted(set(thresholds))"]),
        ([0.2, math.nan], TypeError, ["nan"]),
        (True, TypeError, ["True"]),
        (None, TypeError, ["None"]),
        ("0.5", TypeError, ["'0'", "number"]),
        ({0.1: 1, 0.2: 2}, TypeError, ["{0.1: 1", "a list of thresholds"]),
        ([0, 10**400], ValueError, ["1.8e308"]),
    ],
    ids=lambda value: str(value)[:20],
)
def test_grids_that_are_wrong(thresholds, kind, parts):
    with pytest.raises(kind) as error:
        threshold_grid(thresholds)
    assert_sentence(error, "thresholds", *parts)


@pytest.mark.parametrize("of", [list, np.array, torch.tensor])
def test_the_cure_for_thresholds_that_do_not_ascend(of):
    thresholds = of([0.5, 0.25, 0.5])
    with pytest.raises(ValueError, match="ascending") as error:
        threshold_grid(thresholds)
    cure = str(error.value).partition("Pass ")[2].rstrip(".")
    assert threshold_grid(eval(cure, {"thresholds": thresholds})) == (0.25, 0.5)
