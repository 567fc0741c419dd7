"""The report of IoU over thresholds: its numbers from the definition, its forms, and the warning of idle thresholds."""

import csv
import dataclasses
import io
import json
import math
import warnings

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou import CurveReport, IoUCurve, MeanIoU, MultilabelMeanIoU, page, plot
from meaniou._util import Doubt
from meaniou.metrics.checked.diagnostics import MANY
from meaniou.report import check_curve_report, check_report

GRID = [0.2, 0.4, 0.6, 0.8]
NAMES = ["road", "bridge", "sea"]


def maps() -> tuple[np.ndarray, np.ndarray]:
    """Scores and ground truth ``[2, 3, 300]`` with void pixels and void predictions; the sea is set nowhere."""
    rng = np.random.default_rng(5)
    target = rng.integers(0, 2, (2, 3, 300))
    scores = 0.4 * target + 0.6 * rng.random(target.shape)
    target[:, 2], scores[:, 2] = 0, 0.5 * rng.random((2, 300))
    target[0, 0, :30], scores[1, 1, :7] = 255, np.nan
    return scores, target


def metric(**settings) -> IoUCurve:
    made = IoUCurve(3, **{"thresholds": GRID, "ignore_index": 255, "class_names": NAMES, **settings})
    made.update(*maps())
    return made


@pytest.fixture(scope="module")
def report() -> CurveReport:
    return metric().report()


def test_ratios_are_those_of_sums_over_pixels(report: CurveReport) -> None:
    scores, target = (side.transpose(1, 0, 2).reshape(3, -1) for side in maps())
    for k, threshold in enumerate(GRID):
        for label in range(3):
            truth, valid = target[label] == 1, target[label] != 255
            predicted = (scores[label] > threshold) & valid
            both, either = (truth & predicted).sum(), (truth | predicted).sum()
            sizes = truth.sum(), predicted.sum()
            ratios = {
                "iou": (both, either),
                "dice": (2 * both, sum(sizes)),
                "precision": (both, sizes[1]),
                "recall": (both, sizes[0]),
            }
            for name, (part, whole) in ratios.items():
                expected = part / whole if whole else math.nan
                assert getattr(report, name)[k, label] == pytest.approx(expected, rel=1e-12, nan_ok=True), name
    iou = report.iou
    assert np.isnan(iou).any()
    np.testing.assert_allclose(report.area, np.nanmean(iou, 0), rtol=1e-12)
    np.testing.assert_allclose(report.mean_iou, np.nanmean(iou, 1), rtol=1e-12)
    highest = [(GRID[k], iou[k, label]) for label, k in enumerate(np.nanargmax(iou, 0))]
    assert report.best[:2] == tuple(highest[:2])
    assert math.isnan(report.best[2][0])  # no threshold is better than another
    assert report.best[2][1] == highest[2][1] == 0
    assert report.best_common == (GRID[int(report.mean_iou.argmax())], report.mean_iou.max())


def test_each_label_has_an_account_of_its_pixels(report: CurveReport) -> None:
    scores, target = maps()
    void, void_preds = (target == 255).sum((0, 2)), (np.isnan(scores) & (target != 255)).sum((0, 2))
    for label, account in enumerate(report.label_pixels):
        assert account["seen"] == 600
        assert (account["void"], account["void_preds"]) == (void[label], void_preds[label])
        assert account["counted"] == 600 - void[label] - void_preds[label]
    assert report.pixels == {name: sum(of[name] for of in report.label_pixels) for name in report.pixels}
    _, account = report.tables()
    assert account.header[:3] == ("label", "seen px", "counted px")
    assert account.rows[0] == ("road", "600", "570", "30", "0", "0")
    same = IoUCurve(2, thresholds=GRID)
    same.update(torch.rand(1, 2, 3), torch.ones(1, 2, 3))
    assert [*same.report().tables()][1].rows == (("each label", "3", "3", "0", "0", "0"),)


def test_the_rules_are_those_of_counting(report: CurveReport) -> None:
    assert report.rules == {
        "num_labels": 3,
        "inclusive": False,
        "ignore_index": [255],
        "average": "macro",
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "classes": [0, 1, 2],
    }


def test_a_csv_has_a_row_for_each_label_and_threshold(report: CurveReport) -> None:
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [(row["label"], float(row["threshold"])) for row in rows] == [(name, t) for name in NAMES for t in GRID]
    for name in ("iou", "dice", "precision", "recall"):
        values = [float(row[name]) if row[name] else math.nan for row in rows]
        assert values == pytest.approx(getattr(report, name).T.ravel().tolist(), nan_ok=True, abs=0)


def test_a_data_frame_has_the_rows_of_the_csv(report: CurveReport) -> None:
    frame = report.to_pandas()
    assert [*frame.columns] == report.to_csv().splitlines()[0].split(",")
    for row, expected in zip(frame.itertuples(index=False), report.rows(), strict=True):
        assert tuple(row) == pytest.approx(expected, nan_ok=True, abs=0)


def test_json_has_full_fractions_and_null(report: CurveReport) -> None:
    values = json.loads(report.to_json())
    assert values == report.to_dict()
    assert "counts" not in values
    assert values["iou"][0] == report.iou[:, 0].tolist()
    assert None in values["iou"][2]
    made = IoUCurve(thresholds=[-math.inf, 0.0, math.inf])
    assert json.loads(made.report().to_json())["thresholds"] == ["-inf", 0.0, "inf"]


def test_the_table_has_the_numbers_at_the_best_threshold(report: CurveReport) -> None:
    table = report.table()
    assert table.rows[2] == (NAMES[2], *["-"] * 5, f"{100 * report.area[2]:.2f}")
    for label, row in enumerate(table.rows[:2]):
        k = GRID.index(report.best[label][0])
        values = [getattr(report, name)[k, label] for name in ("iou", "dice", "precision", "recall")]
        texts = ["-" if math.isnan(v) else f"{100 * v:.2f}" for v in (*values, report.area[label])]
        assert row == (NAMES[label], f"{GRID[k]:g}", *texts)
    nothing = IoUCurve(2).report()
    assert {row[1:] for row in nothing.table().rows} == {("-",) * 6}
    for text in (str(report), report.to_markdown(), report.to_latex()):
        assert report.headline().split(" %")[0] in text
        assert "class" not in text


def test_the_headline_counts_labels_and_names_an_end_of_the_grid() -> None:
    def headline(scores: list[float], target: list[int], thresholds: list[float]) -> str:
        made = IoUCurve(thresholds=thresholds)
        made.update(torch.tensor([scores]), torch.tensor([target]))
        return made.report().headline()

    scores, target = [0.1, 0.3, 0.7, 0.9], [0, 0, 1, 1]
    assert headline(scores, target, [0.2, 0.5, 0.8]) == "highest IoU: 100.00 % at the threshold 0.5"
    assert headline(scores, target, [0.5, 0.8]).endswith("at the threshold 0.5, the lowest of 2")
    assert headline(scores, target, [0.05, 0.2, 0.4]).endswith("at the threshold 0.4, the highest of 3")
    assert headline(scores, target, [0.5]).endswith("at the threshold 0.5")
    assert IoUCurve(2).report().headline() == "no label has an IoU at any threshold"
    two = IoUCurve(3, thresholds=[0.2, 0.5, 0.8], classes=[0, 1])
    two.update(torch.tensor([[scores, [0.0] * 4, scores]]), torch.tensor([[target, [0] * 4, target]]))
    assert two.report().headline() == "highest mean IoU over 1 of 3 labels: 100.00 % at the threshold 0.5"


def test_scalars_have_the_same_names_whatever_was_seen(report: CurveReport) -> None:
    scalars = report.scalars("val/")
    assert (scalars["val/best_common_threshold"], scalars["val/best_common_iou"]) == report.best_common
    for label, name in enumerate(NAMES):
        assert (scalars[f"val/best_threshold/{name}"], scalars[f"val/best_iou/{name}"]) == report.best[label]
        assert scalars[f"val/area/{name}"] == report.area[label]
    assert len(scalars) == 2 + 3 * 3
    nothing = IoUCurve(3, class_names=NAMES).report().scalars("val/")
    assert list(nothing) == list(scalars)
    assert all(math.isnan(value) for value in nothing.values())
    assert {*map(type, scalars.values())} == {float}


def test_another_value_is_another_report(report: CurveReport) -> None:
    assert metric().report() == report
    assert metric(present="target").report() != report
    assert dataclasses.replace(report, label_pixels=report.label_pixels[::-1]) != report


def test_reports_of_the_other_kind_are_refused_with_the_cure(report: CurveReport) -> None:
    for call in (check_report, plot.classes, plot.confusion, page.html):
        with pytest.raises(TypeError) as error:
            call(report)
        assert_sentence(error, "a CurveReport", "plot.curve(report)")
    for other in (MeanIoU(2).report(), metric()):
        with pytest.raises(TypeError) as error:
            check_curve_report(other)
        assert_sentence(error, f"a{'n' * isinstance(other, IoUCurve)} {type(other).__name__}", "an IoUCurve")


NUMBER = MANY + 2


def undivided(*labels: tuple[float, float], target: tuple[int, ...] | None = None, number: int = NUMBER) -> IoUCurve:
    """A metric of labels whose scores lie between two numbers."""
    made = IoUCurve(len(labels), thresholds=[0.3, 0.5, 0.7])
    scores = torch.stack([torch.linspace(low, high, number) for low, high in labels])[None]
    values = torch.arange(number).expand(len(labels), -1) % 2 if target is None else torch.tensor(target)[:, None]
    made.update(scores, values.expand(len(labels), number)[None].contiguous())
    return made


def doubts_of(made: IoUCurve) -> list[Doubt]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.compute()
    return [warning.message for warning in caught]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([(0.01, 0.29)], "None of the 1,002 scores is above the lowest threshold, 0.3"),
        ([(0.71, 0.99)], "None of the 1,002 scores is below the highest threshold, 0.7"),
        ([(0.31, 0.49)], "No threshold lies between the scores of any label"),
        ([(0.01, 0.2), (0.1, 0.29)], "None of the 2,004 scores is above the lowest threshold, 0.3"),
        ([(0.01, 0.2), (0.8, 0.9)], "No threshold lies between the scores of any label"),
    ],
)
def test_thresholds_that_divide_no_scores_cause_one_warning(labels: list[tuple[float, float]], words: str) -> None:
    (doubt,) = doubts_of(undivided(*labels))
    assert isinstance(doubt, Doubt)
    assert str(doubt).startswith(words)
    assert "torch.sigmoid(preds)" in str(doubt)
    assert str(doubt).endswith("pass thresholds within the range of the scores.")
    assert "torch" not in doubt.as_options()
    assert doubt.as_options().startswith(words)


@pytest.mark.parametrize(
    "made",
    [
        undivided((0.01, 0.31)),
        undivided((0.01, 0.2), (0.2, 0.6)),
        undivided((0.01, 0.2), number=MANY),
        undivided((0.01, 0.2), target=(0,)),  # the label is nowhere, and the scores say so
        undivided((0.8, 0.9), target=(1,)),
        undivided((0.01, 0.2), (0.8, 0.9), target=(0, 1)),
        undivided((0.01, 0.2), number=0),
    ],
    ids=["one score above", "one label divided", "few", "absent", "everywhere", "both right", "empty"],
)
def test_other_scores_cause_none(made: IoUCurve) -> None:
    assert doubts_of(made) == []


def test_the_warning_comes_for_datasets_and_not_for_a_batch_or_unchecked() -> None:
    made = undivided((0.31, 0.49))
    scores, target = torch.full((1, 1, NUMBER), 0.4), torch.arange(NUMBER)[None, None] % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(scores, target)
        unchecked = IoUCurve(thresholds=GRID, validate_args=False)
        unchecked.update(scores, target)
        unchecked.compute()
        one = MultilabelMeanIoU(1)
        one.update(scores, target)
        one.compute()
    assert len(doubts_of(made)) == 1
