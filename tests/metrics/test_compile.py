"""Metrics in compiled and exported code, and the modules that an import loads."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import update_all
from support.kinds import BANDS, CURVE, LABELS, assert_equal, each_kind, each_mean
from torch import nn

import meaniou
from meaniou import MeanBoundaryIoU, MeanIoU, confusion_matrix, mean_iou

SOURCE = Path(meaniou.__file__).parent


@pytest.fixture
def graphs():
    """The number of graphs compiled so far in this test."""
    import torch._dynamo  # the import takes two seconds

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    return lambda: torch._dynamo.utils.counters["stats"]["unique_graphs"]


def batches(count=12, num_classes=3):
    """Label maps whose batch, height and width all change."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(2 + i % 3, 5 + i % 4, 7 + i % 5) for i in range(count)]
    return [tuple(torch.randint(0, num_classes, shape, generator=generator) for _ in range(2)) for shape in shapes]


def total(pairs, **settings):
    """A metric that counted the pairs without compilation."""
    metric = MeanIoU(3, **settings)
    for pair in pairs:
        metric.update(*pair)
    return metric


def assert_counted(metric, pairs, **settings):
    expected = total(pairs, **settings)
    assert torch.equal(metric.counts, expected.counts)
    assert metric.update_count == len(pairs)
    assert torch.equal(metric.compute(), expected.compute())


# ------------------------------------------------------------------------------------------------------------- compiled


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("valid", [False, True])
def test_compiled_update_of_many_shapes(backend, valid, graphs):
    metric, pairs = MeanIoU(3, ignore_index=255), batches()
    masks = [(target > 0,) if valid else () for _, target in pairs]
    update = torch.compile(metric.update, fullgraph=True, dynamic=True, backend=backend)
    for pair, mask in zip(pairs, masks, strict=True):
        update(*pair, *mask)
    voided = [(p, t.masked_fill(~m[0], 255)) if m else (p, t) for (p, t), m in zip(pairs, masks, strict=True)]
    assert_counted(metric, voided, ignore_index=255)
    assert graphs() <= 2


def batches_of(kind, count=8):
    """Batches of a kind whose sizes all change."""
    parts = [(4 + i % 2, 2 + i % 6) for i in range(count)]
    pairs = zip(kind.batches(count=count), parts, strict=True)
    return [tuple(side[..., :h, :w].contiguous() for side in batch) for batch, (h, w) in pairs]


@each_kind
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_update_of_every_kind(kind, backend, graphs):
    metric, pairs = kind.made(), batches_of(kind)
    update = torch.compile(metric.update, fullgraph=True, dynamic=True, backend=backend)
    for pair in pairs:
        update(*pair)
    expected = update_all(kind.made(), pairs)
    assert torch.equal(metric.counts, expected.counts)
    assert metric.update_count == len(pairs)
    assert_equal(metric.compute(), expected.compute())
    assert graphs() <= 2


OF_KINDS = {
    "bands": (BANDS, {"width": [2, 0.1], "edge": False, "void": "literal", "void_preds": "drop"}, None),
    "rows of bands": (BANDS, {"width": 0.2, "per_image": True}, lambda target: target < 2),
    "valid image of bands": (BANDS, {"width": 0.2}, lambda target: target[:, 0, 0] < 2),
    "rows": (LABELS, {"per_image": True}, None),
    "threshold of each label": (LABELS, {"threshold": [0.25, 0.5, 0.75], "inclusive": True}, None),
    "many thresholds": (CURVE, {"thresholds": 101}, None),
    "valid image": (CURVE, {}, lambda target: target[:, 0, 0, 0] < 2),
    "valid label": (LABELS, {}, lambda target: target[:, :, 0, 0] < 2),
    "valid pixel": (LABELS, {}, lambda target: target[:, 0] < 2),
    "valid label and pixel": (CURVE, {}, lambda target: target < 2),
}


@pytest.mark.parametrize("case", OF_KINDS)
def test_compiled_update_with_other_settings(case, graphs):
    kind, settings, valid = OF_KINDS[case]
    pairs = [(*pair, None if valid is None else valid(pair[1])) for pair in kind.batches(count=3)]
    metric = kind.made(**settings)
    update = torch.compile(metric.update, fullgraph=True, backend="eager")
    for pair in pairs:
        update(*pair)
    expected = update_all(kind.made(**settings), pairs)
    assert torch.equal(metric.counts, expected.counts)
    if metric.per_image:
        assert all(torch.equal(a, b) for a, b in zip(metric._joined(), expected._joined(), strict=True))
    assert graphs() <= 2 + metric.per_image


@each_mean
@pytest.mark.parametrize("ids", [False, True])
def test_rows_are_counted_by_few_graphs(kind, ids, graphs):
    """A graph for each number of batches would end at the limit of the compiler, which is 8."""
    metric, expected = (kind.made(per_image=True) for _ in range(2))
    update = torch.compile(metric.update, fullgraph=True, backend="eager")
    batches = kind.batches(count=16)
    for i, batch in enumerate(batches):
        image_ids = torch.tensor([2 * i, 2 * i + 1]) if ids else None
        (metric.update if i in (3, 11) else update)(*batch, image_ids=image_ids)
        expected.update(*batch, image_ids=image_ids)
    assert all(torch.equal(a, b) for a, b in zip(metric._joined(), expected._joined(), strict=True))
    assert_equal(metric.compute(), expected.compute())
    assert metric.bootstrap(resamples=20) == expected.bootstrap(resamples=20)
    assert graphs() <= 5


@each_kind
def test_compiled_update_of_values_that_are_refused(kind, graphs):
    metric, pairs = kind.made(), kind.batches(count=2)
    update = torch.compile(metric.update, fullgraph=True, dynamic=True, backend="eager")
    update(*pairs[0])
    with pytest.raises(ValueError, match="target holds"):
        update(pairs[1][0], pairs[1][1] + 5)
    assert torch.is_grad_enabled()
    update(*pairs[1])
    assert torch.equal(metric.counts, update_all(kind.made(), pairs).counts)
    assert metric.update_count == 2


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@each_kind
def test_compiled_update_of_scores_that_need_a_gradient(kind, backend, graphs):
    layer, metric, expected = nn.Conv2d(2, 3, 1), kind.made(), kind.made()

    def step(images, target):
        scores = layer(images).sigmoid()
        metric.update(scores, target)
        return scores

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for _, target in kind.batches(count=2):
        images = torch.rand(2, 2, 5, 7)
        scores = compiled(images, target)
        scores.mean().backward()
        expected.update(scores, target)
    assert layer.weight.grad.abs().sum() > 0
    assert not metric.counts.requires_grad
    assert torch.equal(metric.counts, expected.counts)


@each_kind
def test_deterministic_mode(kind):
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        value = kind.filled().compute()
    finally:
        torch.use_deterministic_algorithms(before)
    assert_equal(value, kind.filled().compute())


class Step(nn.Module):
    """A layer and its metric in one compiled step."""

    def __init__(self, **settings):
        super().__init__()
        self.layer = nn.Conv2d(2, 3, 1)
        self.metric = MeanIoU(3, **settings)

    def forward(self, images, target):
        scores = self.layer(images)
        self.metric.update(scores, target)
        return scores.mean()


@pytest.mark.parametrize("grow", [False, True])
def test_compiled_step_is_not_compiled_anew(grow, graphs):
    model = Step(ignore_index=255)
    step = torch.compile(model, fullgraph=True, backend="eager")
    pairs = []
    for i in range(12):
        images = torch.randn(2, 2, 6 + i % 5 * grow, 7)
        target = torch.randint(0, 3, (2, *images.shape[2:]))
        step(images, target).backward()
        pairs.append((model.layer(images), target))
        if i % 4 == 3:
            assert_counted(model.metric, pairs, ignore_index=255)
    assert graphs() <= 2


def test_compiled_and_eager_updates_mix(graphs):
    metric, pairs = MeanIoU(3), batches(6)
    update = torch.compile(metric.update, fullgraph=True, dynamic=True, backend="eager")
    for pair in pairs[:2]:
        update(*pair)
    value = metric.compute()
    for pair in pairs[2:4]:
        metric.update(*pair)
    metric(*pairs[4])
    update(*pairs[5])
    assert not torch.equal(metric.compute(), value)
    assert_counted(metric, pairs)
    for twin in (metric.clone(), pickle.loads(pickle.dumps(metric))):
        assert_counted(twin, pairs)
        twin.update(*pairs[0])
        assert twin.update_count == 7
    metric.merge_state(metric)
    assert metric.update_count == 12
    metric.reset()
    assert metric.update_count == 0
    update(*pairs[0])
    assert_counted(metric, pairs[:1])
    assert graphs() <= 2


@pytest.mark.parametrize("inference", [False, True])
def test_compiled_update_in_inference_mode(inference, graphs):
    with torch.inference_mode(inference):
        metric = MeanIoU(3)
    pairs = batches(4)
    update = torch.compile(metric.update, fullgraph=True, dynamic=True, backend="eager")
    for i, pair in enumerate(pairs):
        with torch.inference_mode(i % 2 == 0):
            update(*pair)
    assert_counted(metric, pairs)


def test_compiled_update_that_is_refused(graphs):
    metric, pairs = MeanIoU(3), batches(3)
    update = torch.compile(metric.update, fullgraph=True, dynamic=True, backend="eager")
    update(*pairs[0])
    update(*pairs[1])
    with pytest.raises(ValueError, match="preds holds"):
        update(pairs[2][0] + 3, pairs[2][1])
    assert_counted(metric, pairs[:2])
    update(*pairs[2])
    assert_counted(metric, pairs)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:`torch.jit.script(_method)?` is deprecated:DeprecationWarning")
def test_compiled_by_inductor(graphs):
    metric, pairs = MeanIoU(3), batches(4)
    update = torch.compile(metric.update, fullgraph=True, dynamic=True)
    for pair in pairs:
        update(*pair)
    assert_counted(metric, pairs)


def test_compiled_confusion_matrix(graphs):
    pairs = batches(3)

    def matrix(preds, target):
        return confusion_matrix(preds, target, 3, ignore_index=[255, -1])

    compiled = torch.compile(matrix, fullgraph=True, dynamic=True, backend="eager")
    for preds, target in pairs:
        assert torch.equal(compiled(preds, target), matrix(preds, target))
    assert graphs() <= 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [mean_iou, lambda preds, target, **settings: MeanIoU(**settings)(preds, target)])
def test_a_metric_made_in_compiled_code(number, graphs):
    """The compiler leaves its construction to the interpreter, as with any torchmetrics metric."""
    preds, target = batches(1)[0]

    def score(preds, target):
        return number(preds + 0, target, num_classes=3)

    assert torch.equal(torch.compile(score, backend="eager")(preds, target), score(preds, target))


class Counted(nn.Module):
    """A module that returns the confusion matrix of a batch."""

    def forward(self, scores, target):
        return torch.ops.meaniou.count(scores, target, None, "scores", "labels", 3, [255], 0.5, True, "auto")


@pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated:FutureWarning")
def test_export_keeps_the_operator():
    batch = torch.export.Dim("batch")
    pairs = [(torch.randn(b, 3, 8, 9), torch.randint(0, 3, (b, 8, 9))) for b in (2, 5)]
    program = torch.export.export(Counted(), pairs[0], dynamic_shapes=({0: batch}, {0: batch}))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert called.count("meaniou.count.default") == 1
    for scores, target in pairs:
        expected = confusion_matrix(scores, target, 3, ignore_index=255, include_void=True)
        assert torch.equal(program.module()(scores, target), expected)
    assert "meaniou.count" in str(program.run_decompositions().graph)


class CountedLabels(nn.Module):
    """A module that returns the counts of labels that overlap."""

    def forward(self, scores, target):
        arguments = ("0.25 0.5 0.75", False, False, [255], True, True, "auto")
        return torch.ops.meaniou.count_thresholds(scores, target, None, *arguments)


@pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated:FutureWarning")
def test_export_keeps_the_operator_of_labels():
    batch = torch.export.Dim("batch")
    pairs = [tuple(torch.cat([side] * times) for side in CURVE.batches()[0]) for times in (1, 2)]
    program = torch.export.export(CountedLabels(), pairs[0], dynamic_shapes=({0: batch}, {0: batch}))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert called.count("meaniou.count_thresholds.default") == 1
    for scores, target in pairs:
        counts = program.module()(scores, target)
        assert torch.equal(counts.sum(0), update_all(CURVE.made(), [(scores, target)]).counts)
        assert len(counts) == len(scores)
    assert "meaniou.count_thresholds" in str(program.run_decompositions().graph)


class CountedBands(nn.Module):
    """A module that returns the counts of bands inside contours, of all images and of each."""

    def forward(self, preds, target, valid):
        spec = ("labels", "labels", 3, [255], 0.5, True, "auto", "", "")
        return torch.ops.meaniou.count_bands(preds, target, valid, *spec, "1 0.25", True, False, False)


@pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated:FutureWarning")
def test_a_warning_about_the_size_of_images_breaks_no_graph():
    """Images that lie in their bands completely cause a warning, which a graph cannot hold."""
    metric = MeanBoundaryIoU(3, width=20)
    target = torch.zeros(2, 40, 40, dtype=torch.int64)
    torch.compile(metric.update, fullgraph=True, backend="eager")(target, target)
    assert metric.compute() == 1
    with pytest.warns(UserWarning, match="so near to its edge"):
        metric.update(target, target)


def test_export_keeps_the_operator_of_bands():
    batch = torch.export.Dim("batch")
    pairs = [tuple(torch.cat([side] * times) for side in BANDS.batches()[0]) for times in (1, 2)]
    maps = [(*pair, pair[1] < 2) for pair in pairs]
    program = torch.export.export(CountedBands(), maps[0], dynamic_shapes=({0: batch}, {0: batch}, {0: batch}))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert called.count("meaniou.count_bands.default") == 1
    for of_batch in maps:
        counts, bands = program.module()(*of_batch)
        assert torch.equal(counts, update_all(BANDS.made(width=[1, 0.25]), [of_batch]).counts)
        assert torch.equal(bands.sum(0).flatten(0, 1), counts[5:, :3])
        assert bands.shape == (len(of_batch[0]), 2, 3, 3)
    assert "meaniou.count_bands" in str(program.run_decompositions().graph)


# ------------------------------------------------------------------------------------------------- what an import loads

LOADED = """
import json, sys
import torch, torchmetrics
before = set(sys.modules)
import meaniou
imported = set(sys.modules) - before
metric = meaniou.MeanIoU(3, ignore_index=255)
labels = torch.zeros(2, 5, 7, dtype=torch.int64)
metric.update(labels, labels)
metric(labels, labels)
metric.compute(), metric.report(), metric.reset(), metric.clone(), str(metric)
meaniou.mean_iou(labels.numpy(), labels.numpy(), num_classes=3)
used = set(sys.modules) - before - imported
print(json.dumps([sorted(before), sorted(imported), sorted(used)]))
"""


@pytest.fixture(scope="module")
def loaded():
    """Names of the modules that torchmetrics loads, then those of ``import meaniou``, then those of its first use."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [set(names) for names in json.loads(done.stdout.splitlines()[-1])]


def roots(names):
    return {name.partition(".")[0] for name in names}


def test_import_after_torchmetrics_loads_our_modules_alone(loaded):
    before, imported, _ = loaded
    assert "meaniou.metrics.counters.mean_iou" in imported
    assert roots(imported) <= {"meaniou", *sys.stdlib_module_names}
    heavy = {"numba", "triton", "matplotlib", "PIL", "click", "rich", "pandas", "lightning"}
    assert not roots(imported) & heavy
    assert not imported & {f"meaniou.{name}" for name in ("masks", "cli", "synthetic", "reference", "__main__")}
    assert "torch._dynamo" not in before | imported


def test_first_use_loads_no_compiler(loaded):
    used = loaded[2]
    assert not [name for name in used if name.startswith(("torch._dynamo", "torch._inductor"))]
    assert not roots(used) & {"triton", "matplotlib", "PIL", "sympy"}
