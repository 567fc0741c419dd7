"""``MultilabelMeanIoU``: one label and two classes from one channel are the same; settings and errors."""

import inspect
import math

import matplotlib
import numpy as np
import pytest
import torch
from support import SCORE_DTYPES, as_numpy, assert_sentence
from support.kinds import CLASSES, CURVE, LABELS, assert_equal, each_kind
from torchmetrics.classification import MulticlassJaccardIndex

from meaniou import IoUCurve, LabelValueError, MeanIoU, MultilabelMeanIoU, iou_curve, multilabel_mean_iou
from meaniou.counting import why_not

matplotlib.use("Agg")

# Thresholds, and 0.3 of which the nearest float16 and bfloat16 are above it.
EDGES = (0.1, 0.3, 0.5, 1 / 3, 0.7)


def near(edge, dtype):
    """A score at a threshold, and those next to it in a dtype, in random order."""
    score = torch.tensor(edge, dtype=dtype)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]  # nextafter takes no float16 everywhere
    scores = (score.view(bits) + torch.arange(-1, 2, dtype=bits)).view(dtype).repeat(40)
    return scores[torch.randperm(len(scores), generator=torch.Generator().manual_seed(0))].view(2, 60)


@pytest.mark.parametrize("dtype", SCORE_DTYPES, ids=str)
@pytest.mark.parametrize("edge", EDGES)
def test_two_classes_from_one_channel_are_one_label(dtype, edge):
    scores = near(edge, dtype)
    target = torch.randint(0, 2, scores.shape, generator=torch.Generator().manual_seed(1))
    classes, label = MeanIoU(2, threshold=edge), MultilabelMeanIoU(1, threshold=edge)
    for metric in (classes, label):
        metric.update(scores, target)
    assert torch.equal(label.counts, classes.counts[None])
    assert classes.report().classes[1].iou == label.report().classes[0].iou
    assert classes.report().pixel_accuracy == label.report().pixel_accuracy
    wide = np.float64 if dtype == torch.float64 else np.float32
    above = as_numpy(scores).astype(wide) > wide(edge)
    assert classes.counts[:2, 1].tolist() == [int((above & (target == side).numpy()).sum()) for side in (0, 1)]
    assert 0 < above.mean() < 1


# ------------------------------------------------------------------------------------------------------------- settings

NEITHER = [
    ({"num_labels": "3"}, TypeError, "num_labels"),
    ({"num_labels": 2.0}, TypeError, "num_labels"),
    ({"num_labels": True}, TypeError, "num_labels"),
    ({"num_labels": 0}, ValueError, "1 to 4096"),
    ({"num_labels": 4097}, ValueError, "1 to 4096"),
    ({"inclusive": 1}, TypeError, "inclusive"),
    ({"ignore_index": 1.5}, TypeError, "ignore_index"),
    ({"ignore_index": 1}, ValueError, "classes="),
    ({"ignore_index": [255, 0]}, ValueError, "0 and 1 say whether a label is set"),
    ({"average": "mean"}, ValueError, "average is 'mean'"),
    ({"void_preds": "skip"}, ValueError, "void_preds is 'skip'"),
    ({"present": "preds"}, ValueError, "present is 'preds'"),
    ({"absent": 0}, ValueError, "absent is 0"),
    ({"classes": [3]}, ValueError, " 0 to 2"),
    ({"classes": []}, ValueError, "classes"),
    ({"class_names": ["a", "b"]}, ValueError, "expected 3"),
    ({"class_names": ["a", "b", "a"]}, ValueError, "'a' more than once"),
    ({"validate_args": 1}, TypeError, "validate_args"),
    ({"impl": "gpu"}, ValueError, "impl is 'gpu'"),
    ({"no_such_setting": 1}, ValueError, "no_such_setting"),
    ({"dist_sync_on_step": 1}, ValueError, "dist_sync_on_step"),
]
REFUSED = [
    *((kind, *case) for case in NEITHER for kind in (LABELS, CURVE)),
    (LABELS, {"threshold": "0.5"}, TypeError, "threshold is '0.5'"),
    (LABELS, {"threshold": True}, TypeError, "threshold is True"),
    (LABELS, {"threshold": math.nan}, TypeError, "threshold is nan"),
    (LABELS, {"threshold": [0.5, 0.3]}, ValueError, "or 3, one for each label"),
    (LABELS, {"threshold": []}, ValueError, "0 numbers"),
    (LABELS, {"over": "images"}, ValueError, "over is 'images'"),
    (LABELS, {"worst_percent": 5}, ValueError, "over='image'"),
    (LABELS, {"over": "image", "average": "none"}, ValueError, "average is 'none' and over is 'image'"),
    (LABELS, {"per_image": 1}, TypeError, "per_image is 1"),
    (CURVE, {"thresholds": 0.5}, TypeError, "thresholds is 0.5"),
    (CURVE, {"thresholds": 1}, ValueError, "2 to 4096"),
    (CURVE, {"thresholds": []}, ValueError, "0 numbers"),
    (CURVE, {"thresholds": [0.5, 0.5]}, ValueError, "0.5 twice"),
    (CURVE, {"thresholds": [0.5, 0.25]}, ValueError, "ascending"),
    (CURVE, {"thresholds": [0.5, "1"]}, TypeError, "thresholds is '1'"),
    (CURVE, {"average": "none"}, ValueError, "best(common=True)"),
    (CURVE, {"average": None}, ValueError, "best(common=True)"),
]


@pytest.mark.parametrize(("kind", "settings", "error", "words"), REFUSED, ids=str)
def test_settings_that_are_refused(kind, settings, error, words):
    with pytest.raises(error) as refused:
        kind.made(**settings)
    assert words in str(refused.value)
    if "dist_sync_on_step" not in settings:
        assert_sentence(refused)


@pytest.mark.parametrize("of", [MultilabelMeanIoU, IoUCurve])
def test_settings_are_keywords(of):
    with pytest.raises(TypeError, match="positional"):
        of(3, 0.5)


CURES = [
    (CLASSES, "num_labels", "MultilabelMeanIoU(num_labels)"),
    (CLASSES, "task", "MultilabelMeanIoU(num_labels)"),
    (CLASSES, "thresholds", "IoUCurve"),
    (CLASSES, "ignore_background", "include_background=False"),
    (LABELS, "num_classes", "use num_labels=, or MeanIoU(num_classes)"),
    (LABELS, "task", "MeanIoU(num_classes) if each pixel has one class"),
    (LABELS, "thresholds", "IoUCurve for many thresholds"),
    (LABELS, "include_background", "classes="),
    (LABELS, "ignore_background", "classes="),
    (LABELS, "zero_division", "absent="),
    (LABELS, "top_k", "threshold"),
    (LABELS, "multidim_average", "image_scores()"),
    (LABELS, "per_class", "average='none'"),
    (LABELS, "reduce_labels", "help(MultilabelMeanIoU)"),
    (LABELS, "treshold", "did you mean 'threshold'?"),
    (CURVE, "threshold", "thresholds=[...]"),
    (CURVE, "per_image", "MultilabelMeanIoU"),
    (CURVE, "over", "MultilabelMeanIoU"),
    (CURVE, "per_class", "leave it out"),
    (CURVE, "num_thresholds", "did you mean 'thresholds'?"),
    (CURVE, "label_map", "help(IoUCurve)"),
]


@pytest.mark.parametrize(("kind", "keyword", "words"), CURES, ids=str)
def test_a_keyword_that_a_metric_does_not_have_names_what_to_write(kind, keyword, words):
    with pytest.raises(ValueError, match=f"^{kind} has no argument '{keyword}'") as error:
        kind.made(**{keyword: 3})
    assert_sentence(error, words)


@pytest.mark.parametrize("kind", [LABELS, CURVE], ids=str)
@pytest.mark.parametrize("impl", ["cpu", "cuda"])
def test_a_forced_kernel_runs_or_says_why_not(impl, kind):
    if not why_not(impl):
        assert kind.made(impl=impl).input_settings.impl == impl
        return
    with pytest.raises(ValueError, match=f"impl='{impl}' cannot run"):
        kind.made(impl=impl)


def test_what_is_no_promise_is_private():
    """Without the public names of torchmetrics and PyTorch; ``plot`` is one of theirs."""
    shared = {"counts", "input_settings", "kernel", "label_space", "load", "policy", "protocol", "report", "save"}
    shared |= {"image_names", "per_image", "saved_settings", "settings", "snapshot"}
    own = {LABELS: {"bootstrap", "bootstrap_classes", "image_scores"}, CURVE: {"area", "at", "best"}}
    for kind, methods in own.items():
        ours = {name for name in dir(kind.made()) if not name.startswith("_")} - set(dir(MulticlassJaccardIndex(2)))
        assert ours == shared | methods


def test_repr():
    assert repr(LABELS.made()) == (
        "MultilabelMeanIoU(num_labels=3, threshold=0.5, average='macro', ignore_index=(255,))"
    )
    assert repr(MultilabelMeanIoU(2, threshold=[0.3, 0.5], absent="one", inclusive=True)) == (
        "MultilabelMeanIoU(num_labels=2, threshold=[0.3, 0.5], average='macro', ignore_index=(), absent='one', "
        "inclusive=True)"
    )
    assert repr(CURVE.made()) == "IoUCurve(num_labels=3, thresholds=[0.25, 0.5, 0.75], ignore_index=(255,))"
    assert repr(IoUCurve(average="micro")) == (
        "IoUCurve(num_labels=1, thresholds='101 from 0 to 1', ignore_index=(), average='micro')"
    )


@pytest.mark.parametrize("function", [multilabel_mean_iou, iou_curve], ids=lambda function: function.__name__)
def test_the_functions_pass_every_keyword_on(function, monkeypatch):
    of = MultilabelMeanIoU if function is multilabel_mean_iou else IoUCurve
    settings = {}

    class Settled(Exception):
        pass

    def make(num_labels, **keywords):
        settings.update(keywords, num_labels=num_labels)
        raise Settled

    monkeypatch.setattr(f"meaniou.functional.labels.{of.__name__}", make)
    names = inspect.signature(of).parameters.keys() - {"kwargs"}
    values = {name: object() for name in names}
    with pytest.raises(Settled):
        function(torch.rand(1, 3, 4), torch.zeros(1, 3, 4), **values)
    assert settings == values | {"sync_on_compute": False}


# -------------------------------------------------------------------------------------------- an error changes nothing

ZEROS = torch.zeros(1, 3, 4)
BATCHES = {
    "target outside": (ZEROS, torch.full((1, 3, 4), 7)),
    "fractions": (ZEROS, torch.full((1, 3, 4), 0.3)),
    "shapes": (ZEROS, torch.zeros(1, 3, 5)),
    "one class per pixel": (ZEROS, torch.zeros(1, 4, dtype=torch.int64)),
    "labels": (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)),
    "complex": (ZEROS.to(torch.complex64), ZEROS),
    "no tensor": ([[0]], ZEROS),
    "other devices": (ZEROS.to("meta"), ZEROS),
    "not on the metric's device": (ZEROS.to("meta"), ZEROS.to("meta")),
    "valid": (ZEROS, ZEROS, torch.ones(5, dtype=torch.bool)),
    "second image of a list": ([ZEROS[0], ZEROS[0]], [ZEROS[0], torch.full((3, 4), 9)]),
    "too few arguments": (ZEROS,),
}


@pytest.mark.parametrize("kind", [LABELS, CURVE], ids=str)
@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("way", ["update", "forward", "forward with dist_sync_on_step"])
def test_a_refused_batch_changes_nothing(name, way, kind):
    metric = kind.filled(dist_sync_on_step=way == "forward with dist_sync_on_step")
    if way != "update":
        metric(*kind.batches(5)[0])
    metric.compute()
    before = dict(vars(metric))
    with pytest.raises((TypeError, ValueError)):
        (metric.update if way == "update" else metric)(*BATCHES[name])
    after = vars(metric)
    assert before.keys() == after.keys()
    assert all(after[key] is value or after[key] == value for key, value in before.items())
    batch = kind.batches(9)[0]
    metric.update(*batch)
    metric(*batch)
    assert torch.equal(metric.counts, before["counts"] + 2 * _alone(kind, batch))


def _alone(kind, batch):
    metric = kind.made()
    metric.update(*batch)
    return metric.counts


@pytest.mark.parametrize("wrong", [2, 254, -1, 2**32 + 1])
@pytest.mark.parametrize("side", ["preds", "target"])
def test_values_that_are_neither_0_1_nor_void(side, wrong):
    preds, target = torch.tensor([[[0, 1, 1, 0], [1, 1, 0, 0]]]), torch.tensor([[[0, 1, 1, 1], [1, 0, 0, 0]]])
    (preds if side == "preds" else target)[0, 1, 2] = wrong
    metric = MultilabelMeanIoU(2, average="none")
    with pytest.raises(LabelValueError, match=rf"^{side} holds 1 pixel of label 1 .*index \(0, 1, 2\)") as error:
        metric.update(preds, target)
    assert (error.value.side, error.value.label, error.value.value) == (side, 1, wrong)
    assert metric.counts.sum() == metric.update_count == 0
    metric = MultilabelMeanIoU(2, average="none", validate_args=False)
    metric.update(preds, target)
    assert metric.counts[1][(0, 3) if side == "preds" else (3, 0)] == 1
    assert metric.counts.sum() == 8
    assert metric.compute().tolist() == pytest.approx([2 / 3, 1 / 2])
    # On a void pixel such a prediction is counted, and not refused.
    if side == "preds":
        metric = MultilabelMeanIoU(2, ignore_index=255)
        metric.update(preds, target.index_fill(2, torch.tensor([2]), 255))
        assert metric.counts[1, 2, 3] == 1


def test_a_predicted_label_that_is_void_is_a_void_prediction():
    preds, target = torch.tensor([[[0, 1, 255, 255]]]), torch.tensor([[[0, 1, 1, 255]]])
    metric = MultilabelMeanIoU(1, ignore_index=255)
    metric.update(preds, target)
    assert metric.compute() == 0.5
    assert metric.report(void_preds="drop").mean_iou == 1
    assert metric.report().pixels["void_preds"] == 1


def twice(tensor, group):
    """A ``dist_sync_fn`` of two ranks with the same state."""
    return [tensor, tensor]


SYNCED = {"distributed_available_fn": lambda: True, "dist_sync_fn": twice}


@each_kind
@pytest.mark.parametrize(
    "setting", [{}, SYNCED, SYNCED | {"dist_sync_on_step": True}], ids=["alone", "synced", "on step"]
)
def test_a_compute_that_raises_leaves_a_usable_metric(setting, kind):
    metric = kind.made(void_preds="error", **setting)
    preds, target = kind.batches()[0]
    void = preds.masked_fill(target == 1, math.nan if kind.overlaps else 255)
    metric.update(void, target)
    for call in (metric.compute, metric.report):
        before = dict(vars(metric))
        with pytest.raises(ValueError, match="void_preds"):
            call()
        assert vars(metric)["counts"] is before["counts"]
        assert not metric._is_synced
        assert metric._computed is None
    with pytest.raises(ValueError, match="void_preds"):
        metric(void, target)
    assert metric.update_count == 1
    metric.reset()
    metric.update(preds, target)
    assert_equal(metric.compute(), kind.made()(preds, target))


@pytest.mark.parametrize("setting", [{}, SYNCED], ids=["alone", "synced"])
@pytest.mark.parametrize("kind", [LABELS, CURVE], ids=str)
@pytest.mark.parametrize(("row", "column", "words"), [(3, 0, "target holds"), (1, -1, "preds holds")])
def test_values_outside_that_came_by_another_way_raise_in_compute(setting, kind, row, column, words):
    metric = kind.filled(class_names=["a", "b", "c"], **setting)
    counts = metric.counts.clone()
    counts[1, row, column] = 7
    metric.counts = counts
    for call in (metric.compute, metric.report):
        with pytest.raises(ValueError, match=rf"{words} {14 if setting else 7} pixels of label 1 \('b'\)") as error:
            call()
        assert_sentence(error)
        assert metric.counts is counts
    unchecked = kind.made(validate_args=False, **setting)
    unchecked.counts = counts
    unchecked.update(*kind.batches()[0])
    unchecked.compute()


@each_kind
def test_the_default_device_is_not_asked_for_scratch(kind):
    expected, metric, batches = kind.filled(), kind.made(), kind.batches()
    with torch.device("meta"):
        for batch in batches:
            metric.update(*batch)
        metric.update([], [])
        value = metric.compute()
        metric.report()
    assert metric.counts.device.type == "cpu"
    assert_equal(value, expected.compute())


@pytest.mark.parametrize("average", ["macro", "none"])
def test_plot(average):
    from matplotlib import pyplot

    metric = LABELS.filled(average=average)
    figure, axes = metric.plot()
    assert figure.axes == [axes]
    if average == "none":
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Label 0", "Label 1", "Label 2"]
    pyplot.close("all")
