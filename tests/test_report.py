"""The report: numbers against the reference and scikit-learn, and its three forms."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, precision_score, recall_score

from meaniou import MeanIoU, demo
from meaniou.labels import Policy
from meaniou.report import Report


@pytest.fixture(scope="module")
def metric() -> MeanIoU:
    found = MeanIoU(9, ignore_index=255, class_names=demo.NAMES)
    for seed in range(8):
        preds, target = (torch.from_numpy(side) for side in demo.scene(seed, 64, 128))
        found.update(preds, target)
    return found


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray]:
    preds, target = (np.stack(side) for side in zip(*(demo.scene(s, 64, 128) for s in range(8)), strict=True))
    return preds[target != 255], target[target != 255]


@pytest.mark.parametrize(
    ("name", "oracle"),
    [("iou", jaccard_score), ("dice", f1_score), ("precision", precision_score), ("recall", recall_score)],
)
def test_class_ratios_are_those_of_scikit_learn(metric: MeanIoU, pixels, name: str, oracle) -> None:
    preds, target = pixels
    expected = oracle(target, preds, labels=range(9), average=None, zero_division=0)
    undefined = {"precision": [c not in preds for c in range(9)], "recall": [c not in target for c in range(9)]}
    neither = [c not in preds and c not in target for c in range(9)]
    expected = np.where(undefined.get(name, neither), np.nan, expected)
    found = [getattr(row, name) for row in metric.report().classes]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert any(math.isnan(value) for value in found)


def test_means_and_account(metric: MeanIoU, pixels) -> None:
    preds, target = pixels
    report = metric.report()
    assert report.pixel_accuracy == pytest.approx(accuracy_score(target, preds), rel=1e-12)
    for name, over in (("mean_iou", "iou"), ("mean_dice", "dice"), ("mean_accuracy", "recall")):
        assert getattr(report, name) == pytest.approx(np.nanmean([getattr(c, over) for c in report.classes]), rel=1e-12)
    seen = 8 * 64 * 128
    assert report.pixels == {
        "seen": seen,
        "counted": target.size,
        "void": seen - target.size,
        "no_answer": 0,
        "outside": 0,
    }
    assert report.mean_iou == pytest.approx(float(metric.compute()), rel=1e-6)


def test_account_adds_up_with_every_kind_of_pixel() -> None:
    metric = MeanIoU(2, ignore_index=255, validate_args=False)
    metric.update(torch.tensor([0, 1, 255, 7, 7, 0]), torch.tensor([0, 1, 0, 1, 255, 9]))
    assert metric.report().pixels == {"seen": 6, "counted": 2, "void": 1, "no_answer": 1, "outside": 2}


def test_another_policy_without_counting_again(metric: MeanIoU) -> None:
    policy = Policy.of(metric.space, present="target", absent="zero")
    other = metric.report(policy=policy)
    assert other.classes[demo.TRAIN].iou == 0.0
    assert other.mean_iou == pytest.approx(sum(c.iou for c in other.classes) / 9, rel=1e-12)
    assert metric.report().classes[demo.TRAIN].iou != 0.0


def test_text_is_in_percent_with_two_decimals(metric: MeanIoU) -> None:
    lines = str(metric.report()).splitlines()
    assert len({len(line) for line in lines[:11]}) == 1
    road = metric.report().classes[demo.ROAD]
    assert lines[2].split()[:2] == ["road", f"{100 * road.iou:.2f}"]
    assert lines[-2].startswith(f"mIoU {100 * metric.report().mean_iou:.2f}")


def test_json_has_full_fractions_and_null(metric: MeanIoU) -> None:
    report = metric.report()
    found = json.loads(report.to_json())
    assert found == report.to_dict()
    assert found["mean_iou"] == report.mean_iou
    assert found["classes"][demo.TRAIN]["iou"] is None
    assert found["classes"][demo.BICYCLE]["iou"] == 0.0


def test_report_of_nothing() -> None:
    report = MeanIoU(2).report()
    assert isinstance(report, Report)
    assert math.isnan(report.mean_iou)
    assert "mIoU -" in str(report)
