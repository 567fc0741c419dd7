"""The command line on folders that are good and bad."""

import io
import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from support.command import invoke

from meaniou import MeanIoU, reference, synthetic
from meaniou.__main__ import main as start
from meaniou.cli import main
from meaniou.cli.commands import demo
from meaniou.cli.runs import BoundaryOptions, ClassRun, MaskOptions
from meaniou.cli.workers import Workers
from meaniou.masks import MaskError, Pair, pair_masks, read, read_pair, read_pairs
from meaniou.report.report import Report

OPTIONS = ["--num-classes", "9", "--ignore-index", "255"]


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
    preds, target = (np.concatenate(side) for side in zip(*(synthetic.scene(seed) for seed in range(3)), strict=True))
    report = json.loads(ran.stdout)
    assert report["mean_iou"] == pytest.approx(reference.mean_iou(preds, target, 9, 255), rel=1e-15)
    assert report["pixels"]["seen"] == target.size
    assert report["pixels"]["void"] == (target == 255).sum()
    assert report["classes"][synthetic.TRAIN]["iou"] is None
    assert [row["truth"] for row in report["classes"]] == [int((target == c).sum()) for c in range(9)]


def test_text_names_the_classes(folders: tuple[Path, Path]) -> None:
    names = folders[0].parent / "names.txt"
    ran = invoke("score", *folders, *OPTIONS, "--class-names", names)
    assert ran.exit_code == 0
    assert [line.split()[0] for line in ran.stdout.splitlines()[2:11]] == list(synthetic.NAMES)
    train, *ratios, truth, predicted = ran.stdout.splitlines()[10].split()
    assert (train, {*ratios}, truth, predicted) == ("train", {"-"}, "0", "0")


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
    assert json.loads(ran.stdout)["pixels"] == {"seen": 8, "counted": 6, "void": 2, "void_preds": 0, "outside": 0}


def missing(pred: Path, _: Path) -> None:
    pred.rename(pred.parent / "elsewhere")


def a_file(pred: Path, _: Path) -> None:
    missing(pred, _)
    pred.write_text("")


def photographs(_: Path, target: Path) -> None:
    for path in target.iterdir():
        path.rename(path.with_suffix(".jpg"))


def both_alone(pred: Path, target: Path) -> None:
    (pred / "scene_001.png").unlink()
    (pred / "scene_002.png").unlink()
    (target / "scene_000.png").unlink()


def a_loop(pred: Path, _: Path) -> None:
    (pred / "again").symlink_to(pred)


def no_masks(pred: Path, _: Path) -> None:
    for path in pred.iterdir():
        path.unlink()


def alone(pred: Path, _: Path) -> None:
    (pred / "scene_001.png").unlink()


def same_name(pred: Path, _: Path) -> None:
    (pred / "scene_001.PNG").write_bytes((pred / "scene_001.png").read_bytes())


def other_size(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.zeros((5, 7), np.uint8))


def a_pipe(pred: Path, _: Path) -> None:
    os.mkfifo(other_kind(pred, "png"))


def a_link_to_nothing(pred: Path, _: Path) -> None:
    other_kind(pred, "png").symlink_to(pred / "nothing")


def turned(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.zeros((512, 256), np.uint8))


def another_dimension(pred: Path, _: Path) -> None:
    np.save(other_kind(pred, "npy"), np.zeros((1, 256, 512), np.uint8))


def another_folder(pred: Path, _: Path) -> None:
    (pred / "below").mkdir()
    for path in pred.glob("*.png"):
        path.rename(pred / "below" / path.name)


def colours(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.zeros((256, 512, 3), np.uint8))


def colours_of_a_palette_with_alpha(pred: Path, _: Path) -> None:
    save(pred / "scene_001.png", np.zeros((256, 512, 2), np.uint8))


def bomb(pred: Path, _: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(pred / "scene_001.png")


def other_kind(pred: Path, suffix: str) -> Path:
    (pred / "scene_001.png").unlink()
    return pred / f"scene_001.{suffix}"


def frames(pred: Path, _: Path) -> None:
    frame = Image.new("L", (4, 4))
    frame.save(other_kind(pred, "tif"), save_all=True, append_images=[frame])


def inverted(pred: Path, _: Path) -> None:
    Image.new("1", (4, 4)).save(other_kind(pred, "tif"), tiffinfo={262: 0})


def jpeg_by_another_name(_: Path, target: Path) -> None:
    Image.new("L", (4, 4)).save(target / "scene_002.png", format="JPEG")


def array_of_scores(pred: Path, _: Path) -> None:
    np.save(other_kind(pred, "npy"), np.zeros((4, 4), np.float32))


def array_of_objects(pred: Path, _: Path) -> None:
    np.save(other_kind(pred, "npy"), np.array([[1, "a"]], dtype=object), allow_pickle=True)


def array_cut_off(pred: Path, _: Path) -> None:
    path = other_kind(pred, "npy")
    np.save(path, np.zeros((256, 512), np.uint8))
    path.write_bytes(path.read_bytes()[:1000])


def array_without_room(pred: Path, _: Path) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**60,)}
    with other_kind(pred, "npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)


def several_arrays(pred: Path, _: Path) -> None:
    np.savez(other_kind(pred, "npz"), a=np.zeros(3, int), b=np.zeros(3, int))


def archive_cut_off(pred: Path, _: Path) -> None:
    path = other_kind(pred, "npz")
    np.savez(path, a=np.zeros(3, int))
    path.write_bytes(path.read_bytes()[:-30])


def wide_labels(pred: Path, _: Path) -> None:
    np.save(other_kind(pred, "npy"), np.zeros((256, 512), np.uint64))


def outside_truth(_: Path, target: Path) -> None:
    save(target / "scene_002.png", np.full((256, 512), 9, np.uint8))


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
        (missing, ["pred does not exist"]),
        (a_file, ["pred is a file"]),
        (no_masks, ["pred contains no masks", ".png"]),
        (photographs, ["target contains no masks", "3 .jpg", ".png"]),
        (alone, ["No prediction for 1 of 3", "target/scene_001.png"]),
        (
            both_alone,
            ["1 of 1", "pred/scene_000.png", "2 of 2", "target/scene_001.png, ", "scene_002", "--pred-suffix"],
        ),
        (a_loop, ["again", "the same folder"]),
        (a_pipe, ["scene_001.png is not a regular file"]),
        (a_link_to_nothing, ["scene_001.png", "broken link"]),
        (same_name, ["scene_001.PNG", "scene_001.png", "--pred-suffix"]),
        (other_size, ["scene_001.png", "5 x 7", "256 x 512", "(height x width)", "nearest"]),
        (turned, ["scene_001.png", "512 x 256", "axes are swapped"]),
        (another_dimension, ["scene_001.npy", "1 x 256 x 512", "dimensions of size 1"]),
        (another_folder, ["3 of 3 predictions", "subfolders"]),
        (colours, ["scene_001.png", "R, G, B", "class ids"]),
        (colours_of_a_palette_with_alpha, ["scene_001.png", "L, A", "class ids"]),
        (bomb, ["scene_001.png has 400,000,000 pixels", "268,435,456", "--max-pixels 400000000"]),
        (frames, ["scene_001.tif holds more than one image"]),
        (inverted, ["scene_001.tif stores inverted values"]),
        (truncated, ["Cannot read", "scene_001.png: "]),
        (empty, ["scene_002.png is empty"]),
        (text, ["scene_002.png is not a PNG or TIFF image"]),
        (jpeg_by_another_name, ["scene_002.png is a JPEG image", "PNG"]),
        (array_of_scores, ["scene_001.npy holds", "float32", "4 x 4", "argmax"]),
        (array_of_objects, ["scene_001.npy holds", "object", "1 x 2"]),
        (array_cut_off, ["Cannot read", "scene_001.npy: "]),
        (array_without_room, ["Cannot read", "scene_001.npy: "]),
        (several_arrays, ["scene_001.npz holds 2 arrays (a, b)"]),
        (archive_cut_off, ["Cannot read", "scene_001.npz: "]),
        (wide_labels, ["scene_001.npy", "uint64", "int64"]),
        (outside, ["scene_001.png holds 122,170 pixels outside the classes 0 to 8", "(4, 4): 77", "--pred-void 77"]),
        (outside_truth, ["target/scene_002.png holds", "--num-classes"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_folders_end_with_one_sentence(folders: tuple[Path, Path], spoil: object, words: list[str]) -> None:
    spoil(*folders)
    output = folders[0].parent / "report.txt"
    ran = invoke(*folders, *OPTIONS, "--output", output)
    assert ran.exit_code == 2
    assert sorted(path.name for path in output.parent.iterdir() if path.is_file() and path != folders[0]) == [
        "names.txt"
    ]
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.splitlines()) == 1
    for word in words:
        assert word in ran.stderr


def test_settings_that_are_off_end_with_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "void.json").write_text('{"0": "a", "1": "b", "2": "c", "255": "void"}')
    (tmp_path / "line.txt").write_text("background,road,car")
    for words, expected in (
        (["--num-classes", "5000"], "5000 is not in the range 1<=x<=4096"),
        (
            ["--num-classes", "2", "--class-names", tmp_path / "names.txt"],
            "names.txt has 9 names, but the number of classes is 2",
        ),
        (["--num-classes", "2", "--class-names", tmp_path / "void.json"], "--ignore-index 255"),
        (["--class-names", tmp_path / "void.json"], "0 to 2, each with its name. Remove 255"),
        (["--class-names", tmp_path / "line.txt"], "one name per line"),
        (["--num-classes", "2", "--class-names", tmp_path / "none.txt"], "none.txt: No such file"),
        ([], "--num-classes, --class-names or --protocol"),
        (["--num-classes", "9", "--class-group", "flat"], "NAME=CLASS"),
        (["--num-classes", "9", "--class-group", "flat=0", "--class-group", "flat=1"], "twice"),
        (["--num-classes", "9", "--class-group", "flat=0,9"], "The group 'flat' holds 9"),
        (["--num-classes", "9", "--ignore-index", str(2**63)], "fit into int64"),
        (["--num-classes", "1", "--ignore-index", "0"], "No class is left for the mean: --ignore-index excludes"),
        (["--num-classes", "2", "--class-group", "=0"], "--class-group '=0' has no name"),
    ):
        ran = invoke(*folders, *words)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert expected in ran.stderr


def test_demo_that_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "pred").write_text("")
    ran = invoke("demo", tmp_path)
    assert ran.exit_code == 2
    assert "already contains file" in ran.stderr
    (tmp_path / "file").rename(tmp_path / "target")
    ran = invoke("demo", tmp_path)
    assert ran.exit_code == 2
    assert f"Cannot write {tmp_path / 'pred'}: " in ran.stderr
    (tmp_path / "target").rename(tmp_path / "file")
    ran = invoke("demo", tmp_path / "file" / "below")
    assert ran.exit_code == 2
    assert "Not a directory" in ran.stderr


def test_demo_has_what_it_promises() -> None:
    pairs = [synthetic.scene(seed) for seed in range(8)]
    preds, target = (np.stack(side) for side in zip(*pairs, strict=True))
    assert synthetic.TRAIN not in preds
    assert synthetic.TRAIN not in target
    assert synthetic.BICYCLE in preds
    assert synthetic.BICYCLE not in target
    assert synthetic.VOID in target
    assert synthetic.VOID not in preds
    assert set(range(7)) <= set(np.unique(target))
    assert (synthetic.scene(3)[0] == synthetic.scene(3)[0]).all()


@pytest.mark.parametrize("module", ["click", "tifffile"])
def test_without_the_extra_a_sentence_says_what_to_install(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("meaniou.cli", "meaniou.masks"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as ended:
        start()
    # Python prints such a text on the standard error and ends with status 1.
    assert ended.value.code == (
        f"The command line needs {module}, which is not installed; run: pip install 'meaniou[cli]'"
    )


def packed(depth: int, rows: list[bytes], width: int) -> bytes:
    """A grey PNG of so many bits a pixel, which Pillow reads but does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, len(rows), depth, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("depth", "row", "stored"), [(2, b"\x1b", [0, 1, 2, 3]), (4, b"\x01\x3f", [0, 1, 3, 15])])
def test_few_bits_are_read_as_stored(tmp_path: Path, depth: int, row: bytes, stored: list[int]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(packed(depth, [row], 4))
    assert np.asarray(Image.open(path)).tolist() != [stored]  # Pillow spreads them over 0 to 255
    assert read(path).tolist() == [stored]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiff(tmp_path: Path, dtype: type, compression: str | None) -> None:
    labels = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    Image.fromarray(labels).save(tmp_path / "a.tif", compression=compression)
    stored = read(tmp_path / "a.tif")
    assert np.array_equal(stored, labels)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("dtype", ["bool", "u1", "<i2", ">i2", ">u2", "<i8", ">i8"])
def test_arrays(tmp_path: Path, suffix: str, dtype: str) -> None:
    labels = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype)
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        save_array = np.save if suffix == "npy" else np.savez_compressed
        save_array(tmp_path / side / f"a.{suffix}", np.asfortranarray(labels))
    ran = invoke(tmp_path / "pred", tmp_path / "target", "--num-classes", 2, "--format", "json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["pixels"]["counted"] == 6
    assert json.loads(ran.stdout)["mean_iou"] == 1.0


def test_a_switch_for_large_masks(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pixels = 256 * 512
    for words in ((*folders,), ("compare", folders[0], *folders)):
        ran = invoke(*words, *OPTIONS, "--max-pixels", pixels - 1)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert "131,072 pixels" in ran.stderr
        assert "131,071" in ran.stderr
        assert "pass --max-pixels 131072" in ran.stderr
        assert invoke(*words, *OPTIONS, "--max-pixels", pixels).exit_code == 0
    scored = ClassRun(MaskOptions(num_classes=9, max_pixels=pixels), BoundaryOptions(), per_image=True)
    scored.find_masks(*folders, Workers())
    assert scored.gallery().max_pixels == pixels


def test_names_that_differ_by_a_suffix(tmp_path: Path) -> None:
    for city in ("a", "b"):
        save(tmp_path / "pred" / city / "x_pred.png", np.array([[0, 1]], np.uint8))
        save(tmp_path / "pred" / city / "x_color.png", np.zeros((2, 2, 3), np.uint8))
        save(tmp_path / "target" / city / "x_gtFine_labelTrainIds.png", np.array([[0, 1]], np.uint8))
        (tmp_path / "target" / city / "x_gtFine_polygons.json").write_text("{}")
    words = [tmp_path / "pred", tmp_path / "target", "--num-classes", 2, "--format", "json"]
    for pred, target in (("_pred", "_gtFine_labelTrainIds"), ("_pred.png", "_gtFine_labelTrainIds.png")):
        ran = invoke(*words, "--pred-suffix", pred, "--target-suffix", target)
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.stdout)["pixels"]["seen"] == 4
    ran = invoke(*words, "--pred-suffix", "_answer", "--target-suffix", "_gtFine_labelTrainIds")
    assert ran.exit_code == 2
    assert "4 .png" in ran.stderr
    assert "_answer" in ran.stderr


def test_masks_behind_a_link_are_found(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "part").symlink_to(folders[0])
    (tmp_path / "truth").mkdir()
    folders[1].rename(tmp_path / "truth" / "part")
    assert [pair.name for pair in pair_masks(tmp_path / "linked", tmp_path / "truth")] == [
        f"part/scene_00{i}" for i in range(3)
    ]


@pytest.mark.parametrize("jobs", [1, 3, 8])
def test_read_in_order_with_as_many_in_memory_as_threads(
    folders: tuple[Path, Path], jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, alive, most = threading.Lock(), 0, 0

    def watched(pair: Pair, *limit: int, multilabel: bool) -> object:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return read_pair(pair, *limit, multilabel=multilabel)

    monkeypatch.setattr("meaniou.masks.reading.read_pair", watched)
    pairs = pair_masks(*folders) * 5
    names = []
    for pair, _, _ in read_pairs(pairs, jobs):
        names.append(pair.name)
        with lock:
            alive -= 1
    assert names == [pair.name for pair in pairs]
    assert most <= jobs + 1  # those being read, and the one that is counted


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_formats_and_output_are_those_of_the_report(folders: tuple[Path, Path], tmp_path: Path, form: str) -> None:
    words = [
        "--class-names",
        tmp_path / "names.txt",
        "--ignore-index",
        255,
        "--class-group",
        "flat=road,1",
        "--format",
        form,
    ]
    printed = invoke(*folders, *words, "--jobs", 3)
    written = invoke(*folders, *words, "--jobs", 1, "--output", tmp_path / "report")
    assert (printed.exit_code, written.exit_code) == (0, 0)
    assert (printed.stderr, written.stderr) == ("", "")
    assert written.stdout == "mean IoU 91.75 % over 7 of 9 classes\n"
    assert (tmp_path / "report").read_text(encoding="utf-8") == printed.stdout
    metric = MeanIoU(9, ignore_index=255, class_names=synthetic.NAMES)
    for seed in range(3):
        metric.update(*(torch.from_numpy(side) for side in synthetic.scene(seed)))
    report = metric.report(class_groups={"flat": [0, 1]})
    expected = {"text": str, "markdown": Report.to_markdown, "latex": Report.to_latex, "csv": Report.to_csv}
    assert printed.stdout == (expected | {"json": Report.to_json})[form](report) + "\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "names.txt", "pred", "report", "target"]


def test_rules_of_the_mean(folders: tuple[Path, Path]) -> None:
    metric = MeanIoU(9, ignore_index=255, present="target", absent="zero")
    for seed in range(3):
        metric.update(*(torch.from_numpy(side) for side in synthetic.scene(seed)))
    ran = invoke(*folders, *OPTIONS, "--present", "target", "--absent", "zero", "--format", "json")
    assert json.loads(ran.stdout) == metric.report().to_dict()
    save(folders[0] / "scene_000.png", np.full((256, 512), 255, np.uint8))
    ran = invoke(*folders, *OPTIONS, "--void-preds", "error")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--void-preds" in ran.stderr


def test_the_same_folder_twice_is_warned_of(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folders[0])
    ran = invoke(folders[0], tmp_path / "link", *OPTIONS, "--format", "json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["mean_iou"] == 1.0
    assert ran.stderr.startswith("Warning: ")
    assert len(ran.stderr.splitlines()) == 1


def test_folders_in_the_wrong_order_are_warned_of(folders: tuple[Path, Path]) -> None:
    ran = invoke(*folders[::-1], *OPTIONS)
    assert ran.exit_code == 0
    assert ran.stderr.startswith("Warning: ")
    assert "swapped" in ran.stderr
    names = folders[0].parent / "names.txt"
    ran = invoke(*folders, "--class-names", names)
    assert f"name all classes in {names}" in ran.stderr


def test_the_foreground_of_a_binary_mask(tmp_path: Path) -> None:
    for side in ("pred", "target"):
        save(tmp_path / side / "a.png", np.array([[0, 255]], np.uint8))
    ran = invoke(tmp_path / "pred", tmp_path / "target", "--num-classes", 2)
    assert ran.exit_code == 2
    assert "target/a.png holds 1 pixel outside" in ran.stderr
    assert "255 is the foreground of a binary mask, save the mask with the ids 0 and 1" in ran.stderr
    ran = invoke(tmp_path / "pred", tmp_path / "target", "--num-classes", 2, "--ignore-index", 255)
    assert "no class 1, and 1 of its pixels are void; if 255 is the foreground" in ran.stderr


def test_ids_out_of_range_are_explained_by_options(tmp_path: Path) -> None:
    def scored(pred: list[int], target: list[int], *options: object) -> Result:
        for side, ids in (("pred", pred), ("target", target)):
            (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / side / "a.npy", np.array(ids))
        return invoke(tmp_path / "pred", tmp_path / "target", *options)

    for protocol, label, cure in (
        ("semantickitti", 10 | 7 << 16, "store label & 0xFFFF"),
        ("cityscapes", 26001, "store label // 1000"),
        ("mapillary-vistas-1.2", 55 * 256, "store label // 256"),
    ):
        ran = scored([10, 10], [10, label], "--protocol", protocol)
        assert ran.exit_code == 2
        assert f"{tmp_path / 'target' / 'a.npy'} holds 1 pixel outside" in ran.stderr
        assert cure in ran.stderr
        assert "=" not in ran.stderr
    ran = scored([0, 1, 1, 1, 1], [9, 9, 9, 9, 9], "--protocol", "nuscenes-lidarseg")
    assert "pass --pred-void 0 if" in ran.stderr
    ran = scored([0, 1, 1, 1, 1], [9, 9, 9, 9, 9], "--protocol", "nuscenes-lidarseg", "--pred-void", 0)
    assert ran.exit_code == 0
    ran = scored([255, 0, 3, 250], [1, 0, 0, 1], "--num-classes", 2)
    assert "threshold it at 128 and save it as PNG" in ran.stderr
    ran = scored([*range(7)], [*range(7)], "--protocol", "pascal-context-59")
    assert "pass --pred-ids ids" in ran.stderr


def test_a_report_that_cannot_be_written(folders: tuple[Path, Path], tmp_path: Path) -> None:
    ran = invoke(*folders, *OPTIONS, "--output", tmp_path / "none" / "report")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "none/report: No such file or directory" in ran.stderr
    ran = invoke(*folders, *OPTIONS, "--output", tmp_path / "pred")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "pred: Is a directory" in ran.stderr


def test_what_is_half_written_leaves_no_file(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report").write_text("of before")
    written = []
    open_file = os.open

    def full(path: object, flags: int, mode: int = 0o777) -> int:
        descriptor = open_file(path, flags, mode)  # type: ignore[arg-type]
        if ".meaniou-" in str(path):
            written.append(path)
            if len(written) == 4:
                os.close(descriptor)
                raise OSError(28, "No space left on device")
        return descriptor

    monkeypatch.setattr(os, "open", full)
    files = [word for name in ("save", "image-scores", "html") for word in (f"--{name}", tmp_path / name)]
    ran = invoke(*folders, *OPTIONS, "--output", tmp_path / "report", *files, "--plot", tmp_path / "new/plots")
    monkeypatch.undo()
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert len(written) == 4
    assert ": No space left on device" in ran.stderr
    assert (tmp_path / "report").read_text() == "of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "names.txt", "pred", "report", "target"]


def test_two_outputs_of_one_name_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    ran = invoke(*folders, *OPTIONS, "--output", tmp_path / "a", "--save", tmp_path / "pred/../a")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "Two outputs" in ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_the_interpreter_adds_nothing_about_a_full_disk(folders: tuple[Path, Path]) -> None:
    """A real process, which flushes its standard output once more when it ends."""
    command = [sys.executable, "-m", "meaniou", *map(str, folders), *OPTIONS]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 2
    assert ": No space left on device" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [[], ["--output", "/dev/full"]], ids=["standard output", "a device"])
def test_a_full_disk(
    folders: tuple[Path, Path], words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main([*map(str, folders), *OPTIONS, *words])
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert ": No space left on device" in printed
    assert len(printed.splitlines()) == 1
    assert not Path("/dev/full").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_device_that_is_full_leaves_nothing_of_the_others(folders: tuple[Path, Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    others = [
        "--save",
        tmp_path / "s",
        "--html",
        tmp_path / "h",
        "--plot",
        tmp_path / "p",
        "--overlay",
        tmp_path / "p/o",
    ]
    for output in ("/dev/full", tmp_path / "no/file"):
        ran = invoke(*folders, *OPTIONS, *others, "--output", output)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert f"Cannot write {output}: " in ran.stderr
        assert sorted(tmp_path.rglob("*")) == before


def test_images_are_listed_beside_what_a_program_reads(folders: tuple[Path, Path], tmp_path: Path) -> None:
    ran = invoke(*folders, *OPTIONS, "--list-worst", 1, "--format", "json")
    assert json.loads(ran.stdout)["images"]["number"]
    assert ran.stderr.strip().startswith("image")
    ran = invoke(*folders, *OPTIONS, "--list-worst", 1, "--format", "json", "--output", tmp_path / "r")
    assert ran.stdout.splitlines()[2].startswith("image")


def test_a_terminal_that_lacks_letters(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python opens the two streams so where PYTHONIOENCODING is latin-1."""
    (tmp_path / "names").write_text("\n".join(["道路", *"12345678"]), encoding="utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), "latin-1", errors) for errors in ("strict", "backslashreplace"))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        patched.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as ended:
            main([*map(str, folders), "--ignore-index", "255", "--class-names", str(tmp_path / "names")])
    printed = [stream.buffer.getvalue().decode("latin-1") for stream in (out, err)]  # type: ignore[attr-defined]
    assert (ended.value.code, printed[0]) == (2, "")
    assert len(printed[1].splitlines()) == 1
    for part in ("Error: ", "latin-1", "'\\u9053'", "PYTHONIOENCODING=utf-8", "--output"):
        assert part in printed[1]


@pytest.mark.parametrize(("name", "begin"), [("r.json", "{"), ("r.CSV", "kind,"), ("r.md", "| class"), ("r", "class")])
def test_the_form_follows_the_end_of_the_output(
    folders: tuple[Path, Path], tmp_path: Path, name: str, begin: str
) -> None:
    assert invoke(*folders, *OPTIONS, "--output", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_text().startswith(begin)
    assert invoke(*folders, *OPTIONS, "--output", tmp_path / name, "--format", "latex").exit_code == 0
    assert (tmp_path / name).read_text().startswith("\\begin{tabular}")


def test_interrupted(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MeanIoU, "update", interrupt)
    ran = invoke(*folders, *OPTIONS, "--output", tmp_path / "report")
    assert (ran.exit_code, ran.stdout) == (130, "")
    assert ran.stderr.startswith("Interrupted")
    assert not (tmp_path / "report").exists()


def test_debug_shows_where_an_error_arose(folders: tuple[Path, Path]) -> None:
    """The error leaves the command, so that Python prints its traceback and ends with status 1."""
    outside(*folders)
    ran = invoke(*folders, *OPTIONS, "--debug")
    assert (ran.exit_code, ran.output) == (1, "")
    assert isinstance(ran.exception, MaskError)
    assert "scene_001.png holds" in str(ran.exception)


def test_demo_replaces_scenes_and_nothing_else(tmp_path: Path) -> None:
    for images in (3, 2):
        assert invoke("demo", tmp_path / "sample", "--images", images).exit_code == 0
        assert len(list((tmp_path / "sample" / "pred").iterdir())) == images
    for mine in (tmp_path / "sample" / "mine.png", tmp_path / "sample" / "pred" / "mine.png"):
        save(mine, np.zeros((2, 2), np.uint8))
        ran = invoke("demo", tmp_path / "sample")
        assert ran.exit_code == 2
        assert "already contains" in ran.stderr
        assert "mine.png" in ran.stderr
        mine.unlink()
    assert len(list((tmp_path / "sample" / "pred").iterdir())) == 2
    (tmp_path / "sample" / "names.txt").write_text("mine")
    save(tmp_path / "other" / "pred" / "scene_000.png", np.zeros((2, 2), np.uint8))
    for folder, kept in (("sample", "sample/names.txt"), ("other", "other/pred/scene_000.png")):
        before = (tmp_path / kept).read_bytes()
        ran = invoke("demo", tmp_path / folder)
        assert ran.exit_code == 2
        assert "already contains" in ran.stderr
        assert (tmp_path / kept).read_bytes() == before
