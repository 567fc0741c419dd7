"""The comparison of values notices every difference."""

import math

import pytest
import torch

from meaniou import BestThreshold
from support.kinds import KINDS, assert_equal, differ, each_kind, tensors


def test_equal_values_are_equal():
    value = torch.tensor([0.5, math.nan])
    assert_equal(value, value.clone())
    assert_equal((value, value[:1]), (value.clone(), value[:1].clone()))
    assert not differ((value, value[:1]), (value.clone(), value[:1].clone()))


@pytest.mark.parametrize(
    "other",
    [
        torch.tensor([0.5, -1.0]),
        torch.tensor([0.5]),
        torch.tensor([0.5, math.nan], dtype=torch.float64),
        torch.tensor([math.nextafter(0.5, 1), math.nan], dtype=torch.float64),
        torch.tensor([[0.5, math.nan]]),
        (torch.tensor([0.5, math.nan]),),
    ],
    ids=str,
)
def test_a_value_that_differs_is_noticed(other):
    with pytest.raises(AssertionError):
        assert_equal(torch.tensor([0.5, math.nan]), other)


def test_a_part_of_a_value_that_differs_is_noticed():
    one, two = torch.tensor([0.5]), torch.tensor([0.25])
    for other in ((one, one), (two, two), (one,), BestThreshold(one, two)):
        with pytest.raises((AssertionError, ValueError)):
            assert_equal((one, two), other)
    assert differ((one, two), (one, one))


@each_kind
def test_batches_of_a_kind_are_the_same_each_time_and_say_something(kind):
    first, second = kind.batches(3), kind.batches(3)
    assert all(torch.equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))
    assert differ(kind.filled(0).compute(), kind.filled(1).compute())
    value = tensors(kind.filled().compute())[0]
    assert ((value > 0) & (value < 1)).any()
    assert all((target == 255).any() for _, target in first)
    assert len({str(kind) for kind in KINDS}) == len(KINDS)
