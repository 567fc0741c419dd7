"""Nothing that is read is written over; what cannot be written is an error before masks are read."""

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from meaniou import MeanIoU, synthetic
from meaniou._util import atomic_write
from meaniou.cli import paths, runs
from meaniou.cli.commands import main

OPTIONS = ["--num-classes", 9, "--ignore-index", 255]


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def listed(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# ----------------------------------------------------------------------------------------- nothing that is read is lost


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    pred, target = tmp_path / "pred", tmp_path / "target"
    for i in range(2):
        for folder, labels in zip((pred, target), synthetic.scene(i, 16, 24), strict=True):
            folder.mkdir(exist_ok=True)
            np.save(folder / f"{i}.npy", labels)
    (tmp_path / "names.txt").write_text("\n".join(synthetic.NAMES) + "\n")
    return pred, target


def refused(*words: object) -> str:
    ran = run(*words)
    assert (ran.exit_code, ran.stdout) == (2, ""), (words, ran.output)
    assert len(ran.stderr.splitlines()) == 1
    return ran.stderr


def assert_overwrites(error: str, name: str) -> None:
    """Fails unless an error is about an output that is an input too."""
    assert name in error
    assert "both an input and an output" in error


WRITING = ["--output", "--image-scores", "--save", "--html"]


@pytest.mark.parametrize("option", WRITING)
@pytest.mark.parametrize("kind", ["itself", "link", "hard link", "another way", "link below"])
def test_no_file_that_is_read_is_written_over(
    folders: tuple[Path, Path], tmp_path: Path, option: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(path: Path, name: str) -> Path:
        if kind == "another way":
            return Path(os.path.relpath(path, Path.cwd()))
        if kind == "link below":
            (tmp_path / f"{name} linked").symlink_to(path.parent)
            return tmp_path / f"{name} linked" / path.name
        if kind == "link":
            (tmp_path / name).symlink_to(path)
        elif kind == "hard link":
            (tmp_path / name).hardlink_to(path)
        return path if kind == "itself" else tmp_path / name

    outs = [
        other(path, f"{i}.json") for i, path in enumerate([tmp_path / "names.txt", *(f / "0.npy" for f in folders)])
    ]
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    before = listed(tmp_path)
    words = [*folders, "--ignore-index", 255, "--class-names", tmp_path / "names.txt"]
    for out in outs:
        assert_overwrites(refused(*words, option, out), out.name)
    if option == "--output":
        of_both = ["compare", folders[0], folders[0], *words[1:]]
        for out in outs:
            assert_overwrites(refused(*of_both, option, out), out.name)
    assert listed(tmp_path) == before


@pytest.mark.parametrize("kind", ["itself", "link", "hard link"])
def test_saved_files_are_not_written_over(folders: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    for name in ("a.pt", "b.pt"):
        assert run(*folders, *OPTIONS, "--save", tmp_path / name).exit_code == 0
    out = tmp_path / ("b.pt" if kind == "itself" else "out")
    if kind == "link":
        out.symlink_to("b.pt")
    elif kind == "hard link":
        out.hardlink_to(tmp_path / "b.pt")
    before = listed(tmp_path)
    for command in ("compare", "merge"):
        assert_overwrites(refused(command, *before_saved(tmp_path), "--output", out), out.name)
        roundabout = tmp_path / "none" / ".." / out.name
        assert_overwrites(refused(command, *before_saved(tmp_path), "--output", roundabout), out.name)
    for option in WRITING[1:]:
        assert_overwrites(refused("merge", *before_saved(tmp_path), option, out), out.name)
    assert listed(tmp_path) == before


def before_saved(folder: Path) -> list[Path]:
    return [folder / "a.pt", folder / "b.pt"]


def test_nothing_is_added_that_the_next_run_would_read(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pred, target = folders
    (tmp_path / "elsewhere").mkdir()
    (pred / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "back").symlink_to(pred)
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(2):
        (photos / f"{i}.bmp").write_bytes(b"")
    before = listed(tmp_path)
    on_photos = ["--overlay", tmp_path / "o", "--photos", photos]
    for words in (
        ["--output", pred / "a.png"],
        ["--output", target / "below" / ".." / "a.npy"],
        ["--save", pred / "a.NPZ"],
        ["--image-scores", tmp_path / "elsewhere/a.tif"],
        ["--html", tmp_path / "back/a.tiff"],
        ["--plot", pred],
        ["--plot", target / "plots"],
        ["--overlay", pred],
        ["--overlay", pred / "new/overlay"],
        ["--overlay", tmp_path / "elsewhere"],
        ["--overlay", tmp_path / "back/o"],
        [*on_photos[2:], "--overlay", photos / "o"],
        [*on_photos, "--save", photos / "a.jpg"],
    ):
        assert "the next run would read" in refused(*folders, *OPTIONS, *words), words
    of_both = ["compare", pred, pred, target, *OPTIONS]
    assert "the next run would read" in refused(*of_both, "--output", target / "a.npy")
    assert listed(tmp_path) == before
    assert run(*folders, *OPTIONS, "--output", pred / "report.json").exit_code == 0
    assert run(*folders, *OPTIONS, "--output", pred / "report.json").exit_code == 0


def test_one_folder_for_all_may_hold_the_overlays(tmp_path: Path) -> None:
    for folder, labels in zip(("pred", "target"), synthetic.scene(0, 16, 24), strict=True):
        np.save(tmp_path / f"0_{folder}.npy", labels)
    words = [tmp_path, tmp_path, *OPTIONS, "--pred-suffix", "_pred.npy", "--target-suffix", "_target.npy"]
    for _ in range(2):
        assert run(*words, "--overlay", tmp_path / "over").exit_code == 0
    (tmp_path / "0_pred.npy").rename(tmp_path / "001_0_pred.png")
    over = paths.Outputs(pictures=tmp_path)
    with pytest.raises(ValueError, match="001_0_pred"):
        over.check_inputs([tmp_path / "001_0_pred.png"])


# -------------------------------------------------------------------------------------- what can be known is said first


@pytest.mark.parametrize("command", ["score", "compare"])
def test_what_cannot_be_written_is_said_before_masks_are_read(
    folders: tuple[Path, Path], tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    (tmp_path / "file").write_text("x")
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0o400)
    (tmp_path / "closed").chmod(0o444)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = listed(tmp_path)
    words = [command, *([folders[0]] if command == "compare" else []), *folders, *OPTIONS]
    for option in ["--output"] if command == "compare" else WRITING:
        for name, part in {
            "no/file": "No such file",
            "file/a": "Not a directory",
            "target": "Is a directory",
            "closed": "Permission denied",
            "loop": "symbolic links",
            "x" * 256: "too long",
        }.items():
            said = refused(*words, option, tmp_path / name)
            assert f"{name}: " in said
            assert part in said
    for option in () if command == "compare" else ("--plot", "--overlay"):
        for name in ("file", "file/a", "loop"):
            assert f"{name}: Not a directory" in refused(*words, option, tmp_path / name)
    assert listed(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_closed_is_said_first(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    for option in (*WRITING, "--plot", "--overlay"):
        path = tmp_path / "closed" / "a"
        assert f"{path}: Permission denied" in refused(*folders, *OPTIONS, option, path)


def test_groups_and_columns_that_do_not_fit_are_said_before_masks_are_read(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    words = [*folders, *OPTIONS]
    assert "image name 0" in refused(*words, "--ci", "--clusters", "x")
    of_both = ["compare", folders[0], *words]
    assert "image name 0" in refused(*of_both, "--clusters", "x")
    for pattern in ("(" * 3000 + ")" * 3000, "a{99999999999999}", "("):
        assert "regular expression" in refused(*words, "--ci", "--clusters", pattern)
    (tmp_path / "names.txt").write_text("\n".join(["mean_iou", *"12345678"]))
    named = [*folders, "--ignore-index", 255, "--class-names", tmp_path / "names.txt"]
    assert "A class is named 'mean_iou'" in refused(*named, "--image-scores", tmp_path / "each.csv")
    assert r"a\udcff" in refused(*words, "--class-group", "a\udcff=0")
    assert "Two outputs" in refused(*words, "--output", tmp_path / "new", "--plot", tmp_path / "new/p")
    over = ["--overlay", tmp_path / "o", "--output", tmp_path / "o/001_a.png"]
    assert "Two outputs" in refused(*words, *over)


def test_images_that_are_missing_are_said_before_masks_are_read(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/0.png").write_bytes(b"")
    words = ["--overlay", tmp_path / "o", "--photos", tmp_path / "photos"]
    error = refused(*folders, *OPTIONS, *words)
    assert "1 of 2 masks: 1." in error
    assert "--photo-suffix" in error


def test_more_draws_than_memory_holds_are_refused(folders: tuple[Path, Path]) -> None:
    ran = run("compare", folders[0], *folders, *OPTIONS, "--resamples", 10**9)
    assert ran.exit_code == 2
    assert "1000000000 is not in the range 2<=x<=1000000" in ran.stderr
    metric = MeanIoU(2, per_image=True)
    for resamples in (1, 10**6 + 1):
        with pytest.raises(ValueError, match="expected 2 to 1,000,000"):
            metric.bootstrap(resamples=resamples)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (MemoryError("Unable"), "memory (Unable)"),
        (MemoryError(), "memory. "),
        (RuntimeError("can't allocate memory: you tried"), "memory (can't allocate"),
        (RecursionError("x"), "too deeply"),
    ],
)
def test_too_much_of_it_is_one_sentence(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, error: Exception, part: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(runs.Run, "_update", full)
    assert part in refused(*folders, *OPTIONS)
    assert part in refused("compare", folders[0], *folders, *OPTIONS)


def test_pictures_of_an_earlier_run_are_warned_of(folders: tuple[Path, Path], tmp_path: Path) -> None:
    over = ["--overlay", tmp_path / "over"]
    assert run(*folders, *OPTIONS, *over).stderr == ""
    assert run(*folders, *OPTIONS, *over).stderr == ""
    ran = run(*folders, *OPTIONS, *over, "--list-worst", 1)
    assert ran.stderr.startswith(f"Warning: {tmp_path / 'over'} holds 1 picture of an earlier run, such as 002_")
    assert len(ran.stderr.splitlines()) == 1


def test_a_fault_of_the_code_is_no_sentence(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(runs.Run, "_update", broken)
    assert isinstance(run(*folders, *OPTIONS).exception, RuntimeError)


def test_what_is_said_of_an_interruption_is_true(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = atomic_write._File.put

    def early(file: atomic_write._File, last: bool) -> None:
        if last:
            raise KeyboardInterrupt
        put(file, last)

    def late(file: atomic_write._File, last: bool) -> None:
        put(file, last)
        if last:
            raise KeyboardInterrupt

    words = [*folders, *OPTIONS, "--output", tmp_path / "report", "--save", tmp_path / "saved"]
    before = listed(tmp_path)
    for interrupted, said in ((early, "nothing was written"), (late, "all was written")):
        monkeypatch.setattr(atomic_write._File, "put", interrupted)
        ran = run(*words)
        assert (ran.exit_code, ran.stderr) == (130, f"Interrupted; {said}.\n")
        assert (listed(tmp_path) == before) == (interrupted is early)
    assert set(listed(tmp_path)) - before.keys() == {"report", "saved"}


def test_one_pipe_takes_several_outputs(folders: tuple[Path, Path]) -> None:
    reading, writing = os.pipe()
    both = ["--output", f"/dev/fd/{writing}", "--image-scores", f"/dev/fd/{writing}"]
    ran = run(*folders, *OPTIONS, *both, "--format", "csv", "--list-worst", 1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert ran.exit_code == 0
    assert text.startswith("kind,name,iou")
    assert "image,mean_iou,0," in text
    assert ran.stdout == ""


@pytest.mark.parametrize("name", ["report.html", "REPORT.HTM"])
def test_the_suffix_of_a_page_is_no_format_of_a_report(folders: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    words = [*folders, "--num-classes", 9, "--ignore-index", 255, "--output", tmp_path / name]
    error = refused(*words)
    for part in (name, "--html", "--format"):
        assert part in error
    assert not (tmp_path / name).exists()
    assert run(*words, "--format", "json").exit_code == 0
