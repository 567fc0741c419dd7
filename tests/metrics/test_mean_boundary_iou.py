"""Mean Boundary IoU as a metric: settings, inputs, rules, several widths, images, reports and comparisons."""

import inspect
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from support import assert_sentence, update_all
from support.bands import regions
from support.kinds import assert_equal
from torchmetrics.classification import MulticlassJaccardIndex

from meaniou import (
    LabelRangeError,
    LabelSpace,
    MeanBoundaryIoU,
    MeanIoU,
    MultilabelMeanIoU,
    compare,
    compare_classes,
    mean_boundary_iou,
    mean_iou,
    reference,
)

VOID = 255


@pytest.fixture
def pair(rng):
    """Three images with regions and void in the ground truth; some of the predictions are wrong."""
    target = regions(rng, (3, 20, 24), [0, 0, 1, 1, 2, 2, VOID], 8)
    preds = np.where(regions(rng, target.shape, [0, 0, 0, 1], 5) == 1, regions(rng, target.shape, [0, 1, 2], 8), target)
    return torch.from_numpy(np.where(preds == VOID, 0, preds)), torch.from_numpy(target)


def made(**settings):
    return MeanBoundaryIoU(**({"num_classes": 3, "ignore_index": VOID, "width": 2} | settings))


def counted(preds, target, valid=None, image_ids=None, **settings):
    metric = made(**settings)
    metric.update(preds, target, valid, image_ids)
    return metric


def by_reference(preds, target, **settings):
    """IoU of each class by the reference."""
    settings = {"num_classes": 3, "ignore_index": VOID, "width": 2} | settings
    return reference.boundary_iou(np.asarray(preds), np.asarray(target), **settings)


def close(value, expected):
    return value.numpy() == pytest.approx(np.asarray(expected), rel=1e-6, nan_ok=True)


# Settings.

SHARE = "expected a share of the diagonal above 0 and below 1"
NUMBER = "expected a share of the diagonal, such as 0.02, or an int, the width in pixels"
REFUSED = [
    ({"width": 0}, ValueError, "width is 0 pixels; expected at least 1"),
    ({"width": -1}, ValueError, "width is -1 pixels; expected at least 1"),
    ({"width": 0.0}, ValueError, f"width is 0.0; {SHARE}"),
    ({"width": -0.02}, ValueError, f"width is -0.02; {SHARE}"),
    ({"width": 1.0}, ValueError, f"width is 1.0; {SHARE}. For a width in pixels pass a whole number, such as 1"),
    ({"width": 2.5}, ValueError, "such as 2."),
    ({"width": 1e300}, ValueError, f"width is 1e+300; {SHARE}."),
    ({"width": math.nan}, ValueError, f"width is nan; {SHARE}"),
    ({"width": math.inf}, ValueError, f"width is inf; {SHARE}"),
    ({"width": True}, TypeError, f"width is True; {NUMBER}"),
    ({"width": "0.02"}, TypeError, f"width is '0.02'; {NUMBER}"),
    ({"width": b"1"}, TypeError, f"width is b'1'; {NUMBER}"),
    ({"width": None}, TypeError, f"width is None; {NUMBER}"),
    ({"width": [[1]]}, TypeError, f"width is [1]; {NUMBER}"),
    ({"width": [1, "2"]}, TypeError, f"width is '2'; {NUMBER}"),
    ({"width": {1, 2}}, TypeError, "width is a set; expected a number, or a list of numbers"),
    ({"width": {1: "a"}}, TypeError, "width is a dict; expected a number, or a list of numbers"),
    ({"width": []}, ValueError, "width is a list of 0; expected 1 to 100 widths"),
    ({"width": range(1, 102)}, ValueError, "width is a list of 101; expected 1 to 100 widths"),
    ({"width": [0.02, 1, 0.02]}, ValueError, "width holds 0.02 twice; expected different widths"),
    ({"edge": 1}, TypeError, "edge is 1"),
    ({"void": "label"}, ValueError, "void is 'label'; expected one of 'ignore', 'literal'"),
    ({"void": None}, ValueError, "void is None"),
    ({"void_preds": "skip"}, ValueError, "void_preds is 'skip'"),
    ({"per_image": 1}, TypeError, "per_image is 1"),
    ({"num_classes": 0}, ValueError, "num_classes is 0"),
    ({"num_classes": None}, (TypeError, ValueError), "num_classes"),
    ({"average": "mean"}, ValueError, "average is 'mean'"),
    ({"present": "preds"}, ValueError, "present is 'preds'"),
    ({"absent": 0}, ValueError, "absent is 0"),
    ({"classes": [3]}, ValueError, " 0 to 2"),
    ({"class_names": ["a", "b"]}, ValueError, "expected 3"),
    ({"input_format": "planes"}, ValueError, "input_format is 'planes'"),
    ({"threshold": "0.5"}, TypeError, "threshold is '0.5'"),
    ({"over": "images"}, ValueError, "over is 'images'"),
    ({"over": "image", "average": "none"}, ValueError, "average is 'none' and over is 'image'"),
    ({"worst_percent": 5}, ValueError, "over='image'"),
    ({"validate_args": 1}, TypeError, "validate_args is 1"),
    ({"impl": "gpu"}, ValueError, "impl is 'gpu'"),
    ({"dilation_ratio": 0.02}, ValueError, "has no argument 'dilation_ratio'; use width="),
    ({"zero_division": 0}, ValueError, "has no argument 'zero_division'; use absent='zero' or 'one' for classes"),
    ({"dilation": 2}, ValueError, "has no argument 'dilation'; use width= with a whole number of pixels"),
    ({"widht": 2}, ValueError, "did you mean 'width'?"),
    ({"num_labels": 3}, ValueError, "use num_classes="),
    ({"label_map": {}}, ValueError, "use label_space=LabelSpace(num_classes, ids=...)"),
]


@pytest.mark.parametrize(("settings", "error", "words"), REFUSED, ids=lambda part: str(part)[:40])
def test_settings_that_are_refused(settings, error, words):
    with pytest.raises(error) as refused:
        made(**settings)
    assert_sentence(refused, words)


@pytest.mark.parametrize(
    ("width", "widths"),
    [
        (0.02, (0.02,)),
        (np.float32(0.02), (0.02,)),
        (torch.tensor(0.02), (0.02,)),
        (np.int64(3), (3,)),
        (torch.tensor([1, 4]), (1, 4)),
        (np.array([0.005, 0.02]), (0.005, 0.02)),
        (range(3, 0, -1), (3, 2, 1)),
        ((width for width in (0.02, 1)), (0.02, 1)),
    ],
    ids=str,
)
def test_widths(width, widths):
    metric = made(width=width)
    assert metric.widths == widths
    assert [type(of) for of in metric.widths] == [type(of) for of in widths]


def test_settings_are_keywords():
    with pytest.raises(TypeError, match="positional"):
        MeanBoundaryIoU(3, 0.02)


def test_what_is_no_promise_is_private():
    """Without the public names of torchmetrics and PyTorch, and those of ``MeanIoU``."""
    shared = set(dir(MeanIoU(2))) | set(dir(MulticlassJaccardIndex(2)))
    assert {name for name in dir(made()) if not name.startswith("_")} - shared == {"at", "widths"}


def test_repr():
    assert repr(made()) == "MeanBoundaryIoU(num_classes=3, width=2, average='macro', ignore_index=(255,))"
    others = {"width": [1, 0.02], "edge": False, "void": "literal", "void_preds": "drop", "absent": "one"}
    assert repr(MeanBoundaryIoU(2, **others)) == (
        "MeanBoundaryIoU(num_classes=2, width=[1, 0.02], average='macro', ignore_index=(), void_preds='drop', "
        "absent='one', edge=False, void='literal')"
    )
    assert repr(MeanBoundaryIoU(protocol="cityscapes")).startswith("MeanBoundaryIoU(protocol='cityscapes', num_cl")


def test_the_function_passes_every_keyword_on(monkeypatch):
    settings = {}

    class Settled(Exception):
        pass

    def make(num_classes, **keywords):
        settings.update(keywords, num_classes=num_classes)
        raise Settled

    monkeypatch.setattr("meaniou.functional.boundaries.MeanBoundaryIoU", make)
    names = inspect.signature(MeanBoundaryIoU).parameters.keys() - {"kwargs"}
    values = {name: object() for name in names}
    with pytest.raises(Settled):
        mean_boundary_iou(torch.zeros(1, 3, 4), torch.zeros(1, 3, 4), **values)
    assert settings == values | {"sync_on_compute": False}
    assert inspect.signature(mean_boundary_iou).parameters.keys() == names | {"preds", "target", "valid", "kwargs"}


@pytest.mark.parametrize("settings", [{}, {"average": "none", "width": [1, 0.1]}, {"over": "image"}], ids=str)
def test_the_function_is_the_metric(pair, settings):
    value = mean_boundary_iou(*pair, **({"num_classes": 3, "ignore_index": VOID, "width": 2} | settings))
    assert_equal(value, counted(*pair, **settings).compute())
    arrays = [side.numpy() for side in pair]
    settings = {"num_classes": 3, "ignore_index": VOID, "width": 2} | settings
    assert_equal(mean_boundary_iou(*arrays, **settings), value)


# Maps.


def zeros(*shape):
    return torch.zeros(shape, dtype=torch.int64)


AXES = "expected images or volumes [B, H, W] or [B, D, H, W]"
MAPS = {
    "points": (zeros(5), f"target has the shape [5]; {AXES}, since points have no contour."),
    "an image without a batch dimension": (
        zeros(4, 5),
        f"target has the shape [4, 5]; {AXES}, since points have no contour. For points use MeanIoU; for one image "
        "without a batch dimension pass preds[None] and target[None].",
    ),
    "four axes": (zeros(1, 7, 4, 5, 6), f"target has the shape [1, 7, 4, 5, 6]; {AXES}."),
    "five axes": (zeros(1, 7, 3, 4, 5, 6), f"target has the shape [1, 7, 3, 4, 5, 6]; {AXES}."),
    "points of a list": ([zeros(5)], "expected images or volumes [H, W] or [D, H, W], since points have no contour."),
    "too small": (
        zeros(1, 6, 2),
        "width is 7 pixels, but the images are 6 x 2; expected at most their longest side. Pass a smaller width, or a "
        "share of the diagonal, such as 0.02.",
    ),
    "a small one of a list": ([zeros(7, 7), zeros(6, 2)], "Image at index 1: width is 7 pixels, but the images are 6"),
    "small volumes": (zeros(1, 5, 6, 2), "but the images are 5 x 6 x 2"),
}


@pytest.mark.parametrize("case", MAPS)
def test_maps_that_are_refused(case):
    maps, words = MAPS[case]
    metric = made(width=[1, 7])
    with pytest.raises(ValueError, match="expected") as error:
        metric.update(maps, maps)
    assert_sentence(error, words)
    assert metric.counts.sum() == metric.update_count == 0


@pytest.mark.parametrize("way", ["update", "forward"])
def test_a_refused_batch_changes_nothing(pair, way):
    metric = counted(*pair, per_image=True)
    metric.compute()
    before, counts, value = dict(vars(metric)), metric.counts.clone(), metric.compute()
    preds, target = pair
    batches = [
        (preds, target.where(target == VOID, 7)),
        (preds + 3, target),
        (preds[:2], target),
        (preds, target, torch.ones(5, dtype=torch.bool)),
        (preds, target, torch.ones(3)),
        (preds, target.float()),
        ([preds[0], zeros(1, 1)], [target[0], zeros(1, 1)]),
        (preds.to("meta"), target.to("meta")),
        (preds[0], target[0]),
    ]
    for batch in batches:
        with pytest.raises((TypeError, ValueError)):
            (metric.update if way == "update" else metric)(*batch)
        after = dict(vars(metric))
        assert all(after[key] is old or after[key] == old for key, old in before.items() if key != "counts")
        assert torch.equal(metric.counts, counts)
        assert len(metric._joined()[0]) == 3
    assert_equal(metric.compute(), value)


def test_labels_out_of_range(pair):
    preds, target = pair
    wrong = target.clone()
    wrong[1, 2, 3] = 7
    with pytest.raises(LabelRangeError, match="target holds 1 pixel outside"):
        made().update(preds, wrong)
    unchecked = counted(preds, wrong, validate_args=False)
    assert torch.equal(unchecked.counts[5:], counted(preds, torch.where(wrong == 7, VOID, wrong)).counts[5:])
    # As on an accelerator, where update does not raise.
    metric = counted(preds, target)
    metric.counts = unchecked.counts
    for call in (metric.compute, metric.report, lambda: metric.at(2).compute()):
        with pytest.raises(ValueError, match="target holds 1 pixel outside"):
            call()


# Values, by the reference.

CASES = {
    "plain": {},
    "no edge": {"edge": False},
    "literal": {"void": "literal"},
    "share": {"width": 0.07},
    "drop": {"void_preds": "drop"},
    "ground truth": {"present": "target"},
    "as one": {"absent": "one"},
    "several": {"width": [1, 0.1, 3]},
}


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_the_reference(pair, case):
    preds, target = pair
    preds[0, 3:9, 4:7] = VOID
    preds[2], target[1] = preds[2].clamp(max=1), torch.where(target[1] == 2, 0, target[1])
    for batch in ((preds, target), (preds.clamp(max=1), target.masked_fill(target == 2, VOID))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = by_reference(*batch, **CASES[case])
            metric = counted(*batch, average="none", **CASES[case])
            assert close(metric.compute(), expected)
            assert metric.compute().shape == expected.shape
            mean = np.nanmean(expected, axis=-1)
            assert close(counted(*batch, **CASES[case]).compute(), mean)


def test_averages(pair):
    metric = counted(*pair)
    both, truth, predicted = metric.counts[5:, :3].double()
    iou = both / (truth + predicted - both)
    for average, expected in (
        ("none", iou),
        ("macro", iou.mean()),
        ("weighted", (iou * truth).sum() / truth.sum()),
        ("micro", both.sum() / (truth + predicted - both).sum()),
    ):
        assert close(counted(*pair, average=average).compute(), expected)
    assert close(counted(*pair, classes=[0, 2]).compute(), iou[[0, 2]].mean())
    assert close(counted(*pair, include_background=False).compute(), iou[1:].mean())


@pytest.mark.parametrize(("absent", "value"), [("skip", 1), ("zero", 0.75), ("one", 1), ("nan", math.nan)])
def test_a_class_that_is_absent(pair, absent, value):
    _, target = pair
    perfect = target.masked_fill(target == VOID, 0)
    metric = counted(perfect, target, num_classes=4, absent=absent)
    assert close(metric.compute(), value)
    assert metric.report().boundaries[0].classes[3].share != metric.report().boundaries[0].classes[3].share  # NaN


def test_a_class_without_a_contour_has_no_band():
    """Without the edge of the image a class that fills it has no contour; its IoU is undefined."""
    image = zeros(1, 6, 6)
    assert counted(image, image, edge=False).compute().isnan()
    assert counted(image, image).compute() == 1
    wrong = image.clone()
    wrong[:, 2:4, 2:4] = 1
    metric = counted(wrong, image, edge=False, average="none")
    assert metric.compute().nan_to_num(-1).tolist() == [0, 0, -1]
    assert counted(wrong, image, edge=False, average="none", present="target").compute().isnan().all()


def test_a_perfect_prediction_on_valid_pixels_scores_1(pair, rng):
    _, target = pair
    noise = torch.from_numpy(rng.integers(0, 3, size=tuple(target.shape)))
    perfect = torch.where(target == VOID, noise, target)
    for settings in ({"width": [1, 2, 5, 0.02, 0.2]}, {"edge": False}, {"over": "image"}, {"over": "class"}):
        assert (counted(perfect, target, **settings).compute() == 1).all()
    assert counted(target.masked_fill(target == VOID, 0), target, void="literal").compute() < 1


# Inputs.


def test_every_kind_of_input(pair):
    preds, target = pair
    scores = torch.nn.functional.one_hot(preds, 3).movedim(-1, 1).float()
    counts = counted(preds, target).counts
    for batch in [
        (preds.to(torch.uint8), target.to(torch.int16)),
        (preds[:, None], target[:, None]),
        (scores, target),
        (scores.bfloat16(), target[:, None]),
        (list(preds), list(target)),
        (tuple(scores), tuple(target)),
        (preds.numpy(), target.numpy()),
        (preds.transpose(1, 2).contiguous().transpose(1, 2), target),
        (scores[:, :, None], target[:, None]),
        (list(preds[:, None]), list(target[:, None])),
        (preds[:, None], target[:, None], torch.ones(3, 1, 20, 24, dtype=torch.bool)),
    ]:
        metric = made()
        metric(*batch)
        assert torch.equal(metric.counts, counts)
    planes = torch.nn.functional.one_hot(target % 3, 3).movedim(-1, 1)
    metric = counted(scores, planes, target != VOID, input_format="one-hot", ignore_index=None)
    assert torch.equal(metric.counts[5:, :3], counted(preds, target % 3, target != VOID).counts[5:, :3])
    of_two = {"num_classes": 2, "threshold": 0.3, "ignore_index": None}
    foreground = counted(scores[:, 1], (target == 1).long(), **of_two)
    assert torch.equal(foreground.counts, counted((preds == 1).long(), (target == 1).long(), **of_two).counts)


def test_volumes(rng):
    maps = [torch.from_numpy(regions(rng, (2, 6, 9, 8), [0, 1, 2], 5)) for _ in range(2)]
    settings = {"width": [1, 0.2], "ignore_index": None}
    value = counted(*maps, average="none", **settings).compute()
    assert close(value, by_reference(*maps, **settings | {"ignore_index": ()}))


def test_label_spaces_and_protocols(pair):
    preds, target = pair
    expected = counted(preds, target).compute()
    space = LabelSpace(3, ids=[7, 8, 9], ignore_index=[0])
    ids = torch.where(target == VOID, 0, target + 7)
    metric = counted(preds + 7, ids, num_classes=None, ignore_index=None, label_space=space)
    assert_equal(metric.compute(), expected)
    numbers = LabelSpace(3, ids=[7, 8, 9], ignore_index=[0], pred_ids="classes")
    metric = counted(preds, ids, num_classes=None, ignore_index=None, label_space=numbers)
    assert_equal(metric.compute(), expected)
    zero = counted(
        preds, (target + 1) % 256, num_classes=None, ignore_index=None, label_space=LabelSpace.reduce_zero_label(3)
    )
    assert_equal(zero.compute(), expected)
    of_city = {"num_classes": None, "ignore_index": None, "protocol": "cityscapes"}
    city = counted(preds + 11, torch.where(target == VOID, 4, target + 11), **of_city)  # building, wall and fence
    assert_equal(city.compute(), expected)
    assert city.report().boundaries[0].mean_iou == pytest.approx(expected.item())


def test_a_protocol_that_drops_void_predictions():
    of_vistas = {"num_classes": None, "ignore_index": None, "protocol": "mapillary-vistas-1.2", "width": 1}
    target = zeros(1, 6, 8)
    target[..., 4:] = 1
    preds = target.clone()
    preds[:, 2, 3] = 65
    dropped = counted(preds, target, **of_vistas)
    assert dropped.input_settings.drop_void_preds
    assert dropped.compute() == 1
    assert counted(preds, target, **of_vistas, void_preds="miss").compute() < 1
    assert dropped.report().mean_iou == 1


def test_images_of_different_sizes(rng):
    sizes = [(9, 12), (15, 7), (12, 12)]
    maps = [[torch.from_numpy(regions(rng, (1, *size), [0, 1, 2, VOID], 5)[0]) for size in sizes] for _ in range(2)]
    preds, target = [side.clamp(max=2) for side in maps[0]], maps[1]
    settings = {"width": [1, 0.15], "per_image": True}
    of_list = counted(preds, target, **settings)
    batch = torch.zeros(2, 3, 15, 12, dtype=torch.int64)
    valid = torch.zeros(3, 15, 12, dtype=torch.bool)
    for i, (height, width) in enumerate(sizes):
        batch[0, i, :height, :width], batch[1, i, :height, :width] = preds[i], target[i]
        valid[i, :height, :width] = True
    padded = counted(*batch, valid, **settings)
    for one, other in zip(of_list._joined(), padded._joined(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(of_list.counts[5:], padded.counts[5:])
    assert_equal(of_list.compute(), padded.compute())
    one_by_one = update_all(made(**settings), [(p[None], t[None]) for p, t in zip(preds, target, strict=True)])
    assert torch.equal(one_by_one.counts, of_list.counts)
    # An image that is not valid is as if it were not there.
    two = counted(*batch, torch.tensor([True, False, True]), **settings)
    assert torch.equal(two.counts[5:], counted(*batch[:, ::2], **settings).counts[5:])


def test_batches_without_pixels(pair):
    metric = counted(*pair, per_image=True)
    counts, value = metric.counts.clone(), metric.compute()
    metric.update([], [])
    metric.update(zeros(0, 4, 5), zeros(0, 4, 5))
    assert torch.equal(metric.counts, counts)
    assert len(metric._joined()[0]) == 3
    metric.update(zeros(1, 4, 5), torch.full((1, 4, 5), VOID))
    metric.update(zeros(1, 4, 5), zeros(1, 4, 5), torch.zeros(1, dtype=torch.bool))
    assert torch.equal(metric.counts[5:, :3], counts[5:, :3])
    assert_equal(metric.compute(), value)
    images = metric.report().images
    assert (images.number, images.skipped) == (5, 2)
    empty = made(width=[1, 2])
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert empty.compute().isnan().all()
    assert math.isnan(empty.at(1).report().boundaries[0].pixels)


def test_void_predictions(pair):
    preds, target = pair
    kept = target[:, 3:9, 4:9] != VOID
    for void in (VOID, math.nan):
        if void == VOID:
            changed = preds.clone()
            changed[:, 3:9, 4:9] = VOID
        else:
            changed = torch.nn.functional.one_hot(preds, 3).movedim(-1, 1).float()
            changed[:, 1, 3:9, 4:9] = math.nan
        labels = preds.clone()
        labels[:, 3:9, 4:9] = VOID
        results = {}
        for rule in ("miss", "drop"):
            metric = counted(changed, target, void_preds=rule, average="none")
            assert close(metric.compute(), by_reference(labels, target, void_preds=rule))
            assert metric.report().pixels["void_preds"] == kept.sum()
            results[rule] = metric.counts[5:, :3]
        assert not torch.equal(results["miss"], results["drop"])
        # A dropped pixel is as void as one of the ground truth.
        void_truth = target.clone()
        void_truth[:, 3:9, 4:9] = VOID
        assert torch.equal(results["drop"], counted(preds, void_truth).counts[5:, :3])
        for metric in (counted(changed, target, void_preds="error"), counted(changed, target)):
            rule = {} if metric.policy.void_preds == "error" else {"void_preds": "error"}
            for call in (metric.report, *([] if rule else [metric.compute])):
                with pytest.raises(ValueError, match=rf"on {int(kept.sum())} valid pixels.*'error'") as error:
                    call(**rule)
                assert_sentence(error)
    metric = made(void_preds="error")
    metric.update(preds, target)
    assert_equal(metric.compute(), counted(preds, target).compute())


# Several widths.


def test_values_of_several_widths(pair):
    widths = [3, 0.02, 1, 0.2]
    for settings in ({}, {"average": "none"}, {"over": "image"}, {"over": "class", "average": "none"}):
        metric = counted(*pair, width=widths, **settings)
        value = metric.compute()
        assert value.shape == ((4, 3) if "average" in settings else (4,))
        assert_equal(value, torch.stack([counted(*pair, width=width, **settings).compute() for width in widths]))
        assert_equal(value, torch.stack([metric.at(width).compute() for width in widths]))
        assert metric(*pair).shape == value.shape
    assert made(width=widths, average="none", num_classes=1)(zeros(1, 4, 4), zeros(1, 4, 4)).shape == (4, 1)
    assert made(width=[1], average="none")(*pair).shape == (3,)
    assert made(width=[1])(*pair).shape == ()


def test_a_metric_of_one_of_several_widths(pair):
    ids = ["a", "b", "c"]
    settings = {"per_image": True, "class_names": ["x", "y", "z"], "absent": "one", "void": "literal", "edge": False}
    metric, alone = (counted(*pair, image_ids=ids, width=width, **settings) for width in ([1, 0.1], 0.1))
    one = metric.at(0.1)
    assert repr(one) == repr(alone)
    assert one.widths == (0.1,)
    assert torch.equal(one.counts, alone.counts)
    assert torch.equal(one.settings, alone.settings)
    assert all(torch.equal(a, b) for a, b in zip(one._joined(), alone._joined(), strict=True))
    assert one.report() == alone.report()
    assert one.image_scores() == alone.image_scores()
    assert one.bootstrap(resamples=20) == alone.bootstrap(resamples=20)
    assert one.update_count == 1
    counts = metric.counts.clone()
    one.update(*pair, image_ids=["d", "e", "f"])
    assert torch.equal(metric.counts, counts)
    for wrong in (2, 0.2):
        with pytest.raises(ValueError, match="which was not counted") as error:
            metric.at(wrong)
        assert_sentence(error, f"width is {wrong!r}", "expected one of [1, 0.1]")


def test_results_of_one_width_refuse_several(pair, tmp_path):
    metric = counted(*pair, width=[2, 0.1], per_image=True, image_ids=[1, 2, 3])
    calls = (
        metric.report,
        metric.image_scores,
        metric.bootstrap,
        metric.bootstrap_classes,
        lambda: compare(metric, metric.clone(), resamples=5),
        lambda: compare_classes(metric, metric.clone(), resamples=5),
    )
    for call in calls:
        with pytest.raises(ValueError, match="has 2 widths") as error:
            call()
        assert_sentence(error, "metric.at(width), such as metric.at(metric.widths[0])")
    metric.save(tmp_path / "a")
    loaded = MeanBoundaryIoU.load(tmp_path / "a")
    loaded.merge_state(counted(*pair, width=[2, 0.1], per_image=True, image_ids=[4, 5, 6]))
    assert torch.equal(loaded.counts, 2 * metric.counts)
    assert_equal(loaded.compute(), metric.compute())
    assert len(loaded.at(0.1).image_scores()) == 6


@pytest.mark.parametrize(
    "settled",
    [{"width": 3}, {"edge": False}, {"void": "literal"}, {"void_preds": "drop"}, {"num_classes": 2}],
    ids=lambda settled: next(iter(settled)),
)
def test_what_the_counts_settle_is_not_overridden(pair, settled, tmp_path):
    counted(*pair).save(tmp_path / "a")
    with pytest.raises(TypeError) as error:
        MeanBoundaryIoU.load(tmp_path / "a", **settled)
    assert_sentence(error, f"cannot change {next(iter(settled))}", "Leave it out")


def test_a_width_is_picked_by_its_kind(pair):
    """A share of 1.0 is no width of one pixel."""
    metric = counted(*pair, width=[1, 0.1])
    for width in (1, np.int64(1), torch.tensor(1)):
        assert metric.at(width).widths == (1,)
    assert metric.at(np.float32(0.1)).widths == (0.1,)
    for width, words in ((1.0, "above 0 and below 1"), (2, "not counted; expected one of"), ([1, 0.1], "not counted")):
        with pytest.raises(ValueError, match=words):
            metric.at(width)
    with pytest.raises(TypeError, match="expected a share"):
        metric.at("1")


def test_files_that_hold_a_wrong_part(pair, tmp_path):
    counted(*pair, per_image=True).save(tmp_path / "good")
    good = torch.load(tmp_path / "good", weights_only=True)

    def of_inputs(**values):
        return good | {"input_settings": good["input_settings"] | values}

    wrong = {
        "'counts' has the shape [5, 5]; expected [8, 5]": good | {"counts": good["counts"][:5]},
        "negative counts": good | {"counts": -good["counts"]},
        "does not add up": good | {"image_rows": good["image_rows"] * 2},
        "width is 0 pixels": of_inputs(widths=(0,)),
        "width is 'a'": of_inputs(widths=("a",)),
        "expected [11, 5]": of_inputs(widths=(1, 2)),
        "edge is 1": of_inputs(edge=1),
        "void is 'x'": of_inputs(void="x"),
        "drop_void_preds": of_inputs(drop_void_preds=True),
        "widths is 2, which does not fit": of_inputs(widths=2),
    }
    for part, state in wrong.items():
        torch.save(state, tmp_path / "file")
        with pytest.raises(ValueError, match="file") as error:
            MeanBoundaryIoU.load(tmp_path / "file")
        assert_sentence(error, part)


# Images.


def test_scores_of_images(pair):
    preds, target = pair
    metric = counted(preds, target, image_ids=["a", "b", "c"], per_image=True)
    scores = metric.image_scores()
    expected = {}
    for name, image in zip("abc", range(3), strict=True):
        expected[name] = np.nanmean(by_reference(preds[image : image + 1], target[image : image + 1]))
    assert dict(zip(scores.images, scores.mean_iou, strict=True)) == pytest.approx(expected)
    over_images = counted(preds, target, over="image").compute()
    assert over_images.item() == pytest.approx(np.mean(list(expected.values())))
    report = metric.report()
    assert report.images.mean_over_images == pytest.approx(over_images.item())
    assert report.images.mean_over_classes == pytest.approx(counted(preds, target, over="class").compute().item())
    interval = metric.bootstrap(resamples=50)
    assert interval.low <= metric.compute() <= interval.high
    assert len(metric.bootstrap_classes(resamples=20)) == 3
    with pytest.raises(ValueError, match="per_image=True"):
        counted(preds, target, image_ids=["a", "b", "c"])
    with pytest.warns(UserWarning, match="counted more than once"):
        update_all(metric, [(preds, target, None, ["a", "d", "e"])]).compute()


def test_a_false_contour_in_an_image_without_one_is_wrong():
    target, wrong = zeros(3, 6, 6), zeros(3, 6, 6)
    wrong[0, 2:4, 2:4] = 1
    target[2, :, 3:] = wrong[2, :, 3:] = 1
    metric = counted(wrong, target, edge=False, over="image", width=1)
    assert metric.compute() == 0.5  # the second image has no band in either map
    assert (metric.report().images.number, metric.report().images.skipped) == (3, 1)
    assert counted(wrong, target, edge=False, over="image", width=1, absent="one").compute() == pytest.approx(2 / 3)


# Comparisons.


def images_of(preds, target, **settings):
    return counted(preds, target, image_ids=[1, 2, 3], per_image=True, **settings)


def test_comparison(pair):
    preds, target = pair
    perfect = target.masked_fill(target == VOID, 1)
    comparison = compare(images_of(preds, target), images_of(perfect, target), resamples=50)
    assert comparison.better == "b"
    assert len(compare_classes(images_of(preds, target), images_of(perfect, target), resamples=20)) == 3


def test_comparisons_that_are_refused(pair):
    preds, target = pair
    one = images_of(preds, target)
    for settings, words in (
        ({"width": 1}, "differ in width: 2 and 1"),
        ({"width": [2, 1]}, "differ in width: 2 and (2, 1)"),
        ({"edge": False}, "differ in edge"),
        ({"void": "literal"}, "differ in void"),
        ({"void_preds": "drop"}, "differ in void_preds"),
    ):
        with pytest.raises(ValueError, match="differ in") as error:
            compare(one, images_of(preds, target, **settings))
        assert_sentence(error, words)
    with pytest.raises(ValueError, match="a MeanBoundaryIoU and the other a MeanIoU"):
        compare(one, MeanIoU(3, ignore_index=VOID, per_image=True))
    other = target.clone()
    other[1] = 1
    with pytest.raises(ValueError, match=r"^The ground truth of image 2 differs .*check the image ids and the target"):
        compare(one, images_of(preds, other))
    with pytest.raises(TypeError, match="MeanIoU, MultilabelMeanIoU or MeanBoundaryIoU"):
        compare(one, 3)


def test_void_predictions_that_move_the_bands_of_the_ground_truth(pair):
    """With ``void_preds="drop"`` that is no sign of another ground truth; without a void prediction it is one."""
    preds, target = pair
    void = preds.clone()
    void[1, 3:9, 4:9] = VOID
    for rule in ("miss", "drop"):
        a, b = images_of(preds, target, void_preds=rule), images_of(void, target, void_preds=rule)
        assert compare(a, b, resamples=5).better in ("a", "b", None)
        differ = not torch.equal(a._joined()[0][:, 1], b._joined()[0][:, 1])
        assert differ == (rule == "drop")
    other = target.clone()
    other[1] = 1
    with pytest.raises(ValueError, match="check the image ids and the target"):
        compare(*(images_of(preds, truth, void_preds="drop") for truth in (target, other)))


# Boundary IoU in the report of a mean IoU.


def test_boundary_iou_in_a_report(pair):
    preds, target = pair
    boundary, metric = counted(preds, target, width=0.1), MeanIoU(3, ignore_index=VOID)
    metric.update(preds, target)
    report = metric.report(boundary=boundary)
    (of_boundary,) = report.boundaries
    iou = by_reference(preds, target, width=0.1)
    counts = reference.boundary_counts(preds.numpy(), target.numpy(), 3, width=0.1, ignore_index=VOID)[0]
    assert report.mean_iou == pytest.approx(mean_iou(preds, target, 3, ignore_index=VOID).item())
    assert of_boundary.mean_iou == pytest.approx(iou.mean())
    assert [c.iou for c in of_boundary.classes] == pytest.approx(iou)
    whole = [np.count_nonzero(target.numpy() == c) for c in range(3)]
    assert [c.share for c in of_boundary.classes] == pytest.approx(counts[1] / whole)
    assert of_boundary.pixels == reference.band_width(0.1, (20, 24)) == 3
    assert (of_boundary.width, of_boundary.edge, of_boundary.void) == (0.1, True, "ignore")
    assert boundary.report().boundaries == report.boundaries
    assert metric.report().boundaries == ()


def test_the_width_in_pixels_is_a_mean_over_images():
    sizes = [(10, 10), (40, 30), (7, 60)]
    maps = [zeros(*size) for size in sizes]
    metric = counted(maps, maps, width=[0.1, 3])
    expected = [reference.band_width(0.1, size) for size in sizes]
    assert len(set(expected)) > 1
    assert metric.at(0.1).report().boundaries[0].pixels == pytest.approx(np.mean(expected))
    assert metric.at(3).report().boundaries[0].pixels == 3
    report = update_all(MeanIoU(3, ignore_index=VOID), [(maps, maps)]).report(boundary=metric)
    assert [of.width for of in report.boundaries] == [0.1, 3]


def test_boundaries_that_do_not_fit(pair):
    preds, target = pair
    metric = update_all(MeanIoU(3, ignore_index=VOID), [pair])
    labels = MultilabelMeanIoU(3)
    labels.update(torch.zeros(1, 3, 4), zeros(1, 3, 4))
    void = preds.clone()
    void[:, 3:9, 4:9] = VOID
    with_void = update_all(MeanIoU(3, ignore_index=VOID), [(void, target)])
    dropped = counted(void, target, void_preds="drop")
    cases = [
        (metric, metric, TypeError, "boundary is a MeanIoU; expected a MeanBoundaryIoU of the same batches"),
        (metric, 3, TypeError, "boundary is an int; expected a MeanBoundaryIoU"),
        (metric, counted(target, preds.masked_fill(target == VOID, VOID)), ValueError, "has counted other pixels"),
        (metric, update_all(counted(*pair), [pair]), ValueError, "Update both with the same batches"),
        (metric, counted(*pair, num_classes=4), ValueError, "boundary differs from this metric in num_classes"),
        (
            metric,
            counted(*pair, ignore_index=(VOID, 7)),
            ValueError,
            "in ignore_index, pred_void. Construct both",
        ),
        (counted(*pair), counted(*pair), TypeError, "boundary is for the report of a MeanIoU; leave it out"),
        (labels, counted(*pair), TypeError, "boundary is for the report of a MeanIoU; leave it out"),
        (with_void, dropped, ValueError, "void_preds is 'miss', but void predictions were dropped when bands were"),
        (dropped, None, ValueError, "with the same void_preds"),
    ]
    for of, boundary, error, words in cases:
        settings = {"void_preds": "miss"} if of is dropped else {}
        with pytest.raises(error) as refused:
            of.report(boundary=boundary, **settings)
        assert_sentence(refused, words)
        assert not of._is_synced
    assert len(with_void.report(boundary=dropped, void_preds="drop").boundaries) == 1
    with pytest.raises(ValueError, match="were not dropped when bands were counted"):
        with_void.report(boundary=counted(void, target), void_preds="drop")
    # Without a void prediction the rule changes nothing.
    assert metric.report(boundary=counted(*pair, void_preds="drop")).boundaries == counted(*pair).report().boundaries


# Warnings.


def test_the_warnings_about_counts_are_those_of_a_mean_iou(pair):
    """The sides swapped: only the predictions hold void."""
    preds, target = pair
    for metric in (made(width=[1, 2]), MeanIoU(3, ignore_index=VOID)):
        metric.update(target, preds)
        with pytest.warns(UserWarning, match="the two are swapped") as caught:
            metric.compute()
        assert [Path(warning.filename) for warning in caught] == [Path(__file__)]
    boundary = counted(target, preds)
    with pytest.warns(UserWarning, match="the two are swapped") as caught:
        metric.report(boundary=boundary)
    assert len(caught) == 1


def test_a_metric_that_counts_for_long_stays_small(pair):
    metric = made(width=[1, 2])
    for _ in range(3):
        metric.update(*pair)
    assert metric.counts.shape == (5 + 3 * 2, 5)
    assert {name for name, state in metric.metric_state.items() if isinstance(state, list)} == set()
    rows = counted(*pair, width=[1, 2], per_image=True)
    assert rows.image_rows[0].shape == (3, 4, 6)
    assert rows.image_rows[0].dtype == torch.int64


@pytest.mark.parametrize("average", ["macro", "none"])
def test_plot(pair, average):
    from matplotlib import pyplot

    figure, axes = counted(*pair, average=average).plot()
    assert figure.axes == [axes]
    pyplot.close("all")
