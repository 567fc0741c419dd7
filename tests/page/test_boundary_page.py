"""The page of a report with boundary IoU, and that of a metric of bands."""

import html
import re
from typing import Any

import pytest
import torch

from meaniou import MeanBoundaryIoU, MeanIoU, Resampling, synthetic
from meaniou._util import percent
from meaniou.page import render
from meaniou.report import Report, band_notes

pytest.importorskip("jinja2")


def counted(width: Any = 0.02) -> tuple[MeanIoU, MeanBoundaryIoU]:
    shared = {"ignore_index": 255, "class_names": ["<b>", *synthetic.NAMES[1:]], "per_image": True}
    both = MeanIoU(9, **shared), MeanBoundaryIoU(9, **shared, width=width)
    for seed in (0, 1):
        preds, target = (torch.from_numpy(side)[None] for side in synthetic.scene(seed, 64, 128))
        for metric in both:
            metric.update(preds, target, image_ids=[seed])
    return both


def texts(page: str, pattern: str) -> list[str]:
    return [html.unescape(re.sub("<[^>]*>", "", part)).strip() for part in re.findall(pattern, page, re.DOTALL)]


def cards(page: str) -> dict[str, str]:
    names = texts(page, "<dt>(.*?)</dt>")
    return dict(zip(names, texts(page, "<dd>(.*?)(?:<small>|</dd>)"), strict=True))


def table_of(page: str) -> list[list[str]]:
    """The rows of the class table, with its header."""
    (table,) = re.findall(r'<table class="sortable">(.*?)</table>', page, re.DOTALL)
    return [texts(row, "<t[hd][ >].*?</t[hd]>") for row in re.findall("<tr>(.*?)</tr>", table, re.DOTALL)]


def check_table(page: str, report: Report) -> None:
    shown, expected = table_of(page), next(report.tables())
    assert shown[0] == [title.replace("-", "\u2011").replace("2 px", "2\u00a0px") for title in expected.header]
    assert [row[1:] for row in shown[1:]] == [list(row[1:]) for row in expected.rows]
    cells = re.findall(r'<td[^>]* data-value="([^"]*)"', page)
    assert len(cells) == 9 * (len(expected.header) - 1)


@pytest.mark.parametrize("width", [0.02, (0.005, 2)])
def test_a_page_has_boundary_iou_beside_iou(width: Any) -> None:
    iou, bands = counted(width)
    report = iou.report(boundary=bands, bootstrap=Resampling(resamples=5))
    page = render.html(report)
    check_table(page, report)
    means = {name: value for name, value in cards(page).items() if "boundary" in name}
    names = [""] if width == 0.02 else [" 0.005", " 2 px"]
    assert list(means) == [f"mean boundary IoU{name}" for name in names]
    assert list(means.values()) == [percent(boundary.mean_iou) for boundary in report.boundaries]
    assert list(cards(page))[:2] == ["mean IoU", f"mean boundary IoU{names[0]}"]
    paragraphs = texts(page, "<p>(.*?)</p>")
    for note in band_notes(report):
        assert f"{note[0].upper()}{note[1:]}." in paragraphs
    assert "<title>Mean IoU: mean IoU " in page


def test_the_page_of_bands_says_so() -> None:
    report = counted()[1].report(bootstrap=Resampling(resamples=5), class_groups={"flat": [0, 1]})
    page = render.html(report, title="Model", worst=[("a.png", 0.5, {})])
    check_table(page, report)
    assert list(cards(page)) == [
        "mean boundary IoU", "mean band Dice", "mean band recall", "overall band recall",
        "frequency-weighted boundary IoU", "mean boundary IoU over images",
    ]  # fmt: skip
    words = html.unescape(re.sub("<[^>]*>", " ", page.split("<body>")[1]))
    for word in ("mean IoU", "pixel accuracy", "mIoU", "Confusion matrix"):
        assert word not in words
    assert "with the lowest mean boundary IoU" in words
    assert "not only those in bands" in words
    assert "<title>Model: mean boundary IoU " in page
    (right,) = re.findall(r"</span>right</td><td>([\d,]+)</td>", page)
    assert right == f"{sum(report.counts[c, c] for c in range(9)):,}"
    assert "not only those in bands" not in render.html(counted()[0].report())


def test_a_class_without_a_contour_is_explained() -> None:
    metric = MeanBoundaryIoU(2, width=1, edge=False)
    same = torch.zeros(1, 6, 6, dtype=torch.long)
    metric.update(same, same)
    page = render.html(metric.report())
    assert '<span class="note">no contour</span>' in page
    assert "A class with <em>no contour</em> has no pixel in the band of the ground truth." in page
    assert "no contour</em>" not in render.html(counted()[1].report())
