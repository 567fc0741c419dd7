"""Warnings about doubtful counts come once, on the line that called into the package."""

import inspect
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.wrappers import ClasswiseWrapper, MinMaxMetric

from meaniou import (
    IoUCurve,
    LabelSpace,
    MeanIoU,
    MultilabelMeanIoU,
    Resampling,
    compare,
    confusion_matrix,
    iou_curve,
    mean_iou,
    multilabel_mean_iou,
)

matplotlib.use("Agg")

SWAPPED = torch.tensor([[[0, 255]]]), torch.tensor([[[0, 1]]])  # void in the predictions only


def made(**settings):
    return MeanIoU(2, ignore_index=255, per_image=True, **settings)


def doubtful(**settings):
    """A metric with two doubts: one image is counted twice, and preds and target look swapped."""
    metric = made(**settings)
    for _ in range(2):
        metric.update(*SWAPPED, image_ids=[3])
    return metric


def doubtful_in(wrapper, **settings):
    wrapped = wrapper(made(**settings))
    for _ in range(2):
        wrapped.update(*SWAPPED, image_ids=[3])
    return wrapped


ASK = {
    "compute": lambda: doubtful().compute(),
    "over images": lambda: doubtful(over="image").compute(),
    "over classes": lambda: doubtful(over="class", average="none").compute(),
    "report": lambda: doubtful().report(),
    "report with intervals": lambda: doubtful(over="image").report(bootstrap=Resampling(resamples=5)),
    "images": lambda: doubtful().image_scores(),
    "bootstrap": lambda: doubtful(over="class").bootstrap_classes(resamples=5),
    "plot": lambda: doubtful(over="image").plot(),
    "collection": lambda: doubtful_in(lambda metric: MetricCollection([metric])).compute(),
    "classwise": lambda: doubtful_in(ClasswiseWrapper, average="none").compute(),
    "min and max": lambda: doubtful_in(MinMaxMetric).compute(),
    "arithmetic": lambda: doubtful_in(lambda metric: 100 * metric).compute(),
    "no gradients": torch.no_grad()(lambda: doubtful().compute()),
}


def warnings_of(ask):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask()
    return caught


def line_of(function):
    """The lines of a function in its file."""
    lines, first = inspect.getsourcelines(inspect.unwrap(function))
    return range(first, first + len(lines))


def assert_warned_here(caught, function, number):
    assert len(caught) == number, [str(warning.message) for warning in caught]
    assert len({str(warning.message) for warning in caught}) == number
    for warning in caught:
        assert Path(warning.filename) == Path(__file__)
        assert warning.lineno in line_of(function)


@pytest.mark.parametrize("ask", ASK)
def test_each_doubt_is_a_warning_once_and_here(ask):
    assert_warned_here(warnings_of(ASK[ask]), ASK[ask], 2)


def test_a_doubt_of_a_single_batch():
    def forward():
        made(over="image")(torch.cat([SWAPPED[0]] * 2), torch.cat([SWAPPED[1]] * 2), image_ids=[3, 3])

    def function():
        mean_iou(np.array([[[0, 255]]]), np.array([[[0, 1]]]), 2, ignore_index=255, over="image")

    assert_warned_here(warnings_of(forward), forward, 1)  # for the repeated image; the rest is normal in one batch
    assert_warned_here(warnings_of(function), function, 1)


def test_a_comparison_warns_once_of_a_doubt_of_both():
    a, b = made(), made()
    for metric in (a, b):
        metric.update(*SWAPPED, image_ids=[3])

    def compared():
        compare(a, b, resamples=5)

    assert_warned_here(warnings_of(compared), compared, 1)


LOGITS = torch.tensor([[[-2.0, 3.0, 0.5]]]), torch.tensor([[[0, 1, 1]]])
OF_LABELS = {
    "update": lambda: MultilabelMeanIoU(1).update(*LOGITS),
    "forward": lambda: MultilabelMeanIoU(1)(*LOGITS),
    "collection": lambda: MetricCollection([MultilabelMeanIoU(1)]).update(*LOGITS),
    "function": lambda: multilabel_mean_iou(*LOGITS, 1),
    "update of a curve": lambda: IoUCurve().update(*LOGITS),
    "forward of a curve": lambda: IoUCurve(thresholds=[0.2, 0.5])(*LOGITS),
    "function of a curve": lambda: iou_curve(*LOGITS),
}


@pytest.mark.parametrize("call", OF_LABELS)
def test_logits_of_labels_are_doubted_where_they_are_passed(call):
    assert_warned_here(warnings_of(OF_LABELS[call]), OF_LABELS[call], 1)


REPEATED = {
    "compute": lambda metric: metric.compute(),
    "report": lambda metric: metric.report(bootstrap=Resampling(resamples=5)),
    "images": lambda metric: metric.image_scores(),
    "bootstrap": lambda metric: metric.bootstrap("accuracy", resamples=5),
    "plot": lambda metric: metric.plot(),
}


@pytest.mark.parametrize("ask", REPEATED)
@pytest.mark.parametrize("over", ["dataset", "image", "class"])
def test_a_repeated_image_of_labels_is_a_warning_once_and_here(ask, over):
    metric = MultilabelMeanIoU(1, per_image=True, over=over)
    for _ in range(2):
        metric.update(torch.tensor([[[0.2, 0.7, 0.5]]]), torch.tensor([[[0, 1, 1]]]), image_ids=["a"])
    assert_warned_here(warnings_of(lambda: REPEATED[ask](metric)), REPEATED[ask], 1)


@pytest.mark.parametrize("call", ["update", "forward", "function"])
def test_logits_are_doubted_where_they_are_passed(call):
    scores, target = torch.tensor([[-2.0, 3.0, 0.5]]), torch.tensor([[0, 1, 1]])
    ways = {
        "update": lambda: MeanIoU(2).update(scores, target),
        "forward": lambda: MeanIoU(2)(scores, target),
        "function": lambda: confusion_matrix(scores, target, 2),
    }
    assert_warned_here(warnings_of(ways[call]), ways[call], 1)


def test_ids_that_are_too_large_for_class_numbers_prove_that_predictions_hold_ids(recwarn):
    """Many void predictions then come from a bad model, and a warning would suggest a wrong cure."""
    space = LabelSpace(2, ids=[7, (11, 12)], ignore_index=0)
    metric = MeanIoU(label_space=space)
    target = torch.tensor([7, 11, 12, 7] * 1000)
    metric.update(torch.where(torch.arange(4000) % 5 < 2, 0, target), target)
    assert metric.compute() == pytest.approx(0.6)
    assert not recwarn.list
    numbers = MeanIoU(protocol="cityscapes")
    target = torch.tensor([7, 8, 11, 12] * 1000)
    numbers.update(torch.tensor([0, 1, 2, 3] * 1000), target)
    with pytest.warns(UserWarning, match="class numbers .*pred_ids='classes'"):
        numbers.compute()


@pytest.mark.parametrize(
    ("settings", "replaced"),
    [
        ({"protocol": "cityscapes"}, "the protocol"),
        ({"label_space": LabelSpace(19, ids=range(40, 59))}, "the label space"),
    ],
)
def test_class_numbers_in_the_ground_truth_need_other_settings_than_the_ids(settings, replaced):
    if "label_space" in settings:
        settings = {"label_space": settings["label_space"].replace(ignore_index=range(19))}
    target = torch.arange(4)[None]
    cure = rf"use num_classes=19 and ignore_index=255 instead of {replaced}"
    with pytest.warns(UserWarning, match=cure):
        mean_iou(target, target, **settings)
    assert mean_iou(target, target, num_classes=19, ignore_index=255) == 1


def test_a_fraction_as_worst_percent_warns_once(tmp_path):
    def labels():
        MultilabelMeanIoU(2, over="image", worst_percent=0.05)

    assert_warned_here(warnings_of(labels), labels, 1)

    def made_and_asked():
        metric = MeanIoU(2, over="image", worst_percent=0.05)
        metric.update(*[torch.tensor([[[0, 1]]])] * 2)
        metric.compute()
        metric.report(void_preds="drop")
        metric.clone().bootstrap(resamples=5)
        metric.save(tmp_path / "a.pt")
        MeanIoU.load(tmp_path / "a.pt", present="target")

    (warning,) = warnings_of(made_and_asked)
    assert "0.05 percent" in str(warning.message)
    assert "worst_percent=5." in str(warning.message)
    assert_warned_here([warning], made_and_asked, 1)


def test_worst_percent_warns_of_fractions_only(tmp_path):
    maps = [torch.tensor([[[0, 1]]])] * 2
    assert not warnings_of(lambda: mean_iou(*maps, 2, over="image", worst_percent=[1, 5, 12.5]))
    MeanIoU(2, over="image").save(tmp_path / "a.pt")
    for call in (
        lambda: mean_iou(*maps, 2, over="class", worst_percent=[5, 0.1]),
        lambda: MeanIoU.load(tmp_path / "a.pt", worst_percent=0.1),
    ):
        (warning,) = warnings_of(call)
        assert "worst_percent=10." in str(warning.message)
