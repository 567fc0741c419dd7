"""The rows of the guide on parity whose tools are on PyPI: every number of the tool beside ours, on random maps."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from packaging.version import Version
from PIL import Image
from sklearn.metrics import jaccard_score
from support import planes_of
from support.bands import bands_by_erosion, counts_of_bands, regions
from support.documents import GUIDES, ROOT, Document
from support.stand_ins import import_with_stand_ins
from torch import Tensor
from torchmetrics import JaccardIndex
from torchmetrics.classification import (
    BinaryJaccardIndex,
    MulticlassJaccardIndex,
    MultilabelJaccardIndex,
    MultilabelPrecisionRecallCurve,
)
from torchmetrics.segmentation import MeanIoU as MeanOverPairs

from meaniou import (
    IoUCurve,
    LabelSpace,
    MeanBoundaryIoU,
    MeanIoU,
    MultilabelMeanIoU,
    confusion_matrix,
    protocols,
)

Rng = np.random.Generator
Maps = list[tuple[Tensor, Tensor]]
Numbers = Iterator[tuple[str, Any, Any]]  # what it is, the number of the tool, and ours


def with_void(rng: Rng, labels: np.ndarray, void: list[int], share: float = 0.1) -> Tensor:
    """The labels, some of them replaced by void."""
    if void:
        labels = np.where(rng.random(labels.shape) < share, rng.choice(np.array(void), size=labels.shape), labels)
    return torch.from_numpy(labels)


def images(rng: Rng, labels: list[int], void: list[int], pred_labels: list[int], pred_void: list[int]) -> Maps:
    """Predictions and ground truth of one to four images of different sizes, about half of the pixels right.

    Of all classes one is absent, one only predicted, and one never predicted, but for one case in four; with void, the
    last of several images is void throughout. Both lists of labels are of the same classes.
    """
    absent, only_predicted, never_predicted = rng.permutation(len(labels))[:3] if rng.random() < 0.75 else [-1] * 3
    classes = np.arange(len(labels))
    true = classes[(classes != absent) & (classes != only_predicted)]
    predicted = classes[(classes != absent) & (classes != never_predicted)]
    pairs = []
    count = int(rng.integers(1, 5))
    for i in range(count):
        shape = tuple(int(side) for side in rng.integers(20, 60, size=2))
        target, answer = rng.choice(true, size=shape), rng.choice(predicted, size=shape)
        right = (target != never_predicted) & (rng.random(shape) < 0.5)
        preds = with_void(rng, np.array(pred_labels)[np.where(right, target, answer)], pred_void)
        target = with_void(rng, np.array(labels)[target], void, share=1.0 if 0 < i == count - 1 else 0.1)
        pairs.append((preds, target))
    return pairs


def metric_of(pairs: Maps, **settings: Any) -> MeanIoU:
    metric = MeanIoU(**settings)
    metric.update([preds for preds, _ in pairs], [target for _, target in pairs])
    return metric


# --------------------------------------------------------------------------------------------------------- torchmetrics

AVERAGES = ("macro", "micro", "weighted", "none")


def theirs_over(pairs: Maps, metric: Any, scores: bool = False) -> Tensor:
    for preds, target in pairs:
        metric.update(planes_of(preds[None], 5).float() if scores else preds[None], target[None])
    return metric.compute()


def jaccard(rng: Rng, repeats: int) -> Numbers:
    """``ignore_index`` beyond the classes, below, inside, and none; labels and scores."""
    for i in range(repeats):
        for ignore in (255, -1, 0, None):
            void = [] if ignore is None else [ignore]
            classes = [c for c in range(5) if c != ignore]
            pairs = images(rng, classes, void, classes, [c for c in void if c == 0])
            for average in AVERAGES:
                settings = {"num_classes": 5, "ignore_index": ignore, "average": average}
                made = JaccardIndex("multiclass", **settings) if i % 2 else MulticlassJaccardIndex(**settings)
                ours = metric_of(pairs, **settings).compute()
                # An absent or ignored class is 0 there, and undefined here.
                yield f"{settings}", theirs_over(pairs, made, scores=bool(i % 3 == 2)), ours.nan_to_num(0)


def zero_division(rng: Rng, repeats: int) -> Numbers:
    """Means without a keyword, and ``absent=`` for one number per class."""
    for _ in range(repeats):
        pairs = images(rng, list(range(5)), [255], list(range(5)), [])
        for value, absent in ((0, "zero"), (1, "one")):
            for average in AVERAGES:
                settings = {"num_classes": 5, "ignore_index": 255, "average": average}
                theirs = theirs_over(pairs, MulticlassJaccardIndex(**settings, zero_division=value))
                ours = metric_of(pairs, **settings, absent=absent if average == "none" else "skip").compute()
                yield f"{settings}, {value}", theirs, ours


def binary_jaccard(rng: Rng, repeats: int) -> Numbers:
    """Probabilities, logits, labels, other thresholds, and void."""
    for _ in range(repeats):
        shape = (2, *(int(side) for side in rng.integers(20, 60, size=2)))
        target = torch.from_numpy(rng.integers(0, 2, size=shape))
        logits = torch.from_numpy(rng.normal(0, 3, size=shape)).float()
        for threshold, ours in ((0.5, 0.0), (0.2, math.log(0.2 / 0.8))):
            for ignore in (None, 255):
                truth = target if ignore is None else target.masked_fill(torch.from_numpy(rng.random(shape) < 0.1), 255)
                for name, preds, ours_at in (("logits", logits, ours), ("probabilities", logits.sigmoid(), threshold)):
                    theirs = BinaryJaccardIndex(threshold, ignore_index=ignore)(preds, truth)
                    metric = MeanIoU(2, average="none", ignore_index=ignore, threshold=ours_at)
                    yield f"{name}, {threshold}, {ignore}", theirs, metric(preds, truth)[1]
                labels = (logits > ours).long()
                theirs = BinaryJaccardIndex(ignore_index=ignore)(labels, truth)
                yield f"labels, {ignore}", theirs, MeanIoU(2, average="none", ignore_index=ignore)(labels, truth)[1]


def mean_over_pairs(rng: Rng, repeats: int) -> Numbers:
    """Labels and class planes, with ``per_class=True``; a class that is in no image is -1 there, 0 before 1.8."""
    absent = -1 if Version(torchmetrics.__version__) >= Version("1.8") else 0
    for _ in range(repeats):
        pairs = images(rng, list(range(7)), [], list(range(7)), [])
        metric = metric_of(pairs, num_classes=7, over="class", average="none")
        ours = metric.compute().nan_to_num(absent)
        for form in ("index", "one-hot"):
            theirs = MeanOverPairs(7, per_class=True, input_format=form)
            for pair in pairs:
                theirs.update(*(planes_of(m[None], 7) if form == "one-hot" else m[None] for m in pair))
            yield form, theirs.compute(), ours


# ---------------------------------------------------------------------------------------------------- cityscapesscripts


def cityscapes_scripts(rng: Rng, repeats: int, folder: Path) -> Numbers:
    """``evaluateImgLists`` on PNG files: classes, categories, their means, and the confusion matrix."""
    scripts = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    scripts.args.evalInstLevelScore = scripts.args.JSONOutput = False
    scripts.args.quiet = True
    space = protocols.get("cityscapes").label_space
    labels, void = [i for (i,) in space.ids], [i for i in space.ignore_index if i >= 0]
    for _ in range(repeats):
        pairs = images(rng, labels, void, labels, void)
        files: tuple[list[str], list[str]] = ([], [])
        for i, pair in enumerate(pairs):
            for side, paths, name in zip(pair, files, ("pred", "gt"), strict=True):
                paths.append(str(folder / f"{i}_{name}.png"))
                Image.fromarray(side.numpy().astype(np.uint8)).save(paths[-1])
        official = scripts.evaluateImgLists(*files, scripts.args)
        report = metric_of(pairs, protocol="cityscapes").report()
        theirs = [official["classScores"][c.name] for c in report.classes]
        yield "classes", theirs, [c.iou for c in report.classes]
        theirs = [official["categoryScores"][group.name] for group in report.class_groups]
        yield "categories", theirs, [group.merged_iou for group in report.class_groups]
        theirs = [official["averageScoreClasses"], official["averageScoreCategories"]]
        yield "means", theirs, [report.mean_iou, report.mean_merged_iou]
        counts = confusion_matrix(*map(list, zip(*pairs, strict=True)), protocol="cityscapes")
        yield "matrix", np.array(official["confMatrix"])[np.ix_(labels, labels)], counts


# ------------------------------------------------------------------------------------------------------- mmsegmentation


def mmseg_numbers(pairs: Maps, num_classes: int, folder: Path, metric: MeanIoU) -> Numbers:
    """All that ``IoUMetric`` computes of predictions and ground truth in its own numbering, and what it prints."""
    iou_metric = import_with_stand_ins("mmseg.evaluation", folder).IoUMetric(
        iou_metrics=["mIoU", "mDice", "mFscore"], prefix="all"
    )
    iou_metric.dataset_meta = {"classes": list(range(num_classes))}
    iou_metric.process(
        {}, [{"pred_sem_seg": {"data": preds[None]}, "gt_sem_seg": {"data": target[None]}} for preds, target in pairs]
    )
    areas = [sum(parts) for parts in zip(*iou_metric.results, strict=True)]
    theirs = iou_metric.total_area_to_metrics(*areas, metrics=iou_metric.metrics)
    report = metric.report()
    yield "aAcc", theirs["aAcc"], report.pixel_accuracy
    ours = {name: np.array([getattr(c, name) for c in report.classes]) for name in ("iou", "recall", "dice")}
    ours["precision"] = np.array([c.precision for c in report.classes])
    yield "IoU", theirs["IoU"], ours["iou"]
    yield "Acc", theirs["Acc"], ours["recall"]
    yield "Dice", theirs["Dice"], ours["dice"]
    yield "Precision", theirs["Precision"], ours["precision"]
    # Without a hit it divides 0 by 0 where Dice is 0.
    yield "Fscore", theirs["Fscore"], np.where(ours["dice"] > 0, ours["dice"], np.nan)
    means = [np.nanmean(theirs[name]) for name in ("IoU", "Acc", "Dice")]
    yield "means", means, [report.mean_iou, report.mean_accuracy, report.mean_dice]
    printed = iou_metric.compute_metrics(iou_metric.results)  # percent, two decimals
    assert [printed["mIoU"], printed["mAcc"], printed["aAcc"]] == pytest.approx(
        [100 * report.mean_iou, 100 * report.mean_accuracy, 100 * report.pixel_accuracy], abs=0.00501
    )


def reduced(labels: Tensor) -> Tensor:
    """Ground truth as its loader gives it with ``reduce_zero_label=True``."""
    return torch.where((labels == 0) | (labels == 255), 255, labels - 1)


def pascal_context(rng: Rng, repeats: int, folder: Path) -> Numbers:
    """With the background as a class, and without it."""
    for _ in range(repeats):
        classes = list(range(60))
        pairs = images(rng, classes, [255], classes, [255])
        yield from mmseg_numbers(pairs, 60, folder, metric_of(pairs, protocol="pascal-context-60"))
        pairs = images(rng, classes[1:], [0, 255], classes[:-1], [255])
        theirs = [(preds, reduced(target)) for preds, target in pairs]
        yield from mmseg_numbers(theirs, 59, folder, metric_of(pairs, protocol="pascal-context-59"))


def iou_metric(rng: Rng, repeats: int, folder: Path) -> Numbers:
    """A protocol, ``ignore_index=255``, and ``reduce_zero_label=True``."""
    for _ in range(repeats):
        classes = list(range(19))
        pairs = images(rng, classes, [255], classes, [255])
        yield from mmseg_numbers(pairs, 19, folder, metric_of(pairs, protocol="cityscapes-train-ids"))
        yield from mmseg_numbers(pairs, 19, folder, metric_of(pairs, num_classes=19, ignore_index=255))
        classes = list(range(150))
        pairs = images(rng, [c + 1 for c in classes], [0, 255], classes, [])
        theirs = [(preds, reduced(target)) for preds, target in pairs]
        space = LabelSpace.reduce_zero_label(150)
        yield from mmseg_numbers(theirs, 150, folder, metric_of(pairs, label_space=space))


# ---------------------------------------------------------------------------------------------------------------- MONAI


def monai(rng: Rng, repeats: int) -> Numbers:
    """Class planes, with and without the background, and both meanings of an empty class."""
    metrics = pytest.importorskip("monai.metrics")
    for _ in range(repeats):
        pairs = images(rng, list(range(5)), [], list(range(5)), [])
        for background in (True, False):
            for ignore_empty, settings in ((True, {"present": "target"}), (False, {"absent": "one"})):
                theirs = metrics.MeanIoU(include_background=background, ignore_empty=ignore_empty)
                for pair in pairs:
                    theirs(*(planes_of(m[None], 5).float() for m in pair))
                common = {"num_classes": 5, "include_background": background, **settings}
                what = f"{common}, "
                yield what + "mean", theirs.aggregate(), metric_of(pairs, **common, over="image").compute()
                ours = metric_of(pairs, **common, over="class", average="none").compute()[0 if background else 1 :]
                # A class without a value is 0 there.
                yield what + "mean_batch", theirs.aggregate("mean_batch"), ours.nan_to_num(0)


# -------------------------------------------------------------------------------------------------- labels that overlap

LABELS = 6
GRID = [k / 20 for k in range(21)]


def overlapping(rng: Rng, void: int | None = None) -> Maps:
    """Scores and ground truth ``[L, H, W]`` of one to four images of different sizes; many scores equal a threshold.

    One label is absent, one only predicted, and one never predicted, but for one case in four.
    """
    absent, only_predicted, never_predicted = rng.permutation(LABELS)[:3] if rng.random() < 0.75 else [-1] * 3
    pairs = []
    for _ in range(int(rng.integers(1, 5))):
        shape = (LABELS, *(int(side) for side in rng.integers(10, 40, size=2)))
        target = (rng.random(shape) < rng.uniform(0.1, 0.7, size=(LABELS, 1, 1))).astype(np.int64)
        scores = (0.35 + 0.3 * target + rng.normal(0, 0.2, size=shape)).clip(0, 1)
        scores = np.where(rng.random(shape) < 0.5, scores, np.round(scores * 20) / 20)
        for label in range(LABELS):
            target[label] *= label not in (absent, only_predicted)
            scores[label] *= label not in (absent, never_predicted)
        if void is not None:
            target[rng.random(shape) < 0.1] = void
        pairs.append((torch.from_numpy(scores).float(), torch.from_numpy(target)))
    return pairs


def labels_of(pairs: Maps, **settings: Any) -> MultilabelMeanIoU:
    metric = MultilabelMeanIoU(LABELS, **settings)
    metric.update([scores for scores, _ in pairs], [target for _, target in pairs])
    return metric


def curve_of(pairs: Maps, **settings: Any) -> IoUCurve:
    curve = IoUCurve(LABELS, **settings)
    curve.update([scores for scores, _ in pairs], [target for _, target in pairs])
    return curve


def multilabel_jaccard(rng: Rng, repeats: int) -> Numbers:
    """Probabilities at two thresholds, labels and logits; void, and none. An absent label is 0 in the mean there."""
    for _ in range(repeats):
        for ignore in (None, 255):
            pairs = overlapping(rng, ignore)
            logits = [(scores.clamp(0.01, 0.99).logit() * 2, target) for scores, target in pairs]
            flags = [((scores > 0.5).long(), target) for scores, target in pairs]
            for average in AVERAGES:
                common = {"average": average, "ignore_index": ignore}
                for maps, there, here in ((pairs, 0.5, 0.5), (pairs, 0.3, 0.3), (flags, 0.5, 0.5), (logits, 0.5, 0.0)):
                    theirs = MultilabelJaccardIndex(LABELS, threshold=there, **common)
                    for scores, target in maps:
                        theirs.update(scores[None], target[None])
                    ours = labels_of(maps, **common, threshold=here, absent="zero").compute()
                    yield f"{common}, {here}", theirs.compute(), ours


def precision_recall_counts(rng: Rng, repeats: int) -> Numbers:
    """The IoU from the counts of its state, at listed thresholds; void, and none."""
    for _ in range(repeats):
        for ignore in (None, 255):
            pairs = overlapping(rng, ignore)
            theirs = MultilabelPrecisionRecallCurve(LABELS, thresholds=GRID, ignore_index=ignore)
            for scores, target in pairs:
                theirs.update(scores[None], target[None])
            (_, false_positives), (false_negatives, hits) = theirs.confmat.double().permute(2, 3, 1, 0)
            iou, _ = curve_of(pairs, thresholds=GRID, inclusive=True, ignore_index=ignore).compute()
            yield f"{ignore}", hits / (hits + false_positives + false_negatives), iou


def sklearn_jaccard(rng: Rng, repeats: int) -> Numbers:
    """Four averages of binarised scores; an absent label is 0 there."""
    for _ in range(repeats):
        pairs = overlapping(rng)
        flags, truth = (torch.cat([side.flatten(1) for side in sides], 1).T for sides in zip(*pairs, strict=True))
        for average in AVERAGES:
            of = None if average == "none" else average
            theirs = jaccard_score(truth, flags > 0.5, average=of, zero_division=0)
            yield average, theirs, labels_of(pairs, average=average, absent="zero").compute()


def monai_overlapping(rng: Rng, repeats: int) -> Numbers:
    """Binarised maps, and both meanings of an empty label."""
    metrics = pytest.importorskip("monai.metrics")
    for _ in range(repeats):
        pairs = overlapping(rng)
        for ignore_empty, settings in ((True, {"present": "target"}), (False, {"absent": "one"})):
            theirs = metrics.MeanIoU(ignore_empty=ignore_empty)
            for scores, target in pairs:
                theirs((scores > 0.5).float()[None], target.float()[None])
            yield f"{settings}, mean", theirs.aggregate(), labels_of(pairs, **settings, over="image").compute()
            ours = labels_of(pairs, **settings, over="class", average="none").compute()
            # A label without a value is 0 there.
            yield f"{settings}, mean_batch", theirs.aggregate("mean_batch"), ours.nan_to_num(0)


def bev_maps(rng: Rng, repeats: int) -> Numbers:
    """The rule of ``evaluate_map``: IoU at seven thresholds from sums over the set, the best per layer, their mean.

    From mmdet3d/datasets/nuscenes_dataset.py of mit-han-lab/bevfusion at 36bef1a3: a layer is set where its score is at
    least the threshold, and an absent layer has an IoU of 0.
    """
    thresholds = [0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65]
    for _ in range(repeats):
        pairs = overlapping(rng)
        iou = np.zeros((LABELS, len(thresholds)))
        for k, threshold in enumerate(np.float32(thresholds)):
            both, either = np.zeros(LABELS), np.zeros(LABELS)
            for scores, target in pairs:
                is_set, truth = scores.numpy() >= threshold, target.numpy() == 1
                both += (is_set & truth).sum((1, 2))
                either += (is_set | truth).sum((1, 2))
            iou[:, k] = both / np.maximum(either, 1)
        curve = curve_of(pairs, thresholds=thresholds, inclusive=True, absent="zero")
        yield "iou@threshold", iou, curve.compute()[0]
        yield "iou@max", iou.max(1), curve.best().iou
        yield "mean/iou@max", iou.max(1).mean(), curve.best().iou.mean()


# ------------------------------------------------------------------------------------------------ bands inside contours

CLASSES = 8


def regions_of(rng: Rng, void: list[int]) -> Maps:
    """Predictions and ground truth of one to four images with regions; the predictions are shifted by two pixels.

    One class is absent, one only predicted, and one never predicted. Void is in both maps.
    """
    _absent, only_predicted, never_predicted, *rest = rng.permutation(CLASSES).tolist()
    pairs = []
    for _ in range(int(rng.integers(1, 5))):
        shape = (1, *(int(side) for side in rng.integers(20, 80, size=2)))
        target = regions(rng, shape, [*rest, never_predicted], 30)
        preds = np.where(target == never_predicted, rest[0], np.roll(target, 2, 2))
        preds = np.where(rng.random(shape) < 0.01, rng.choice([*rest, only_predicted], size=shape), preds)
        preds = np.where(preds == never_predicted, rest[0], preds)
        target = np.where(regions(rng, shape, [0, 0, 0, 1], 20) == 1, void[0], target) if void else target
        pairs.append((with_void(rng, preds[0], void, 0.01), with_void(rng, target[0], void, 0.01)))
    return pairs


def by_erosion(rng: Rng, pairs: Maps, edge: bool, **settings: Any) -> Numbers:
    """The IoU of each class from sums over images, and their mean; a class without a band has none."""
    share = float(rng.choice([0.005, 0.02, 0.05]))
    sums = np.zeros((3, CLASSES), np.int64)
    for pair in pairs:
        preds, target = (side.numpy() for side in pair)
        width = max(1, round(share * np.sqrt(sum(side**2 for side in target.shape))))
        bands = [bands_by_erosion(side, CLASSES, width, edge) for side in (target, preds)]
        sums += counts_of_bands(*bands, target != 255)
    with np.errstate(invalid="ignore"):
        theirs = sums[0] / (sums[1] + sums[2] - sums[0])
    metric = MeanBoundaryIoU(CLASSES, width=share, edge=edge, **settings)
    metric.update([preds for preds, _ in pairs], [target for _, target in pairs])
    report = metric.report()
    yield "classes", theirs, [c.iou for c in report.classes]
    yield "mean", np.nanmean(theirs), report.mean_iou


def boundary_iou_api(rng: Rng, repeats: int) -> Numbers:
    """The rule of ``mask_to_boundary``: a border of zeros, and d erosions of each class by a square of 3 x 3.

    From boundary_iou/utils/boundary_utils.py of bowenc0221/boundary-iou-api at 37d25586.
    """
    for _ in range(repeats):
        yield from by_erosion(rng, regions_of(rng, []), edge=True)


def beyond_iou(rng: Rng, repeats: int) -> Numbers:
    """The rule of ``evaluate_sample_boundary_and_trimap_iou``: no border; void pixels are left out after the erosion.

    From beyond_iou/evaluator.py of mxbh/beyond-iou at bfd2d7c8.
    """
    for _ in range(repeats):
        yield from by_erosion(rng, regions_of(rng, [255]), edge=False, void="literal", ignore_index=255)


# ------------------------------------------------------------------------------------------------------------- the rows


@dataclass(frozen=True)
class Row:
    """A row of the guide's table: what yields its numbers, how often, the largest difference, and a library."""

    numbers: Callable[..., Numbers]
    repeats: int
    tolerance: float
    module: str = ""
    needs_folder: bool = False


FLOAT32, FLOAT64 = 2e-7, 1e-12
ROWS = {
    "torchmetrics: `MulticlassJaccardIndex`, `JaccardIndex`": Row(jaccard, 12, FLOAT32),
    "torchmetrics: the same with `zero_division=0` and `1`": Row(zero_division, 12, FLOAT32),
    "torchmetrics: `BinaryJaccardIndex`": Row(binary_jaccard, 6, FLOAT32),
    "torchmetrics: `segmentation.MeanIoU(per_class=True)`": Row(mean_over_pairs, 12, FLOAT32),
    "cityscapesScripts: `evaluateImgLists`": Row(cityscapes_scripts, 6, FLOAT64, "cityscapesscripts", True),
    "mmsegmentation: `IoUMetric` on Pascal Context": Row(pascal_context, 6, FLOAT32, "mmseg", True),
    "mmsegmentation: `IoUMetric`, also after `reduce_zero_label`": Row(iou_metric, 6, FLOAT32, "mmseg", True),
    "MONAI: `MeanIoU`": Row(monai, 6, FLOAT32, "monai"),
    "torchmetrics: `MultilabelJaccardIndex`": Row(multilabel_jaccard, 3, FLOAT32),
    "torchmetrics: IoU from the counts of `MultilabelPrecisionRecallCurve`": Row(precision_recall_counts, 4, FLOAT32),
    "scikit-learn: `jaccard_score`, multilabel": Row(sklearn_jaccard, 12, FLOAT32),
    "MONAI: `MeanIoU`, on labels that overlap": Row(monai_overlapping, 6, FLOAT32, "monai"),
    "mit-han-lab/bevfusion: `evaluate_map`": Row(bev_maps, 12, FLOAT32),
    "bowenc0221/boundary-iou-api: `mask_to_boundary` of each class": Row(boundary_iou_api, 20, FLOAT64, "cv2"),
    "mxbh/beyond-iou: `Evaluator`, boundary IoU of classes and mean": Row(beyond_iou, 20, FLOAT64, "cv2"),
}
# Tools that are not on PyPI, whose rule the tests write out.
WRITTEN_OUT = (
    "mit-han-lab/bevfusion 36bef1a3",
    "bowenc0221/boundary-iou-api 37d25586",
    "mxbh/beyond-iou bfd2d7c8",
)
# Only the extra "guides" installs these; the gate runs their tests with the slow ones, after it installed them.
OF_GUIDES = ("mmseg", "monai", "cv2")


def marks_of(row: Row) -> list[pytest.MarkDecorator]:
    missing = bool(row.module) and find_spec(row.module) is None
    skip = pytest.mark.skipif(missing, reason=f"{row.module} is not installed")
    return [skip, pytest.mark.slow] if row.module in OF_GUIDES else [skip]


def differences(numbers: Numbers, tolerance: float) -> tuple[int, float, list[str]]:
    """How many numbers were compared, the largest difference, and what differs by more than the tolerance."""
    count, largest, wrong = 0, 0.0, []
    for what, theirs, ours in numbers:
        a, b = (np.atleast_1d(np.asarray(side, float)) for side in (theirs, ours))
        assert a.shape == b.shape, what
        count += a.size
        gap = np.abs(a - b)
        if not np.array_equal(np.isnan(a), np.isnan(b)) or (gap > tolerance).any():
            wrong.append(f"{what}: {a} there, {b} here")
        largest = max(largest, np.nanmax(gap, initial=0))
    return count, largest, wrong


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(row)) for name, row in ROWS.items()])
@pytest.mark.filterwarnings("ignore")  # those of the tools, and ours of an image that is void throughout
def test_the_numbers_of_the_tool(name: str, rng: Rng, tmp_path: Path) -> None:
    row = ROWS[name]
    numbers = row.numbers(rng, row.repeats, *[tmp_path] * row.needs_folder)
    count, _, wrong = differences(numbers, row.tolerance)
    assert wrong == []
    assert count == again(name)


# ------------------------------------------------------------------------------------------------------------ the guide

GUIDE = Document(next(path for path in GUIDES if path.stem == "parity"))


def table() -> list[list[str]]:
    """The cells of the guide's table of comparisons."""
    rows = [line.strip("| ").split(" | ") for line in GUIDE.section("Comparisons").splitlines() if line.startswith("|")]
    return rows[2:]


def again(name: str) -> int:
    """How many numbers a row says that the tests compare; 0 if it is in no row, or not compared."""
    cells = [row[-1] for row in table() if name_of(row) == name]
    return int(cells[0].replace(",", "")) if cells and cells[0] != "-" else 0


def name_of(row: list[str]) -> str:
    """The tool without its version, and what ran."""
    return f"{row[0].split()[0]}: {row[1]}"


def test_the_guide_marks_the_rows_that_run_here() -> None:
    assert {name_of(row) for row in table() if row[-1] != "-"} == set(ROWS)


def test_the_versions_of_those_rows_are_those_of_the_gate() -> None:
    constraints = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").lower().split()
    for row in table():
        if row[-1] != "-" and row[0] not in WRITTEN_OUT:
            assert row[0].lower().replace(" ", "==") in constraints


def test_the_sum_of_the_numbers() -> None:
    total = sum(int(row[4].replace(",", "")) for row in table())
    assert re.search(rf"\b{total:,} numbers\b", GUIDE.text)
    assert all(re.fullmatch(r"0|\de-\d+( of 100)?", row[5]) for row in table())


def test_the_guide_on_migrating_counts_the_protocols() -> None:
    migrating = next(path for path in GUIDES if path.stem == "migrating").read_text(encoding="utf-8")
    assert f"| rules of named benchmarks | {len(protocols.names())} |" in migrating


def test_a_wrong_number_is_noticed() -> None:
    """One that is off by 1e-6, one that is undefined on one side only, and one that is missing."""
    right = np.array([0.5, np.nan])
    for wrong in ([0.5 + 1e-6, np.nan], [0.5, 0.0], [np.nan, np.nan]):
        assert differences(iter([("right", right, right), ("wrong", right, wrong)]), FLOAT32)[2]
    with pytest.raises(AssertionError, match="few"):
        differences(iter([("few", right, [0.5])]), FLOAT32)
    assert differences(iter([("right", right, right)]), 0) == (2, 0.0, [])


def test_a_wrong_rule_is_noticed() -> None:
    """Means in other orders are other numbers than the mean over pairs of image and class, which is 3/5 here."""
    target, preds = torch.tensor([[0, 0, 0, 0], [0, 1, 2, 3]]), torch.tensor([[0, 0, 0, 0], [0, 1, 3, 2]])
    pairs = list(zip(preds, target, strict=True))
    pooled = MeanOverPairs(4, input_format="index")(preds[:, None], target[:, None])
    for over, value in (("dataset", 1 / 2), ("image", 3 / 4), ("class", 1 / 2)):
        ours = metric_of(pairs, num_classes=4, over=over).compute()
        assert not differences(iter([(over, value, ours)]), FLOAT32)[2]
        assert differences(iter([(over, pooled, ours)]), FLOAT32)[2]


@pytest.mark.slow
def test_a_wrong_rule_of_bands_is_noticed(rng: Rng) -> None:
    """The rule of one tool with the settings of the other, and void that is no label."""
    pytest.importorskip("cv2")
    pairs = regions_of(rng, [255])
    right = {"void": "literal", "ignore_index": 255}
    assert not differences(by_erosion(np.random.default_rng(0), pairs, edge=False, **right), FLOAT64)[2]
    assert differences(by_erosion(np.random.default_rng(0), pairs, edge=False, ignore_index=255), FLOAT64)[2]
    there = list(by_erosion(np.random.default_rng(0), pairs, edge=True, **right))
    here = list(by_erosion(np.random.default_rng(0), pairs, edge=False, **right))
    mixed = [(what, theirs, ours) for (what, theirs, _), (_, _, ours) in zip(there, here, strict=True)]
    assert differences(iter(mixed), FLOAT64)[2]
