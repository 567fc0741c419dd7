"""Two metrics over the same images: how sure it is that one is better."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

import numpy as np

from meaniou._util import Doubt, join_names, warn
from meaniou.metrics.checked_counts import CheckedCounts
from meaniou.metrics.iou_metric import IoUMetric, checked_counts, refuse_without_rows
from meaniou.report import Compared, ComparisonReport
from meaniou.scores import Areas, ImageAreas, ImageRows, class_iou, class_mean, pixel_accuracy
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
    """How sure it is that one metric is higher than another: a paired interval of their difference, and its p-value.

    Both must have counted the same images, which are paired by their ids; without any ids, in one process, by the order
    in which they were counted. The same images are resampled for both, so that images that are hard for both cancel:
    such intervals are many times narrower than those of each metric alone. In a process group every rank must call it.

    Args:
        a, b: metrics with ``per_image=True``, the same label space and the same rules.
        of: ``"mean"`` (what ``compute`` gives) or ``"accuracy"`` (of pixels).
        confidence: the share of resamples inside the interval.
        resamples: how often the images are resampled.
        seed: of the resampling.
        clusters: ``{id: cluster}`` or a function of the id: whole clusters are resampled then.

    Raises:
        ValueError: if the two have other classes, rules or images, or images of another truth, or no rows.

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
    """The same for the IoU of each class, in the order of the ids; arguments and errors are those of ``compare``."""
    resampling = Resampling(confidence, resamples, seed, clusters)
    _, (images_a, images_b) = _pairs(a, b)
    (comparisons,) = compare_images(images_a, images_b, a.policy, resampling, "class")
    return comparisons


def comparison_report(
    a: IoUMetric, b: IoUMetric, sources: Iterable[str] = (), resampling: Resampling | None = None
) -> ComparisonReport:
    """Everything that two metrics are compared in; raises as ``compare``.

    Args:
        a, b: the metrics.
        sources: what to call them beside ``a`` and ``b``.
        resampling: how images are resampled; by default as ``Resampling()``.
    """
    resampling = Resampling() if resampling is None else resampling
    policy, names = a.policy, a.label_space.class_names
    (areas_a, areas_b), images = _pairs(a, b)
    (mean,), (accuracy,), of_class = compare_images(*images, policy, resampling, "mean", "accuracy", "class")
    iou_a, iou_b = class_iou(areas_a, policy), class_iou(areas_b, policy)
    rows = zip(names, iou_a.tolist(), iou_b.tolist(), of_class, strict=True)
    return ComparisonReport(
        tuple(Compared("class", *row) for row in rows),
        Compared(
            "accuracy", "pixel accuracy", float(pixel_accuracy(areas_a)), float(pixel_accuracy(areas_b)), accuracy
        ),
        Compared("mean", "mean IoU", float(class_mean(iou_a, policy)), float(class_mean(iou_b, policy)), mean),
        resampling.resamples,
        dict(zip("ab", sources, strict=False)),
    )


def first_difference(a: IoUMetric, b: IoUMetric) -> str:
    """The first setting in which two metrics differ, as a sentence; empty if they are alike."""
    for mine, theirs in ((a.label_space, b.label_space), (a.policy, b.policy), (a.input_settings, b.input_settings)):
        for name in (field.name for field in fields(mine) if field.compare):
            one, other = getattr(mine, name), getattr(theirs, name)
            if one != other:
                return (
                    f"The two metrics differ in {name}: {one!r} and {other!r}; expected the same, so make them alike."
                )
    return ""


def _pairs(a: IoUMetric, b: IoUMetric) -> tuple[tuple[Areas, Areas], tuple[ImageAreas, ImageAreas]]:
    """The areas of both, and those of their images, in one order of the same images."""
    for name, metric in (("a", a), ("b", b)):
        if not isinstance(metric, IoUMetric):
            raise TypeError(f"{name} is a {type(metric).__name__}; expected a metric, such as MeanIoU(per_image=True).")
    if reason := first_difference(a, b):
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
    _check_pairs(*rows, {**rows[1].names, **rows[0].names})
    return areas, (rows[0].areas(a.label_space, a.policy), rows[1].areas(a.label_space, a.policy))


def _doubts(a: CheckedCounts, b: CheckedCounts) -> Iterator[str | Warning]:
    """The warnings of both metrics; one that only one metric has begins with ``a:`` or ``b:``."""
    in_a, in_b = ({str(doubt): doubt for doubt in checked.doubts} for checked in (a, b))
    for name, own, other in (("a", in_a, in_b), ("b", in_b, in_a)):
        for text, doubt in own.items():
            if text not in other:
                yield Doubt(f"{name}: {doubt.sentence}") if isinstance(doubt, Doubt) else f"{name}: {doubt}"
            elif name == "a":
                yield doubt


def _check_pairs(a: ImageRows, b: ImageRows, names: Mapping[int, str]) -> None:
    """Raises ``ValueError`` unless two metrics have counted the same images once each, with the same truth."""
    if (a.ids < 0).any() or (b.ids < 0).any():
        raise ValueError(
            "Images are paired by their ids, and some have none; expected ids in every update, so pass image_ids=."
        )
    for here, there, where in ((a.ids, b.ids, "a"), (b.ids, a.ids, "b")):
        only = np.setdiff1d(here, there)
        if len(only):
            shown = join_names(names.get(i, i) for i in only.tolist())
            are = "s are" if len(only) > 1 else " is"
            raise ValueError(
                f"{len(only)} image{are} in {where} only: {shown}; expected the same images in both, so "
                "score both on all of them."
            )
    if len(a) != len(b) or len(np.unique(a.ids)) != len(a):
        raise ValueError(
            "Some images were counted more than once; expected each once in both, so use a sampler that repeats none."
        )
    wrong = (a.rows[:, 1] != b.rows[:, 1]).any(1)
    if wrong.any():
        i = int(a.ids[wrong.argmax()])
        raise ValueError(
            f"The truth of image {names.get(i, i)} is not the same in both; expected one truth, so check the ids."
        )
