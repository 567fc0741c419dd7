"""The Triton program for labels that overlap in Triton's interpreter: its counts against the reference.

Only where TRITON_INTERPRET=1 was set before Triton was imported; test_cuda runs this file in such a process.
"""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import FAR, LABEL_DTYPES, SCORE_DTYPES
from support.grid import grid, number_of_examples
from support.labels import assert_counts, difficult_labels, difficult_scores, spec_of
from support.layouts import channels_last, unaligned

from meaniou.counting.kernels.portable import thresholds as portable

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") != "1", reason="set TRITON_INTERPRET=1; test_cuda does so in another process"
    ),
    # Triton 3.6 with NumPy before 2.4, where it became an error.
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning"),
    # Scores far beyond even thresholds become infinite, in NumPy with a warning.
    pytest.mark.filterwarnings("ignore:overflow encountered in (multiply|subtract):RuntimeWarning"),
]
if os.environ.get("TRITON_INTERPRET") == "1":
    from meaniou.counting.kernels.cuda import limits
    from meaniou.counting.kernels.cuda import thresholds as cuda

IGNORE = (-100, 255, 2**32 - 1, *FAR)
LABELS = 3
GRIDS = {
    "one": [0.3],
    "one for logits": [0.0],
    "two": [0.25, 0.5],
    "hundred even": [k / 99 for k in range(100)],
    "even for logits": [k / 4 - 6 for k in range(49)],
    "hundred uneven": [(k / 99) ** 3 for k in range(100)],
    "seven": [0.2, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6],
    "equal in float32": [0.1, 0.1 + 1e-12, 0.1 + 2e-12, 0.5],
    "infinite ends": [-np.inf, 0.0, 1e-3, np.inf],
    "beyond float32": [-1e300, -1.0, 1.0, 1e300],
}


@pytest.fixture(autouse=True)
def small_gpu(monkeypatch):
    """A simulated small GPU, with tiles smaller than the maps; few bins make programs share the cells."""
    monkeypatch.setattr(limits, "gpu_limits", lambda device: limits.GpuLimits((3, 7), 232448, 1))
    monkeypatch.setattr(limits, "TILES", ((1 << 10, 64, 4),))
    monkeypatch.setattr(limits, "PROGRAMS", 2)
    monkeypatch.setattr(limits, "FEW_BINS", 256)


def assert_counted(preds, target, valid, spec):
    """Counts of the batch and of each image equal the reference."""
    assert cuda.why_not_thresholds(preds, target, valid, spec) == ""
    for images in (False, True):
        this = spec._replace(images=images)
        counts = cuda.count_thresholds(preds, target, valid, this)
        assert_counts(counts, preds, target, valid, this, by_pixels=False)


def scores_of(rng, shape, dtype, thresholds):
    """Scores around thresholds, without the subnormal numbers of bfloat16, which the interpreter widens wrongly."""
    scores = difficult_scores(rng, shape, dtype, thresholds)
    return scores.masked_fill(scores.abs() < torch.finfo(dtype).tiny, 0) if dtype == torch.bfloat16 else scores


def mask_of(rng, name, shape):
    """A mask of a batch, expanded as a batch prepares it."""
    inner = [1] * (len(shape) - 2)
    whole = torch.from_numpy(rng.random(shape) < 0.7)
    return {
        "everywhere": None,
        "each": whole,
        "pixels": whole[:, :1].expand(shape),
        "labels": (whole.flatten(2)[..., 0]).view(*shape[:2], *inner).expand(shape),
        "images": torch.tensor([True, False, True])[: shape[0]].view(-1, 1, *inner).expand(shape),
    }[name]


@grid(
    thresholds=GRIDS,
    dtype=SCORE_DTYPES,
    inclusive=[False, True],
    valid=["everywhere", "pixels"],
)
def test_scores_of_every_dtype(rng, thresholds, dtype, inclusive, valid):
    shape = (2, LABELS, 9, 11)
    preds = scores_of(rng, shape, dtype, thresholds)
    target = difficult_labels(rng, shape, torch.int64, IGNORE)
    assert_counted(preds, target, mask_of(rng, valid, shape), spec_of(thresholds, inclusive=inclusive, ignore=IGNORE))


@grid(dtype=[*LABEL_DTYPES, *SCORE_DTYPES], preds={"scores": torch.float32, "labels": torch.uint8})
def test_targets_of_every_dtype(rng, dtype, preds):
    shape, spec = (2, LABELS, 9, 21), spec_of([0.5], ignore=IGNORE)
    target = difficult_labels(rng, shape, dtype, IGNORE)
    if preds.is_floating_point:
        assert_counted(scores_of(rng, shape, preds, [0.5]), target, None, spec)
    else:
        assert_counted(difficult_labels(rng, shape, preds, IGNORE), target, None, spec)


@grid(dtype=LABEL_DTYPES, valid=["everywhere", "pixels"])
def test_predicted_labels_of_every_dtype(rng, dtype, valid):
    shape = (2, LABELS, 9, 21)
    preds = difficult_labels(rng, shape, dtype, IGNORE)
    target = difficult_labels(rng, shape, torch.uint8, IGNORE)
    assert_counted(preds, target, mask_of(rng, valid, shape), spec_of([0.5], ignore=IGNORE))


@grid(dtype=SCORE_DTYPES, inclusive=[False, True])
def test_a_threshold_for_each_label(rng, dtype, inclusive):
    thresholds = [0.7, 0.1, 0.5]
    preds = scores_of(rng, (2, LABELS, 9, 11), dtype, thresholds)
    target = difficult_labels(rng, preds.shape, torch.uint8, [255])
    assert_counted(preds, target, None, spec_of(thresholds, per_label=True, inclusive=inclusive, ignore=(255,)))


@grid(number={"even": True, "uneven": False}, dtype=[torch.bfloat16, torch.float32, torch.float64])
def test_a_thousand_thresholds(rng, number, dtype):
    thresholds = [(k / 999) ** (1 if number else 2) for k in range(1000)]
    preds = scores_of(rng, (1, 2, 40), dtype, thresholds)
    target = difficult_labels(rng, preds.shape, torch.uint8, [255])
    spec = spec_of(thresholds, ignore=(255,))
    counts = cuda.count_thresholds(preds, target, None, spec)
    assert_counts(counts, preds, target, None, spec, by_pixels=False)


@grid(images=[1, 3], pixels=[1, 63, 64, 65, 127, 128, 129, 400], number=[1, 5])
def test_lengths_around_every_tile(rng, images, pixels, number):
    thresholds = [(k + 1) / 8 for k in range(number)]
    preds = scores_of(rng, (images, 2, pixels), torch.float32, thresholds)
    assert_counted(
        preds, difficult_labels(rng, preds.shape, torch.uint8, [255]), None, spec_of(thresholds, ignore=(255,))
    )


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels_last": channels_last,
    "unaligned": unaligned,
    "of_more_labels": lambda x: torch.cat([x, ~x if x.dtype == torch.bool else x + 1], 1)[:, : x.shape[1]],
    "of_more_images": lambda x: x.repeat_interleave(2, 0)[::2],
    "labels_first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "every_second": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "expanded": lambda x: x[:1, :1].expand(x.shape),
    "last_images": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
}
FEW_LAYOUTS = {name: LAYOUTS[name] for name in ("contiguous", "channels_last", "expanded")}


@grid(preds_layout=LAYOUTS, target_layout=FEW_LAYOUTS, valid_layout=["contiguous", "expanded"])
def test_layouts(rng, preds_layout, target_layout, valid_layout):
    thresholds, shape = [0.1, 0.3, 0.4], (2, LABELS, 7, 10)
    preds = preds_layout(scores_of(rng, shape, torch.float32, thresholds))
    target = target_layout(difficult_labels(rng, shape, torch.uint8, [255]))
    valid = LAYOUTS[valid_layout](torch.from_numpy(rng.random(shape) < 0.7))
    assert_counted(preds, target, valid, spec_of(thresholds, ignore=(255,)))


@pytest.mark.parametrize("valid", ["everywhere", "each", "pixels", "labels", "images"])
def test_masks_of_every_form(rng, valid):
    shape = (2, LABELS, 9, 11)
    preds = scores_of(rng, shape, torch.float32, [0.5])
    target = difficult_labels(rng, shape, torch.int64, IGNORE)
    assert_counted(preds, target, mask_of(rng, valid, shape), spec_of([0.5], ignore=IGNORE))


@pytest.mark.parametrize("shape", [(7, 3), (2, 1, 70), (3, 2, 4, 5, 6), (1, 1, 1, 1)], ids=str)
def test_shapes_of_other_dimensions(rng, shape):
    preds = scores_of(rng, shape, torch.float32, [0.5])
    assert_counted(preds, difficult_labels(rng, shape, torch.uint8, [255]), None, spec_of([0.5], ignore=(255,)))


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0, 5), (0, 3)])
def test_maps_without_pixels(shape):
    for images in (False, True):
        counts = cuda.count_thresholds(torch.rand(shape), torch.zeros(shape), None, spec_of([0.5], images=images))
        assert counts.shape == (shape[0] if images else 1, 3, 4, 4)
        assert not counts.any()


@number_of_examples(fast=8, slow=60)
def test_any_thresholds(examples):
    """The number of thresholds below a score, at them and at the numbers next to them."""

    @settings(max_examples=examples)
    @given(
        st.floats(-1e3, 1e3),
        st.floats(1e-9, 1e3),
        st.integers(2, 60),
        st.floats(0, 1e-1),
        st.sampled_from([torch.float32, torch.float64]),
        st.booleans(),
    )
    def check(low, step, number, wobble, dtype, inclusive):
        rng = np.random.default_rng(number)
        thresholds = sorted(low + step * (k + wobble * rng.random()) for k in range(number))
        preds = scores_of(rng, (1, 1, 64), dtype, thresholds)
        target = torch.zeros(preds.shape, dtype=torch.uint8)
        spec = spec_of(thresholds, inclusive=inclusive)
        counts = cuda.count_thresholds(preds, target, None, spec)
        assert torch.equal(counts, portable.count_thresholds(preds, target, None, spec))

    check()


def test_even_thresholds_take_no_search():
    even = ["two", "hundred even", "even for logits"]
    for dtype in (torch.float32, torch.float64):
        for name, thresholds in GRIDS.items():
            if len(thresholds) > 1:
                assert cuda._even(spec_of(thresholds).thresholds, dtype) == (name in even), name
        for number in (2, 51, 101, 1000, 4096):
            assert cuda._even(spec_of([k / (number - 1) for k in range(number)]).thresholds, dtype)


def test_a_wrong_program_is_noticed(rng, monkeypatch):
    preds = scores_of(rng, (2, LABELS, 9, 11), torch.float32, GRIDS["hundred uneven"])
    target = difficult_labels(rng, preds.shape, torch.uint8, [255])
    spec = spec_of(GRIDS["hundred uneven"], ignore=(255,))
    assert_counted(preds, target, None, spec)
    faults = [("_even", True, r"column \d+: .* cells differ"), ("storable", (), "row 2")]
    for name, result, message in faults:
        with monkeypatch.context() as patch:
            patch.setattr(cuda, name, lambda *args, result=result: result)
            with pytest.raises(pytest.fail.Exception, match=message):
                assert_counted(preds, target, None, spec)


def test_offsets_beyond_31_bits():
    """The memory is allocated, but hardly touched."""
    room = torch.empty((1 << 31) + (1 << 12), dtype=torch.float16)
    for shape, strides in (((1, 2, 70), (0, 1 << 31, 1)), ((2, 1, 70), (1 << 31, 0, 1)), ((1, 1, 3), (0, 0, 1 << 30))):
        scores = room.as_strided(shape, strides)
        scores.fill_(0.2)
        scores[-1, -1, -1] = 0.9
        counts = cuda.count_thresholds(scores, torch.ones(shape), None, spec_of([0.5], images=True))
        assert counts[-1, -1, 1].tolist() == [shape[-1] - 1, 1, 0, 0]
        assert counts.sum() == scores.numel()
