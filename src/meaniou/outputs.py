"""Contents by path -> files, all of them whole or none there."""

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Writes each file aside, then to pipes and devices, and when all that is done puts the files in place.

    Raises:
        OSError: if one cannot be written; it has the path as its ``filename``, and nothing is left of any.
    """
    files = {path: path.resolve() for path in contents if path.is_dir() or path.is_file() or not path.exists()}
    asides = {path: real.with_name(f".meaniou-{os.getpid()}-{i}") for i, (path, real) in enumerate(files.items())}
    path = Path()
    try:
        for path, aside in asides.items():
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            aside.write_bytes(contents[path])
        for path in contents.keys() - files.keys():
            path.write_bytes(contents[path])
        for path, aside in asides.items():
            aside.replace(files[path])
    except BaseException as error:
        for aside in asides.values():
            with contextlib.suppress(OSError):
                aside.unlink()
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise
