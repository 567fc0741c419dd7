"""On a GPU: the same numbers, no waiting, side streams and captured graphs; python -m pytest tests/test_gpu.py."""

import pytest
import torch
from support import (
    LABEL_DTYPES,
    SCORE_DTYPES,
    assert_same_counts,
    blobs,
    expected_counts,
    name_of,
    random_map,
    random_scores,
    whole_matrix,
)
from support.bands import VALID, assert_same_bands, band_batch, band_spec, valid_of
from support.labels import assert_same_label_counts, counts_by_reference, difficult_labels, difficult_scores, spec_of
from support.layouts import LAYOUTS

from meaniou import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU, confusion_matrix, reference
from meaniou.counting.kernels.spec import CountSpec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
IMPLS = ["auto", "portable"]
MEBIBYTE = 1 << 20


def matrix_on_gpu(preds, target, num_classes, **settings):
    return whole_matrix(preds.cuda(), target.cuda(), num_classes, **settings).cpu()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("num_classes", [1, 2, 19, 21, 31, 150, 256, 1000])
@pytest.mark.parametrize("dtype", LABEL_DTYPES, ids=name_of)
def test_labels(rng, dtype, num_classes, impl):
    for shape in ((1, 1), (2, 63, 65), (3, 200, 333)):
        for other in (dtype, torch.uint8, torch.int64):
            preds = random_map(rng, shape, dtype, num_classes, [255, -1])
            target = random_map(rng, shape, other, num_classes, [255, -1])
            expected = expected_counts(preds, target, num_classes, [255, -1])
            assert_same_counts(matrix_on_gpu(preds, target, num_classes, ignore_index=[255, -1], impl=impl), expected)


@pytest.mark.parametrize("num_classes", [2, 19, 150])
def test_maps_as_they_are(rng, num_classes):
    preds, target = blobs(rng, 1024, 2048, min(num_classes, 200))
    expected = expected_counts(preds, target, num_classes, [255])
    assert_same_counts(matrix_on_gpu(preds, target, num_classes, ignore_index=255), expected)
    same = torch.zeros_like(preds)
    assert matrix_on_gpu(same, same, num_classes)[0, 0] == same.numel()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=name_of)
@pytest.mark.parametrize("num_classes", [1, 2, 19, 30, 31, 150, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=name_of)
def test_scores(rng, dtype, num_classes, layout, impl):
    scores = random_scores(rng, (2, num_classes, 65, 131), dtype)
    answers = reference.labels_of_scores(scores.double().numpy(), num_classes)
    target = random_map(rng, (2, 65, 131), torch.int64, num_classes)
    expected = reference.counts(answers, target.numpy(), num_classes)
    counts = matrix_on_gpu(scores.to(memory_format=layout), target, num_classes, impl=impl, input_format="index")
    assert_same_counts(counts, expected)


def test_strides_and_masks(rng):
    preds, target = (random_map(rng, (3, 70, 90), torch.uint8, 19, [255]) for _ in "pt")
    valid = torch.from_numpy(rng.random((3, 70, 90)) < 0.6)
    crop = (slice(None), slice(1, -3), slice(2, -5))
    expected = expected_counts(preds[crop], target[crop], 19, [255], valid[crop])
    gpu = [m.cuda()[crop] for m in (preds, target, valid)]
    counts = confusion_matrix(*gpu[:2], 19, valid=gpu[2], ignore_index=255, include_void=True, validate_args=False)
    assert_same_counts(counts.cpu(), expected)


@pytest.mark.parametrize("num_classes", [19, 300])
def test_an_update_does_not_wait(rng, num_classes):
    preds, target = (m.cuda() for m in blobs(rng, 256, 256, 19))
    scores = torch.randn(1, num_classes, 256, 256, device="cuda")
    inputs = [(preds, target), (scores, target), (scores.to(memory_format=torch.channels_last), target)]
    metrics = [MeanIoU(num_classes, ignore_index=255, impl=impl).cuda() for impl in IMPLS]
    for metric in metrics:
        for pair in inputs:
            metric.update(*pair)  # the first call may compile, and wait
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for pair in inputs:
                metric.update(*pair)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(metrics[0].counts, metrics[1].counts)
    assert metrics[0].counts.sum() == 6 * target.numel()


def test_a_captured_graph_counts_at_each_replay(rng):
    preds, target = (m.cuda() for m in blobs(rng, 256, 256, 19))
    metric = MeanIoU(19, ignore_index=255).cuda()
    metric.update(preds, target)
    expected = metric.counts.clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        metric.update(preds, target)
    for _ in range(3):
        graph.replay()
    assert torch.equal(metric.counts, 4 * expected)


def test_a_side_stream(rng):
    preds, target = (m.cuda() for m in blobs(rng, 256, 256, 19))
    metric = MeanIoU(19, ignore_index=255).cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        metric.update(preds, target)
    torch.cuda.current_stream().wait_stream(stream)
    assert metric.counts.sum() == target.numel()


def test_outside_labels_are_refused_at_the_end():
    metric = MeanIoU(3).cuda()
    x = torch.tensor([0, 1, 7], device="cuda")
    metric.update(x, torch.zeros_like(x))
    with pytest.raises(ValueError, match="preds holds 1 pixel outside"):
        metric.compute()


def test_deterministic_algorithms(rng):
    preds, target = blobs(rng, 256, 256, 19)
    expected = expected_counts(preds, target, 19, [255])
    torch.use_deterministic_algorithms(True)
    try:
        for impl in IMPLS:
            assert_same_counts(matrix_on_gpu(preds, target, 19, ignore_index=255, impl=impl), expected)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("num_classes", [19, 150])
@pytest.mark.parametrize("scores", [False, True])
def test_memory_of_an_update(scores, num_classes):
    target = torch.zeros(4, 1024, 1024, dtype=torch.uint8, device="cuda")
    preds = torch.randn(4, num_classes, 1024, 1024, device="cuda", dtype=torch.bfloat16) if scores else target
    metric = MeanIoU(num_classes).cuda()
    metric.update(preds, target)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    metric.update(preds, target)
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() - before <= 16 * MEBIBYTE + 2 * target.numel() * scores


# Labels that overlap.

VOID = (255, -1)
GRIDS = {
    "one": [0.5],
    "two": [0.25, 0.5],
    "even": [k / 100 for k in range(101)],
    "uneven": [(k / 40) ** 2 for k in range(41)],
    "thousand": [k / 999 for k in range(1000)],
    "each": [0.7, 0.1, 0.5],  # one for each of three labels
    "infinite": [-float("inf"), 0.0, 1e-45, float("inf")],
}
LABEL_METRICS = {
    "one": lambda impl: MultilabelMeanIoU(5, ignore_index=255, impl=impl),
    "each": lambda impl: MultilabelMeanIoU(5, threshold=[0.1, 0.3, 0.5, 0.7, 0.9], impl=impl, per_image=True),
    "even": lambda impl: IoUCurve(5, ignore_index=255, impl=impl),
    "uneven": lambda impl: IoUCurve(5, thresholds=[0.1, 0.2, 0.5], ignore_index=255, impl=impl),
    "many": lambda impl: IoUCurve(5, thresholds=1000, impl=impl),
}


def label_counts_on_gpu(preds, target, valid, spec):
    sides = [None if side is None else side.cuda() for side in (preds, target, valid)]
    return torch.ops.meaniou.count_thresholds(*sides, *spec).cpu()


def scene_of_labels(rng, shape=(2, 5, 128, 256)):
    """Smooth scores, and 0, 1 and void, on the GPU."""
    coarse = torch.from_numpy(rng.standard_normal((*shape[:2], 8, 8)))
    preds = torch.nn.functional.interpolate(coarse, size=shape[2:], mode="bilinear").sigmoid().float()
    target = ((preds > 0.5) ^ torch.from_numpy(rng.random(shape) < 0.1)).byte()
    return preds.cuda(), target.cuda()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("thresholds", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("dtype", SCORE_DTYPES, ids=name_of)
def test_label_scores(rng, dtype, thresholds, inclusive, images, impl):
    for shape in ((1, 3, 1), (2, 3, 63, 65), (3, 3, 50, 83)):
        preds = difficult_scores(rng, shape, dtype, thresholds)
        target = difficult_labels(rng, shape, torch.uint8, VOID)
        valid = torch.from_numpy(rng.random((shape[0], 1, *shape[2:])) < 0.8).expand(shape)
        each = len(thresholds) == 3
        settings = {"per_label": each, "inclusive": inclusive, "ignore": VOID, "images": images, "validate": False}
        spec = spec_of(thresholds, **settings, impl=impl)
        expected = torch.ops.meaniou.count_thresholds(preds, target, valid, *spec._replace(impl="portable"))
        assert_same_label_counts(label_counts_on_gpu(preds, target, valid, spec), expected.numpy())
        if len(thresholds) < 10:
            assert_same_label_counts(expected, counts_by_reference(preds, target, valid, spec))


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("target_dtype", [*LABEL_DTYPES, *SCORE_DTYPES], ids=name_of)
def test_overlapping_labels(rng, target_dtype, impl):
    for dtype in (*LABEL_DTYPES, torch.float32):
        shape, ignore = (2, 3, 63, 65), (*VOID, 2**32 - 1, 2**40)
        scores = dtype.is_floating_point
        preds = difficult_scores(rng, shape, dtype, [0.5]) if scores else difficult_labels(rng, shape, dtype, ignore)
        target = difficult_labels(rng, shape, target_dtype, ignore)
        spec = spec_of([0.5], ignore=ignore, validate=False, impl=impl)
        expected = counts_by_reference(preds, target, None, spec)
        assert_same_label_counts(label_counts_on_gpu(preds, target, None, spec), expected)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("other", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_labels(rng, layout, other, impl):
    preds = difficult_scores(rng, (2, 3, 63, 65), torch.float32, GRIDS["even"])
    target = difficult_labels(rng, preds.shape, torch.uint8, VOID)
    spec = spec_of(GRIDS["even"], ignore=VOID, validate=False, impl=impl)
    expected = torch.ops.meaniou.count_thresholds(preds, target, None, *spec._replace(impl="portable")).numpy()
    # A copy to the GPU would keep dense strides only.
    counts = torch.ops.meaniou.count_thresholds(layout_on_gpu(layout, preds), layout_on_gpu(other, target), None, *spec)
    assert_same_label_counts(counts.cpu(), expected)


def layout_on_gpu(layout, side):
    like = layout(side)
    extent = 1 + sum((n - 1) * stride for n, stride in zip(like.shape, like.stride(), strict=True))
    room = torch.empty(extent + 1, dtype=side.dtype, device="cuda")[like.storage_offset() % 2 :]
    moved = room.as_strided(like.shape, like.stride(), room.storage_offset())
    return moved.copy_(side)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("kind", LABEL_METRICS)
def test_an_update_of_labels_does_not_wait(rng, kind, impl):
    preds, target = scene_of_labels(rng)
    inputs = [(preds, target), (preds.bfloat16(), target.long()), (preds, target, target[:, 0] < 2)]
    inputs += [tuple(side.to(memory_format=torch.channels_last) for side in (preds, target))]
    metric = LABEL_METRICS[kind](impl).cuda()
    for batch in inputs:
        metric.update(*batch)  # the first call may compile, and wait
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in inputs:
            metric.update(*batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert metric.counts.sum() == 2 * len(inputs) * target.numel()
    portable = LABEL_METRICS[kind]("portable")
    for batch in inputs:
        portable.update(*(side.cpu() for side in batch))
    assert torch.equal(metric.counts.cpu(), 2 * portable.counts)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("kind", [kind for kind in LABEL_METRICS if kind != "each"])  # rows of images grow
def test_a_captured_graph_counts_labels_at_each_replay(rng, kind, impl):
    preds, target = scene_of_labels(rng)
    metric = LABEL_METRICS[kind](impl).cuda()
    metric.update(preds, target)
    expected = metric.counts.clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        metric.update(preds, target)
    for _ in range(3):
        graph.replay()
    assert torch.equal(metric.counts, 4 * expected)
    preds.fill_(1)
    graph.replay()
    assert not torch.equal(metric.counts, 5 * expected)


@pytest.mark.parametrize("kind", LABEL_METRICS)
def test_labels_on_a_side_stream(rng, kind):
    preds, target = scene_of_labels(rng)
    metric = LABEL_METRICS[kind]("auto").cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        metric.update(preds, target)
    torch.cuda.current_stream().wait_stream(stream)
    assert metric.counts.sum() == target.numel()


def test_outside_values_of_labels_are_refused_at_the_end():
    metric = MultilabelMeanIoU(2, class_names=["road", "bridge"]).cuda()
    target = torch.tensor([[[0, 1, 1], [0, 7, 7]]], device="cuda")
    metric.update(torch.rand(1, 2, 3, device="cuda"), target)
    with pytest.raises(ValueError, match=r"target holds 2 pixels of label 1 \('bridge'\)"):
        metric.compute()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("kind", LABEL_METRICS)
def test_deterministic_algorithms_with_labels(rng, kind, impl):
    preds, target = scene_of_labels(rng)
    metric, portable = LABEL_METRICS[kind](impl).cuda(), LABEL_METRICS[kind]("portable")
    portable.update(preds.cpu(), target.cpu())
    torch.use_deterministic_algorithms(True)
    try:
        metric.update(preds, target)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(metric.counts.cpu(), portable.counts)


@pytest.mark.parametrize("kind", LABEL_METRICS)
def test_memory_of_an_update_of_labels(kind):
    target = torch.zeros(2, 5, 1024, 1024, dtype=torch.uint8, device="cuda")
    preds = torch.rand(target.shape, device="cuda")
    metric = LABEL_METRICS[kind]("auto").cuda()
    metric.update(preds, target)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    metric.update(preds, target)
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() - before <= MEBIBYTE


# Bands inside contours.

BAND_WIDTHS = {"pixels": (1, 7), "shares": (0.02, 0.1), "both": (3, 0.05)}
BAND_RULES = {"plain": {}, "no edge": {"edge": False}, "literal": {"literal": True}, "drop": {"drop": True}}
BAND_METRICS = {
    "share": {},
    "several": {"width": [1, 0.05, 9]},
    "rules": {"width": 4, "edge": False, "void": "literal", "void_preds": "drop"},
    "rows": {"width": 0.1, "per_image": True},
}


def on_gpu(*maps):
    return [None if side is None else side.cuda() for side in maps]


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("rules", BAND_RULES.values(), ids=BAND_RULES)
@pytest.mark.parametrize("widths", BAND_WIDTHS.values(), ids=BAND_WIDTHS)
@pytest.mark.parametrize("valid", VALID)
@pytest.mark.parametrize("shape", [(3, 63, 65), (2, 9, 20, 22)], ids=["image", "volume"])
def test_bands(rng, shape, valid, widths, rules, impl):
    of_bands = band_spec(widths, **rules)
    for form, dtype in (("labels", torch.uint8), ("labels", torch.int64), ("scores", torch.bfloat16)):
        spec = CountSpec(form, "labels", 19, (255, -1), validate=False, impl=impl)
        batch = (*band_batch(rng, shape, spec, (dtype, torch.int64), 9), valid_of(rng, shape, valid))
        expected = torch.ops.meaniou.count_bands(*batch, *spec._replace(impl="portable"), *of_bands)
        counts, bands = torch.ops.meaniou.count_bands(*on_gpu(*batch), *spec, *of_bands)
        assert torch.equal(counts.cpu(), expected[0])
        assert_same_bands(bands.cpu(), expected[1].numpy())


def scene_of_bands(rng):
    """Two scenes, the prediction beside the ground truth, and their boxes, on the GPU."""
    preds, target = (torch.cat(sides) for sides in zip(*(blobs(rng, 256, 320, 19) for _ in "ab"), strict=True))
    valid = torch.zeros(target.shape, dtype=torch.bool)
    valid[0, :200], valid[1, :, 5:300] = True, True
    return on_gpu(preds, target, valid)


def bands_metric(kind, **settings):
    return MeanBoundaryIoU(19, ignore_index=255, **BAND_METRICS[kind], **settings)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("kind", BAND_METRICS)
def test_an_update_of_bands_does_not_wait(rng, kind, impl):
    preds, target, valid = scene_of_bands(rng)
    scores = torch.nn.functional.one_hot(preds.long(), 19).movedim(-1, 1).half()
    inputs = [(preds, target), (preds.long(), target), (scores, target), (preds, target, valid)]
    inputs += [(preds, target, valid[:, 220, 200])]
    metric = bands_metric(kind, impl=impl).cuda()
    for batch in inputs:
        metric.update(*batch)  # the first call copies tables, and may compile
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in inputs:
            metric.update(*batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    portable = bands_metric(kind, impl="portable")
    for batch in inputs:
        portable.update(*(side.cpu() for side in batch))
    assert torch.equal(metric.counts.cpu(), 2 * portable.counts)


@pytest.mark.parametrize("kind", [kind for kind in BAND_METRICS if kind != "rows"])  # rows of images grow
def test_a_captured_graph_counts_bands_at_each_replay(rng, kind):
    batch = scene_of_bands(rng)
    metric = bands_metric(kind).cuda()
    metric.update(*batch)
    expected = metric.counts.clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        metric.update(*batch)
    for _ in range(3):
        graph.replay()
    assert torch.equal(metric.counts, 4 * expected)
    batch[0].fill_(1)
    graph.replay()
    assert not torch.equal(metric.counts, 5 * expected)


def test_deterministic_algorithms_with_bands(rng):
    batch = scene_of_bands(rng)
    metric, portable = bands_metric("several").cuda(), bands_metric("several", impl="portable")
    portable.update(*(side.cpu() for side in batch))
    torch.use_deterministic_algorithms(True)
    try:
        metric.update(*batch)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(metric.counts.cpu(), portable.counts)


def test_padding_is_not_looked_for_on_a_gpu():
    """On the CPU this batch warns; on a GPU that would wait, and warnings are errors here."""
    target = torch.zeros(2, 40, 60, dtype=torch.uint8)
    target[:, 5:9], target[1, 30:] = 1, 255
    metric = MeanBoundaryIoU(3, ignore_index=255).cuda()
    metric.update(target.cuda(), target.cuda())
    with pytest.warns(UserWarning, match="padded to one size"):
        MeanBoundaryIoU(3, ignore_index=255).update(target, target)
    assert metric.compute() == 1


def test_outside_labels_of_bands_are_refused_at_the_end():
    metric = MeanBoundaryIoU(3, width=1).cuda()
    x = torch.zeros(1, 3, 4, dtype=torch.int64, device="cuda")
    metric.update(x, x + 7)
    with pytest.raises(ValueError, match="target holds 12 pixels outside"):
        metric.compute()


def test_memory_of_an_update_of_bands():
    """It grows with the pixels that are worked on at once, and not with the batch."""
    peaks = []
    for images in (64, 128):
        target = torch.zeros(images, 1024, 1024, dtype=torch.uint8, device="cuda")
        metric = MeanBoundaryIoU(19).cuda()
        metric.update(target, target)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        metric.update(target, target)
        torch.cuda.synchronize()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert max(peaks) <= 40 * (1 << 26)
    assert peaks[1] - peaks[0] <= MEBIBYTE
