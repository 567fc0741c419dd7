"""What a command says: pipes that close early, outputs that are full or closed, and names that steer a terminal."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.command import invoke

from meaniou import synthetic
from meaniou.cli import main, output

OPTIONS = ["--num-classes", "9", "--ignore-index", "255"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two masks a side, and what was counted of them."""
    folder = tmp_path_factory.mktemp("masks")
    for i in range(2):
        for side, labels in zip(("pred", "target"), synthetic.scene(i, 16, 24), strict=True):
            (folder / side).mkdir(exist_ok=True)
            np.save(folder / side / f"{i}.npy", labels)
    assert invoke(folder / "pred", folder / "target", *OPTIONS, "--save", folder / "saved.pt").exit_code == 0
    return folder


def piped(monkeypatch: pytest.MonkeyPatch, name: str, *words: object) -> object:
    """The exit status of a command whose standard output or error is a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe, monkeypatch.context() as patched:
        patched.setattr(sys, name, pipe)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        pipe.flush()  # nothing is left for the interpreter to complain of when it ends
    return ended.value.code


def commands(folder: Path, new: Path) -> Iterator[list[object]]:
    both = [folder / "pred", folder / "target"]
    yield [*both, *OPTIONS]
    yield ["score", *both, *OPTIONS, "--format", "json"]
    yield ["score", *both, *OPTIONS, "--output", new / "report.json"]
    yield ["compare", both[0], *both, *OPTIONS]
    yield ["merge", folder / "saved.pt"]
    yield ["protocols"]
    yield ["demo", new / "sample", "--images", 1]
    yield from (["--help"], ["--version"], ["score", "--help"], ["compare", "--help"])


def test_a_reader_that_stops_early_is_no_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in commands(folder, tmp_path):
        assert piped(monkeypatch, "stdout", *words) == 0, words
        assert capsys.readouterr().err == "", words
    assert (tmp_path / "report.json").is_file()
    for words in commands(folder, tmp_path):
        assert piped(monkeypatch, "stderr", *words) == 0, words
    assert piped(monkeypatch, "stderr", folder / "none", folder / "target", *OPTIONS) == 2


@pytest.mark.slow
def test_the_interpreter_ends_in_silence_too(folder: Path) -> None:
    words = [sys.executable, "-m", "meaniou", str(folder / "pred"), str(folder / "target"), *OPTIONS]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, "")


class Full(io.StringIO):
    """A standard output without room.

    Attributes:
        refused: what was to be written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""

    def write(self, text: str) -> int:
        self.refused += text
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [Full(), None], ids=["full", "closed"])
def test_files_are_not_left_where_the_standard_output_fails(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: object
) -> None:
    (tmp_path / "saved.pt").write_text("before")
    words = [
        folder / "pred",
        folder / "target",
        *OPTIONS,
        "--save",
        tmp_path / "saved.pt",
        "--plot",
        tmp_path / "plots",
    ]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert printed.startswith("Error: ")
    assert "standard output: " in printed
    assert len(printed.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["saved.pt"]
    assert (tmp_path / "saved.pt").read_text() == "before"


def test_a_report_in_a_file_needs_no_standard_output(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [folder / "pred", folder / "target", *OPTIONS, "--output", tmp_path / "report.csv"]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
    assert ended.value.code == 0
    assert capsys.readouterr().err.startswith("mean IoU ")
    assert (tmp_path / "report.csv").is_file()


def test_the_headline_stands_apart_from_data(folder: Path) -> None:
    both = [folder / "pred", folder / "target"]
    for words, begin in (
        ([*both, *OPTIONS], "mean IoU "),
        (["merge", folder / "saved.pt"], "mean IoU "),
        (["compare", both[0], *both, *OPTIONS], "a ("),
    ):
        ran = invoke(*words, "--output", "/dev/null")
        assert ran.exit_code == 0
        assert ran.stdout == ""
        assert ran.stderr.startswith(begin)
        assert len(ran.stderr.splitlines()) == 1


STEERING = "\x1b[31m\x07\x9b2J\u202e"
SHOWN = r"\x1b[31m\x07\x9b2J\u202e"


def steering(folder: Path, tmp_path: Path) -> Iterator[list[object]]:
    """Commands that fail or warn, each of whose words steers a terminal."""
    both = [folder / "pred", folder / "target"]
    name = tmp_path / f"a{STEERING}\n"
    yield [name, both[1], *OPTIONS]
    yield [*both, *OPTIONS, "--output", name / "report"]
    yield [*both, *OPTIONS, "--plot", both[0] / "0.npy" / STEERING]
    yield [*both, "--class-names", name]
    yield [*both, *OPTIONS, "--class-group", STEERING]
    yield [*both, *OPTIONS, "--ci", "--clusters", STEERING]
    yield [*both, "--protocol", STEERING]
    yield [*both, *OPTIONS, "--format", STEERING]
    yield [*both, *OPTIONS, STEERING]
    yield ["merge", name]
    yield ["compare", name, name]
    yield ["demo", Path("/dev/null") / STEERING]


def test_errors_show_what_steers_a_terminal(folder: Path, tmp_path: Path) -> None:
    for words in steering(folder, tmp_path):
        ran = invoke(*words)
        assert ran.exit_code == 2, words
        assert SHOWN in ran.stderr or SHOWN.replace("\\", "\\\\") in ran.stderr, ran.stderr
        assert not set(ran.stderr) & {*STEERING} - {*"[31m2J"}, words
        assert "Usage:" in ran.stderr or len(ran.stderr.splitlines()) == 1, words


def test_warnings_and_reports_show_what_steers_a_terminal(folder: Path, tmp_path: Path) -> None:
    masks = tmp_path / f"m{STEERING}"
    masks.mkdir()
    np.save(masks / f"x{STEERING}.npy", np.array([[0, 1]], np.uint8))
    (tmp_path / "names.txt").write_text(f"a{STEERING}\nb", encoding="utf-8")
    words = [masks, masks, "--class-names", tmp_path / "names.txt"]
    runs = [
        invoke(*words, "--list-worst", 1, "--format", form) for form in ("text", "markdown", "latex", "csv", "json")
    ]
    runs += [invoke("compare", masks, *words, "--format", form) for form in ("text", "markdown", "csv", "json")]
    for ran in runs:
        assert ran.exit_code == 0, ran.output
        assert ran.stderr.startswith("Warning: ")
        assert not set(ran.output) & {*STEERING} - {*"[31m2J"}


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_no_control_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line breaks of the names in CSV are kept for programs."""
    for kind, shown in ((Terminal, "a\\rb\tc\nd\n"), (io.StringIO, "a\rb\tc\nd\n")):
        stream = kind()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            output.echo("a\rb\tc\nd")
        assert stream.getvalue() == shown


@pytest.mark.parametrize("say", [partial(output.echo, err=True), output.warn], ids=["echo", "warn"])
def test_the_standard_error_may_be_full_or_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], say: Callable[[str], None]
) -> None:
    full = Full()
    for stream in (full, None):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", stream)
            say("x")  # raises nothing
    assert "x" in full.refused
    assert capsys.readouterr().out == ""  # nor is it said elsewhere


def test_paths_that_no_system_takes_are_one_sentence(folder: Path) -> None:
    long = folder / ("x" * 300)
    both = [folder / "pred", folder / "target"]
    for words in (
        [long, both[1], *OPTIONS],
        [both[0], long, *OPTIONS],
        [*both, "--class-names", long],
        [*both, *OPTIONS, "--overlay", folder / "o", "--photos", long],
        ["merge", long],
        ["compare", long, long],
        ["compare", long, *both, *OPTIONS],
        ["demo", long],
    ):
        ran = invoke(*words)
        assert ran.exit_code == 2, words
        assert ": File name too long." in ran.stderr
        assert "Errno" not in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
