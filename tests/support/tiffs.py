"""TIFF files written from the specification, so that no library checks its own output."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

SHORT, LONG, LONG8 = 3, 4, 16
SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, LONG8: 8}
NONE, DEFLATE, PACKBITS = 1, 8, 32773


def tiff(
    values: np.ndarray,
    *,
    order: str = "<",
    bits: int | None = None,
    compression: int = NONE,
    predictor: int = 1,
    rows: int | None = None,
    tile: int | None = None,
    big: bool = False,
    holes: Sequence[int] = (),
    tags: dict[int, tuple[int, Sequence[int] | bytes]] | None = None,
) -> bytes:
    """A file of one map, in strips or square tiles; ``holes`` are left out, ``tags`` are added."""
    height, width = values.shape
    bits = bits or 8 * values.itemsize
    parts = [values[i : i + rows] for i in range(0, height, rows)] if rows else [values]
    if tile:
        padded = np.pad(values, ((0, -height % tile), (0, -width % tile)), mode="edge")
        corners = [(i, j) for i in range(0, height, tile) for j in range(0, width, tile)]
        parts = [padded[i : i + tile, j : j + tile] for i, j in corners]
    segments = [
        b"" if i in holes else packed(part, order, bits, compression, predictor) for i, part in enumerate(parts)
    ]
    content = (b"II" if order == "<" else b"MM") + struct.pack(
        f"{order}HHHQ" if big else f"{order}HI", *((43, 8, 0, 0) if big else (42, 0))
    )
    offsets = []
    for segment in segments:
        offsets.append(len(content) if segment else 0)
        content += segment + b"\0" * (len(segment) % 2)
    word = LONG8 if big else LONG
    offsets_and_lengths = {0: (word, offsets), 1: (word, [len(segment) for segment in segments])}
    entries = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits]),
        259: (SHORT, [compression]),
        262: (SHORT, [1]),
        277: (SHORT, [1]),
        317: (SHORT, [predictor]),
        339: (SHORT, [2 if values.dtype.kind == "i" else 3 if values.dtype.kind == "f" else 1]),
    }
    if tile:
        entries |= {322: (LONG, [tile]), 323: (LONG, [tile]), 324: offsets_and_lengths[0], 325: offsets_and_lengths[1]}
    else:
        entries |= {273: offsets_and_lengths[0], 278: (LONG, [rows or height]), 279: offsets_and_lengths[1]}
    return with_directory(content, entries | (tags or {}), order, big)


def with_directory(content: bytes, entries: dict[int, Any], order: str, big: bool) -> bytes:
    """The file with its directory at the end."""
    start, field = (len(content), 8 if big else 4)
    size = (8 + 20 * len(entries) + 8) if big else (2 + 12 * len(entries) + 4)
    directory, rest = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries)), b""
    for code, (kind, numbers) in sorted(entries.items()):
        letter = {1: "B", 2: "B", SHORT: "H", LONG: "I", LONG8: "Q"}[kind]
        data = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        directory += struct.pack(f"{order}HH{'Q' if big else 'I'}", code, kind, len(numbers))
        if len(data) <= field:
            directory += data.ljust(field, b"\0")
        else:
            directory += struct.pack(f"{order}{'Q' if big else 'I'}", start + size + len(rest))
            rest += data + b"\0" * (len(data) % 2)
    directory += b"\0" * field
    place = slice(8, 16) if big else slice(4, 8)
    whole = bytearray(content + directory + rest)
    whole[place] = struct.pack(f"{order}{'Q' if big else 'I'}", start)
    return bytes(whole)


def packed(values: np.ndarray, order: str, bits: int, compression: int, predictor: int) -> bytes:
    """The bytes of a strip or tile."""
    if predictor == 2:
        values = np.diff(values, axis=1, prepend=values.dtype.type(0))
    if bits < 8:
        spread = (values[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
        rows = [row.tobytes() for row in np.packbits(spread.reshape(len(values), -1), axis=1)]
    else:
        rows = [row.tobytes() for row in values.astype(values.dtype.newbyteorder(order))]
    if compression == PACKBITS:
        pieces = [row[i : i + 128] for row in rows for i in range(0, len(row), 128)]
        return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    return zlib.compress(b"".join(rows)) if compression == DEFLATE else b"".join(rows)
