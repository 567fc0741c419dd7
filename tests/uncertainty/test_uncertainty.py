"""Intervals and comparisons, against the same resamples one by one in plain Python, and their properties."""

import math

import numpy as np
import pytest
import torch
from support import assert_sentence

from meaniou import Interval, IoUCurve, MeanIoU, Resampling, compare, compare_classes, mean_iou

C, VOID = 4, 255


def scenes(rng, number=20, right=0.7):
    """Images of different difficulty, some without a class; one is all void."""
    target = rng.choice([0, 0, 1, 1, 2, VOID], size=(number, 6, 8))
    target[::7][target[::7] == 1] = 3
    target[3] = VOID
    hard = rng.random((number, 1, 1)) * 0.5
    preds = np.where(rng.random(target.shape) < right + hard * 0.5, target, rng.integers(0, C, size=target.shape))
    preds[preds == VOID] = 0
    preds[rng.random(target.shape) < 0.02] = VOID
    return torch.from_numpy(preds), torch.from_numpy(target)


def filled(maps, ids=None, **settings):
    metric = MeanIoU(C, ignore_index=VOID, **({"per_image": True} | settings))
    metric.update(*maps, image_ids=range(len(maps[0])) if ids is None else ids)
    return metric


def drawn_by_definition(number, resamples, seed):
    """The image numbers of each resample."""
    return np.random.Generator(np.random.Philox(seed)).integers(0, number, size=(resamples, number))


SETTINGS = [
    {},
    {"average": "micro"},
    {"average": "weighted"},
    {"absent": "zero"},
    {"present": "target", "void_preds": "drop"},
    {"classes": [0, 3]},
    {"over": "image"},
    {"over": "image", "worst_percent": 30, "absent": "zero"},
    {"over": "class", "worst_percent": (20, 60)},
    {"over": "class", "present": "target"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_each_draw_is_a_metric_of_the_images_drawn(rng, settings):
    maps = scenes(rng)
    interval = filled(maps, **settings).bootstrap(resamples=40, seed=5)
    values = []
    for drawn in drawn_by_definition(20, 40, 5):
        metric = filled([m[drawn] for m in maps], range(20), **settings)
        values.append(metric.bootstrap(resamples=2).value)
    assert [interval.low, interval.high] == pytest.approx(list(np.quantile(values, [0.025, 0.975])), rel=1e-12)
    assert interval.std_error == pytest.approx(np.std(values, ddof=1), rel=1e-9)
    assert interval.value == pytest.approx(filled(maps, **settings).compute().item(), rel=1e-6)


def test_each_class_and_the_accuracy(rng):
    maps = scenes(rng)
    metric = filled(maps)
    of_class, accuracy = metric.bootstrap_classes(resamples=60), metric.bootstrap("accuracy", resamples=60)
    values, right, lost = [], [], []
    for drawn in drawn_by_definition(20, 60, 0):
        preds, target = (m[drawn] for m in maps)
        values.append(mean_iou(preds.double().long(), target, C, ignore_index=VOID, average="none").double().tolist())
        valid = target != VOID
        right.append(((preds == target) & valid).sum().item() / valid.sum().item())
        lost.append(not ((target == 3) & valid).any() and not ((preds == 3) & valid).any())
    for c, interval in enumerate(of_class):
        defined = [v[c] for v in values if not math.isnan(v[c])]
        assert [interval.low, interval.high] == pytest.approx(list(np.quantile(defined, [0.025, 0.975])), rel=1e-5)
        assert interval.undefined_share == pytest.approx(np.mean(lost) if c == 3 else 0)
    assert [accuracy.low, accuracy.high] == pytest.approx(list(np.quantile(right, [0.025, 0.975])), rel=1e-12)


def test_a_class_that_is_lost_is_said():
    """One class is in one image of four, the other in three: (3/4)^4 of the resamples lack the first."""
    target = torch.zeros(4, 5, 5).long()
    target[1] = 3
    interval = filled((target, target)).bootstrap(resamples=4000)
    assert interval.undefined_share == pytest.approx((3 / 4) ** 4, abs=0.03)
    assert (interval.value, interval.low, interval.high, interval.std_error) == (1, 1, 1, 0)
    by_class = filled((target, target)).bootstrap_classes(resamples=4000)
    assert by_class[3].undefined_share + by_class[0].undefined_share == pytest.approx(interval.undefined_share)
    assert by_class[0].undefined_share == pytest.approx((1 / 4) ** 4, abs=0.01)
    assert math.isnan(by_class[1].value)
    assert (by_class[1].undefined_share, math.isnan(by_class[1].low)) == (0, True)


@pytest.mark.parametrize("number", [0, 1])
def test_of_one_image_nothing_is_known(number):
    x = torch.zeros(number, 3, 3).long()
    interval = filled((x, x)).bootstrap()
    assert math.isnan(interval.low)
    assert math.isnan(interval.std_error)
    assert interval.value == 1 or number == 0


@pytest.mark.parametrize("as_function", [False, True])
def test_whole_groups_are_drawn(rng, as_function):
    maps = scenes(rng)
    ids = [i + 100 for i in range(20)]
    group = {i: "abcde"[(i * 7) % 5] for i in ids}
    metric = filled(maps, ids)
    interval = metric.bootstrap(resamples=50, clusters=group.get if as_function else group)
    names = list(dict.fromkeys(group[i] for i in ids))
    values = []
    for drawn in drawn_by_definition(5, 50, 0):
        chosen = [k for g in drawn for k, i in enumerate(ids) if group[i] == names[g]]
        values.append(filled([m[chosen] for m in maps]).bootstrap(resamples=2).value)
    assert [interval.low, interval.high] == pytest.approx(list(np.quantile(values, [0.025, 0.975])), rel=1e-12)
    assert interval.high - interval.low != metric.bootstrap(resamples=50).high - metric.bootstrap(resamples=50).low


@pytest.mark.parametrize(
    "form", [torch.tensor, np.int64, np.str_, lambda g: np.array(g)], ids=["0-d tensor", "int64", "str", "0-d array"]
)
def test_numbers_of_arrays_are_groups_too(rng, form):
    """A tensor is hashed by identity, so each image would be a cluster of its own."""
    metric = filled(scenes(rng))
    plain = {i: i // 5 for i in range(20)}
    interval = metric.bootstrap(clusters={i: form(g) for i, g in plain.items()})
    assert interval == metric.bootstrap(clusters=plain) != metric.bootstrap()


def test_the_seed_alone_decides(rng):
    metric = filled(scenes(rng))
    assert metric.bootstrap(seed=3) == metric.bootstrap(seed=3) != metric.bootstrap(seed=4)
    assert metric.bootstrap(confidence=0.5).low > metric.bootstrap().low


def test_many_draws_are_made_in_parts(rng, monkeypatch):
    metric = filled(scenes(rng))
    whole = [metric.bootstrap(resamples=33), metric.bootstrap_classes(resamples=33)]
    monkeypatch.setattr("meaniou.uncertainty.resampling.CHUNK", 50)
    assert repr([metric.bootstrap(resamples=33), metric.bootstrap_classes(resamples=33)]) == repr(whole)


WRONG_SETTINGS = [
    ({"of": "iou"}, "of is 'iou'"),
    ({"of": "class"}, "of is 'class'; expected 'mean' or 'accuracy'"),
    ({"confidence": 95}, "confidence is 95"),
    ({"confidence": 1.0}, "confidence is 1.0"),
    ({"resamples": 1}, "resamples is 1"),
    ({"resamples": 2.5}, "resamples holds 2.5"),
    ({"seed": -1}, "seed is -1"),
    ({"clusters": {0: "a"}}, "image 1"),
    ({"clusters": 5}, "clusters is an int"),
    ({"clusters": lambda i: [i]}, "[0]"),
    ({"clusters": lambda i: math.nan}, "nan"),
    ({"clusters": lambda i: torch.ones(2)}, "tensor([1., 1.])"),
    ({"clusters": torch.zeros(20)}, "clusters is a Tensor"),
]


@pytest.mark.parametrize(("settings", "part"), WRONG_SETTINGS, ids=[part for _, part in WRONG_SETTINGS])
def test_settings_that_are_off(rng, settings, part):
    metric = filled(scenes(rng))
    with pytest.raises((ValueError, TypeError)) as error:
        metric.bootstrap(**settings)
    assert_sentence(error, next(iter(settings)), part)


@pytest.mark.parametrize(
    "settings", [{"confidence": 95}, {"resamples": 1}, {"resamples": 10**6 + 1}, {"seed": -1}, {"clusters": 5}], ids=str
)
def test_a_resampling_checks_itself(settings):
    with pytest.raises((ValueError, TypeError)) as error:
        Resampling(**settings)
    assert_sentence(error, f"{next(iter(settings))} is ")


def test_an_interval_prints_as_a_value_and_its_ends(rng):
    interval = filled(scenes(rng)).bootstrap(confidence=0.9)
    assert str(interval) == f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}] (90 %)"
    assert str(Interval(0.29599, 0.189, 0.5716, 0.1, 0.0, 0.995)) == "0.296 [0.189, 0.572] (99.5 %)"


def test_groups_need_ids(rng):
    metric = MeanIoU(C, ignore_index=VOID, per_image=True)
    metric.update(*scenes(rng))
    with pytest.raises(ValueError, match=r"clusters .*image_ids="):
        metric.bootstrap(clusters={})


# Comparisons.


def test_a_comparison_draws_the_same_images_for_both(rng):
    target = scenes(rng)[1]
    a, b = (scenes(np.random.default_rng(s), right=r)[0] for s, r in ((1, 0.72), (2, 0.7)))
    order = rng.permutation(20)
    first, second = filled((a, target)), filled((b[order], target[order]), order)
    comparison = compare(first, second, resamples=50, seed=9)
    values = []
    for drawn in drawn_by_definition(20, 50, 9):
        values.append(
            filled((a[drawn], target[drawn])).bootstrap(resamples=2).value
            - filled((b[drawn], target[drawn])).bootstrap(resamples=2).value
        )
    assert [comparison.low, comparison.high] == pytest.approx(list(np.quantile(values, [0.025, 0.975])), rel=1e-9)
    assert comparison.value == pytest.approx(first.bootstrap().value - second.bootstrap().value)
    below, above = sum(v <= 0 for v in values), sum(v >= 0 for v in values)
    assert comparison.p_value == pytest.approx(min(1, 2 * (1 + min(below, above)) / 51))
    back = compare(second, first, resamples=50, seed=9)
    assert (back.value, back.low, back.high) == pytest.approx((-comparison.value, -comparison.high, -comparison.low))
    by_class = compare_classes(first, second, resamples=50, seed=9)
    assert len(by_class) == C
    for both, one, other in zip(by_class, first.bootstrap_classes(), second.bootstrap_classes(), strict=True):
        assert both.value == pytest.approx(one.value - other.value, nan_ok=True)
    assert compare(first, second, "accuracy").value == pytest.approx(
        first.bootstrap("accuracy").value - second.bootstrap("accuracy").value
    )


def test_who_is_better(rng):
    maps = scenes(rng, 40)
    good, bad = filled((maps[1].masked_fill(maps[1] == VOID, 0), maps[1])), filled(maps)
    assert compare(good, bad).better == "a"
    assert compare(bad, good).better == "b"
    assert compare(bad, good).p_value < 0.01
    same = compare(bad, bad)
    assert (same.better, same.p_value, same.value, same.low, same.high) == (None, 1.0, 0, 0, 0)


@pytest.mark.parametrize("over", ["dataset", "image", "class"])
def test_what_differs_by_rounding_alone_is_no_difference(over):
    """0.1 and 0.2 have the same mean as 0.15 and 0.15, but not in floating point."""
    target = torch.tensor([0] * 10 + [1] * 10 + [2] * 20).expand(5, 1, 40)
    one = torch.tensor([0] + [2] * 9 + [1] * 2 + [2] * 8 + [2] * 20)
    other = torch.tensor([0] * 3 + [2] * 7 + [1] * 3 + [2] * 7 + [0] * 10 + [1] * 10)
    a, b = (MeanIoU(3, classes=[0, 1], over=over, per_image=True) for _ in range(2))
    a.update(one.expand(5, 1, 40), target)
    b.update(other.expand(5, 1, 40), target)
    assert 0.1 + 0.2 != 0.15 + 0.15
    comparison = compare(a, b)
    assert (comparison.value, comparison.low, comparison.high, comparison.p_value, comparison.better) == (
        0,
        0,
        0,
        1,
        None,
    )


def test_images_without_ids_are_paired_in_order(rng):
    maps = scenes(rng)
    metrics = []
    for shift in (0, 1):
        metric = MeanIoU(C, ignore_index=VOID, per_image=True)
        metric.update((maps[0] + shift * (torch.arange(20)[:, None, None] < 4)) % C, maps[1])
        metrics.append(metric)
    first = torch.arange(20)[:, None, None] < 4
    named = [filled(((maps[0] + shift * first) % C, maps[1])) for shift in (0, 1)]
    assert compare(*metrics) == compare(*named)
    mixed = MeanIoU(C, ignore_index=VOID, per_image=True)
    mixed.update(*maps, image_ids=range(20))
    mixed.update(*maps)
    with pytest.raises(ValueError, match="image_ids="):
        compare(mixed, mixed)


def test_what_cannot_be_compared(rng):
    maps = scenes(rng)
    a = filled(maps)
    for b, part in (
        (filled([m[:15] for m in maps]), "5 images are in a only: 15, 16, 17, 18, 19"),
        (filled(maps, range(1, 21)), "1 image is in a only: 0"),
        (filled((maps[0], maps[1].flip(0))), "image 0 differs"),
        (filled(maps, absent="zero"), "differ in absent: 'skip' and 'zero'"),
        (filled(maps, over="image"), "differ in over: 'dataset' and 'image'"),
        (MeanIoU(C, ignore_index=7, per_image=True), "differ in ignore_index: 255 and 7"),
        (MeanIoU(C, ignore_index=VOID), "per_image=True"),
    ):
        with pytest.raises(ValueError, match="a") as error:
            compare(a, b)
        assert_sentence(error, part)
    twice = filled([torch.cat([m, m[:1]]) for m in maps], [*range(20), 0])
    with pytest.warns(UserWarning, match="counted more than once"), pytest.raises(ValueError, match="more than once"):
        compare(twice, twice)


def test_pairing_narrows_the_interval(rng):
    """Two models that are almost alike, on images of very different difficulty."""
    number, noise = 200, np.random.default_rng(0)
    target = torch.from_numpy(noise.integers(0, C, size=(number, 10, 20)))
    hard = torch.from_numpy(noise.random((number, 1, 1)))
    wrong = torch.from_numpy(noise.random(target.shape)) < hard
    a = torch.where(wrong, (target + 1) % C, target)
    b = torch.where(torch.from_numpy(noise.random(target.shape)) < 0.002, (a + 1) % C, a)
    first, second = filled((a, target)), filled((b, target))
    paired = compare(first, second)
    alone = [m.bootstrap() for m in (first, second)]
    unpaired = math.hypot(*(i.high - i.low for i in alone))
    assert unpaired > 10 * (paired.high - paired.low)


def test_whole_numbers_of_any_kind_become_ints():
    resampling = Resampling(resamples=np.int64(20), seed=torch.tensor(3))
    assert (resampling.resamples, resampling.seed) == (20, 3)
    assert type(resampling.seed) is int


def test_classes_have_a_method_of_their_own(rng):
    metric = MeanIoU(2, per_image=True)
    metric.update(*(torch.from_numpy(rng.integers(0, 2, (3, 4, 4))) for _ in range(2)), image_ids=[0, 1, 2])
    for ask in (lambda: metric.bootstrap("class"), lambda: compare(metric, metric, "class")):
        with pytest.raises(ValueError, match="call bootstrap_classes or compare_classes"):
            ask()


def test_only_metrics_are_compared():
    for pair in ((MeanIoU(2, per_image=True), 3), ([MeanIoU(2)], MeanIoU(2)), (MeanIoU(2), IoUCurve())):
        with pytest.raises(TypeError, match=r"^[ab] is an? (int|list|IoUCurve); expected a Mean.*IoU with") as error:
            compare(*pair)
        assert_sentence(error, "per_image=True")
