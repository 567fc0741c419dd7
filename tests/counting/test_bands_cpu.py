"""The compiled kernel of bands: stripes, words, rows of any length, wide windows, codes, threads, and its memory.

Counts of bands in general are in test_bands; here the portable kernel is the oracle.
"""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import peak_bytes
from support import assert_same_counts, planes_of
from support.bands import VALID, assert_same_bands, band_batch, band_spec, bands_by_kernel, regions, valid_of
from support.grid import grid, number_of_examples
from support.layouts import LAYOUTS

from meaniou.counting.kernels.cpu import band_labels, band_loops
from meaniou.counting.kernels.cpu import bands as cpu
from meaniou.counting.kernels.portable import bands as portable
from meaniou.counting.kernels.spec import CountSpec

IGNORE = (255, -1)
AROUND = [band_loops.STRIPE + i for i in (-1, 0, 1, 63)]


@pytest.fixture
def threads(request, monkeypatch):
    """Splits even small maps between some threads."""
    monkeypatch.setattr(cpu, "PER_THREAD", 64)
    monkeypatch.setattr(cpu, "BLOCK", 256)
    monkeypatch.setattr(band_labels, "SCORES_PER_THREAD", 256)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def assert_as_portable(preds, target, valid, spec, of_bands):
    """Fails unless the kernel counts as the portable one; returns the bands."""
    matrix, bands = bands_by_kernel(cpu.count_bands, preds, target, valid, spec, of_bands)
    expected_matrix, expected = bands_by_kernel(portable.count_bands, preds, target, valid, spec, of_bands)
    assert_same_counts(matrix, expected_matrix)
    assert_same_bands(bands, expected.numpy())
    return bands


@pytest.mark.parametrize("num_classes", [5, 300])
@pytest.mark.parametrize("shape", [(9, n) for n in (1, 2, 63, 64, 65, *AROUND)] + [(AROUND[2], 3), (3, 2, AROUND[1])])
def test_sides_around_stripes_and_words(rng, shape, num_classes):
    spec = CountSpec("labels", "labels", num_classes, IGNORE)
    batch = band_batch(rng, (1, *shape), spec, size=40)
    assert assert_as_portable(*batch, None, spec, band_spec([1, 4])).any()
    assert_as_portable(*batch, None, spec, band_spec([1, 4], edge=False))


@number_of_examples(fast=40, slow=400)
def test_any_width(examples):
    """Widths up to the longest side: windows that hold the image, or leave it everywhere."""

    @settings(max_examples=examples, deadline=None)
    @given(
        sides=st.lists(st.integers(1, 12), min_size=2, max_size=3),
        images=st.integers(0, 3),
        share=st.floats(0, 1),
        edge=st.booleans(),
        literal=st.booleans(),
        drop=st.booleans(),
        valid=st.sampled_from(VALID),
        seed=st.integers(0, 2**32 - 1),
    )
    def compare(sides, images, share, edge, literal, drop, valid, seed):
        rng, shape = np.random.default_rng(seed), (images, *sides)
        spec = CountSpec("labels", "labels", 4, IGNORE, validate=False)
        batch = band_batch(rng, shape, spec)
        widths = sorted({max(1, round(share * max(sides))), max(sides)})
        of_bands = band_spec(widths, edge=edge, literal=literal, drop=drop)
        assert_as_portable(*batch, valid_of(rng, shape, valid), spec, of_bands)

    compare()


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int64], ids=str)
def test_every_label_of_a_dtype(rng, dtype, drop):
    """Void among the classes and beyond, few void labels and many, and more classes than the dtype has labels."""
    low, high = max(torch.iinfo(dtype).min, -200), min(torch.iinfo(dtype).max, 400)
    values = [*range(low, high + 1), torch.iinfo(dtype).min, torch.iinfo(dtype).max]
    sides = [torch.from_numpy(regions(rng, (1, 40, 50), values)).to(dtype) for _ in range(2)]
    for num_classes, ignore in (
        (19, (255,)),
        (130, (3, -1)),
        (253, (0, 255, -1)),
        (254, tuple(range(-3, 9))),
        (300, ()),
    ):
        spec = CountSpec("labels", "labels", num_classes, ignore, validate=False)
        for void in ({}, {"literal": True}):
            assert_as_portable(*sides, None, spec, band_spec([1], drop=drop, **void))


FORMS = ("uint8", "int64", "volumes", "strided", "boxes", "scores", "halves", "channels_last")


@grid("threads", threads=(1, 2, 3), form=FORMS, images=(1, 2, 5))
def test_threads_count_as_one(rng, threads, form, images):
    """Images split among threads, and one image split among threads, by rows and by columns."""
    shape = (images, 7, 19, 23) if form == "volumes" else (images, 61, 83)
    spec = CountSpec("labels", "labels", 5, () if form in ("scores", "halves", "channels_last") else IGNORE)
    preds, target = band_batch(rng, shape, spec, size=12)
    valid = valid_of(rng, shape, "boxes with holes" if form == "boxes" else "none")
    if form == "uint8":
        preds, target = preds.clamp(0, 255).to(torch.uint8), target.clamp(0, 255).to(torch.uint8)
    elif form == "strided":
        preds, target = LAYOUTS["transposed"](preds), LAYOUTS["sliced"](target)
    elif form in ("scores", "halves", "channels_last"):
        spec = spec._replace(preds_form="scores")
        preds = planes_of(preds.clamp(0, 4), 5, torch.float16 if form == "halves" else torch.float32).contiguous()
        preds[torch.from_numpy(rng.random(preds.shape) < 0.01)] = float("nan")
        preds = LAYOUTS["channels_last"](preds) if form == "channels_last" else preds
    spec = spec._replace(validate=False)
    assert assert_as_portable(preds, target, valid, spec, band_spec([3, 0.02])).any()
    if threads > 1 and images == 1:
        assert any(thread.name.startswith("meaniou") for thread in threading.enumerate())


def test_what_is_cut_off_a_batch_changes_nothing(rng):
    """The room of an image is reused for the next: it holds codes and windows of other images, of another size."""
    spec = CountSpec("labels", "labels", 5, IGNORE)
    shape = (4, 30, 34)
    batch, valid = band_batch(rng, shape, spec), valid_of(rng, shape, "boxes")
    bands = assert_as_portable(*batch, valid, spec, band_spec([2], edge=False))
    for i in range(4):
        image = slice(i, i + 1)
        of_image = (side[image] for side in (*batch, valid))
        assert_same_bands(assert_as_portable(*of_image, spec, band_spec([2], edge=False)), bands[image].numpy())


@pytest.fixture
def peak():
    """The most memory of a second call, on one thread; the first one may compile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def of_call(*batch):
        bands_by_kernel(cpu.count_bands, *batch)
        return peak_bytes(lambda: bands_by_kernel(cpu.count_bands, *batch))

    yield of_call
    torch.set_num_threads(before)


@pytest.mark.parametrize(("num_classes", "per_pixel"), [(19, 4), (253, 4), (254, 8)])
def test_the_memory_is_that_of_one_image(rng, peak, num_classes, per_pixel):
    """Four maps of 1 or 2 bytes a pixel, whatever the batch, the dtype, the width and the number of widths."""
    spec, pixels = CountSpec("labels", "labels", num_classes, (255,)), 1 << 20
    image = torch.from_numpy(regions(rng, (1, 1 << 10, 1 << 10), range(19), 60))
    room = (1 << 20) + 3 * 8 * (num_classes + 2) ** 2
    for images, dtype, widths in ((1, torch.uint8, (46,)), (3, torch.int64, (5, 20, 46))):
        maps = [image.repeat(images, 1, 1).to(dtype) for _ in range(2)]
        most = peak(*maps, None, spec, band_spec(widths))
        assert per_pixel * pixels <= most < per_pixel * pixels + room, (images, dtype, most / pixels)


def test_scores_take_the_memory_of_one_image(rng, peak):
    """The labels of two images are held for a moment, of three."""
    spec, pixels = CountSpec("scores", "labels", 5), 1 << 20
    target = torch.from_numpy(regions(rng, (3, 1 << 10, 1 << 10), range(5), 60)).to(torch.uint8)
    scores = planes_of(target.long(), 5, torch.float16).contiguous()
    assert peak(scores, target, None, spec, band_spec([20])) < 6.5 * pixels


def test_a_wide_window_takes_the_memory_of_its_columns(peak):
    """A block of rows holds the columns of the image, also where they are fewer than those of a stripe."""
    labels = torch.zeros(1, 40_000, 2, dtype=torch.uint8)
    most = peak(labels, labels, None, CountSpec("labels", "labels", 2), band_spec([20_000], edge=False))
    assert most < 8 * labels.numel() + (1 << 20)


@pytest.mark.parametrize("edge", [True, False])
def test_windows_by_the_definition(rng, edge):
    """Each axis alone, with any label, against the labels in each window."""
    codes = rng.choice(np.array([0, 0, 1, 2, 7], np.uint8), size=(6, 40)).repeat(2, 1)
    for width in (1, 2, 3, 5, 8, 39, 40, 79, 200):
        expected = np.empty_like(codes)
        for place in np.ndindex(codes.shape):
            first, last = place[1] - width, place[1] + width
            held = np.setdiff1d(codes[place[0], max(0, first) : last + 1], [0])
            many = len(held) > 1 or (edge and (first < 0 or last >= codes.shape[1]))
            expected[place] = 255 if many else held[0] if len(held) else 0
        windows = np.empty_like(codes)
        band_loops.row_windows(codes, width, edge, windows)
        assert np.array_equal(windows, expected), width
        lines = np.ascontiguousarray(codes.T)[None]
        band_loops.merge_windows(lines, width, edge, 0, 3)
        band_loops.merge_windows(lines, width, edge, 3, 6)
        assert np.array_equal(lines[0].T, expected), width
