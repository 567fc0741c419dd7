"""The report: its numbers against the reference and scikit-learn, and its output formats."""

import csv
import dataclasses
import html
import io
import json
import math
import re

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)
from support import assert_sentence

from meaniou import MeanIoU, reference, synthetic
from meaniou._util import tables
from meaniou._util.tables import Table
from meaniou.metrics import comparison_report
from meaniou.report.report import Report


@pytest.fixture(scope="module")
def metric() -> MeanIoU:
    found = MeanIoU(9, ignore_index=255, class_names=synthetic.NAMES)
    for seed in range(8):
        preds, target = (torch.from_numpy(side) for side in synthetic.scene(seed, 64, 128))
        found.update(preds, target)
    return found


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray]:
    preds, target = (np.stack(side) for side in zip(*(synthetic.scene(s, 64, 128) for s in range(8)), strict=True))
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
        "void_preds": 0,
        "outside": 0,
    }
    assert report.mean_iou == pytest.approx(float(metric.compute()), rel=1e-6)


def test_mean_dice_is_over_the_classes_of_mean_iou() -> None:
    metric = MeanIoU(3, present="target")
    metric.update(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 1]))
    report = metric.report()
    assert (report.mean_iou, report.mean_dice) == (0.75, pytest.approx((1 + 2 / 3) / 2))
    report = metric.report(absent="zero")
    assert (report.mean_iou, report.mean_dice) == (0.5, pytest.approx((1 + 2 / 3) / 3))
    assert [c.dice for c in report.classes] == [1, pytest.approx(2 / 3), 0]


def test_account_adds_up_with_every_kind_of_pixel() -> None:
    metric = MeanIoU(2, ignore_index=255, validate_args=False)
    metric.update(torch.tensor([0, 1, 255, 7, 7, 0]), torch.tensor([0, 1, 0, 1, 255, 9]))
    assert metric.report().pixels == {"seen": 6, "counted": 2, "void": 1, "void_preds": 1, "outside": 2}


def test_another_policy_without_counting_again(metric: MeanIoU) -> None:
    other = metric.report(present="target", absent="zero")
    assert other.classes[synthetic.TRAIN].iou == 0.0
    assert other.mean_iou == pytest.approx(sum(c.iou for c in other.classes) / 9, rel=1e-12)
    assert metric.report().classes[synthetic.TRAIN].iou != 0.0


def test_text_is_in_percent_with_two_decimals(metric: MeanIoU) -> None:
    lines = str(metric.report()).splitlines()
    assert len({len(line) for line in lines[:11]}) == 1
    road = metric.report().classes[synthetic.ROAD]
    assert lines[2].split()[:2] == ["road", f"{100 * road.iou:.2f}"]
    assert lines[12].split()[:2] == ["mean", f"{100 * metric.report().mean_iou:.2f}"]
    means = next(i for i, line in enumerate(lines) if line.split()[:1] == ["mIoU"])
    assert lines[means + 2].split()[0] == f"{100 * metric.report().mean_iou:.2f}"


def test_json_has_full_fractions_and_null(metric: MeanIoU) -> None:
    report = metric.report()
    found = json.loads(report.to_json())
    assert found == report.to_dict()
    assert found["mean_iou"] == report.mean_iou
    assert found["classes"][synthetic.TRAIN]["iou"] is None
    assert found["classes"][synthetic.BICYCLE]["iou"] == 0.0


def test_report_of_nothing() -> None:
    report = MeanIoU(2).report()
    assert isinstance(report, Report)
    assert math.isnan(report.mean_iou)
    assert ["-"] * 6 in [line.split() for line in str(report).splitlines()]


def merged(labels: np.ndarray, members: list[int]) -> np.ndarray:
    """The map with a group as class 1 and all other classes as class 0; void stays."""
    return np.where(labels == 255, 255, np.isin(labels, members).astype(np.uint8))


GROUPS = {"flat": [0, 1], "things": ["person", 6, "bicycle"], "lost": ["train"], "all": range(9)}


def test_groups_are_those_of_merged_maps(metric: MeanIoU) -> None:
    preds, target = (np.stack(side) for side in zip(*(synthetic.scene(s, 64, 128) for s in range(8)), strict=True))
    preds[:, :9] = 255  # void predictions
    full = MeanIoU(9, ignore_index=255, class_names=synthetic.NAMES)
    full.update(torch.from_numpy(preds), torch.from_numpy(target))
    for rules in ({}, {"void_preds": "drop"}, {"absent": "zero"}, {"absent": "one", "present": "target"}):
        kept = {k: v for k, v in rules.items() if k != "average"}
        report = full.report(class_groups=GROUPS, **rules)
        assert [g.name for g in report.class_groups] == list(GROUPS)
        for group in report.class_groups:
            ids = [synthetic.NAMES.index(name) for name in group.classes]
            mean = reference.mean_iou(preds, target, 9, 255, classes=ids, **kept)
            assert group.mean_iou == pytest.approx(mean, rel=1e-12, nan_ok=True)
            alone = reference.class_iou(merged(preds, ids), merged(target, ids), 2, 255, **kept)[1]
            assert group.merged_iou == pytest.approx(alone, rel=1e-12, nan_ok=True)
    assert math.isnan(report.harmonic_mean)


def test_harmonic_mean_of_two_groups(metric: MeanIoU) -> None:
    seen, unseen = [0, 1, 2], [5, 6]
    report = metric.report(class_groups={"seen": seen, "unseen": unseen})
    a, b = (metric.report(classes=ids).mean_iou for ids in (seen, unseen))
    assert report.harmonic_mean == pytest.approx(2 / (1 / a + 1 / b), rel=1e-12)
    assert metric.report(class_groups={"a": [7], "b": [7]}).harmonic_mean == 0.0
    assert math.isnan(metric.report(class_groups={"a": [0], "b": ["train"]}).harmonic_mean)
    assert "harmonic mean" in str(report)


def test_an_ignored_id_is_in_no_group() -> None:
    metric = MeanIoU(3, ignore_index=1)
    metric.update(torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 2, 2]))
    groups = metric.report(class_groups={"two": [1, 2], "none": [1]}).class_groups
    assert [g.classes for g in groups] == [("2",), ()]
    assert groups[0].mean_iou == groups[0].merged_iou == 0.5
    assert math.isnan(groups[1].mean_iou)
    assert math.isnan(groups[1].merged_iou)


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        ([0, 1], TypeError, "groups is a list"),
        ({"a": "road"}, TypeError, "a list of classes"),
        ({"a": 3}, TypeError, "pass a list"),
        ({"a": [0], " a": [1]}, ValueError, "'a' more than once"),
        ({"": [0]}, TypeError, "expected a name"),
        ({"a": [1.5]}, TypeError, "whole number"),
        ({"a": []}, ValueError, "'a' holds no class"),
        ({"a": [0, 9]}, ValueError, "'a' holds 9, which is no class"),
        ({"a": [-1]}, ValueError, " 0 to 8"),
        ({"a": ["boat"]}, ValueError, "boat"),
    ],
)
def test_groups_that_are_off(metric: MeanIoU, groups: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        metric.report(class_groups=groups)


def test_confusions_cost_what_righting_them_gains(metric: MeanIoU) -> None:
    report = metric.report()
    assert len(report.confusions) == 10
    costs = [c.iou_cost for c in report.confusions]
    assert costs == sorted(costs, reverse=True)
    for c in report.confusions:
        truth, predicted = synthetic.NAMES.index(c.truth), synthetic.NAMES.index(c.predicted)
        assert c.pixels == metric.confmat[truth, predicted] > 0
        assert c.share == pytest.approx(c.pixels / report.classes[truth].truth, rel=1e-12)
        other = metric.clone()
        other.counts[truth, predicted] -= c.pixels
        other.counts[truth, truth] += c.pixels
        gained = other.report().classes[truth].iou - report.classes[truth].iou
        assert c.iou_cost == pytest.approx(gained, rel=1e-9)
    # No other confusion costs more than the last one.
    wrong = (
        metric.confmat.double() / (metric.confmat.sum(0) + metric.confmat.sum(1) - metric.confmat.diagonal())[:, None]
    )
    wrong.fill_diagonal_(0)
    assert sorted(wrong.nan_to_num().flatten().tolist(), reverse=True)[:10] == pytest.approx(costs, rel=1e-12)


def test_confusions_with_what_is_no_class() -> None:
    metric = MeanIoU(2, ignore_index=255, validate_args=False, class_names=["a", "b"])
    metric.update(torch.tensor([0, 255, 255, 7, 1, 0, 9]), torch.tensor([0, 0, 0, 0, 1, 255, 255]))
    found = [(c.truth, c.predicted, c.pixels, c.share, c.iou_cost) for c in metric.report().confusions]
    assert found == [("a", "(void prediction)", 2, 0.5, 0.5), ("a", "(outside)", 1, 0.25, 0.25)]
    found = metric.report(void_preds="drop").confusions
    assert [(c.predicted, c.pixels, c.share) for c in found] == [("(outside)", 1, 0.5)]


def test_frequency_weighted_iou_and_kappa_are_those_of_scikit_learn(metric: MeanIoU, pixels) -> None:
    preds, target = pixels
    report = metric.report()
    weighted = jaccard_score(target, preds, average="weighted", zero_division=0)
    assert report.frequency_weighted_iou == pytest.approx(weighted, rel=1e-12)
    assert report.kappa == pytest.approx(cohen_kappa_score(target, preds), rel=1e-12)


def test_kappa_beyond_the_range_of_int64_and_where_it_is_undefined() -> None:
    metric = MeanIoU(2)
    metric.counts[:2, :2] = torch.tensor([[2**61, 2**60], [2**60, 2**61]])
    assert metric.report().kappa == pytest.approx(1 / 3, rel=1e-15)
    assert math.isnan(MeanIoU(2).report().kappa)
    metric.reset()
    metric.update(torch.tensor([1, 1]), torch.tensor([1, 1]))
    assert math.isnan(metric.report().kappa)
    metric.update(torch.tensor([0]), torch.tensor([1]))
    assert metric.report().kappa == 0.0


def test_csv_holds_full_fractions_and_empty_cells(metric: MeanIoU) -> None:
    report = metric.report(class_groups=GROUPS)
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row["kind"] for row in rows] == ["class"] * 9 + ["mean"] + ["group mean"] * 4 + ["group merged"] * 4 + [
        "groups"
    ]
    for row, known in zip(rows, report.classes, strict=False):
        assert row["name"] == known.name
        for name in ("iou", "dice", "precision", "recall"):
            value = getattr(known, name)
            assert row[name] == ("" if math.isnan(value) else repr(value))
        assert int(row["truth"]) == known.truth
    assert (rows[9]["iou"], rows[9]["recall"]) == (repr(report.mean_iou), repr(report.mean_accuracy))
    assert [row["iou"] for row in rows[10:14]] == [
        ("" if math.isnan(g.mean_iou) else repr(g.mean_iou)) for g in report.class_groups
    ]


AWKWARD = ["a|b", "50% & more_", "line\nbreak", "<b>*x*</b>", "back\\slash", "[0]", 'é,"q"', "#{~^}", "=1+1"]


def names_in(text: str) -> list[str]:
    """The names in CSV, restored as ``to_csv`` documents."""
    names = [row["name"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    return [name[1:] if re.match(r"'+\s*[=+\-@＝＋－＠]", name) else name for name in names]


def test_awkward_names_stay_in_their_cells() -> None:
    metric = MeanIoU(9, class_names=AWKWARD)
    metric.update(torch.arange(9), torch.arange(9))
    report = metric.report()
    shown = [" ".join(name.split()) for name in AWKWARD]
    text = str(report).splitlines()
    assert [line.split("  ")[0] for line in text[2:11]] == shown
    assert names_in(report.to_csv())[:9] == AWKWARD
    rendered = MarkdownIt("commonmark").enable("table").render(report.to_markdown())
    cells = [html.unescape(cell) for cell in re.findall(r"<tr>\n<td>(.*?)</td>", rendered)]
    assert cells[:10] == [*shown, "<strong>mean</strong>"]
    latex = report.to_latex()
    assert r"50\% \& more\_ & 100.00" in latex
    assert r"{[}0] & 100.00" in latex
    assert r"\#\{\textasciitilde{}\textasciicircum{}\} &" in latex
    for line in latex.splitlines():
        assert re.fullmatch(r"\\(begin|end|hline).*|(.*[^\\] & )+.* \\\\|", line), line


def test_latex_and_markdown_are_rectangles(metric: MeanIoU) -> None:
    report = metric.report(class_groups=GROUPS)
    for table in report.to_markdown().split("\n\n")[:-1]:  # the last is the footer
        assert len({line.count("|") for line in table.splitlines()}) == 1
    for table in report.to_latex().split("\n\n")[:-1]:
        lines = table.splitlines()
        columns = len(re.fullmatch(r"\\begin{tabular}{([lr]+)}", lines[0])[1])
        assert {line.count("&") + 1 for line in lines if line.endswith("\\\\")} == {columns}
        assert lines[-1] == r"\end{tabular}"


def test_scalars_have_the_same_names_whatever_was_seen(metric: MeanIoU) -> None:
    report = metric.report(class_groups={"a": [0], "b": [1]})
    scalars = report.scalars(prefix="val/")
    assert scalars["val/mean_iou"] == report.mean_iou
    assert scalars["val/iou/road"] == report.classes[0].iou
    assert scalars["val/merged_iou/a"] == report.classes[0].iou
    assert math.isnan(scalars["val/iou/train"])
    empty = MeanIoU(9, class_names=synthetic.NAMES).report(class_groups={"a": [0], "b": [1]})
    assert list(empty.scalars(prefix="val/")) == list(scalars)
    assert all(isinstance(value, float) for value in scalars.values())


def test_a_report_holds_its_rules(metric: MeanIoU) -> None:
    rules = metric.report(absent="zero", classes=[0, 2]).to_dict()["rules"]
    assert rules == {
        "num_classes": 9,
        "ignore_index": [255],
        "void_preds": "miss",
        "present": "union",
        "absent": "zero",
        "classes": [0, 2],
    }


def test_csv_has_the_harmonic_mean_of_two_groups():
    metric = MeanIoU(3)
    metric.update(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 1]))
    two = metric.report(class_groups={"seen": [0], "unseen": [1, 2]})
    *_, last = csv.DictReader(io.StringIO(two.to_csv()))
    assert {key: value for key, value in last.items() if value} == {
        "kind": "groups",
        "name": "harmonic mean",
        "iou": repr(two.harmonic_mean),
    }
    assert "harmonic" not in metric.report(class_groups={"seen": [0]}).to_csv()


STEERING = ["\x1b[31m", "a\x07b", "\x9b2J", "a\x7fb", "\u202eevil", "\u2066x", "a\rb", "\u2028", "x\x1cy"]


def test_what_steers_a_terminal_is_shown_as_an_escape() -> None:
    names = [f"{i}{name}{i}" for i, name in enumerate(STEERING)]
    metric = MeanIoU(9, class_names=names, per_image=True, input_format="index")
    metric.update(torch.arange(9)[None, None], torch.arange(9)[None, None], image_ids=[5])
    metric.image_names = {5: "city\x1b]0;x\x07"}
    report = metric.report(class_groups={"\x1b[2J": [0], "b": [1]})
    table = metric.image_scores()
    for text in (str(report), report.to_markdown(), report.to_latex(), report.to_json(), str(table)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert r"0\x1b[31m0 " in str(report)
    assert r"0\textbackslash{}x1b{[}31m0 & 100.00" in report.to_latex()
    assert [c["name"] for c in json.loads(report.to_json())["classes"]] == names
    for text in (report.to_csv(), table.to_csv()):
        assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert names_in(report.to_csv())[6] == "6a\rb6"


FORMULAS = ["=1+1", "+x", "-x", "@x", " =x", "'=x", "''-x", "'x", "＝x", "-", "-1", "+2.5e3", "1=2", "a-b"]


def test_formulas_in_csv_are_texts_and_numbers_stay() -> None:
    text = tables.as_csv(("name", "value", "kind"), [(name, -0.5, None) for name in FORMULAS])
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    kept = {"'x", "-1", "+2.5e3", "1=2", "a-b"}
    assert [row[0] for row in rows] == [name if name in kept else f"'{name}" for name in FORMULAS]
    assert {(row[1], row[2]) for row in rows} == {("-0.5", "")}
    assert names_in(text) == FORMULAS


def test_csv_has_as_many_fields_as_columns() -> None:
    with pytest.raises(ValueError, match="3 fields and the header 2") as error:
        tables.as_csv(("a", "b"), [(1, 2), (1, 2, 3)])
    assert_sentence(error)
    with pytest.raises(ValueError, match="Two columns are called 'a'"):
        tables.as_csv(("a", "b", "a"), [])
    for awkward in ('"', ",", "\r", "\n", "\r\n", "\n\r", ""):
        text = tables.as_csv(("a", "b"), [(awkward, awkward), (f"x{awkward}", 1)])
        assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [[awkward, awkward], [f"x{awkward}", "1"]]


def test_a_new_number_of_a_class_is_a_column_of_its_own(metric: MeanIoU) -> None:
    report = metric.report(class_groups=GROUPS)
    rows = list(csv.reader(io.StringIO(report.to_csv())))
    assert rows[0] == ["kind", *(part.name for part in dataclasses.fields(report.classes[0]))]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_csv_holds_the_intervals_of_classes_and_mean() -> None:
    metric = MeanIoU(3, per_image=True)
    metric.update(torch.tensor([[0, 1], [1, 1], [0, 0]]), torch.tensor([[0, 1], [0, 1], [0, 1]]), image_ids=[0, 1, 2])
    report = metric.report(class_groups={"all": [0, 1, 2]}, bootstrap=True)
    *classes, mean, group, _, _ = csv.DictReader(io.StringIO(report.to_csv()))
    of_all = (*report.intervals.classes, report.intervals.mean_iou)
    for row, interval in zip((*classes, mean), of_all, strict=True):
        bounds = ["" if math.isnan(x) else repr(x) for x in (interval.low, interval.high)]
        assert [row["iou_low"], row["iou_high"]] == bounds
    assert classes[0]["iou_low"] < classes[0]["iou"] < classes[0]["iou_high"]
    assert (group["iou_low"], group["iou_high"]) == ("", "")
    assert "iou_low" not in metric.report().to_csv()


@pytest.mark.parametrize(
    "name", ["&lt;b&gt;", "https://a.b/c", "www.a.b", "WWW.a.b", "@someone", "a@b.c", "ftp://x", "&#64;me", "http:\\x"]
)
def test_names_are_no_links_in_markdown(name: str) -> None:
    shown = tables.markdown([Table(("a",), ((name,),))])
    rendered = MarkdownIt("commonmark").enable("table").render(shown)
    cell = re.search(r"<td>(.*?)</td>", rendered)[1]
    assert html.unescape(cell.replace("<!-- -->", "")) == name
    source = shown.splitlines()[-1]
    assert not re.search(r"(?i)(?<!\\)://|www\.|@(?!<!-- -->)|(?<!\\)&", source)


def test_latex_needs_no_package() -> None:
    assert r"\symbol{34}x\symbol{34}" in tables.latex([Table(("a",), (('"x"',),))])


def test_the_headline_says_of_how_many_classes_it_is_the_mean(metric: MeanIoU) -> None:
    report = metric.report()
    assert report.headline() == f"mean IoU {100 * report.mean_iou:.2f} % over 8 of 9 classes"
    assert metric.report(classes=[0, 8]).headline().endswith("over 1 of 9 classes")
    assert metric.report(absent="zero").headline().endswith("over 9 of 9 classes")
    assert MeanIoU(2).report().headline() == "mean IoU undefined over 0 of 2 classes"


def test_the_text_says_which_classes_the_mean_leaves_out(metric: MeanIoU) -> None:
    report = metric.report()
    for text in (str(report), report.to_markdown(), report.to_latex()):
        assert text.splitlines()[-1] == "mean IoU over 8 of 9 classes"
    assert "of 9 classes" not in str(metric.report(absent="zero"))
    assert str(metric.report(include_background=False)).endswith("\nmean IoU over 7 of 9 classes")
    assert str(metric.report(absent="nan")).endswith("\nmean IoU undefined over 8 of 9 classes")
    target = torch.tensor([7])
    protocol = MeanIoU(protocol="cityscapes")
    protocol.update(target, target)
    assert str(protocol.report()).endswith("\nmean IoU over 1 of 19 classes; protocol: cityscapes")


def test_a_comparison_of_nothing_is_undefined_and_no_tie() -> None:
    metrics = [MeanIoU(3, ignore_index=255, per_image=True, absent="nan") for _ in "ab"]
    for metric in metrics:
        metric.update(torch.zeros(2, 4, dtype=torch.long), torch.full((2, 4), 255), image_ids=[0, 1])
    last = comparison_report(*metrics).headline()
    assert "undefined" in last.split(";")[0]
    assert "do not differ" not in last
