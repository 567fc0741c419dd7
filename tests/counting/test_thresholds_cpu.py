"""The compiled kernel of labels that overlap: chunks, histograms, buckets of scores, threads, and what it copies."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import peak_bytes
from support import assert_same_counts
from support.labels import (
    IGNORE,
    assert_counts,
    assert_same_label_counts,
    batch_of,
    difficult_labels,
    difficult_scores,
    spec_of,
)
from support.layouts import LAYOUTS

from meaniou.counting.kernels.cpu import threshold_loops as loops
from meaniou.counting.kernels.cpu import thresholds as cpu
from meaniou.counting.kernels.portable import thresholds as portable

ONE, SEVERAL = spec_of(ignore=IGNORE), spec_of([k / 10 for k in range(11)], ignore=IGNORE)
AROUND = [loops.CHUNK * k + i for k in (1, 2) for i in (-65, -1, 0, 1, 7)]


@pytest.fixture
def two_threads(monkeypatch):
    """Splits even small maps between two threads."""
    monkeypatch.setattr(cpu, "PER_THREAD", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def assert_cpu_counts(preds, target, valid, spec):
    """The counts, which are checked against those of the portable kernel."""
    counts = cpu.count_thresholds(preds, target, valid, spec)
    assert_same_label_counts(counts, portable.count_on_cpu(preds, target, valid, spec).numpy())
    return counts


@pytest.mark.parametrize("spec", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("pixels", [1, 2, 3, 4, 5, 63, 64, 65, *AROUND])
def test_pixels_around_every_chunk(rng, spec, pixels):
    for images in (False, True):
        for dtypes in ((torch.float32, torch.uint8), (torch.float32, torch.int64), (torch.uint8, torch.uint8)):
            if spec is ONE or dtypes[0].is_floating_point:
                batch = batch_of(rng, (2, 2, pixels), spec, dtypes, valid=True)
                assert_cpu_counts(*batch[:2], None, spec._replace(images=images))
                assert_cpu_counts(*batch, spec._replace(images=images))
                assert_cpu_counts(*(LAYOUTS["channels_last"](side) for side in batch), spec._replace(images=images))


@pytest.mark.parametrize("spec", [ONE, SEVERAL], ids=["one", "several"])
def test_one_odd_pixel_anywhere(spec):
    """A single void pixel, value outside or NaN among chunks of zeros and ones."""
    size = loops.CHUNK
    for place in (0, 1, 15, 16, 31, 32, 63, 64, size - 1, size, size + 1, 2 * size - 1, 2 * size, 2 * size + 4):
        for value in (255, 3):
            scores, target = torch.full((1, 1, 2 * size + 5), 0.75), torch.ones(1, 1, 2 * size + 5, dtype=torch.uint8)
            target[0, 0, place] = value
            assert_cpu_counts(scores, target, None, spec)
            scores[0, 0, place] = float("nan")
            counts = assert_cpu_counts(scores, target, None, spec)
            assert counts[0, 0, 2 if value == 255 else 3, spec.number + 1] == 1
            assert counts.sum() == 2 * size + 5


def test_one_histogram_and_several(rng, monkeypatch):
    used = []
    count = loops.count_planes
    monkeypatch.setattr(loops, "count_planes", lambda *args: used.append(args[10][3]) or count(*args))
    for pixels in (100, 40_000):
        assert_cpu_counts(*batch_of(rng, (1, 2, pixels), SEVERAL), SEVERAL)
    assert used == [1, loops.COPIES]


IN_PLACE = {
    "contiguous": lambda x: x,
    "channels last": LAYOUTS["channels_last"],
    "unaligned": LAYOUTS["unaligned"],
    "every second pixel": LAYOUTS["sliced"],
    "labels of more": lambda x: torch.cat([x, x], 1)[:, 1:-1],
    "every second image": lambda x: x.repeat_interleave(2, 0)[::2],
    "expanded labels": lambda x: x[:, :1].expand(x.shape),
    "expanded images": lambda x: x[:1].expand(x.shape),
    "expanded pixels": lambda x: x[:, :, :1, :1].expand(x.shape),
    "labels and images exchanged": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
}
COPIED = {
    "part of the rows": LAYOUTS["from_a_larger"],
    "transposed": LAYOUTS["transposed"],
    "expanded rows": lambda x: x[:, :, :1].expand(x.shape),
}


@pytest.mark.parametrize("layout", IN_PLACE | COPIED)
def test_what_is_copied(rng, monkeypatch, layout):
    tiles = []
    copy = cpu._copied
    monkeypatch.setattr(cpu, "_copied", lambda *args: tiles.append(args[0].shape) or copy(*args))
    monkeypatch.setattr(cpu, "TILE", 16)
    for spec in (ONE, SEVERAL):
        for images in (False, True):
            maps = [(IN_PLACE | COPIED)[layout](side) for side in batch_of(rng, (2, 4, 6, 8), spec, valid=True)]
            assert_cpu_counts(*maps, spec._replace(images=images))
    assert bool(tiles) == (layout in COPIED)
    assert all(tile.numel() <= 16 for tile in tiles)


@pytest.mark.parametrize("tile", [1, 5, 48, 100, 1000])
def test_tiles_of_any_size(rng, monkeypatch, tile):
    monkeypatch.setattr(cpu, "TILE", tile)
    for spec in (ONE, SEVERAL, spec_of((0.1, 0.5, 0.9, 0.0), per_label=True)):
        for images in (False, True):
            batch = batch_of(rng, (2, 4, 6, 8), spec, (torch.float32, torch.int16), valid=True)
            assert_cpu_counts(*batch, spec._replace(images=images))


def test_dtypes_that_are_copied(rng):
    for dtype in (torch.int16, torch.uint16, torch.int32, torch.uint32, torch.float16, torch.bfloat16):
        assert cpu._side(torch.zeros(1, 1, 2, dtype=dtype), cpu.TARGET_AS, ()) is None
        assert_cpu_counts(*batch_of(rng, (2, 3, 50), SEVERAL, (torch.float32, dtype)), SEVERAL)


@pytest.mark.parametrize("byte", [2, 3, 255])
@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_bools_of_other_bytes(rng, byte, layout):
    flags = rng.random((2, 2, 3, 200)) < 0.5
    odd, plain = torch.from_numpy((flags * np.uint8(byte)).view(bool)), torch.from_numpy(flags)
    if layout == "strided":
        odd, plain = odd[..., ::2, ::3], plain[..., ::2, ::3]
    scores = torch.rand(plain.shape)
    assert torch.equal(assert_cpu_counts(odd, plain, None, ONE), assert_cpu_counts(plain, plain, None, ONE))
    assert torch.equal(assert_cpu_counts(odd, odd, None, ONE), assert_cpu_counts(plain, plain, None, ONE))
    assert torch.equal(assert_cpu_counts(scores, odd, odd, SEVERAL), assert_cpu_counts(scores, plain, plain, SEVERAL))


def test_values_are_void_in_the_dtypes_that_hold_them():
    assert cpu.void_of((-1, 2, 255, 2**40), torch.uint8).tolist() == [2, 255]
    assert cpu.void_of((-1, 2, 255, 2**40), torch.int8).tolist() == [255, 2]
    assert cpu.void_of((-1, 2**40), torch.int64).tolist() == [2**64 - 1, 2**40]
    assert cpu.void_of((-1, 2**24 + 1), torch.float32).tolist() == [-1]
    assert cpu.void_of((-1, 255), torch.bool).size == 0
    # 255 is not the byte of -1, nor is 2^32 + 7 the value 7.
    target = torch.tensor([[[0, 1, -1]]], dtype=torch.int8)
    assert assert_cpu_counts(torch.rand(1, 1, 3), target, None, spec_of(ignore=(255,)))[0, 0, 3].sum() == 1
    target = torch.tensor([[[0, 1, 2**32 + 7]]])
    assert assert_cpu_counts(torch.rand(1, 1, 3), target, None, spec_of(ignore=(7,)))[0, 0, 3].sum() == 1


NUMBERS = (
    st.floats(allow_nan=False) | st.floats(allow_nan=False, width=32) | st.floats(-1, 1) | st.integers(-5, 5).map(float)
)


@settings(max_examples=200, deadline=None)
@given(st.sets(NUMBERS, min_size=2, max_size=60).map(sorted), st.booleans(), st.booleans())
def test_a_bucket_bounds_the_columns_of_its_scores(thresholds, inclusive, double):
    """The first cell of a bucket and the edges in it enclose the column of every score near an edge."""
    spec = spec_of(thresholds, inclusive=inclusive)
    edges, table, grid, _ = cpu.rule_of(spec.thresholds, False, inclusive, double)
    number, columns = table.size // 4, len(thresholds) + 3
    scores = near(edges[: len(thresholds)])
    column = np.searchsorted(edges[: len(thresholds)], scores, "right" if inclusive else "left")
    bucket = cpu._buckets(scores, grid, number - 1)
    for row in range(4):
        entry = table[row * number + bucket]
        first = (entry & 0xFFFF) - row * columns
        assert (first <= column).all()
        assert (column <= first + (entry >> 16)).all()
        assert table[row * number + number - 1] == row * columns + len(thresholds) + 1  # NaN
    counts = cpu.count_thresholds(torch.from_numpy(scores)[None, None], torch.zeros(1, 1, len(scores)), None, spec)
    assert_same_counts(counts[0, :, 0], np.bincount(column, minlength=columns)[None])


def near(edges):
    """The edges, the numbers beside them, those between them, and the ends of the range."""
    one = edges.dtype.type
    with np.errstate(all="ignore"):
        beside = [np.nextafter(edges, one(end)) for end in (np.inf, -np.inf)]
        between = [edges[:-1] * one(1 - share) + edges[1:] * one(share) for share in (0.25, 0.5, 0.75)]
    scores = np.concatenate([edges, *beside, *between, np.array([0.0, -0.0, np.inf, -np.inf], edges.dtype)])
    return scores[~np.isnan(scores)]


@pytest.mark.parametrize("number", [2, 3, 11, 51, 100, 101, 201])
def test_even_thresholds_have_at_most_one_edge_in_a_bucket(number):
    thresholds = spec_of([k / (number - 1) for k in range(number)]).thresholds
    for double in (False, True):
        table = cpu.rule_of(thresholds, False, False, double)[1]
        assert (table >> 16).max() <= 1


def test_one_bucket_is_enough_for_thresholds_without_a_range():
    for thresholds in ((-float("inf"), float("inf")), (-1e300, 1e300), (0.1, 0.1 + 1e-12)):
        scores = torch.tensor([[[-1e30, -1.0, 0.0, 0.1, 0.2, float("inf"), -float("inf"), float("nan")]]])
        spec = spec_of(thresholds)
        assert cpu.rule_of(spec.thresholds, False, False, False)[2].tolist() == [0, 0]
        assert_counts(assert_cpu_counts(scores, scores > 0, None, spec), scores, scores > 0, None, spec)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_small_scores_when_subnormal_numbers_are_read_as_zero(dtype):
    """The smallest scores in float16 are normal numbers in float32."""
    smallest = torch.finfo(torch.float16 if dtype == torch.float16 else torch.float32).smallest_normal
    scores = torch.tensor([[[smallest, smallest / 512 if dtype == torch.float16 else 2 * smallest, 0.0, -smallest]]])
    scores, target = scores.to(dtype), torch.ones(1, 1, 4, dtype=torch.uint8)
    if not torch.set_flush_denormal(True):
        pytest.skip("This processor cannot.")
    try:
        for spec in (spec_of((0.0,)), spec_of((0.0, 0.5))):
            counts = cpu.count_thresholds(scores, target, None, spec)
            assert counts[0, 0, 1, :2].tolist() == [2, 2]
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize("spec", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_two_threads_count_as_one(rng, two_threads, spec, images, layout):
    for shape in ((5, 3, 40, 70), (1, 1, 9000), (300, 2, 8)):
        batch = batch_of(rng, shape, spec, valid=True)
        assert_cpu_counts(*(LAYOUTS[layout](side) for side in batch), spec._replace(images=images))
    assert any(thread.name.startswith("meaniou") for thread in threading.enumerate())


def test_a_small_batch_starts_no_thread(rng, monkeypatch):
    started = []
    monkeypatch.setattr("meaniou.counting.kernels.cpu.threads._threads", started.append)
    assert_cpu_counts(*batch_of(rng, (1, 8, 64, 64), SEVERAL), SEVERAL)
    assert started == []


def test_many_python_threads_at_once(rng, two_threads):
    batch = batch_of(rng, (3, 4, 50, 60), SEVERAL, valid=True)
    expected, counts = assert_cpu_counts(*batch, SEVERAL), []

    def count():
        counts.extend(cpu.count_thresholds(*batch, SEVERAL) for _ in range(20))

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert len(counts) == 120
    assert all(torch.equal(one, expected) for one in counts)


def test_large_maps(rng):
    """The portable kernel is the oracle for maps that are too large for the reference."""
    for spec in (ONE, SEVERAL, spec_of([k / 3000 for k in range(3000)])):
        scores = torch.rand(3, 2, 300, 401, generator=torch.Generator().manual_seed(0))
        target = difficult_labels(rng, scores.shape, torch.uint8)
        assert_cpu_counts(scores, target, None, spec)
        assert_cpu_counts(difficult_scores(rng, scores.shape, torch.float64, (0.2, 0.5)), target, None, spec)


def test_nothing_is_copied_of_a_large_map():
    """In place the buffers of a thread are all that is added."""
    scores = torch.rand(2, 8, 512, 512, generator=torch.Generator().manual_seed(0))
    target = scores < 0.3
    for spec in (ONE, SEVERAL):
        for layout in ("contiguous", "channels_last", "unaligned"):
            maps = [LAYOUTS[layout](side) for side in (scores, target)]
            cpu.count_thresholds(*maps, None, spec)
            assert peak_bytes(lambda maps=maps, spec=spec: cpu.count_thresholds(*maps, None, spec)) < 1 << 17
