"""Several files are written atomically: all or none."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from meaniou import MeanIoU
from meaniou._util import atomic_write
from meaniou._util.atomic_write import write_all, written


def contents_of(folder: Path) -> dict[str, bytes | None]:
    """The contents of a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


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

    def seen(path: object, flag: int, mode: int = 0o777) -> int:
        flags.append(flag)
        names.append(Path(str(path)).name)
        return open_file(path, flag, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", seen)
    for _ in range(2):
        write_all({tmp_path / "a": b"x"})
    monkeypatch.undo()
    wanted = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    assert [flag & wanted for flag in flags] == [wanted, wanted]
    assert names[0] != names[1]
    assert not any(str(os.getpid()) == part for name in names for part in name.split("-"))


def test_a_link_that_lies_where_the_file_aside_is_made_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda _: "token")
    (tmp_path / ".meaniou-token").symlink_to(tmp_path / "victim")
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
    """The exception raised at each line in turn."""


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # stopped between opening it and the block
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_stops_anywhere_leaves_all_files_or_none(tmp_path: Path) -> None:
    """Interrupted at each line of the module in turn, as by Ctrl-C."""
    wanted = {tmp_path / "a": b"new a", tmp_path / "b": b"new b", tmp_path / "sub/c": b"new c"}
    source = atomic_write.__file__
    lines = Path(source).read_text(encoding="utf-8").splitlines()
    # An interruption of the cleaning itself cannot be cleaned up.
    first = next(i for i, line in enumerate(lines, 1) if "progress.complete = putting" in line) - 1
    cleaning = range(first, next(i for i, line in enumerate(lines, 1) if line.strip() == "folder.rmdir()") + 1)
    ends = {"all": 0, "none": 0}
    for place in range(2000):
        (tmp_path / "a").write_bytes(b"old a")
        for path in (tmp_path / "b", tmp_path / "sub/c"):
            path.unlink(missing_ok=True)
        if (tmp_path / "sub").is_dir():
            (tmp_path / "sub").rmdir()
        before = contents_of(tmp_path)
        seen = 0

        def trace(frame: object, event: str, _: object, place: int = place) -> object:
            nonlocal seen
            code = frame.f_code  # type: ignore[attr-defined]
            if code.co_filename != source or code.co_name in ("clean_up", "_errors_name", "_signals_raise"):
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
        after = contents_of(tmp_path)
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

    before = contents_of(tmp_path)
    for linked in (True, False):
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", broken)
            if not linked:  # as on a file system without hard links
                patched.setattr(os, "link", lambda *_: (tmp_path / "none").stat())
            with pytest.raises(OSError, match="Input/output") as error:
                write_all(contents)
        assert error.value.filename == str(tmp_path / "c")
        assert contents_of(tmp_path) == before


def alone(contents: str, folder: Path) -> list[str]:
    """A command that writes with this module and imports no other."""
    code = f"""
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("atomic_write", {atomic_write.__file__!r})
sys.modules["atomic_write"] = atomic_write = importlib.util.module_from_spec(spec)
spec.loader.exec_module(atomic_write)
folder = Path({str(folder)!r})
atomic_write.write_all({{{contents}}})
"""
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing_aside(tmp_path: Path, number: signal.Signals) -> None:
    """While the command waits for a pipe that nobody reads, after it has written a temporary file."""
    os.mkfifo(tmp_path / "pipe")
    command = alone("folder / 'a': b'x' * 10, folder / 'pipe': b'x'", tmp_path)
    # Under nohup a child would ignore SIGHUP.
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
    )
    try:
        while process.poll() is None and not any(path.stat().st_size == 10 for path in tmp_path.iterdir()):
            pass
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
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
