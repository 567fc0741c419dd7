"""Paired comparisons of two metrics over the same images."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from meaniou._util import Doubt, join_names, kind_of, quoted, warn
from meaniou.metrics.checked.checked_counts import CheckedBands, CheckedCounts
from meaniou.metrics.checked.checked_metric import CheckedMetric, checked_counts
from meaniou.metrics.iou_metric import IoUMetric, refuse_without_rows
from meaniou.report import Compared, ComparisonReport, overall_names
from meaniou.scores import Areas, ImageAreas, ImageRows, class_iou, class_mean, pixel_accuracy
from meaniou.settings import ThresholdSettings
from meaniou.uncertainty import (
    CONFIDENCE,
    RESAMPLES,
    Clusters,
    Comparison,
    OverallStatistic,
    Resampling,
    check_overall_statistic,
)
from meaniou.uncertainty import compare as compare_images

# The keywords of settings, where they differ from the names of the fields.
OF_LABELS = {"num_classes": "num_labels", "thresholds": "threshold"}
OF_BANDS = {"widths": "width"}  # the same for bands

# Settings that decide what a model predicts from its scores: each model may have its own.
OF_SCORES = ("threshold", "thresholds", "per_label", "inclusive")


def compare(
    a: IoUMetric,
    b: IoUMetric,
    of: OverallStatistic = "mean",
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> Comparison:
    """Paired bootstrap test of two metrics: the difference ``a - b``, its confidence interval and a p-value.

    Both metrics must have counted the same images, which are paired by ``image_ids`` (without any ids, in one process,
    by the order of counting). Each resample takes the same images for both, so that the difficulty of an image cancels
    out, and the interval is much narrower than the intervals of ``a`` and ``b``. In a process group every rank must
    call it.

    Args:
        a, b: metrics with ``per_image=True``, the same classes, names and rules; thresholds may differ.
        of: ``"mean"`` (the value of ``compute``; with ``average="none"`` its mean over classes) or ``"accuracy"``
            (pixel accuracy).
        confidence: share of the resamples inside the interval, above 0 and below 1.
        resamples: number of resamples, 2 to 1,000,000.
        seed: seed of the resampling; the same seed gives the same result on every device and for any number of ranks.
        clusters: ``{image id: cluster}``, or a function from the image id to its cluster, for images that are alike (of
            one patient, scene or sequence): whole clusters are resampled.

    Returns:
        A ``Comparison``; positive values say that ``a`` is higher. NaN where a number is undefined.

    Raises:
        TypeError: if ``a`` or ``b`` is no metric.
        ValueError: if the metrics differ in classes, names, rules, images or ground truth, were made without
            ``per_image``, or counted an image twice; if a setting is out of range; or as ``MeanIoU.compute``.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU, compare
        >>> a, b = MeanIoU(2, per_image=True), MeanIoU(2, per_image=True)
        >>> target = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 1, 1]], [[0, 1, 0, 1]]])
        >>> a.update(target, target, image_ids=[0, 1, 2])
        >>> b.update(1 - target, target, image_ids=[0, 1, 2])
        >>> compare(a, b).better
        'a'
    """
    check_overall_statistic(of)
    resampling = Resampling(confidence, resamples, seed, clusters)
    _, (images_a, images_b) = _pairs(a, b)
    ((comparison,),) = compare_images(images_a, images_b, a.policy, resampling, of)
    return comparison


def compare_classes(
    a: IoUMetric,
    b: IoUMetric,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> tuple[Comparison, ...]:
    """A paired bootstrap test of the IoU of each class, in class order; arguments and errors as for ``compare``."""
    resampling = Resampling(confidence, resamples, seed, clusters)
    _, (images_a, images_b) = _pairs(a, b)
    (comparisons,) = compare_images(images_a, images_b, a.policy, resampling, "class")
    return comparisons


def comparison_report(
    a: IoUMetric, b: IoUMetric, sources: Iterable[str] = (), resampling: Resampling | None = None
) -> ComparisonReport:
    """A paired bootstrap test of the mean IoU, the pixel accuracy and the IoU of each class, as a report.

    Its values are those of ``compare`` and ``compare_classes``, and it raises as they do. With a ``MeanBoundaryIoU``
    they are those of the bands.

    Args:
        a, b: metrics as for ``compare``.
        sources: two names for ``a`` and ``b``, such as their folders.
        resampling: how images are resampled; by default ``Resampling()``.
    """
    resampling = Resampling() if resampling is None else resampling
    policy, names = a.policy, a.label_space.class_names
    (areas_a, areas_b), images = _pairs(a, b)
    (mean,), (accuracy,), of_class = compare_images(*images, policy, resampling, "mean", "accuracy", "class")
    iou_a, iou_b = class_iou(areas_a, policy), class_iou(areas_b, policy)
    rows = zip(names, iou_a.tolist(), iou_b.tolist(), of_class, strict=True)
    accuracy_name, mean_name = overall_names(a.input_settings)
    return ComparisonReport(
        tuple(Compared("class", *row) for row in rows),
        Compared("accuracy", accuracy_name, float(pixel_accuracy(areas_a)), float(pixel_accuracy(areas_b)), accuracy),
        Compared("mean", mean_name, float(class_mean(iou_a, policy)), float(class_mean(iou_b, policy)), mean),
        resampling.resamples,
        dict(zip("ab", sources, strict=False)),
    )


def first_difference(a: CheckedMetric, b: CheckedMetric, *, but: tuple[str, ...] = ()) -> str:
    """A message about the first setting in which two metrics differ, ``but`` some; empty if there is none."""
    if a.saved_settings().metric != b.saved_settings().metric:  # a subclass of a metric counts as that metric does
        return (
            f"One metric is {kind_of(a)} and the other {kind_of(b)}, whose counts differ in kind. Use the same class "
            "for both."
        )
    for mine, theirs in ((a.label_space, b.label_space), (a.policy, b.policy), (a.input_settings, b.input_settings)):
        for name in (field.name for field in fields(mine) if field.compare and field.name not in but):
            one, other = getattr(mine, name), getattr(theirs, name)
            if one != other:
                keyword = (OF_LABELS if isinstance(a.input_settings, ThresholdSettings) else OF_BANDS).get(name, name)
                return f"The two metrics differ in {keyword}: {_differing(one, other)}. Use the same settings for both."
    return ""


def _differing(one: Any, other: Any) -> str:
    """Two values that differ, or the first differing items of two sequences of one length."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other) > 1:
        i = next(i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
        return f"{quoted(one[i])} and {quoted(other[i])} at index {i}"
    one, other = (value[0] if isinstance(value, tuple) and len(value) == 1 else value for value in (one, other))
    return f"{quoted(one)} and {quoted(other)}"


def _pairs(a: IoUMetric, b: IoUMetric) -> tuple[tuple[Areas, Areas], tuple[ImageAreas, ImageAreas]]:
    """The areas of both, and the areas of their images, which are the same and in the same order."""
    for name, metric in (("a", a), ("b", b)):
        if not isinstance(metric, IoUMetric):
            raise TypeError(
                f"{name} is {kind_of(metric)}; expected a MeanIoU, MultilabelMeanIoU or MeanBoundaryIoU with "
                "per_image=True."
            )
    if reason := first_difference(a, b, but=OF_SCORES):
        raise ValueError(reason)
    for metric in (a, b):
        refuse_without_rows(metric)
    of_a, of_b = checked_counts(a), checked_counts(b)
    areas = of_a.areas(a.policy), of_b.areas(a.policy)
    for doubt in _doubts(of_a, of_b):
        warn(doubt)
    assert of_a.images is not None
    assert of_b.images is not None
    rows = of_a.images.numbered(), of_b.images.numbered()
    names = {**rows[1].names, **rows[0].names}
    _check_pairs(*rows, names)
    # With ``void_preds="drop"`` void predictions change the bands of the ground truth, so those of two models differ.
    dropped = isinstance(of_a, CheckedBands) and a.policy.void_preds == "drop"
    if dropped and any(checked.pixels_by_kind[:-2, -2].any() for checked in (of_a, of_b)):
        _check_dataset(of_a, of_b)
    else:
        _check_truth(*rows, names)
    numbered = replace(of_a, images=rows[0]), replace(of_b, images=rows[1])
    return areas, (numbered[0].image_areas(a.policy), numbered[1].image_areas(a.policy))


def _doubts(a: CheckedCounts, b: CheckedCounts) -> Iterator[str | Warning]:
    """The warnings of both metrics; a warning of one metric alone begins with ``a:`` or ``b:``."""
    in_a, in_b = ({str(doubt): doubt for doubt in checked.doubts} for checked in (a, b))
    for name, own, other in (("a", in_a, in_b), ("b", in_b, in_a)):
        for text, doubt in own.items():
            if text not in other:
                yield doubt.about(name) if isinstance(doubt, Doubt) else f"{name}: {doubt}"
            elif name == "a":
                yield doubt


def _check_pairs(a: ImageRows, b: ImageRows, names: Mapping[int, str]) -> None:
    """Raises ``ValueError`` unless both metrics counted the same images, each once."""
    if (a.ids < 0).any() or (b.ids < 0).any():
        raise ValueError(
            "Images are paired by id, and some images have none; pass image_ids= in every update of both metrics."
        )
    for here, there, where in ((a.ids, b.ids, "a"), (b.ids, a.ids, "b")):
        only = np.setdiff1d(here, there)
        if len(only):
            shown = join_names(names.get(i, i) for i in only.tolist())
            are = "s are" if len(only) > 1 else " is"
            raise ValueError(
                f"{len(only)} image{are} in {where} only: {shown}. Evaluate both metrics on the same images."
            )
    if len(a) != len(b) or len(np.unique(a.ids)) != len(a):
        raise ValueError(
            "Some images were counted more than once, so they cannot be paired. Count each image once in both metrics."
        )


def _check_dataset(a: CheckedCounts, b: CheckedCounts) -> None:
    """Raises ``ValueError`` unless the ground truth of the data set has as many pixels of each class in ``b``."""
    if (a.pixels_by_kind.sum(1) != b.pixels_by_kind.sum(1)).any():
        raise ValueError("The ground truth differs between a and b; check the image ids and the target.")


def _check_truth(a: ImageRows, b: ImageRows, names: Mapping[int, str]) -> None:
    """Raises ``ValueError`` unless the ground truth of each image has as many pixels of each class in ``b``."""
    wrong = (a.rows[:, 1] != b.rows[:, 1]).any(1)
    if wrong.any():
        i = int(a.ids[wrong.argmax()])
        raise ValueError(
            f"The ground truth of image {names.get(i, i)} differs between a and b; check the image ids and the target."
        )
