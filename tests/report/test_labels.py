"""The report of labels that overlap: labels in every text, and nothing that needs a confusion matrix."""

import csv
import io
import json
import math

import numpy as np
import pytest
import torch

from meaniou import MeanIoU, MultilabelMeanIoU, Resampling
from meaniou.report import LABELS, Report, class_notes, nouns_of, overall_numbers

NAMES = ["road", "bridge", "sea"]
GROUPS = {"built": [0, 1], "wet": ["sea"]}


def counted(**settings) -> tuple[MultilabelMeanIoU, np.ndarray, np.ndarray]:
    """A metric with void pixels and void predictions, and its scores and ground truth ``[4, 3, 12, 10]``."""
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, (4, 3, 12, 10))
    scores = 0.3 * target + 0.7 * rng.random(target.shape)
    target[:, 2], scores[:, 2] = 0, 0  # the sea is absent
    target[0, 0, 0], target[1, 1, :2] = 255, 255
    scores[2, 0, 5, :4] = np.nan
    metric = MultilabelMeanIoU(3, ignore_index=255, class_names=NAMES, per_image=True, **settings)
    metric.update(scores, target, image_ids=["a", "b", "c", "d"])
    return metric, scores, target


@pytest.fixture(scope="module")
def report() -> Report:
    return counted(threshold=[0.5, 0.3, 0.2])[0].report(bootstrap=Resampling(resamples=20), class_groups=GROUPS)


def test_the_rules_are_those_of_counting(report: Report) -> None:
    assert report.rules == {
        "num_labels": 3,
        "threshold": [0.5, 0.3, 0.2],
        "inclusive": False,
        "ignore_index": [255],
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "classes": [0, 1, 2],
    }
    rules = counted(threshold=0.4, inclusive=True)[0].report(classes=[1, 2], absent="zero").rules
    assert (rules["threshold"], rules["inclusive"], rules["classes"], rules["absent"]) == (0.4, True, [1, 2], "zero")
    assert MeanIoU(3).report().rules.keys() & {"num_labels", "threshold", "inclusive"} == set()


def test_each_label_accounts_for_every_pixel() -> None:
    metric, scores, target = counted()
    report = metric.report()
    void, no_score = target == 255, np.isnan(scores)
    seen = target.size
    expected = {"seen": seen, "void": int(void.sum()), "void_preds": int((no_score & ~void).sum()), "outside": 0}
    expected["counted"] = seen - sum(expected[name] for name in ("void", "void_preds", "outside"))
    assert report.pixels == expected
    assert report.counts[:, 2].sum(1).tolist() == void.sum((0, 2, 3)).tolist()
    assert report.counts[:, :2, 2].sum(1).tolist() == (no_score & ~void).sum((0, 2, 3)).tolist()
    assert report.counts.sum((1, 2)).tolist() == [seen // 3] * 3
    right = (((scores > 0.5) == (target == 1)) & ~void & ~no_score).sum()
    assert report.pixel_accuracy == pytest.approx(right / (seen - void.sum()), rel=1e-12)


def test_texts_say_labels_and_leave_out_what_needs_a_matrix(report: Report) -> None:
    for text in (str(report), report.to_markdown(), report.to_latex()):
        assert "class" not in text
        assert "mean IoU over 2 of 3 labels" in text
        for word in ("kappa", "merged", "predicted as"):
            assert word not in text
        for word in ("label", "over labels", "resamples lacking a label", "sum over labels", "harmonic mean"):
            assert word in text
    assert report.headline() == f"mean IoU {100 * report.mean_iou:.2f} % over 2 of 3 labels"
    assert nouns_of(report) is LABELS
    assert class_notes(report) == ["", "", "absent"]
    classes, groups, overall, _, pixels = report.tables()
    assert classes.header[0] == "label"
    assert groups.header == ("group", "mean IoU")
    assert all(len(row) == 2 for row in groups.rows)
    assert "kappa" not in overall.header
    assert pixels.rows == (("sum over labels", *(f"{number:,}" for number in report.pixels.values())),)


def test_a_single_label_is_no_plural() -> None:
    metric = MultilabelMeanIoU(1)
    metric.update(torch.tensor([[0.9, 0.1]]), torch.tensor([[1, 1]]))
    assert metric.report().headline() == "mean IoU 50.00 % over 1 of 1 label"


def test_json_has_null_where_there_is_no_matrix(report: Report) -> None:
    values = json.loads(report.to_json())
    assert values == report.to_dict()
    for name in ("kappa", "confusions", "mean_merged_iou"):
        assert values[name] is None
    assert [group["merged_iou"] for group in values["class_groups"]] == [None, None]
    assert values["rules"]["threshold"] == [0.5, 0.3, 0.2]
    infinite = counted(threshold=-math.inf)[0].report()
    assert float(json.loads(infinite.to_json())["rules"]["threshold"]) == -math.inf


def test_csv_keeps_its_columns(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    of_classes = MeanIoU(3, per_image=True)
    of_classes.update(torch.tensor([[[0, 1, 2]]]), torch.tensor([[[0, 1, 1]]]))
    plain = of_classes.report(bootstrap=Resampling(resamples=5)).to_csv()
    assert list(rows[0]) == plain.splitlines()[0].split(",")
    assert [row["kind"] for row in rows] == ["class"] * 3 + ["mean"] + ["group mean"] * 2 + ["groups"]
    assert [row["iou"] for row in rows[:2]] == [repr(label.iou) for label in report.classes[:2]]


def test_scalars_have_the_names_of_classes(report: Report) -> None:
    scalars = report.scalars("val/")
    of_classes = MeanIoU(3, class_names=NAMES).report(class_groups=GROUPS).scalars("val/")
    lacking = {"val/kappa", "val/mean_merged_iou", "val/merged_iou/built", "val/merged_iou/wet"}
    assert scalars.keys() == of_classes.keys() - lacking
    assert lacking <= of_classes.keys()
    assert scalars["val/iou/bridge"] == report.classes[1].iou
    assert "kappa" not in overall_numbers(report)


def test_image_tables_name_the_worst_labels() -> None:
    table = counted()[0].image_scores()
    assert str(table).splitlines()[0].split("  ")[:2] == ["image", "worst labels"]
    plain = MeanIoU(2, per_image=True)
    plain.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]))
    assert "worst classes" in str(plain.image_scores())
    named = MultilabelMeanIoU(1, class_names=["image"], per_image=True)
    named.update(torch.tensor([[1.0]]), torch.tensor([[1]]))
    with pytest.raises(ValueError, match=r"A label is named 'image'.*rename the label"):
        named.image_scores().to_csv()
