"""On a GPU: the same numbers, no waiting, side streams and captured graphs; python -m pytest tests/test_gpu.py."""

import pytest
import torch
from support import (
    LABEL_DTYPES,
    assert_same_counts,
    blobs,
    expected_counts,
    name_of,
    random_map,
    random_scores,
    whole_matrix,
)

from meaniou import MeanIoU, confusion_matrix, reference

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
