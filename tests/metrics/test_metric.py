"""``MeanIoU``: its numbers, settings and errors, and that an error changes nothing."""

import inspect
import pickle
from itertools import product

import matplotlib
import numpy as np
import pytest
import torch
from support import assert_sentence, void_batches
from torchmetrics.classification import MulticlassJaccardIndex

from meaniou import MeanIoU, confusion_matrix, mean_iou, protocols, reference
from meaniou.counting import LabelRangeError, why_not
from meaniou.settings.label_space import LabelSpace

matplotlib.use("Agg")

WRONG = [3, 255, -1, 2**32 + 1]  # labels that are no class where num_classes is 3


def maps(seed, *, batches=3, num_classes=3, void=255):
    """Batches of random label maps ``[2, 5, 7]`` with void in the ground truth and in the prediction."""
    return void_batches(seed, batches, (2, 5, 7), num_classes, void)


def filled(**settings):
    """A metric with three classes that counted some batches and holds a cached value."""
    metric = MeanIoU(3, ignore_index=255, **settings)
    for preds, target in maps(0):
        metric.update(preds, target)
    metric.compute()
    return metric


def memory(metric):
    """Everything that a call must not change if it raises."""
    return metric.counts.clone(), metric.update_count, metric._computed, metric._forward_cache, metric._is_synced


def assert_as_before(metric, before):
    assert torch.equal(metric.counts, before[0])
    assert metric.update_count == before[1]
    assert metric._computed is before[2]
    assert metric._forward_cache is before[3]
    assert metric._is_synced is before[4] is False


def assert_usable(metric):
    """Fails unless the metric can still count, by ``update`` and by ``forward``."""
    before, updates = metric.counts.clone(), metric.update_count
    preds, target = maps(9)[0]
    metric.update(preds, target)
    metric(preds, target)
    batch = confusion_matrix(preds, target, 3, ignore_index=255, include_void=True)
    assert torch.equal(metric.counts, before + 2 * batch)
    assert metric.update_count == updates + 2


# -------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "none", None])
@pytest.mark.parametrize(
    "settings", [{}, {"present": "target", "absent": "zero"}, {"classes": [0, 2], "void_preds": "drop"}]
)
def test_every_way_gives_the_same_number(average, settings):
    batches = maps(1)
    preds, target = (torch.cat(side) for side in zip(*batches, strict=True))
    settings = settings | {"average": average}

    by_update, by_forward, by_counts = (MeanIoU(3, ignore_index=255, **settings) for _ in range(3))
    for batch in batches:
        by_update.update(*batch)
        value = by_forward(*batch)
        assert torch.equal(value, mean_iou(*batch, num_classes=3, ignore_index=255, **settings))
    counts = confusion_matrix(preds, target, 3, ignore_index=255, include_void=True)
    by_counts.merge_state({"counts": counts, "settings": by_counts.settings})

    value = mean_iou(preds, target, 3, ignore_index=255, **settings)
    for metric in (by_update, by_forward, by_counts):
        assert torch.equal(metric.counts, counts)
        assert torch.equal(metric.compute(), value)
        assert torch.equal(metric.confmat, confusion_matrix(preds, target, 3, ignore_index=255))
    want = reference.mean_iou(preds.numpy(), target.numpy(), 3, 255, **settings)
    torch.testing.assert_close(value, torch.as_tensor(want, dtype=torch.float32), rtol=1e-6, atol=0)


def test_dataset_is_not_the_mean_of_images():
    # Two images of 41 x 50 = 2050 pixels. In the first, 2049 pixels of class 0 are right and the only pixel of class 1
    # is missed; the second is the same with the classes exchanged.
    #   each image: IoU 2049/2050 and 0/1, mean 2049/4100 = 0.49976
    #   dataset: per class 2049 right, 1 missed, 1 false: 2049/2051 = 0.99902
    target = torch.stack([torch.zeros(41, 50), torch.ones(41, 50)]).long()
    preds = target.clone()
    target[0, 7, 7], target[1, 7, 7] = 1, 0
    images = [mean_iou(preds[i], target[i], num_classes=2).item() for i in range(2)]
    assert images == [pytest.approx(2049 / 4100)] * 2
    assert f"{sum(images) / 2:.4f}" == "0.4998"

    metric = MeanIoU(2)
    for i in range(2):
        metric.update(preds[i : i + 1], target[i : i + 1])
    assert metric.compute().item() == pytest.approx(2049 / 2051)
    assert f"{metric.compute():.4f}" == "0.9990"


def test_one_class():
    metric = MeanIoU(1, average="none")
    zeros = torch.zeros(2, 3, dtype=torch.int64)
    assert torch.equal(metric(zeros, zeros), torch.ones(1))
    assert torch.equal(metric.compute(), torch.ones(1))
    assert torch.equal(metric.compute(), torch.ones(1))  # from the cache
    assert MeanIoU(1)(zeros, zeros).shape == ()


@pytest.mark.parametrize("average", ["macro", "none"])
@pytest.mark.parametrize(
    ("default", "dtype"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_dtype_of_the_result(average, default, dtype):
    preds, target = maps(2)[0]
    want = reference.mean_iou(preds.numpy(), target.numpy(), 3, 255, average=average)
    exact = torch.as_tensor(want, dtype=torch.float64)
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        metric = MeanIoU(3, average=average, ignore_index=255)
        values = [
            metric(preds, target),
            metric.compute(),
            mean_iou(preds, target, 3, average=average, ignore_index=255),
        ]
    finally:
        torch.set_default_dtype(before)
    assert metric.counts.dtype == torch.int64
    for value in values:
        assert value.dtype == dtype
        torch.testing.assert_close(value, exact.to(dtype), rtol=1e-15 if dtype == torch.float64 else 1e-7, atol=0)


def test_no_pixel_is_nan():
    metric = MeanIoU(3, ignore_index=255)
    void = torch.full((2, 4), 255)
    assert metric(torch.zeros_like(void), void).isnan()
    assert metric.counts.sum() == 8
    assert metric(torch.zeros(0, 4, 4, dtype=torch.uint8), torch.zeros(0, 4, 4, dtype=torch.uint8)).isnan()
    assert metric.update_count == 2


def test_confmat_is_a_copy():
    metric = filled()
    value, counts = metric.compute(), metric.counts.clone()
    metric.confmat.zero_()
    assert torch.equal(metric.confmat, counts[:3, :3])
    metric.reset()
    metric.merge_state({"counts": counts, "settings": metric.settings})
    assert torch.equal(metric.compute(), value)


def test_a_result_is_not_changed_from_outside():
    metric = filled(average="none")
    kept = metric.counts
    counts = kept.clone()
    metric.update(*maps(3)[0])
    assert torch.equal(kept, counts)  # a matrix that was returned earlier stays
    assert not torch.equal(metric.counts, counts)


def test_valid_and_keywords():
    preds, target = maps(4)[0]
    valid = torch.tensor([True, False])
    metric = MeanIoU(3, ignore_index=255)
    metric.update(target=target, preds=preds, valid=valid)
    assert torch.equal(metric.confmat, confusion_matrix(preds[:1], target[:1], 3, ignore_index=255))
    assert metric.counts.sum() == target.numel()


# ------------------------------------------------------------------------------------------------------------- settings

TYPE_ERRORS = [
    ({"num_classes": None}, "num_classes"),
    ({"num_classes": "3"}, "num_classes"),
    ({"num_classes": 2.0}, "num_classes"),
    ({"num_classes": True}, "num_classes"),
    ({"ignore_index": 1.5}, "ignore_index"),
    ({"ignore_index": True}, "ignore_index"),
    ({"ignore_index": [1, "a"]}, "ignore_index"),
    ({"classes": [0.5]}, "classes"),
    ({"include_background": "no"}, "include_background"),
    ({"threshold": "0.5"}, "threshold"),
    ({"threshold": True}, "threshold"),
    ({"threshold": float("nan")}, "threshold"),
    ({"validate_args": 1}, "validate_args"),
    ({"class_names": "abc"}, "class_names"),
    ({"class_names": ["a", "", "c"]}, "class_names"),
    ({"class_names": ["a", 1, "c"]}, "class_names"),
    ({"zero_division": 0}, "absent"),
]
VALUE_ERRORS = [
    ({"num_classes": 0}, "1 to 4096"),
    ({"num_classes": -1}, "1 to 4096"),
    ({"num_classes": 4097}, "1 to 4096"),
    ({"average": "mean"}, "'macro', 'micro', 'weighted', 'none'"),
    ({"void_preds": "skip"}, "'miss', 'drop', 'error'"),
    ({"present": "preds"}, "'union', 'target'"),
    ({"absent": 0}, "'skip', 'zero', 'one', 'nan'"),
    ({"input_format": "mixed"}, "'auto', 'index', 'one-hot'"),
    ({"impl": "gpu"}, "'auto', 'portable', 'cpu'"),
    ({"ignore_index": 2**63}, "int64"),
    ({"classes": [0, 3]}, " 0 to 2"),
    ({"classes": [-1]}, " 0 to 2"),
    ({"classes": []}, "No class is left"),
    ({"classes": [1], "ignore_index": 1}, "No class is left"),
    ({"num_classes": 1, "include_background": False}, "No class is left"),
    ({"class_names": ["a", "b"]}, "expected 3"),
    ({"class_names": ["a", "b", "a"]}, "'a' more than once"),
    ({"class_names": {0: "a", 1: "b"}}, " 0 to 2"),
    ({"no_such_setting": 1}, "no_such_setting"),
    ({"dist_sync_on_step": 1}, "dist_sync_on_step"),
]


@pytest.mark.parametrize(
    ("error", "settings", "words"),
    [(TypeError, *case) for case in TYPE_ERRORS] + [(ValueError, *case) for case in VALUE_ERRORS],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_settings_that_are_refused(error, settings, words):
    with pytest.raises(error, match=words):
        MeanIoU(**({"num_classes": 3} | settings))
    if "dist_sync_on_step" not in settings:
        preds, target = maps(0)[0]
        with pytest.raises(error, match=words):
            mean_iou(preds, target, **({"num_classes": 3, "ignore_index": 255} | settings))


def test_settings_are_keywords():
    with pytest.raises(TypeError, match="positional"):
        MeanIoU(3, "macro")


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("ignore_indx", "'ignore_index'"),
        ("num_class", "'num_classes'"),
        ("sync_on_computee", "'sync_on_compute'"),
        ("task", "num_classes=2"),
        ("per_class", "average='none'"),
        ("no_such_setting", "help(MeanIoU)"),
    ],
)
def test_a_keyword_that_is_none_names_what_to_write(keyword, words):
    preds, target = maps(0)[0]
    for make in (MeanIoU, lambda **settings: mean_iou(preds, target, **settings)):
        with pytest.raises(ValueError, match=f"MeanIoU .*'{keyword}'") as error:
            make(**{"num_classes": 19, "dist_sync_on_step": False, keyword: 255})
        assert_sentence(error, words)


def test_what_is_no_promise_is_private():
    """Without the public names of torchmetrics and PyTorch."""
    ours = {name for name in dir(MeanIoU(2)) if not name.startswith("_")} - set(dir(MulticlassJaccardIndex(2)))
    methods = {"bootstrap", "bootstrap_classes", "image_scores", "load", "report", "save", "snapshot"}
    settings = {"image_names", "input_settings", "label_space", "per_image", "policy", "protocol"}
    assert ours == methods | settings | {"counts", "kernel", "saved_settings", "settings"}


@pytest.mark.parametrize("impl", ["cpu", "cuda"])
def test_a_forced_kernel_runs_or_says_why_not(impl):
    reason = why_not(impl)
    if not reason:
        assert MeanIoU(3, impl=impl).input_settings.impl == impl
        return
    with pytest.raises(ValueError, match=f"impl='{impl}' cannot run"):
        MeanIoU(3, impl=impl)


def test_the_reason_of_a_kernel_is_passed_on(monkeypatch):
    monkeypatch.setattr("meaniou.metrics.counters.mean_iou.why_not", lambda impl: f"{impl} is not for this machine.")
    with pytest.raises(ValueError, match="cuda is not for this machine"):
        MeanIoU(3, impl="cuda")


def test_settings_that_are_taken():
    metric = MeanIoU(
        torch.tensor(3).item(),
        ignore_index=(i for i in (255, -1, 1)),
        classes={0, 1, 2},
        class_names={2: "c", 0: "a", 1: "b"},
        threshold=0,
        average=None,
        impl="portable",
    )
    assert metric.label_space == LabelSpace(3, ignore_index=(-1, 1, 255), class_names=("a", "b", "c"))
    assert metric.policy.classes == (0, 2)
    assert metric.policy.average == "none"


def test_repr():
    text = repr(MeanIoU(3, average="micro", ignore_index=[255, -1]))
    assert text == "MeanIoU(num_classes=3, average='micro', ignore_index=(-1, 255))"
    text = repr(MeanIoU(3, absent="zero", include_background=False, threshold=0))
    assert text == (
        "MeanIoU(num_classes=3, average='macro', ignore_index=(), absent='zero', classes=(1, 2), threshold=0.0)"
    )


def keywords_of(function):
    """The keywords of a function, each with its default and its type."""
    return {
        name: (parameter.default, parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def test_the_functions_have_the_keywords_of_the_metric():
    of_metric = keywords_of(MeanIoU)
    of_mean_iou = keywords_of(mean_iou)
    assert list(of_mean_iou) == ["valid", *of_metric]
    assert {name: of_mean_iou[name] for name in of_metric} == of_metric
    of_counts = keywords_of(confusion_matrix)
    shared = of_counts.keys() - {"valid", "include_void"}
    assert {name: of_counts[name] for name in shared} == {name: of_metric[name] for name in shared}
    assert inspect.signature(mean_iou).parameters["num_classes"].default is None


def test_the_function_passes_every_keyword_on(monkeypatch):
    """A value that is no default arrives under its own name."""
    settings = {}

    class Settled(Exception):
        pass

    def make(num_classes, **keywords):
        settings.update(keywords, num_classes=num_classes)
        raise Settled

    monkeypatch.setattr("meaniou.functional.classes.MeanIoU", make)
    values = {name: object() for name in (*keywords_of(MeanIoU), "num_classes")}
    with pytest.raises(Settled):
        mean_iou(*maps(0)[0], **values)
    assert settings == values | {"sync_on_compute": False}


# ------------------------------------------------------------------------------------------- labels outside the classes


@pytest.mark.parametrize("side", ["preds", "target"])
def test_the_foreground_of_a_binary_mask_is_not_taken_for_void(side):
    mask = torch.tensor([[0, 255, 255, 0]], dtype=torch.uint8)
    labels = (mask > 0).long()
    with pytest.raises(ValueError, match=f"holds 2 pixels.*{side} > 0.*num_classes"):
        MeanIoU(2).update(**{"preds": labels, "target": labels, side: mask})
    with pytest.raises(ValueError, match="outside") as error:  # no such advice with more than two classes
        MeanIoU(3).update(labels, mask)
    assert "> 0" not in str(error.value)
    metric = MeanIoU(2, ignore_index=255)  # usual for other datasets
    metric.update(mask, mask)
    for ask in (metric.compute, metric.report):
        with pytest.warns(UserWarning, match="no class 1, .* 2 of its pixels .* 255 .* store it as 1"):
            ask()
    assert mean_iou(labels, labels, 2, ignore_index=255) == 1


def test_what_holds_the_scores_is_named():
    with pytest.raises(TypeError, match=r"preds .*dict.*preds\['out'\]"):
        MeanIoU(2).update({"out": torch.zeros(1, 2, 4)}, torch.zeros(1, 4, dtype=torch.int64))


def test_plot_without_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setattr("torchmetrics.utilities.plot._MATPLOTLIB_AVAILABLE", False)
    metric = MeanIoU(2)
    metric.update(torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(ModuleNotFoundError, match=r"meaniou\[plot\]"):
        metric.plot()


def test_sides_that_look_swapped_are_warned_of():
    truth, answer = torch.tensor([0, 1, 255, 255]), torch.tensor([0, 1, 1, 0])
    assert mean_iou(answer, truth, 2, ignore_index=255) == 1
    with pytest.warns(UserWarning, match="2 predicted pixels .*swapped"):
        mean_iou(truth, answer, 2, ignore_index=255)
    for settings in ({"void_preds": "drop"}, {"validate_args": False}):
        mean_iou(truth, answer, 2, ignore_index=255, **settings)
    mean_iou(torch.tensor([[0.0, float("nan")]]), torch.tensor([0]), 2)  # no id is ignored


def test_the_error_of_outside_labels_survives_pickling():
    with pytest.raises(LabelRangeError) as error:
        MeanIoU(2).update(torch.tensor([255]), torch.tensor([0]))
    again = pickle.loads(pickle.dumps(error.value))
    assert (type(again), str(again)) == (LabelRangeError, str(error.value))


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("side", ["preds", "target"])
def test_an_outside_label_on_a_valid_pixel(wrong, side):
    preds, target = torch.tensor([[0, 1, 2, 1]]), torch.tensor([[0, 1, 2, 0]])
    (preds if side == "preds" else target)[0, 2] = wrong
    metric = MeanIoU(3)
    with pytest.raises(
        ValueError, match=rf"^{side} holds 1 pixel outside the classes 0 to 2 .*index \(0, 2\): {wrong}\)"
    ):
        metric.update(preds, target)
    assert metric.counts.sum() == metric.update_count == 0
    with pytest.raises(ValueError, match=side):
        metric(preds, target)

    metric = MeanIoU(3, validate_args=False, average="none")
    metric.update(preds, target)
    cell = (2, 4) if side == "preds" else (4, 2)
    assert metric.counts[cell] == 1
    assert metric.counts.sum() == 4
    # Class 2 was missed or has no ground truth; classes 0 and 1 are 1 of 2.
    assert torch.equal(metric.compute().nan_to_num(-1), torch.tensor([1 / 2, 1 / 2, 0 if side == "preds" else -1]))


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("validate_args", "by_mask"), list(product([True, False], repeat=2)))
def test_an_outside_prediction_on_a_void_pixel(wrong, validate_args, by_mask):
    preds, target = torch.tensor([[0, 1, wrong, 1]]), torch.tensor([[0, 1, 77, 0]])
    metric = MeanIoU(3, ignore_index=None if by_mask else 77, validate_args=validate_args, average="none")
    metric.update(preds, target, valid=torch.tensor([[True, True, False, True]]) if by_mask else None)
    assert metric.counts[3, 4] == 1
    assert metric.counts.sum() == 4
    assert torch.equal(metric.compute().nan_to_num(-1), torch.tensor([1 / 2, 1 / 2, -1]))


@pytest.mark.parametrize("validate_args", [True, False])
def test_an_ignored_prediction_on_a_valid_pixel_is_a_miss(validate_args):
    metric = MeanIoU(3, ignore_index=255, validate_args=validate_args, average="none")
    metric.update(torch.tensor([0, 255, 1, 255, 0]), torch.tensor([0, 0, 1, 0, 255]))
    assert metric.counts[0, 3] == 2
    assert torch.equal(metric.compute().nan_to_num(-1), torch.tensor([1 / 3, 1, -1]))


# -------------------------------------------------------------------------------------------- an error changes nothing

REFUSED = {
    "outside prediction": (torch.full((1, 4), 3), torch.zeros(1, 4, dtype=torch.int64)),
    "outside truth": (torch.zeros(1, 4, dtype=torch.int64), torch.full((1, 4), -1)),
    "shapes": (torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 5, dtype=torch.int64)),
    "scores of another size": (torch.zeros(1, 3, 4, 4), torch.zeros(1, 8, 8, dtype=torch.int64)),
    "class planes": (torch.eye(3, dtype=torch.int64)[None], torch.eye(3, dtype=torch.int64)[None]),
    "floating truth": (torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 4)),
    "dtype": (torch.zeros(1, 4, dtype=torch.complex64), torch.zeros(1, 4, dtype=torch.int64)),
    "no tensor": ([[0]], torch.zeros(1, 4, dtype=torch.int64)),
    "other devices": (torch.zeros(1, 4, dtype=torch.int64, device="meta"), torch.zeros(1, 4, dtype=torch.int64)),
    "not on the metric's device": (torch.zeros(1, 4, dtype=torch.int64, device="meta"),) * 2,
    "second image of a list": (
        [torch.zeros(4, 4, dtype=torch.uint8), torch.full((5, 4), 9, dtype=torch.uint8)],
        [torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(5, 4, dtype=torch.uint8)],
    ),
    "too few arguments": (torch.zeros(1, 4, dtype=torch.int64),),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("way", ["update", "forward", "forward with dist_sync_on_step"])
def test_a_refused_batch_changes_nothing(name, way):
    metric = filled(dist_sync_on_step=way == "forward with dist_sync_on_step")
    if way != "update":
        metric(*maps(5)[0])
        metric.compute()
    before = memory(metric)
    with pytest.raises((TypeError, ValueError)):
        (metric.update if way == "update" else metric)(*REFUSED[name])
    assert_as_before(metric, before)
    assert_usable(metric)


def test_a_refused_batch_before_all_others_changes_nothing():
    metric = MeanIoU(3, ignore_index=255)
    with pytest.raises(ValueError, match="preds holds 4 pixels"):
        metric(*REFUSED["outside prediction"])
    assert not metric.update_called
    assert_usable(metric)


def twice(tensor, group):
    """A ``dist_sync_fn`` of two ranks with the same state."""
    return [tensor, tensor]


SYNCED = {"distributed_available_fn": lambda: True, "dist_sync_fn": twice}


@pytest.mark.parametrize(
    "setting", [{}, SYNCED, SYNCED | {"dist_sync_on_step": True}], ids=["alone", "synced", "on step"]
)
def test_a_compute_that_raises_leaves_a_usable_metric(setting):
    metric = MeanIoU(3, ignore_index=255, void_preds="error", **setting)
    metric.update(torch.tensor([[0, 255]]), torch.tensor([[0, 0]]))
    for call in (metric.compute, metric.report, metric.plot):
        before = memory(metric)
        with pytest.raises(ValueError, match="void_preds"):
            call()
        assert_as_before(metric, before)
    before = memory(metric)
    with pytest.raises(ValueError, match="void_preds"):
        metric(torch.tensor([[255, 255]]), torch.tensor([[1, 0]]))
    assert_as_before(metric, before)
    metric.reset()
    metric.update(torch.tensor([[0, 1]]), torch.tensor([[0, 0]]))
    assert metric.compute().item() == 0.25
    assert torch.equal(metric.counts.sum(), torch.tensor(2))


@pytest.mark.parametrize("setting", [{}, SYNCED], ids=["alone", "synced"])
@pytest.mark.parametrize(("cell", "words"), [((4, 0), "target holds"), ((1, 4), "preds holds")])
def test_outside_counts_that_came_by_another_way_raise_in_compute(setting, cell, words):
    metric = MeanIoU(3, ignore_index=255, **setting)
    metric.update(*maps(0)[0])
    counts = torch.zeros(5, 5, dtype=torch.int64)
    counts[cell] = 7
    metric.counts = counts
    number = 14 if setting else 7
    for call in (metric.compute, metric.report):
        before = memory(metric)
        with pytest.raises(ValueError, match=f"{words} {number} pixels outside the classes 0 to 2"):
            call()
        assert_as_before(metric, before)
    metric.reset()
    assert_usable(metric)


def test_a_sync_that_raises_leaves_a_usable_metric():
    def broken(tensor, group):
        raise RuntimeError("lost a rank")

    metric = filled(distributed_available_fn=lambda: False)
    metric.distributed_available_fn, metric.dist_sync_fn = (lambda: True), broken
    metric.update(*maps(6)[0])
    for call in (metric.compute, metric.report, metric.sync_context(dist_sync_fn=broken).__enter__):
        before = memory(metric)
        with pytest.raises(RuntimeError, match="lost a rank"):
            call()
        assert_as_before(metric, before)
    assert_usable(metric)


# ------------------------------------------------------------------------------------------------------ report and plot


def test_report_under_another_policy():
    metric = filled(class_names=["a", "b", "c"])
    assert metric.report().mean_iou == pytest.approx(metric.compute().item(), rel=1e-6)
    assert [c.name for c in metric.report().classes] == ["a", "b", "c"]
    for settings in ({"classes": [0]}, {"void_preds": "drop"}, {"include_background": False}):
        other = filled(**settings)
        assert metric.report(**settings).mean_iou == other.report().mean_iou != metric.report().mean_iou
        assert metric.report(**settings).mean_iou == pytest.approx(other.compute().item(), rel=1e-6)
    fewer = filled(classes=[0, 1], void_preds="drop", absent="zero")
    assert (
        fewer.report(present="target")
        == filled(classes=[0, 1], void_preds="drop", absent="zero", present="target").report()
    )


def test_report_accounts_for_every_pixel():
    metric = filled()
    pixels = metric.report().pixels
    assert pixels["seen"] == 3 * 2 * 5 * 7 == sum(n for name, n in pixels.items() if name != "seen")
    assert pixels["void"] == metric.counts[3].sum()
    assert pixels["void_preds"] == metric.counts[:3, 3].sum()


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), torch.tensor(3)])
def test_numbers_of_other_libraries(number):
    ones = np.ones((2, 5, 7), dtype=np.int64)
    metric = MeanIoU(number, ignore_index=[number], classes=[number - 1], threshold=0.25)
    assert MeanIoU(3, ignore_index=3, threshold=0.25).settings.equal(metric.settings)
    assert mean_iou(ones, ones, num_classes=number) == 1


@pytest.mark.parametrize("average", ["macro", "none"])
def test_plot(average):
    from matplotlib import pyplot

    metric = filled(average=average)
    figure, axes = metric.plot()
    assert axes.get_ylim() >= (-0.1, 1.0)
    assert figure.axes == [axes]
    if average == "none":
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Class 0", "Class 1", "Class 2"]
    _, axes = pyplot.subplots()
    assert metric.plot([metric.compute(), metric(*maps(7)[0])], ax=axes)[1] is axes
    assert metric.plot(metric.compute())[1] is not axes
    pyplot.close("all")


@pytest.mark.parametrize("num_classes", [3, 100], ids=str)
def test_the_default_device_is_not_asked_for_scratch(num_classes):
    target = torch.tensor([[0, 1, 2, 2]])
    scores = torch.nn.functional.one_hot(target, num_classes).movedim(-1, 1).float()
    metric = MeanIoU(num_classes)
    with torch.device("meta"):
        metric.update(scores, target)
        metric.update(target, target)
        metric.update([], [])
        assert metric.compute().device.type == "cpu"
        assert metric.report().mean_iou == 1.0
        assert mean_iou(target, target, num_classes) == 1.0
    assert metric.counts.device.type == "cpu"


def test_a_rule_of_a_report_that_is_no_rule():
    for rule in ({"absnt": "zero"}, {"average": "micro"}, {"policy": {"absent": "zero"}}):
        with pytest.raises(TypeError, match="unexpected keyword"):
            filled().report(**rule)
    with pytest.raises(ValueError, match="absent is 'none'"):
        filled().report(absent="none")


def test_logits_under_a_threshold_for_probabilities_are_warned_of():
    target = torch.tensor([[0, 1, 1]])
    with pytest.warns(UserWarning, match=r"scores from -2 to 3, .* threshold=0\.0"):
        MeanIoU(2).update(torch.tensor([[-2.0, 3.0, 0.2]]), target)
    for scores, settings in (
        ([0.0, 1.0, 0.5], {}),
        ([-2.0, 3.0, 0.2], {"threshold": 0.0}),
        ([-2.0, 3.0, 0.2], {"validate_args": False}),
        ([0.5, float("nan"), 0.2], {}),
    ):
        MeanIoU(2, **settings).update(torch.tensor([scores]), target)
    MeanIoU(2).update(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long))


@pytest.mark.parametrize("space", ["cityscapes", protocols.get("cityscapes")], ids=["name", "protocol"])
def test_a_protocol_in_the_place_of_a_label_space_is_told(space):
    with pytest.raises(TypeError, match="pass protocol=") as error:
        MeanIoU(label_space=space)
    assert_sentence(error, "label_space is ", "LabelSpace")
