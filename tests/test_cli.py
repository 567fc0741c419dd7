"""The command line on folders that are good and bad."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from meaniou import demo, reference
from meaniou.cli import main

OPTIONS = ["--num-classes", "9", "--ignore-index", "255"]


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def save(path: Path, labels: object, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(labels))
    (image.convert(mode) if mode else image).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return demo.write(tmp_path, images=3)


def test_json_holds_the_full_fractions_of_the_reference(folders: tuple[Path, Path]) -> None:
    ran = invoke(*folders, *OPTIONS, "--format", "json")
    assert ran.exit_code == 0
    preds, target = (np.concatenate(side) for side in zip(*(demo.scene(seed) for seed in range(3)), strict=True))
    report = json.loads(ran.stdout)
    assert report["mean_iou"] == pytest.approx(reference.mean_iou(preds, target, 9, 255), rel=1e-15)
    assert report["pixels"]["seen"] == target.size
    assert report["pixels"]["void"] == (target == 255).sum()
    assert report["classes"][demo.TRAIN]["iou"] is None
    assert [row["truth"] for row in report["classes"]] == [int((target == c).sum()) for c in range(9)]


def test_text_names_the_classes(folders: tuple[Path, Path]) -> None:
    names = folders[0].parent / "names.txt"
    ran = invoke("score", *folders, *OPTIONS, "--class-names", names)
    assert ran.exit_code == 0
    assert [line.split()[0] for line in ran.stdout.splitlines()[2:11]] == list(demo.NAMES)
    assert ran.stdout.splitlines()[10].split() == ["train", "-", "-", "-", "-", "0", "0"]


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16"])
def test_every_mode_that_stores_labels(tmp_path: Path, mode: str) -> None:
    labels = np.array([[0, 1], [1, 0]], np.uint8)
    save(tmp_path / "pred" / "a.png", labels)
    image = Image.fromarray(labels)
    if mode == "1":
        image = Image.fromarray(labels.astype(bool))
    elif mode == "P":
        image.putpalette([200, 0, 0, 0, 200, 0])
    elif mode == "I;16":
        image = Image.fromarray(labels.astype(np.uint16))
    assert image.mode == mode
    (tmp_path / "target").mkdir()
    image.save(tmp_path / "target" / "a.png")
    ran = invoke(tmp_path / "pred", tmp_path / "target", "--num-classes", 2, "--format", "json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["mean_iou"] == 1.0


def test_several_ignored_ids_and_folders_below(tmp_path: Path) -> None:
    for side in ("pred", "target"):
        save(tmp_path / side / "b" / "x.png", np.array([[0, 1, 254, 255]], np.uint8))
        save(tmp_path / side / "x.png", np.array([[0, 1, 1, 1]], np.uint8))
    words = [tmp_path / "pred", tmp_path / "target", "--num-classes", 2, "--format", "json"]
    ran = invoke(*words, "--ignore-index", 254, "--ignore-index", 255)
    assert json.loads(ran.stdout)["pixels"] == {"seen": 8, "counted": 6, "void": 2, "no_answer": 0, "outside": 0}


def missing(pred: Path, _: Path) -> None:
    pred.rename(pred.parent / "elsewhere")


def no_masks(pred: Path, _: Path) -> None:
    for path in pred.iterdir():
        path.unlink()


def alone(pred: Path, _: Path) -> None:
    (pred / "scene_001.png").unlink()


def same_name(pred: Path, _: Path) -> None:
    (pred / "scene_001.PNG").write_bytes((pred / "scene_001.png").read_bytes())


def other_size(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.zeros((5, 7), np.uint8))


def colours(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.zeros((256, 512, 3), np.uint8))


def truncated(pred: Path, _: Path) -> None:
    path = pred / "scene_001.png"
    path.write_bytes(path.read_bytes()[:200])


def empty(_: Path, target: Path) -> None:
    (target / "scene_002.png").write_bytes(b"")


def text(_: Path, target: Path) -> None:
    (target / "scene_002.png").write_text("not an image")


def outside(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.full((256, 512), 77, np.uint8))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, ["pred is no folder"]),
        (no_masks, ["pred holds no mask"]),
        (alone, ["1 of 3 truth masks have no prediction", "scene_001.png"]),
        (same_name, ["scene_001.PNG", "scene_001.png", "same name"]),
        (other_size, ["scene_001.png is 5 x 7", "256 x 512"]),
        (colours, ["scene_001.png", "R, G, B", "class ids"]),
        (truncated, ["scene_001.png cannot be read"]),
        (empty, ["scene_002.png cannot be read"]),
        (text, ["scene_002.png cannot be read"]),
        (outside, ["scene_001.png", "preds holds", "outside the classes 0 to 8", "77"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_folders_end_with_one_sentence(folders: tuple[Path, Path], spoil: object, words: list[str]) -> None:
    spoil(*folders)
    ran = invoke(*folders, *OPTIONS)
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.splitlines()) == 1
    for word in words:
        assert word in ran.stderr


def test_settings_that_are_off_end_with_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for words, expected in (
        (["--num-classes", "5000"], "num_classes is 5000"),
        (["--num-classes", "2", "--class-names", tmp_path / "names.txt"], "class_names has 9 names"),
        (["--num-classes", "2", "--class-names", tmp_path / "none.txt"], "cannot be read"),
    ):
        ran = invoke(*folders, *words)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert expected in ran.stderr


def test_demo_that_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = invoke("demo", tmp_path / "file" / "below")
    assert ran.exit_code == 2
    assert "cannot be written" in ran.stderr


def test_demo_has_what_it_promises() -> None:
    pairs = [demo.scene(seed) for seed in range(8)]
    preds, target = (np.stack(side) for side in zip(*pairs, strict=True))
    assert demo.TRAIN not in preds
    assert demo.TRAIN not in target
    assert demo.BICYCLE in preds
    assert demo.BICYCLE not in target
    assert demo.VOID in target
    assert demo.VOID not in preds
    assert set(range(7)) <= set(np.unique(target))
    assert (demo.scene(3)[0] == demo.scene(3)[0]).all()


def test_without_the_extra_a_sentence_says_what_to_install() -> None:
    code = "import sys; sys.modules['click'] = None; from meaniou.__main__ import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "pip install 'meaniou[cli]'" in ran.stderr
    assert "Traceback" not in ran.stderr
