"""Stacks of maps, one for each label: read as stored from arrays and TIFF pages, or refused in one sentence."""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support import assert_sentence
from support.tiffs import LONG, tiff

from meaniou.masks import MaskError, Pair, read, read_pair

STACK = np.arange(2 * 3 * 4).reshape(2, 3, 4)
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float16", "float32", "float64")
MINISBLACK: dict[str, Any] = {"photometric": "minisblack"}


def written(path: Path, stack: np.ndarray, **options: Any) -> Path:
    """The path, once the stack is stored there in the format of its suffix."""
    if path.suffix == ".npy":
        np.save(path, stack)
    elif path.suffix == ".npz":
        np.savez_compressed(path, stack)
    else:
        tifffile.imwrite(path, stack, **(MINISBLACK | options))
    return path


def assert_refused(path: Path, *parts: str, **settings: Any) -> None:
    with pytest.raises(MaskError) as error:
        read(path, multilabel=True, **settings)
    assert_sentence(error, str(path), *parts)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(suffix, dtype) for suffix in (".npy", ".npz", ".tif") for dtype in DTYPES if (suffix, dtype) != (".tif", "bool")],
)
def test_a_stack_is_read_as_stored(tmp_path: Path, suffix: str, dtype: str) -> None:
    stack = (STACK % 2 if dtype == "bool" else STACK).astype(dtype)
    labels = read(written(tmp_path / f"a{suffix}", stack), multilabel=True)
    assert labels.dtype == stack.dtype
    np.testing.assert_array_equal(labels, stack)


@pytest.mark.parametrize("shape", [(2, 5), (2, 3, 4), (2, 3, 4, 2), (1, 3, 4)])
def test_arrays_have_any_axes_after_that_of_the_labels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    stack = np.zeros(shape, np.float32)
    assert read(written(tmp_path / "a.npy", stack), multilabel=True).shape == shape


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"byteorder": ">"}, {"imagej": True}, {"ome": True}]
)
def test_pages_are_labels_however_they_are_stored(tmp_path: Path, options: dict[str, Any]) -> None:
    stack = np.random.default_rng(0).random((3, 20, 17)).astype(np.float32)
    path = written(tmp_path / "a.tif", stack, **options)
    np.testing.assert_array_equal(read(path, multilabel=True), stack)


def test_a_single_page_is_one_label_and_overviews_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(STACK[0], subifds=0)
        file.write(STACK[0, ::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(read(path, multilabel=True), STACK[:1])


def test_pages_of_pillow(tmp_path: Path) -> None:
    pages = [Image.fromarray(page) for page in (STACK % 2).astype(np.uint8)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read(tmp_path / "a.tif", multilabel=True), STACK % 2)


@pytest.mark.parametrize(
    ("stack", "parts"),
    [
        (np.zeros(5), ["shape 5;", "one for each label", "np.stack(maps)", "multilabel"]),
        (np.zeros(()), ["shape ();"]),
        (np.zeros((2, 3), complex), ["complex128", "scores (float16, float32, float64)", "astype('float32')"]),
        (np.zeros((2, 3), np.uint64), ["uint64", "astype('uint8')"]),
        (np.zeros((2, 3), "U3"), ["<U3"]),
        (np.zeros((2, 3), np.longdouble), ["float128"]),
    ],
)
def test_arrays_that_are_no_stacks(tmp_path: Path, stack: np.ndarray, parts: list[str]) -> None:
    assert_refused(written(tmp_path / "a.npy", stack), *parts)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harm",))

    np.save(tmp_path / "a.npy", np.array([[Harm(), 1]], object), allow_pickle=True)
    assert_refused(tmp_path / "a.npy", "dtype object")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Harm()))
    assert_refused(tmp_path / "b.npy", "NumPy array")
    assert not (tmp_path / "harm").exists()


def test_a_png_file_holds_no_stack(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "a.png")
    assert_refused(tmp_path / "a.png", "PNG", "TIFF with a page for each label", "Leave out multilabel")


def pages(*several: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in several:
            writer.write(page, **options)
    return file.getvalue()


GREY = np.zeros((3, 4), np.uint8)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (pages(GREY, GREY[:2]), ["(page 2)", "2 x 4", "page 1 3 x 4", "same size"]),
        (pages(GREY, GREY.astype(np.float32)), ["(page 2)", "float32", "uint8", "one dtype"]),
        (pages(np.zeros((3, 4, 3), np.uint8), photometric="rgb"), ["(page 1)", "3 channels (RGB)", "minisblack"]),
        (pages(GREY, np.zeros((3, 4, 3), np.uint8)), ["(page 2)", "3 channels"]),
        (pages(np.zeros((3, 3, 4), np.uint8), photometric="rgb", planarconfig="separate"), ["minisblack"]),
        (
            pages(GREY, photometric="palette", colormap=np.zeros((3, 256), np.uint16)),
            ["(page 1)", "1 channel (PALETTE)", "greyscale page for each label"],
        ),
        (pages(GREY, photometric="miniswhite"), ["(page 1)", "inverted values"]),
        (pages(GREY.astype(np.float32), compression="zlib", predictor=3), ["floating-point predictor"]),
        (pages(GREY.astype(np.complex64)), ["complex64"]),
        (pages(GREY, extratags=[(274, 3, 1, 3, True)]), ["orientation"]),
        (tiff(GREY, tags={254: (LONG, [4])}), ["transparency mask"]),
        (tiff(GREY)[:60], ["Cannot read"]),
    ],
)
def test_pages_that_are_no_labels(tmp_path: Path, content: bytes, parts: list[str]) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert_refused(tmp_path / "a.tif", *parts)


def test_volumes_and_hidden_images_are_no_pages(tmp_path: Path) -> None:
    volumes = np.zeros((2, 5, 3, 4), np.uint8)
    assert_refused(written(tmp_path / "a.tif", volumes), "shape 2 x 5 x 3 x 4", "[L, D, H, W] as .npy")
    assert_refused(written(tmp_path / "b.tif", volumes, imagej=True), "several axes of pages")
    tifffile.imwrite(tmp_path / "c.tif", volumes[0], truncate=True, **MINISBLACK)
    assert_refused(tmp_path / "c.tif", "several images in one page")


@pytest.mark.parametrize("multilabel", [True, False])
def test_pages_that_never_end(tmp_path: Path, multilabel: bool) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(GREY, metadata=None)
        file.write(GREY[::2, ::2], metadata=None, subfiletype=1)  # an overview, which is passed over
    assert read(path, multilabel=multilabel).shape[-2:] == GREY.shape
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff_file:
        last = tiff_file.pages[1].offset
    (entries,) = struct.unpack_from("<H", content, last)
    struct.pack_into("<I", content, last + 2 + 12 * entries, last)  # the page after the overview is the overview
    path.write_bytes(content)
    with pytest.raises(MaskError) as error:
        read(path, multilabel=multilabel)
    assert_sentence(error, f"Cannot read {path}")


def test_large_stacks_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    stack = np.zeros((3, 20, 30), np.uint8)
    for suffix in (".npz", ".tif"):
        path = written(tmp_path / f"a{suffix}", stack)
        assert_refused(path, "1,800 pixels", "max_pixels=1800", max_pixels=1799)
        assert read(path, 1800, multilabel=True).shape == stack.shape
    many = pages(*[np.zeros((1, 1), np.uint8)] * 4097)
    (tmp_path / "b.tif").write_bytes(many)
    assert_refused(tmp_path / "b.tif", "more than 4,096 pages")


def shapes_refused(tmp_path: Path, pred: np.ndarray, target: np.ndarray, multilabel: bool) -> str:
    pair = Pair("a", *(written(tmp_path / f"{side}.npy", labels) for side, labels in (("p", pred), ("t", target))))
    with pytest.raises(MaskError) as error:
        read_pair(pair, multilabel=multilabel)
    assert_sentence(error, "p.npy", "t.npy")
    return error.value.as_options


@pytest.mark.parametrize(
    ("pred", "target", "cure"),
    [
        ((2, 3, 4), (3, 3, 4), "the same labels in the same order"),
        ((3, 4, 2), (2, 3, 4), "np.moveaxis(array, -1, 0) of the prediction"),
        ((2, 3, 4), (3, 4, 2), "np.moveaxis(array, -1, 0) of the ground truth"),
        ((2, 6, 8), (2, 3, 4), "Resize the scores"),
        ((2, 12), (2, 3, 4), "labels in the first axis"),
    ],
)
def test_stacks_of_two_shapes(tmp_path: Path, pred: tuple[int, ...], target: tuple[int, ...], cure: str) -> None:
    assert cure in shapes_refused(tmp_path, np.zeros(pred, np.float32), np.zeros(target, np.uint8), multilabel=True)


def test_maps_name_the_option_where_a_side_is_a_stack(tmp_path: Path) -> None:
    stack = (STACK % 2).astype(np.uint8)
    for pred, target in ((stack, stack[0]), (stack[0], stack)):
        assert "pass --multilabel" in shapes_refused(tmp_path, pred, target, multilabel=False)
    plain = shapes_refused(tmp_path, STACK, STACK[0], multilabel=False)
    assert "--multilabel" not in plain  # not 0 and 1 alone
    with pytest.raises(MaskError, match="pass multilabel"):
        read(written(tmp_path / "a.npy", STACK.astype(np.float32)))
    with pytest.raises(MaskError, match="pass multilabel"):
        read(written(tmp_path / "a.tif", stack))
    with pytest.raises(MaskError) as error:
        read(written(tmp_path / "b.npy", STACK[0].astype(np.float32)))
    assert "multilabel" not in str(error.value)


GOOD = {
    "npy": (lambda file: np.save(file, STACK.astype(np.float32)))(buffer := io.BytesIO()) or buffer.getvalue(),
    "tif": pages(*STACK.astype(np.uint8)),
}


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(GOOD)), places=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4))
def test_spoiled_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, places: list[tuple[float, int]]
) -> None:
    content = bytearray(GOOD[kind])
    for place, change in places:
        content[int(place * (len(content) - 1))] ^= change
    path = tmp_path_factory.mktemp("spoiled") / f"a.{kind}"
    path.write_bytes(content)
    try:
        stack = read(path, multilabel=True)
    except MaskError as error:
        text = str(error)
        assert str(path) in text
        assert text.endswith(".")
    else:
        assert stack.ndim > 1
