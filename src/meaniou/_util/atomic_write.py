"""Writes several files atomically: all of them or none."""

import errno
import os
import secrets
import signal
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STANDARD = (1, 2)  # descriptors of the standard output and error
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def write_all(contents: Mapping[Path, bytes], folders: Iterable[Path] = ()) -> None:
    """Creates folders and writes files, all or none; raises as ``written``."""
    with written(contents, folders):
        pass


@dataclass
class Progress:
    """``complete`` is true once all files are in place."""

    complete: bool = False


@contextmanager
def written(contents: Mapping[Path, bytes], folders: Iterable[Path] = ()) -> Iterator[Progress]:
    """Creates folders, writes files under temporary names and writes to pipes and devices; after the block, renames.

    A file that is replaced keeps its mode. If anything fails, in the block too, or a signal ends the process, all files
    stay as they were. A pipe that closes early is not an error.

    Raises:
        OSError: if a file cannot be written; its ``filename`` is the path.
    """
    made: list[Path] = []
    files: list[_File] = []
    putting, progress = False, Progress()
    with _signals_raise():
        try:
            for folder in folders:
                with _errors_name(folder):
                    made += [f for f in (folder, *folder.parents) if not f.exists()]
                    folder.mkdir(parents=True, exist_ok=True)
            for path, content in contents.items():
                with _errors_name(path):
                    check_file(path)
                    if not is_stream(path):
                        files.append(_File.of(path))
                        files[-1].write(content)
            for path in filter(is_stream, contents):
                with _errors_name(path), suppress(BrokenPipeError), path.open("ab") as stream:
                    stream.write(contents[path])
            yield progress
            putting = True
            for file in files:
                with _errors_name(file.path):
                    file.put(last=file is files[-1])
        finally:
            # Derived from the files: an interruption between two lines would make a record of the steps wrong.
            progress.complete = putting and not any(file.aside.exists() for file in files)
            for file in reversed(files):
                file.clean_up(undo=putting and not progress.complete)
            for folder in () if progress.complete else sorted(made, key=lambda f: -len(f.parts)):
                with suppress(OSError):
                    folder.rmdir()


def stat_of(path: Path) -> os.stat_result | None:
    """The status of a path, also through missing folders (``none/../a``); ``None`` if nothing exists there.

    Raises:
        OSError: if the status of the path cannot be read.
    """
    for candidate in (path, real_path(path)):
        with suppress(FileNotFoundError):
            return candidate.stat()
    return None


def real_path(path: Path) -> Path:
    """The absolute path with links resolved."""
    return Path(os.path.realpath(path))


def check_file(path: Path) -> None:
    """Raises ``OSError`` if a file surely cannot be written there."""
    status, real = stat_of(path), real_path(path)
    folder = real.parent
    if status is None and not folder.is_dir():
        number = errno.ENOTDIR if folder.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), str(path))
    if status and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # Read-only files are also kept for root, who could write them.
    read_only = status and not (status.st_mode & 0o222 and any(os.access(p, os.W_OK) for p in (path, real)))
    if read_only or not (is_stream(path) or os.access(folder, os.W_OK | os.X_OK)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def check_folder(folder: Path) -> None:
    """Raises ``OSError`` if the folder, or a file in it, surely cannot be created."""
    nearest = next(f for f in (folder, *folder.absolute().parents) if os.path.lexists(f))
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(nearest, os.W_OK | os.X_OK | (os.R_OK if nearest == folder else 0)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device, or the file to which standard output or error is redirected."""
    try:
        status = stat_of(path)
    except OSError:
        return False
    if status is None:
        return False
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return any(_is_open_as(status, descriptor) for descriptor in STANDARD)
    return True


def _is_open_as(status: os.stat_result, descriptor: int) -> bool:
    """Whether the descriptor is open and refers to the file of that status."""
    try:
        return os.path.samestat(status, os.fstat(descriptor))
    except OSError:
        return False


@dataclass(frozen=True)
class _File:
    """A file under a temporary name, and a backup of the file it replaces, kept until all files are in place."""

    path: Path
    real: Path  # the path with links resolved
    aside: Path
    backup: Path
    before: os.stat_result | None

    @classmethod
    def of(cls, path: Path) -> "_File":
        real = real_path(path)
        aside = real.with_name(f".meaniou-{secrets.token_hex(8)}")
        return cls(path, real, aside, aside.with_suffix(".before"), real.stat() if real.exists() else None)

    def write(self, content: bytes) -> None:
        mode = 0o600 if self.before else 0o666
        new = getattr(os, "O_NOFOLLOW", 0)  # in addition to O_CREAT and O_EXCL of mode "x"
        with open(self.aside, "xb", opener=lambda path, flags: os.open(path, flags | new, mode)) as file:
            if self.before:
                with suppress(PermissionError):
                    os.chown(self.aside, self.before.st_uid, self.before.st_gid)
                self.aside.chmod(stat.S_IMODE(self.before.st_mode))
            file.write(content)

    def put(self, last: bool) -> None:
        """Puts the file in place; unless it is the last one, keeps a backup of the file it replaces."""
        if self.before and not last:
            try:
                os.link(self.real, self.backup)
            except OSError:  # a file system without hard links, or another user's file
                self.real.replace(self.backup)
        self.aside.replace(self.real)

    def clean_up(self, undo: bool) -> None:
        """Removes the temporary files; with ``undo``, first restores the old file."""
        with suppress(OSError):
            if undo and self.backup.exists():
                self.backup.replace(self.real)
            elif undo and not self.before and not self.aside.exists():
                self.real.unlink()
        for path in (self.aside, self.backup):
            with suppress(OSError):
                path.unlink()


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Sets the requested path as the ``filename`` of errors."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Turns signals that end the process into exceptions, so the block can clean up; then ends the process."""
    caught: list[int] = []

    def stop(number: int, _: object) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()  # other threads cannot handle signals
    handled = [number for number in ENDING if in_main_thread and signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in handled:
            signal.signal(number, stop)
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        if caught:
            signal.raise_signal(caught[0])
