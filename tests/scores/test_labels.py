"""Scores of labels that overlap, of the dataset and of images, against sums over pixels in plain NumPy."""

import copy
import math
import pickle
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torchmetrics.classification import MultilabelJaccardIndex

from meaniou import MeanIoU, MultilabelMeanIoU, Resampling, compare, compare_classes, multilabel_mean_iou
from meaniou.metrics import comparison_report

L, VOID, NUMBER = 5, 255, 9
THRESHOLDS = (0.3, 0.5, 0.5, 0.7, 0.25)


def scenes(rng):
    """Scores and labels ``[N, L, H, W]``: labels that are absent or void in some images or in all, and NaN scores."""
    target = rng.integers(0, 2, size=(NUMBER, L, 5, 6))
    target[rng.random(target.shape) < 0.1] = VOID
    target[:, 2][target[:, 2] == 1] = 0  # in no ground truth
    target[3:6, 0][target[3:6, 0] == 1] = 0  # not set in these images
    target[4, 1] = VOID  # void in one image
    target[:, 3] = VOID  # void in all images
    target[5][target[5] == 1] = 0  # an image without a set pixel
    target[7] = VOID  # an image that is all void
    scores = np.round(rng.random(target.shape) * 0.6 + 0.4 * (target == 1), 2).astype(np.float32)
    scores[:, 2] *= rng.random((NUMBER, 1, 1)) < 0.4  # predicted in some images
    scores[5] = 0.1  # and nothing is predicted in this image
    scores[0, 4], scores[3, 0] = 0.1, 0.2
    scores[rng.random(scores.shape) < 0.05] = np.nan
    return scores, target


@dataclass
class Sizes:
    """Pixels of each label in each image, ``[N, L]``, counted one image and label at a time."""

    both: np.ndarray
    union: np.ndarray
    truth: np.ndarray
    right: np.ndarray
    valid: np.ndarray


def sizes_of(scores, target, void_preds, thresholds=THRESHOLDS):
    found = {name: np.zeros(target.shape[:2], int) for name in ("both", "union", "truth", "right", "valid")}
    for image, label in np.ndindex(*target.shape[:2]):
        score, truth = scores[image, label].ravel().tolist(), target[image, label].ravel().tolist()
        for value, true in zip(score, truth, strict=True):
            void_pred = value != value
            if true == VOID or (void_pred and void_preds == "drop"):
                continue
            above = not void_pred and np.float32(value) > np.float32(thresholds[label])
            found["both"][image, label] += true == 1 and above
            found["union"][image, label] += true == 1 or above
            found["truth"][image, label] += true == 1
            found["right"][image, label] += not void_pred and above == (true == 1)
            found["valid"][image, label] += 1
    return Sizes(**found)


ABSENT = {"skip": math.nan, "nan": math.nan, "zero": 0.0, "one": 1.0}


def mean_of(values):
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def iou_of(both, union, truth, rules):
    there = union if rules["present"] == "union" else truth
    return both / union if there else ABSENT[rules["absent"]]


def over_dataset(sizes, rules, average, images=None):
    """The value over images (with repetitions) from the sums of their pixels; with ``"none"`` of each label."""
    images = list(range(len(sizes.both)) if images is None else images)
    both, union, truth = (part[images].sum(0).tolist() for part in (sizes.both, sizes.union, sizes.truth))
    iou = [iou_of(*of_label, rules) for of_label in zip(both, union, truth, strict=True)]
    there = [label for label in range(L) if (union if rules["present"] == "union" else truth)[label]]
    if average == "none":
        return iou
    if average == "macro":
        return sum(iou) / L if rules["absent"] == "nan" else mean_of(iou)
    if average == "micro":
        parts = sum(both[label] for label in there), sum(union[label] for label in there)
    else:
        parts = sum(truth[label] * iou[label] for label in there), sum(truth[label] for label in there)
    return parts[0] / parts[1] if parts[1] else math.nan


def iou_of_images(sizes, rules):
    """IoU ``[N, L]``; NaN also where a label has no valid pixel in an image."""
    table = np.full(sizes.both.shape, math.nan)
    for place in np.ndindex(*table.shape):
        if sizes.valid[place]:
            table[place] = iou_of(sizes.both[place], sizes.union[place], sizes.truth[place], rules)
    return table


def lowest_mean(values, percent):
    defined = sorted(value for value in values if not math.isnan(value))
    if not defined:
        return math.nan
    number = max(1, math.floor(Fraction(percent) * len(defined) / 100))
    return sum(defined[:number]) / number


def over_images(sizes, rules, over, percent=100, images=None):
    table = iou_of_images(sizes, rules)
    table = table if images is None else table[images]
    if over == "image":
        return lowest_mean([mean_of(row) for row in table.tolist()], percent)
    of_labels = [lowest_mean(column, percent) for column in table.T.tolist()]
    return sum(of_labels) / L if rules["absent"] == "nan" else mean_of(of_labels)


def metric_of(maps, **settings):
    """A metric that has counted the images in batches of four."""
    metric = MultilabelMeanIoU(L, ignore_index=VOID, threshold=THRESHOLDS, **settings)
    scores, target = map(torch.from_numpy, maps)
    for start in range(0, NUMBER, 4):
        part = slice(start, start + 4)
        ids = {"image_ids": range(NUMBER)[part]} if metric.per_image else {}
        metric.update(scores[part], target[part], **ids)
    return metric


RULES = [
    {"void_preds": void_preds, "present": present, "absent": absent}
    for void_preds, present, absent in product(("miss", "drop"), ("union", "target"), ("skip", "zero", "one", "nan"))
]
each_rule = pytest.mark.parametrize("rules", RULES, ids=lambda rules: "-".join(rules.values()))


@each_rule
def test_every_average_over_the_dataset(rng, rules):
    maps = scenes(rng)
    sizes = sizes_of(*maps, rules["void_preds"])
    for average in ("macro", "micro", "weighted", "none"):
        expected = over_dataset(sizes, rules, average)
        value = metric_of(maps, average=average, **rules).compute()
        assert value.tolist() == pytest.approx(expected, rel=1e-6, nan_ok=True)
        in_one_call = multilabel_mean_iou(*maps, L, threshold=THRESHOLDS, ignore_index=VOID, average=average, **rules)
        assert in_one_call.tolist() == pytest.approx(expected, rel=1e-6, nan_ok=True)


@each_rule
def test_every_order_of_averaging(rng, rules):
    maps = scenes(rng)
    sizes = sizes_of(*maps, rules["void_preds"])
    for over, percent in product(("image", "class"), (100, 30, 1)):
        expected = over_images(sizes, rules, over, percent)
        metric = metric_of(maps, over=over, worst_percent=percent, **rules)
        assert metric.compute().item() == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert metric.bootstrap(resamples=2).value == pytest.approx(expected, rel=1e-12, nan_ok=True)
    each = metric_of(maps, over="class", average="none", **rules).compute().tolist()
    assert each == pytest.approx([mean_of(of) for of in iou_of_images(sizes, rules).T.tolist()], rel=1e-6, nan_ok=True)


@each_rule
def test_the_scores_of_each_image(rng, rules):
    maps = scenes(rng)
    table = iou_of_images(sizes_of(*maps, rules["void_preds"]), rules)
    scores = metric_of(maps, per_image=True, **rules).image_scores()
    assert sorted(scores.ids) == list(range(NUMBER))
    for image, mean, iou in zip(scores.ids, scores.mean_iou, scores.iou.tolist(), strict=True):
        assert iou == pytest.approx(table[image].tolist(), rel=1e-12, nan_ok=True)
        assert mean == pytest.approx(mean_of(table[image].tolist()), rel=1e-12, nan_ok=True)


@each_rule
def test_a_report_of_labels(rng, rules):
    maps = scenes(rng)
    sizes, metric = sizes_of(*maps, rules["void_preds"]), metric_of(maps, per_image=True, **rules)
    report = metric.report(class_groups={"some": [0, 1, 4], "others": [2, 3]})
    iou = over_dataset(sizes, rules, "none")
    assert [label.iou for label in report.classes] == pytest.approx(iou, rel=1e-12, nan_ok=True)
    assert [label.truth for label in report.classes] == sizes.truth.sum(0).tolist()
    assert report.mean_iou == pytest.approx(over_dataset(sizes, rules, "macro"), rel=1e-12, nan_ok=True)
    assert report.frequency_weighted_iou == pytest.approx(over_dataset(sizes, rules, "weighted"), rel=1e-12)
    assert report.pixel_accuracy == pytest.approx(sizes.right.sum() / sizes.valid.sum(), rel=1e-12)
    if rules["absent"] != "nan":
        assert report.class_groups[0].mean_iou == pytest.approx(mean_of([iou[i] for i in (0, 1, 4)]), rel=1e-12)
    assert math.isnan(report.class_groups[0].merged_iou)
    assert report.images.mean_over_images == pytest.approx(over_images(sizes, rules, "image"), rel=1e-12)
    expected = over_images(sizes, rules, "class")
    assert report.images.mean_over_classes == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert report.images.skipped == int((sizes.valid.sum(1) == 0).sum())
    assert report.confusions is None
    assert math.isnan(report.kappa)
    assert report.pixels["seen"] == maps[1].size == sum(n for name, n in report.pixels.items() if name != "seen")
    assert report.pixels["void"] == (maps[1] == VOID).sum()
    assert report.pixels["void_preds"] == (np.isnan(maps[0]) & (maps[1] != VOID)).sum()


def test_an_image_where_nothing_is_set_and_a_label_without_a_valid_pixel():
    """With ``absent="one"`` the former scores 1; the latter is NaN whatever ``absent`` is, and in no mean."""
    target = torch.tensor([[[0, 0], [0, 0]], [[1, 0], [VOID, VOID]], [[VOID, VOID], [VOID, VOID]]])
    scores = torch.tensor([[[0.1, 0.2], [0.3, 0.4]], [[0.9, 0.8], [0.9, 0.9]], [[0.9, 0.9], [0.1, 0.1]]])
    for absent, first in (("skip", math.nan), ("zero", 0), ("one", 1), ("nan", math.nan)):
        metric = MultilabelMeanIoU(2, ignore_index=VOID, over="image", absent=absent)
        metric.update(scores, target, image_ids=["empty", "half", "void"])
        table = metric.image_scores()
        rows = dict(zip(table.images, table.iou.tolist(), strict=True))
        assert rows["empty"] == pytest.approx([first, first], nan_ok=True)
        assert rows["half"] == pytest.approx([0.5, math.nan], nan_ok=True)
        assert rows["void"] == pytest.approx([math.nan, math.nan], nan_ok=True)
        assert metric.compute().item() == pytest.approx(mean_of([first, 0.5]))


def test_nan_scores_are_never_right():
    target, nan = torch.tensor([[[0, 0, 1, 1]]]), math.nan
    metric = MultilabelMeanIoU(1)
    metric.update(torch.tensor([[[nan, 0.1, 0.9, nan]]]), target)
    assert metric.report().pixel_accuracy == 1 / 2
    assert metric.compute() == 1 / 2
    assert metric.report(void_preds="drop").pixel_accuracy == metric.report(void_preds="drop").mean_iou == 1
    with pytest.raises(ValueError, match=r"2 valid pixels.*'error'"):
        metric.report(void_preds="error")


# Intervals and comparisons, by a loop over the same resamples.


def resamples_by_definition(resamples, seed):
    return np.random.Generator(np.random.Philox(seed)).integers(0, NUMBER, size=(resamples, NUMBER))


RESAMPLED = {
    "plain": {},
    "micro": {"average": "micro"},
    "weighted": {"average": "weighted", "present": "target"},
    "drop, one": {"void_preds": "drop", "absent": "one"},
    "over images": {"over": "image"},
    "worst images, one": {"over": "image", "worst_percent": 30, "absent": "one"},
    "over labels": {"over": "class", "worst_percent": 50},
}


def value_of(sizes, settings, images):
    rules = {"present": "union", "absent": "skip", **settings}
    if "over" in settings:
        return over_images(sizes, rules, settings["over"], settings.get("worst_percent", 100), images)
    return over_dataset(sizes, rules, settings.get("average", "macro"), images)


def ends_of(values):
    return np.quantile([value for value in values if not math.isnan(value)], [0.025, 0.975]).tolist()


@pytest.mark.parametrize("name", RESAMPLED)
def test_intervals(rng, name):
    settings, maps = RESAMPLED[name], scenes(rng)
    sizes = sizes_of(*maps, settings.get("void_preds", "miss"))
    metric, images = metric_of(maps, **{"per_image": True, **settings}), resamples_by_definition(60, 4)
    interval = metric.bootstrap(resamples=60, seed=4)
    assert interval.value == pytest.approx(value_of(sizes, settings, list(range(NUMBER))), rel=1e-12)
    values = [value_of(sizes, settings, chosen) for chosen in images]
    assert [interval.low, interval.high] == pytest.approx(ends_of(values), rel=1e-9)
    accuracy = metric.bootstrap("accuracy", resamples=60, seed=4)
    assert accuracy.value == pytest.approx(sizes.right.sum() / sizes.valid.sum(), rel=1e-12)
    shares = [sizes.right[chosen].sum() / sizes.valid[chosen].sum() for chosen in images]
    assert [accuracy.low, accuracy.high] == pytest.approx(ends_of(shares), rel=1e-9)


@pytest.mark.parametrize("absent", ["skip", "zero"])
def test_intervals_of_each_label(rng, absent):
    maps, rules = scenes(rng), {"present": "union", "absent": absent}
    sizes, images = sizes_of(*maps, "miss"), resamples_by_definition(60, 0)
    intervals = metric_of(maps, per_image=True, absent=absent).bootstrap_classes(resamples=60)
    values = np.array([over_dataset(sizes, rules, "none", chosen) for chosen in images])
    for interval, of_label in zip(intervals, values.T.tolist(), strict=True):
        ends = [math.nan] * 2 if all(map(math.isnan, of_label)) else ends_of(of_label)
        assert [interval.low, interval.high] == pytest.approx(ends, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", RESAMPLED)
def test_comparisons(rng, name):
    settings, (scores, target) = RESAMPLED[name], scenes(rng)
    other = np.where(rng.random(scores.shape) < 0.3, 1 - scores, scores)
    a, b = (metric_of((side, target), **{"per_image": True, **settings}) for side in (scores, other))
    of_a, of_b = (sizes_of(side, target, settings.get("void_preds", "miss")) for side in (scores, other))
    comparison, whole = compare(a, b, resamples=60, seed=2), list(range(NUMBER))
    difference = value_of(of_a, settings, whole) - value_of(of_b, settings, whole)
    assert comparison.value == pytest.approx(difference, rel=1e-12)
    images = resamples_by_definition(60, 2)
    values = [value_of(of_a, settings, chosen) - value_of(of_b, settings, chosen) for chosen in images]
    assert [comparison.low, comparison.high] == pytest.approx(ends_of(values), rel=1e-9)
    shares = [[of.right[chosen].sum() / of.valid[chosen].sum() for of in (of_a, of_b)] for chosen in images]
    accuracy = compare(a, b, "accuracy", resamples=60, seed=2)
    assert [accuracy.low, accuracy.high] == pytest.approx(ends_of([x - y for x, y in shares]), rel=1e-9)
    report = comparison_report(a, b, ("a", "b"), Resampling(resamples=60, seed=2))
    assert [row.difference for row in report.classes] == list(compare_classes(a, b, resamples=60, seed=2))
    assert (report.mean_iou.difference, report.pixel_accuracy.difference) == (comparison, accuracy)


def test_what_cannot_be_compared(rng):
    maps = scenes(rng)
    a = metric_of(maps, per_image=True)

    def plain(number=L, **settings):
        return MultilabelMeanIoU(number, ignore_index=VOID, per_image=True, **settings)

    for one, other, part in (
        (a, MeanIoU(L, ignore_index=VOID, per_image=True), "a MultilabelMeanIoU and the other a MeanIoU"),
        (MeanIoU(L, ignore_index=VOID, per_image=True), a, "a MeanIoU and the other a MultilabelMeanIoU"),
        (plain(), plain(4), "differ in num_labels: 5 and 4"),
        (plain(), plain(absent="one"), "differ in absent: 'skip' and 'one'"),
        (plain(), MultilabelMeanIoU(L, ignore_index=7, per_image=True), "differ in ignore_index: 255 and 7"),
        (a, metric_of((maps[0], np.roll(maps[1], 1, 0)), per_image=True), "ground truth of image 0 differs"),
        (MultilabelMeanIoU(2), MultilabelMeanIoU(2), "per_image=True"),
    ):
        with pytest.raises(ValueError, match=part):
            compare(one, other)
        with pytest.raises(ValueError, match=part):
            comparison_report(one, other)


def test_models_with_thresholds_of_their_own_are_compared(rng):
    preds, target = scenes(rng)
    settings = {"ignore_index": VOID, "per_image": True}
    own, common = (
        MultilabelMeanIoU(L, threshold=[0.1, 0.2, 0.3, 0.4, 0.6], **settings),
        MultilabelMeanIoU(L, **settings),
    )
    ids = range(len(preds))
    own.update(preds, target, image_ids=ids)
    edges = np.array([0.1, 0.2, 0.3, 0.4, 0.6], np.float32).reshape(-1, *[1] * (preds.ndim - 2))
    labels = np.where(np.isnan(preds), VOID, np.asarray(preds, np.float32) > edges).astype(np.int64)
    common.update(labels, target, image_ids=ids)
    assert compare(own, common).value == 0
    for one, other in ((MeanIoU(2, threshold=0.3, per_image=True), MeanIoU(2, threshold=0.0, per_image=True)),):
        scores = torch.rand(4, 1, 5, 5)
        one.update(scores, scores[:, 0].gt(0.5).long(), image_ids=range(4))
        other.update(scores - 0.3, scores[:, 0].gt(0.5).long(), image_ids=range(4))
        assert compare(one, other).value == 0


def test_a_ground_truth_that_differs_where_a_label_is_not_set_is_noticed():
    """The set pixels are the same; another one is void."""
    scores, target = torch.rand(1, 2, 8), torch.randint(0, 2, (1, 2, 8))
    other = target.clone()
    other[0, 0, int((target[0, 0] == 0).nonzero()[0])] = VOID
    metrics = []
    for side in (target, other):
        metrics.append(MultilabelMeanIoU(2, ignore_index=VOID, per_image=True))
        metrics[-1].update(scores, side, image_ids=[3])
    with pytest.raises(ValueError, match="ground truth of image 3 differs"):
        compare(*metrics)


# Other libraries, where nothing is void and each label is set somewhere.


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "none"])
@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_plain_labels_as_torchmetrics_and_scikit_learn_count_them(rng, average, threshold):
    scores, target = rng.random((6, L, 7, 8)).astype(np.float32), rng.integers(0, 2, (6, L, 7, 8))
    theirs = MultilabelJaccardIndex(L, threshold=threshold, average=average)
    ours = MultilabelMeanIoU(L, threshold=threshold, average=average)
    for part in (slice(0, 4), slice(4, 6)):
        batch = torch.from_numpy(scores[part]), torch.from_numpy(target[part])
        theirs.update(*batch)
        ours.update(*batch)
    torch.testing.assert_close(ours.compute(), theirs.compute(), rtol=1e-6, atol=0)
    flat = (np.moveaxis(side, 1, -1).reshape(-1, L) for side in (target, scores > np.float32(threshold)))
    expected = jaccard_score(*flat, average=None if average == "none" else average)
    assert ours.compute().tolist() == pytest.approx(np.asarray(expected).tolist(), rel=1e-6)


# The rows of images, under the contract with torchmetrics.


def assert_same_rows(a, b):
    for one, other in zip(a._joined(), b._joined(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(a.counts, b.counts)


@pytest.mark.parametrize("impl", ["auto", "portable"])
@pytest.mark.parametrize("form", ["batches", "lists", "labels"])
def test_rows_are_those_of_the_definition(rng, impl, form):
    """Intersection, ground truth, prediction and void predictions: of pixels that are not set, then of those set."""
    scores, target = scenes(rng)
    metric = MultilabelMeanIoU(L, ignore_index=VOID, threshold=THRESHOLDS, per_image=True, impl=impl)
    above = scores > np.array(THRESHOLDS, np.float32)[:, None, None]
    preds = np.where(np.isnan(scores), VOID, above).astype(np.uint8) if form == "labels" else scores
    metric.update(*((list(preds), list(target)) if form == "lists" else (preds, target)))
    expected = np.zeros((NUMBER, 4, 2 * L), int)
    void = np.isnan(scores)
    for image, label in np.ndindex(NUMBER, L):
        for side in (0, 1):
            true, pred = target[image, label] == side, (above[image, label] == side) & ~void[image, label]
            valid = target[image, label] != VOID
            parts = (true & pred, true, pred & valid, true & void[image, label])
            expected[image, :, side * L + label] = [part.sum() for part in parts]
    rows, ids = metric._joined()
    assert rows.tolist() == expected.tolist()
    assert set(ids.tolist()) == {-1}


def test_rows_by_forward_and_by_parts_and_in_copies(rng):
    maps = scenes(rng)
    whole, by_forward = metric_of(maps, per_image=True), metric_of(maps, per_image=True)
    by_forward.reset()
    scores, target = map(torch.from_numpy, maps)
    for i in range(NUMBER):
        value = by_forward(scores[i : i + 1], target[i : i + 1], image_ids=[i])
        alone = multilabel_mean_iou(
            scores[i : i + 1], target[i : i + 1], L, threshold=THRESHOLDS, ignore_index=VOID, validate_args=False
        )
        assert torch.equal(value.nan_to_num(-1), alone.nan_to_num(-1))
    assert_same_rows(by_forward, whole)
    first, second = (metric_of(maps, per_image=True) for _ in range(2))
    for metric, part in ((first, slice(0, 5)), (second, slice(5, None))):
        metric.reset()
        metric.update(scores[part], target[part], image_ids=range(NUMBER)[part])
    first.merge_state(second)
    assert_same_rows(first, whole)
    for twin in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole)), whole.clone().to(torch.bfloat16)):
        assert_same_rows(twin, whole)
        twin.reset()
        assert len(twin._joined()[0]) == 0
        assert len(whole._joined()[0]) == NUMBER
    whole.persistent(True)
    loaded = MultilabelMeanIoU(L, ignore_index=VOID, threshold=THRESHOLDS, per_image=True)
    loaded.load_state_dict(whole.state_dict())
    assert_same_rows(loaded, whole)
    broken = whole.metric_state | {"image_rows": [part * 2 for part in whole.image_rows]}
    with pytest.raises(ValueError, match="does not add up"):
        loaded.merge_state(broken)


def test_a_refused_forward_keeps_the_rows(rng):
    maps = scenes(rng)
    metric, same = (metric_of(maps, per_image=True) for _ in range(2))
    scores, target = map(torch.from_numpy, maps)
    for bad in ((scores, target + 7), (scores, target, None, [1.5] * NUMBER), (scores, target, None, ["a"])):
        for call in (metric.update, metric):
            with pytest.raises((ValueError, TypeError)):
                call(*bad)
    assert_same_rows(metric, same)
    assert metric.image_names == {}
    assert metric.update_count == same.update_count


def test_the_order_of_images_does_not_matter_nor_does_a_repeated_one_that_is_not_valid(rng):
    scores, target = scenes(rng)
    order = rng.permutation(NUMBER)
    plain, shuffled, padded = (metric_of((scores, target), per_image=True) for _ in range(3))
    shuffled.reset()
    for i in order:
        shuffled.update(scores[i : i + 1], target[i : i + 1], image_ids=[int(i)])
    padded.update(scores, target, np.zeros(NUMBER, bool), image_ids=range(NUMBER))
    for other in (shuffled, padded):
        assert other.image_scores().to_csv() == plain.image_scores().to_csv()
        assert other.bootstrap() == plain.bootstrap()
        assert other.bootstrap_classes(resamples=20) == plain.bootstrap_classes(resamples=20)


def test_names_and_clusters_of_images(rng):
    scores, target = scenes(rng)
    named, numbered = (MultilabelMeanIoU(L, ignore_index=VOID, per_image=True) for _ in range(2))
    names = [f"patient {i % 3}/slice {i}" for i in range(NUMBER)]
    named.update(scores, target, image_ids=names)
    numbered.update(scores, target, image_ids=range(NUMBER))
    assert set(named.image_scores().images) == set(names)
    of_names = named.bootstrap(clusters=lambda name: name.split("/")[0], resamples=50)
    of_numbers = numbered.bootstrap(clusters={i: i % 3 for i in range(NUMBER)}, resamples=50)
    assert (of_names.value, of_names.confidence) == (of_numbers.value, of_numbers.confidence)
    assert of_numbers != numbered.bootstrap(resamples=50)
    sizes = [sizes_of(scores, target, "miss", (0.5,) * L)]
    rules = {"present": "union", "absent": "skip"}
    chosen = np.random.Generator(np.random.Philox(0)).integers(0, 3, size=(50, 3))
    images = [np.concatenate([np.arange(NUMBER)[np.arange(NUMBER) % 3 == k] for k in row]) for row in chosen]
    values = [over_dataset(sizes[0], rules, "macro", of) for of in images]
    assert [of_numbers.low, of_numbers.high] == pytest.approx(ends_of(values), rel=1e-9)


def test_image_ids_need_rows(rng):
    scores, target = scenes(rng)
    metric = MultilabelMeanIoU(L, ignore_index=VOID)
    with pytest.raises(ValueError, match=r"image_ids needs per_image=True"):
        metric.update(scores, target, image_ids=range(NUMBER))
    metric.update(scores, target)
    for ask in (metric.image_scores, metric.bootstrap, metric.bootstrap_classes):
        with pytest.raises(ValueError, match="per_image=True"):
            ask()
    with pytest.raises(ValueError, match="per_image=True"):
        metric.report(bootstrap=True)
