"""Boundary IoU in the forms of a report: beside IoU, and in the report of a metric of bands."""

import csv
import io
import json
import math
from typing import Any

import pytest
import torch

from meaniou import MeanBoundaryIoU, MeanIoU, Resampling, synthetic
from meaniou._util import percent
from meaniou.metrics import comparison_report
from meaniou.report import Report, band_notes, class_notes, class_values, extent, overall_numbers
from meaniou.report.bands import WORDS

WIDTHS = (0.005, 0.02, 2)  # 1, 3 and 2 pixels


def counted(width: Any = 0.02, seeds: tuple[int, ...] = (0, 1), **rules: Any) -> tuple[MeanIoU, MeanBoundaryIoU]:
    shared = {"ignore_index": 255, "class_names": synthetic.NAMES, "per_image": True}
    both = MeanIoU(9, **shared), MeanBoundaryIoU(9, **shared, width=width, **rules)
    for seed in seeds:
        preds, target = (torch.from_numpy(side)[None] for side in synthetic.scene(seed, 64, 128))
        for metric in both:
            metric.update(preds, target, image_ids=[seed])
    return both


@pytest.fixture(scope="module")
def one() -> Report:
    iou, bands = counted()
    return iou.report(boundary=bands, bootstrap=Resampling(resamples=5))


@pytest.fixture(scope="module")
def several() -> Report:
    iou, bands = counted(WIDTHS)
    return iou.report(boundary=bands)


@pytest.fixture(scope="module")
def own() -> Report:
    return counted()[1].report(bootstrap=Resampling(resamples=5), class_groups={"flat": [0, 1], "far": [2, 3, 4]})


def rows_of(report: Report) -> list[dict[str, str]]:
    lines = list(csv.reader(io.StringIO(report.to_csv())))
    assert {len(line) for line in lines} == {len(lines[0])}
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def column_of(report: Report, title: str) -> list[str]:
    table = next(report.tables())
    return [row[table.header.index(title)] for row in table.rows]


def test_the_class_table_has_boundary_iou_beside_iou(one: Report) -> None:
    header = next(one.tables()).header
    assert header[:6] == ("class", "IoU", "95 % interval", "boundary IoU", "in band", "Dice")
    (boundary,) = one.boundaries
    assert column_of(one, "boundary IoU") == [percent(c.iou) for c in boundary.classes] + [percent(boundary.mean_iou)]
    assert column_of(one, "in band") == [percent(c.share) for c in boundary.classes] + [""]
    assert column_of(one, "IoU") == [percent(c.iou) for c in one.classes] + [percent(one.mean_iou)]
    assert column_of(one, "Dice") == [percent(c.dice) for c in one.classes] + [percent(one.mean_dice)]


def test_several_widths_have_columns_of_their_own(several: Report) -> None:
    header = next(several.tables()).header
    names = ("0.005", "0.02", "2 px")
    assert header[2:8] == tuple(f"{word} {name}" for name in names for word in ("boundary IoU", "in band"))
    for boundary, name in zip(several.boundaries, names, strict=True):
        assert column_of(several, f"boundary IoU {name}")[:-1] == [percent(c.iou) for c in boundary.classes]
        assert column_of(several, f"in band {name}")[:-1] == [percent(c.share) for c in boundary.classes]
    assert len({tuple(column_of(several, f"boundary IoU {name}")) for name in names}) == 3
    titles = [title for title, _ in overall_numbers(several).values()]
    assert titles[1:4] == [f"mean boundary IoU {name}" for name in names]


@pytest.mark.parametrize("name", ["one", "several", "own"])
def test_values_by_which_a_page_sorts_are_those_of_the_table(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    table = next(report.tables())
    for c, row in enumerate(table.rows[:-1]):
        values = class_values(report, c)
        assert len(values) == len(row) - 1
        for title, text, value in zip(table.header[1:], row[1:], values, strict=True):
            if "interval" not in title:
                assert text == (f"{value:,}" if isinstance(value, int) else percent(value))


def test_csv_has_a_field_for_each_column(one: Report, several: Report) -> None:
    rows = rows_of(one)
    assert list(rows[0])[-4:] == ["iou_low", "iou_high", "boundary_iou_0.02", "in_band_0.02"]
    (boundary,) = one.boundaries
    for row, c in zip(rows, boundary.classes, strict=False):
        assert [row["boundary_iou_0.02"], row["in_band_0.02"]] == [
            "" if math.isnan(value) else repr(value) for value in (c.iou, c.share)
        ]
    assert (rows[-1]["kind"], rows[-1]["boundary_iou_0.02"], rows[-1]["in_band_0.02"]) == (
        "mean",
        repr(boundary.mean_iou),
        "",
    )
    rows = rows_of(several)
    keys = ["0.005", "0.02", "2px"]
    assert list(rows[0])[-6:] == [f"{word}_{key}" for key in keys for word in ("boundary_iou", "in_band")]
    assert [rows[-1][f"boundary_iou_{key}"] for key in keys] == [repr(b.mean_iou) for b in several.boundaries]


def test_json_has_every_width(several: Report) -> None:
    values = json.loads(several.to_json())
    assert values == several.to_dict()
    assert [b["width"] for b in values["boundaries"]] == list(WIDTHS)
    of_class = several.boundaries[1].classes[0]
    assert values["boundaries"][1]["classes"][0] == {"name": "road", "iou": of_class.iou, "share": of_class.share}
    assert values["boundaries"][1]["classes"][8] == {"name": "train", "iou": None, "share": None}
    assert MeanIoU(2).report().to_dict()["boundaries"] == []


def test_scalars_name_the_width_where_there_are_several(one: Report, several: Report) -> None:
    plain = counted()[0].report().scalars()
    names = {"mean_boundary_iou", *(f"boundary_iou/{name}" for name in synthetic.NAMES)}
    assert one.scalars().keys() == plain.keys() | names
    assert one.scalars("val/")["val/boundary_iou/car"] == one.boundaries[0].classes[6].iou
    names = {f"mean_boundary_iou_{key}" for key in ("0.005", "0.02", "2px")}
    names |= {f"boundary_iou_{key}/{name}" for key in ("0.005", "0.02", "2px") for name in synthetic.NAMES}
    assert several.scalars().keys() == plain.keys() | names
    assert several.scalars()["boundary_iou_2px/car"] == several.boundaries[2].classes[6].iou
    assert several.scalars()["mean_boundary_iou_0.005"] == several.boundaries[0].mean_iou


def test_a_line_names_the_width_and_the_rules_that_differ(one: Report, several: Report, own: Report) -> None:
    line = "boundary IoU: width 0.02 of the diagonal (3 px on average)"
    for report in (one, own):
        assert band_notes(report)[0] == line
        for text in (str(report), report.to_markdown(), report.to_latex()):
            assert line in text
    assert band_notes(several)[0] == (
        "boundary IoU: widths 0.005 of the diagonal (1 px on average), 0.02 of the diagonal (3 px on average), 2 px"
    )
    rules = {"edge": False, "void": "literal"}
    words = "boundary IoU: width 2 px; the edge of the image is no contour; void is a label with contours"
    assert band_notes(counted(2, **rules)[1].report())[0] == words
    sizes = MeanBoundaryIoU(2)
    maps = [torch.zeros(30, 40).long(), torch.zeros(60, 80).long()]
    sizes.update(maps, maps)
    assert band_notes(sizes.report()) == ["boundary IoU: width 0.02 of the diagonal (1.5 px on average)"]
    assert band_notes(MeanBoundaryIoU(2).report()) == ["boundary IoU: width 0.02 of the diagonal"]
    assert band_notes(counted()[0].report()) == []


def test_classes_that_lie_in_their_band_are_named(one: Report, several: Report, own: Report) -> None:
    words = "90 % or more of the ground truth lies in the band, so boundary IoU says little that IoU does not: "
    for report in (one, own):
        names = report.boundaries[0].nearly_all
        assert names
        assert band_notes(report)[1:] == [words + ", ".join(names)]
        assert band_notes(report)[1] in str(report)
    assert several.boundaries[2].nearly_all == ("person",)
    assert not several.boundaries[0].nearly_all
    assert band_notes(several)[1:] == [f"{words}person (from width 2 px)"]
    thin = torch.zeros(1, 40, 40, dtype=torch.long)
    thin[:, :, 5], thin[:, 20:24, 20:24] = 1, 2
    metric = MeanBoundaryIoU(3, width=[2, 0.0125])
    metric.update(thin, thin)
    iou = MeanIoU(3)
    iou.update(thin, thin)
    assert band_notes(iou.report(boundary=metric))[1] == f"{words}1 (from width 0.0125), 2 (from width 2 px)"
    wide = torch.zeros(1, 200, 300, dtype=torch.long)
    metric = MeanBoundaryIoU(1, width=1)
    metric.update(wide, wide)
    assert len(band_notes(metric.report())) == 1


def test_the_headline_has_both_means(one: Report, several: Report, own: Report) -> None:
    mean, number = percent(one.boundaries[0].mean_iou), extent(one)
    assert extent(one) == extent(own) == "over 7 of 9 classes"
    assert one.headline() == f"mean IoU {percent(one.mean_iou)} % {number}; mean boundary IoU {mean} % (width 0.02)"
    means = [percent(boundary.mean_iou) for boundary in several.boundaries]
    ends = f"{means[0]} % (width 0.005), {means[1]} % (width 0.02), {means[2]} % (width 2 px)"
    assert several.headline().endswith(f"; mean boundary IoU {ends}")
    assert own.headline() == f"mean boundary IoU {percent(own.mean_iou)} % {number}"
    nothing = MeanIoU(2).report(boundary=MeanBoundaryIoU(2))
    assert nothing.headline() == "mean IoU undefined over 0 of 2 classes; mean boundary IoU undefined (width 0.02)"


def test_the_report_of_bands_calls_no_number_by_the_name_of_another(own: Report) -> None:
    classes, groups, overall, images, _ = own.tables()
    assert classes.header == (
        "class", "boundary IoU", "95 % interval", "in band", "band Dice", "band precision", "band recall",
        "ground-truth band px", "predicted band px",
    )  # fmt: skip
    assert groups.header == ("group", "mean boundary IoU")
    assert overall.header == (
        "mean boundary IoU", "mean band Dice", "mean band recall", "overall band recall",
        "frequency-weighted boundary IoU",
    )  # fmt: skip
    assert images.header[0] == "mean boundary IoU over images"
    for text in (str(own), own.to_markdown(), own.to_latex()):
        assert f"mean boundary IoU {extent(own)}" in text
        for word in ("mIoU", "mean IoU", "pixel accuracy", "kappa", "merged", "predicted as"):
            assert word not in text
    assert [c.iou for c in own.classes] == pytest.approx([c.iou for c in own.boundaries[0].classes], nan_ok=True)
    assert rows_of(own)[0]["in_band_0.02"] == repr(own.boundaries[0].classes[0].share)
    assert "boundary_iou_0.02" not in rows_of(own)[0]


def test_scalars_of_both_metrics_do_not_meet(one: Report, own: Report) -> None:
    scalars = own.scalars()
    plain = counted()[0].report(class_groups={"flat": [0, 1], "far": [2, 3, 4]}).scalars()
    assert not scalars.keys() & plain.keys()
    of_both = scalars.keys() & one.scalars().keys()
    assert of_both == {"mean_boundary_iou", *(f"boundary_iou/{name}" for name in synthetic.NAMES)}
    for name in of_both:
        assert scalars[name] == pytest.approx(one.scalars()[name], nan_ok=True)
    assert scalars["mean_boundary_iou/flat"] == own.class_groups[0].mean_iou
    assert scalars["overall_band_recall"] == own.pixel_accuracy
    assert {words.key for words in WORDS.values()} >= {name for name in scalars if "/" not in name}


def test_notes_are_about_pixels_and_not_about_bands() -> None:
    """With ``edge=False`` class 0 of the first image has no contour, but it is in the ground truth."""
    metric = MeanBoundaryIoU(4, width=1, edge=False)
    target = torch.zeros(2, 6, 6, dtype=torch.long)
    target[1, :3], target[1, 3:] = 1, 2
    metric.update(torch.zeros(2, 6, 6, dtype=torch.long), target)
    report = metric.report()
    assert [c.truth for c in report.classes] == [0, 6, 6, 0]
    assert class_notes(report) == ["no contour", "never predicted", "never predicted", "absent"]
    dropped = MeanBoundaryIoU(3, width=1, ignore_index=255, void_preds="drop")
    dropped.update(torch.tensor([[[0, 1, 255]]]), torch.tensor([[[0, 1, 2]]]))
    assert class_notes(dropped.report()) == ["", "", "absent"]


def test_tables_of_images_and_comparisons_name_the_measure() -> None:
    iou, bands = counted(seeds=(0, 1, 2))
    assert str(bands.image_scores()).splitlines()[0].endswith("mean boundary IoU")
    assert str(iou.image_scores()).splitlines()[0].endswith("mIoU")
    compared = comparison_report(bands, bands, resampling=Resampling(resamples=5))
    assert compared.pixel_accuracy.name == "overall band recall (0.02)"
    assert compared.mean_iou.name == "mean boundary IoU (0.02)"
    assert "mean boundary IoU (0.02) in percent" in compared.headline()
    compared = comparison_report(iou, iou, resampling=Resampling(resamples=5))
    assert (compared.pixel_accuracy.name, compared.mean_iou.name) == ("pixel accuracy", "mean IoU")
    assert "; mean IoU in percent" in compared.headline()
