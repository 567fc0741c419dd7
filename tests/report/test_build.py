"""Building a report: columns from one specification, and metrics without a confusion matrix."""

import csv
import dataclasses
import io
import math

import numpy as np
import pytest

from meaniou import MeanIoU, Resampling, compare, synthetic
from meaniou._util import Table, percent
from meaniou.metrics.checked.checked_counts import CheckedCounts
from meaniou.report import COLUMNS, ClassReport, Report, build_report, class_values, overall_numbers
from meaniou.scores import Areas, ImageRows
from meaniou.settings import LabelSpace, Policy


@pytest.fixture(scope="module")
def report() -> Report:
    metric = MeanIoU(9, ignore_index=255, class_names=synthetic.NAMES, per_image=True)
    for seed in range(4):
        preds, target = synthetic.scene(seed, 32, 64)
        metric.update(preds[None], target[None], image_ids=[seed])
    return metric.report(bootstrap=Resampling(resamples=20))


def test_every_number_of_a_class_has_a_column_and_every_mean_a_title(report: Report) -> None:
    assert list(COLUMNS) == [part.name for part in dataclasses.fields(ClassReport)][1:]
    titles = [column.title for column in COLUMNS.values() if column.title]
    assert len(set(titles)) == len(titles)
    assert {column.mean for column in COLUMNS.values() if column.mean} <= overall_numbers(report).keys()


def test_tables_show_the_columns_in_the_order_of_the_fields(report: Report) -> None:
    table = next(report.tables())
    shown = [name for name, column in COLUMNS.items() if column.title]
    titles = [COLUMNS[name].title for name in shown]
    assert table.header == ("class", titles[0], "95 % interval", *titles[1:])
    for c, row in enumerate(report.classes):
        values = class_values(report, c)
        interval = report.intervals.classes[c]
        assert [values[0], *values[2:]] == pytest.approx([getattr(row, name) for name in shown], nan_ok=True)
        assert values[1] == pytest.approx(interval.high - interval.low, nan_ok=True)
        texts = [percent(v) if isinstance(v, float) else f"{v:,}" for v in (values[0], *values[2:])]
        assert [table.rows[c][1], *table.rows[c][3:]] == texts


def test_a_mean_of_csv_is_in_the_column_of_its_ratio(report: Report) -> None:
    rows = {row["kind"]: row for row in csv.DictReader(io.StringIO(report.to_csv()))}
    for name, column in COLUMNS.items():
        assert rows["mean"][name] == (repr(getattr(report, column.mean)) if column.mean else "")


def test_a_report_without_a_confusion_matrix() -> None:
    """As for labels that overlap: areas, images and intervals exist, but no number that needs the matrix."""
    space = LabelSpace(3, class_names=["a", "b", "c"])
    policy = Policy.of(space)
    rows = np.array([[[4, 0, 2], [5, 1, 2], [6, 0, 4], [0, 0, 0]], [[1, 0, 0], [2, 0, 0], [1, 3, 0], [0, 0, 0]]])
    images = ImageRows.in_order(rows, np.arange(2), {}, as_counted=True).with_areas(Areas.of_rows(rows, space, policy))
    areas = Areas.of_rows(rows.sum(0, keepdims=True), space, policy)
    areas = Areas(areas.intersection[0], areas.truth[0], areas.predicted[0], areas.ignored)
    report = build_report(
        np.zeros((3, 4, 4), np.int64),
        areas,
        space,
        policy,
        matrix=None,
        pixels={"seen": 30, "counted": 30},
        class_groups={"ab": [0, 1], "c": [2]},
        images=images,
        resampling=Resampling(resamples=9),
    )
    assert report.confusions is None
    assert math.isnan(report.kappa)
    assert all(math.isnan(group.merged_iou) for group in report.class_groups)
    assert [c.iou for c in report.classes] == [5 / 9, 0, 2 / 4]
    assert report.mean_iou == report.intervals.mean_iou.value == pytest.approx((5 / 9 + 0 + 1 / 2) / 3)
    assert report.images.number == 2
    assert report.to_dict()["confusions"] is None
    for text in (str(report), report.to_markdown(), report.to_latex(), report.to_csv(), report.to_json()):
        assert "predicted as" not in text
    assert "seen px" in str(report)


def test_a_table_prints_as_text() -> None:
    table = Table(("name", "px"), (("road", "12"), ("mean", "3")), mean=True)
    assert str(table) == "name  px\n--------\nroad  12\n--------\nmean   3"


class WithoutMatrix(CheckedCounts):
    """Checked counts with areas, but without a confusion matrix."""

    matrix = None


class Overlapping(MeanIoU):
    """A metric whose checked counts are no confusion matrix."""

    _checked_as = WithoutMatrix


def test_a_metric_without_a_confusion_matrix_has_all_else() -> None:
    both = [kind(9, ignore_index=255, per_image=True) for kind in (MeanIoU, Overlapping)]
    for metric in both:
        for seed in range(4):
            preds, target = synthetic.scene(seed, 32, 64)
            metric.update(preds[None], target[None], image_ids=[seed])
    plain, other = both
    assert other.compute() == plain.compute()
    assert other.image_scores() == plain.image_scores()
    assert other.bootstrap_classes(resamples=9) == plain.bootstrap_classes(resamples=9)
    assert compare(plain, other, resamples=9).value == 0
    lacking = {"kappa", "confusions", "class_groups", "mean_merged_iou"}
    reports = [metric.report(class_groups={"a": [0, 1]}) for metric in both]
    for name in (part.name for part in dataclasses.fields(Report) if part.name not in {*lacking, "counts"}):
        assert repr(getattr(reports[1], name)) == repr(getattr(reports[0], name))
    assert reports[1].confusions is None
    assert math.isnan(reports[1].kappa)
    assert reports[1].class_groups[0].mean_iou == reports[0].class_groups[0].mean_iou
