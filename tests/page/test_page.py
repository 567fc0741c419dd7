"""The page of a report: what stands in it, and how it behaves in a real browser."""

import html.parser
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from meaniou import MeanIoU, Resampling, protocols, synthetic
from meaniou._util.tables import percent
from meaniou.page import render
from meaniou.report import COLUMNS

pytest.importorskip("jinja2")
LONG = 600_000  # ms; a busy machine is slow, not wrong
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AWKWARD = "<script>document.title='hit'</script>&\"'"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def metric() -> MeanIoU:
    names = [*synthetic.NAMES[:-2], AWKWARD, "train"]
    found = MeanIoU(9, ignore_index=255, class_names=names, per_image=True)
    for i in range(6):
        preds, target = synthetic.scene(i, 64, 128)
        found.update(torch.from_numpy(preds)[None], torch.from_numpy(target)[None], image_ids=[i])
    return found


def text_of_page() -> str:
    found = metric()
    worst = [(AWKWARD, 0.5, PIXEL), ("second", 0.75, PIXEL)]
    report = found.report(bootstrap=Resampling(resamples=50), class_groups={"flat": [0, 1], AWKWARD: [2, 3]})
    return render.html(report, title=f"a & {AWKWARD}", label_space=found.label_space, worst=worst)


class Cells(html.parser.HTMLParser):
    """Texts of the cells of each table, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.tables[-1][-1][-1] += data


def test_the_numbers_are_those_of_the_report() -> None:
    report = metric().report(bootstrap=Resampling(resamples=50), class_groups={"flat": [0, 1], AWKWARD: [2, 3]})
    parser = Cells()
    parser.feed(text_of_page())
    classes, groups, confusions, matrix, pixels = parser.tables
    for row, c, interval in zip(classes[1:-1], report.classes, report.intervals.classes, strict=True):
        ends = f"{percent(interval.low)} to {percent(interval.high)}" if c.iou == c.iou else "- to -"
        ends = "-" if ends == "- to -" else ends
        values = [getattr(c, name) for name, shown in COLUMNS.items() if shown.title and name != "iou"]
        numbers = [percent(v) if isinstance(v, float) else f"{v:,}" for v in values]
        assert row == [c.name, percent(c.iou), ends, *numbers]
    assert classes[-1][1] == percent(report.mean_iou)
    assert groups[1][:3] == [
        "flat",
        percent(report.class_groups[0].mean_iou),
        percent(report.class_groups[0].merged_iou),
    ]
    assert len(confusions) == len(report.confusions) + 1
    counts = report.counts
    assert matrix[1][1] == f"{100 * counts[0, 0] / counts[0].sum():.0f}"
    assert [row[1] for row in pixels[1:]] == [
        f"{report.pixels[name]:,}" for name in ("counted", "void", "void_preds", "outside", "seen")
    ]


def test_names_are_escaped_and_nothing_is_fetched() -> None:
    text = text_of_page()
    assert AWKWARD not in text
    assert text.count("<script>") == 1
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
    assert "http" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_the_space_of_another_metric_is_refused() -> None:
    with pytest.raises(ValueError, match=r"space has 2 classes and the report 3; expected that of the metric.*\.$"):
        render.html(MeanIoU(3).report(), label_space=MeanIoU(2).label_space)


def test_a_page_without_intervals_images_and_pixels() -> None:
    text = render.html(MeanIoU(2).report())
    assert "The worst images" not in text
    assert "interval" not in text
    parser = Cells()
    parser.feed(text)
    assert parser.tables[-1][-1][:2] == ["seen", "0"]


def test_a_protocol_brings_its_colours_and_its_name() -> None:
    found = MeanIoU(protocol="cityscapes", void_preds="drop")
    found.update(torch.tensor([7, 8]), torch.tensor([7, 7]))
    text = render.html(found.report(), label_space=found.label_space)
    assert "#804080" in text  # the purple of roads
    assert "protocol: cityscapes, but with void_preds=" in text
    assert (
        len(protocols.get("cityscapes").label_space.class_groups) + 1
        == len([*re.finditer(">flat<|>human<|>vehicle<", text)]) + 5
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LONG)
        yield found
        found.close()


def opened(browser: Any, path: Path, text: str, width: int, height: int) -> tuple[Any, list[str]]:
    """The page of a text in a window, and what it complained of or asked the network for."""
    path.write_text(text, encoding="utf-8")
    found, said = browser.new_page(viewport={"width": width, "height": height}), []
    found.set_default_timeout(LONG)
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: request.url.startswith(("file:", "data:")) or said.append(request.url))
    found.goto(path.as_uri())
    return found, said


def column(shown: Any, number: int) -> list[str]:
    cells = shown.locator(f"table.sortable tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def column_titles(shown: Any) -> list[str]:
    return [
        text.split("\n")[0].strip("\u2195\u2191\u2193 ")
        for text in shown.locator("table.sortable thead th").all_inner_texts()
    ]


def test_it_sorts_without_a_complaint(browser: Any, tmp_path: Path) -> None:
    shown, said = opened(browser, tmp_path / "page.html", text_of_page(), 1280, 900)
    report = metric().report()
    assert column(shown, 1) == [c.name for c in report.classes]
    for name in ("iou", "truth", "dice"):
        number = 1 + column_titles(shown).index(COLUMNS[name].title)
        for times, down in ((1, True), (2, False)):
            shown.locator(f"table.sortable thead th:nth-child({number}) button").click()
            known = sorted(
                (getattr(c, name) for c in report.classes if getattr(c, name) == getattr(c, name)), reverse=down
            )
            expected = [f"{v:,}" if name == "truth" else percent(v) for v in known]
            found = column(shown, number)
            assert found[: len(expected)] == expected, (name, times)
            assert set(found[len(expected) :]) <= {"-"}  # what is undefined stays last
            order = shown.locator(f"table.sortable thead th:nth-child({number})").get_attribute("aria-sort")
            assert order == ("descending" if down else "ascending")
    shown.locator("table.sortable thead th:nth-child(1) button").focus()
    shown.keyboard.press("Enter")
    assert column(shown, 1) == sorted(column(shown, 1), key=str.lower)
    assert shown.locator("table.sortable tfoot").inner_text().split()[0] == "mean"
    assert shown.title().endswith(percent(report.mean_iou))  # no name became code
    assert said == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desk"])
@pytest.mark.parametrize("classes", [9, pytest.param(150, marks=pytest.mark.slow)])
def test_it_fits_its_window(browser: Any, tmp_path: Path, width: int, height: int, classes: int) -> None:
    text = text_of_page()
    if classes == 150:
        found = MeanIoU(protocol="ade20k", pred_ids="classes")
        found.update(torch.arange(150).repeat(4), torch.arange(600) * 7 % 151)
        text = render.html(found.report(), label_space=found.label_space)
    shown, said = opened(browser, tmp_path / "page.html", text, width, height)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    small = shown.evaluate("[...document.querySelectorAll('h1, h2, dd, .sortable td')].map((e) => e.clientWidth)")
    assert min(small) > 20
    assert all(shown.evaluate("[...document.images].map((i) => i.complete && i.naturalWidth > 0)"))
    shown.screenshot(full_page=True, path=tmp_path / "page.png")
    seen = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")) / 255
    assert seen.shape[1] == width
    ink = (np.abs(seen - 1).max(-1) > 0.2).any(1)
    assert 0.2 < ink.mean() < 0.95  # neither blank nor all of one colour
    assert said == []
