"""The page of a report: its contents, and how it looks and behaves in a real browser."""

import base64
import html.parser
import io
import itertools
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import assert_sentence
from support.command import invoke

from meaniou import MeanIoU, MultilabelMeanIoU, Resampling, protocols, synthetic
from meaniou._util.tables import percent
from meaniou.page import render
from meaniou.plot import colors, figures, overlays
from meaniou.report import COLUMNS
from meaniou.settings import Color

pytest.importorskip("jinja2")
PICTURE = Path(__file__).parents[1] / "pictures" / "page.png"
PROBE = 123  # width in pixels of the link "Confusion matrix" where the picture was made; other fonts have another
LONG = 600_000  # ms; a busy machine is slow, not wrong
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AWKWARD = "<script>document.title='hit'</script>&\"'"


def metric() -> MeanIoU:
    names = [*synthetic.NAMES[:-2], AWKWARD, "train"]
    made = MeanIoU(9, ignore_index=255, class_names=names, per_image=True)
    for i in range(6):
        preds, target = synthetic.scene(i, 64, 128)
        made.update(torch.from_numpy(preds)[None], torch.from_numpy(target)[None], image_ids=[i])
    return made


def uri(picture: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def pictures_of(seed: int) -> dict[str, str]:
    """The three pictures of a scene in which every kind of error occurs."""
    preds, target = (np.where(side == 255, 9, side).astype(np.int64) for side in synthetic.scene(seed, 64, 128))
    preds[:9] = 9
    space = metric().label_space
    drawn = (overlays.mask(target, space), overlays.mask(preds, space), overlays.errors(None, preds, target, 9))
    return dict(zip(("ground truth", "prediction", "errors"), map(uri, drawn), strict=True))


def text_of_page(photos: bool = False) -> str:
    made = metric()
    worst = [(AWKWARD, 0.5, pictures_of(0)), ("second", 0.75, pictures_of(1)), ("points", 0.8, {})]
    report = made.report(bootstrap=Resampling(resamples=50), class_groups={"flat": [0, 1], AWKWARD: [2, 3]})
    return render.html(report, title=f"a & {AWKWARD}", label_space=made.label_space, worst=worst, photos=photos)


def benchmark_page(protocol: str) -> str:
    made = MeanIoU(protocol=protocol, pred_ids="classes")
    size, ids = made.label_space.num_classes, made.label_space.ids
    labels = torch.tensor([label[0] for label in ids] if ids else list(range(size)))
    classes = torch.arange(4 * size) % size
    made.update(torch.arange(4 * size) * 7 % size, labels[classes])
    return render.html(made.report(), title="/data/of/a/long/name" * 5, label_space=made.label_space)


def page_of_long_names() -> str:
    names = [f"{'a class of many words ' * 5 if i % 2 else 'x' * 120}{i}" for i in range(12)]
    made = MeanIoU(12, class_names=names, per_image=True)
    target = torch.arange(1200).view(1, 30, 40) % 12
    made.update(target * 7 % 12, target, image_ids=["y" * 200])
    made.counts *= 10**10
    report = made.report(bootstrap=True, class_groups={names[0]: [0, 1], "b": [2]})
    return render.html(report, title="z" * 300, worst=[("y" * 200, 0.5, {})])


def metric_of_labels(**settings: Any) -> MultilabelMeanIoU:
    """Three images of labels with void pixels and void predictions; the sea is absent."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 2, (3, 3, 20, 20))
    scores = 0.3 * target + 0.7 * rng.random(target.shape)
    target[:, 2], scores[:, 2] = 0, 0
    target[0, 0, 0], scores[1, 0, 5:9] = 255, np.nan
    made = MultilabelMeanIoU(3, ignore_index=255, class_names=["road", AWKWARD, "sea"], per_image=True, **settings)
    made.update(scores, target, image_ids=["a.png", "b.png", "c.png"])
    return made


def page_of_labels() -> str:
    made = metric_of_labels()
    report = made.report(bootstrap=Resampling(resamples=50), class_groups={"built": [0, 1], AWKWARD: [2]})
    return render.html(report, title="Labels", label_space=made.label_space, worst=[("b.png", 0.5, {})])


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
    classes, matrix, groups, confusions, pixels = parser.tables
    notes = {"train": " absent", AWKWARD: " only predicted"}
    for row, c, interval in zip(classes[1:-1], report.classes, report.intervals.classes, strict=True):
        ends = f"{percent(interval.low)} to {percent(interval.high)}" if c.iou == c.iou else "- to -"
        ends = "-" if ends == "- to -" else ends
        values = [getattr(c, name) for name, shown in COLUMNS.items() if shown.title and name != "iou"]
        numbers = [percent(v) if isinstance(v, float) else f"{v:,}" for v in values]
        assert row == [c.name + notes.get(c.name, ""), percent(c.iou), ends, *numbers]
    assert classes[-1][1] == percent(report.mean_iou)
    assert groups[1][:3] == [
        "flat",
        percent(report.class_groups[0].mean_iou),
        percent(report.class_groups[0].merged_iou),
    ]
    assert len(confusions) == len(report.confusions) + 1
    counts = report.counts
    assert matrix[2][1] == f"{100 * counts[0, 0] / counts[0].sum():.0f}"
    assert [row[-1] for row in matrix[2:]][-2:] == ["not in the ground truth"] * 2
    right = int(counts[:-2, :-2].trace())
    assert [row[:2] for row in pixels[1:]] == [
        ["right", f"{right:,}"],
        ["wrong class", f"{report.pixels['counted'] - right:,}"],
        ["void prediction", f"{report.pixels['void_preds']:,}"],
        ["void", f"{report.pixels['void']:,}"],
        ["outside", f"{report.pixels['outside']:,}"],
        ["all", f"{report.pixels['seen']:,}"],
    ]


def cards_of(text: str) -> dict[str, str]:
    """The text below each number over all classes."""
    cards = re.findall(r"<dt>(.*?)</dt><dd>([\d.-]+)(.*?)</dd>", text)
    return {name: re.sub("<.*?>", " ", notes) for name, _, notes in cards}


def test_each_mean_says_over_how_many_classes_it_is() -> None:
    """Two of nine classes are not in the ground truth, and one of these is predicted."""
    text = text_of_page()
    cards = cards_of(text)
    assert "over 8 of 9 classes" in cards["mean IoU"]
    assert "over 8 of 9 classes" in cards["mean Dice"]
    assert "over 7 of 9 classes" in cards["mean accuracy"]
    assert "classes" not in cards["pixel accuracy"]
    assert "6 images" in cards["mean IoU over images"]
    assert "over 8 of 9 classes" in text[text.index("<tfoot>") : text.index("</tfoot>")]
    zero = render.html(metric().report(absent="zero"))
    assert "over 9 of 9 classes" in cards_of(zero)["mean IoU"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["", "only predicted", "never predicted", "absent"]),
        ({"present": "target"}, ["", "only predicted", "never predicted", "absent"]),
        ({"absent": "zero"}, ["", "only predicted", "never predicted", "absent"]),
        (
            {"include_background": False},
            ["not in the mean", "only predicted", "never predicted", "absent"],
        ),
        ({"classes": [0, 1, 2]}, ["", "only predicted", "never predicted", "absent, not in the mean"]),
    ],
    ids=str,
)
def test_words_tell_classes_apart_whose_numbers_do_not(settings: dict[str, Any], words: list[str]) -> None:
    made = MeanIoU(4, class_names=["w", "x", "y", "z"], **settings)
    made.update(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 2]))
    text = render.html(made.report())
    rows = re.findall(r'<span class="name">(\w)</span>(?: <span class="note">(.*?)</span>)?</th>', text)
    assert rows == list(zip("wxyz", words, strict=True))
    for word in ("absent", "only predicted", "never predicted"):
        assert (f"<em>{word}</em>" in text) == any(word in of for of in words)


def test_every_rule_has_its_words() -> None:
    choices = ("miss", "drop", "error"), ("union", "target"), ("skip", "zero", "one", "nan")
    seen = set()
    for void_preds, present, absent in itertools.product(*choices):
        made = MeanIoU(2, void_preds=void_preds, present=present, absent=absent, ignore_index=[7, 9])
        (line,) = re.findall("</h1>\\s*<p>(.*?)</p>", render.html(made.report()))
        assert line.startswith("2 classes; void ids: 7, 9; ")
        seen.add(line)
    assert len(seen) == 24


def test_each_color_is_set_in_one_place() -> None:
    """The template has none of its own, and neither has a module other than ``colors``."""
    literal = re.compile(r"#[0-9a-f]{6}\b|\brgba?\(\s*\d|[(=,:] ?\(\d{1,3}, \d{1,3}, \d{1,3}\)")
    package = resources.files("meaniou")
    assert literal.search(package.joinpath("plot/colors.py").read_text(encoding="utf-8"))
    texts = [package.joinpath(f"page/{name}").read_text(encoding="utf-8") for name in ("template.html", "render.py")]
    texts += [
        package.joinpath(f"plot/{name}.py").read_text(encoding="utf-8")
        for name in ("figures", "curve_plot", "error_plot", "pictures/captions")
    ]
    texts += [package.joinpath("cli/overlays.py").read_text(encoding="utf-8")]
    for text in texts:
        assert not literal.search(text)
    constants = [value for value in vars(colors).values() if isinstance(value, tuple)]
    assert len(constants) > 6


def contrast(a: Color, b: Color) -> float:
    """As WCAG 2 defines it, 1 to 21."""
    lights = []
    for color in (a, b):
        linear = [v / 12.92 if (v := c / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for c in color]
        lights.append(float(np.dot(linear, (0.2126, 0.7152, 0.0722))))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("page", [colors.LIGHT_PAGE, colors.DARK_PAGE], ids=["light", "dark"])
def test_text_can_be_read(page: dict[str, Color]) -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    for ground in ("ground", "card"):
        assert contrast(page["ink"], page[ground]) > 7
        assert contrast(page["soft"], page[ground]) > 4.5
    assert contrast(page["soft"], page["undefined"]) > 4.5
    for percents in range(101):
        cell = blended(page, percents)
        text = page["on-strong" if percents >= 100 * colors.FULL_INK else "on-weak"]
        assert contrast(text, cell) > 4.2, percents
    assert contrast(page["right"], page["ground"]) > 3
    assert {*colors.LIGHT_PAGE} == {*colors.DARK_PAGE}


def blended(page: dict[str, Color], percents: int) -> Color:
    """The colour of a cell of the confusion matrix."""
    red, green, blue = (round(e + (r - e) * percents / 100) for e, r in zip(page["empty"], page["right"], strict=True))
    return red, green, blue


def test_names_are_escaped_and_nothing_is_fetched() -> None:
    text = text_of_page()
    assert AWKWARD not in text
    assert text.count("<script>") == 1
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)""", text) == []
    assert "http" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_the_space_of_another_metric_is_refused() -> None:
    with pytest.raises(ValueError, match=r"label_space has 2 classes.*3") as error:
        render.html(MeanIoU(3).report(), label_space=MeanIoU(2).label_space)
    assert_sentence(error, "label_space", "2 classes", "3")


@pytest.mark.parametrize("draw", [render.html, figures.confusion, figures.classes])
def test_a_metric_is_no_report(draw: Any) -> None:
    for value, shown in ((MeanIoU(3), "a MeanIoU"), (None, "None")):
        with pytest.raises(TypeError) as error:
            draw(value)
        assert_sentence(error, f"report is {shown}", "metric.report()")


def test_the_page_of_labels_says_labels_and_has_no_matrix() -> None:
    made = metric_of_labels()
    report = made.report(bootstrap=Resampling(resamples=50), class_groups={"built": [0, 1], AWKWARD: [2]})
    text = page_of_labels()
    parser = Cells()
    parser.feed(text)
    labels, groups, pixels = parser.tables
    assert labels[0][0] == "label"
    assert [row[0] for row in labels[1:]] == ["road", AWKWARD, "sea absent", "meanover 2 of 3 labels"]
    assert [row[1] for row in labels[1:-1]] == [percent(label.iou) for label in report.classes]
    assert groups[:2] == [["group", "mean IoU"], ["built", percent(report.class_groups[0].mean_iou)]]
    counts = report.counts
    right = int(counts[:, 0, 0].sum() + counts[:, 1, 1].sum())
    assert [row[:2] for row in pixels] == [
        ["kind", "pixels of all labels"],
        ["right", f"{right:,}"],
        ["wrong", f"{int(counts[:, 0, 1].sum() + counts[:, 1, 0].sum()):,}"],
        ["void prediction", f"{int(counts[:, :2, 2].sum()):,}"],
        ["void", f"{int(counts[:, 2].sum()):,}"],
        ["outside", "0"],
        ["all", "3,600"],
    ]
    assert right / (3600 - report.pixels["void"]) == pytest.approx(report.pixel_accuracy, rel=1e-12)
    shown = re.sub("<[^>]*>", " ", text[text.index("<body>") : text.index("<script>")])
    assert not re.search("[Cc]lass|[Mm]atrix|[Cc]onfusion|[Kk]appa|merged", shown)
    assert "<nav" in text
    assert 'href="#matrix"' not in text
    assert "point clouds" not in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "a label is set where its score is above 0.5"),
        ({"threshold": 0.25, "inclusive": True}, "a label is set where its score is at or above 0.25"),
        (
            {"threshold": [0.5, 0.25, 0.75]},
            "each label is set where its score is above a threshold of its own, 0.25 to 0.75",
        ),
    ],
)
def test_the_page_of_labels_has_their_rules(settings: dict[str, Any], words: str) -> None:
    (line,) = re.findall("</h1>\\s*<p>(.*?)</p>", render.html(metric_of_labels(**settings).report()))
    assert line.startswith(f"3 labels; {words}; void values: 255; void predictions are misses; ")
    assert line.endswith("absent labels are left out of the mean.")


def test_a_page_without_intervals_images_and_pixels() -> None:
    text = render.html(MeanIoU(2).report())
    assert "Worst images" not in text
    assert "% interval" not in text
    assert "<img" not in text
    parser = Cells()
    parser.feed(text)
    assert parser.tables[-1][-1][:2] == ["all", "0"]


def test_a_protocol_brings_its_colours_and_its_name() -> None:
    made = MeanIoU(protocol="cityscapes", void_preds="drop")
    made.update(torch.tensor([7, 8]), torch.tensor([7, 7]))
    text = render.html(made.report(), label_space=made.label_space)
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
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LONG)
        yield started
        started.close()


def opened(
    browser: Any, path: Path, text: str, width: int, height: int, scheme: str = "light"
) -> tuple[Any, list[str]]:
    """The page of a text in a window, and its errors and requests to the network."""
    path.write_text(text, encoding="utf-8")
    window = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    faults: list[str] = []
    window.set_default_timeout(LONG)
    window.on("console", lambda message: faults.append(message.text))
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
    window.goto(path.as_uri())
    return window, faults


def column(window: Any, number: int) -> list[str]:
    selector = f"table.sortable tbody tr > :nth-child({number})"
    cells = window.locator(f"{selector} .name" if number == 1 else selector)
    return [text.strip() for text in cells.all_inner_texts()]


def column_titles(window: Any) -> list[str]:
    return [
        text.split("\n")[0].strip("\u2195\u2191\u2193 ").replace("\u2011", "-")  # at which no line breaks
        for text in window.locator("table.sortable thead th").all_inner_texts()
    ]


def test_it_sorts_without_a_complaint(browser: Any, tmp_path: Path) -> None:
    window, faults = opened(browser, tmp_path / "page.html", text_of_page(), 1280, 900)
    report = metric().report()
    assert column(window, 1) == [c.name for c in report.classes]
    for name in ("iou", "truth", "dice"):
        number = 1 + column_titles(window).index(COLUMNS[name].title)
        for times, down in ((1, True), (2, False)):
            window.locator(f"table.sortable thead th:nth-child({number}) button").click()
            values = sorted(
                (getattr(c, name) for c in report.classes if getattr(c, name) == getattr(c, name)), reverse=down
            )
            expected = [f"{v:,}" if name == "truth" else percent(v) for v in values]
            texts = column(window, number)
            assert texts[: len(expected)] == expected, (name, times)
            assert set(texts[len(expected) :]) <= {"-"}  # undefined values stay last
            order = window.locator(f"table.sortable thead th:nth-child({number})").get_attribute("aria-sort")
            assert order == ("descending" if down else "ascending")
    window.locator("table.sortable thead th:nth-child(1) button").focus()
    window.keyboard.press("Enter")
    assert column(window, 1) == sorted(column(window, 1), key=str.lower)
    assert window.locator("table.sortable tfoot").inner_text().split()[0] == "mean"
    assert window.title().endswith(percent(report.mean_iou))  # no name became code
    assert faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize(
    "kind", ["9", "labels", *(pytest.param(k, marks=pytest.mark.slow) for k in ("19", "150", "long"))]
)
def test_it_fits_its_window(browser: Any, tmp_path: Path, width: int, kind: str, scheme: str) -> None:
    pages = {"9": text_of_page, "19": lambda: benchmark_page("cityscapes"), "150": lambda: benchmark_page("ade20k")}
    text = {**pages, "long": page_of_long_names, "labels": page_of_labels}[kind]()
    window, faults = opened(browser, tmp_path / "page.html", text, width, 900, scheme)
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    small = window.evaluate("[...document.querySelectorAll('h1, h2, dd, .sortable td')].map((e) => e.clientWidth)")
    assert min(small) > 20
    boxes = window.evaluate("[...document.querySelectorAll('.wide')].map((e) => [e.scrollWidth, e.clientWidth])")
    hidden = [box for box, shown in boxes if box > shown]
    assert bool(hidden) == (width < 1400)  # the table of classes scrolls in its own box, or fits
    used = window.evaluate("document.querySelector('.sortable').getBoundingClientRect().width")
    assert used > 0.9 * width
    assert all(window.evaluate("[...document.images].map((i) => i.complete && i.naturalWidth > 0)"))
    shown = screenshot(window, full_page=True)
    assert shown.shape[1] == width
    page = colors.LIGHT_PAGE if scheme == "light" else colors.DARK_PAGE
    ink = (np.abs(shown.astype(int) - page["ground"]).max(-1) > 50).any(1)
    assert 0.2 < ink.mean() < 0.95  # neither blank nor all of one colour
    assert faults == []


def screenshot(of: Any, **options: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(of.screenshot(**options))).convert("RGB"))


def cropped(shown: np.ndarray, element: Any) -> np.ndarray:
    """The pixels of an element in a picture of the whole page."""
    box = element.bounding_box()
    left, top = round(box["x"]), round(box["y"])
    return shown[top : top + round(box["height"]), left : left + round(box["width"])]


def middle(shown: np.ndarray, element: Any) -> Color:
    """The colour in the middle of an element."""
    pixels = cropped(shown, element)
    red, green, blue = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].tolist()
    return red, green, blue


def close(a: Color, b: Color) -> bool:
    """Whether two colours are one but for rounding."""
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_legends_have_the_colours_of_their_pictures(browser: Any, tmp_path: Path, scheme: str) -> None:
    window, _ = opened(browser, tmp_path / "page.html", text_of_page(), 1280, 900, scheme)
    page = colors.LIGHT_PAGE if scheme == "light" else colors.DARK_PAGE
    shown = screenshot(window, full_page=True)

    def legend(selector: str) -> dict[str, Color]:
        items = window.locator(selector).all()
        return {item.inner_text().strip(): middle(shown, item.locator(".swatch")) for item in items}

    sources = window.evaluate("[...document.images].map((i) => [i.alt.split(' of ')[0], i.src])")
    pixels: dict[str, set[Color]] = {}
    for label, source in sources:
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
        pixels.setdefault(label, set()).update(map(tuple, picture.reshape(-1, 3).tolist()))
    errors = legend(".legend.errors li")
    assert [*errors] == ["right", "void prediction", "wrong class", "void"]
    assert pixels["errors"] == {*errors.values()}
    masks = legend(".legend.masks li")
    assert pixels["ground truth"] | pixels["prediction"] <= {*masks.values()}
    assert len(pixels["prediction"]) > 5
    assert masks["void"] == colors.VOID

    kinds = legend(".pixels tbody td:first-child")
    bar = window.locator(".account i").all()
    for part, (kind, color) in zip(bar, kinds.items(), strict=True):
        if part.evaluate("(e) => e.getBoundingClientRect().width") > 8:
            assert close(middle(shown, part), color), kind
    assert close(kinds["right"], page["right"])
    assert close(kinds["wrong class"], colors.WRONG)
    assert close(kinds["void prediction"], colors.MISSED)
    assert close(middle(shown, window.locator(".bar i").first), page["right"])

    scale = [middle(shown, step) for step in window.locator(".scale i").all()]
    assert close(scale[0], page["empty"])
    assert close(scale[-1], page["right"])
    row = window.locator(".matrix tbody tr").nth(5)  # persons, some of which are taken for others
    strengths = row.locator("td").evaluate_all("(cells) => cells.map((c) => parseInt(c.style.getPropertyValue('--s')))")
    assert len(set(strengths)) > 2
    for cell, strength in zip(row.locator("td").all(), strengths, strict=True):
        corner = tuple(cropped(shown, cell)[4, 4].tolist())
        assert close(corner, blended(page, strength)), strength


def test_each_picture_has_its_label(browser: Any, tmp_path: Path) -> None:
    window, _ = opened(browser, tmp_path / "page.html", text_of_page(), 1280, 900)
    for panels in window.locator(".panels").all()[:2]:
        assert panels.locator("figcaption").all_inner_texts() == ["ground truth", "prediction", "errors"]
        tops = panels.locator("img").evaluate_all("(images) => images.map((i) => i.getBoundingClientRect().top)")
        assert len(set(tops)) == 1  # side by side
    names = window.locator(".worst .image").all_inner_texts()
    assert names == [AWKWARD, "second", "points"]
    assert window.locator(".worst").nth(2).locator("img").count() == 0
    window, _ = opened(browser, tmp_path / "page.html", text_of_page(), 360, 900)
    tops = window.locator(".panels").first.locator("img").evaluate_all("(i) => i.map((e) => e.offsetTop)")
    assert len(set(tops)) == 3  # one below the other


def test_on_photos_the_legend_goes_from_dark_to_light(browser: Any, tmp_path: Path) -> None:
    window, _ = opened(browser, tmp_path / "page.html", text_of_page(photos=True), 1280, 900)
    shown = screenshot(window, full_page=True)
    for item, name in zip(window.locator(".legend.errors li").all(), overlays.legend(), strict=True):
        line = cropped(shown, item.locator(".swatch"))
        left, right = (tuple(line[line.shape[0] // 2, x].tolist()) for x in (2, -3))
        for end, light in ((left, 0), (right, 255)):
            expected = overlays.legend(light=light)[name]
            assert max(abs(a - b) for a, b in zip(end, expected, strict=True)) < 40, name
        assert sum(left) < sum(right)


def test_it_is_printed_on_white(browser: Any, tmp_path: Path) -> None:
    window, _ = opened(browser, tmp_path / "page.html", text_of_page(), 750, 900, "dark")
    window.emulate_media(media="print", color_scheme="dark")
    assert screenshot(window)[-1, 0].tolist() == list(colors.LIGHT_PAGE["ground"])
    assert not window.locator("nav").is_visible()
    assert window.evaluate("[...document.querySelectorAll('.wide')].every((e) => e.scrollWidth <= innerWidth)")


@pytest.mark.slow
def test_the_picture_of_the_page(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows the page that the command writes about the scenes of ``meaniou demo``."""
    monkeypatch.chdir(tmp_path)
    assert invoke("demo", "sample").exit_code == 0
    words = ["sample/pred", "sample/target", "--class-names", "sample/names.txt", "--ignore-index", 255, "--ci"]
    assert invoke(*words, "--html", "report.html").exit_code == 0
    expected = np.asarray(Image.open(PICTURE).convert("RGB"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    window, _ = opened(browser, tmp_path / "page.html", text, expected.shape[1], expected.shape[0])
    if round(window.locator("nav a").nth(1).bounding_box()["width"]) != PROBE:
        pytest.skip("other fonts")
    for scheme, same in (("light", True), ("dark", False)):
        window.emulate_media(color_scheme=scheme)
        small = [np.asarray(Image.fromarray(p).reduce(8)).astype(float) for p in (screenshot(window), expected)]
        assert (float(np.sqrt(((small[0] - small[1]) ** 2).mean())) < 6) == same
