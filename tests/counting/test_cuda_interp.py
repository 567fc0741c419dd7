"""The Triton programs in Triton's interpreter: their counts against the reference, on tensors of the CPU.

Only where TRITON_INTERPRET=1 was set before Triton was imported; test_cuda runs this file in such a process.
"""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    FAR,
    LABEL_DTYPES,
    SCORE_DTYPES,
    assert_same_counts,
    blobs,
    expected_counts,
    random_map,
    random_scores,
)
from support.grid import grid, number_of_examples
from support.layouts import batch_last, transposed

from meaniou import LabelSpace, reference
from meaniou.counting.kernels.image_counts import image_by_image
from meaniou.counting.kernels.label_table import bins_of_ids
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.spec import CountSpec

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") != "1", reason="set TRITON_INTERPRET=1; test_cuda does so in another process"
    ),
    # Triton 3.6 with NumPy before 2.4, where it became an error.
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning"),
]
if os.environ.get("TRITON_INTERPRET") == "1":
    from meaniou.counting.kernels.cuda import confusion as cuda
    from meaniou.counting.kernels.cuda import limits

BALLOTS, SHARED = (3, 7), (3, 8)  # Triton before and after the change of histograms
# Few classes are counted in histograms by both, 31 to 179 by the second; the others in runs.
CLASSES = [(1, BALLOTS), (2, BALLOTS), (19, SHARED), (31, BALLOTS), (31, SHARED), (150, SHARED), (256, SHARED)]
CLASSES += [(1000, BALLOTS)]
SOME_CLASSES = [(19, BALLOTS), (31, BALLOTS), (60, SHARED)]


@pytest.fixture
def num_classes(request, monkeypatch):
    """Numbers of classes on a simulated small GPU, with tiles smaller than the maps."""
    return small_gpu(monkeypatch, *request.param)


def small_gpu(monkeypatch, num_classes, version):
    monkeypatch.setattr(limits, "gpu_limits", lambda device: limits.GpuLimits(version, 232448, 1))
    monkeypatch.setattr(limits, "TILES", ((1 << 10, 64, 4), (1 << 15, 128, 4)))
    monkeypatch.setattr(limits, "TILE_BYTES", 512)
    for name in ("SCORES_TILE", "RUNS_TILE", "ARGMAX_TILE"):
        monkeypatch.setattr(cuda, name, 64)
    monkeypatch.setattr(limits, "PROGRAMS", 2)
    return num_classes


def assert_counted(preds, target, num_classes, ignore=(), valid=None, form="labels", predicted=None):
    """Counts and rows of both functions equal the reference, image by image."""
    spec = CountSpec(form, "labels", num_classes, tuple(ignore))
    args = (preds, target, valid, spec)
    assert cuda.why_not(*args) == ""
    predicted = preds if predicted is None else predicted
    expected = expected_counts(predicted, target, num_classes, ignore, valid)
    assert_same_counts(cuda.count(*args), expected)
    counts, rows = cuda.count_images(*args)
    assert_same_counts(counts, expected)
    by_portable = image_by_image(portable.count, predicted, target, valid, spec._replace(preds_form="labels"))
    assert torch.equal(rows, by_portable[1])


@grid(
    "num_classes",
    num_classes=CLASSES,
    dtype=LABEL_DTYPES,
    other={"same": ((2, 9, 11), None), "uint8": ((1, 64), torch.uint8), "int64": ((3, 7), torch.int64)},
    side=["preds", "target"],
)
def test_labels_of_every_dtype(rng, dtype, num_classes, other, side):
    ignore = [255, 0, -1, *FAR]
    shape, other_dtype = other
    labels = random_map(rng, shape, dtype, num_classes, ignore)
    others = random_map(rng, shape, other_dtype or dtype, num_classes, ignore)
    if side == "preds":
        assert_counted(labels, others, num_classes, ignore)
    else:
        assert_counted(others, labels, num_classes)


@grid("num_classes", num_classes=SOME_CLASSES, pixels=[1, 63, 64, 65, 127, 128, 129, 400])
def test_lengths_around_every_tile(rng, num_classes, pixels):
    preds, target = (random_map(rng, (1, pixels), torch.uint8, num_classes, [255]) for _ in "pt")
    assert_counted(preds, target, num_classes, [255])


@grid("num_classes", num_classes=SOME_CLASSES)
def test_maps_as_they_are(rng, num_classes):
    preds, target = blobs(rng, 14, 300, 19)
    assert_counted(preds, target, num_classes, [255])
    for label in (0, 18, 255):
        same = torch.full((2, 9, 50), label, dtype=torch.uint8)
        assert_counted(same, same, num_classes, [255])


LAYOUTS = {
    "cropped": lambda x: torch.nn.functional.pad(x, (2, 1, 1, 3))[..., 1:-3, 2:-1],
    "transposed": transposed,
    "batch_last": batch_last,
    "every_second": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "expanded": lambda x: x[:1].expand(x.shape),
    "one_column": lambda x: x.flatten()[:9, None].repeat(1, 3)[:, 1],
}


@grid(
    "num_classes",
    num_classes=SOME_CLASSES,
    layout=LAYOUTS,
    dtype=[torch.uint8, torch.int64],
    valid=["everywhere", "pixels", "images"],
    target_layout=["same", "contiguous"],
)
def test_strides_and_masks(rng, num_classes, layout, dtype, valid, target_layout):
    preds, target = (layout(random_map(rng, (3, 7, 11), dtype, num_classes, [255])) for _ in "pt")
    if target_layout == "contiguous":
        target = target.contiguous()
    mask = {
        "everywhere": None,
        "pixels": layout(torch.from_numpy(rng.random((3, 7, 11)) < 0.6)),
        "images": layout(torch.tensor([True, False, True]).view(-1, 1, 1).expand(3, 7, 11)),
    }[valid]
    assert_counted(preds, target, num_classes, [255], mask)


@grid(
    "num_classes",
    num_classes=[(1, BALLOTS), (19, BALLOTS), (31, BALLOTS), (255, SHARED), (256, SHARED)],
    dtype=SCORE_DTYPES,
    layout=["classes_first", "classes_last", "of_more_classes", "of_more_images"],
)
def test_scores(rng, num_classes, dtype, layout):
    shape = (9, 11) if num_classes < 255 else (5, 13)  # more than a tile of 64 pixels
    scores = random_scores(rng, (2, num_classes, *shape), dtype)
    target = random_map(rng, (2, *shape), torch.int64, num_classes, [255])
    predicted = torch.from_numpy(reference.labels_of_scores(scores.double().numpy(), num_classes))
    if layout == "classes_last":
        dtype = torch.float32 if dtype == torch.float64 else dtype  # float64 goes to the portable kernel
        scores = scores.to(dtype)
        scores = scores.movedim(1, -1).contiguous().movedim(-1, 1)
    elif layout == "of_more_classes":
        scores = torch.cat([scores, scores + 9], 1)[:, :num_classes]
    elif layout == "of_more_images":
        scores = torch.stack([scores, scores + 9], 1).flatten(0, 1)[::2]
    ignore = [255, 0] if num_classes > 1 else [255]
    void = predicted == num_classes  # a NaN; in the reference an ignored label
    labels = torch.where(void, 255 if num_classes <= 255 else 10**6, predicted)
    ignored = [*ignore, 10**6] if num_classes > 255 else ignore
    args = (scores, target, None, CountSpec("scores", "labels", num_classes, tuple(ignore)))
    assert cuda.why_not(*args) == ""
    expected = expected_counts(labels, torch.where(target == 10**6, -7, target), num_classes, ignored)
    assert_same_counts(cuda.count(*args), expected)
    counts, rows = cuda.count_images(*args)
    assert_same_counts(counts, expected)
    assert torch.equal(rows, image_by_image(portable.count, *args)[1])


def test_scores_without_pixels_and_maps_without_images(monkeypatch):
    small_gpu(monkeypatch, 3, BALLOTS)
    empty = torch.zeros(0, 4, 4, dtype=torch.uint8)
    assert_counted(empty, empty, 3)
    assert_counted(torch.zeros(0, 3, 4, 4), empty, 3, form="scores", predicted=empty)
    none = torch.zeros(2, 0, 4, dtype=torch.uint8)
    assert_counted(torch.zeros(2, 3, 0, 4), none, 3, form="scores", predicted=none)


def test_points_with_scores(rng, monkeypatch):
    """``[N, C]``: contiguous classes."""
    small_gpu(monkeypatch, 19, BALLOTS)
    scores = random_scores(rng, (333, 19), torch.float32)
    target = random_map(rng, (333,), torch.int64, 19, [255])
    args = (scores, target, None, CountSpec("scores", "labels", 19, (255,)))
    assert_same_counts(cuda.count(*args), portable.count(*args))


@number_of_examples(fast=10, slow=40)
def test_runs_anywhere(monkeypatch, examples):
    @settings(max_examples=examples)
    @given(st.lists(st.tuples(st.integers(-1, 40), st.integers(-1, 40), st.integers(1, 90)), min_size=1, max_size=6))
    def check(runs):
        preds, target = (torch.tensor([run[side] for run in runs for _ in range(run[2])])[None] for side in (0, 1))
        assert_counted(preds, target, 40, [7])

    small_gpu(monkeypatch, 40, BALLOTS)
    check()


IDS = {
    "city": LabelSpace(3, ids=[7, 8, (11, 12)], ignore_index=[0, 1, 9, -1]),
    "wide": LabelSpace(20, ids=[[c, c - 300, 900 - c] for c in range(20)], ignore_index=[255, 300]),
    "many": LabelSpace(200, ids=range(1, 201), ignore_index=0),
    "other preds": LabelSpace(3, ids=[5, 6, 7], ignore_index=0, pred_ids=[1, 2, (3, 9)], pred_void=[200]),
    "classes": LabelSpace.reduce_zero_label(19),
}


@grid(
    space=IDS,
    dtype=[torch.uint8, torch.int8, torch.int16, torch.int64],
    case=["contiguous", "strides and mask", "scores"],
    version={"ballots": BALLOTS, "shared": SHARED},
)
def test_ids(rng, monkeypatch, space, version, dtype, case):
    """Against the portable kernel, which test_ids compares with the reference."""
    small_gpu(monkeypatch, space.num_classes, version)
    candidates = {
        0,
        1,
        2,
        3,
        -1,
        20,
        201,
        255,
        256,
        *bins_of_ids(space.tables.target_ids),
        *bins_of_ids(space.tables.preds_ids),
    }
    ids = [i for i in candidates if torch.iinfo(dtype).min <= i <= torch.iinfo(dtype).max]
    preds, target = (torch.from_numpy(rng.choice(np.array(ids), size=(2, 9, 21))).to(dtype) for _ in "pt")
    bins = {"target_ids": space.tables.target_ids, "preds_ids": space.tables.preds_ids}
    labels = CountSpec("labels", "labels", space.num_classes, space.tables.ignore, **bins)
    scores = random_scores(rng, (2, space.num_classes, 9, 21), torch.float32)
    valid = torch.from_numpy(rng.random((2, 9, 21)) < 0.7)
    args = {
        "contiguous": (preds, target, None, labels),
        "strides and mask": (preds.mT, target.mT, valid.mT, labels),
        "scores": (scores, target, valid, labels._replace(preds_form="scores")),
    }[case]
    assert cuda.why_not(*args) == ""
    assert_same_counts(cuda.count(*args), portable.count(*args))
    counts, rows = cuda.count_images(*args)
    expected = image_by_image(portable.count, *args)
    assert_same_counts(counts, expected[0])
    assert torch.equal(rows, expected[1])


def test_a_wrong_program_is_noticed(rng, monkeypatch):
    preds, target = (random_map(rng, (2, 9, 11), torch.uint8, 19, [255]) for _ in "pt")
    small_gpu(monkeypatch, 19, BALLOTS)
    monkeypatch.setattr(cuda, "storable", lambda labels, ignore: ())
    with pytest.raises(pytest.fail.Exception, match="differ"):
        assert_counted(preds, target, 19, [255])


def test_offsets_beyond_31_bits(monkeypatch):
    """The memory is allocated, but hardly touched."""
    small_gpu(monkeypatch, 3, BALLOTS)
    room = torch.empty((1 << 31) + (1 << 12), dtype=torch.float16)
    for strides, shape in (((0, 1 << 30, 1), (1, 3, 70)), ((1 << 31, 128, 1), (2, 3, 70))):
        scores = room.as_strided(shape, strides)
        for c in range(3):
            scores[:, c] = torch.tensor([1.0, 3.0, 2.0])[c]
        scores[-1, 2, 5:] = 4
        target = torch.zeros(shape[0], shape[2], dtype=torch.uint8)
        args = (scores, target, None, CountSpec("scores", "labels", 3))
        assert cuda.why_not(*args) == ""
        assert cuda.count(*args)[0, :3].tolist() == [0, target.numel() - 65, 65]
