"""Masks of every kind that is read, as stored, and the sentences about those that are not."""

import contextlib
import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, features
from support import tiffs

from meaniou._util.text import join_names
from meaniou.masks import MAX_PIXELS, MaskError, Pair, read, read_pair
from meaniou.masks.errors import reason
from meaniou.masks.formats import registry
from meaniou.masks.formats.registry import Format

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "i8")
MAP = np.arange(35, dtype=np.uint8).reshape(5, 7)


def of_all_values(dtype: str, shape: tuple[int, int] = (21, 37)) -> np.ndarray:
    """A map of the ends of a dtype and of what wraps into them."""
    ends = np.iinfo(dtype)
    special = np.array([ends.min, ends.max, 0, 1, 2, ends.max // 2, ends.max - 1], dtype)
    return special[np.random.default_rng(0).integers(0, len(special), shape)]


def read_back(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return read(path)


def assert_refused(path: Path, content: bytes, *parts: str, limit: int = MAX_PIXELS) -> None:
    """Fails unless the content is refused in one short line that names the file and holds the parts."""
    path.write_bytes(content)
    with pytest.raises(MaskError) as error:
        read(path, limit)
    for line in (str(error.value), error.value.as_options):
        assert line.count(str(path)) == 1
        assert line.endswith(".")
        assert len(line.splitlines()) == 1
        assert len(line) < 600 + len(str(path))
        assert [part for part in parts if part not in line] == [], line


# ------------------------------------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [tiffs.NONE, tiffs.DEFLATE, tiffs.PACKBITS])
def test_tiffs_are_read_as_stored(tmp_path: Path, dtype: str, order: str, compression: int) -> None:
    values = of_all_values(dtype)
    layouts: list[dict[str, Any]] = [
        {},
        {"rows": 4},
        {"tile": 16},
        {"big": True, "rows": 21},
        {"big": True, "tile": 16},
    ]
    for layout in layouts:
        for predictor in (1, 2) if compression == tiffs.DEFLATE else (1,):
            content = tiffs.tiff(values, order=order, compression=compression, predictor=predictor, **layout)
            stored = read_back(tmp_path / "a.tif", content)
            assert stored.dtype == values.dtype, (layout, predictor)
            assert np.array_equal(stored, values), (layout, predictor)


def test_both_sides_keep_their_ids(tmp_path: Path) -> None:
    """Pillow read the first as 255 and the second as -1."""
    (tmp_path / "a.tif").write_bytes(tiffs.tiff(np.array([[-1, 1]], np.int8)))
    (tmp_path / "b.tif").write_bytes(tiffs.tiff(np.array([[4294967295, 1]], np.uint32)))
    preds, target = read_pair(Pair("a", tmp_path / "a.tif", tmp_path / "b.tif"))
    assert preds.tolist() == [[-1, 1]]
    assert target.tolist() == [[4294967295, 1]]


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("compression", [tiffs.NONE, tiffs.DEFLATE, tiffs.PACKBITS])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiffs_of_few_bits(tmp_path: Path, bits: int, compression: int, order: str) -> None:
    values = np.random.default_rng(0).integers(0, 2**bits, (21, 37), dtype=np.uint8)
    for layout in ({}, {"rows": 4}, {"tile": 16}):
        content = tiffs.tiff(values, order=order, bits=bits, compression=compression, **layout)
        assert np.array_equal(read_back(tmp_path / "a.tif", content), values), layout
    palette = {262: (tiffs.SHORT, [3]), 320: (tiffs.SHORT, list(range(3 * 2**bits)))}
    assert np.array_equal(read_back(tmp_path / "a.tif", tiffs.tiff(values, bits=bits, tags=palette)), values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tags_of_an_unknown_type(tmp_path: Path, order: str, big: bool) -> None:
    """A tag that tifffile leaves out is no fault, unless labels depend on it."""
    private = tiffs.tiff(MAP, order=order, big=big, tags={65000: (1, [7])})
    entry = struct.pack(f"{order}HH", 65000, 1)
    assert private.count(entry) == 1
    odd = private.replace(entry, struct.pack(f"{order}HH", 65000, 99))
    assert np.array_equal(read_back(tmp_path / "a.tif", odd), MAP)
    for code in (254, 258, 259, 262, 274, 317, 339):
        content = tiffs.tiff(MAP, order=order, big=big, tags={code: (3, [1 if code != 258 else 8])})
        spoiled = content.replace(struct.pack(f"{order}HH", code, 3), struct.pack(f"{order}HH", code, 99))
        assert spoiled != content
        assert_refused(tmp_path / "a.tif", spoiled, f"its tag {code} is damaged")


def test_a_last_strip_that_is_longer(tmp_path: Path) -> None:
    """As where a writer counts the byte that makes its length even."""
    assert np.array_equal(read_back(tmp_path / "a.tif", tiffs.tiff(MAP, tags={279: (4, [36])})), MAP)
    rows = tiffs.tiff(MAP[:4], rows=2, tags={279: (4, [15, 14])})
    assert_refused(tmp_path / "a.tif", rows, "has 15 bytes and needs 14")


def test_bits_in_the_other_order(tmp_path: Path) -> None:
    """Bits are filled in from the low end of a byte."""
    content = tiffs.tiff(np.array([[1, 0, 1, 1, 0, 0, 0, 0]], np.uint8), bits=1, tags={266: (tiffs.SHORT, [2])})
    assert read_back(tmp_path / "a.tif", content).tolist() == [[0, 0, 0, 0, 1, 1, 0, 1]]


@pytest.mark.skipif(not features.check_codec("libtiff"), reason="Pillow is without libtiff")
@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "I"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "lzma"])
def test_tiffs_of_libtiff(tmp_path: Path, mode: str, compression: str | None) -> None:
    dtype = {"1": bool, "L": np.uint8, "P": np.uint8, "I;16": np.uint16, "I": np.int32}[mode]
    values = of_all_values("i4").astype(dtype)
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    image.save(tmp_path / "a.tif", compression=compression)
    stored = read(tmp_path / "a.tif")
    assert stored.dtype == values.dtype
    assert np.array_equal(stored, values)


def lzw(codes: list[int], sizes: list[int] | None = None) -> bytes:
    """LZW codes as bytes; each has nine bits unless sizes are given."""
    bits = "".join(f"{code:0{size}b}" for code, size in zip(codes, sizes or [9] * len(codes), strict=True))
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))


def lzw_tiff(stream: bytes, fill_order: int = 1) -> bytes:
    """A file of 1 x 8 pixels with these bytes as its only strip."""
    if fill_order == 2:
        stream = np.packbits(np.unpackbits(np.frombuffer(stream, np.uint8), bitorder="little")).tobytes()
    stream += b"\0" * (len(stream) % 2)
    tags = {257: (tiffs.SHORT, [1]), 256: (tiffs.SHORT, [8]), 278: (tiffs.SHORT, [1])}
    plain = tiffs.tiff(np.frombuffer(stream, np.uint8)[None], tags=tags | {266: (tiffs.SHORT, [fill_order])})
    return plain.replace(struct.pack("<HHII", 259, tiffs.SHORT, 1, 1), struct.pack("<HHII", 259, tiffs.SHORT, 1, 5))


@pytest.mark.parametrize("fill_order", [1, 2])
def test_lzw_that_could_crash_its_decoder_is_refused(tmp_path: Path, fill_order: int) -> None:
    """The first code after a clear code is a byte; imagecodecs does not check it, and the process may crash."""
    good = [256, 7, 258, 5, 256, 256, 9, 258, 258]
    assert read_back(tmp_path / "a.tif", lzw_tiff(lzw([*good, 257]), fill_order)).tolist() == [[7, 7, 7, 5, 9, 9, 9, 9]]
    sentence = "an LZW code has no entry in its table. The file is damaged"
    for first in (258, 300, 511):
        assert_refused(tmp_path / "a.tif", lzw_tiff(lzw([256, first, 7, 257]), fill_order), sentence)
        assert_refused(tmp_path / "a.tif", lzw_tiff(lzw([*good, 256, first, 7, 257]), fill_order), sentence)


def test_old_lzw_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "a.tif", lzw_tiff(b"\x00\x01\x02\x03"), "LZW as before TIFF 6.0")


@pytest.mark.parametrize("values", [2, 40, 256])
def test_long_lzw(tmp_path: Path, values: int) -> None:
    """Codes of all lengths, and several clear codes in a strip."""
    stored = np.random.default_rng(values).integers(0, values, (300, 400), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, compression="lzw", rowsperstrip=150)
    assert np.array_equal(read(tmp_path / "a.tif"), stored)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        (offset, _), (length, _) = file.pages.first.dataoffsets, file.pages.first.databytecounts
    content = bytearray((tmp_path / "a.tif").read_bytes())
    strip = content[offset : offset + length]
    # The code after the last clear code of the strip is replaced by one without an entry, at the same bits.
    bits = "".join(f"{byte:08b}" for byte in strip)
    place = last_clear(bits)
    bits = f"{bits[: place + 9]}{300:09b}{bits[place + 18 :]}"
    content[offset : offset + length] = int(bits, 2).to_bytes(length)
    assert_refused(tmp_path / "a.tif", bytes(content), "an LZW code has no entry in its table")


def last_clear(bits: str) -> int:
    """The bit at which the code after the last clear code begins, minus 9; sizes follow from the number of codes."""
    place, entries, last = 0, 258, 0
    first = True
    while True:
        size = 9 + (entries >= 511) + (entries >= 1023) + (entries >= 2047)
        code = int(bits[place : place + size], 2)
        if code == 257 or place + size > len(bits):
            return last
        place += size
        if code == 256:
            last, entries, first = place - 9, 258, True
        else:
            entries, first = entries + (not first), False


@pytest.mark.skipif(not features.check_codec("libtiff"), reason="Pillow is without libtiff")
@pytest.mark.skipif(tifffile.__version__ < "2026.3.3", reason="older releases do not decode faxes")
@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_tiffs_compressed_as_faxes(tmp_path: Path, compression: str) -> None:
    values = np.kron(np.random.default_rng(0).integers(0, 2, (5, 6)), np.ones((4, 7))).astype(bool)
    Image.fromarray(values).save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(read(tmp_path / "a.tif"), values)


def test_overviews_are_passed_over(tmp_path: Path) -> None:
    """As in a cloud-optimized GeoTIFF."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(of_all_values("u2", (64, 64)), photometric="minisblack", metadata=None)
        for size in (32, 16):
            writer.write(np.zeros((size, size), np.uint16), photometric="minisblack", metadata=None, subfiletype=1)
    assert np.array_equal(read(tmp_path / "a.tif"), of_all_values("u2", (64, 64)))


@pytest.mark.parametrize("layout", [{"tile": 16}, {"rows": 16}])
@pytest.mark.parametrize("nodata", [None, b"7\0"])
def test_parts_that_are_left_out(tmp_path: Path, layout: dict[str, int], nodata: bytes | None) -> None:
    """GDAL leaves out what holds the nodata value alone, or 0 where there is none; the header was read for it."""
    values = np.arange(1, 32 * 16 + 1, dtype=np.uint16).reshape(32, 16)
    expected, filled = values.copy(), 7 if nodata else 0
    expected[:16] = filled
    tags = {42113: (2, nodata)} if nodata else None
    assert np.array_equal(read_back(tmp_path / "a.tif", tiffs.tiff(values, holes=[0], tags=tags, **layout)), expected)
    stored = read_back(tmp_path / "a.tif", tiffs.tiff(values, holes=[0, 1], tags=tags, **layout))
    assert np.array_equal(stored, np.full_like(values, filled))
    whole = tiffs.tiff(values, tags={42113: (2, b"-9999\0")}, **layout)  # which says nothing of what is there
    assert np.array_equal(read_back(tmp_path / "a.tif", whole), values)
    spoiled = tiffs.tiff(values, holes=[0], tags={42113: (2, b"-9999\0")}, **layout)
    assert_refused(tmp_path / "a.tif", spoiled, "nodata")


def of_tifffile(values: np.ndarray, **settings: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **settings)
    return file.getvalue()


def of_pillow(image: Image.Image, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, **settings)
    return file.getvalue()


SHORT = tiffs.SHORT
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
ALIKE = np.repeat(COLOURS[..., :1], 3, 2)
GRADIENT = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
REFUSED = {
    "float32": (tiffs.tiff(np.ones((4, 4), np.float32)), ["float32", "4 x 4", "argmax"]),
    "float64": (tiffs.tiff(np.ones((4, 4), np.float64)), ["float64"]),
    "uint64": (tiffs.tiff(np.ones((4, 4), np.uint64)), ["uint64", "4 x 4", "int64"]),
    "inverted": (tiffs.tiff(MAP, tags={262: (SHORT, [0])}), ["inverted"]),
    "mask": (tiffs.tiff(MAP, tags={262: (SHORT, [4])}), ["one channel of class ids"]),
    "colours": (of_tifffile(COLOURS, photometric="rgb"), ["3 channels (RGB)", "colours"]),
    "planes": (
        of_tifffile(COLOURS.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
        ["3 channels", "colours"],
    ),
    "alike": (of_tifffile(ALIKE, photometric="rgb"), ["3 channels", "equal", "save one of these"]),
    "alike planes": (
        of_tifffile(ALIKE.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
        ["3 channels", "equal"],
    ),
    "pages": (of_pillow(GRADIENT, format="TIFF", save_all=True, append_images=[GRADIENT]), ["more than one image"]),
    "stack": (of_tifffile(np.zeros((5, 8, 9), np.uint8), truncate=True), ["more than one image"]),
    "imagej": (of_tifffile(np.zeros((5, 8, 9), np.uint8), imagej=True, truncate=True), ["more than one image"]),
    "volume": (of_tifffile(np.zeros((5, 16, 16), np.uint8), volumetric=True, tile=(16, 16, 16)), ["expected"]),
    "jpeg": (of_pillow(GRADIENT, format="TIFF", compression="jpeg"), ["JPEG", "LZW"]),
    "predictor": (tiffs.tiff(MAP, tags={317: (SHORT, [3])}), ["predictor 3"]),
    "predictor alone": (tiffs.tiff(MAP, predictor=2), ["predictor 2"]),
    "two widths": (tiffs.tiff(MAP, tags={256: (SHORT, [7, 7])}), ["ImageWidth has several values"]),
    "no strips": (tiffs.tiff(MAP, rows=2, tags={273: (4, [8]), 279: (4, [14])}), ["Cannot read"]),
    "outside": (tiffs.tiff(MAP, tags={273: (4, [9999])}), ["ends early"]),
    "in the header": (tiffs.tiff(MAP, tags={273: (4, [4])}), ["Cannot read"]),
    "half a hole": (tiffs.tiff(MAP, tags={273: (4, [0])}), ["Cannot read"]),
    "too short": (tiffs.tiff(MAP, tags={279: (4, [34])}), ["has 34 bytes and needs 35"]),
    "cut off": (tiffs.tiff(MAP, compression=tiffs.DEFLATE, tags={279: (4, [9])}), ["Cannot read"]),
    "header alone": (b"II*\0\x08\0\0\0", ["Cannot read"]),
    "circle": (b"II*\0\x08\0\0\0" + b"\0\0" + struct.pack("<I", 8), ["holds more than one image"]),
} | {
    f"orientation {i}": (tiffs.tiff(MAP, tags={274: (SHORT, [i])}), [f"orientation tag {i}", "expected 1"])
    for i in range(2, 9)
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tiffs_that_hold_no_ids_as_stored(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    content, parts = REFUSED[kind]
    assert_refused(tmp_path / "a.tif", content, *parts)
    assert caplog.records == []


def test_damaged_tiffs_say_nothing_beside_their_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the lines of libtiff nor the log of tifffile."""
    content = of_pillow(GRADIENT, format="TIFF", compression="tiff_lzw")
    rng = np.random.default_rng(0)
    for i in range(300):
        spoiled = bytearray(content)
        for place in rng.integers(0, len(content), 1 + i % 3):
            spoiled[place] ^= int(rng.integers(1, 256))
        (tmp_path / "a.tif").write_bytes(spoiled)
        with contextlib.suppress(MaskError):
            read(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_the_log_of_other_files_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = tiffs.tiff(MAP, rows=2, tags={273: (4, [8]), 279: (4, [14])})
    assert_refused(tmp_path / "a.tif", content, "Cannot read")
    assert caplog.records == []
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first.shape == MAP.shape
    assert caplog.records


def test_tiffs_are_not_mapped(tmp_path: Path) -> None:
    """A mapped file that another process shortens ends this one."""
    stored = read_back(tmp_path / "a.tif", tiffs.tiff(MAP))
    (tmp_path / "a.tif").write_bytes(b"")
    assert np.array_equal(stored, MAP)
    assert not isinstance(stored, np.memmap)


# -------------------------------------------------------------------------------------------------------------- PNG


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*extra: bytes, height: int = 5, width: int = 7, pixels: bytes | None = None) -> bytes:
    """A grey PNG of MAP with chunks before its pixels."""
    rows = b"".join(b"\0" + row.tobytes() for row in MAP) if pixels is None else pixels
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = [header, *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_no_byte_of_a_png_changes_in_silence(tmp_path: Path) -> None:
    """Of the changed files of which Pillow read other labels, none is read."""
    good = png(chunk(b"tEXt", b"Comment\0made by hand"))
    assert np.array_equal(read_back(tmp_path / "a.png", good), MAP)
    for place in range(len(good)):
        for change in (1, 0x80, 0xFF):
            spoiled = bytearray(good)
            spoiled[place] ^= change
            (tmp_path / "a.png").write_bytes(spoiled)
            with pytest.raises(MaskError):
                read(tmp_path / "a.png")
    for length in range(len(good)):
        (tmp_path / "a.png").write_bytes(good[:length])
        with pytest.raises(MaskError):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_are_read_as_indices(tmp_path: Path, bits: int) -> None:
    values = np.random.default_rng(0).integers(0, 2**bits, (21, 37), dtype=np.uint8)
    image = Image.fromarray(values)
    image.putpalette(list(range(255, 255 - 3 * 2**bits // 4, -1)) + [9] * (3 * 2**bits - 3 * 2**bits // 4))
    content = of_pillow(image, format="PNG", bits=bits)
    assert content[24:26] == bytes([bits, 3])
    assert np.array_equal(read_back(tmp_path / "a.png", content), values)


def test_what_a_png_holds_beside_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for extra in (
        chunk(b"gAMA", struct.pack(">I", 1)),
        chunk(b"tRNS", b"\0\1"),
        chunk(b"acTL", struct.pack(">II", 1, 0)),
        chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 22))),
        chunk(b"eXIf", b"II*\0 no"),
    ):
        assert np.array_equal(read_back(path, png(extra)), MAP)
    assert np.array_equal(read_back(path, png() + b"\0" * 16), MAP)  # as some programs pad
    assert_refused(path, png(chunk(b"acTL", struct.pack(">II", 3, 0))), "holds 3 images")
    assert_refused(path, png(chunk(b"CgBI", b"")), "CgBI")
    assert_refused(path, png(chunk(b"IHDR", b"")), "header")
    assert_refused(path, png(pixels=bytes(9)), "Cannot read")
    assert_refused(path, png().replace(chunk(b"IEND", b""), b""), "ends early")


@pytest.mark.parametrize(
    ("channels", "alike", "parts"),
    [
        (3, True, ["R, G, B (", "equal", "save one of these channels"]),
        (4, True, ["R, G, B, A (", "equal", "save one of these channels"]),
        (3, False, ["R, G, B;", "one channel", "not their colours"]),
        (2, False, ["L, A;", "one channel", "not their colours"]),
    ],
)
def test_pngs_of_several_channels(tmp_path: Path, channels: int, alike: bool, parts: list[str]) -> None:
    values = np.repeat(MAP[..., None], channels, 2)
    values[..., -1] = 255 if channels in (2, 4) else values[..., -1]
    values[0, 0, 0] += not alike
    assert_refused(tmp_path / "a.png", of_pillow(Image.fromarray(values), format="PNG"), *parts)


def test_the_limits_of_pillow_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of many pixels is read without its warning, which is an error here, in any thread."""
    for mode in ("L", "1", "P"):
        GRADIENT.convert(mode).save(tmp_path / f"{mode}.png")
        GRADIENT.convert(mode).save(tmp_path / f"{mode}.tif")
    for limit in (200, 10):  # it warns from the limit on, and raises from twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with ThreadPoolExecutor(4) as pool:
            maps = list(pool.map(read, [*tmp_path.iterdir()] * 4))
        assert {image.shape for image in maps} == {(16, 16)}


@pytest.mark.parametrize("suffix", ["png", "tif", "npz"])
def test_a_limit_of_pixels(tmp_path: Path, suffix: str) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, MAP)
    content = {"png": png(), "tif": tiffs.tiff(MAP), "npz": file.getvalue()}[suffix]
    path = tmp_path / f"a.{suffix}"
    assert_refused(path, content, "35 pixels", "limit of 34", limit=34)
    with pytest.raises(MaskError, match=r"pass max_pixels=35\.$") as error:
        read(path, 34)
    assert error.value.as_options.endswith("pass --max-pixels 35.")
    assert np.array_equal(read(tmp_path / f"a.{suffix}", 35), MAP)


def test_tiles_have_the_limit_too(tmp_path: Path) -> None:
    content = tiffs.tiff(MAP, tile=16, compression=tiffs.DEFLATE)
    assert_refused(tmp_path / "a.tif", content, "256 pixels", "limit of 35", limit=35)


# ------------------------------------------------------------------------------------------------------------ NumPy


def npy(values: Any, **settings: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **settings)
    return file.getvalue()


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["bool", *(order + dtype for dtype in INTEGERS for order in "<>")])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(21, 37), (3, 4, 5), (9,), (0, 4)])
def test_arrays_are_read_as_stored(tmp_path: Path, dtype: str, order: str, shape: tuple[int, ...]) -> None:
    values = np.asarray(np.random.default_rng(0).integers(0, 100, shape).astype(dtype), order=order)
    for suffix, content in (("npy", npy(values)), ("npz", npz(labels=npy(values)))):
        stored = read_back(tmp_path / f"a.{suffix}", content)
        assert stored.dtype == values.dtype
        assert stored.shape == shape
        assert np.array_equal(stored, values)


def header(text: str, data: bytes = b"") -> bytes:
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(padded)) + padded + data


def test_arrays_of_python_2(tmp_path: Path) -> None:
    content = header("{'descr': '|u1', 'fortran_order': False, 'shape': (5L, 7L), }", MAP.tobytes())
    assert np.array_equal(read_back(tmp_path / "a.npy", content), MAP)  # without the warning of NumPy


BOMB = npy(np.zeros(0, np.uint8)).replace(b"(0,), ", f"({1 << 40},), ".encode())[:128]
NO_ARRAY = {
    "longer": (npy(MAP) + b"\0", ["5 x 7", "uint8", "35 bytes", "36 bytes"]),
    "two": (npy(MAP) * 2, ["35 bytes", "198 bytes"]),
    "shorter": (npy(MAP)[:-1], ["35 bytes", "34 bytes"]),
    "endless": (BOMB, ["Cannot read"]),
    "objects": (npy(np.array([[1, "a"]], object), allow_pickle=True), ["object", "1 x 2", "integer"]),
    "records": (npy(np.zeros(3, [("a", int), ("b", int)])), ["integer"]),
    "text": (npy(np.array(["a"])), ["integer"]),
    "number": (npy(np.int64(3)), ["a single number"]),
    "float": (npy(np.ones((4, 4), np.float32)), ["float32", "4 x 4", "integer"]),
    "uint64": (npy(np.ones((4, 4), np.uint64)), ["uint64", "4 x 4", "fit in int64"]),
    "bytes of bool": (npy(np.ones(3, bool))[:-1] + b"\7", ["bool", "other bytes than 0 and 1"]),
    "negative": (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-5, -7), }", MAP.tobytes()), ["-5, -7"]),
    "long header": (b"\x93NUMPY\x02\0" + struct.pack("<I", 1 << 31) + b" " * 99, ["Cannot read"]),
    "version": (npy(MAP).replace(b"NUMPY\1", b"NUMPY\3"), ["(3, 0)"]),
}


@pytest.mark.parametrize("kind", NO_ARRAY)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_that_are_no_maps(tmp_path: Path, kind: str, suffix: str) -> None:
    content, parts = NO_ARRAY[kind]
    assert_refused(tmp_path / f"a.{suffix}", npz(labels=content) if suffix == "npz" else content, *parts)


def test_archives_that_are_no_maps(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    many = npz(**{f"{i:03d}": npy(MAP) for i in range(30)})
    assert_refused(path, many, "holds 30 arrays (000, 001,", "009, ...)")
    assert_refused(path, npz(**{"a" * 60_000: npy(MAP), "b": npy(MAP)}), "aaa...aaa", ", b)")
    assert_refused(path, npz(**{"a\nb\x1b[31m": npy(MAP), "b": npy(MAP)}), r"a\nb\x1b[31m")
    assert_refused(path, npz(), "holds 0 arrays")
    good = npz(labels=npy(MAP))
    place = good.index(b"NUMPY") if b"NUMPY" in good else 60
    assert_refused(path, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], "Cannot read")
    large = npz(labels=npy(np.zeros((1 << 14) + 1, np.uint8)))
    assert_refused(path, large, "16,385 pixels", "limit of 16,384", limit=1 << 14)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_are_in_memory_once(tmp_path: Path, suffix: str) -> None:
    values = np.zeros((4096, 4096), np.uint8)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(npy(values) if suffix == "npy" else npz(labels=npy(values)))
    tracemalloc.start()
    try:
        assert read(path).shape == values.shape
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.8 * values.nbytes  # of an archive 4 MiB are unpacked at once, and copied


def test_arrays_are_not_mapped(tmp_path: Path) -> None:
    stored = read_back(tmp_path / "a.npy", npy(MAP))
    (tmp_path / "a.npy").write_bytes(b"")
    assert np.array_equal(stored, MAP)


def test_an_array_of_holes_has_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({1 << 31},), }}"))
    os.truncate(path, path.stat().st_size + (1 << 31))
    if getattr(path.stat(), "st_blocks", 1 << 31) * 512 > 1 << 30:
        pytest.skip("files have no holes here")
    with pytest.raises(MaskError, match="has 2,147,483,648 pixels"):
        read(path)


# ------------------------------------------------------------------------------------------------------- sentences


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    assert np.array_equal(read_back(tmp_path / "a.png", tiffs.tiff(MAP)), MAP)
    assert np.array_equal(read_back(tmp_path / "a.tif", png()), MAP)
    assert np.array_equal(read_back(tmp_path / "a.npy", npz(labels=npy(MAP))), MAP)
    (tmp_path / "a").write_bytes(png())
    assert np.array_equal(read(str(tmp_path / "a")), MAP)
    image, array = "PNG or TIFF image", "NumPy array"
    for name, kind in {"a.png": image, "a.tif": image, "a.jpg": image, "a.npy": array, "a.NPZ": array}.items():
        for content in (b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
            assert_refused(tmp_path / name, content, f"is not a {kind}", ".png")
        assert_refused(tmp_path / name, b"", "is empty")
        assert_refused(tmp_path / name, b"\xff\xd8\xff\xe0", "is a JPEG image", "PNG")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name, part in (("folder.png", ": Is a directory."), ("none.png", ": No such file or directory.")):
        with pytest.raises(MaskError) as error:
            read(tmp_path / name)
        assert part in str(error.value)
        assert "Errno" not in str(error.value)


def test_texts_of_others_in_a_sentence() -> None:
    assert reason(ValueError("first\nsecond")) == "first"
    assert reason(ValueError("\n")) == "ValueError"
    assert reason(PermissionError(13, "Permission denied", "x")) == "Permission denied"
    assert len(reason(ValueError("x" * 9999))) < 250
    assert join_names("abcdefghij") == "a, b, c, d, e, f, g, h, i, j"
    assert join_names("abcdefghijk").endswith("i, j, ...")
    assert str(MaskError("a\r\nb")) == "a\\r\\nb"


def test_an_error_names_arguments_in_python_and_options_on_the_command_line() -> None:
    """Only the cure is translated, so that no part of a path is."""
    error = MaskError("{a:b} is large.", "Pass {max_pixels:9}.")
    assert str(error) == "{a:b} is large. Pass max_pixels=9."
    assert error.as_options == "{a:b} is large. Pass --max-pixels 9."


# ------------------------------------------------------------------------------------------------------- the registry


def test_a_format_without_a_magic_number_is_known_by_its_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = Format("point labels", (".label",), (), lambda file, _: np.frombuffer(file.read(), "<u4"))
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, points))
    assert read_back(tmp_path / "a.LABEL", struct.pack("<3I", 3, 1, 2)).tolist() == [3, 1, 2]
    assert_refused(tmp_path / "a.bin", struct.pack("<3I", 3, 1, 2), "is not a PNG or TIFF image")
