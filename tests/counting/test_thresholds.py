"""Counts of labels that overlap, by every kernel, against the reference and against sums over pixels in NumPy."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import peak_bytes
from support import LABEL_DTYPES, SCORE_DTYPES, NoWait, name_of
from support.grid import grid, number_of_examples
from support.kernels import CPU_KERNELS
from support.labels import (
    IGNORE,
    assert_counts,
    assert_same_label_counts,
    batch_of,
    counts_by_pixels,
    counts_by_reference,
    difficult_labels,
    difficult_scores,
    spec_of,
)
from support.layouts import LAYOUTS

from meaniou.counting.kernels.portable import thresholds as portable

KERNELS = {
    "portable.count_on_cpu": portable.count_on_cpu,
    "portable.count_without_sync": portable.count_without_sync,
} | {name: module.count_thresholds for name, module in CPU_KERNELS.items()}
GRIDS = {
    "one": (0.5,),
    "even": tuple(k / 20 for k in range(21)),
    "odd": (-3.0, 0.0, 1e-40, 0.1, 0.25, 1 / 3, 7.0),
}
MEBIBYTE = 1 << 20


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def kernel(request):
    return request.param


@grid("kernel", kernel=KERNELS, thresholds=GRIDS, scores=SCORE_DTYPES, labels=(*LABEL_DTYPES, *SCORE_DTYPES))
def test_every_dtype(rng, kernel, thresholds, scores, labels):
    for inclusive in (False, True):
        spec = spec_of(thresholds, ignore=IGNORE, inclusive=inclusive)
        batch = batch_of(rng, (2, 3, 7, 9), spec, (scores, labels))
        assert_counts(kernel(*batch, spec), *batch, spec)


@grid("kernel", kernel=KERNELS, predicted=LABEL_DTYPES, labels=(*LABEL_DTYPES, torch.float32))
def test_labels_as_predictions(rng, kernel, predicted, labels):
    spec = spec_of(ignore=IGNORE)
    batch = batch_of(rng, (2, 3, 7, 9), spec, (predicted, labels))
    assert_counts(kernel(*batch, spec), *batch, spec)


def masks(rng, shape):
    """Masks of every form as views of the shape of a batch, as ``prepare_labels`` makes them."""
    inner = [1] * (len(shape) - 2)

    def flags(*size):
        return torch.from_numpy(rng.random(size) < 0.6)

    return {
        "none": None,
        "label and pixel": flags(*shape),
        "image": flags(shape[0]).view(-1, 1, *inner).expand(shape),
        "label": flags(*shape[:2]).view(*shape[:2], *inner).expand(shape),
        "pixel": flags(shape[0], *shape[2:]).unsqueeze(1).expand(shape),
        "row": flags(shape[0], 1, shape[2], 1).expand(shape),
    }


MASKS = list(masks(np.random.default_rng(0), (2, 3, 4, 5)))


# A layout and a grid do not meet in the kernels, nor do the layouts of the two maps, so few stand for all.
FEW_GRIDS = {name: GRIDS[name] for name in ("one", "even")}
FEW_LAYOUTS = {name: LAYOUTS[name] for name in ("contiguous", "channels_last", "sliced")}


@grid(
    "kernel",
    kernel=KERNELS,
    thresholds=FEW_GRIDS,
    layout=LAYOUTS,
    other=FEW_LAYOUTS,
    mask=MASKS,
    images={"dataset": False, "images": True},
)
def test_every_layout(rng, kernel, thresholds, layout, other, mask, images):
    shape = (2, 3, 6, 10)
    spec = spec_of(thresholds, ignore=IGNORE, images=images)
    preds, target, _ = batch_of(rng, shape, spec)
    maps = layout(preds), other(target), masks(rng, shape)[mask]
    assert_counts(kernel(*maps, spec), *maps, spec, by_pixels=False)


def test_expanded_maps(rng, kernel):
    for thresholds in GRIDS.values():
        spec = spec_of(thresholds, ignore=IGNORE)
        preds, target, valid = batch_of(rng, (2, 3, 6, 10), spec, valid=True)
        for part in (slice(0, 1), (slice(None), slice(0, 1)), (slice(None), slice(None), slice(2, 3))):
            sides = [side[part].expand(side.shape) for side in (preds, target, valid)]
            assert_counts(kernel(*sides, spec), *sides, spec, by_pixels=False)


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("labels", [1, 3])
def test_a_threshold_for_each_label(rng, kernel, labels, inclusive):
    spec = spec_of((0.7, -0.1, 0.5)[:labels], per_label=True, inclusive=inclusive)
    for dtype in SCORE_DTYPES:
        preds = torch.cat([difficult_scores(rng, (2, labels, 40), dtype, (t,)) for t in (0.7, -0.1, 0.5)], -1)
        target = difficult_labels(rng, preds.shape, torch.uint8)
        assert_counts(kernel(preds, target, None, spec), preds, target, None, spec)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=name_of)
@pytest.mark.parametrize("thresholds", [(0.0,), (0.5,), (-1.0, 0.0, 2**-20, 0.3, 0.5, 65504.0)], ids=len)
def test_every_score_of_16_bits(kernel, dtype, thresholds):
    scores = torch.arange(2**16).to(torch.uint16).view(dtype).view(1, 1, -1)
    target = (torch.arange(2**16) % 3 == 0).view(1, 1, -1)
    for inclusive in (False, True):
        spec = spec_of(thresholds, inclusive=inclusive)
        assert_counts(kernel(scores, target, None, spec), scores, target, None, spec, by_pixels=False)


FAR_GRIDS = {
    "equal in single precision": (0.1, 0.1 + 1e-12, 0.1 + 2e-12, 0.9),
    "infinite": (-float("inf"), 0.0, float("inf")),
    "only infinite": (-float("inf"), float("inf")),
    "beyond single precision": (-1e300, 0.5, 1e300),
    "one infinite": (float("inf"),),
    "the whole range": (-3.4e38, 0.0, 3.4e38),
    "subnormal": (0.0, 1e-45, 3e-45, 1e-40, 1.0),
    "far from zero": tuple(1e6 + k / 8 for k in range(20)),
    "logarithmic": tuple(10.0**k for k in range(-30, 5)),
    "dense": tuple(0.5 + k * 2**-24 for k in range(40)),
    "two": (0.25, 0.75),
    "many": tuple(k / 2000 for k in range(2001)),
}


@grid("kernel", kernel=KERNELS, thresholds=FAR_GRIDS, dtype=SCORE_DTYPES, inclusive=[False, True])
def test_far_thresholds(rng, kernel, thresholds, dtype, inclusive):
    spec = spec_of(thresholds, inclusive=inclusive)
    finite = [t for t in thresholds if abs(t) < 1e100] or [0.0]
    preds = difficult_scores(rng, (1, 2, 3000 if len(thresholds) < 100 else 9000), dtype, finite)
    target = difficult_labels(rng, preds.shape, torch.uint8)
    counts = kernel(preds, target, None, spec)
    if len(thresholds) < 100:
        assert_counts(counts, preds, target, None, spec, by_pixels=False)
    else:
        assert_same_label_counts(counts, counts_by_pixels(preds, target, None, spec))


@pytest.mark.parametrize("shape", [(0, 2, 4), (2, 2, 0), (0, 1), (3, 2, 0, 5)])
def test_no_pixels(kernel, shape):
    for thresholds in GRIDS.values():
        for images in (False, True):
            spec = spec_of(thresholds, images=images)
            counts = kernel(torch.zeros(shape), torch.zeros(shape, dtype=torch.int64), None, spec)
            assert counts.shape == (shape[0] if images else 1, shape[1], 4, len(thresholds) + 3)
            assert counts.dtype == torch.int64
            assert not counts.any()


@st.composite
def cases(draw):
    """A batch of any shape, dtypes and layouts, and a specification; thresholds are anywhere, scores on them too."""
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=4)))
    dtypes = draw(st.sampled_from(SCORE_DTYPES)), draw(st.sampled_from((*LABEL_DTYPES, *SCORE_DTYPES)))
    number = st.floats(-2, 2, width=32) | st.floats(allow_nan=False) | st.integers(0, 10).map(lambda k: k / 10)
    per_label = draw(st.booleans())
    if per_label:
        thresholds = draw(st.lists(number, min_size=shape[1], max_size=shape[1]))
    else:
        thresholds = sorted(draw(st.sets(number, min_size=1, max_size=40)))
    ignore = tuple(sorted(draw(st.sets(st.sampled_from([255, -1, 2, 7, 2**40]), max_size=3))))
    flags = [draw(st.booleans()) for _ in range(3)]
    spec = spec_of(thresholds, per_label=per_label, inclusive=flags[0], images=flags[1], ignore=ignore)
    layouts = [draw(st.sampled_from(sorted(LAYOUTS))) for _ in range(3)]
    return shape, dtypes, spec, flags[2], layouts, draw(st.integers(0, 2**32 - 1))


@number_of_examples(fast=40, slow=1000)
def test_any_batch(examples):
    @settings(max_examples=examples, deadline=None)
    @given(cases())
    def test(case):
        shape, dtypes, spec, valid, layouts, seed = case
        rng = np.random.default_rng(seed)
        preds, target, mask = batch_of(rng, shape, spec._replace(thresholds="0.3"), dtypes, valid)
        edges = torch.tensor(spec.numbers, dtype=torch.float64).to(dtypes[0])
        here = torch.from_numpy(rng.integers(0, len(edges), size=shape))
        preds = torch.where(torch.from_numpy(rng.random(shape) < 0.5), edges[here], preds)
        maps = [None if m is None else LAYOUTS[name](m) for m, name in zip((preds, target, mask), layouts, strict=True)]
        expected = counts_by_pixels(*maps, spec)
        for kernel in KERNELS.values():
            counts = kernel(*maps, spec)
            assert_same_label_counts(counts, expected)
        assert_counts(counts, *maps, spec, by_pixels=False)

    test()


def test_small_tiles(rng, monkeypatch):
    monkeypatch.setattr(portable, "CPU_TILE", 8)
    monkeypatch.setattr(portable, "ACCELERATOR_TILE", 8)
    monkeypatch.setattr(portable, "MAX_COPIED", 1 << 10)
    for thresholds in GRIDS.values():
        for images in (False, True):
            spec = spec_of(thresholds, ignore=IGNORE, images=images)
            batch = batch_of(rng, (2, 3, 5, 7), spec, valid=True)
            for way in (portable.count_on_cpu, portable.count_without_sync):
                assert_counts(way(*batch, spec), *batch, spec)


@grid(
    thresholds=GRIDS,
    scores=(*SCORE_DTYPES, torch.bool, torch.int64),
    labels=(torch.bool, torch.uint8, torch.uint16, torch.int64, torch.float32),
    valid={"all valid": False, "some valid": True},
)
def test_the_accelerator_branch_never_waits(rng, monkeypatch, thresholds, scores, labels, valid):
    # On an accelerator the thresholds are copied once and cached; the copy does not wait.
    monkeypatch.setattr(portable, "cached_table", lambda device, make, *settings, kept: make(*settings, device))
    spec = spec_of(thresholds if scores.is_floating_point else (0.5,), ignore=IGNORE)
    batch = batch_of(rng, (2, 3, 5, 7), spec, (scores, labels), valid)
    with NoWait():
        counts = portable.count_without_sync(*batch, spec)
    assert_counts(counts, *batch, spec)


def test_the_other_branch_would_wait(rng):
    spec = spec_of()
    batch = batch_of(rng, (2, 3, 50), spec)
    with NoWait(), pytest.raises(AssertionError, match="bincount waits for the device"):
        portable.count_on_cpu(*batch, spec)


def test_which_branch_runs(rng, monkeypatch):
    spec = spec_of()
    batch = batch_of(rng, (2, 3, 50), spec)
    ran = []
    for way in ("count_on_cpu", "count_without_sync"):
        monkeypatch.setattr(portable, way, lambda *_, way=way: ran.append(way))
    portable.count_thresholds(*batch, spec)
    portable.count_thresholds(*(None if side is None else side.to("meta") for side in batch), spec)
    assert ran == ["count_on_cpu", "count_without_sync"]


def test_deterministic_algorithms(rng, kernel):
    torch.use_deterministic_algorithms(True)
    try:
        for thresholds in GRIDS.values():
            spec = spec_of(thresholds, ignore=IGNORE)
            batch = batch_of(rng, (2, 3, 50), spec, valid=True)
            assert_counts(kernel(*batch, spec), *batch, spec)
    finally:
        torch.use_deterministic_algorithms(False)


def test_scores_that_require_a_gradient(rng, kernel):
    spec = spec_of()
    preds, target, _ = batch_of(rng, (2, 3, 50), spec)
    assert_counts(kernel(preds.clone().requires_grad_(), target, None, spec), preds, target, None, spec)


def test_a_wrong_count_is_noticed(rng):
    spec = spec_of(GRIDS["odd"], ignore=IGNORE, images=True)
    batch = batch_of(rng, (2, 3, 20), spec, valid=True)
    counts = portable.count_thresholds(*batch, spec)
    assert_counts(counts, *batch, spec)
    for by_pixels in (False, True):
        for source in counts.nonzero()[::7].tolist():
            for axis in range(4):
                other = list(source)
                other[axis] = (source[axis] + 1) % counts.shape[axis]
                wrong = counts.clone()
                wrong[tuple(source)] -= 1
                wrong[tuple(other)] += 1
                with pytest.raises(pytest.fail.Exception, match="differ"):
                    assert_counts(wrong, *batch, spec, by_pixels=by_pixels)


def test_the_oracles_are_independent(rng):
    spec = spec_of(GRIDS["odd"], ignore=IGNORE)
    batch = batch_of(rng, (2, 3, 20), spec)
    assert_same_label_counts(torch.from_numpy(counts_by_pixels(*batch, spec)), counts_by_reference(*batch, spec))


def test_difficult_scores_are_on_the_thresholds_and_beside_them(rng):
    for dtype in SCORE_DTYPES:
        scores = difficult_scores(rng, (5000,), dtype, (0.25, 0.5))
        for edge in (0.25, 0.5):
            one = torch.tensor(edge, dtype=dtype)
            for end in (-np.inf, edge, np.inf):
                assert (torch.nextafter(one, torch.tensor(end, dtype=dtype)) == scores).any()
        assert scores.isnan().any()
        assert (scores == float("inf")).any()


MEMORY = {  # shape, thresholds, dtype of scores, dtype of the target, layout
    "one threshold": ((2, 4, 512, 512), 1, torch.float32, torch.int64, "contiguous"),
    "100 thresholds": ((2, 4, 512, 512), 100, torch.float32, torch.uint8, "contiguous"),
    "channels last": ((1, 8, 512, 512), 100, torch.float32, torch.int64, "channels_last"),
    "transposed": ((2, 4, 512, 512), 100, torch.float32, torch.int64, "transposed"),
    "16 bits": ((2, 4, 512, 512), 100, torch.bfloat16, torch.uint8, "contiguous"),
    "a floating target": ((2, 4, 512, 512), 1, torch.float64, torch.float16, "contiguous"),
    "predicted labels": ((2, 4, 512, 512), 1, torch.int32, torch.int16, "contiguous"),
    "one row": ((1, 1, 1 << 21), 4000, torch.float32, torch.uint8, "contiguous"),
}
FAST_MEMORY = {"portable.count_on_cpu": ("one threshold", "predicted labels"), "cpu": MEMORY}


@pytest.mark.parametrize(
    ("way", "case"),
    [
        pytest.param(way, case, marks=() if case in cases else pytest.mark.slow)
        for way, cases in FAST_MEMORY.items()
        for case in MEMORY
    ],
)
def test_memory(way, case):
    """A map of two megapixels adds less than four bytes a pixel, even where every side must be copied tile by tile."""
    shape, number, scores, labels, layout = MEMORY[case]
    flags = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    preds = LAYOUTS[layout](flags.to(scores) if scores.is_floating_point else (flags < 0.5).to(scores))
    target = LAYOUTS[layout]((flags < 0.3).to(labels))
    spec = spec_of([k / number for k in range(number)], ignore=(255,))
    for valid in (None, torch.ones(shape[0], 1, *shape[2:], dtype=torch.bool).expand(shape)):
        count = partial(KERNELS[way], preds, target, valid, spec)
        count()  # compiles
        peak = peak_bytes(count)
        assert peak <= 5 * MEBIBYTE, f"{peak / MEBIBYTE:.2f} MiB"


OPERATOR = torch.ops.meaniou.count_thresholds.default


@pytest.mark.parametrize("impl", ["portable", "cpu"])
@pytest.mark.parametrize("thresholds", GRIDS.values(), ids=GRIDS)
def test_the_operator_keeps_its_contract(rng, thresholds, impl):
    spec = spec_of(thresholds, ignore=IGNORE, images=True, validate=False, impl=impl)
    torch.library.opcheck(OPERATOR, (*batch_of(rng, (2, 3, 5), spec, valid=True), *map(_as_passed, spec)))


def _as_passed(value):
    return list(value) if isinstance(value, tuple) else value


def test_fake_tensors_have_the_shape_of_the_counts():
    for images in (False, True):
        spec = spec_of(GRIDS["even"], images=images)
        with torch._subclasses.FakeTensorMode():
            counts = OPERATOR(torch.zeros(2, 3, 5), torch.zeros(2, 3, 5), None, *map(_as_passed, spec))
        assert counts.shape == (2 if images else 1, 3, 4, 24)
        assert counts.dtype == torch.int64
