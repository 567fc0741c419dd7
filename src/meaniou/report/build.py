"""Builds a report from counts: one function for each part, and one that assembles them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from meaniou.protocols import Protocol
from meaniou.report.records import (
    COLUMNS,
    NO_CLASS,
    WORST,
    BoundaryReport,
    ClassReport,
    Column,
    Confusion,
    GroupReport,
    ImagesReport,
    Intervals,
    image_table,
)
from meaniou.report.report import Report
from meaniou.scores import (
    Areas,
    Floats,
    ImageAreas,
    Ints,
    class_iou,
    class_mean,
    harmonic_mean,
    kappa,
    mean_over_images,
    merged_iou,
    pixel_accuracy,
    top_confusions,
    under_policy,
    weighted_iou,
    without_ignored,
)
from meaniou.settings import (
    BandSettings,
    Groups,
    InputSettings,
    LabelSpace,
    Policy,
    ThresholdSettings,
    resolve_class_groups,
)
from meaniou.uncertainty import Resampling, bootstrap

TOP = 10  # confusions in a report


def build_report(
    counts: Ints,
    areas: Areas,
    space: LabelSpace,
    policy: Policy,
    *,
    matrix: Ints | None,
    pixels: dict[str, int],
    inputs: InputSettings | ThresholdSettings | None = None,
    class_groups: Groups | None = None,
    protocol: Protocol | None = None,
    images: ImageAreas | None = None,
    resampling: Resampling | None = None,
    boundaries: tuple[BoundaryReport, ...] = (),
) -> Report:
    """The report of counts and their areas; ``MeanIoU.report`` and ``MultilabelMeanIoU.report`` call it.

    Args:
        counts: the counts, for ``Report.counts``.
        areas: the areas of each class under the policy, ``[C]``.
        space: the classes.
        policy: the rules.
        matrix: the confusion matrix ``[C + 2, C + 2]``; without it kappa, merged IoU and confusions are undefined.
        pixels: the numbers for ``Report.pixels``.
        inputs: the settings of counting; a ``ThresholdSettings`` makes it a report of labels.
        class_groups: groups of classes; by default those of the label space.
        protocol: the protocol of the metric, some of whose rules may be changed.
        images: the areas of each image, with ``per_image``.
        resampling: settings of the bootstrap; ``None`` for no intervals.
        boundaries: boundary IoU at each width.

    Raises:
        TypeError, ValueError: if ``class_groups`` names an unknown class, or has another form.
    """
    members = dict(space.class_groups) if class_groups is None else resolve_class_groups(space, class_groups)
    values = {name: column_values(column, areas, policy) for name, column in COLUMNS.items()}
    means: dict[str, Any] = {c.mean: float(class_mean(values[name], policy)) for name, c in COLUMNS.items() if c.mean}
    groups = class_group_reports(matrix, areas, space, policy, members)
    group_means = [group.mean_iou for group in groups]
    overlap = sum(map(len, members.values())) > len(set().union(*members.values()))
    return Report(
        **means,
        pixel_accuracy=float(pixel_accuracy(areas)),
        frequency_weighted_iou=float(weighted_iou(areas, policy)),
        kappa=math.nan if matrix is None else kappa(areas),
        classes=class_reports(space.class_names, values),
        class_groups=groups,
        mean_merged_iou=math.nan if overlap else _mean([group.merged_iou for group in groups], policy),
        harmonic_mean=harmonic_mean(*group_means) if len(groups) == 2 else math.nan,
        confusions=None if matrix is None else confusion_records(matrix, areas, space, policy),
        pixels=pixels,
        rules=rules_of(space, policy, protocol, inputs),
        counts=counts.copy(),
        images=None if images is None else images_report(images, space, policy),
        intervals=None if images is None or resampling is None else intervals_of(images, policy, resampling),
        boundaries=boundaries,
    )


def column_values(column: Column, areas: Areas, policy: Policy) -> Any:
    """The values of a column, ``[C]``: ratios under the policy, or pixels."""
    values = column.values(areas)
    if column.by_presence:
        return under_policy(values, areas, policy)
    return without_ignored(values, areas) if values.dtype.kind == "f" else values


def class_reports(names: Sequence[str], values: Mapping[str, Any]) -> tuple[ClassReport, ...]:
    """A record for each class, from the values of each column ``[C]``."""
    rows = zip(*(column.tolist() for column in values.values()), strict=True)
    return tuple(
        ClassReport(name, **dict(zip(values, row, strict=True))) for name, row in zip(names, rows, strict=True)
    )


def class_group_reports(
    matrix: Ints | None, areas: Areas, space: LabelSpace, policy: Policy, members: Mapping[str, Sequence[int]]
) -> tuple[GroupReport, ...]:
    """A record for each group of classes."""
    iou = class_iou(areas, policy)
    return tuple(
        GroupReport(
            name,
            tuple(space.class_names[i] for i in classes),
            float(class_mean(iou, policy, classes)),
            math.nan if matrix is None else merged_iou(matrix, areas, classes, policy),
        )
        for name, classes in members.items()
    )


def confusion_records(matrix: Ints, areas: Areas, space: LabelSpace, policy: Policy) -> tuple[Confusion, ...]:
    """The costliest confusions, with the names of their classes."""
    names = (*space.class_names, *NO_CLASS)
    return tuple(
        Confusion(names[truth], names[predicted], pixels, share, cost)
        for truth, predicted, pixels, share, cost in top_confusions(matrix, areas, policy, TOP)
    )


def pixel_account(matrix: Ints) -> dict[str, int]:
    """The pixels of a confusion matrix by their kind, as in ``Report.pixels``."""
    classes = matrix[:-2]
    void = int(matrix[-2].sum())
    outside = int(matrix[-1].sum() + classes[:, -1].sum())
    void_preds = int(classes[:, -2].sum())
    seen = int(matrix.sum())
    return {
        "seen": seen,
        "counted": seen - void - outside - void_preds,
        "void": void,
        "void_preds": void_preds,
        "outside": outside,
    }


def label_accounts(counts: Ints) -> tuple[dict[str, int], ...]:
    """The account of the pixels of each label, from counts ``[L, 4, T + 3]`` of labels that overlap."""
    return tuple(map(pixel_account, by_kind(counts)))


def by_kind(counts: Ints) -> Ints:
    """Counts ``[L, 4, T + 3]`` of labels that overlap, summed over thresholds: scores or labels, void and outside."""
    return np.concatenate([counts[..., :-2].sum(-1, keepdims=True), counts[..., -2:]], -1)


def rules_of(
    space: LabelSpace, policy: Policy, protocol: Protocol | None, inputs: InputSettings | ThresholdSettings | None
) -> dict[str, Any]:
    """The settings of a report, with the protocol and the rules of it that were changed."""
    rules: dict[str, Any] = {"num_classes": space.num_classes, "ignore_index": list(space.ignore_index)}
    if isinstance(inputs, ThresholdSettings):
        threshold = list(inputs.thresholds) if inputs.per_label else inputs.thresholds[0]
        rules = {"num_labels": space.num_classes, "threshold": threshold, **label_rules(inputs)}
    if isinstance(inputs, BandSettings):
        rules |= {"width": list(inputs.widths), "edge": inputs.edge, "void": inputs.void}
    rules |= vars(policy)
    for name in ("average", "over", "worst_percent"):  # a report has all kinds of means
        del rules[name]
    if protocol is not None:
        rules |= {"protocol": protocol.name, "changed": protocol.changes(space, policy)}
    return {**rules, "classes": list(policy.classes)}


def label_rules(inputs: ThresholdSettings) -> dict[str, Any]:
    """The settings with which labels were counted, apart from the thresholds."""
    return {"inclusive": inputs.inclusive, "ignore_index": list(inputs.ignore_index)}


def images_report(images: ImageAreas, space: LabelSpace, policy: Policy) -> ImagesReport:
    """The means over images in both orders, and the worst images."""
    table = image_table(images, space, policy)
    orders = [replace(policy, average="macro", over=over, worst_percent=()) for over in ("image", "class")]
    over_images, over_classes = (float(mean_over_images(images.areas, order)) for order in orders)
    worst = tuple(zip(table.images[:WORST], table.mean_iou[:WORST], strict=True))
    return ImagesReport(len(table), int((~images.areas.any_valid.any(-1)).sum()), over_images, over_classes, worst)


def intervals_of(images: ImageAreas, policy: Policy, resampling: Resampling) -> Intervals:
    """The intervals of mean IoU, pixel accuracy and the IoU of each class."""
    rules = replace(policy, average="macro", over="dataset", worst_percent=())
    (mean,), (accuracy,), classes = bootstrap(images, rules, resampling, "mean", "accuracy", "class")
    return Intervals(mean, accuracy, classes)


def _mean(values: Sequence[float], policy: Policy) -> float:
    """The mean over groups, without NaN unless ``absent="nan"``; NaN if there is none."""
    array: Floats = np.array(values, np.float64)
    return float(class_mean(array, policy, range(len(values))))
