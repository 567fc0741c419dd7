"""Files that are cut, changed or hostile are read as stored or refused in one sentence; none is run."""

import contextlib
import gc
import io
import os
import pickle
import struct
import sys
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.grid import number_of_examples

from meaniou import MeanIoU
from meaniou.masks import MaskError, pair_masks, photo, read, read_pairs

MAP = np.arange(35, dtype=np.uint8).reshape(5, 7)


def encoded(kind: str) -> bytes:
    """A good file of each kind."""
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, MAP)
    elif kind == "npz":
        np.savez_compressed(file, MAP)
    else:
        options = {"tif": {"compression": "tiff_lzw"}}.get(kind, {})
        picture = Image.fromarray(MAP)
        if kind == "palette.png":
            picture = picture.convert("P")
        picture.save(file, "TIFF" if kind == "tif" else "PNG", **options)
    return file.getvalue()


KINDS = ("png", "palette.png", "tif", "npy", "npz")
GOOD = {kind: encoded(kind) for kind in KINDS}


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file that is cut, has bytes changed, left out or put in, or is another file's."""
    kind = draw(st.sampled_from(KINDS))
    content = bytearray(GOOD[draw(st.sampled_from(KINDS)) if draw(st.booleans()) else kind])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        change = draw(st.sampled_from(["cut", "flip", "drop", "insert", "fill"]))
        if change == "cut":
            del content[place:]
        elif change == "flip" and content:
            content[place] ^= draw(st.integers(1, 255))
        elif change == "drop":
            del content[place : place + draw(st.integers(1, 9))]
        elif change == "insert":
            content[place:place] = draw(st.binary(max_size=9))
        elif content:
            size = draw(st.integers(1, 8))
            content[place : place + size] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * size
    return kind, bytes(content)


def read_or_refused(path: Path) -> None:
    """A label map, or one sentence that names the file, and no other error."""
    try:
        labels = read(path)
    except MaskError as error:
        text = str(error)
        assert str(path) in text, text
        assert text.endswith("."), text
    else:
        assert labels.dtype.kind in "biu"


@number_of_examples(fast=500, slow=1500)
def test_spoiled_files_are_read_or_refused_in_a_sentence(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples)
    @given(spoiled())
    def check(case: tuple[str, bytes]) -> None:
        kind, content = case
        path = tmp_path / f"mask.{kind}"
        path.write_bytes(content)
        read_or_refused(path)
        with contextlib.suppress(MaskError):
            photo(path, MAP.shape)

    check()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, depth: int = 8, color: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


class Hostile:
    """What would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def array_of_objects(path: Path, hostile: Hostile) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([hostile], dtype=object), allow_pickle=True)
    return file.getvalue()


def zipped(name: str, content: bytes, times: int = 1) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(times):
            archive.writestr(f"{i}{name}", content)
    return file.getvalue()


def npy_header(text: str) -> bytes:
    padded = text.encode() + b" " * (118 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


def test_hostile_files(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    objects = array_of_objects(tmp_path, Hostile(ran))
    cases = {
        "objects.npy": objects,
        "objects.npz": zipped(".npy", objects),
        "pickle.npy": pickle.dumps(Hostile(ran)),
        "pickle.npz": zipped(".npy", pickle.dumps(Hostile(ran))),
        "two.npz": zipped(".npy", GOOD["npy"], 2),
        "none.npz": zipped(".npy", b"", 0),
        "endless.npy": npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 1000000000), }"),
        "negative.npy": npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 4), }"),
        "code.npy": npy_header("__import__('os').system('touch ran')"),
        "huge.png": png(2**31 - 1, 2**31 - 1, zlib.compress(b"\0")),
        "bomb.png": png(60_000, 60_000, zlib.compress(bytes(1000))),
        "empty.png": png(0, 0, b""),
        "short.png": png(7, 5, zlib.compress(bytes(9))),
        "depth.png": png(7, 5, zlib.compress(bytes(40)), depth=3),
        "colours.png": png(7, 5, zlib.compress(bytes(5 * 22)), color=2),
        "frames.tif": b"II*\0\x08\0\0\0" + b"\0\0" + struct.pack("<I", 8),  # its next frame is itself
        "text.png": b"<!doctype html>",
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(MaskError) as error:
            read(path)
        assert str(path) in str(error.value)
        assert len(str(error.value)) < 400
        assert not ran.exists()


def test_an_abandoned_run_may_be_closed_in_any_thread(tmp_path: Path) -> None:
    """The garbage collector may close it in a thread of its own pool, which cannot wait for itself."""
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        for i in range(4):
            np.save(tmp_path / side / f"{i}.npy", MAP)
    pairs = read_pairs(pair_masks(tmp_path / "pred", tmp_path / "target"), 2)
    next(pairs)
    pool = pairs.gi_frame.f_locals["pool"]  # type: ignore[attr-defined]
    closed = pool.submit(pairs.close)  # type: ignore[attr-defined]
    assert closed.result() is None


def test_arrays_are_read_in_many_threads(tmp_path: Path) -> None:
    """Python's parser, which reads their headers, may fail where a collection of garbage lets another thread in."""
    for i in range(8):
        np.save(tmp_path / f"{i}.npy", MAP)
        np.savez(tmp_path / f"{i}.npz", MAP)
    switched, threshold = sys.getswitchinterval(), gc.get_threshold()

    def let_in(*_: object) -> None:
        time.sleep(0)

    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)
    gc.callbacks.append(let_in)
    try:
        with ThreadPoolExecutor(8) as pool:
            for labels in pool.map(read, [*tmp_path.iterdir()] * 20):
                assert (labels == MAP).all()
    finally:
        gc.callbacks.remove(let_in)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(switched)


def resident() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_folder_of_many_files_takes_no_more_memory(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).integers(0, 9, (4, 256, 256), dtype=np.uint8)
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        for i in range(2000):
            path = tmp_path / side / f"{i:04d}.png"
            if i < 4:
                Image.fromarray(maps[i]).save(path)
            else:
                path.symlink_to(tmp_path / side / f"{i % 4:04d}.png")
    metric = MeanIoU(9)
    before = 0
    for i, (_, preds, target) in enumerate(read_pairs(pair_masks(tmp_path / "pred", tmp_path / "target"), 2)):
        metric.update(preds, target)
        if i == 500:
            before = resident()
    assert i == 1999
    assert resident() - before < 4 << 20
