"""Records are equal by value on every Python: NaN equals NaN, arrays are compared, and equal records hash alike."""

import copy
import math
import pickle
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch

from meaniou import IoUCurve, MeanBoundaryIoU, MeanIoU, Resampling, compare_classes
from meaniou._util.equality import EqualByValue
from meaniou.metrics import comparison_report
from meaniou.report import ImageTable
from meaniou.uncertainty import Interval


def counted(shift=0, ids=(0, 1, 2), of=MeanIoU):
    """Three images of four classes: one class is absent, and an image is void, so that numbers of all kinds are NaN."""
    target = torch.tensor([[0, 0, 1, 1], [2, 2, 1, 1], [255, 255, 255, 255]])[:, None]
    preds = torch.tensor([[0, 1, 1, 1], [2, 2, 1, 0], [0, 0, 0, 0]])[:, None]
    metric = of(4, ignore_index=255, per_image=True)
    metric.update((preds + shift) % 4, target, image_ids=ids)
    return metric


def report(shift):
    boundary = counted(shift, of=MeanBoundaryIoU)
    return counted(shift).report(class_groups={"a": [0, 1], "b": [3]}, bootstrap=NINE, boundary=boundary)


def curve(shift=0):
    """A curve of two labels, the second of which is set nowhere above the first threshold."""
    metric = IoUCurve(2, thresholds=[0.2, 0.5, 0.8])
    scores = torch.tensor([[[0.1, 0.3, 0.6, 0.9], [0.3, 0.1, 0.1, 0.1]]])
    metric.update(scores.roll(shift, 2), torch.tensor([[[0, 0, 1, 1], [0, 0, 0, 0]]]))
    return metric


NINE = Resampling(resamples=9)
MAKERS = {
    "Report": report,
    "CurveReport": lambda shift: curve(shift).report(),
    "ImageTable": lambda shift: counted(shift).image_scores(),
    "Interval": lambda shift: counted(shift).bootstrap_classes(resamples=9)[3 if shift == 0 else 1],
    "Comparison": lambda shift: compare_classes(counted(shift), counted(), resamples=9)[3 if shift == 0 else 0],
    "ComparisonReport": lambda shift: comparison_report(counted(shift), counted(), resampling=NINE),
}


def values(record):
    """All values in a record, at any depth."""
    for field in fields(record):
        yield from inside(getattr(record, field.name))


def inside(value):
    if is_dataclass(value):
        yield from values(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from inside(item)
    elif isinstance(value, list | tuple | np.ndarray):
        for item in value:
            yield from inside(item)
    else:
        yield value


def records(value):
    """The record and all records in it."""
    if is_dataclass(value):
        yield value
        for field in fields(value):
            yield from records(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from records(item)


@pytest.mark.parametrize("name", MAKERS)
def test_records_with_nan_are_equal_by_value(name):
    one, same, other = MAKERS[name](0), MAKERS[name](0), MAKERS[name](1)
    assert type(one).__name__ == name
    assert any(isinstance(v, float) and math.isnan(v) for v in values(one))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert len({one, same, other}) == 2


@pytest.mark.parametrize("name", MAKERS)
def test_copies_of_a_record_are_equal_to_it(name):
    one = MAKERS[name](0)
    for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), replace(one)):
        assert again == one
        assert hash(again) == hash(one)


def test_each_kind_of_record_is_equal_by_value():
    kinds = {type(record) for make in MAKERS.values() for record in records(make(0))}
    assert kinds == set(EqualByValue.__subclasses__())
    for kind in kinds:
        assert kind.__eq__ is EqualByValue.__eq__
        assert kind.__hash__ is EqualByValue.__hash__


@pytest.mark.parametrize("name", MAKERS)
def test_a_record_is_not_equal_to_another_type(name):
    one = MAKERS[name](0)

    class Other(type(one)):
        pass

    found = [getattr(one, field.name) for field in fields(one)]
    for other in (tuple(found), dict(vars(one)), None, 1, Other(*found)):
        assert one != other
        assert other != one


@pytest.mark.parametrize("name", MAKERS)
def test_a_change_of_any_field_is_noticed(name):
    one = MAKERS[name](0)
    for field in fields(one):
        assert replace(one, **{field.name: "another"}) != one, field.name


def test_arrays_are_compared_by_value():
    def table(iou):
        return ImageTable((0,), ("a",), (0.5,), np.array(iou), ("x", "y"))

    assert table([[0.5, math.nan]]) == table([[0.5, -math.nan]])
    assert hash(table([[0.0, math.nan]])) == hash(table([[-0.0, -math.nan]]))
    assert table([[0.0, math.nan]]) == table([[-0.0, math.nan]])
    assert table([[0.5, math.nan]]) != table([[0.5, 0.0]])
    assert table([[0.5, 0.25]]) != table([[0.5], [0.25]])
    report = MAKERS["Report"](0)
    moved = report.counts.copy()
    moved[-2, :2] += (1, -1)  # predictions on void, which no other field counts
    assert replace(report, counts=moved) != report


def test_nan_equals_no_number():
    interval = Interval(math.nan, 0.1, 0.2, 0.0, 0.0, 0.95)
    assert interval == replace(interval, value=np.float64("nan"))
    for value in (None, 0.0, math.inf, "nan"):
        assert replace(interval, value=value) != interval
