"""Boundary IoU on the command line: the numbers of the metrics, saved counts, comparisons, and every refusal."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from support.command import invoke

from meaniou import MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU, compare, reference
from meaniou.cli.options import parse_widths
from meaniou.cli.overlays import GAP
from meaniou.plot import overlays
from meaniou.plot.pictures.captions import Letters
from meaniou.report import Report
from meaniou.settings import BandSettings
from meaniou.settings.label_space import LabelSpace

NAMES = [f"city/scene_{i}" for i in range(4)]
CLASSES = 3
OPTIONS = ["--num-classes", CLASSES, "--ignore-index", 255]
WIDTHS = ["--boundary", "0.05", "--boundary", "3"]


def maps() -> dict[str, list[np.ndarray]]:
    """Ground truth with void, and predictions of two models with void predictions, of images of different sizes."""
    rng = np.random.default_rng(0)
    sides: dict[str, list[np.ndarray]] = {"target": [], "pred": [], "other": []}
    for i in range(len(NAMES)):
        blocks = rng.choice([0, 1, 2, 255], p=[0.4, 0.3, 0.2, 0.1], size=(4, 5))
        blocks[0, 1] = 255
        target = np.kron(blocks, np.ones((6 + 4 * i, 7), int)).astype(np.uint8)
        sides["target"].append(target)
        for name, shift in (("pred", 1), ("other", 2)):
            preds = np.where(target == 255, 0, np.roll(target, shift, (0, 1)))
            preds[: 2 * shift, :3] = 255
            sides[name].append(preds.astype(np.uint8))
    return sides


def write(folder: Path, sides: dict[str, list[np.ndarray]], names: list[str] = NAMES) -> Path:
    for side, labels in sides.items():
        for name, array in zip(names, labels, strict=True):
            path = folder / side / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, maps())


def run(*words: object) -> Result:
    ran = invoke(*words)
    assert (ran.exit_code, ran.stderr) == (0, ""), ran.output
    return ran


def score(folder: Path, *words: object, pred: str = "pred") -> Result:
    return run(folder / pred, folder / "target", *OPTIONS, *words)


def refused(*words: object) -> str:
    """The error of a command that ends with status 2: one line, and nothing on the standard output."""
    ran = invoke(*words)
    assert (ran.exit_code, ran.stdout) == (2, ""), ran.output
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.endswith(".\n")
    assert len(ran.stderr.splitlines()) == 1
    return ran.stderr


def counted(pred: str = "pred", **settings: Any) -> tuple[MeanIoU, MeanBoundaryIoU]:
    """Both metrics, updated with one image at a time."""
    bands = {name: settings.pop(name) for name in ("width", "edge", "void") if name in settings}
    settings = {"ignore_index": 255, "per_image": True} | settings
    metrics = MeanIoU(CLASSES, **settings), MeanBoundaryIoU(CLASSES, **settings, **bands)
    sides = maps()
    for name, preds, target in zip(NAMES, sides[pred], sides["target"], strict=True):
        for metric in metrics:
            metric.update(preds[None], target[None], image_ids=[name] if metric.per_image else None)
    return metrics


def report_of(per_image: bool = False, **settings: Any) -> Report:
    metric, boundary = counted(per_image=per_image, **settings)
    return metric.report(boundary=boundary)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["--boundary", "0.05"], {"width": 0.05}),
        (["--boundary", "2"], {"width": 2}),
        (["--boundary", "5e-2", "--boundary", "3", "--boundary-void", "ignore"], {"width": [0.05, 3]}),
        (["--boundary", "2", "--boundary-void", "literal"], {"width": 2, "void": "literal"}),
        (["--boundary", "2", "--no-boundary-edge"], {"width": 2, "edge": False}),
        (
            ["--boundary", "2", "--void-preds", "drop", "--present", "target", "--absent", "zero"],
            {"width": 2, "void_preds": "drop", "present": "target", "absent": "zero"},
        ),
    ],
)
def test_the_report_is_that_of_the_metrics(folder: Path, words: list[object], settings: dict[str, Any]) -> None:
    report = report_of(**settings)
    assert len(report.boundaries) == words.count("--boundary")
    assert 0.1 < report.boundaries[0].mean_iou < report.mean_iou
    assert score(folder, *words, "--format", "json").stdout == report.to_json() + "\n"


def test_every_setting_changes_the_numbers() -> None:
    """Else the test above could not tell them apart."""
    rules: list[dict[str, Any]] = [{}, {"void": "literal"}, {"edge": False}, {"void_preds": "drop"}]
    values = [report_of(width=2, **rule).boundaries[0].mean_iou for rule in rules]
    assert len({*values, report_of(width=3).boundaries[0].mean_iou}) == 5


def test_a_share_is_one_of_the_diagonal_of_each_image(folder: Path) -> None:
    sides = maps()
    masks = sides["pred"], sides["target"]
    ((both, truth, predicted),) = reference.boundary_counts(*masks, CLASSES, width=0.05, ignore_index=255)
    report = json.loads(score(folder, "--boundary", "0.05", "--format", "json").stdout)
    (boundary,) = report["boundaries"]
    assert [row["iou"] for row in boundary["classes"]] == (both / (truth + predicted - both)).tolist()


def test_every_form_has_the_boundaries(folder: Path, tmp_path: Path) -> None:
    report = report_of(width=[0.05, 3])
    forms = {"csv": report.to_csv(), "json": report.to_json(), "md": report.to_markdown(), "tex": report.to_latex()}
    for suffix, expected in forms.items():
        ran = score(folder, *WIDTHS, "--output", tmp_path / f"out.{suffix}")
        assert ran.stdout == report.headline() + "\n"
        assert (tmp_path / f"out.{suffix}").read_text() == expected + "\n"
    assert score(folder, *WIDTHS).stdout == f"{report}\n"


def test_intervals_and_images_are_those_of_the_iou(folder: Path, tmp_path: Path) -> None:
    metric, boundary = counted(width=2)
    words = ["--ci", "--list-worst", 2, "--image-scores", tmp_path / "each.csv"]
    ran = score(folder, "--boundary", 2, *words)
    table = metric.image_scores()
    assert ran.stdout == f"{metric.report(bootstrap=True, boundary=boundary)}\n\n{table.to_text(2)}\n"
    assert (tmp_path / "each.csv").read_text() == table.to_csv() + "\n"


@pytest.mark.parametrize(
    ("words", "settings"),
    [(["--boundary", "0.1", "--boundary", "2"], {}), (["--boundary", "3", "--no-boundary-edge"], {"edge": False})],
)
def test_overlays_show_the_errors_in_the_bands(folder: Path, words: list[object], settings: dict[str, Any]) -> None:
    """Beside the three pictures of a run without bands, those of the first width."""
    score(folder, "--overlay", folder / "without", "--list-worst", 1)
    score(folder, *words, "--overlay", folder / "over", "--list-worst", 1)
    (plain,), (path,) = ((folder / name).iterdir() for name in ("without", "over"))
    assert path.name == plain.name
    number = int(path.name.removesuffix(".npy.png").removesuffix(".png")[-1])
    preds, target = maps()["pred"][number], maps()["target"][number]
    space, shape = LabelSpace(CLASSES, ignore_index=255), target.shape
    width = 3 if settings else 0.1
    inputs = BandSettings(input_format="index", widths=(width,), **settings)
    kinds = overlays.band_kinds(torch.from_numpy(preds), torch.from_numpy(target), space, inputs)
    assert {*np.unique(kinds)} == {0, 1, 2, 3, 4}
    picture = np.asarray(Image.open(path))
    panel = (picture.shape[1] - GAP) // 4 - GAP
    top = GAP + Letters.for_panel(shape[1]).line
    drawn = [picture[top : top + shape[0], GAP + i * (panel + GAP) :][:, : shape[1]] for i in range(4)]
    assert (drawn[3] == overlays.boundary_errors(overlays.grey(None, shape), kinds)).all()
    assert (drawn[1] == overlays.mask(np.where(preds == 255, CLASSES, preds), space)).all()
    errors = {tuple(color) for color in drawn[2].reshape(-1, 3).tolist()}
    assert errors == {*overlays.legend().values()}


def test_several_widths_are_plotted(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for words, names in ((WIDTHS, ["boundary.png", "classes.png", "confusion.png"]), (WIDTHS[:2], None)):
        plots = tmp_path / str(len(words))
        score(folder, *words, "--plot", plots)
        assert sorted(path.name for path in plots.iterdir()) == (names or ["classes.png", "confusion.png"])
    assert np.asarray(Image.open(tmp_path / "4" / "boundary.png")).std() > 10


# ------------------------------------------------------------------------------------------------------- saved counts


def saved(folder: Path, *words: object, name: str = "", pred: str = "pred") -> list[Path]:
    """The files of ``--save`` and ``--save-boundary``."""
    files = [folder / f"{name}classes.pt", folder / f"{name}bands.pt"]
    score(folder, *(words or WIDTHS), "--save", files[0], "--save-boundary", files[1], pred=pred)
    return files


def test_saved_counts_are_those_of_the_metrics(folder: Path) -> None:
    metric, boundary = counted(width=[0.05, 3])
    classes, bands = saved(folder)
    assert MeanIoU.load(classes).report(boundary=MeanBoundaryIoU.load(bands)) == metric.report(boundary=boundary)
    assert MeanBoundaryIoU.load(bands).at(3).image_scores() == boundary.at(3).image_scores()


def test_merged_parts_are_the_whole(folder: Path, tmp_path: Path) -> None:
    files: list[Path] = []
    for i, name in enumerate(NAMES):
        write(tmp_path / str(i), {side: [labels[i]] for side, labels in maps().items()}, [name])
        files += saved(tmp_path / str(i))
    words = ["--ci", "--list-worst", 2]
    assert run("merge", *files, *words).stdout == score(folder, *WIDTHS, *words).stdout
    assert run("merge", *files[1::2], *files[::2]).stdout == run("merge", *files).stdout
    # Files of bands hold the confusion matrix, too, but of images only the bands.
    assert run("merge", *files[1::2]).stdout == score(folder, *WIDTHS).stdout
    run("merge", *files, "--save", tmp_path / "a.pt", "--save-boundary", tmp_path / "b.pt")
    assert run("merge", tmp_path / "a.pt", tmp_path / "b.pt", *words).stdout == run("merge", *files, *words).stdout


def test_bands_that_are_merged_keep_their_rules(folder: Path) -> None:
    rules = ["--boundary", 2, "--void-preds", "drop", "--present", "target", "--absent", "zero"]
    _, bands = saved(folder, *rules)
    assert run("merge", bands).stdout == score(folder, *rules).stdout
    metric = counted(width=2, average="none", over="class")[1]
    metric.save(bands)
    assert run("merge", bands).stdout == score(folder, "--boundary", 2).stdout


def test_images_in_two_files_of_bands_are_warned_of(folder: Path) -> None:
    classes, bands = saved(folder)
    for files in ([bands, bands], [classes, bands, classes, bands]):
        ran = invoke("merge", *files)
        assert ran.exit_code == 0
        assert len(ran.stderr.splitlines()) == 1
        assert ran.stderr.startswith("Warning: 4 images were counted more than once")


@pytest.mark.parametrize("option", ["--ci", "--save", "--html", "--list-worst", "--image-scores"])
def test_files_of_bands_alone_have_no_images(folder: Path, tmp_path: Path, option: str) -> None:
    _, bands = saved(folder)
    value = {"--ci": [], "--list-worst": [1]}.get(option, [tmp_path / "out"])
    error = refused("merge", bands, option, *value)
    assert f"{option} does not apply to {bands}, which has counts of images only for bands" in error
    assert not (tmp_path / "out").exists()


def test_files_that_do_not_belong_together(folder: Path, tmp_path: Path) -> None:
    classes, bands = saved(folder)
    for words, option in (
        (["--boundary", "0.05"], "--boundary: (0.05, 3) and 0.05"),
        ([*WIDTHS, "--boundary-void", "literal"], "--boundary-void: 'ignore' and 'literal'"),
        ([*WIDTHS, "--no-boundary-edge"], "--no-boundary-edge: True and False"),
        ([*WIDTHS, "--void-preds", "drop"], "void_preds"),
    ):
        _, other = saved(folder, *words, name="other_")
        error = refused("merge", bands, other)
        assert f"Cannot merge {bands} and {other}: The two metrics differ in " in error
        assert option.replace("void_preds", "--void-preds") in error
    of_drop = folder / "other_bands.pt"
    _, of_other = saved(folder, name="more_", pred="other")
    for file in (of_drop, of_other):
        assert f"Cannot merge {classes} and {file}: they were counted in other masks" in refused("merge", classes, file)
    assert f"--save-boundary does not apply to {classes}" in refused(
        "merge", classes, "--save-boundary", tmp_path / "out"
    )
    MultilabelMeanIoU(3).save(tmp_path / "labels.pt")
    for files in ([bands], [bands, classes], [classes, bands]):
        error = refused("merge", *files, tmp_path / "labels.pt")
        assert f"Cannot merge {files[0]} and {tmp_path / 'labels.pt'}: the first holds counts of " in error
        assert "the second counts of labels that overlap" in error
    MeanBoundaryIoU(4).save(tmp_path / "four.pt")
    assert "differ in --num-classes" in refused("merge", bands, tmp_path / "four.pt")


# --------------------------------------------------------------------------------------------------------- comparisons


@pytest.mark.parametrize("rule", [[], ["--void-preds", "drop"]])
def test_a_comparison_of_bands(folder: Path, rule: list[str]) -> None:
    """With dropped void predictions the bands of the ground truth differ between the two models."""
    folders = [folder / name for name in ("pred", "other", "target")]
    words = [*OPTIONS, *rule, "--boundary", "0.05", "--seed", 3, "--format", "json"]
    report = json.loads(run("compare", *folders, *words).stdout)
    settings: dict[str, Any] = {"width": 0.05} | ({"void_preds": "drop"} if rule else {})
    expected = compare(*(counted(pred, **settings)[1] for pred in ("pred", "other")), seed=3)
    assert report["mean_iou"]["name"] == "mean boundary IoU (0.05)"
    assert report["pixel_accuracy"]["name"] == "overall band recall (0.05)"
    difference = report["mean_iou"]["difference"]
    assert (difference["value"], difference["low"], difference["high"]) == (expected.value, expected.low, expected.high)
    files = [saved(folder, *WIDTHS, *rule, name=pred, pred=pred)[1] for pred in ("pred", "other")]
    again = json.loads(run("compare", *files, "--boundary", "0.05", "--seed", 3, "--format", "json").stdout)
    assert {**again, "sources": None} == {**report, "sources": None}
    in_pixels = run("compare", *files, "--boundary", "3").stdout
    assert "; mean boundary IoU (3 px) in percent: a " in in_pixels
    assert "mean IoU" not in in_pixels


def test_comparisons_that_are_refused(folder: Path) -> None:
    files = saved(folder)
    classes, bands = files
    folders = [folder / name for name in ("pred", "other", "target")]
    one_width = "Error: meaniou compare tests one width. Pass --boundary once.\n"
    assert refused("compare", *folders, *OPTIONS, *WIDTHS) == one_width
    assert refused("compare", bands, bands, *WIDTHS) == one_width
    assert f"{bands} holds bands of several widths: 0.05, 3." in refused("compare", bands, bands)
    assert f"{bands}: --boundary is 2, which was not counted" in refused("compare", bands, bands, "--boundary", 2)
    assert f"{classes} holds counts of classes, no bands" in refused("compare", classes, classes, "--boundary", 3)
    error = refused("compare", classes, bands, "--boundary", 3)
    assert f"{classes} holds counts of classes" in error
    _, other = saved(folder, "--boundary", 3, name="other_")
    assert "the first holds counts of classes, the second counts of bands" in refused("compare", classes, other)
    error = refused("compare", bands, bands, "--boundary", 3, "--no-boundary-edge")
    assert error.startswith("Error: --no-boundary-edge does not apply to saved files")


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--boundary", "0"], "--boundary is 0 pixels; expected at least 1."),
        (["--boundary", "-2"], "--boundary is -2 pixels; expected at least 1."),
        (["--boundary", "-0.1"], "--boundary is -0.1; expected a share of the diagonal above 0 and below 1."),
        (["--boundary", "nan"], "--boundary is nan; expected a share of the diagonal above 0 and below 1."),
        (["--boundary", "3.0"], "above 0 and below 1. For a width in pixels pass a whole number, such as 3."),
        (["--boundary", "wide"], "--boundary 'wide' is no number."),
        (["--boundary", "2", "--boundary", "02"], "--boundary holds 2 twice; expected different widths."),
        (["--boundary-void", "ignore"], "--boundary-void has no effect without --boundary. Add --boundary."),
        (["--no-boundary-edge"], "--no-boundary-edge has no effect without --boundary. Add --boundary."),
        (["--save-boundary", "x"], "--save-boundary has no effect without --boundary. Add --boundary."),
        (["--boundary", "2", "--save-boundary", "TARGET"], "is both an input and an output."),
    ],
)
def test_options_that_do_not_fit(
    folder: Path, words: list[object], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    words = [folder / "target" / f"{NAMES[0]}.npy" if word == "TARGET" else word for word in words]
    assert sentence in refused(folder / "pred", folder / "target", *OPTIONS, *words)


@pytest.mark.parametrize("words", [["--boundary", 2], ["--boundary-void", "literal"], ["--save-boundary", "x"]])
def test_labels_that_overlap_have_no_bands(folder: Path, words: list[object]) -> None:
    error = refused(folder / "pred", folder / "target", "--multilabel", *words)
    assert error.startswith(f"Error: {words[0]} cannot be combined with --multilabel: bands are counted in maps with ")


def test_masks_without_bands(folder: Path) -> None:
    words = [folder / "pred", folder / "target", *OPTIONS, "--boundary"]
    error = refused(*words, 40)
    preds, target = (folder / side / f"{NAMES[0]}.npy" for side in ("pred", "target"))
    assert error.startswith(
        f"Error: Cannot compare {preds} with {target}: --boundary is 40 pixels, but the images are "
    )
    for array, shape in ((np.zeros(5, np.uint8), "5"), (np.zeros((2, 3, 4, 5), np.uint8), "2 x 3 x 4 x 5")):
        for path in (preds, target):
            np.save(path, array)
        error = refused(*words, 2)
        assert error.startswith(
            f"Error: {target} has the shape {shape}; bands need an image [H, W] or a volume [D, H, "
        )
        assert ("points" in error) == (shape == "5")
        assert error.endswith("Leave out --boundary.\n")


@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 5, 6), (1, 5, 6)])
def test_volumes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A mask of depth 1 is an image: as a volume it would lie in its bands completely."""
    rng = np.random.default_rng(0)
    sides = {side: rng.integers(0, CLASSES, shape).astype(np.uint8) for side in ("pred", "target")}
    write(tmp_path, {side: [labels] for side, labels in sides.items()}, ["a"])
    metric = MeanBoundaryIoU(CLASSES, width=1)
    pred, target = (torch.from_numpy(labels) for labels in sides.values())
    metric.update([pred], [target])
    report = json.loads(score(tmp_path, "--boundary", 1, "--format", "json").stdout)
    assert report["boundaries"][0]["mean_iou"] == metric.report().boundaries[0].mean_iou


def test_widths_as_text() -> None:
    assert parse_widths([]) == ()
    widths = parse_widths(["2", "02", " 2 ", "2.", "0.02", "1e-2", "-3"])
    assert widths == (2, 2, 2, 2.0, 0.02, 0.01, -3)
    assert [type(width) for width in widths] == [int, int, int, float, float, float, int]
