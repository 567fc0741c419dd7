"""The values of ``MeanBoundaryIoU`` and ``mean_boundary_iou`` are the ratios of the reference, under every policy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bands import VALID, regions, valid_of
from support.grid import number_of_examples
from support.kernels import CPU_KERNELS

from meaniou import MeanBoundaryIoU, mean_boundary_iou, reference

WIDTHS = ([1], [0.02], [0.1], [2, 0.05], [0.3, 1, 2])
IGNORE = (None, 255, (0, 255))


@st.composite
def cases(draw):
    """Images of regions, a mask, and the settings of a metric that the reference has too."""
    shape = draw(st.integers(1, 3)), draw(st.integers(2, 14)), draw(st.integers(2, 14))
    ignore = draw(st.sampled_from(IGNORE))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = [0, 1, 2, 255][: 3 if ignore is None else 4]
    target = regions(rng, shape, values)
    preds = np.where(rng.random(shape) < 0.7, target, regions(rng, shape, values))
    rules = {
        "edge": draw(st.booleans()),
        "void": draw(st.sampled_from(["ignore", "literal"])),
        "void_preds": draw(st.sampled_from(["miss", "drop"])),
        "present": draw(st.sampled_from(["union", "target"])),
        "absent": draw(st.sampled_from(["skip", "zero", "one", "nan"])),
        "ignore_index": ignore,
    }
    return preds, target, valid_of(rng, shape, draw(st.sampled_from(VALID))), draw(st.sampled_from(WIDTHS)), rules


@pytest.mark.filterwarnings("ignore::UserWarning")  # of images that are void throughout
@number_of_examples(fast=30, slow=200)
def test_values(examples):
    @settings(max_examples=examples, deadline=None)
    @given(cases(), st.sampled_from(["portable", *CPU_KERNELS]))
    def test(case, impl):
        preds, target, valid, widths, rules = case
        mask = None if valid is None else valid.numpy()
        expected = reference.boundary_iou(preds, target, 4, width=widths, valid=mask, **rules)
        maps = torch.from_numpy(preds), torch.from_numpy(target), valid
        common = {"width": widths, "impl": impl, **rules}
        metric = MeanBoundaryIoU(4, average="none", **common)
        metric.update(*maps)
        for got in (metric.compute(), mean_boundary_iou(*maps[:2], 4, average="none", valid=valid, **common)):
            assert_values(got, expected)
        reports = [metric.at(width).report() for width in widths]
        assert np.array_equal([[c.iou for c in report.classes] for report in reports], expected, equal_nan=True)
        own = [c for c in range(4) if c not in np.atleast_1d(rules["ignore_index"])]
        means = [of_classes[own].mean() for of_classes in expected]
        if rules["absent"] == "skip":
            means = [np.mean(rest) if (rest := [x for x in of[own] if x == x]) else np.nan for of in expected]
        assert_values(mean_boundary_iou(*maps[:2], 4, valid=valid, **common), means)

    test()


def assert_values(got, expected):
    """Fails unless float32 values, of one width or several, are those of the reference, which has an axis of widths."""
    expected = np.asarray(expected)
    expected = expected[0] if len(expected) == 1 else expected
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-7)


def test_wrong_values_are_noticed():
    assert_values(torch.tensor([0.5, float("nan")]), [[0.5, np.nan]])
    for wrong in ([0.5, 0.5], [0.5 + 1e-6, np.nan], [np.nan, np.nan]):
        with pytest.raises(AssertionError):
            assert_values(torch.tensor([0.5, float("nan")]), [wrong])
    with pytest.raises(AssertionError):
        assert_values(torch.tensor([0.5, float("nan")]), [[0.5, np.nan]] * 2)
