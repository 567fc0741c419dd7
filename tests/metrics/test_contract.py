"""The contract with torchmetrics: copies, checkpoints, merging, dtypes, inference mode, collections, wrappers."""

import copy
import gc
import io
import pickle
import sys
import warnings
from dataclasses import replace
from itertools import product

import pytest
import torch
from sklearn.metrics import jaccard_score
from support import update_all
from support.kinds import BANDS, CLASSES, CURVE, KINDS, LABELS, assert_equal, differ, each_kind, each_mean, tensors
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.utilities import check_forward_full_state_property
from torchmetrics.wrappers import (
    BootStrapper,
    ClasswiseWrapper,
    MetricTracker,
    MinMaxMetric,
    MultitaskWrapper,
    Running,
)

from meaniou import MeanIoU, MultilabelMeanIoU, confusion_matrix, mean_iou, multilabel_mean_iou

# TorchScript is deprecated, and so is a property of torchmetrics that scripting any metric reads.
scripts = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning",
    "ignore:This property will be removed in 2.0.0. Use `Metric.updated_called`:DeprecationWarning",
)
AVERAGES = ["macro", "micro", "weighted", "none"]


def label_batches(seed=0, count=4, num_classes=3, void=255):
    generator = torch.Generator().manual_seed(seed)

    def labels():
        return torch.randint(0, num_classes, (2, 5, 7), generator=generator)

    return [
        (labels(), labels().masked_fill(torch.rand(2, 5, 7, generator=generator) < 0.1, void)) for _ in range(count)
    ]


def score_batches(seed=0, count=4):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(2, 3, 5, 7, generator=generator), target) for _, target in label_batches(seed, count)]


def threshold_batches(seed=0, count=4):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.rand(2, 1, 5, 7, generator=generator), t) for _, t in label_batches(seed, count, num_classes=2)]


def one_hot_batches(seed=0, count=4):
    def planes(labels):
        return nn.functional.one_hot(labels, 3).movedim(-1, 1)

    return [(planes(preds), planes(target % 3)) for preds, target in label_batches(seed, count)]


def assert_same_state(metric, other):
    assert torch.equal(metric.counts, other.counts)
    assert metric.counts.dtype == torch.int64
    assert metric.update_count == other.update_count


def copies(metric):
    """The metric, copied in every way."""
    buffer = io.BytesIO()
    torch.save(metric, buffer)
    buffer.seek(0)
    return [
        pickle.loads(pickle.dumps(metric)),
        copy.deepcopy(metric),
        copy.copy(metric),
        metric.clone(),
        torch.load(buffer, weights_only=False),
    ]


# --------------------------------------------------------------------------------------------- any settings, any inputs


CASES = {
    **{f"labels, {average}": (label_batches, {"average": average}) for average in AVERAGES},
    "scores": (score_batches, {"void_preds": "drop", "present": "target"}),
    "threshold": (threshold_batches, {"num_classes": 2, "threshold": 0.3, "absent": "zero"}),
    "one-hot": (one_hot_batches, {"input_format": "one-hot", "include_background": False}),
    "on step": (label_batches, {"dist_sync_on_step": True, "validate_args": False}),
    "no cache": (score_batches, {"compute_with_cache": False, "sync_on_compute": False, "compute_on_cpu": True}),
}
OF_LABELS = {
    **{average: {"average": average} for average in AVERAGES},
    "rules": {"void_preds": "drop", "present": "target", "absent": "one"},
    "thresholds": {"threshold": [0.3, 0.5, 0.75], "inclusive": True},
    "on step": {"dist_sync_on_step": True, "validate_args": False},
    "no cache": {"compute_with_cache": False, "sync_on_compute": False, "compute_on_cpu": True},
}
OF_CURVES = {
    "plain": {},
    "many": {"thresholds": 101, "inclusive": True, "average": "micro"},
    "one threshold": {"thresholds": [0.5], "absent": "zero"},
    "on step": OF_LABELS["on step"],
    "no cache": OF_LABELS["no cache"],
}
OF_BANDS = {
    "plain": {},
    "share of the diagonal": {"width": 0.2, "edge": False, "void": "literal", "average": "weighted"},
    "several": {"width": [2, 0.1, 1], "void_preds": "drop", "absent": "one"},
    "several, none": {"width": [1, 2], "average": "none"},
    "on step": OF_LABELS["on step"],
    "no cache": OF_LABELS["no cache"],
}


def made(settings):
    return CLASSES.made(**settings)


@pytest.mark.parametrize("case", CASES)
def test_metric_contract(case):
    make_batches, settings = CASES[case]
    check_metric_contract(lambda: made(settings), make_batches())


@pytest.mark.parametrize("case", OF_LABELS)
def test_contract_of_labels_that_overlap(case):
    check_metric_contract(lambda: LABELS.made(**OF_LABELS[case]), LABELS.batches())


@pytest.mark.parametrize("case", OF_CURVES)
def test_contract_of_a_curve(case):
    check_metric_contract(lambda: CURVE.made(**OF_CURVES[case]), CURVE.batches())


@pytest.mark.parametrize("case", OF_BANDS)
def test_contract_of_bands(case):
    check_metric_contract(lambda: BANDS.made(**OF_BANDS[case]), BANDS.batches())


@pytest.mark.parametrize("of", [LABELS, CURVE], ids=str)
def test_contract_of_a_single_label(of):
    batches = [(preds[:, 0], target[:, 0]) for preds, target in of.batches()]
    check_metric_contract(lambda: of.made(num_labels=1), batches)


def check_metric_contract(make, batches):
    """The requirements of torchmetrics on any metric, with the known faults of its base class."""
    metric, fresh = make(), make()

    # The state is saved only on request; the metric is hashable; the constants of the class stay.
    assert metric.state_dict() == {}
    assert hash(metric)
    assert isinstance(hash(metric), int)
    for name in ("is_differentiable", "higher_is_better", "full_state_update", "plot_lower_bound", "plot_legend_name"):
        with pytest.raises(RuntimeError, match="Can't change const"):
            setattr(metric, name, not getattr(metric, name))

    # Each step returns the value of its batch; compute returns that of all batches.
    for batch in batches:
        value = metric(*batch)
        assert_equal(value, update_all(make(), [batch]).compute())
        assert not metric._is_synced
    total = metric.compute()
    assert metric.update_count == len(batches)
    assert_same_state(metric, update_all(make(), batches))
    assert_equal(total, update_all(make(), batches).compute())
    assert_equal(metric.compute(), total)
    assert not any(part.requires_grad for part in tensors(total))

    # A copy is equal, independent, and can be updated.
    for twin in copies(metric):
        assert twin is not metric
        assert type(twin) is type(metric)
        assert_same_state(twin, metric)
        assert_equal(twin.compute(), total)
        update_all(twin, batches[:1])
        assert twin.update_count == metric.update_count + 1
        assert_equal(metric.compute(), total)
        assert_same_state(metric, update_all(make(), batches))

    # The parts add up, in any order.
    merged = update_all(make(), batches[2:])
    merged.compute()
    merged.merge_state(update_all(make(), batches[:2]))
    assert_same_state(merged, metric)
    assert_equal(merged.compute(), total)

    # A checkpoint restores it without a warning.
    metric.persistent(True)
    state = metric.state_dict()
    assert set(state) == {"counts", "settings"}
    loaded = make()
    loaded.load_state_dict(state)
    assert torch.equal(loaded.counts, metric.counts)
    assert_equal(loaded.compute(), total)
    metric.persistent(False)
    assert metric.state_dict() == {}

    # After a reset it is as new.
    metric.reset()
    assert_same_state(metric, fresh)
    assert not metric.update_called
    assert metric._computed is None
    assert metric._forward_cache is None
    assert_equal(metric(*batches[0]), update_all(make(), batches[:1]).compute())


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@pytest.mark.parametrize("on_step", [False, True])
@scripts
def test_as_torchmetrics_tests_its_own(average, on_step):
    """The steps of ``MetricTester`` of torchmetrics in one process, against scikit-learn."""

    def expected(preds, target):
        preds, target = preds.flatten(), target.flatten()
        valid = target != 255
        labels = sorted({*preds[valid].tolist(), *target[valid].tolist()})
        score = jaccard_score(target[valid], preds[valid], labels=labels, average=average)
        return torch.as_tensor(score, dtype=torch.float32)

    batches = label_batches(1, count=5)
    metric = MeanIoU(3, average=average, ignore_index=255, dist_sync_on_step=on_step)
    torch.jit.script(metric)
    clone = metric.clone()
    assert clone is not metric
    assert type(clone) is type(metric)
    metric = pickle.loads(pickle.dumps(metric.to("cpu")))
    copy.deepcopy(metric)
    for preds, target in batches:
        torch.testing.assert_close(metric(preds, target), expected(preds, target), rtol=1e-6, atol=0)
    assert hash(metric), repr(metric)
    assert metric.state_dict() == {}
    total = expected(*(torch.cat(side) for side in zip(*batches, strict=True)))
    torch.testing.assert_close(metric.compute(), total, rtol=1e-6, atol=0)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@scripts
def test_labels_that_overlap_as_torchmetrics_tests_its_own(average):
    """The same for labels, of which each is in every batch, since scikit-learn counts an absent label as 0."""

    def expected(preds, target):
        of_pixels = ((side.movedim(1, -1).flatten(0, -2) > 0.5).numpy() for side in (preds, target))
        return torch.as_tensor(jaccard_score(*reversed(list(of_pixels)), average=average), dtype=torch.float32)

    batches = [(preds, target.clamp(max=1)) for preds, target in LABELS.batches(1, count=5)]
    metric = MultilabelMeanIoU(3, average=average)
    torch.jit.script(metric)
    metric = pickle.loads(pickle.dumps(metric.clone().to("cpu")))
    for preds, target in batches:
        torch.testing.assert_close(metric(preds, target), expected(preds, target), rtol=1e-6, atol=0)
    assert hash(metric), repr(metric)
    total = expected(*(torch.cat(side) for side in zip(*batches, strict=True)))
    torch.testing.assert_close(metric.compute(), total, rtol=1e-6, atol=0)


@scripts
@each_kind
def test_script_of_a_metric_that_has_counted(kind):
    metric = kind.filled()
    value = metric.compute()
    torch.jit.script(metric)
    assert_equal(metric.compute(), value)


@each_mean
def test_half_of_the_state_is_enough_in_forward(kind, capsys):
    preds, target = kind.batches()[0]
    inputs = {"preds": preds, "target": target}
    check_forward_full_state_property(kind.of, kind.settings, inputs, [10, 50], reps=2)
    # It advises True if the two ways differ, and then does not compare their times.
    assert "Partial state for 50 steps took" in capsys.readouterr().out


@pytest.mark.slow
@each_kind
@pytest.mark.parametrize("call", ["update", "forward"])
def test_memory_does_not_grow(call, kind):
    metric = kind.made()
    batch = kind.batches()[0]

    def after(steps):
        for _ in range(steps):
            (metric if call == "forward" else metric.update)(*batch)
        metric.compute()
        gc.collect()
        return len(pickle.dumps(metric)), sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects())

    after(3)
    size, tensors = after(10)
    size_later, tensors_later = after(100)
    assert size_later <= size + 2  # the number of updates
    assert tensors_later == tensors


@each_kind
def test_forward_cache_and_value_are_dropped_by_reset(kind):
    metric = kind.made()
    metric(*kind.batches()[0])
    metric.compute()
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert tensors(metric.compute())[0].isnan().all()


# ---------------------------------------------------------------------------------------------------------- checkpoints


def saved(kind, **settings):
    metric = kind.made(**settings) if "num_labels" in settings else kind.filled(2, **settings)
    metric.persistent(True)
    return metric.state_dict()


@each_kind
def test_load_drops_the_value_that_was_computed(kind):
    metric = kind.filled()
    before = metric.compute()
    metric.load_state_dict(saved(kind))
    expected = kind.filled(2)
    assert differ(metric.compute(), before)
    assert_equal(metric.compute(), expected.compute())
    update_all(metric, kind.batches(3))
    assert torch.equal(metric.counts, update_all(expected, kind.batches(3)).counts)


@each_kind
def test_load_gives_no_warning_and_marks_the_metric_as_updated(kind):
    metric = kind.made()
    metric.load_state_dict(saved(kind))
    assert metric.update_called
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.compute()


@each_kind
def test_loaded_counts_are_not_shared_with_a_running_metric(kind):
    source = kind.filled(2)
    source.persistent(True)
    state = source.state_dict()
    kept = state["counts"].clone()
    metric = kind.made()
    metric.load_state_dict(state)
    update_all(metric, kind.batches(3))
    assert torch.equal(state["counts"], kept)
    assert torch.equal(source.counts, kept)


# Of each kind, states that were counted with other settings, with a part of the error about them.
OF_ALL = {"ignored ids": ({"ignore_index": (255, -1)}, r"ignore_index=\[-1, 255\]")}
OF_ALL |= {"validation": ({"validate_args": False}, "validate_args=False")}
OF_ALL_LABELS = {
    "labels": ({"num_labels": 4}, "num_labels=4"),
    "inclusive": ({"inclusive": True}, "inclusive=True"),
    **OF_ALL,
}
OTHERWISE = {
    CLASSES.of: {
        "classes": ({"num_classes": 4}, "num_classes=4"),
        "threshold": ({"threshold": 0.4}, "threshold=0.4"),
        "format": ({"input_format": "index"}, "input_format='index'"),
        "rows": ({"per_image": True}, "per_image=True"),
        **OF_ALL,
    },
    LABELS.of: {
        "threshold": ({"threshold": 0.4}, r"thresholds=\[0.4\]"),
        "threshold of each label": ({"threshold": [0.4, 0.5, 0.6]}, "per_label=True"),
        "rows": ({"per_image": True}, "per_image=True"),
        **OF_ALL_LABELS,
    },
    CURVE.of: {
        "thresholds": ({"thresholds": [0.25, 0.5, 0.8]}, r"0\.8\]"),
        "fewer thresholds": ({"thresholds": [0.25, 0.5]}, r"thresholds=\[0.25, 0.5\],"),
        **OF_ALL_LABELS,
    },
    BANDS.of: {
        "classes": ({"num_classes": 4}, "num_classes=4"),
        "width": ({"width": 2}, r"widths=\[2\]"),
        "share": ({"width": 0.1}, r"widths=\[0.1\]"),
        "more widths": ({"width": [1, 2]}, r"widths=\[1, 2\]"),
        "edge": ({"edge": False}, "edge=False"),
        "void": ({"void": "literal"}, "void='literal'"),
        "void predictions": ({"void_preds": "drop"}, "drop_void_preds=True"),
        "rows": ({"per_image": True}, "per_image=True"),
        **OF_ALL,
    },
}
DAMAGED = {
    "shape": (lambda state: state | {"counts": torch.zeros(4, 4, dtype=torch.int64)}, r"'counts'.*\[4, 4\]"),
    "dtype": (lambda state: state | {"counts": state["counts"].float()}, "'counts'"),
    "negative": (lambda state: state | {"counts": -state["counts"]}, "negative counts"),
    "no tensor": (lambda state: state | {"counts": 3}, "'counts'"),
    "garbage in the settings": (lambda state: state | {"settings": torch.tensor([-5, 2**40])}, "settings"),
    "other settings": (lambda state: state | {"settings": torch.tensor(list(b'{"a": 1}'))}, "a=1"),
    "settings of another shape": (lambda state: state | {"settings": torch.tensor([[1]])}, "settings"),
    "no settings": (lambda state: {"counts": state["counts"]}, "'settings'"),
    "no counts": (lambda state: {"settings": state["settings"]}, "'counts'"),
}
FOREIGN = "another metric"
REFUSED_STATES = [
    (kind, name, lambda kind=kind, settings=settings: saved(kind, **settings), part)
    for kind in KINDS
    for name, (settings, part) in OTHERWISE[kind.of].items()
]
REFUSED_STATES += [
    (kind, name, lambda kind=kind, spoil=spoil: spoil(saved(kind)), part)
    for kind in KINDS
    for name, (spoil, part) in DAMAGED.items()
]
REFUSED_STATES += [
    (kind, f"a {other}", lambda other=other: saved(other), part)
    for kind, other, part in (
        (CLASSES, LABELS, "num_labels=3, and this metric counts with num_classes=3"),
        (LABELS, CLASSES, "num_classes=3, and this metric counts with num_labels=3"),
        (LABELS, CURVE, r"thresholds=\[0.25, 0.5, 0.75\]"),
        (CURVE, LABELS, r"thresholds=\[0.5\]"),
        (BANDS, CLASSES, "widths"),
        (CLASSES, BANDS, "widths"),
    )
]
REFUSED_STATES += [
    (kind, FOREIGN, lambda: {"confmat": torch.zeros(3, 3, dtype=torch.int64)}, "'settings'") for kind in KINDS
]


def refused(states):
    """Parametrizes a test with states that a metric refuses, with the kind of the metric and a part of the error."""
    ids = [f"{kind}-{name}" for kind, name, *_ in states]
    return pytest.mark.parametrize(("kind", "name", "state", "part"), states, ids=ids)


@refused(REFUSED_STATES)
def test_load_refuses_what_was_counted_otherwise(kind, name, state, part):
    metric = kind.filled()
    value = metric.compute()
    before = metric.clone()
    state = state()
    keys = set(state)
    part = "Unexpected key" if name == FOREIGN or "image_rows" in keys else part
    with pytest.raises(RuntimeError, match=part):
        metric.load_state_dict(state)
    assert set(state) == keys
    assert_same_state(metric, before)
    assert torch.equal(metric.settings, before.settings)
    assert_equal(metric.compute(), value)
    assert_same_state(update_all(metric, kind.batches(3)), update_all(before, kind.batches(3)))


@pytest.mark.parametrize("strict", [True, False])
@refused([state for state in REFUSED_STATES if state[1] != FOREIGN])
def test_load_refuses_within_a_model_too(kind, name, state, part, strict):
    model = nn.ModuleDict({"layer": nn.Linear(2, 2), "metric": kind.filled()})
    before = model["metric"].clone()
    state = model.state_dict() | {f"metric.{key}": value for key, value in state().items()}
    with pytest.raises(RuntimeError, match=part):
        model.load_state_dict(state, strict=strict)
    assert_same_state(model["metric"], before)


@each_kind
def test_checkpoint_of_a_model(kind):
    model = nn.ModuleDict({"layer": nn.Linear(2, 2), "metric": kind.filled()})
    assert set(model.state_dict()) == {"layer.weight", "layer.bias"}
    model["metric"].persistent(True)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    twin = nn.ModuleDict({"layer": nn.Linear(2, 2), "metric": kind.made()})
    twin.load_state_dict(torch.load(buffer, weights_only=True))
    assert_equal(twin["metric"].compute(), model["metric"].compute())
    # An old checkpoint without the metric still loads.
    model.load_state_dict(nn.ModuleDict({"layer": nn.Linear(2, 2)}).state_dict())


# -------------------------------------------------------------------------------------------------------------- merging


@each_kind
@pytest.mark.parametrize("how", ["metric", "metric_state", "state_dict", "snapshot", "on step"])
def test_merge(how, kind):
    first, second = (kind.filled(seed, dist_sync_on_step=how == "on step") for seed in (0, 1))
    before = first.compute()
    second.persistent(True)
    states = {"metric_state": second.metric_state, "state_dict": second.state_dict(), "snapshot": second.snapshot()}
    incoming = states.get(how, second)
    kept = second.counts.clone()
    first.merge_state(incoming)
    expected = update_all(kind.filled(0), kind.batches(1))
    assert differ(first.compute(), before)
    assert_equal(first.compute(), expected.compute())
    assert torch.equal(first.counts, expected.counts)
    assert first.update_count == (8 if incoming is second or how == "snapshot" else 5)
    assert torch.equal(second.counts, kept)
    update_all(first, kind.batches(2))
    assert torch.equal(second.counts, kept)


@each_kind
def test_merge_into_a_fresh_metric_gives_no_warning(kind):
    metric, other = kind.made(), kind.filled(1)
    metric.merge_state(other)
    assert_equal(metric.compute(), other.compute())
    assert metric.update_count == 4


@each_kind
def test_merge_takes_another_policy(kind):
    metric = kind.made(average="micro")
    rules = {} if kind is BANDS else {"void_preds": "drop"}  # for bands, a setting of counting
    metric.merge_state(kind.filled(1, absent="zero", classes=[1], class_names=["a", "b", "c"], **rules))
    assert_equal(metric.compute(), kind.filled(1, average="micro").compute())


@refused(REFUSED_STATES)
def test_merge_refuses_what_was_counted_otherwise(kind, name, state, part):
    metric = kind.filled()
    value = metric.compute()
    before = metric.clone()
    with pytest.raises(ValueError, match=part):
        metric.merge_state(state())
    assert_same_state(metric, before)
    assert_equal(metric.compute(), value)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in OTHERWISE[kind.of]], ids=str)
def test_merge_refuses_a_metric_with_other_settings(kind, name):
    settings, part = OTHERWISE[kind.of][name]
    metric = kind.filled()
    before = metric.clone()
    with pytest.raises(ValueError, match=part):
        metric.merge_state(kind.made(**settings))
    assert_same_state(metric, before)


OTHERS = [MulticlassJaccardIndex(3), nn.Linear(1, 1), torch.zeros(5, 5), [], None, 3]


@pytest.mark.parametrize(
    ("kind", "other"),
    [(kind, other) for kind in KINDS for other in (*OTHERS, *(k.made() for k in KINDS if k is not kind))],
)
def test_merge_refuses_other_types(kind, other):
    metric = kind.filled()
    before = metric.clone()
    with pytest.raises(TypeError, match=f"{'None' if other is None else type(other).__name__}.* another {kind}"):
        metric.merge_state(other)
    assert_same_state(metric, before)


# --------------------------------------------------------------------------------------------------------------- dtypes

CONVERSIONS = {
    "half": lambda m: m.half(),
    "float": lambda m: m.float(),
    "double": lambda m: m.double(),
    "bfloat16": lambda m: m.bfloat16(),
    "type": lambda m: m.type(torch.float16),
    "to float16": lambda m: m.to(torch.float16),
    "to bfloat16": lambda m: m.to(torch.bfloat16),
    "to float64": lambda m: m.to(dtype=torch.float64),
    "to cpu and bfloat16": lambda m: m.to("cpu", torch.bfloat16),
    "to a tensor's": lambda m: m.to(torch.zeros(1, dtype=torch.float16)),
    "cpu": lambda m: m.cpu(),
}


@each_kind
@pytest.mark.parametrize("name", [*CONVERSIONS, "set_dtype half", "set_dtype double"])
@pytest.mark.parametrize("in_a_model", [False, True])
def test_counts_and_values_keep_their_dtype(name, in_a_model, kind):
    metric = kind.made()
    batches = kind.batches()
    cached, total = metric(*batches[0]), metric.compute()
    if name.startswith("set_dtype"):
        convert = {"half": torch.float16, "double": torch.float64}[name.split()[1]]
        assert metric.set_dtype(convert) is metric
    else:
        model = nn.Sequential(nn.Linear(2, 2), metric)
        CONVERSIONS[name](model if in_a_model and name != "type" else metric)
    assert metric.counts.dtype == metric.settings.dtype == torch.int64
    assert all(default.dtype == torch.int64 for default in metric._defaults.values())
    assert_equal(metric._forward_cache, cached)
    assert_equal(metric.compute(), total)
    assert metric.dtype == torch.float32
    update_all(metric, batches[1:])
    assert_equal(metric.compute(), kind.filled().compute())
    metric.reset()
    assert_equal(metric(*batches[0]), cached)


def test_half_scores_do_not_change_the_state():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        metric = made({}).to(dtype)
        preds, target = score_batches()[0]
        metric.update(preds.to(dtype), target)
        assert_equal(metric.compute(), mean_iou(preds.to(dtype).argmax(1), target, 3, ignore_index=255))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_of_scores_of_labels_does_not_change_the_state(dtype):
    """A score is above a threshold if it is as float64; the thresholds are the same in all dtypes."""
    (preds, target), *_ = LABELS.batches()
    for kind in (LABELS, CURVE):
        metric, expected = (kind.made(**settings) for settings in ({}, {"inclusive": True}))
        expected.input_settings = replace(expected.input_settings, validate_args=False)  # a score may be below 0
        metric.to(dtype).update(preds.to(dtype), target)
        expected.update(preds.to(dtype).double() - 2**-50, target)
        assert torch.equal(metric.counts, expected.counts)


def test_many_counts_in_one_cell_stay_exact():
    for start in (2**24, 2**31, 2**53):
        metric = made({"average": "none"}).to(torch.bfloat16)
        state = metric.metric_state | {"counts": torch.zeros(5, 5, dtype=torch.int64)}
        state["counts"][0, 0] = start
        metric.merge_state(state)
        metric.update(torch.zeros(1, 1, dtype=torch.uint8), torch.zeros(1, 1, dtype=torch.uint8))
        assert metric.counts[0, 0] == start + 1
        assert metric.compute()[0] == 1
        for kind in (LABELS, CURVE):
            metric = kind.made().to(torch.bfloat16)
            counts = torch.zeros_like(metric.counts)
            counts[:, 1, -3] = start  # set, and above all thresholds
            metric.merge_state(metric.metric_state | {"counts": counts})
            metric.update(torch.ones(1, 3, 1), torch.ones(1, 3, 1, dtype=torch.uint8))
            assert torch.equal(metric.counts, counts.where(counts == 0, start + 1))
            assert (tensors(metric.compute())[0] == 1).all()
        metric, x = BANDS.made().to(torch.bfloat16), torch.zeros(1, 2, 2, dtype=torch.uint8)
        metric.update(x, x)
        counts = metric.counts
        metric.merge_state(metric.metric_state | {"counts": torch.where(counts > 0, start, 0)})
        assert torch.equal(metric.counts, torch.where(counts > 0, start + counts, 0))
        assert metric.compute() == 1


# ------------------------------------------------------------------------------------------------------- inference mode


@each_kind
@pytest.mark.parametrize(("made_in", "updated_in", "computed_in"), list(product([False, True], repeat=3)))
def test_inference_mode(made_in, updated_in, computed_in, kind):
    batches = kind.batches()
    with torch.inference_mode(made_in):
        metric = kind.made()
    assert not any(state.is_inference() for state in (*metric.metric_state.values(), *metric._defaults.values()))
    with torch.inference_mode(updated_in):
        metric.update(*batches[0])
        metric(*batches[1])
    with torch.inference_mode(computed_in):
        value = metric.compute()
        metric.report()
    assert_equal(value, update_all(kind.made(), batches[:2]).compute())
    # and the reverse
    with torch.inference_mode(not updated_in):
        metric.update(*batches[2])
        metric(*batches[3])
    with torch.inference_mode(not computed_in):
        value = metric.compute()
    assert_equal(value, update_all(kind.made(), batches).compute())
    for twin in copies(metric):
        assert_same_state(update_all(twin, batches[:1]), update_all(kind.made(), [*batches, batches[0]]))
    metric.persistent(True)
    other = kind.made()
    other.load_state_dict(metric.state_dict())
    other.update(*batches[0])
    other.merge_state(metric)
    assert torch.equal(other.counts, update_all(kind.made(), [*batches, *batches, batches[0]]).counts)
    metric.reset()
    metric.update(*batches[0])
    assert_same_state(metric, update_all(kind.made(), batches[:1]))


@each_kind
def test_scores_that_need_a_gradient(kind):
    preds, target = kind.batches()[0] if kind.overlaps else score_batches()[0]
    metric = kind.made()
    value = metric(preds.requires_grad_(), target)
    assert not any(part.requires_grad for part in tensors(value))
    assert not metric.counts.requires_grad
    assert_equal(value, kind.made()(preds.detach(), target))


# ---------------------------------------------------------------------------------------------------------- collections


@pytest.fixture
def kernel_calls(monkeypatch):
    """A list with one entry for each time that a metric counts a batch."""
    calls = []
    functions = {CLASSES: "count", LABELS: "count_labels", CURVE: "count_labels", BANDS: "count_bands"}
    for kind, function in functions.items():
        module = sys.modules[kind.of.__module__]
        count = getattr(module, function)

        def counted(*args, count=count, **settings):
            calls.append(args)
            return count(*args, **settings)

        monkeypatch.setattr(module, function, counted)
    return calls


SAME_COUNTS = {
    "plain": {},
    "micro": {"average": "micro"},
    "weighted": {"average": "weighted", "class_names": ["a", "b", "c"]},
    "absent": {"absent": "zero"},
    "present": {"present": "target"},
    "classes": {"classes": [1, 2]},
    "drop": {"void_preds": "drop"},
    "kernel": {"impl": "portable"},
}
SAME_MEANS = {**SAME_COUNTS, "none": {"average": "none"}}
SAME = {
    CLASSES: {**SAME_MEANS, "foreground": {"include_background": False}},
    LABELS: {**SAME_MEANS, "one threshold": {"threshold": torch.tensor(0.5)}},
    CURVE: {**SAME_COUNTS, "number": {"thresholds": torch.tensor([0.25, 0.5, 0.75])}},
    BANDS: {name: settings for name, settings in SAME_MEANS.items() if name != "drop"} | {"list": {"width": [1]}},
}


@each_kind
def test_metrics_with_the_same_counts_count_once(kernel_calls, kind):
    batches, same = kind.batches(count=5), SAME[kind]
    collection = MetricCollection({name: kind.made(**settings) for name, settings in same.items()})
    collection.update(*batches[0])
    assert len(collection.compute_groups) == 1
    assert len(kernel_calls) == len(same)
    for batch in batches[1:]:
        collection.compute()
        collection.update(*batch)
    assert len(kernel_calls) == len(same) + 4
    metrics = dict(collection.items(copy_state=False))
    for name, settings in same.items():
        expected = update_all(kind.made(**settings), batches)
        assert_equal(metrics[name].compute(), expected.compute())
        assert_same_state(collection[name], expected)

    collection.reset()
    update_all(collection, batches[:2])
    for name, metric in collection.clone(prefix="val/").items(keep_base=False):
        settings = same[name.removeprefix("val/")]
        assert_equal(metric.compute(), update_all(kind.made(**settings), batches[:2]).compute())


@each_mean
def test_metrics_with_the_same_rows_count_once(kind):
    names = ("dataset", "image", "class")
    collection = MetricCollection({name: kind.made(over=name, per_image=True) for name in names})
    batches = kind.batches()
    update_all(collection, batches)
    assert [sorted(group) for group in collection.compute_groups.values()] == [sorted(names)]
    values = collection.compute()
    for name in names:
        assert_equal(values[name], update_all(kind.made(over=name), batches).compute())


OTHER_COUNTS = {
    "ignore_index": (CLASSES, {}, {"ignore_index": (255, 2)}),
    "no ignore_index": (CLASSES, {}, {"ignore_index": None}),
    "far ignored ids": (CLASSES, {"ignore_index": 100_000}, {"ignore_index": 100_001}),
    "num_classes": (CLASSES, {}, {"num_classes": 4}),
    "threshold": (CLASSES, {"num_classes": 2}, {"num_classes": 2, "threshold": 0.5 + 1e-9}),
    "input_format": (CLASSES, {}, {"input_format": "index"}),
    "validate_args": (CLASSES, {}, {"validate_args": False}),
    "per_image": (CLASSES, {}, {"per_image": True}),
    **{
        f"{name} of labels": (LABELS, {}, settings)
        for name, settings in {
            "threshold": {"threshold": 0.5 + 1e-9},
            "threshold of each": {"threshold": [0.5, 0.5, 0.5 + 1e-9]},
            "inclusive": {"inclusive": True},
            "ignore_index": {"ignore_index": (255, 2)},
            "no ignore_index": {"ignore_index": None},
            "validate_args": {"validate_args": False},
            "per_image": {"per_image": True},
        }.items()
    },
    **{
        f"{name} of a curve": (CURVE, {}, settings)
        for name, settings in {
            "thresholds": {"thresholds": [0.25, 0.5, 0.75 + 1e-9]},
            "number of thresholds": {"thresholds": [0.25, 0.75]},
            "inclusive": {"inclusive": True},
            "ignore_index": {"ignore_index": (255, 2)},
            "validate_args": {"validate_args": False},
        }.items()
    },
    **{
        f"{name} of bands": (BANDS, {"width": 0.02}, settings)
        for name, settings in {
            "width": {"width": 0.02 + 1e-9},
            "width in pixels": {"width": 1},
            "number of widths": {"width": [0.02, 0.03]},
            "edge": {"width": 0.02, "edge": False},
            "void": {"width": 0.02, "void": "literal"},
            "void_preds": {"width": 0.02, "void_preds": "drop"},
            "ignore_index": {"width": 0.02, "ignore_index": (255, 2)},
            "per_image": {"width": 0.02, "per_image": True},
        }.items()
    },
}


@pytest.mark.parametrize("name", OTHER_COUNTS)
def test_metrics_that_may_count_otherwise_are_never_merged(name, kernel_calls):
    kind, one, other = OTHER_COUNTS[name]
    collection = MetricCollection({"one": kind.made(**one), "other": kind.made(**other)})
    # A first batch on which all of them agree.
    same = torch.zeros(1, 5, 7, dtype=torch.int64)
    batch = (torch.zeros(1, 3, 5), torch.zeros(1, 3, 5, dtype=torch.int64)) if kind.overlaps else (same, same)
    calls = 6
    if "per_image" in other:
        calls -= 3 * (kind is CLASSES)  # it counts images by another function
    for _ in range(3):
        collection.update(*batch)
    assert len(collection.compute_groups) == 2
    assert len(kernel_calls) == calls


def test_numbers_of_labels_are_never_merged():
    """Batches of other numbers of labels are no batches of one collection, so the states are compared."""
    for kind in (LABELS, CURVE):
        one, other = kind.made(), kind.made(num_labels=4)
        assert not MetricCollection._equal_metric_states(one, other)
        assert MetricCollection._equal_metric_states(one, kind.made(average="micro"))


def test_kinds_of_metric_are_never_merged(kernel_calls):
    """Of two classes from one channel, and of the same pixels as one label."""
    metrics = {
        "classes": MeanIoU(2),
        "label": MultilabelMeanIoU(1),
        "curve": CURVE.made(num_labels=1, ignore_index=None),
        "bands": BANDS.made(num_classes=2, ignore_index=None),
    }
    collection = MetricCollection(metrics)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        target = torch.randint(0, 2, (2, 5, 7), generator=generator)
        collection.update(torch.rand(2, 5, 7, generator=generator), target)
    assert len(collection.compute_groups) == 4
    assert len(kernel_calls) == 12
    classes, label = (collection[name].report().classes for name in ("classes", "label"))
    assert classes[1].iou == label[0].iou == pytest.approx(collection["curve"].at(0.5).item(), rel=1e-6)
    assert collection["curve"].at(0.5) == collection["label"].compute()


def test_a_curve_of_one_threshold_has_the_counts_of_labels(kernel_calls):
    batches = LABELS.batches()
    collection = MetricCollection({"curve": CURVE.made(thresholds=[0.5]), "labels": LABELS.made()})
    update_all(collection, batches)
    assert len(collection.compute_groups) == 1
    assert len(kernel_calls) == 2 + 3
    each = LABELS.filled(average="none").compute()
    assert_equal(collection["curve"].compute()[0], each[:, None])
    assert_equal(collection["labels"].compute(), LABELS.filled().compute())


def test_an_ignored_id_that_comes_late():
    batches = [(torch.zeros(1, 4, 5, dtype=torch.int64),) * 2, (label_batches()[0][0], label_batches()[1][0])]
    collection = MetricCollection({"all": made({}), "without 2": made({"ignore_index": (2, 255)})})
    values = update_all(collection, batches).compute()
    assert_equal(values["all"], update_all(made({}), batches).compute())
    assert_equal(values["without 2"], update_all(made({"ignore_index": (2, 255)}), batches).compute())


def test_collection_beside_metrics_of_torchmetrics():
    batches = label_batches()
    collection = MetricCollection({"ours": made({}), "theirs": MulticlassJaccardIndex(3, ignore_index=255)})
    for preds, target in batches:
        step = collection(preds=preds, target=target, valid=None)
        torch.testing.assert_close(step["ours"], step["theirs"])
    values = collection.compute()
    torch.testing.assert_close(values["ours"], values["theirs"])
    assert collection.state_dict() == {}
    collection.persistent(True)
    twin = MetricCollection({"ours": made({}), "theirs": MulticlassJaccardIndex(3, ignore_index=255)})
    twin["ours"].load_state_dict(
        {k.removeprefix("ours."): v for k, v in collection.state_dict().items() if "ours" in k}
    )
    assert_equal(twin["ours"].compute(), values["ours"])


def test_collection_of_two_tasks_by_keyword():
    (preds, target), *_ = label_batches()
    tasks = MultitaskWrapper({"a": made({}), "b": MetricCollection([made({"average": "micro"})])})
    tasks.update({"a": preds, "b": target % 3}, {"a": target, "b": target})
    values = tasks.compute()
    assert_equal(values["a"], mean_iou(preds, target, 3, ignore_index=255))
    assert values["b"]["MeanIoU"] == 1


def test_tasks_of_every_kind():
    tasks = MultitaskWrapper({str(kind): kind.made() for kind in KINDS})
    for step in range(2):
        sides = zip(*(kind.batches()[step] for kind in KINDS), strict=True)
        tasks.update(*(dict(zip(map(str, KINDS), side, strict=True)) for side in sides))
    values = tasks.compute()
    for kind in KINDS:
        assert_equal(values[str(kind)], update_all(kind.made(), kind.batches()[:2]).compute())


# ------------------------------------------------------------------------------------------------------------- wrappers


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("labels", [None, ["sky", "road", "tree"]])
def test_classwise(num_classes, labels):
    names = labels[:num_classes] if labels else None
    batches = [(preds % num_classes, target % num_classes) for preds, target in label_batches()]
    wrapper = ClasswiseWrapper(MeanIoU(num_classes, average="none"), labels=names, prefix="iou/")
    step = wrapper(*batches[0])
    keys = [f"iou/{name}" for name in names or range(num_classes)]
    assert list(step) == keys
    update_all(wrapper, batches[1:])
    values = wrapper.compute()
    assert list(values) == keys
    assert_equal(
        torch.stack(list(values.values())), update_all(MeanIoU(num_classes, average="none"), batches).compute()
    )


@each_mean
def test_classwise_in_a_collection(kind):
    batches = kind.batches()
    classwise = ClasswiseWrapper(kind.made(average="none"), labels=["a", "b", "c"], prefix="iou_")
    collection = MetricCollection({"mean": kind.made(), "each": classwise})
    for batch in batches:
        collection.update(*batch)
    values = collection.compute()
    assert_equal(values["mean"], kind.filled().compute())
    assert set(values) == {"mean", "iou_a", "iou_b", "iou_c"}
    each = kind.filled(average="none").compute()
    assert_equal(torch.stack([values[f"iou_{name}"] for name in "abc"]), each)
    collection.reset()
    assert collection["mean"].counts.sum() == 0


@each_kind
def test_tracker(kind):
    tracker = MetricTracker(kind.made())
    values = []
    for seed in range(3):
        tracker.increment()
        for batch in kind.batches(seed):
            tracker.update(*batch)
        values.append(kind.filled(seed).compute())
        assert_equal(tracker.compute(), values[-1])
    if kind is CURVE:  # what is best of several curves, torchmetrics cannot say
        return
    best, step = tracker.best_metric(return_step=True)
    assert best == max(values).item()
    assert values[step] == best
    assert_equal(tracker.compute_all(), torch.stack(values))


@each_mean
def test_tracker_of_a_collection(kind):
    tracker = MetricTracker(MetricCollection({"mean": kind.made(), "micro": kind.made(average="micro")}))
    for seed in range(2):
        tracker.increment()
        update_all(tracker, kind.batches(seed))
    assert set(tracker.best_metric()) == {"mean", "micro"}


@each_mean
def test_bootstrapper(kind):
    torch.manual_seed(0)
    bootstrap = BootStrapper(kind.made(), num_bootstraps=8, quantile=torch.tensor([0.0, 1.0]), raw=True)
    batches = kind.batches(count=3)
    for batch in batches:
        bootstrap.update(*batch)
    result = bootstrap.compute()
    low, high = result["quantile"]
    assert result["raw"].shape == (8,)
    assert 0 <= low <= result["mean"] <= high <= 1
    assert result["std"] > 0


@each_mean
def test_min_max(kind):
    metric = MinMaxMetric(kind.made())
    seen = []
    for batch in kind.batches():
        metric.update(*batch)
        seen.append(metric.compute()["raw"].clone())
    assert_equal(seen[-1], kind.filled().compute())
    assert metric.compute()["max"] == max(seen)
    assert metric.compute()["min"] == min(seen)


@each_kind
@pytest.mark.parametrize("call", ["update", "forward"])
def test_running(call, kind):
    batches = kind.batches(count=5)
    running = Running(kind.made(), window=2)
    for i, batch in enumerate(batches):
        value = (running if call == "forward" else running.update)(*batch)
        if call == "forward":
            assert_equal(value, update_all(kind.made(), [batch]).compute())
        assert_equal(running.compute(), update_all(kind.made(), batches[max(0, i - 1) : i + 1]).compute())
    running.reset()
    running.update(*batches[0])
    assert_equal(running.compute(), update_all(kind.made(), batches[:1]).compute())


def test_arithmetic():
    one, two = made({}), made({"average": "none"})
    (preds, target), *_ = label_batches()
    mean, each = (
        mean_iou(preds, target, 3, ignore_index=255),
        mean_iou(preds, target, 3, ignore_index=255, average="none"),
    )
    for composed, expected in [
        (one + 1.0, mean + 1),
        (100 * one, 100 * mean),
        (1 - one, 1 - mean),
        (one / two, mean / each),
        (two[0], each[0]),
        (two > one, each > mean),
        (abs(one), mean),
    ]:
        composed.reset()
        composed.update(preds, target)
        assert_equal(composed.compute(), expected)
        assert_equal(composed(preds=preds, target=target), expected)
        assert composed.state_dict() == {}


def test_arithmetic_of_labels_that_overlap():
    (preds, target), *_ = LABELS.batches()
    mean = multilabel_mean_iou(preds, target, 3, ignore_index=255)
    iou, _ = CURVE.made()(preds, target)
    for composed, expected in (
        (100 * LABELS.made(), 100 * mean),
        (CURVE.made()[0], iou),
        (1 - CURVE.made()[0], 1 - iou),
    ):
        composed.update(preds, target)
        assert_equal(composed.compute(), expected)


# --------------------------------------------------------------------------------------------------------------- inputs


def test_every_kind_of_input_through_the_metric():
    (preds, target), *_ = label_batches()
    scores = nn.functional.one_hot(preds, 3).movedim(-1, 1).float()
    counts = confusion_matrix(preds, target, 3, ignore_index=255, include_void=True)
    for batch in [
        (preds, target),
        (preds.to(torch.uint8), target.to(torch.int16)),
        (preds[:, None], target[:, None]),
        (scores, target),
        (scores.half(), target[:, None]),
        (list(preds), list(target)),
        (tuple(scores), tuple(target)),
    ]:
        metric = made({})
        metric(*batch)
        assert torch.equal(metric.counts, counts)

    planes = nn.functional.one_hot(target % 3, 3).movedim(-1, 1)
    metric = made({"input_format": "one-hot"})
    metric.update(scores, planes, valid=target != 255)
    assert torch.equal(metric.counts, counts)

    batches = threshold_batches()
    metric = update_all(made({"num_classes": 2, "threshold": 0.3}), batches)
    assert_same_state(
        metric, update_all(made({"num_classes": 2, "threshold": 0.3}), [((p > 0.3).long(), t) for p, t in batches])
    )


@pytest.mark.parametrize(
    ("kind", "cell"),
    [(LABELS, (slice(None), 0, -3)), (CURVE, (slice(None), 0, -3)), (BANDS, (-1, 0))],
    ids=["labels", "curve", "bands"],
)
def test_counts_of_each_kind_stay_where_a_captured_graph_adds_to_them(kind, cell, monkeypatch):
    metric, batch = kind.made(), kind.batches()[0]
    metric.update(*batch)
    monkeypatch.setattr("meaniou.metrics.state.count_state.is_captured", lambda counts, per_image: True)
    metric.update(*batch)
    monkeypatch.undo()
    captured, counts = metric.counts, update_all(kind.made(), [batch]).counts
    value = metric.compute()
    captured.add_(counts)  # a replay
    metric.update(*batch)
    assert metric.counts is captured
    assert torch.equal(captured, 4 * counts)
    assert_equal(metric.compute(), value)
    captured[cell] += 1000  # false positives, at every threshold
    assert differ(metric.compute(), value)  # no value is cached
    metric.reset()
    assert metric.counts is captured
    assert captured.sum() == 0
    with pytest.raises(RuntimeError, match=r"update\(\)"):
        metric(*batch)


def test_counts_stay_where_a_captured_graph_adds_to_them(monkeypatch):
    """A replay: an addition to the captured tensor, without any Python code of the metric."""
    x = torch.tensor([[0, 1, 1]])
    metric = MeanIoU(2, ignore_index=255)
    metric.update(x, x)
    monkeypatch.setattr("meaniou.metrics.state.count_state.is_captured", lambda counts, per_image: True)
    metric.update(x, x)
    monkeypatch.undo()
    captured, batch = metric.counts, confusion_matrix(x, x, 2, include_void=True)

    def replay():
        captured.add_(batch)

    replay()
    assert torch.equal(metric.counts, 3 * batch)
    metric.update(x, x)  # without the graph
    replay()
    assert metric.counts is captured
    assert torch.equal(metric.counts, 5 * batch)
    assert metric.compute() == 1
    captured.add_(torch.tensor([[0, 1, 0, 0]] + [[0] * 4] * 3))
    assert metric.compute() < 1  # no value is cached
    metric.merge_state(metric)
    metric.persistent(True)
    metric.load_state_dict(metric.state_dict() | {"counts": 7 * batch})
    assert metric.counts is captured
    assert torch.equal(captured, 7 * batch)
    metric.reset()
    assert metric.counts is captured
    assert metric.counts.sum() == 0
    replay()
    assert torch.equal(metric.confmat, batch[:2, :2])
    with pytest.raises(RuntimeError, match=r"update\(\)"):
        metric(x, x)
    assert torch.equal(copy.deepcopy(metric).counts, batch)
