"""Every number of the golden cases, to the last bit, by each kernel that runs on the CPU."""

import copy
import json
import math

import numpy as np
import pytest
from golden.cases import CASES
from golden.results import FOLDER, MAPS, difference, maps_of, results, text

from meaniou.counting import why_not

KERNELS = [name for name in ("portable", "cpu") if not why_not(name)]


def stored(case):
    return json.loads((FOLDER / f"{case.name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("impl", KERNELS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_number_is_the_stored_one(case, impl):
    maps = maps_of(case)
    assert not difference(results(case, impl, maps), stored(case))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stored_results_are_written_as_they_would_be_again(case):
    assert (FOLDER / f"{case.name}.json").read_text(encoding="utf-8") == text(stored(case)) + "\n"


def test_the_mean_of_a_report_is_the_value_of_its_interval_to_the_last_bit():
    of_reports = [of for case in CASES for of in stored(case).values() if "intervals of the report" in of]
    assert len(of_reports) > 15
    for of in of_reports:
        assert of["report"]["mean_iou"] == of["intervals of the report"]["mean_iou"]["value"]
        assert of["report"]["pixel_accuracy"] == of["intervals of the report"]["pixel_accuracy"]["value"]


def test_each_case_has_maps_and_results_and_no_other_has():
    names = [case.name for case in CASES]
    with np.load(MAPS, allow_pickle=False) as maps:
        assert {name.partition(".")[0] for name in maps.files} == {case.scenes for case in CASES}
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(names)


def test_loaded_maps_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        maps_of(CASES[0])["target"][0][0, 0] = 1


def test_a_difference_is_named():
    whole = stored(CASES[0])
    assert difference(whole, copy.deepcopy(whole)) == ""
    for where, value in {
        "last bit": math.nextafter(whole["default"]["report"]["mean_iou"], 1),
        "missing": None,
        "whole number": 0,
    }.items():
        other = copy.deepcopy(whole)
        other["default"]["report"]["mean_iou"] = value
        assert difference(other, whole).startswith("/default/report/mean_iou: "), where


def test_a_difference_in_keys_lengths_and_signs_is_named():
    assert "['b']" in difference({"a": 1}, {"a": 1, "b": 2})
    assert difference({"a": 1, "b": 2}, {"a": 1}) == ""  # a number that is new
    assert difference({"a": [1, 2]}, {"a": [1]}).startswith("/a: ")
    assert difference([0.0], [-0.0]).startswith("/0: ")
    assert difference([True], [1]).startswith("/0: ")
