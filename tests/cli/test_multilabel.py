"""Labels that overlap on the command line: the numbers of the metrics, every refusal, and files that are wrong."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import Result
from PIL import Image
from support.command import invoke

from meaniou import IoUCurve, MultilabelMeanIoU, compare, synthetic
from meaniou.cli.commands import demo
from meaniou.cli.options import parse_thresholds

NAMES = [f"city/scene_{i}" for i in range(5)]
LABELS, SHAPE = 3, (3, 6, 7)
OPTIONS = ["--multilabel", "--ignore-index", 255]
THRESHOLDS = ["--threshold", 0.2, "--threshold", 0.5, "--threshold", 0.8]


def stacks(seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Ground truth with void, and scores of two models (with NaN and with scores that equal thresholds)."""
    rng = np.random.default_rng(seed)
    sides: dict[str, list[np.ndarray]] = {"target": [], "pred": [], "other": []}
    for i in range(len(NAMES)):
        shape = (LABELS, SHAPE[1] + i, SHAPE[2])
        target = rng.choice([0, 1, 255], p=[0.5, 0.4, 0.1], size=shape)
        sides["target"].append(target.astype(np.uint8))
        for name, noise in (("pred", 0.6), ("other", 0.9)):
            scores = (target == 1) * (1 - noise) + noise * rng.random(shape)
            scores[rng.random(shape) < 0.1] = 0.5
            scores[rng.random(shape) < 0.05] = np.nan
            sides[name].append(scores.astype(np.float32))
    return sides


def write(path: Path, stack: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, stack)
    elif path.suffix == ".npz":
        np.savez_compressed(path, stack)
    else:
        tifffile.imwrite(path, stack, photometric="minisblack")


def write_all(folder: Path, sides: dict[str, list[np.ndarray]], suffix: str = ".npy") -> Path:
    for side, maps in sides.items():
        for name, stack in zip(NAMES, maps, strict=True):
            write(folder / side / f"{name}{suffix}", stack)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_all(tmp_path, stacks())


def run(folder: Path, *words: object, pred: str = "pred", target: str = "target") -> Result:
    ran = invoke(folder / pred, folder / target, *OPTIONS, *words)
    assert ran.exit_code == 0, ran.output
    return ran


def refused(*words: object) -> str:
    """The error of a command that ends with status 2, one sentence on one line, and nothing on the standard output."""
    ran = invoke(*words)
    assert (ran.exit_code, ran.stdout) == (2, ""), ran.output
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.endswith(".\n")
    return ran.stderr


def counted(sides: dict[str, list[np.ndarray]], pred: str = "pred", **settings: Any) -> MultilabelMeanIoU:
    metric = MultilabelMeanIoU(LABELS, **({"ignore_index": 255, "per_image": True} | settings))
    for name, preds, target in zip(NAMES, sides[pred], sides["target"], strict=True):
        metric.update(preds[None], target[None], image_ids=[name] if metric.per_image else None)
    return metric


def curve_of(sides: dict[str, list[np.ndarray]], **settings: Any) -> IoUCurve:
    curve = IoUCurve(LABELS, ignore_index=255, **settings)
    for preds, target in zip(sides["pred"], sides["target"], strict=True):
        curve.update(preds[None], target[None])
    return curve


def iou_of(preds: Sequence[np.ndarray], target: Sequence[np.ndarray], threshold: float, label: int) -> float:
    """From the definition: a NaN score is a miss."""
    both = union = 0
    for scores, truth in zip(preds, target, strict=True):
        valid, is_set, predicted = truth[label] != 255, truth[label] == 1, scores[label] > threshold
        both += int((valid & is_set & predicted).sum())
        union += int((valid & (is_set | predicted)).sum())
    return both / union


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tif"])
@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (["--threshold", 0.3], {"threshold": 0.3}),
        (THRESHOLDS, {"threshold": [0.2, 0.5, 0.8]}),
        (["--inclusive"], {"inclusive": True}),
        (["--void-preds", "drop", "--present", "target", "--absent", "zero"], {"void_preds": "drop"}),
        (["--num-labels", 3], {}),
    ],
)
def test_json_is_the_report_of_the_metric(
    tmp_path: Path, suffix: str, words: list[object], settings: dict[str, Any]
) -> None:
    sides = stacks()
    write_all(tmp_path, sides, suffix)
    rules = {"present": "target", "absent": "zero"} if "--present" in words else {}
    expected = counted(sides, per_image=False, **settings, **rules).report().to_json() + "\n"
    assert run(tmp_path, *words, "--format", "json").stdout == expected


def test_numbers_are_those_of_the_definition(folder: Path) -> None:
    sides = stacks()
    report = json.loads(run(folder, *THRESHOLDS, "--format", "json").stdout)
    pairs = enumerate([0.2, 0.5, 0.8])
    assert [row["iou"] for row in report["classes"]] == [
        iou_of(sides["pred"], sides["target"], threshold, label) for label, threshold in pairs
    ]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("of_preds", [np.uint8, np.int64, bool, np.float16, np.float64])
def test_every_dtype(tmp_path: Path, dtype: str, of_preds: type) -> None:
    sides = stacks()
    if dtype == "bool":
        sides["target"] = [stack == 1 for stack in sides["target"]]
    scores = [np.nan_to_num(stack) for stack in sides["pred"]]
    whole = issubclass(of_preds, np.integer | bool)
    sides["pred"] = [(stack > 0.5 if whole else stack).astype(of_preds) for stack in scores]
    sides["target"] = [stack.astype(dtype) for stack in sides["target"]]
    write_all(tmp_path, sides)
    assert run(tmp_path, "--format", "json").stdout == counted(sides, per_image=False).report().to_json() + "\n"


def test_logits(tmp_path: Path) -> None:
    sides = stacks()
    sides["pred"] = [np.nan_to_num(stack) for stack in sides["pred"]]
    report = counted(sides, per_image=False).report().to_json()
    write_all(tmp_path, sides | {"pred": [4 * stack - 2 for stack in sides["pred"]]})
    logits = json.loads(run(tmp_path, "--threshold", 0.0, "--format", "json").stdout)
    assert logits["classes"] == json.loads(report)["classes"]
    ran = run(tmp_path, "--format", "json")
    assert len(ran.stderr.splitlines()) == 1
    sentence = r"Warning: \S+scene_0.npy holds scores from -\d.*, which are not probabilities, and a label is set only "
    sentence += r"above --threshold 0.5\. For logits pass --threshold 0.0\. 4 more files have such a warning\.$"
    assert re.match(sentence, ran.stderr)
    ran = run(tmp_path, "--curve", "--format", "json")
    assert "For logits store probabilities, or pass thresholds in their range." in ran.stderr


def test_images_intervals_and_names(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("road\nbridge\ncar\n")
    files = ["--image-scores", tmp_path / "each.csv", "--save", tmp_path / "saved.pt"]
    words = ["--class-names", tmp_path / "names.txt", "--ci", "--class-group", "roads=road,bridge"]
    ran = run(folder, *words, "--list-worst", 2, *files)
    metric = counted(stacks(), class_names=["road", "bridge", "car"])
    report = metric.report(bootstrap=True, class_groups={"roads": [0, 1]})
    assert ran.stdout == f"{report}\n\n{metric.image_scores().to_text(2)}\n"
    assert (tmp_path / "each.csv").read_text() == metric.image_scores().to_csv() + "\n"
    loaded = MultilabelMeanIoU.load(tmp_path / "saved.pt")
    assert loaded.report(bootstrap=True, class_groups={"roads": [0, 1]}) == report
    grouped = run(folder, "--ci", "--clusters", "_.", "--format", "json")
    assert json.loads(grouped.stdout)["intervals"]["mean_iou"] is not None


def test_all_outputs_are_written_and_can_be_read(folder: Path, tmp_path: Path) -> None:
    report = counted(stacks()).report()
    forms = {"csv": report.to_csv(), "json": report.to_json(), "md": report.to_markdown(), "tex": report.to_latex()}
    for suffix, expected in forms.items():
        ran = run(folder, "--output", tmp_path / f"out.{suffix}", "--html", tmp_path / "page.html")
        assert ran.stdout == report.headline() + "\n"
        assert (tmp_path / f"out.{suffix}").read_text() == expected + "\n"
    page = (tmp_path / "page.html").read_text()
    assert "city/scene_0" in page
    assert "confusion" not in page.lower()
    run(folder, "--plot", tmp_path / "plots")
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["classes.png"]
    with Image.open(tmp_path / "plots" / "classes.png") as picture:
        assert picture.size > (100, 100)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (["--thresholds", "11"], {"thresholds": 11}),
        (["--thresholds", "0.2,0.5,0.8", "--inclusive"], {"thresholds": [0.2, 0.5, 0.8], "inclusive": True}),
        (["--thresholds", "-1,0.5", "--void-preds", "drop"], {"thresholds": [-1, 0.5], "void_preds": "drop"}),
    ],
)
def test_a_curve_is_the_report_of_the_metric(
    folder: Path, tmp_path: Path, words: list[object], settings: dict[str, Any]
) -> None:
    report = curve_of(stacks(), **settings).report()
    assert run(folder, "--curve", *words).stdout == f"{report}\n"
    forms = {"csv": report.to_csv(), "json": report.to_json(), "md": report.to_markdown(), "tex": report.to_latex()}
    for suffix, expected in forms.items():
        ran = run(folder, "--curve", *words, "--output", tmp_path / f"out.{suffix}")
        assert ran.stdout == report.headline() + "\n"
        assert (tmp_path / f"out.{suffix}").read_text() == expected + "\n"


def test_a_curve_from_the_definition_is_saved_merged_and_plotted(folder: Path, tmp_path: Path) -> None:
    words = ["--curve", "--thresholds", "0.25,0.6", "--save", tmp_path / "a.pt", "--plot", tmp_path / "plots"]
    run(folder, *words, "--output", tmp_path / "a.json")
    report, sides = json.loads((tmp_path / "a.json").read_text()), stacks()
    for label, values in enumerate(report["iou"]):
        assert values == [iou_of(sides["pred"], sides["target"], threshold, label) for threshold in (0.25, 0.6)]
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["curve.png"]
    merged = invoke("merge", tmp_path / "a.pt", tmp_path / "a.pt", "--format", "json", "--plot", tmp_path / "more")
    assert merged.exit_code == 0, merged.output
    twice = json.loads(merged.stdout)
    assert twice["iou"] == report["iou"]
    assert twice["pixels"]["seen"] == 2 * report["pixels"]["seen"]
    assert (tmp_path / "more" / "curve.png").exists()


def test_merged_parts_are_the_whole(folder: Path, tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        for side in ("pred", "target"):
            part = tmp_path / f"part{i}" / side / f"{name}.npy"
            part.parent.mkdir(parents=True)
            part.write_bytes((folder / side / f"{name}.npy").read_bytes())
        run(tmp_path / f"part{i}", "--save", tmp_path / f"{i}.pt")
    parts = [tmp_path / f"{i}.pt" for i in range(len(NAMES))]
    words = ["--ci", "--list-worst", 3]
    assert invoke("merge", *parts, *words).stdout == run(folder, *words).stdout
    pages = [invoke("merge", *parts, "--html", tmp_path / "a.html"), run(folder, "--html", tmp_path / "b.html")]
    assert [ran.exit_code for ran in pages] == [0, 0]
    texts = [(tmp_path / name).read_text() for name in ("a.html", "b.html")]
    bodies = [re.sub(r"<(title|h1)>.*?</\1>", "", text) for text in texts]
    assert bodies[0] == bodies[1]


def test_a_comparison(folder: Path, tmp_path: Path) -> None:
    sides = stacks()
    words = ["compare", folder / "pred", folder / "other", folder / "target", *OPTIONS]
    ran = invoke(*words, "--seed", 3, "--format", "json")
    assert ran.exit_code == 0, ran.output
    expected = compare(counted(sides), counted(sides, "other"), seed=3)
    mean = json.loads(ran.stdout)["mean_iou"]
    assert mean["difference"]["value"] == expected.value
    for side in ("pred", "other"):
        run(folder, "--save", tmp_path / f"{side}.pt", pred=side)
    saved = ["compare", tmp_path / "pred.pt", tmp_path / "other.pt", "--seed", 3, "--format", "json"]
    again = json.loads(invoke(*saved).stdout)
    assert again["mean_iou"] == mean
    per_label = invoke(*words, *THRESHOLDS)
    assert per_label.exit_code == 0, per_label.output


def test_files_of_two_kinds_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    classes = [tmp_path / "c" / side / "a.npy" for side in ("pred", "target")]
    for path in classes:
        write(path, np.zeros((2, 2), np.uint8))
    words = [*(path.parent for path in classes), "--num-classes", 2, "--save", tmp_path / "classes.pt"]
    assert invoke(*words).exit_code == 0
    run(folder, "--save", tmp_path / "labels.pt")
    run(folder, "--curve", "--save", tmp_path / "curve.pt")
    kinds = {"classes": "counts of classes", "labels": "counts of labels that overlap", "curve": "an IoU curve"}
    for first, of_first in kinds.items():
        for second, of_second in kinds.items():
            paths = [tmp_path / f"{name}.pt" for name in (first, second)]
            if first == second:
                assert invoke("merge", *paths).exit_code == 0
                continue
            error = refused("merge", *paths)
            for part in (*map(str, paths), f"the first holds {of_first}", f"the second {of_second}"):
                assert part in error
            refused("compare", *paths)
    assert "IoU curve" in refused("compare", tmp_path / "curve.pt", tmp_path / "curve.pt")
    run(folder, "--threshold", 0.3, "--save", tmp_path / "other.pt")
    assert "differ in --threshold: 0.5 and 0.3." in refused("merge", tmp_path / "labels.pt", tmp_path / "other.pt")
    for words in (["--ci"], ["--html", tmp_path / "x.html"], ["--list-worst", 1], ["--class-group", "a=0"]):
        error = refused("merge", tmp_path / "curve.pt", *words)
        assert words[0] in error
        assert "curve.pt" in error
    error = refused("compare", tmp_path / "labels.pt", tmp_path / "other.pt", "--multilabel")
    assert "--multilabel does not apply" in error
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--num-classes", 3],
        ["--protocol", "cityscapes"],
        ["--pred-ids", "ids"],
        ["--pred-void", 9],
        ["--overlay", "folder"],
        ["--photos", "folder"],
        ["--photo-suffix", "x"],
    ],
)
def test_options_of_classes_are_refused(folder: Path, words: list[object]) -> None:
    error = refused(folder / "pred", folder / "target", *OPTIONS, *words)
    assert error.startswith(f"Error: {words[0]} cannot be combined with --multilabel: ")
    if words[0] in ("--num-classes", "--protocol", "--pred-ids", "--pred-void"):
        assert refused("compare", folder / "pred", folder / "other", folder / "target", *OPTIONS, *words) == error


@pytest.mark.parametrize(
    "words",
    [
        ["--threshold", 0.3],
        ["--html", "page.html"],
        ["--image-scores", "x.csv"],
        ["--list-worst", 2],
        ["--ci"],
        ["--class-group", "a=0"],
    ],
)
def test_options_of_one_threshold_are_refused_with_a_curve(folder: Path, words: list[object]) -> None:
    error = refused(folder / "pred", folder / "target", *OPTIONS, "--curve", *words)
    assert error.startswith(f"Error: {words[0]} cannot be combined with --curve: ")


@pytest.mark.parametrize("words", [["--threshold", 0.5], ["--curve"], ["--num-labels", 3], ["--inclusive"]])
def test_options_of_labels_are_refused_without_them(folder: Path, words: list[object]) -> None:
    error = refused(folder / "pred", folder / "target", "--num-classes", 3, *words)
    assert error == f"Error: {words[0]} has no effect without --multilabel. Add --multilabel.\n"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--thresholds", "5"], ["--thresholds has no effect without --curve"]),
        (["--threshold", 0.1, "--threshold", 0.2], ["passed 2 times", "number of labels is 3"]),
        (["--threshold", "nan"], ["--threshold is nan"]),
        (["--curve", "--thresholds", "1"], ["--thresholds is 1; expected 2 to 4096"]),
        (["--curve", "--thresholds", "a,b"], ["'a,b' is neither"]),
        (["--curve", "--thresholds", "0.5,0.4"], ["does not hold ascending"]),
        (["--curve", "--thresholds", "0.5,0.5"], ["does not hold ascending"]),
        (["--curve", "--thresholds", "0.5,nan"], ["does not hold ascending"]),
        (["--curve", "--thresholds", "9" * 5000], ["does not hold ascending, finite thresholds"]),
        (["--ignore-index", 1], ["--ignore-index 1 cannot be combined with --multilabel"]),
        (["--num-labels", 4], ["3 x 6 x 7", "--num-labels is 4"]),
        (["--class-names", "NAMES"], ["names.txt names 2"]),
        (["--class-names", "NAMES", "--num-labels", 3], ["2 names, but the number of labels is 3", "--num-labels"]),
        (["--void-preds", "error"], ["--void-preds error"]),
    ],
)
def test_settings_that_do_not_fit(folder: Path, tmp_path: Path, words: list[object], parts: list[str]) -> None:
    (tmp_path / "names.txt").write_text("road\nbridge\n")
    words = [tmp_path / "names.txt" if word == "NAMES" else word for word in words]
    error = refused(folder / "pred", folder / "target", *OPTIONS, *words, "--output", tmp_path / "report")
    for part in parts:
        assert part in error
    assert not (tmp_path / "report").exists()


def test_a_comparison_has_no_curve(folder: Path) -> None:
    ran = invoke("compare", folder / "pred", folder / "other", folder / "target", *OPTIONS, "--curve")
    assert ran.exit_code == 2
    assert 'Run "meaniou score --curve" for each model.' in ran.stderr


FIRST = f"{NAMES[0]}.npy"


@pytest.mark.parametrize(
    ("side", "name", "stack", "parts"),
    [
        ("target", NAMES[1], np.full((3, 7, 7), 9, np.uint8), ["holds 49 pixels of label 0", "--ignore-index 9"]),
        ("target", NAMES[1], np.full((3, 7, 7), 0.4), ["holds 49 pixels of label 0", "0.4"]),
        ("pred", NAMES[1], np.full((3, 7, 7), 2, np.uint8), ["of label 0", "(0, 0, 0): 2"]),
        ("pred", NAMES[1], np.zeros((2, 7, 7), np.float32), ["2 x 7 x 7", "the same labels in the same order"]),
        ("pred", NAMES[1], np.zeros((3, 6, 7), np.float32), ["3 x 6 x 7", "Resize the scores"]),
        ("pred", NAMES[1], np.zeros((7, 7, 3), np.float32), ["np.moveaxis(array, -1, 0) of the prediction"]),
        ("pred", NAMES[1], np.zeros(5, np.float32), ["shape 5", "one for each label", "--multilabel"]),
        ("pred", NAMES[1], np.zeros((3, 7, 7), complex), ["complex128"]),
        ("target", NAMES[0], np.zeros((6, 7), np.uint8), ["6 x 7", "--num-labels 1", "--num-labels 6"]),
        ("target", NAMES[0], np.zeros((16, 7, 3), np.uint8), ["np.moveaxis(array, -1, 0)", "--num-labels 16"]),
        ("target", NAMES[0], np.zeros((4097, 1, 1), bool), ["labels in the first axis"]),
        ("target", NAMES[0], np.zeros((0, 6, 7), bool), ["0 x 6 x 7", "no label"]),
        ("target", NAMES[0], np.zeros((1, 3, 6, 7), bool), ["1 x 3 x 6 x 7", "array[0]", "--num-labels 1"]),
    ],
)
def test_files_that_do_not_fit(
    folder: Path, tmp_path: Path, side: str, name: str, stack: np.ndarray, parts: list[str]
) -> None:
    path = folder / side / f"{name}.npy"
    write(path, stack)
    before = sorted(tmp_path.rglob("*"))
    files = [word for option in ("save", "html", "image-scores") for word in (f"--{option}", tmp_path / option)]
    error = refused(folder / "pred", folder / "target", *OPTIONS, *files, "--plot", tmp_path / "plots")
    assert str(path) in error
    for part in parts:
        assert part in error
    assert sorted(tmp_path.rglob("*")) == before


def test_files_of_other_kinds(folder: Path) -> None:
    words = [folder / "pred", folder / "target", *OPTIONS]
    path = folder / "pred" / f"{NAMES[2]}.npy"
    Image.fromarray(np.zeros((8, 7), np.uint8)).save(path.with_suffix(".png"))
    path.unlink()
    error = refused(*words)
    assert "scene_2.png is a PNG image" in error
    assert "TIFF with a page for each label" in error
    path.with_suffix(".png").unlink()
    with tifffile.TiffWriter(path.with_suffix(".tif")) as file:
        file.write(np.zeros((8, 7), np.float32))
        file.write(np.zeros((4, 7), np.float32))
    assert "scene_2.tif (page 2) has the size 4 x 7" in refused(*words)
    path.with_suffix(".tif").unlink()
    path.write_bytes(b"\x93NUMPY\x01\x00")
    assert f"Cannot read {path}" in refused(*words)


def test_scores_are_needed_for_a_curve(folder: Path) -> None:
    path = folder / "pred" / f"{NAMES[1]}.npy"
    write(path, np.zeros((3, 7, 7), np.uint8))
    error = refused(folder / "pred", folder / "target", *OPTIONS, "--curve")
    assert f"{path} holds labels (uint8)" in error
    assert "leave out --curve" in error


def test_arrays_of_two_axes_need_the_number_of_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.random((4, 9)), rng.integers(0, 2, (4, 9))
    for side, array in (("pred", scores), ("target", truth)):
        write(tmp_path / side / "a.npy", array)
    for number in (1, 4):
        metric = MultilabelMeanIoU(number, ignore_index=255)
        shape = (1, 1, 4, 9) if number == 1 else (1, 4, 9)
        metric.update(scores.reshape(shape), truth.reshape(shape))
        report = json.loads(run(tmp_path, "--num-labels", number, "--format", "json").stdout)
        assert report == json.loads(metric.report().to_json())


@pytest.mark.parametrize("words", [[], ["--curve"]])
def test_stacks_without_pixels(tmp_path: Path, words: list[object]) -> None:
    for side, dtype in (("pred", np.float32), ("target", np.uint8)):
        write(tmp_path / side / "a.npy", np.zeros((3, 0, 0), dtype))
    report = json.loads(run(tmp_path, *words, "--format", "json").stdout)
    assert report["pixels"]["seen"] == 0


def test_the_place_in_a_file_of_two_axes(tmp_path: Path) -> None:
    write(tmp_path / "pred/a.npy", np.zeros((4, 9)))
    truth = np.zeros((4, 9), np.uint8)
    truth[1, 2] = 7
    write(tmp_path / "target/a.npy", truth)
    assert "(the first at index (1, 2): 7)" in refused(
        tmp_path / "pred", tmp_path / "target", "--multilabel", "--num-labels", 1
    )


def test_volumes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.random((2, 3, 4, 5)), rng.integers(0, 2, (2, 3, 4, 5))
    for side, array in (("pred", scores), ("target", truth)):
        write(tmp_path / side / "a.npy", array)
    metric = MultilabelMeanIoU(2, ignore_index=255)
    metric.update(scores[None], truth[None])
    assert run(tmp_path, "--format", "csv").stdout == metric.report().to_csv() + "\n"


def test_a_single_page_is_one_label(tmp_path: Path) -> None:
    """As for cracks: one page of scores, and one of the ground truth."""
    rng = np.random.default_rng(0)
    scores, truth = rng.random((1, 8, 9)).astype(np.float32), rng.integers(0, 2, (1, 8, 9)).astype(np.uint8)
    for side, array in (("pred", scores), ("target", truth)):
        write(tmp_path / side / "a.tif", array[0])
    curve = IoUCurve(ignore_index=255)
    curve.update(scores[None], truth[None])
    assert run(tmp_path, "--curve").stdout == f"{curve.report()}\n"


def test_stacks_scored_as_classes_are_warned_of(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).integers(0, 2, (3, 8, 9)).astype(np.uint8)
    for side in ("pred", "target"):
        write(tmp_path / side / "a.npy", truth)
    words = [tmp_path / "pred", tmp_path / "target", "--num-classes"]
    ran = invoke(*words, 3)
    assert ran.exit_code == 0
    assert ran.stderr.startswith("Warning: The masks are stacks of 3 maps that hold only 0 and 1.")
    assert "--multilabel" in ran.stderr
    assert invoke(*words, 2).stderr == invoke(*words, 4).stderr == ""  # another number of classes
    truth[0, 0, 0] = 2
    for side in ("pred", "target"):
        write(tmp_path / side / "a.npy", truth)
    assert invoke(*words, 3).stderr == ""  # volumes of three classes


def test_thresholds_as_text() -> None:
    assert parse_thresholds(None) == 101
    assert parse_thresholds(" 7 ") == 7
    assert parse_thresholds("0.5") == (0.5,)
    assert parse_thresholds("-1, 0, 2e1") == (-1.0, 0.0, 20.0)


def test_the_demo_has_labels_that_overlap(tmp_path: Path) -> None:
    demo.write(tmp_path, 2)
    labels = tmp_path / "labels"
    names = list(synthetic.OVERLAPPING)
    assert (labels / "names.txt").read_text().split() == names
    metric = MultilabelMeanIoU(3, ignore_index=255, class_names=names)
    for seed in range(2):
        scores, truth = synthetic.stack(seed)
        np.testing.assert_array_equal(np.load(labels / "pred" / f"scene_00{seed}.npy"), scores)
        assert scores.dtype == np.float16
        assert 0 <= scores.min() < scores.max() <= 1
        assert set(np.unique(truth)) == {0, 1, 255}
        assert (truth[1][truth[0] == 1] == 1).all()  # a road is ground
        metric.update(scores[None], truth[None])
    words = ["--class-names", labels / "names.txt"]
    assert run(labels, *words).stdout == f"{metric.report()}\n"
    (labels / "pred" / "mine.npy").write_text("")
    assert "already contains labels/pred/mine.npy" in invoke("demo", tmp_path).stderr
