"""Generated bad input: files that are cut, changed or hostile, batches that do not fit, and a long run."""

import contextlib
import gc
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

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
        found = read(path)
    except MaskError as error:
        text = str(error)
        assert text.startswith(str(path)), text
        assert text.endswith("."), text
    else:
        assert found.dtype.kind in "biu"


@settings(max_examples=1500, deadline=None)
@given(spoiled())
def test_spoiled_files_are_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]
) -> None:
    kind, content = case
    path = tmp_path_factory.getbasetemp() / f"mask.{kind}"
    path.write_bytes(content)
    read_or_refused(path)
    with contextlib.suppress(MaskError):
        photo(path, MAP.shape)


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
        with pytest.raises(MaskError, match=r"expected|save") as error:
            read(path)
        assert str(error.value).startswith(str(path))
        assert len(str(error.value)) < 400
        assert not ran.exists()


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
            for found in pool.map(read, [*tmp_path.iterdir()] * 20):
                assert (found == MAP).all()
    finally:
        gc.callbacks.remove(let_in)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(switched)


@pytest.mark.parametrize("what", ["loop", "itself", "pipe", "unreadable", "folder"])
def test_odd_things_in_a_folder(what: str, tmp_path: Path) -> None:
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.png").write_bytes(GOOD["png"])
    odd = tmp_path / "pred" / "b.png"
    if what == "loop":
        (tmp_path / "pred" / "below").symlink_to(tmp_path / "pred")
    elif what == "itself":
        odd.symlink_to(odd)
    elif what == "pipe":
        os.mkfifo(odd)
    elif what == "folder":
        (tmp_path / "pred" / "b.png").mkdir()
    else:
        odd.write_bytes(GOOD["png"])
        odd.chmod(0)
        if os.access(odd, os.R_OK):
            pytest.skip("this user may read everything")
        (tmp_path / "target" / "b.png").write_bytes(GOOD["png"])
    words = [str(tmp_path / "pred"), str(tmp_path / "target"), "--num-classes", "35"]
    ran = subprocess.run([sys.executable, "-m", "meaniou", *words], capture_output=True, text=True, check=False)
    if what == "folder":  # one that is empty is nothing
        assert ran.returncode == 0, ran.stderr
        return
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.splitlines()) == 1
    assert "Traceback" not in ran.stderr


INTERRUPTED = """
import os, signal, sys
from meaniou.__main__ import main

def interrupt(event, args, done=[]):
    if event == "open" and str(args[0]).endswith("60.png") and not done:
        done.append(True)
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(interrupt)
main()
"""


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """A real signal to a real process, while it reads."""
    some = np.random.default_rng(0).integers(0, 9, (20, 20), dtype=np.uint8)
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        Image.fromarray(some).save(tmp_path / side / "0.png")
        for i in range(1, 120):
            (tmp_path / side / f"{i}.png").symlink_to(tmp_path / side / "0.png")
    words = [str(tmp_path / "pred"), str(tmp_path / "target"), "--num-classes", "9", "--output", str(tmp_path / "out")]
    words += ["--html", str(tmp_path / "page"), "--overlay", str(tmp_path / "over"), "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell ignores it in what it starts by &
    )
    out, said = process.communicate(timeout=600)
    assert (process.returncode, out) == (130, "")
    assert said == "Interrupted; nothing was written.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pred", "target"]


DTYPES = (torch.bool, torch.uint8, torch.int16, torch.int64, torch.float32, torch.bfloat16, torch.complex64)
SIZES = st.integers(0, 4)


@st.composite
def things(draw: st.DrawFn) -> Any:
    """What may be passed by mistake: tensors of any shape and dtype, lists of them, arrays, numbers and nothing."""
    shape = draw(st.lists(SIZES, max_size=4))
    kind = draw(st.sampled_from(["tensor"] * 6 + ["list", "array", "number", "none", "text"]))
    values = torch.from_numpy(np.random.default_rng(draw(st.integers(0, 99))).integers(-2, 6, shape))
    made = values.to(draw(st.sampled_from(DTYPES)))
    others = {"list": [made, made], "array": values.numpy(), "number": 3, "none": None, "text": "labels"}
    return others.get(kind, made)


@settings(max_examples=1500, deadline=None)
@given(
    preds=things(),
    target=things(),
    valid=st.none() | things(),
    image_ids=st.none() | st.lists(st.integers(-2, 9), max_size=4) | things(),
    per_image=st.booleans(),
    forms=st.sampled_from(["auto", "index", "one-hot"]),
)
def test_batches_are_counted_whole_or_refused_in_a_sentence(
    preds: Any, target: Any, valid: Any, image_ids: Any, per_image: bool, forms: Any
) -> None:
    metric = MeanIoU(3, ignore_index=5, per_image=per_image, input_format=forms)
    first = torch.eye(3)[None]  # scores beside labels, or planes beside planes
    metric.update(first, first if forms == "one-hot" else torch.arange(3)[None], image_ids=[7] if per_image else None)
    before = {name: value for name, value in vars(metric).items() if name != "_computed"}
    counts, rows = metric.counts.clone(), [part.clone() for part in metric._joined()] if per_image else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores that are no probabilities
        try:
            metric.update(preds, target, valid, **({} if image_ids is None else {"image_ids": image_ids}))
        except (TypeError, ValueError) as error:
            text = str(error)
            assert text.endswith("."), text
            assert "\n" not in text
            assert torch.equal(metric.counts, counts)
            assert all(torch.equal(a, b) for a, b in zip(metric._joined(), rows, strict=True)) if per_image else True
            assert metric.update_count == before["_eager_updates"]
        else:
            pixels = sum(torch.as_tensor(t).numel() for t in (target if isinstance(target, list) else [target]))
            added = int((metric.counts - counts).sum())
            assert added in (pixels, pixels // 3)  # one-hot truths have three planes
            assert metric.update_count == 2


def resident() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_long_run_of_updates_takes_no_more_memory() -> None:
    metric = MeanIoU(19, ignore_index=255)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 19, (8, 1, 64, 64), generator=generator)
    for i in range(2000):
        metric.update(maps[i % 8], maps[(i + 1) % 8])
    before = resident()
    for i in range(20_000):
        metric.update(maps[i % 8], maps[(i + 1) % 8])
        if i % 1000 == 0:
            metric.compute()
    assert resident() - before < 4 << 20
    assert int(metric.counts.sum()) == 22_000 * 64 * 64


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
