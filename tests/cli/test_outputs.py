"""Files are written all or none, over nothing that is read; what cannot be written is said before masks are read."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from meaniou import MeanIoU, synthetic
from meaniou._util import atomic_write
from meaniou._util.atomic_write import write_all, written
from meaniou.cli import paths, score_run
from meaniou.cli.commands import main

OPTIONS = ["--num-classes", 9, "--ignore-index", 255]


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def listed(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# ------------------------------------------------------------------------------------------------------ all or none


def test_files_are_replaced_and_keep_their_mode(tmp_path: Path) -> None:
    secret, new, link = tmp_path / "secret", tmp_path / "new", tmp_path / "link"
    secret.write_bytes(b"before")
    secret.chmod(0o600)
    link.symlink_to(secret)
    write_all({link: b"after", new: b"x"})
    assert (secret.read_bytes(), stat.S_IMODE(secret.stat().st_mode)) == (b"after", 0o600)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o666 & ~umask
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "new", "secret"]


def test_the_file_aside_is_new_and_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, names = [], []
    open_file = os.open

    def seen(path: object, given: int, mode: int = 0o777) -> int:
        flags.append(given)
        names.append(Path(str(path)).name)
        return open_file(path, given, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", seen)
    for _ in range(2):
        write_all({tmp_path / "a": b"x"})
    monkeypatch.undo()
    wanted = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    assert [found & wanted for found in flags] == [wanted, wanted]
    assert names[0] != names[1]
    assert not any(str(os.getpid()) == part for name in names for part in name.split("-"))


def test_a_link_that_lies_where_the_file_aside_is_made_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (tmp_path / ".meaniou-known").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        write_all({tmp_path / "a": b"x"})
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_file_that_is_read_only_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"before")
    path.chmod(0o444)
    with pytest.raises(PermissionError) as error:
        MeanIoU(2).save(path)
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"before"


class Stop(BaseException):
    """What is raised at each line in turn."""


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # stopped between opening it and the block
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_stops_anywhere_leaves_all_files_or_none(tmp_path: Path) -> None:
    """At each line of the module in turn, as Ctrl-C may come."""
    wanted = {tmp_path / "a": b"new a", tmp_path / "b": b"new b", tmp_path / "sub/c": b"new c"}
    source = atomic_write.__file__
    lines = Path(source).read_text(encoding="utf-8").splitlines()
    # Nothing can clean up after what stops the cleaning itself.
    first = next(i for i, line in enumerate(lines, 1) if "progress.complete = putting" in line) - 1
    cleaning = range(first, next(i for i, line in enumerate(lines, 1) if line.strip() == "folder.rmdir()") + 1)
    ends = {"all": 0, "none": 0}
    for place in range(2000):
        (tmp_path / "a").write_bytes(b"old a")
        for path in (tmp_path / "b", tmp_path / "sub/c"):
            path.unlink(missing_ok=True)
        if (tmp_path / "sub").is_dir():
            (tmp_path / "sub").rmdir()
        before = listed(tmp_path)
        seen = 0

        def trace(frame: object, event: str, _: object, place: int = place) -> object:
            nonlocal seen
            code = frame.f_code  # type: ignore[attr-defined]
            if code.co_filename != source or code.co_name in ("clean_up", "_named", "_signals_raise"):
                return None
            if event == "line" and frame.f_lineno not in cleaning:  # type: ignore[attr-defined]
                seen += 1
                if seen == place + 1:
                    sys.settrace(None)
                    raise Stop
            return trace

        old = sys.gettrace()
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            with written(wanted, [tmp_path / "sub"]):
                pass
            stopped = False
        except Stop:
            stopped = True
        finally:
            sys.settrace(old)
        after = listed(tmp_path)
        complete = all(path.is_file() and path.read_bytes() == content for path, content in wanted.items())
        assert complete or after == before, place
        assert not [name for name in after if ".meaniou" in name], place
        ends["all" if complete else "none"] += 1
        if not stopped:
            break
    else:
        pytest.fail("it never came to an end")
    assert ends["all"]
    assert ends["none"] > 40


def test_a_rename_that_fails_takes_the_others_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {tmp_path / name: b"new" for name in "abc"}
    (tmp_path / "a").write_bytes(b"old")
    replace = Path.replace

    def broken(path: Path, target: Path) -> Path:
        if target.name == "c":
            raise OSError(5, "Input/output error")
        return replace(path, target)

    before = listed(tmp_path)
    for linked in (True, False):
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", broken)
            if not linked:  # as on a file system without hard links
                patched.setattr(os, "link", lambda *_: (tmp_path / "none").stat())
            with pytest.raises(OSError, match="Input/output") as error:
                write_all(contents)
        assert error.value.filename == str(tmp_path / "c")
        assert listed(tmp_path) == before


def alone(contents: str, folder: Path) -> list[str]:
    """A command that writes with this module and loads no other."""
    code = f"""
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("outputs", {atomic_write.__file__!r})
sys.modules["outputs"] = outputs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(outputs)
folder = Path({str(folder)!r})
outputs.write_all({{{contents}}})
"""
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing_aside(tmp_path: Path, number: signal.Signals) -> None:
    """While the command waits for a pipe that nobody reads, with a file already written aside."""
    os.mkfifo(tmp_path / "pipe")
    command = alone("folder / 'a': b'x' * 10, folder / 'pipe': b'x'", tmp_path)
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        while process.poll() is None and not any(path.stat().st_size == 10 for path in tmp_path.iterdir()):
            pass
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == -number
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_pipe_that_nobody_reads_any_more_is_no_failure(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        write_all({Path(f"/dev/fd/{writing}"): b"x", tmp_path / "a": b"y"})
    finally:
        os.close(writing)
    assert (tmp_path / "a").read_bytes() == b"y"


def test_the_file_that_the_standard_output_goes_to_is_not_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    with log.open("a") as file:
        subprocess.run(alone("Path('/dev/stdout'): b'after'", tmp_path), stdout=file, check=True)
    assert log.read_text() == "before\nafter"


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
        assert "is read" in refused(*words, option, out)
    if option == "--output":
        of_both = ["compare", folders[0], folders[0], *words[1:]]
        for out in outs:
            assert "is read" in refused(*of_both, option, out)
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
        assert "is read, and also named as an output" in refused(command, *before_saved(tmp_path), "--output", out)
        roundabout = tmp_path / "none" / ".." / out.name
        assert "is read, and also named as an output" in refused(
            command, *before_saved(tmp_path), "--output", roundabout
        )
    for option in WRITING[1:]:
        assert "is read, and also named as an output" in refused("merge", *before_saved(tmp_path), option, out)
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
        assert "the next run would read what is written there" in refused(*folders, *OPTIONS, *words), words
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
    with pytest.raises(ValueError, match="is read"):
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
            assert f"{name} cannot be written (" in said
            assert part in said
    for option in () if command == "compare" else ("--plot", "--overlay"):
        for name in ("file", "file/a", "loop"):
            assert f"{name} cannot be written (Not a directory)" in refused(*words, option, tmp_path / name)
    assert listed(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_closed_is_said_first(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    for option in (*WRITING, "--plot", "--overlay"):
        path = tmp_path / "closed" / "a"
        assert "cannot be written (Permission denied)" in refused(*folders, *OPTIONS, option, path)


def test_groups_and_columns_that_do_not_fit_are_said_before_masks_are_read(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    words = [*folders, *OPTIONS]
    assert "finds nothing in the name of the image 0" in refused(*words, "--ci", "--clusters", "x")
    of_both = ["compare", folders[0], *words]
    assert "finds nothing in the name of the image 0" in refused(*of_both, "--clusters", "x")
    for pattern in ("(" * 3000 + ")" * 3000, "a{99999999999999}", "("):
        assert "is no regular expression" in refused(*words, "--ci", "--clusters", pattern)
    (tmp_path / "names.txt").write_text("\n".join(["mean_iou", *"12345678"]))
    named = [*folders, "--ignore-index", 255, "--class-names", tmp_path / "names.txt"]
    assert "A class is named 'mean_iou'" in refused(*named, "--image-scores", tmp_path / "each.csv")
    assert "half of a character" in refused(*words, "--class-group", "a\udcff=0")
    assert "is named for two outputs" in refused(*words, "--output", tmp_path / "new", "--plot", tmp_path / "new/p")
    over = ["--overlay", tmp_path / "o", "--output", tmp_path / "o/001_a.png"]
    assert "is named for two outputs" in refused(*words, *over)


def test_images_that_are_missing_are_said_before_masks_are_read(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeanIoU, "update", lambda *_, **__: pytest.fail("masks were read"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/0.png").write_bytes(b"")
    words = ["--overlay", tmp_path / "o", "--photos", tmp_path / "photos"]
    assert "There is no image for 1 of 2 masks: 1" in refused(*folders, *OPTIONS, *words)


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
        (MemoryError("Unable"), "not enough memory (Unable)"),
        (MemoryError(), "not enough memory; expected"),
        (RuntimeError("can't allocate memory: you tried"), "not enough memory (can't allocate"),
        (RecursionError("x"), "too deeply"),
    ],
)
def test_too_much_of_it_is_one_sentence(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, error: Exception, part: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(score_run.ScoreRun, "_update", full)
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

    monkeypatch.setattr(score_run.ScoreRun, "_update", broken)
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
