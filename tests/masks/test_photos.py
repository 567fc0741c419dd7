"""Images that errors are drawn on: as they are seen, of the kinds that are drawn, and of the size of their masks."""

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from support import tiffs

from meaniou.masks import MaskError, photo

RAMP = np.repeat(np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6), 8, 0).repeat(8, 1)  # survives a JPEG


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def light_of(path: Path, content: bytes, shape: tuple[int, int] = RAMP.shape) -> np.ndarray:
    path.write_bytes(content)
    light = photo(path, shape)
    assert light.dtype == np.uint8
    assert light.shape == shape
    return light.astype(int)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_kinds(tmp_path: Path, kind: str, mode: str) -> None:
    content = encoded(Image.fromarray(RAMP).convert(mode), kind, **({} if kind in ("TIFF", "BMP") else {"quality": 95}))
    assert np.abs(light_of(tmp_path / "a", content) - RAMP).max() <= 3


def test_luma_and_palettes(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    luma = colours @ (0.299, 0.587, 0.114)
    assert np.abs(light_of(tmp_path / "a", encoded(Image.fromarray(colours), "PNG"), (4, 5)) - luma).max() <= 1
    image = Image.fromarray(RAMP).convert("P")
    for transparency in (3, bytes(range(0, 240, 10))):  # of the second Pillow warns
        assert (light_of(tmp_path / "a", encoded(image, "PNG", transparency=transparency)) == RAMP).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled(tmp_path: Path, kind: str) -> None:
    wide = RAMP.astype(np.uint16) * 257
    assert (light_of(tmp_path / "a", encoded(Image.fromarray(wide), kind)) == RAMP).all()


@pytest.mark.parametrize("compression", [None, "zlib", "jpeg"])
def test_tiffs_of_many_forms(tmp_path: Path, compression: str | None) -> None:
    bands = np.repeat(RAMP[..., None], 5, 2)
    bands[..., 3:] = 7  # such as near infrared
    planes, wide = np.moveaxis(bands, -1, 0), bands.astype(np.uint16) * 257
    forms: list[tuple[np.ndarray, dict[str, Any]]] = [(bands[..., :3], {"photometric": "rgb"})]
    if compression != "jpeg":
        forms += [(array, {"photometric": "rgb"}) for array in (bands[..., :4], bands, wide[..., :3], wide)]
        forms += [
            (planes, {"photometric": "rgb", "planarconfig": "separate"}),
            (255 - RAMP, {"photometric": "miniswhite"}),
        ]
    for array, settings in forms:
        file = io.BytesIO()
        tifffile.imwrite(file, array, compression=compression, **settings)
        assert np.abs(light_of(tmp_path / "a", file.getvalue()) - RAMP).max() <= 3, (array.shape, settings)
    palette = Image.fromarray(RAMP).convert("P")
    assert (light_of(tmp_path / "a", encoded(palette, "TIFF")) == RAMP).all()
    few = tiffs.tiff(RAMP // 64, bits=2)
    assert (light_of(tmp_path / "a", few) == RAMP // 64 * 85).all()
    assert (light_of(tmp_path / "a", tiffs.tiff(RAMP // 128, bits=1)) == RAMP // 128 * 255).all()


def test_damaged_tiffs_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = encoded(Image.fromarray(RAMP), "TIFF", compression="tiff_lzw")
    rng = np.random.default_rng(0)
    for _ in range(200):
        spoiled = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            spoiled[place] ^= int(rng.integers(1, 256))
        (tmp_path / "a").write_bytes(spoiled)
        with contextlib.suppress(MaskError):
            photo(tmp_path / "a", RAMP.shape)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_photos_are_turned_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    settings = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif, "quality": 95}
    content = encoded(Image.fromarray(RAMP), kind, **settings)
    shown = {  # by the standard: where row 0 and column 0 of what is stored are seen
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.T,
        6: RAMP.T[:, ::-1],
        7: RAMP.T[::-1, ::-1],
        8: RAMP.T[::-1],
    }[orientation]
    assert np.abs(light_of(tmp_path / "a", content, shown.shape) - shown).max() <= 3
    if orientation > 4:
        with pytest.raises(MaskError, match="is 48 x 32, but its masks are 32 x 48"):
            photo(tmp_path / "a", RAMP.shape)


def test_what_is_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    for content, part in (
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n", "is not a PNG, JPEG, TIFF, WebP or BMP image"),
        (encoded(Image.fromarray(RAMP), "TGA"), "is not a PNG, JPEG, TIFF, WebP or BMP image"),
        (encoded(Image.fromarray(RAMP), "PCX"), "is not a PNG, JPEG, TIFF, WebP or BMP image"),
        (b"", "is not a PNG, JPEG, TIFF, WebP or BMP image"),
        (
            b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\4IDAT" + bytes(8),
            "is 50000 x 50000, but its masks are 32 x 48",
        ),  # not decoded
        (encoded(Image.fromarray(RAMP), "PNG")[:60], "Cannot read"),
        (encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), "float32 values of 32 bits"),
    ):
        path.write_bytes(content)
        with pytest.raises(MaskError) as error:
            photo(path, RAMP.shape)
        assert part in str(error.value)
        assert str(path) in str(error.value)
        assert str(error.value).endswith(".")


def test_the_limits_of_pillow_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert (light_of(tmp_path / "a", encoded(Image.fromarray(RAMP), "PNG")) == RAMP).all()
