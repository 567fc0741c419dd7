"""Plots against reference pictures that people have looked at, and the colours of label maps and errors."""

import colorsys
import io
import itertools
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou import (
    IoUCurve,
    LabelSpace,
    MeanBoundaryIoU,
    MeanIoU,
    MultilabelMeanIoU,
    Resampling,
    plot,
    protocols,
    synthetic,
)
from meaniou.plot import colors, figures, matrix_view, overlays
from meaniou.report.report import Report

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402
from matplotlib.testing.compare import calculate_rms  # noqa: E402

PICTURES = Path(__file__).parents[1] / "pictures"
DRAWN_BY = (3, 11)  # matplotlib; 3.8 leaves another room for letters
# Root mean square of the difference, 0 to 255: other versions of FreeType shift letters by a part of a pixel.
TOLERANCE = 12.0


def street(**settings: Any) -> Report:
    metric = MeanIoU(9, ignore_index=255, class_names=synthetic.NAMES, per_image=True)
    for i in range(6):
        preds, target = synthetic.scene(i, 64, 128)
        metric.update(torch.from_numpy(preds)[None], torch.from_numpy(target)[None], image_ids=[i])
    return metric.report(**settings)


def bands(width: Any) -> Report:
    both = (
        MeanIoU(9, ignore_index=255, class_names=synthetic.NAMES),
        MeanBoundaryIoU(9, ignore_index=255, class_names=synthetic.NAMES, width=width),
    )
    for i in range(3):
        preds, target = synthetic.scene(i)
        for metric in both:
            metric.update(torch.from_numpy(preds)[None], torch.from_numpy(target)[None])
    return both[0].report(boundary=both[1])


def benchmark(name: str) -> Report:
    """Counts of a model that takes each class for its neighbours, the more so the later it comes."""
    metric = MeanIoU(protocol=name, pred_ids="classes")
    size = metric.label_space.num_classes
    ids = [labels[0] for labels in metric.label_space.ids] if metric.label_space.ids else list(range(size))
    for c in range(size - 1):  # the last class is in no truth
        right = 100 - 90 * c // size
        preds = [c] * right + [(c + 1) % size] * (60 - right // 2) + [(c * 7) % size] * 10 + [0] * (50 - right // 2)
        metric.update(torch.tensor(preds), torch.tensor([ids[c]] * len(preds)))
    return metric.report()


def two() -> Report:
    metric = MeanIoU(2, class_names=["ground", "figure"], ignore_index=255)
    preds, target = [0] * 4000 + [1] * 900 + [255] * 50 + [0] * 9, [0] * 3500 + [1] * 1450 + [255] * 9
    metric.update(torch.tensor(preds), torch.tensor(target))
    return metric.report()


LAYERS = ("drivable area", "crossing", "walkway", "stop line", "car park", "divider")  # of a map seen from above


def count_labels(metric: IoUCurve | MultilabelMeanIoU, labels: int, absent: tuple[int, ...] = (), **ids: Any) -> Any:
    """Counts two images whose labels are ever more frequent and better, except for those that are absent."""
    frequency, gain = torch.linspace(0.1, 0.6, labels)[:, None], torch.linspace(0.5, 3, labels)[:, None]
    noise = torch.special.ndtri((torch.arange(4000) * 1597 % 4001 + 1) / 4002)  # normal, and in no order
    target = (torch.arange(4000) * 89 % 4000 < 4000 * frequency).long()
    scores = torch.sigmoid((2 * target - 1) * gain + noise + gain / 2 - 1.5)
    target[list(absent)], scores[list(absent)] = 0, scores[list(absent)] * 0.3
    metric.update(scores.view(labels, 2, 40, 50).transpose(0, 1), target.view(labels, 2, 40, 50).transpose(0, 1), **ids)
    return metric


def layers() -> Report:
    metric = MultilabelMeanIoU(6, threshold=[0.6, 0.1, 0.4, 0.4, 0.4, 0.4], class_names=LAYERS, per_image=True)
    count_labels(metric, 6, absent=(1, 3), image_ids=["a", "b"])
    return metric.report(bootstrap=Resampling(resamples=100))


def photo_of(target: Any) -> Any:
    """A photo ``[H, W, 3]`` of a synthetic scene: each class has a grey of its own, darker towards the bottom."""
    greys = np.array([0.45, 0.62, 0.5, 0.36, 0.92, 0.25, 0.72, 0.3, 0.3])
    light = greys[np.where(target == 255, 0, target)] * np.linspace(1.05, 0.75, len(target))[:, None]
    return light[..., None].repeat(3, 2).clip(0, 1)


def scene(draw: Any, **settings: Any) -> Any:
    preds, target = synthetic.scene(3)
    image = photo_of(target)
    preds[:24, 300:] = 255  # void predictions
    return draw(image, preds, target, 9, ignore_index=255, class_names=synthetic.NAMES, **settings)


DRAWN = {
    "confusion-2": lambda: figures.confusion(two(), normalize=None),
    "confusion-9": lambda: figures.confusion(street()),
    "confusion-19": lambda: figures.confusion(benchmark("cityscapes"), normalize="prediction"),
    "confusion-150": lambda: figures.confusion(benchmark("ade20k")),
    "classes-9": lambda: figures.classes(street(bootstrap=Resampling(resamples=100))),
    "classes-150": lambda: figures.classes(benchmark("ade20k")),
    "classes-labels": lambda: figures.classes(layers()),
    "curve-6": lambda: plot.curve(
        count_labels(IoUCurve(6, thresholds=[0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65], class_names=LAYERS), 6).report()
    ),
    "curve-40": lambda: plot.curve(count_labels(IoUCurve(40), 40, absent=(3,)).report()),
    "curve-of-bands": lambda: plot.boundary_curve(bands([0.004, 0.006, 0.01, 0.02, 0.05, 0.1])),
    "errors": lambda: scene(plot.errors),
    "errors-of-one": lambda: scene(plot.errors, of="car"),
    "errors-in-bands": lambda: scene(plot.boundary_errors, width=0.01),
}


def drawn(name: str, path: Path) -> None:
    with matplotlib.style.context("default"):
        DRAWN[name]()
        pyplot.savefig(path, dpi=100, metadata={"Software": None})
        pyplot.close("all")


def difference(first: Path, second: Path) -> float:
    maps = [np.asarray(matplotlib.image.imread(path)[..., :3] * 255) for path in (first, second)]
    return math.inf if maps[0].shape != maps[1].shape else float(calculate_rms(*maps))


@pytest.mark.skipif(matplotlib.__version_info__[:2] != DRAWN_BY, reason="others set letters elsewhere")
@pytest.mark.parametrize("name", DRAWN)
def test_pictures_are_those_that_were_looked_at(name: str, tmp_path: Path) -> None:
    drawn(name, tmp_path / "now.png")
    assert difference(tmp_path / "now.png", PICTURES / f"{name}.png") < TOLERANCE


def test_another_picture_is_not_within_the_tolerance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        "confusion-9": lambda: figures.confusion(street(), normalize="prediction"),
        "confusion-150": lambda: figures.confusion(benchmark("ade20k"), most=29),
        "classes-9": lambda: figures.classes(street(absent="zero")),
        "curve-6": lambda: plot.curve(count_labels(IoUCurve(6, class_names=LAYERS), 6).report()),
        "curve-40": lambda: plot.curve(count_labels(IoUCurve(40), 40, absent=(4,)).report()),
        "curve-of-bands": lambda: plot.boundary_curve(bands([2, 3, 4])),
        "errors": lambda: scene(plot.errors, of="road"),
        "errors-in-bands": lambda: scene(plot.boundary_errors, width=0.03),
    }
    for name, draw in others.items():
        monkeypatch.setitem(DRAWN, name, draw)
        drawn(name, tmp_path / "now.png")
        assert difference(tmp_path / "now.png", PICTURES / f"{name}.png") > TOLERANCE, name


def test_given_axes_are_drawn_on_and_returned() -> None:
    report = street()
    figure, axes = pyplot.subplots(1, 3)
    assert figures.confusion(report, axes[0]) is axes[0]
    assert figures.classes(report, axes[1]) is axes[1]
    preds, target = synthetic.scene(0, 16, 32)
    assert plot.errors(None, preds, target, 9, axes[2], ignore_index=255) is axes[2]
    assert [text.get_text() for text in axes[0].get_yticklabels()] == list(synthetic.NAMES)
    assert pyplot.get_fignums() == [figure.number]
    pyplot.close("all")


def texts_of(ax: Any) -> dict[str, str]:
    """The text beside the bar of each class."""
    names = [label.get_text() for label in ax.get_yticklabels()]
    return dict(zip(names, (text.get_text() for text in ax.texts), strict=True))


def test_words_tell_an_absent_class_from_one_that_is_only_predicted() -> None:
    texts = texts_of(figures.classes(street()))
    assert texts["train"] == "absent"
    assert texts["bicycle"] == "0.0 only predicted"
    assert [name for name, text in texts.items() if not text.replace(".", "").isdecimal()] == ["bicycle", "train"]
    assert texts_of(figures.classes(street(absent="zero")))["train"] == "0.0 absent"
    assert texts_of(figures.classes(street(present="target")))["bicycle"] == "only predicted"
    assert texts_of(figures.classes(MeanIoU(2).report())) == {"0": "absent", "1": "absent"}
    metric = MeanIoU(2)
    metric.update(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert texts_of(figures.classes(metric.report())) == {"0": "50.0", "1": "0.0 never predicted"}
    pyplot.close("all")


def test_bars_of_labels_say_labels() -> None:
    ax = figures.classes(layers())
    assert ax.get_title() == "IoU of each label"
    assert texts_of(ax)["stop line"] == "absent"
    assert texts_of(ax)["crossing"] == "0.0 only predicted"
    assert "over 5 of 6 labels" in ax.get_legend().get_texts()[-1].get_text()
    assert figures.classes(layers(), most=2).get_title() == "IoU of each label (the 2 lowest of 5 labels, 1 undefined)"
    with pytest.raises(ValueError, match="expected 1 label or more"):
        figures.classes(layers(), most=0)
    pyplot.close("all")


def test_labels_have_no_confusion_matrix() -> None:
    for draw in (plot.confusion, matrix_view.select_classes):
        with pytest.raises(ValueError, match="no confusion matrix") as error:
            draw(layers())
        assert_sentence(error, "plot.classes(report)")
    assert not pyplot.get_fignums()


def test_the_mean_says_over_how_many_classes_it_is() -> None:
    for settings, number in (({}, 8), ({"absent": "zero"}, 9), ({"present": "target"}, 7)):
        report = street(**settings)
        (text,) = [text.get_text() for text in figures.classes(report).get_legend().get_texts()]
        assert f"{100 * report.mean_iou:.2f} over {number} of 9 classes" in text
    assert figures.classes(MeanIoU(2).report()).get_legend() is None
    pyplot.close("all")


def test_titles_count_what_is_not_drawn() -> None:
    assert "40" in (title := figures.classes(benchmark("ade20k")).get_title())
    assert "150" in title
    assert "1 undefined" in figures.classes(street(), most=8).get_title()
    assert "(" not in figures.classes(street(), most=9).get_title()
    pyplot.close("all")


def test_a_row_without_ground_truth_says_so() -> None:
    ax = figures.confusion(street())
    words = {text.get_position()[1]: text.get_text() for text in ax.texts if " " in text.get_text()}
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert {rows[int(y)]: word for y, word in words.items()} == dict.fromkeys(
        ("bicycle", "train"), "not in the ground truth"
    )
    ax = figures.confusion(street(), normalize="prediction")
    columns = [label.get_text() for label in ax.get_xticklabels()]
    words = {text.get_position()[0]: text.get_text() for text in ax.texts if " " in text.get_text()}
    assert {columns[int(x)]: word for x, word in words.items()} == {"train": "never predicted"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("prediction", "ground truth")
    pyplot.close("all")


def pixels_of(figure: Any) -> Any:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def test_bars_and_cells_have_the_colours_of_their_legends() -> None:
    ax = figures.classes(street())
    assert colors.RIGHT in {*map(tuple, pixels_of(ax.figure).reshape(-1, 3).tolist())}
    ax = figures.confusion(street())
    (image,) = ax.images
    cells = np.rint(255 * image.to_rgba(image.get_array())[..., :3]).astype(int)
    report = street()
    shares = report.counts[:9, :9] / np.maximum(1, report.counts[:9].sum(1, keepdims=True))
    for i, j in itertools.product(range(7), range(9)):
        share = colors.strength(shares[i, j])
        mixed = [e + share * (r - e) for e, r in zip(colors.EMPTY, colors.RIGHT, strict=True)]
        assert np.abs(cells[i, j] - mixed).max() <= 2, (i, j)  # a colour map has 256 steps
    assert cells[8, 0].tolist() == list(colors.UNDEFINED)
    assert image.colorbar.cmap is image.get_cmap()
    pyplot.close("all")


@pytest.mark.parametrize("of", [None, "car"])
@pytest.mark.parametrize("photo", [False, True])
def test_the_legend_of_errors_has_the_colours_of_the_picture(of: str | None, photo: bool) -> None:
    preds, target = synthetic.scene(3, 64, 128)
    preds[:8] = 255
    image = photo_of(target) if photo else None
    ax = plot.errors(image, preds, target, 9, of=of, ignore_index=255, class_names=synthetic.NAMES)
    assert ax.get_title() == ("errors of car" if of else "errors")
    legend = ax.get_legend()
    words = [*(colors.OF_ONE if of else colors.OF_ALL), "void"]
    assert [text.get_text() for text in legend.get_texts()] == words
    picture = {*map(tuple, ax.images[0].get_array().reshape(-1, 3).tolist())}
    patches = [np.rint(255 * np.array(patch.get_facecolor()[:3])).astype(int) for patch in legend.findobj(Rectangle)]
    shades = np.array(patches).reshape(len(words), -1, 3)
    assert shades.shape[1] == (1 if not photo else 16)
    if not photo:
        marked = picture - {(colors.MIDDLE,) * 3}  # other classes than the car are unmarked
        assert marked <= {*map(tuple, shades[:, 0].tolist())}
    for color in picture:  # each is in the legend, or between two neighbours there, or grey
        nearest = np.abs(shades.reshape(-1, 3) - np.array(color)).max(1).min()
        assert nearest <= 10 or len(set(color)) == 1, color
    pyplot.close("all")
    no_void = plot.errors(None, np.where(target == 255, 0, target), np.where(target == 255, 0, target), 9)
    assert "void" not in [text.get_text() for text in no_void.get_legend().get_texts()]
    pyplot.close("all")


@pytest.mark.parametrize("normalize", ["truth", "prediction", None])
def test_the_matrix_by_its_definition(normalize: Any) -> None:
    report = two()
    found = matrix_view.select_classes(report, normalize)
    assert found.columns == ("ground", "figure", "(void prediction)")
    pixels = np.array([[3500, 0, 0], [500, 900, 50]])
    assert (found.pixels == pixels).all()
    whole = {"truth": pixels.sum(1)[:, None], "prediction": pixels.sum(0)}.get(normalize, 1)
    assert np.allclose(found.values, pixels / whole, rtol=1e-12)


def test_of_many_classes_the_worst_are_shown_and_every_pixel_of_theirs() -> None:
    report = benchmark("ade20k")
    iou = {c.name: c.iou for c in report.classes if c.truth}
    for normalize in ("truth", "prediction", None):
        found = matrix_view.select_classes(report, normalize)
        assert len(found.rows) == 20
        assert found.columns[:20] == found.rows
        assert found.columns[-1] == "(others)"
        assert len(found.columns) <= 31
        assert max(iou[name] for name in found.rows) <= min(v for name, v in iou.items() if name not in found.rows)
        truth = [next(c.truth for c in report.classes if c.name == name) for name in found.rows]
        assert found.pixels.sum(1).tolist() == truth
        if normalize == "truth":
            assert np.allclose(found.values.sum(1), 1)
    assert matrix_view.select_classes(report, most=150).title == ""


@pytest.mark.parametrize("draw", [figures.confusion, figures.classes])
def test_long_names_leave_room_for_the_axes(draw: Any) -> None:
    metric = MeanIoU(2, class_names=["a" * 300 + "b", "c" * 60])
    metric.update(torch.tensor([[0, 1]]), torch.tensor([[0, 0]]))
    ax = draw(metric.report())
    ax.figure.canvas.draw()  # matplotlib warns if nothing is left for the axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert sorted(names) == ["a" * 30 + "..." + "a" * 26 + "b", "c" * 60]
    pyplot.close()


def test_names_are_no_formulas() -> None:
    """A dollar would begin one, and a fault in it would end in a traceback."""
    names = ["a$b", r"$\frac{$", "$x$", "c\\$d"]
    x = torch.arange(4).repeat(2, 2)
    metric = MeanIoU(4, class_names=names)
    metric.update(x, x)
    for ax in (figures.confusion(metric.report()), figures.classes(metric.report())):
        ax.figure.savefig(io.BytesIO())
        assert sorted(label.get_text() for label in ax.get_yticklabels()) == sorted(names)
        assert not any(label.get_parse_math() for label in ax.get_yticklabels())
    ax = plot.errors(None, x, x, 4, class_names=names, of=names[1])
    ax.figure.savefig(io.BytesIO())
    pyplot.close("all")


@pytest.mark.parametrize("num_classes", [1, 31, 1000])
@pytest.mark.parametrize("most", [1, 30])
@pytest.mark.parametrize("normalize", ["truth", "prediction", None])
def test_nothing_counted_is_drawn_as_nothing(num_classes: int, most: int, normalize: Any) -> None:
    report = MeanIoU(num_classes).report()
    found = matrix_view.select_classes(report, normalize, most)
    assert len(found.rows) == (num_classes if num_classes <= most else max(1, most * 2 // 3))
    assert not found.pixels.any()
    figures.confusion(report, normalize=normalize, most=most)
    figures.classes(report)
    pyplot.close("all")


def test_settings_of_plots_that_are_refused() -> None:
    report = two()
    nothing = np.zeros((2, 3), int)
    for call, parts in (
        (lambda: figures.confusion(report, normalize="rows"), ("'rows'", "'truth', 'prediction' or None")),
        (lambda: figures.confusion(report, most=0), ("most is 0",)),
        (lambda: figures.classes(report, most=-1), ("most is -1",)),
        (lambda: plot.errors(None, nothing[:0], nothing[:0], 2), ("target", "[0, 3]", "[H, W]")),
        (lambda: plot.errors(None, nothing[None], nothing[None], 2), ("target", "[1, 2, 3]", "[H, W]")),
        (lambda: plot.errors(None, nothing, nothing, 2, of=1, ignore_index=1), ("of=1", "ignore_index")),
        (lambda: plot.errors(np.zeros((3, 3)), nothing, nothing, 2), ("image", "[3, 3]", "[2, 3]")),
        (lambda: plot.errors(None, nothing, nothing[:, :2], 2), ("preds", "[2, 3]", "[2, 2]")),
        (lambda: plot.errors(None, nothing[0], nothing, 2), ("preds", "[3]", "[2, 3]")),
        (lambda: plot.errors(None, nothing, nothing, 2, of="cat"), ("cat",)),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            call()
        assert_sentence(error, *parts)
    with pytest.raises(TypeError) as type_error:
        plot.errors(nothing, nothing, nothing, 2)
    assert_sentence(type_error, "image", "int64", "uint8")
    assert not pyplot.get_fignums()


def test_without_matplotlib_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.colors", None)
    with pytest.raises(ModuleNotFoundError, match="install the extra 'plot'"):
        figures.classes(two())
    with pytest.raises(ModuleNotFoundError, match="install the extra 'plot'"):
        figures.confusion(two())


def test_masks_have_the_colours_of_their_space() -> None:
    space = protocols.get("cityscapes").label_space
    assert overlays.mask(np.array([[0, 10, 19, 20]]), space)[0].tolist() == [
        [128, 64, 128],  # road, as in the labels of Cityscapes
        [70, 130, 180],  # sky
        [0, 0, 0],
        [255, 255, 255],
    ]
    made = overlays.palette(LabelSpace(150))
    assert len(set(made)) == 150
    near = [math.dist(a, b) for a, b in itertools.pairwise(made)]
    assert min(near) > 60


def test_every_pixel_of_errors_has_the_colour_of_its_kind() -> None:
    target = np.array([[0, 0, 0, 1, 1, 2, 2]])  # 2 is void
    preds = np.array([[0, 1, 2, 1, 0, 0, 2]])  # and a void prediction
    base = overlays.grey(None, (1, 7))[0].astype(float)
    for of, legend, kinds in (
        (None, colors.OF_ALL, {"right": [0, 3], "void prediction": [2], "wrong class": [1, 4]}),
        (0, colors.OF_ONE, {"hit": [0], "miss": [1, 2], "false alarm": [4]}),
        (1, colors.OF_ONE, {"hit": [3], "miss": [4], "false alarm": [1]}),
    ):
        found = overlays.errors(None, preds, target, 2, of)[0]
        expected = np.repeat(base[:, None], 3, 1)
        for kind, where in kinds.items():
            strength = colors.STRENGTH[legend[kind]]
            expected[where] = (1 - strength) * base[where, None] + strength * np.array(legend[kind])
        expected[5:] = base[5:, None] * 0.35
        assert found.tolist() == np.rint(expected).astype(int).tolist(), of


def test_colours_differ_without_colour_vision() -> None:
    """In lightness (CIE L*), as on a grey print, and from grey by their saturation."""

    def lightness(color: tuple[int, int, int]) -> float:
        linear = [((v / 255 + 0.055) / 1.055) ** 2.4 for v in color]
        y = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
        return 116 * y ** (1 / 3) - 16

    lights = sorted(lightness(color) for color in colors.OF_ALL.values())
    assert min(b - a for a, b in itertools.pairwise(lights)) > 15
    assert set(colors.OF_ALL.values()) == set(colors.OF_ONE.values())
    assert min(colorsys.rgb_to_hls(*(v / 255 for v in color))[2] for color in colors.OF_ALL.values()) > 0.4


@pytest.mark.parametrize("form", ["grey", "uint8", "planes", "alpha", "tensor"])
def test_forms_of_images(form: str) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    luma = rgb @ (0.299, 0.587, 0.114)
    image: Any = {
        "grey": luma / 255,
        "uint8": rgb,
        "planes": np.moveaxis(rgb, -1, 0),
        "alpha": np.concatenate([rgb, rgb[..., :1]], -1) / 255,
        "tensor": torch.from_numpy(rgb / 255).permute(2, 0, 1),
    }[form]
    found = overlays.grey(image, (4, 5))
    assert found.dtype == np.uint8
    assert np.abs(found - luma).max() <= 0.501  # float32 rounds on the way
