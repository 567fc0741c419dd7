"""Counts of every kernel equal the reference exactly; labels out of range raise; no waits, little memory."""

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import peak_bytes
from support import (
    FAR,
    LABEL_DTYPES,
    SCORE_DTYPES,
    NoWait,
    Recorder,
    as_numpy,
    assert_same_counts,
    blobs,
    expected_counts,
    name_of,
    planes_of,
    random_map,
    random_scores,
    whole_matrix,
)
from support.grid import grid
from support.kernels import CPU_KERNELS, count_all
from support.layouts import LAYOUTS, channels_last, from_a_larger, sliced

from meaniou import confusion_matrix, reference
from meaniou.counting.dispatch import why_not
from meaniou.counting.kernels import readers
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.spec import CountSpec

PORTABLE = [portable.count_on_cpu, portable.count_without_sync]
KERNELS = {f"portable.{function.__name__}": function for function in PORTABLE}
KERNELS |= {name: partial(count_all, module) for name, module in CPU_KERNELS.items()}
CLASSES = [1, 2, 17, 19, 150, 256, 1000]
MEBIBYTE = 1 << 20


def by_kernel(kernel, preds, target, num_classes, ignore=(), valid=None, forms=("labels", "labels"), threshold=0.5):
    """Counts by a kernel, with those per image, or by one of the two strategies of the portable one, on the CPU."""
    spec = CountSpec(*forms, num_classes, tuple(ignore), threshold)
    if kernel not in PORTABLE:
        return kernel(preds, target, valid, spec)
    truth, prediction = readers.target_reader(target, spec), readers.preds_reader(preds, spec)
    return kernel(truth, prediction, valid, num_classes)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 8 pixels, so that small maps cross tile borders."""

    def shrink(num_classes=1):
        monkeypatch.setattr(portable, "CPU_TILE", 8)
        monkeypatch.setattr(portable, "ACCELERATOR_TILE", 8)
        monkeypatch.setattr(portable, "CPU_SCORES", 32 * num_classes)
        monkeypatch.setattr(portable, "ACCELERATOR_SCORES", 32 * num_classes)
        monkeypatch.setattr(portable, "MAX_COPIED", 1 << 14)

    return shrink


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def kernel(request):
    return request.param


def rows_by_reference(preds, target, num_classes, ignore, valid):
    """The row of each image: pixels in both maps, in the ground truth, in the prediction, with a void prediction."""
    rows = []
    for maps in zip(preds, target, valid, strict=True):
        counts = expected_counts(*maps[:2], num_classes, ignore, maps[2])[:num_classes]
        classes = counts[:, :num_classes]
        rows.append(np.stack([classes.diagonal(), counts.sum(1), classes.sum(0), counts[:, num_classes]]))
    return np.stack(rows)


# The helpers themselves.


def test_a_wrong_matrix_is_noticed():
    right = np.arange(25, dtype=np.int64).reshape(5, 5)
    wrong = right.copy()
    wrong[3, 1] += 1
    wrong[4] = 0
    assert_same_counts(torch.from_numpy(right), right)
    with pytest.raises(pytest.fail.Exception, match=r"cell \(true=3, pred=1\): 17 != 16, 6 cells differ"):
        assert_same_counts(torch.from_numpy(wrong), right)
    with pytest.raises(pytest.fail.Exception, match=r"cell \(true=0, pred=1\): 5 != 1, 20 cells differ"):
        assert_same_counts(torch.from_numpy(right.T.copy()), right)
    with pytest.raises(AssertionError, match="float64"):
        assert_same_counts(torch.from_numpy(right.astype(float)), right)
    with pytest.raises(AssertionError, match=r"\(4, 4\)"):
        assert_same_counts(torch.from_numpy(right[:4, :4]), right)


def test_maps_hold_what_they_promise(rng):
    wide = random_map(rng, (60, 60), torch.int64, 19, [255, *FAR])
    assert set(wide.unique().tolist()) >= {0, 18, 19, -1, 254, 255, 2**32 + 1, *FAR, 2**63 - 1, -(2**63)}
    assert set(random_map(rng, (60, 60), torch.int8, 19).unique().tolist()) >= {0, 18, 19, -1, -128, 127, -100}
    preds, target = blobs(rng, 1024, 1024, 19)
    assert 0.005 < (target[:, :, 1:] != target[:, :, :-1]).float().mean() < 0.02
    assert 0.9 < (preds == target).float().mean() < 0.999
    scores = random_scores(rng, (1, 19, 40, 40), torch.float32)
    nan = scores.isnan()
    assert nan.any(1).sum() > nan.all(1).sum() > 0
    assert scores.isposinf().any()
    assert (scores == -math.inf).all(1).any()
    best = scores.amax(1, keepdim=True)
    assert ((scores == best).sum(1) > 1).any()


# Label maps.


@grid(preds_dtype=LABEL_DTYPES, truth_dtype=LABEL_DTYPES, num_classes=CLASSES)
def test_labels_of_every_dtype(rng, small_tiles, preds_dtype, truth_dtype, num_classes):
    small_tiles()
    for pixels in (0, 1, 7, 8, 9, 16, 43) if num_classes < 256 else (9, 43):
        preds = random_map(rng, (pixels,), preds_dtype, num_classes, [255])
        target = random_map(rng, (pixels,), truth_dtype, num_classes, [255])
        expected = expected_counts(preds, target, num_classes, [255])
        assert expected.sum() == pixels
        for kernel in KERNELS.values():
            assert_same_counts(by_kernel(kernel, preds, target, num_classes, [255]), expected)


@grid(
    num_classes=[1, 19, 254, 255, 256, 257, 300, 4096],
    others={"alone": [], "one below": [-1], "two above": [1, 2], "bytes": [-129, -128]},
    dtype=[torch.int16, torch.int64],
    kernel=KERNELS,
)
def test_ignored_ids_at_every_border(kernel, dtype, num_classes, others):
    """Labels at and beyond the ends of a table, and several next to each other."""
    borders = [-130, -129, -128, -127, -2, -1, 0, 254, 255, 256, 257, 258]
    borders += [num_classes + k for k in (-2, -1, 0, 1, 2)]
    labels = torch.tensor(sorted({*borders, 3, 2000, -2000}), dtype=dtype)
    preds, target = (m.flatten().contiguous() for m in torch.meshgrid(labels, labels, indexing="ij"))
    for border in borders[:: 1 if num_classes < 4096 else 4]:
        ids = list(dict.fromkeys([border, *(i if i < -2 else border + i for i in others)]))
        counts = by_kernel(kernel, preds, target, num_classes, ids)
        if num_classes < 4096:
            assert_same_counts(counts, expected_counts(preds, target, num_classes, ids))
        else:
            bins = [
                num_classes if i in ids else i if 0 <= i < num_classes else num_classes + 1 for i in labels.tolist()
            ]
            assert counts.sum() == preds.numel()
            assert [int(counts[bin].sum()) for bin in bins] == [bins.count(bin) * len(bins) for bin in bins]


STRATEGIES = {  # pixels per tile, cells of a table: the operators that must run, and those that must not
    "table by bincount": (512, 1 << 17, {"bincount", "index_add_"}, {"scatter_add_"}),
    "table by scatter": (8, 1 << 17, {"scatter_add_", "index_add_"}, {"bincount"}),
    "bins by bincount": (512, 20, {"bincount"}, {"scatter_add_", "index_add_"}),
    "bins by scatter": (8, 20, {"scatter_add_"}, {"bincount", "index_add_"}),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dtype", [torch.int16, torch.int64], ids=name_of)
def test_every_strategy_on_a_cpu(rng, monkeypatch, strategy, dtype):
    tile, cells, ran, idle = STRATEGIES[strategy]
    monkeypatch.setattr(portable, "CPU_TILE", tile)
    monkeypatch.setattr(portable, "MAX_TABLE", cells)
    for pixels in (512, 1536):
        preds, target = (random_map(rng, (pixels,), dtype, 2, [0]) for _ in "pt")
        with Recorder() as seen:
            counts = by_kernel(portable.count_on_cpu, preds, target, 2, [0])
        assert seen.names >= ran
        assert not seen.names & idle
        assert_same_counts(counts, expected_counts(preds, target, 2, [0]))


@grid(num_classes=[1, 2, 17, 19, 256, 1000], dtype=[torch.bool, torch.uint8, torch.int8, torch.int64], kernel=KERNELS)
def test_across_a_real_tile_border(rng, kernel, dtype, num_classes):
    # The joint table of 8-bit labels has 66,049 cells and is used from that number of pixels on.
    # A repeated map has repeated counts.
    small, repeats = 131, portable.CPU_TILE // 131 + 2
    preds, target = (random_map(rng, (small,), dtype, num_classes, [255, 0]) for _ in "pt")
    expected = expected_counts(preds, target, num_classes, [255, 0]) * repeats
    counts = by_kernel(kernel, preds.repeat(repeats), target.repeat(repeats), num_classes, [255, 0])
    assert small * repeats > portable.CPU_TILE
    assert_same_counts(counts, expected)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_pixels_at_a_real_tile_border(kernel, beyond):
    target = torch.zeros(portable.CPU_TILE + beyond, dtype=torch.uint8)
    target[-1] = 1
    counts = by_kernel(kernel, target, target, 2)
    assert counts.tolist() == [[target.numel() - 1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("num_classes", [17, 19, 150, 254, 255, 256, 257])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8], ids=name_of)
def test_all_pairs_of_8_bit_labels(kernel, dtype, num_classes):
    # C * y exceeds 8 bits from C = 17 on. Every pair occurs once, so a pixel in a wrong cell would show.
    every = torch.arange(256, dtype=torch.uint8).view(dtype)
    counts = by_kernel(
        kernel, every.repeat(257), every.repeat_interleave(256).repeat(2)[: 256 * 257], num_classes, [3, 255]
    )
    bins = [num_classes if i in (3, 255) else i if 0 <= i < num_classes else num_classes + 1 for i in every.tolist()]
    expected = np.zeros((num_classes + 2, num_classes + 2), dtype=np.int64)
    for true, pred in product(bins, bins):
        expected[true, pred] += 1
    for pred in bins:  # the first row of pairs occurs twice
        expected[bins[0], pred] += 1
    assert_same_counts(counts, expected)


@grid(preds_layout=LAYOUTS, target_layout=LAYOUTS, dtype=[torch.bool, torch.uint8, torch.uint16, torch.int64])
def test_layouts_of_labels(rng, small_tiles, preds_layout, target_layout, dtype):
    small_tiles()
    preds, target = (random_map(rng, (3, 5, 7), dtype, 19, [255]) for _ in "pt")
    expected = expected_counts(preds, target, 19, [255])
    preds, target = preds_layout(preds), target_layout(target)
    assert_same_counts(whole_matrix(preds, target, 19, ignore_index=255), expected)
    for kernel in KERNELS.values():
        assert_same_counts(by_kernel(kernel, preds, target, 19, [255]), expected)


@pytest.mark.parametrize("which", ["row", "image", "one pixel"])
def test_expanded_labels(rng, small_tiles, kernel, which):
    small_tiles()
    target = random_map(rng, (3, 5, 7), torch.uint8, 19)
    small = random_map(rng, {"row": (1, 1, 7), "image": (1, 5, 7), "one pixel": (1, 1, 1)}[which], torch.uint8, 19)
    preds = small.expand(3, 5, 7)
    assert 0 in preds.stride()
    expected = expected_counts(preds.contiguous(), target, 19)
    assert_same_counts(by_kernel(kernel, preds, target, 19), expected)
    assert_same_counts(whole_matrix(preds, target, 19), expected)
    assert_same_counts(whole_matrix(target, preds, 19), expected.T)


IGNORED = [
    None,
    255,
    3,
    0,
    18,
    (3, 255),
    (0, 18),
    -100,
    -1,
    -129,
    300,
    2**40,
    -(2**40),
    (2**40, -(2**40), 7),
    2**63 - 1,
    -(2**63),
]


@grid(ignore=IGNORED, dtype=LABEL_DTYPES, kernel=KERNELS)
def test_ignored_ids(rng, small_tiles, kernel, dtype, ignore):
    small_tiles()
    ids = () if ignore is None else ignore if isinstance(ignore, tuple) else (ignore,)
    preds, target = (random_map(rng, (2, 60), dtype, 19, ids) for _ in "pt")
    expected = expected_counts(preds, target, 19, ids)
    assert_same_counts(by_kernel(kernel, preds, target, 19, sorted(ids)), expected)
    assert_same_counts(whole_matrix(preds, target, 19, ignore_index=ignore), expected)


def test_ids_that_a_dtype_cannot_hold_are_no_ids(kernel):
    # 2**32 + 1 and -255 are 1 in their low bits, which is a class and is not ignored.
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32):
        ones = torch.ones(5, dtype=dtype)
        assert by_kernel(kernel, ones, ones, 3, [-255, 2**32 + 1])[1, 1] == 5


OUTSIDE = [19, 20, 254, 255, 256, -1, -100, 2**31, 2**32 + 1, -(2**32) + 1, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("label", OUTSIDE, ids=name_of)
@pytest.mark.parametrize("large", [False, True], ids=["small map", "large map"])
def test_outside_labels_are_counted_aside(label, large):
    rest = [7] * 1000 if large else []
    preds, target = torch.tensor([[label, 1, label, 2, *rest]]), torch.tensor([[1, label, label, 2, *rest]])
    counts = whole_matrix(preds, target, 19)
    expected = np.zeros((21, 21), dtype=np.int64)
    expected[1, 20] = expected[20, 1] = expected[20, 20] = expected[2, 2] = 1
    expected[7, 7] = len(rest)
    assert_same_counts(counts, expected)


@grid(
    layout=["contiguous", "transposed", "sliced"],
    shape=["images", "map", "map with a channel"],
    dtype=[torch.uint8, torch.int64],
    kernel=KERNELS,
)
def test_valid(rng, small_tiles, kernel, shape, dtype, layout):
    small_tiles()
    preds, target = (random_map(rng, (3, 5, 7), dtype, 19, [255]) for _ in "pt")
    valid = torch.tensor([True, False, True]) if shape == "images" else torch.from_numpy(rng.random((3, 5, 7)) < 0.6)
    expected = expected_counts(preds, target, 19, [255], valid)
    if shape == "images":
        valid = sliced(valid) if layout == "sliced" else valid
        full = valid.view(3, 1, 1).expand(3, 5, 7)
    else:
        full = valid = LAYOUTS[layout](valid)
    assert_same_counts(by_kernel(kernel, preds, target, 19, [255], full), expected)
    if shape == "map with a channel":
        valid, target = valid[:, None], target[:, None]
    assert_same_counts(whole_matrix(preds, target, 19, ignore_index=255, valid=valid), expected)


def test_nothing_is_valid():
    preds = torch.tensor([[0, 1, 255, -1]])
    counts = whole_matrix(preds, preds, 2, ignore_index=-1, valid=torch.zeros(1, dtype=torch.bool))
    assert counts[2].tolist() == [1, 1, 1, 1]
    assert counts.sum() == 4


def test_void_comes_before_outside():
    # An invalid pixel is void, whatever its ground truth.
    counts = confusion_matrix(torch.tensor([1]), torch.tensor([77]), 2, valid=torch.tensor([False]), include_void=True)
    assert counts[2].tolist() == [0, 1, 0, 0]


# Scores.


def scores_like(layout, scores):
    if layout == "sliced":
        return from_a_larger(sliced(scores))
    return LAYOUTS[layout](scores)


@grid(
    layout=["contiguous", "channels_last", "sliced", "transposed", "batch_last"],
    num_classes=[1, 2, 19, 150, 255, 256, 300],
    dtype=SCORE_DTYPES,
    kernel=KERNELS,
)
def test_scores(rng, small_tiles, kernel, dtype, num_classes, layout):
    small_tiles(num_classes)
    scores = random_scores(rng, (2, num_classes, 5, 7), dtype)
    target = random_map(rng, (2, 5, 7), torch.uint8, num_classes, [255])
    expected = reference.counts(
        reference.labels_of_scores(as_numpy(scores), num_classes), target.numpy(), num_classes, 255
    )
    scores = scores_like(layout, scores)
    assert_same_counts(by_kernel(kernel, scores, target, num_classes, [255], forms=("scores", "labels")), expected)
    assert_same_counts(whole_matrix(scores, target, num_classes, ignore_index=255), expected)


@pytest.mark.parametrize("dtype", SCORE_DTYPES, ids=name_of)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_scores_over_real_tiles(rng, dtype, layout):
    scores = random_scores(rng, (1, 19, 301, 307), dtype)
    target = random_map(rng, (1, 301, 307), torch.int64, 19, [255])
    labels = reference.labels_of_scores(as_numpy(scores), 19)
    assert_same_counts(
        whole_matrix(LAYOUTS[layout](scores), target, 19, ignore_index=255),
        reference.counts(labels, target.numpy(), 19, 255),
    )


SCORE_RULES = {  # scores of three classes, and the prediction: a class, or 3 for void
    "first of a tie": ([1.0, 2.0, 2.0], 1),
    "all equal": ([2.0, 2.0, 2.0], 0),
    "-0 equals 0": ([-0.0, 0.0, -1.0], 0),
    "0 equals -0": ([-1.0, 0.0, -0.0], 1),
    "infinity": ([0.0, 1.0, math.inf], 2),
    "two infinities": ([0.0, math.inf, math.inf], 1),
    "only -infinities": ([-math.inf] * 3, 0),
    "-infinity beside a score": ([-math.inf, -math.inf, -9.0], 2),
    "NaN in front": ([math.nan, 1.0, 2.0], 3),
    "NaN behind": ([2.0, 1.0, math.nan], 3),
    "NaN beside infinity": ([math.inf, math.nan, 0.0], 3),
    "all NaN": ([math.nan] * 3, 3),
}


@grid(rule=list(SCORE_RULES), dtype=SCORE_DTYPES, layout=["contiguous", "channels_last"], kernel=KERNELS)
def test_rules_of_scores(kernel, rule, dtype, layout):
    scores, predicted = SCORE_RULES[rule]
    pixels = torch.tensor(scores, dtype=dtype).view(1, 3, 1, 1).repeat(1, 1, 3, 11)
    target = torch.ones(1, 3, 11, dtype=torch.int64)
    counts = by_kernel(kernel, LAYOUTS[layout](pixels), target, 3, forms=("scores", "labels"))
    assert counts[1].tolist() == [33 * (bin == predicted) for bin in range(5)]


@pytest.mark.parametrize("dtype", SCORE_DTYPES, ids=name_of)
def test_an_ignored_class_as_a_prediction(rng, kernel, dtype):
    scores, target = random_scores(rng, (2, 4, 9), dtype), random_map(rng, (2, 9), torch.int64, 4, [2])
    expected = reference.counts(reference.labels_of_scores(as_numpy(scores), 4), target.numpy(), 4, [2, 255])
    assert_same_counts(by_kernel(kernel, scores, target, 4, [2, 255], forms=("scores", "labels")), expected)
    assert expected[:4, 4].sum() > expected[2].sum() == 0


def test_scores_that_are_nearly_equal():
    for dtype in SCORE_DTYPES:
        one = torch.ones((), dtype=dtype)
        higher = torch.nextafter(one, one * 2) if dtype.itemsize > 2 else one + torch.finfo(dtype).eps
        scores = torch.stack([one, higher]).view(1, 2, 1)
        assert whole_matrix(scores, torch.ones(1, 1, dtype=torch.int64), 2)[1, 1] == 1


@grid(threshold=[0.0, 0.5, -1.5, math.inf, -math.inf, 0.1, 1e6], dtype=SCORE_DTYPES, kernel=KERNELS)
def test_threshold(rng, small_tiles, kernel, dtype, threshold):
    small_tiles()
    values = [-math.inf, -2.0, -1.5, -0.0, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 65504.0, math.inf, math.nan]
    scores = torch.from_numpy(rng.choice(np.array(values), size=(2, 5, 7))).to(dtype)
    target = random_map(rng, (2, 5, 7), torch.int64, 2, [255])
    labels = reference.labels_of_threshold(as_numpy(scores), threshold)
    expected = reference.counts(labels, target.numpy(), 2, 255)
    assert_same_counts(by_kernel(kernel, scores, target, 2, [255], None, ("threshold", "labels"), threshold), expected)
    for channel in (scores, scores[:, None]):
        assert_same_counts(whole_matrix(channel, target, 2, ignore_index=255, threshold=threshold), expected)


# One-hot planes and floating labels.


@grid(num_classes=[1, 2, 19, 150, 300], dtype=[*LABEL_DTYPES, *SCORE_DTYPES], kernel=KERNELS)
def test_one_hot_truth(rng, small_tiles, kernel, dtype, num_classes):
    small_tiles(num_classes)
    target = planes_of(torch.from_numpy(rng.integers(0, num_classes, size=(2, 5, 7))), num_classes, dtype)
    target[0, :, 0, 0] = 0
    if num_classes > 1:
        target[0, 0:2, 0, 1] = 1
        target[1, -2:, 4, 6] = 1
    if dtype != torch.bool:
        target[0, 0, 1, 0] = 2
        target[1, :, 1, 1] = target[1, :, 1, 1] * 3
    if dtype.is_floating_point or dtype.is_signed:
        target[0, 0, 2, 0] = -1
    if dtype.is_floating_point:
        target[0, -1, 2, 2], target[1, 0, 2, 3], target[1, -1, 3, 3] = 0.5, math.nan, math.inf
    preds = random_map(rng, (2, 5, 7), torch.uint8, num_classes)
    labels = reference.labels_of_one_hot(as_numpy(target))
    expected = reference.counts(preds.numpy(), labels, num_classes)
    assert expected[-1].sum() > 0
    for planes in (target, channels_last(target)):
        assert_same_counts(by_kernel(kernel, preds, planes, num_classes, forms=("labels", "one-hot")), expected)
        if num_classes > 1:
            assert_same_counts(whole_matrix(preds, planes, num_classes, input_format="one-hot"), expected)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64], ids=name_of)
def test_one_hot_on_both_sides(rng, dtype):
    labels = torch.from_numpy(rng.integers(0, 5, size=(2, 2, 60)))
    preds, target = (planes_of(side, 5, dtype) for side in labels)
    target[0, :, 0] = preds[1, :, 7] = 0
    expected = reference.counts(
        reference.labels_of_one_hot(preds.numpy()), reference.labels_of_one_hot(target.numpy()), 5, 3
    )
    assert_same_counts(whole_matrix(preds, target, 5, input_format="one-hot", ignore_index=3), expected)


def test_scores_beside_one_hot_truth(rng):
    scores = random_scores(rng, (2, 5, 60), torch.float32)
    target = torch.from_numpy(rng.integers(0, 5, size=(2, 60)))
    expected = reference.counts(reference.labels_of_scores(scores.numpy(), 5), target.numpy(), 5)
    for dtype in (torch.bool, torch.int64, torch.float32):
        assert_same_counts(whole_matrix(scores, planes_of(target, 5, dtype), 5, input_format="one-hot"), expected)


@grid(ignore=[(), (255,), (2**40,), (-(2**40), 3), (70_000,)], dtype=SCORE_DTYPES, kernel=KERNELS)
def test_floating_labels(rng, small_tiles, kernel, dtype, ignore):
    small_tiles()
    values = [
        0.0,
        -0.0,
        1.0,
        2.0,
        4.0,
        5.0,
        6.0,
        -1.0,
        248.0,
        256.0,
        0.5,
        1.5,
        3.999,
        math.nan,
        math.inf,
        -math.inf,
        *ignore,
    ]
    if dtype == torch.float64:
        values += [0.99999999999, 1.00000000001, 4.9999999999999, float(2**32 + 1), 1e300, 2.0**63, -1e-300]
    order = torch.from_numpy(rng.permutation(5 * len(values)) % len(values))
    shuffled = torch.tensor(values, dtype=torch.float64)[order]
    target = shuffled.to(dtype)
    labels = np.array(
        [reference.OUTSIDE if i != i or abs(i) > 2**60 or i % 1 else int(i) for i in target.double().tolist()]
    )
    preds = random_map(rng, target.shape, torch.int64, 5, ignore)
    expected = reference.counts(preds.numpy(), labels, 5, ignore)
    assert_same_counts(by_kernel(kernel, preds, target, 5, ignore), expected)
    assert_same_counts(whole_matrix(preds, target, 5, ignore_index=ignore, input_format="index"), expected)


# Properties of any maps.


def maps(low=-3, high=9, pixels=40):
    pair = st.tuples(st.integers(low, high), st.integers(low, high))
    return st.lists(pair, max_size=pixels).map(
        lambda pairs: torch.tensor(pairs, dtype=torch.int16).view(-1, 2).unbind(1)
    )


PROPERTY = settings(deadline=None, max_examples=60)


@PROPERTY
@given(maps(), st.integers(1, 8), st.sets(st.integers(-3, 9), max_size=3), st.integers(0, 40))
def test_parts_add_up_to_the_whole(pair, num_classes, ignore, cut):
    preds, target = pair
    for kernel in KERNELS.values():
        whole = by_kernel(kernel, preds, target, num_classes, sorted(ignore))
        parts = [
            by_kernel(kernel, preds[s], target[s], num_classes, sorted(ignore)) for s in (slice(cut), slice(cut, None))
        ]
        assert_same_counts(parts[0] + parts[1], whole)
        assert whole.sum() == preds.numel()


@PROPERTY
@given(maps(), st.integers(1, 8), st.sets(st.integers(-3, 9), max_size=3), st.data())
def test_any_maps_are_counted_as_the_reference_does(pair, num_classes, ignore, data):
    preds, target = pair
    valid = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(preds), max_size=len(preds))), dtype=torch.bool)
    expected = expected_counts(preds, target, num_classes, ignore, valid)
    for kernel in KERNELS.values():
        assert_same_counts(by_kernel(kernel, preds, target, num_classes, sorted(ignore), valid), expected)


@PROPERTY
@given(maps(0, 6), st.permutations(range(7)))
def test_permuted_classes_permute_the_matrix(pair, order):
    preds, target = pair
    order = torch.tensor(order)
    permuted = whole_matrix(order[preds.long()], order[target.long()], 7)
    assert_same_counts(permuted[:7, :7][order][:, order], whole_matrix(preds, target, 7)[:7, :7])


@PROPERTY
@given(maps(), st.integers(1, 8), st.sets(st.integers(-3, 9), max_size=3))
def test_swapped_sides_transpose_the_matrix(pair, num_classes, ignore):
    # Ids that are void in the truth are void predictions too, so the whole matrix is transposed.
    preds, target = pair
    assert_same_counts(
        whole_matrix(target, preds, num_classes, ignore_index=ignore),
        whole_matrix(preds, target, num_classes, ignore_index=ignore).T,
    )


def test_realistic_maps(rng, kernel):
    preds, target = blobs(rng, 300, 400, 19)
    expected = expected_counts(preds, target, 19, [255])
    for dtype in (torch.uint8, torch.int16, torch.int64):
        assert_same_counts(by_kernel(kernel, preds.to(dtype), target.to(dtype), 19, [255]), expected)


@pytest.mark.parametrize("module", [portable, *CPU_KERNELS.values()], ids=["portable", *CPU_KERNELS])
@pytest.mark.parametrize("form", ["labels", "scores", "valid"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64], ids=name_of)
def test_rows_of_images(rng, module, form, dtype):
    """Each CPU kernel returns the counts of all images, and a row per image."""
    labels = torch.from_numpy(rng.choice([0, 1, 2, 3, 4, 255], size=(2, 3, 21, 17)))
    preds, target = labels.to(dtype)
    valid = torch.from_numpy(rng.random(target.shape) < 0.7) if form == "valid" else None
    if form == "scores":
        preds = random_scores(rng, (3, 5, 21, 17), torch.float32)
    spec = CountSpec("scores" if form == "scores" else "labels", "labels", 5, (2, 255))
    counts, rows = module.count_images(preds, target, valid, spec)
    if form == "scores":
        preds = torch.from_numpy(reference.labels_of_scores(preds.numpy(), 5))
        preds[preds < 0] = 255
    everywhere = torch.ones(target.shape, dtype=torch.bool) if valid is None else valid
    assert_same_counts(counts, expected_counts(preds, target, 5, (2, 255), valid))
    assert_same_counts(rows, rows_by_reference(preds, target, 5, (2, 255), everywhere))


@pytest.mark.parametrize("shape", [(0,), (0, 4, 4), (2, 0, 4), (2, 4, 0)], ids=name_of)
def test_empty_maps(kernel, shape):
    empty = torch.zeros(shape, dtype=torch.uint8)
    scores = torch.zeros(shape[0], 3, *shape[1:])
    for counts in (
        by_kernel(kernel, empty, empty, 3),
        by_kernel(kernel, scores, empty, 3, forms=("scores", "labels")),
        by_kernel(kernel, empty, scores, 3, forms=("labels", "one-hot")),
        whole_matrix(empty, empty, 3),
        whole_matrix(scores, empty, 3),
        confusion_matrix(empty, empty, 3, include_void=True),
    ):
        assert_same_counts(counts, np.zeros((5, 5), dtype=np.int64))


def test_inputs_stay_as_they_were(rng, kernel):
    scores, target = random_scores(rng, (2, 19, 33), torch.float32), random_map(rng, (2, 33), torch.int32, 19, [255])
    planes, valid = planes_of(target.clamp(0, 18).long(), 19, torch.int32), torch.from_numpy(rng.random((2, 33)) < 0.5)
    before = [x.clone() for x in (scores, target, planes, valid)]
    by_kernel(kernel, scores, target, 19, [255], valid, ("scores", "labels"))
    by_kernel(kernel, target, planes, 19, [255], valid, ("labels", "one-hot"))
    by_kernel(kernel, target, target, 19, [255], valid)
    by_kernel(kernel, scores[:, 0], target, 2, [255], valid, ("threshold", "labels"))
    for x, was in zip((scores, target, planes, valid), before, strict=True):
        torch.testing.assert_close(x, was, rtol=0, atol=0, equal_nan=True)
    again = [by_kernel(kernel, target, target, 19, [255]) for _ in range(2)]
    again[0].zero_()
    assert again[1].sum() == target.numel(), "two calls share memory"
    assert by_kernel(kernel, target, target, 19, [255]).sum() == target.numel()


# Refusals.


def refused(preds, target, num_classes, **settings):
    with pytest.raises(ValueError, match="outside") as error:
        confusion_matrix(preds, target, num_classes, **settings)
    return str(error.value)


@pytest.mark.parametrize("side", ["target", "preds"])
@pytest.mark.parametrize("label", OUTSIDE, ids=name_of)
def test_outside_labels_are_refused_by_name(side, label):
    good = torch.zeros(2, 3, 4, dtype=torch.int64)
    bad = good.clone()
    bad[0, 2, 1] = bad[1, 0, 0] = bad[1, 2, 3] = label
    sides = {"preds": good, "target": good, side: bad}
    sentence = refused(**sides, num_classes=19)
    assert sentence.startswith(f"{side} holds 3 pixels outside")
    assert "0 to 18" in sentence
    assert f"index (0, 2, 1): {label}" in sentence
    assert ("ignore_index=" if side == "target" else "pred_void=") in sentence
    counts = whole_matrix(**sides, num_classes=19)
    assert counts[(0, 20) if side == "preds" else (20, 0)] == 3
    assert counts.sum() == good.numel()
    if not 0 <= label < 19:
        assert (
            confusion_matrix(**sides, num_classes=19, ignore_index=label, include_void=True)[
                (0, 19) if side == "preds" else (19, 0)
            ]
            == 3
        )


def test_one_pixel_is_one_pixel():
    assert "target holds 1 pixel outside" in refused(torch.tensor([0]), torch.tensor([2]), 2)
    assert "(the first at index (0,): 2)" in refused(torch.tensor([0]), torch.tensor([2]), 2)
    assert "index (): 2" in refused(torch.tensor(0), torch.tensor(2), 2)


def test_many_pixels_are_grouped():
    assert "target holds 300,000 pixels" in refused(*torch.tensor([[0], [7]]).expand(2, 300_000).split(1), 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_first_index_of_any_layout(small_tiles, layout):
    small_tiles()
    bad = torch.zeros(3, 5, 7, dtype=torch.uint8)
    bad[1, 4, 2] = bad[2, 0, 1] = 200
    assert "2 pixels" in refused(LAYOUTS[layout](bad), torch.zeros_like(bad), 19)
    assert "index (1, 4, 2): 200" in refused(LAYOUTS[layout](bad), torch.zeros_like(bad), 19)


def test_the_first_index_behind_a_real_tile():
    bad = torch.zeros(1, 500, 400, dtype=torch.uint8)
    bad[0, 450, 17] = 9
    assert "(0, 450, 17): 9" in refused(torch.zeros_like(bad), bad, 9)
    assert "(0, 450, 17): 9" in refused(bad, torch.zeros_like(bad), 9)


def test_both_sides_outside_names_the_truth():
    assert refused(torch.tensor([5]), torch.tensor([6]), 2).startswith("target holds 1 pixel")


@pytest.mark.parametrize("label", OUTSIDE, ids=name_of)
@pytest.mark.parametrize("void", ["ignored", "not valid", "image not valid"])
def test_an_outside_prediction_on_a_void_pixel_is_counted_and_never_raised(label, void):
    preds = torch.tensor([[label, 1], [0, 0]])
    target = torch.tensor([[7 if void == "ignored" else 0, 1], [0, 0]])
    valid = {
        "ignored": None,
        "not valid": torch.tensor([[False, True], [True, True]]),
        "image not valid": torch.tensor([False, True]),
    }
    counts = confusion_matrix(preds, target, 19, ignore_index=7, valid=valid[void], include_void=True)
    assert counts[19, 20] == 1
    assert counts.sum() == 4


def test_an_outside_prediction_on_a_valid_pixel_behind_a_void_one():
    preds, target = torch.tensor([[99, 0, 98]]), torch.tensor([[255, 0, 1]])
    assert "preds holds 1 pixel outside the classes 0 to 1 (the first at index (0, 2): 98)" in refused(
        preds, target, 2, ignore_index=255
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(1.5, "1.5"), (math.nan, "nan"), (math.inf, "inf"), (-1.0, "-1"), (300.0, "300")]
)
def test_a_floating_truth_is_refused_by_value(value, shown):
    sentence = refused(torch.tensor([0, 1]), torch.tensor([0.0, value]), 2, input_format="index")
    assert f"target holds 1 pixel outside the classes 0 to 1 (the first at index (1,): {shown}" in sentence


@pytest.mark.parametrize("bad", [[0, 0, 0], [1, 1, 0], [0, 2, 0]], ids=["none", "two", "a 2"])
def test_a_pixel_that_is_not_one_hot_is_refused(bad):
    planes = torch.eye(3, dtype=torch.int64)[None].clone()
    planes[0, :, 1] = torch.tensor(bad)
    labels = torch.tensor([[0, 1, 2]])
    assert "target holds 1 pixel outside" in refused(labels, planes, 3, input_format="one-hot")
    assert "index (0, 1): no single 1 among zeros" in refused(labels, planes, 3, input_format="one-hot")
    assert "preds holds 1 pixel outside" in refused(planes, labels, 3, input_format="one-hot")


def test_an_image_of_a_sequence_is_named():
    good, bad = torch.zeros(4, dtype=torch.int64), torch.full((3,), 9)
    assert refused([good, good[:3]], [good, bad], 2).startswith("Image at index 1: target holds 3 pixels")


# Contract of the operator.


def test_the_mode_sees_each_wait():
    x = torch.tensor([0, 1, 1])
    waits = [
        lambda: x[0].item(),
        lambda: bool(x.any()),
        lambda: x.nonzero(),
        lambda: x[x > 0],
        lambda: x.masked_select(x > 0),
        lambda: torch.bincount(x),
        lambda: x.unique(),
        lambda: torch.unique_consecutive(x),
        lambda: x.clone().__setitem__(x > 0, torch.tensor([5, 6])),
        lambda: torch.equal(x, x),
        lambda: x.tolist(),
        lambda: x.numpy(),
        lambda: x.cpu(),
        lambda: np.asarray(x),
        lambda: by_kernel(portable.count_on_cpu, x, x, 2).sum().item(),
    ]
    for wait in waits:
        with NoWait(), pytest.raises(AssertionError, match="waits for the device"):
            wait()
    with NoWait():
        x[torch.tensor([0, 2])].add_(1)
    assert x.tolist() == x.cpu().numpy().tolist() == [0, 1, 1]


def test_the_cpu_kernel_would_wait():
    x = torch.zeros(2000, dtype=torch.int64)
    with NoWait(), pytest.raises(AssertionError, match="bincount waits for the device"):
        by_kernel(portable.count_on_cpu, x, x, 2)


FORMS = {
    "labels": ("labels", "labels"),
    "scores": ("scores", "labels"),
    "threshold": ("threshold", "labels"),
    "one-hot truth": ("scores", "one-hot"),
    "one-hot preds": ("one-hot", "labels"),
    "floating truth": ("labels", "labels"),
}


@grid(
    valid={"all valid": False, "some valid": True},
    form=list(FORMS),
    dtype=[torch.bool, torch.uint8, torch.int8, torch.uint16, torch.int64],
)
def test_the_accelerator_branch_never_waits(rng, monkeypatch, small_tiles, form, dtype, valid):
    # On an accelerator the bins are made for each call, so they must be made under the mode too.
    monkeypatch.setattr(readers, "cached_table", lambda device, make, *settings, kept=False: make(*settings, device))
    small_tiles(2)
    ids = (-(2**40), -100, 1, 255, 2**40)
    labels, other = (random_map(rng, (2, 5, 7), dtype, 2, ids) for _ in "pt")
    scores, planes = (
        random_scores(rng, (2, 2, 5, 7), torch.float32),
        planes_of(other.long().clamp(0, 1), 2, torch.int64),
    )
    if form == "floating truth":
        other = other.double()
    preds = {"scores": scores, "threshold": scores[:, 0], "one-hot": planes, "labels": labels}[FORMS[form][0]]
    target = planes if FORMS[form][1] == "one-hot" else other
    mask = torch.from_numpy(rng.random((2, 5, 7)) < 0.5) if valid else None
    with NoWait():
        counts = by_kernel(portable.count_without_sync, preds, target, 2, ids, mask, FORMS[form])
    assert_same_counts(counts, by_kernel(portable.count_on_cpu, preds, target, 2, ids, mask, FORMS[form]))


@pytest.fixture
def deterministic():
    was, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(was, warn_only=warn)


@pytest.mark.parametrize("form", ["labels", "scores"])
@pytest.mark.parametrize("num_classes", [2, 19, 300])
def test_deterministic_algorithms(rng, kernel, deterministic, form, num_classes):
    target = random_map(rng, (2, 3000), torch.int64, num_classes, [255])
    preds = random_scores(rng, (2, num_classes, 3000), torch.float32) if form == "scores" else target.flip(1)
    labels = reference.labels_of_scores(preds.numpy(), num_classes) if form == "scores" else preds.numpy()
    expected = reference.counts(labels, target.numpy(), num_classes, 255)
    assert_same_counts(by_kernel(kernel, preds, target, num_classes, [255], forms=(form, "labels")), expected)


def test_the_meter_sees_memory():
    assert peak_bytes(lambda: torch.zeros(5 * MEBIBYTE, dtype=torch.uint8)) >= 5 * MEBIBYTE
    x = torch.zeros(MEBIBYTE, dtype=torch.uint8)
    assert peak_bytes(lambda: x.long().sum()) >= 8 * MEBIBYTE
    assert peak_bytes(lambda: [torch.zeros(3 * MEBIBYTE, dtype=torch.uint8) for _ in range(3)]) >= 9 * MEBIBYTE
    assert peak_bytes(lambda: [torch.zeros(3 * MEBIBYTE, dtype=torch.uint8).amax() for _ in range(3)]) < 4 * MEBIBYTE
    assert peak_bytes(lambda: torch.nn.functional.one_hot(x[:100_000].long(), 19)) > 4 * MEBIBYTE


def memory_limit(num_classes):
    return 4 * MEBIBYTE + 2 * 8 * (num_classes + 2) ** 2


FAST_MEMORY = {"uint8 C=19 sliced", "int64 C=19 transposed", "bfloat16 C=19 channels_last", "float16 C=300"}
MEMORY = {  # map, dtype of the target, classes, dtype of the scores, layout
    "uint8 C=19": ((8, 1024, 1024), torch.uint8, 19, None, "contiguous"),
    "int64 C=19": ((8, 1024, 1024), torch.int64, 19, None, "contiguous"),
    "uint8 C=19 in one row": ((1, 8 * MEBIBYTE), torch.uint8, 19, None, "contiguous"),
    "uint8 C=19 sliced": ((2, 1024, 1024), torch.uint8, 19, None, "sliced"),
    "uint8 C=19 unaligned": ((8, 1024, 1024), torch.uint8, 19, None, "unaligned"),
    "int64 C=19 transposed": ((2, 1024, 1024), torch.int64, 19, None, "transposed"),
    "int64 C=1000": ((2, 1024, 1024), torch.int64, 1000, None, "contiguous"),
    "float32 C=19": ((1, 1024, 1024), torch.int64, 19, torch.float32, "contiguous"),
    "float32 C=19 channels_last": ((1, 1024, 1024), torch.int64, 19, torch.float32, "channels_last"),
    "float32 C=19 sliced": ((1, 512, 512), torch.uint8, 19, torch.float32, "from_a_larger"),
    "float32 C=19 transposed": ((1, 512, 512), torch.uint8, 19, torch.float32, "transposed"),
    "bfloat16 C=19": ((1, 512, 512), torch.uint8, 19, torch.bfloat16, "contiguous"),
    "bfloat16 C=19 channels_last": ((1, 512, 512), torch.uint8, 19, torch.bfloat16, "channels_last"),
    "float64 C=19": ((1, 512, 512), torch.uint8, 19, torch.float64, "contiguous"),
    "float64 C=19 transposed": ((1, 512, 512), torch.uint8, 19, torch.float64, "transposed"),
    "float32 C=150": ((1, 256, 512), torch.uint8, 150, torch.float32, "contiguous"),
    "float16 C=300": ((1, 256, 256), torch.uint8, 300, torch.float16, "contiguous"),
    "float16 C=300 channels_last": ((1, 256, 256), torch.uint8, 300, torch.float16, "channels_last"),
}


@pytest.mark.parametrize("impl", ["cpu", "portable"])
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in FAST_MEMORY else pytest.mark.slow) for case in MEMORY]
)
def test_memory_of_an_update(case, impl):
    shape, dtype, num_classes, scores, layout = MEMORY[case]
    generator = torch.Generator().manual_seed(1)
    target = torch.randint(0, min(num_classes, 256), (1, *shape[1:]), dtype=dtype, generator=generator)
    target = target.repeat(shape[0], *[1] * len(shape[1:]))
    mask = torch.ones(shape, dtype=torch.bool)
    if scores is None:
        preds = target = LAYOUTS[layout](target)
    else:
        preds = LAYOUTS[layout](torch.rand(1, num_classes, *shape[1:], generator=generator).to(scores))
    for valid in (None, mask):
        count = partial(confusion_matrix, preds, target, num_classes, valid=valid, impl=impl)
        count()  # compile first, which is not measured
        peak = peak_bytes(count)
        assert peak <= memory_limit(num_classes), f"{peak / MEBIBYTE:.2f} MiB"


def test_memory_of_one_hot_planes():
    target = torch.randint(0, 19, (1, 512, 512), generator=torch.Generator().manual_seed(1))
    for dtype in (torch.bool, torch.int64, torch.float32):
        planes = planes_of(target, 19, dtype)
        for side in (planes, planes.contiguous()):
            peak = peak_bytes(lambda side=side: confusion_matrix(target, side, 19, input_format="one-hot"))
            assert peak <= memory_limit(19), f"{peak / MEBIBYTE:.2f} MiB, {dtype}"


def test_memory_of_a_refusal():
    target = torch.zeros(4, 1024, 1024, dtype=torch.int64)
    target[-1, -1, -1] = 99
    peak = peak_bytes(lambda: refused(target, target, 19))
    assert peak <= memory_limit(19), f"{peak / MEBIBYTE:.2f} MiB"


OPERATOR = torch.ops.meaniou.count.default


def operator_arguments(form, valid):
    target = torch.tensor([[0, 1, 2, 255]])
    preds = {
        "labels": torch.tensor([[0, 2, 2, 1]]),
        "scores": torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(3)),
    }[form]
    mask = torch.tensor([[True, True, False, True]]) if valid else None
    return preds, target, mask, form, "labels", 3, [255], 0.5, True, "auto"


@pytest.mark.parametrize("valid", [False, True], ids=["all valid", "some valid"])
@pytest.mark.parametrize("form", ["labels", "scores"])
def test_the_operator_keeps_its_contract(form, valid):
    torch.library.opcheck(OPERATOR, operator_arguments(form, valid))


@pytest.mark.parametrize("form", ["labels", "scores"])
def test_fake_tensors_tell_shape_dtype_and_device(form):
    mode = torch._subclasses.FakeTensorMode()
    with mode:
        args = [mode.from_tensor(a) if isinstance(a, torch.Tensor) else a for a in operator_arguments(form, True)]
        counts = OPERATOR(*args)
    assert counts.shape == (5, 5)
    assert counts.dtype == torch.int64
    assert counts.device.type == "cpu"
    meta = [a.to("meta") if isinstance(a, torch.Tensor) else a for a in operator_arguments(form, False)]
    assert OPERATOR(*meta).device.type == "meta"


def test_there_is_a_kernel_for_every_setting():
    assert why_not("auto") == why_not("portable") == why_not("cpu") == ""
