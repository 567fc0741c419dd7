"""The command line: plots, overlays and the page, and the sentences where they cannot be drawn."""

import base64
import importlib.util
import io
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from support.command import invoke

from meaniou import synthetic
from meaniou.cli.overlays import GAP, PANELS, Gallery
from meaniou.masks import Pair
from meaniou.plot import overlays
from meaniou.plot.pictures.captions import Letters
from meaniou.settings import InputSettings
from meaniou.settings.label_space import LabelSpace

NAMES = ("a/scene", "b/scene", "a/other")
REFERENCE = Path(__file__).parents[1] / "pictures" / "overlay.png"
OPTIONS = ["--num-classes", 9, "--ignore-index", 255]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Predictions, truths and images; the images have another ending, and there is one more of them."""
    sides = tuple(tmp_path / name for name in ("pred", "target", "images"))
    for i, name in enumerate((*NAMES, "c/more")):
        preds, target = synthetic.scene(i, 32, 48)
        if name != "c/more":
            save(sides[0] / f"{name}.png", preds)
            save(sides[1] / f"{name}.png", target)
        photo = np.full((32, 48, 3), 40 * (i + 1), np.uint8)
        save(sides[2] / f"{name}_photo.jpg", photo)
    return sides


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=100)


def worst_images(ran: Result) -> list[str]:
    """Names of the worst images in the output of the command."""
    return [line.split()[0] for line in ran.stdout.split("\n\n")[-1].splitlines()[2:]]


def panels_of(picture: np.ndarray, height: int, width: int) -> dict[str, np.ndarray]:
    """The panels of an overlay by their captions, which are looked for at their places."""
    letters = Letters.for_panel(width)
    panel = max(width, *map(letters.width, PANELS), *(letters.entry((word, [(0, 0, 0)])) for word in overlays.legend()))
    captions = np.asarray(letters.captions(PANELS, panel, GAP))
    top = GAP + len(captions)
    assert (picture[GAP:top, GAP:-GAP] == captions).all()
    lefts = [GAP + i * (panel + GAP) for i in range(3)]
    assert picture.shape[1] == lefts[-1] + panel + GAP
    for left in lefts:
        assert (picture[GAP:top, left : left + panel] < 128).any()  # letters
    return {name: picture[top : top + height, x : x + width] for name, x in zip(PANELS, lefts, strict=True)}


def test_plots(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plain = invoke(*folders[:2], *OPTIONS)
    ran = invoke(*folders[:2], *OPTIONS, "--plot", tmp_path / "new/plots")
    assert (ran.exit_code, ran.stdout) == (0, plain.stdout)
    names = sorted(path.name for path in (tmp_path / "new/plots").iterdir())
    assert names == ["classes.png", "confusion.png"]
    for name in names:
        assert np.asarray(Image.open(tmp_path / "new/plots" / name)).std() > 10


def test_overlays_of_the_worst_images(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    words = ["--list-worst", 2, "--overlay", tmp_path / "over", "--photos", folders[2], "--photo-suffix", "_photo.jpg"]
    ran = invoke(*folders[:2], *OPTIONS, *words)
    assert ran.exit_code == 0, ran.output
    worst = worst_images(ran)
    files = sorted(path.name for path in (tmp_path / "over").iterdir())
    assert files == [f"{i:03d}_{name.replace('/', '__')}.png" for i, name in enumerate(worst, 1)]
    space = LabelSpace(9, ignore_index=255)
    for name, file in zip(worst, files, strict=True):
        i = NAMES.index(name)
        preds, target = (np.where(m == 255, 9, m).astype(np.int64) for m in synthetic.scene(i, 32, 48))
        photo = np.asarray(Image.open(folders[2] / f"{name}_photo.jpg").convert("RGB"))
        picture = np.asarray(Image.open(tmp_path / "over" / file))
        panels = panels_of(picture, 32, 48)
        assert [*panels] == ["ground truth", "prediction", "errors"]
        assert (panels["ground truth"] == overlays.mask(target, space)).all()
        assert (panels["prediction"] == overlays.mask(preds, space)).all()
        assert (panels["errors"] == overlays.errors(photo, preds, target, 9)).all()
    assert invoke(*folders[:2], *OPTIONS, "--overlay", tmp_path / "all").exit_code == 0  # ten, or as many as there are
    assert len([*(tmp_path / "all").iterdir()]) == 3


@pytest.mark.parametrize("with_photo", [False, True])
def test_the_legends_of_an_overlay_have_the_colours_of_its_panels(tmp_path: Path, with_photo: bool) -> None:
    preds, target = synthetic.scene(3)
    preds[:9] = 255
    for side, pixels in (("pred", preds), ("target", target)):
        save(tmp_path / f"{side}.png", pixels)
    save(tmp_path / "photo.png", np.linspace(0, 255, preds.size).reshape(preds.shape).astype(np.uint8))
    space = LabelSpace(9, ignore_index=255, class_names=synthetic.NAMES)
    pairs = {"a": Pair("a", tmp_path / "pred.png", tmp_path / "target.png")}
    photos = {"a": tmp_path / "photo.png"} if with_photo else {}
    gallery = Gallery(space, InputSettings("index"), pairs, photos)
    picture = np.asarray(Image.open(io.BytesIO(gallery.overlay("a"))))
    height, width = target.shape
    panels = panels_of(picture, height, width)
    below = picture[len(picture) - 2 * Letters.for_panel(width).line :]

    def shades(part: np.ndarray) -> set[tuple[int, int, int]]:
        return {*map(tuple, part.reshape(-1, 3).tolist())}

    left, right = shades(below[:, : 2 * width]), shades(below[:, 2 * (width + GAP) :])
    assert shades(panels["ground truth"]) | shades(panels["prediction"]) <= left
    if with_photo:
        for light in (0, 128, 255):
            assert {*overlays.legend(light=light).values()} <= right
    else:
        assert shades(panels["errors"]) == {*overlays.legend().values()} <= right
    assert overlays.palette(space)[8] not in left  # no train is in the picture


def test_a_legend_that_does_not_fit_counts_the_rest() -> None:
    letters = Letters(12)
    entries = [(f"class {i}", [(i, 0, 0)]) for i in range(150)]
    for width, lines in ((100, 1), (600, 3), (60, 2)):
        strip = np.asarray(letters.legend(entries, width, lines))
        assert strip.shape == (lines * letters.line, width, 3)
        shown = sum((strip == (i, 0, 0)).all(-1).any() for i in range(150))
        rest = np.asarray(letters.legend([(f"+ {150 - shown} more", [])], width, 1))
        dark = np.flatnonzero((rest < 200).any((0, 2)))
        ink = rest[:, dark[0] : dark[-1] + 1]
        line = strip[-letters.line :]
        assert any((line[:, x : x + ink.shape[1]] == ink).all() for x in range(width - ink.shape[1] + 1))
    assert letters.legend([], 50, 2).size == (50, 0)
    assert letters.legend(entries[:2], 600, 3).size == (600, letters.line)


def test_the_reference_overlay_is_that_of_the_demo(tmp_path: Path) -> None:
    assert invoke("demo", tmp_path / "sample").exit_code == 0
    folders = [tmp_path / "sample/pred", tmp_path / "sample/target", "--class-names", tmp_path / "sample/names.txt"]
    ran = invoke(*folders, "--ignore-index", 255, "--list-worst", 1, "--overlay", tmp_path / "worst")
    assert ran.exit_code == 0, ran.output
    (path,) = (tmp_path / "worst").iterdir()
    now, before = (np.asarray(Image.open(file)).astype(float) for file in (path, REFERENCE))
    assert now.shape == before.shape
    assert np.sqrt(((now - before) ** 2).mean()) < 5  # letters differ with the version of FreeType


def test_overlays_of_long_names(tmp_path: Path) -> None:
    """A file's name has 255 bytes at most, and that of an overlay has a number and the folders in it."""
    names = ["\u9053" * 80, "b" * 251, "a" * 100 + "/" + "c" * 200, os.fsdecode(b"\xff\xfe")]
    for i, name in enumerate(names):
        for side, pixels in zip(("pred", "target"), synthetic.scene(i, 32, 48), strict=True):
            save(tmp_path / side / f"{name}.png", pixels)
    words = ["--overlay", tmp_path / "over", "--html", tmp_path / ("h" * 255), "--image-scores", tmp_path / "each.csv"]
    ran = invoke(tmp_path / "pred", tmp_path / "target", *OPTIONS, *words)
    assert ran.exit_code == 0, ran.output
    names = [path.name for path in (tmp_path / "over").iterdir()]
    assert sorted(name[:4] for name in names) == ["001_", "002_", "003_", "004_"]
    assert sorted(name[4:6] for name in names) == ["\\u", "bb", "cc", "\u9053\u9053"]
    for path in (words[3], words[5]):
        assert "\\udcff\\udcfe" in path.read_text(encoding="utf-8")


def test_the_page_holds_the_worst_images(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    words = ["--list-worst", 2, "--html", tmp_path / "r.html", "--photos", folders[2], "--photo-suffix", "_photo.jpg"]
    ran = invoke(*folders[:2], *OPTIONS, *words, "--ci")
    assert ran.exit_code == 0, ran.output
    text = (tmp_path / "r.html").read_text()
    assert re.findall(r'<span class="image">(.*)</span>', text) == worst_images(ran)
    figures = r'<figcaption>([\w ]+)</figcaption><img src="data:image/png;base64,([^"]+)" alt="([^"]+)">'
    shown = {alt: (label, source) for label, source, alt in re.findall(figures, text)}
    space = LabelSpace(9, ignore_index=255)
    assert len(shown) == 3 * 2
    for name in worst_images(ran):
        preds, target = (np.where(m == 255, 9, m).astype(np.int64) for m in synthetic.scene(NAMES.index(name), 32, 48))
        photo = np.asarray(Image.open(folders[2] / f"{name}_photo.jpg").convert("RGB"))
        expected = (overlays.mask(target, space), overlays.mask(preds, space), overlays.errors(photo, preds, target, 9))
        for label, pixels in zip(PANELS, expected, strict=True):
            caption, source = shown[f"{label} of {name}"]
            assert caption == label
            assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))) == pixels).all()
    assert "linear-gradient(to right, #" in text[text.index("legend errors") :]
    assert f"{folders[0]} against {folders[1]}" in text
    saved = tmp_path / "saved.pt"
    assert invoke(*folders[:2], *OPTIONS, "--save", saved).exit_code == 0
    assert invoke("merge", saved, "--html", tmp_path / "m.html").exit_code == 0
    assert "Worst images" not in (tmp_path / "m.html").read_text()


def test_the_legend_of_the_page_has_the_colours_of_its_pictures(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    (preds,), (target,) = ([folder / "a/scene.png"] for folder in folders[:2])
    maps = [np.asarray(Image.open(path)).copy() for path in (preds, target)]
    maps[0][:5] = 255  # void predictions
    save(preds, maps[0])
    ran = invoke(*folders[:2], *OPTIONS, "--html", tmp_path / "page")
    assert ran.exit_code == 0, ran.output
    text = (tmp_path / "page").read_text()
    legends = re.findall(r'<ul class="legend (\w+)".*?</ul>', text, re.DOTALL)
    assert legends == ["errors", "masks"]
    entries = r'background: #(\w+)"></span>([\w ]+)</li>'
    errors, masks = (re.findall(entries, part) for part in text[text.index("legend errors") :].split("</ul>")[:2])
    assert [name for _, name in errors] == ["right", "void prediction", "wrong class", "void"]
    assert [name for _, name in masks] == [*map(str, range(9)), "void", "outside"]
    shades_of: dict[str, set[str]] = {}
    for label, source in re.findall(r'<figcaption>([\w ]+)</figcaption><img src="data:image/png;base64,([^"]+)"', text):
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
        shades_of.setdefault(label, set()).update("{:02x}{:02x}{:02x}".format(*color) for color in image.reshape(-1, 3))
    assert shades_of["errors"] == {color for color, _ in errors}
    assert shades_of["ground truth"] | shades_of["prediction"] <= {color for color, _ in masks}


@pytest.mark.parametrize("shape", [(700, 500), (100, 1999), (1999, 480), (2100, 37)])
def test_pictures_of_the_page_are_shrunk_in_blocks(
    tmp_path: Path, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block at a time, they are what shrinking the whole picture gives."""
    rng = np.random.default_rng(0)
    preds, target = (
        np.kron(rng.integers(0, 3, (7, 5)), np.ones((300, 400), int))[: shape[0], : shape[1]] for _ in "ab"
    )
    for side, pixels in (("pred", preds), ("target", target)):
        save(tmp_path / f"{side}.png", pixels.astype(np.uint8))
    space = LabelSpace(3)
    pairs = {"a": Pair("a", tmp_path / "pred.png", tmp_path / "target.png")}
    gallery = Gallery(space, InputSettings("index"), pairs, {})
    monkeypatch.setattr(overlays, "BLOCK", 20_000)
    pictures = {
        label: np.asarray(Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))))
        for label, source in gallery.embedded("a").items()
    }
    expected = Image.fromarray(overlays.errors(None, preds, target, 3))
    scale = max(shape[1] / 480, shape[0] / 960)
    expected = expected.reduce(max(1, int(scale)))
    expected.thumbnail((480, 960))
    assert (pictures["errors"] == np.asarray(expected)).all()
    for label, classes in (("ground truth", target), ("prediction", preds)):
        assert pictures[label].shape == pictures["errors"].shape
        assert {*map(tuple, pictures[label].reshape(-1, 3))} <= {*overlays.palette(space)}  # no mixed colours
        nearest = Image.fromarray(overlays.mask(classes, space)[:: max(1, int(scale)), :: max(1, int(scale))])
        nearest.thumbnail((480, 960), Image.Resampling.NEAREST)
        assert (pictures[label] == np.asarray(nearest)).all()
    panels = panels_of(np.asarray(Image.open(io.BytesIO(gallery.overlay("a")))), *shape)
    assert (panels["errors"] == overlays.errors(None, preds, target, 3)).all()
    assert (panels["ground truth"] == overlays.mask(target, space)).all()
    assert (panels["prediction"] == overlays.mask(preds, space)).all()


def test_pictures_take_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that Pillow holds are not traced: 4 bytes a pixel of each panel."""
    monkeypatch.setattr(overlays, "BLOCK", overlays.BLOCK // 4)
    pixels = np.random.default_rng(0).integers(0, 3, (20, 25), dtype=np.uint8).repeat(50, 0).repeat(50, 1)
    for side in ("pred", "target"):
        save(tmp_path / f"{side}.png", pixels)
    pairs = {"a": Pair("a", tmp_path / "pred.png", tmp_path / "target.png")}
    gallery = Gallery(LabelSpace(3), InputSettings("index"), pairs, {})
    for draw, bytes_a_pixel in ((gallery.embedded, 9), (gallery.overlay, 9)):
        tracemalloc.start()
        try:
            draw("a")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < bytes_a_pixel * pixels.size


def test_pictures_that_cannot_be_drawn(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    save(tmp_path / "few/a/scene.png", np.zeros((32, 48, 3), np.uint8))
    for name in NAMES:
        save(tmp_path / f"small/{name}.png", np.zeros((8, 8, 3), np.uint8))
        (tmp_path / f"broken/{name}.png").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"broken/{name}.png").write_bytes(b"\x89PNG no")
    over = ["--overlay", tmp_path / "over"]
    for words, part in (
        ((*over, "--photos", folders[2]), "3 of 3 masks: a/other, a/scene, b/scene"),
        ((*over, "--photos", tmp_path / "few"), "2 of 3 masks"),
        ((*over, "--photos", tmp_path / "none"), "none does not exist"),
        ((*over, "--photos", tmp_path / "small"), "is 8 x 8, but its masks are 32 x 48"),
        ((*over, "--photos", tmp_path / "broken"), "is not a PNG, JPEG"),
        (("--photos", folders[2]), "--overlay or --html"),
        ((*over, "--photo-suffix", "_photo.jpg"), "Add --photos"),
        (("--overlay", folders[0] / "a/scene.png"), "scene.png: Not a directory"),
    ):
        ran = invoke(*folders[:2], *OPTIONS, *words)
        assert (ran.exit_code, ran.stdout) == (2, ""), words
        assert part in ran.stderr, words
        assert len(ran.stderr.splitlines()) == 1
        assert not (tmp_path / "over").exists()


def test_images_are_looked_for_before_masks_are_read(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ran = invoke(tmp_path / "none", folders[1], *OPTIONS, "--overlay", tmp_path / "o", "--photos", tmp_path / "nowhere")
    assert ran.exit_code == 2
    assert "nowhere does not exist" in ran.stderr


@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 4), (100,)])
def test_maps_that_are_no_pictures(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "points.npy", np.zeros(shape, np.uint8))
    words = [tmp_path / "pred", tmp_path / "target", "--num-classes", 2]
    ran = invoke(*words, "--overlay", tmp_path / "over")
    assert ran.exit_code == 2
    for part in ("points.npy", str(list(shape)), "[H, W]", "--overlay"):
        assert part in ran.stderr
    ran = invoke(*words, "--html", tmp_path / "page")
    assert ran.exit_code == 0, ran.output
    text = (tmp_path / "page").read_text()
    assert re.findall(r'<span class="image">(.*)</span>', text) == ["points"]
    assert "point clouds" in text
    assert "<img" not in text


@pytest.mark.parametrize(("option", "module"), [("--plot", "matplotlib"), ("--html", "jinja2")])
def test_what_is_missing_is_said_before_files_are_read(
    option: str, module: str, folders: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("meaniou.cli.output.find_spec", lambda name: None if name == module else find(name))
    ran = invoke(tmp_path / "none", folders[1], *OPTIONS, option, tmp_path / "out")
    assert ran.exit_code == 2
    assert f"{option} needs {module}" in ran.stderr
    assert "pip install 'meaniou[" in ran.stderr
