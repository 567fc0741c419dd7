"""``IoUCurve``: at each threshold it is ``MultilabelMeanIoU``; the best threshold, the area and the ties by loops."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SCORE_DTYPES, as_numpy, assert_sentence
from support.grid import number_of_examples
from support.kinds import CURVE

from meaniou import IoUCurve, MultilabelMeanIoU, iou_curve, reference

VOID = 255
NAN = math.nan


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """A batch of scores around a grid, in a dtype and with NaN and void, and the settings of a curve."""
    numbers = st.floats(-2, 2, width=32) | st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0])
    grid = sorted({value + 0.0 for value in draw(st.lists(numbers, min_size=1, max_size=7))})  # without -0.0
    even = draw(st.integers(2, 12))
    dtype = draw(st.sampled_from(SCORE_DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    thresholds = grid if draw(st.booleans()) else even
    points = np.array(grid if thresholds is grid else np.arange(even) / (even - 1))
    shape = (2, draw(st.integers(1, 3)), 4, 5)
    scores = np.where(rng.random(shape) < 0.5, rng.choice(points, shape), rng.random(shape) * 1.4 - 0.2)
    scores = torch.from_numpy(np.where(rng.random(shape) < 0.1, NAN, scores)).to(dtype)
    target = rng.integers(0, 2, shape) * (rng.random((1, shape[1], 1, 1)) < 0.8)
    target = torch.from_numpy(np.where(rng.random(shape) < 0.1, VOID, target))
    rules = {
        "inclusive": draw(st.booleans()),
        "void_preds": draw(st.sampled_from(["miss", "drop"])),
        "present": draw(st.sampled_from(["union", "target"])),
        "absent": draw(st.sampled_from(["skip", "zero", "one", "nan"])),
        "average": draw(st.sampled_from(["macro", "micro", "weighted"])),
    }
    return {"scores": scores, "target": target, "thresholds": thresholds, "points": points, "rules": rules}


def filled(case: dict[str, Any]) -> IoUCurve:
    scores, target = case["scores"], case["target"]
    settings = {"ignore_index": VOID, "validate_args": False, **case["rules"]}
    curve = IoUCurve(scores.shape[1], thresholds=case["thresholds"], **settings)
    for image in range(len(scores)):
        curve.update(scores[image : image + 1], target[image : image + 1])
    return curve


def best_by_loop(values: list[float], points: list[float]) -> tuple[float, float]:
    """The highest value, and the middle threshold of the longest run that has it; NaN if it is not above 0."""
    highest = max((value for value in values if value == value), default=NAN)
    runs: list[list[float]] = [[]]
    for point, value in zip(points, values, strict=True):
        if value == highest:
            runs[-1].append(point)
        else:
            runs.append([])
    longest = max(runs, key=len)
    return (longest[(len(longest) - 1) // 2] if highest > 0 else NAN), highest


def mean_of(values: list[float]) -> float:
    defined = [value for value in values if value == value]
    return sum(defined) / len(defined) if defined else NAN


def assert_near(actual: Any, expected: Any) -> None:
    actual = np.stack([np.asarray(part) for part in actual]) if isinstance(actual, tuple | list) else np.asarray(actual)
    np.testing.assert_allclose(actual, np.asarray(expected), rtol=1e-6, atol=0)


@number_of_examples(fast=20, slow=1000)
def test_a_curve_at_each_threshold(examples: int) -> None:
    """Equal to a metric with one threshold, and to the definition; all results follow from these values."""

    @settings(max_examples=examples)
    @given(cases())
    def check(case: dict[str, Any]) -> None:
        scores, target, points, rules = (case[name] for name in ("scores", "target", "points", "rules"))
        curve, labels = filled(case), scores.shape[1]
        table, means = [], []
        for threshold in points.tolist():
            options = {"threshold": threshold, "ignore_index": VOID, "validate_args": False}
            one = MultilabelMeanIoU(labels, **{**options, **rules})
            one.update(scores, target)
            means.append(one.compute().item())
            each = MultilabelMeanIoU(labels, **{**options, **rules, "average": "none"})
            each.update(scores, target)
            table.append(each.compute().tolist())
            at = curve.at(threshold)
            assert at.shape == (() if labels == 1 else (labels,))
            assert_near(at.reshape(-1), table[-1])
        value, thresholds = curve.compute()
        columns = list(zip(*table, strict=True))
        assert_near(value.reshape(labels, -1), columns)
        assert thresholds.tolist() == np.float32(points).tolist()
        ways = {name: rules[name] for name in ("inclusive", "void_preds", "present", "absent")}
        expected = reference.iou_curve(as_numpy(scores), target.numpy(), points.tolist(), ignore_index=VOID, **ways)
        assert_near(value.reshape(labels, -1), expected)

        best, common = curve.best(), curve.best(common=True)
        loop = [best_by_loop(list(values), points.tolist()) for values in columns]
        assert_near(best.threshold.reshape(-1), [np.float32(point) for point, _ in loop])
        assert_near(best.iou.reshape(-1), [iou for _, iou in loop])
        _, highest = best_by_loop(means, points.tolist())
        assert_near(common.iou, highest)
        assert highest > 0 or common.threshold.isnan()
        if highest > 0:  # which of equal means it is depends on rounding
            assert_near(means[np.float32(points).tolist().index(common.threshold.item())], highest)
        assert_near(curve.area().reshape(-1), [mean_of(list(values)) for values in columns])
        for threshold, iou in zip(best.threshold.reshape(-1), best.iou.reshape(-1).tolist(), strict=True):
            if iou > 0:
                assert iou in curve.at(threshold).reshape(-1).tolist()
                assert iou in curve.at(threshold.item()).reshape(-1).tolist()

    check()


def test_of_neighbours_with_equal_values_the_middle_one_is_best() -> None:
    curve = IoUCurve(2, thresholds=[0.2, 0.4, 0.6, 0.8])
    scores = torch.tensor([[[0.9, 0.5, 0.1], [0.7, 0.7, 0.7]]])
    curve.update(scores, torch.tensor([[[1, 1, 0], [1, 1, 0]]]))
    assert_near(curve.compute()[0], [[1, 1, 0.5, 0.5], [2 / 3, 2 / 3, 2 / 3, 0]])
    assert_near(curve.best().threshold, [0.2, 0.4])
    assert_near(curve.best(common=True), [0.2, 5 / 6])
    apart = IoUCurve(thresholds=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    apart.update(torch.tensor([[0.15, 0.55, 0.25, 0.25]]), torch.tensor([[1, 1, 0, 0]]))
    assert_near(apart.compute()[0], [1 / 2, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 0])
    assert_near(apart.best(), [0.4, 1 / 2])  # of the longest run


def test_a_label_without_a_pixel_has_no_best_threshold() -> None:
    curve = IoUCurve(2, thresholds=[0.2, 0.4], ignore_index=VOID)
    curve.update(torch.tensor([[[0.9, 0.3], [0.9, 0.9]]]), torch.tensor([[[1, 0], [VOID, VOID]]]))
    assert_near(curve.best(), [[0.4, NAN], [1, NAN]])
    assert_near(curve.best(common=True), [0.4, 1])
    assert_near(curve.area(), [0.75, NAN])
    assert_near(curve.at(0.2), [0.5, NAN])
    no_mean = IoUCurve(2, thresholds=[0.2, 0.4], ignore_index=VOID, absent="nan")
    no_mean.merge_state(curve)
    assert_near(no_mean.best(common=True), [NAN, NAN])


def test_a_label_that_is_predicted_only_at_low_thresholds() -> None:
    """Above 0.3 it is set nowhere, so its IoU is NaN, and left out of the area and of the mean."""
    curve = IoUCurve(2, thresholds=[0.2, 0.4])
    curve.update(torch.tensor([[[0.9, 0.3], [0.3, 0.1]]]), torch.tensor([[[1, 1], [0, 0]]]))
    assert_near(curve.compute()[0], [[1, 0.5], [0, NAN]])
    assert_near(curve.area(), [0.75, 0])
    assert_near(curve.best(common=True), [0.2, 0.5])
    assert_near(curve.best(), [[0.2, NAN], [1, 0]])


@pytest.mark.parametrize("shape", ["one threshold", "one label", "both", "neither"])
@pytest.mark.parametrize("call", ["compute", "forward", "function"])
def test_shapes_of_the_value(shape: str, call: str) -> None:
    labels = 1 if shape in ("one label", "both") else 3
    thresholds = [0.5] if shape in ("one threshold", "both") else [0.25, 0.5]
    scores, target = torch.rand(2, labels, 5), torch.randint(0, 2, (2, labels, 5))
    curve = IoUCurve(labels, thresholds=thresholds)
    if call == "function":
        value, points = iou_curve(scores, target, labels, thresholds=thresholds)
    elif call == "forward":
        value, points = curve(scores, target)
    else:
        curve.update(scores, target)
        curve.compute()
        value, points = curve.compute()  # from the cache
    assert value.shape == ((len(thresholds),) if labels == 1 else (labels, len(thresholds)))
    assert points.tolist() == thresholds
    curve = curve if curve.update_called else CURVE.filled(num_labels=3, thresholds=thresholds)
    number = () if curve.label_space.num_classes == 1 else (3,)
    assert curve.area().shape == curve.at(0.5).shape == curve.best().iou.shape == curve.best().threshold.shape == number
    assert curve.best(common=True).iou.shape == ()


@pytest.mark.parametrize("default", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_dtypes_of_the_results(default: torch.dtype) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        curve = CURVE.filled()
        results = [*curve.compute(), *curve.best(), *curve.best(common=True), curve.area(), curve.at(0.5)]
    finally:
        torch.set_default_dtype(before)
    assert {part.dtype for part in results} == {torch.float64 if default == torch.float64 else torch.float32}


@pytest.mark.parametrize("form", [list, torch.tensor, np.array], ids=lambda form: form.__name__)
def test_a_threshold_is_recognised_in_both_precisions(form: Any) -> None:
    numbers = [0.1, 0.2, 0.7]
    curve = CURVE.filled(thresholds=form(numbers))
    for k, number in enumerate(numbers):
        for threshold in (number, np.float32(number), torch.tensor(number), float(np.float32(number))):
            assert torch.equal(curve.at(threshold), curve.compute()[0][:, k])


def test_thresholds_that_are_one_number_in_float32_are_told_apart() -> None:
    grid = [0.5, 0.5 + 1e-12]
    curve = IoUCurve(thresholds=grid)
    scores = torch.tensor([[0.5 + 1e-13, 0.5 + 2e-12, 0.1]], dtype=torch.float64)
    curve.update(scores, torch.tensor([[0, 1, 0]]))
    assert curve.at(grid[0]) == 0.5
    assert curve.at(grid[1]) == 1
    assert curve.at(np.float32(0.5)) == 0.5


@pytest.mark.parametrize(
    ("threshold", "kind", "words"),
    [
        (0.3, ValueError, "threshold is 0.3, which was not counted; expected one of thresholds, such as 0.25"),
        (1e40, ValueError, "such as 0.75"),
        (math.inf, ValueError, "such as 0.75"),
        (-1e40, ValueError, "such as 0.25"),
        ("0.5", TypeError, "threshold is '0.5'"),
        (NAN, TypeError, "threshold is nan"),
        (torch.tensor([0.25, 0.5]), TypeError, "expected a number"),
    ],
    ids=str,
)
def test_a_threshold_that_was_not_counted(threshold: Any, kind: type[Exception], words: str) -> None:
    curve = CURVE.filled()
    with pytest.raises(kind) as error:
        curve.at(threshold)
    assert_sentence(error, words)
    assert not curve._is_synced


ASK = {
    "compute": lambda curve: curve.compute(),
    "best": lambda curve: curve.best(),
    "common": lambda curve: curve.best(common=True),
    "area": lambda curve: curve.area(),
    "at": lambda curve: curve.at(0.5),
    "report": lambda curve: curve.report(),
}


@pytest.mark.parametrize("ask", ASK)
def test_every_result_is_over_all_ranks(ask: str) -> None:
    other = CURVE.filled(1)
    both = CURVE.filled()
    both.merge_state(other)
    shared = CURVE.filled(distributed_available_fn=lambda: True, dist_sync_fn=lambda own, group: [own, other.counts])
    before = shared.counts
    assert str(ASK[ask](shared)) == str(ASK[ask](both))
    assert shared.counts is before


@pytest.mark.parametrize("ask", ASK)
def test_void_predictions_that_are_an_error(ask: str) -> None:
    curve = CURVE.made(void_preds="error")
    curve.update(torch.tensor([[[0.1], [NAN], [NAN]]]), torch.tensor([[[1], [0], [VOID]]]))
    before = curve.counts
    with pytest.raises(ValueError, match=r"1 valid pixel, .*'error'"):
        ASK[ask](curve)
    assert curve.counts is before
    assert not curve._is_synced
