"""Readers of NumPy files (``.npy`` and ``.npz``), which hold the array in memory once."""

import io
import math
import os
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from meaniou._util import join_names
from meaniou.masks.errors import ContentError, check_labels, check_pixels, size

PIECE = 1 << 22  # bytes that are read, or unpacked, at once
# By the version of the format: the bytes of the length of the header, and its parser.
PARSERS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
Check = Callable[[np.dtype[np.generic], tuple[int, ...]], None]
# NumPy parses the header with Python's parser, which fails at times in two threads at once in Python 3.11.7 ("AST
# constructor recursion depth mismatch", cpython issue 106905).
ONE_HEADER = threading.Lock()


@dataclass(frozen=True)
class Header:
    """The header of an array in a file."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(file: IO[bytes], max_pixels: int, check: Check = check_labels) -> NDArray[np.generic]:
    """The array of an open ``.npy`` file.

    It is read, not memory-mapped: if another process shortened a mapped file, this process would crash.

    Args:
        file: the file.
        max_pixels: the largest array that is read.
        check: raises ``ContentError`` for a dtype and shape that are not those of the expected contents.

    Raises:
        ContentError: if the array does not hold labels, or has too many pixels.
        ValueError: if the file is damaged.
    """
    header = _header(file, check)
    status = os.fstat(file.fileno())
    _check_length(header, status.st_size - file.tell())
    if 512 * getattr(status, "st_blocks", status.st_size) < status.st_size // 2:  # a sparse file
        check_pixels(header.shape, max_pixels)
    return _values(file, header)


def read_npz(file: IO[bytes], max_pixels: int, check: Check = check_labels) -> NDArray[np.generic]:
    """The only array of an open ``.npz`` file; raises as ``read_npy``, and ``ContentError`` for several arrays."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) != 1:
            names = join_names(member.filename.removesuffix(".npy") for member in members)
            raise ContentError(f"holds {len(members)} arrays ({names}); expected one.", "Save the labels alone.")
        with archive.open(members[0]) as stream:
            header = _header(stream, check)
            _check_length(header, members[0].file_size - stream.tell())
            check_pixels(header.shape, max_pixels)
            values = _values(stream, header)
            if stream.read(1):  # zipfile compares the checksum at the end
                raise ValueError("its array is larger than the archive declares")
            return values


def _header(file: IO[bytes], check: Check) -> Header:
    version = npy.read_magic(file)
    if version not in PARSERS:
        raise ValueError(f"its .npy format version is {version}; expected (1, 0) or (2, 0)")
    width, parse = PARSERS[version]
    length = file.read(width)
    # Python 2 wrote 5L for a long 5, of which NumPy would warn.
    text = re.sub(rb"(\d)L\b", rb"\1 ", file.read(min(int.from_bytes(length, "little"), 1 << 16)))
    with ONE_HEADER:
        shape, fortran, dtype = parse(io.BytesIO(length + text))
    if any(side < 0 for side in shape):
        raise ValueError(f"its header declares the shape {shape}")
    check(dtype, shape)
    return Header(shape, fortran, dtype)


def _check_length(header: Header, held: int) -> None:
    if header.nbytes != held:
        raise ValueError(
            f"its header declares {size(header.shape)} values of {header.dtype} ({header.nbytes:,} bytes), but "
            f"{held:,} bytes follow"
        )


def _values(file: IO[bytes], header: Header) -> NDArray[np.generic]:
    values = np.empty(math.prod(header.shape), header.dtype)
    rest = values.view(np.uint8)
    while len(rest):
        read = file.readinto(rest[:PIECE].data)  # type: ignore[attr-defined]
        if not read:
            raise ValueError("it ends early")
        rest = rest[read:]
    if header.dtype.kind == "b" and values.view(np.uint8).max(initial=0) > 1:
        raise ValueError("its dtype is bool, but it holds other bytes than 0 and 1")
    return values.reshape(header.shape, order="F" if header.fortran else "C")
