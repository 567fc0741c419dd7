"""Messages about maps: readings of a shape, fractions, masks of 0 and 255, labels out of range."""

import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import peak_bytes
from support import assert_same_counts, assert_sentence

from meaniou import IoUCurve, LabelSpace, MeanIoU, MultilabelMeanIoU, confusion_matrix, mean_iou, protocols, reference
from meaniou._util.dialect import Doubt, as_options, in_python
from meaniou.counting.confusion.ambiguity import RawBatch, is_one_image, refuse_planes
from meaniou.counting.confusion.errors import LabelRangeError, explain
from meaniou.counting.contents import PIECE, cause_of_fractions, cause_of_mask, is_divided

SIDES = pytest.mark.parametrize("side", ["preds", "target"])
KINDS = pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray], ids=["tensor", "array"])


def square(value, dtype=torch.uint8):
    """A square of a value in the middle of zeros, ``[1, 8, 8]``."""
    labels = torch.zeros(1, 8, 8, dtype=dtype)
    labels[:, 2:6, 2:6] = value
    return labels


def metric_of_the_cure(error):
    """The metric for labels that overlap that an error advises."""
    return MultilabelMeanIoU(int(re.search(r"use MultilabelMeanIoU\((\d+)\)", str(error.value))[1]))


# Masks of 0 and 255.


@KINDS
@pytest.mark.parametrize(("num_classes", "value"), [(2, 0.4583), (1, None)])
def test_a_foreground_of_255_that_is_void_is_doubted(kind, num_classes, value):
    target = square(255)
    preds = (target.roll(1, 2) > 0).long() if num_classes == 2 else torch.zeros_like(target)
    with pytest.warns(Doubt, match="no class 1.* 16 .*255 is the foreground"):
        score = mean_iou(kind(preds), kind(target), num_classes, ignore_index=255)
    if value:
        assert score.item() == pytest.approx(value, abs=1e-4)
        assert mean_iou(kind(preds), kind(target) > 0, 2).item() == pytest.approx(0.7231, abs=1e-4)


def test_predictions_of_255_that_are_void_are_doubted():
    with pytest.warns(Doubt, match="predictions hold no class 1.* 16 .*255"):
        mean_iou(square(255), square(1), 2, ignore_index=255)
    with pytest.warns(Doubt) as both:
        mean_iou(square(255), square(255), 2, ignore_index=[255])
    assert len(both) == 1
    space = LabelSpace(2, ids=[0, (1, 2)], ignore_index=255)
    with pytest.warns(Doubt, match="no class 1"):
        mean_iou(square(1), square(255), label_space=space)


def test_a_good_mask_with_a_void_border_is_not_doubted(recwarn):
    target = square(1)
    target[:, 0] = 255
    for preds in (square(1), torch.zeros_like(target), target):
        mean_iou(preds, target, 2, ignore_index=255)
    mean_iou(square(1), square(0), 2, ignore_index=255)  # no foreground, and no void either
    ids = LabelSpace.reduce_zero_label(2)  # 0 is void, and no background
    mean_iou(square(0), square(0) + 1, label_space=ids)
    assert not recwarn.list


def test_a_batch_without_foreground_is_not_doubted():
    metric = MeanIoU(2, ignore_index=255)
    empty = square(0)
    empty[:, 0] = 255
    for target in (empty, square(1)):
        metric(torch.zeros_like(target), target)
    metric.compute()
    metric.reset()
    metric(torch.zeros_like(empty), empty)
    with pytest.warns(Doubt, match="no class 1"):
        metric.compute()


@SIDES
@KINDS
def test_masks_that_hold_255(side, kind):
    good = kind(square(1))
    cases = {
        ("255 is the foreground", f"{side} > 0"): [0, 255, 255, 0],
        ("JPEG", f"{side} >= 128"): [255, 0, 3, 250],
        ("255 is the foreground",): [255] * 4,
    }
    for parts, labels in cases.items():
        bad = kind(torch.tensor(labels, dtype=torch.uint8).repeat(16).view(1, 8, 8))
        with pytest.raises(LabelRangeError) as error:
            mean_iou(**{"preds": good, "target": good, side: bad}, num_classes=2)
        assert_sentence(error, *parts)
    for labels in ([0, 1, 255, 1], [0, 1, 2, 255], [0, 128, 64, 32], [0, 1, 254, 0], [1, 255, 255, 0]):
        bad = kind(torch.tensor(labels, dtype=torch.uint8).repeat(16).view(1, 8, 8))
        with pytest.raises(LabelRangeError) as error:
            mean_iou(**{"preds": good, "target": good, side: bad}, num_classes=2)
        assert "> 0" not in str(error.value)
        assert "JPEG" not in str(error.value)


def test_jpeg_is_told_from_other_labels():
    rng = np.random.default_rng(0)
    mask = np.where(rng.random((64, 64)) < 0.5, 0, 255) + rng.integers(-12, 12, (64, 64))
    for dtype in (torch.uint8, torch.int64, torch.uint16, torch.uint32, torch.float32):
        assert cause_of_mask(torch.from_numpy(mask.clip(0, 255)).to(dtype)) == "jpeg"
    for labels in (rng.integers(0, 256, (64, 64)), rng.integers(0, 30, (64, 64)), np.array([0, 1, 300])):
        assert cause_of_mask(torch.from_numpy(labels)) == ""


def test_one_class_for_a_binary_task():
    with pytest.raises(LabelRangeError, match="num_classes=2"):
        mean_iou(square(0), square(1), 1)


# Fractions.

DIVIDED = square(1, torch.float32) / 255


@KINDS
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_a_truth_that_was_divided_by_255(kind, dtype):
    divided = kind(DIVIDED.to(dtype))
    with pytest.raises(TypeError) as error:
        mean_iou(kind(square(0)), divided, 2)
    cure = "(target * 255).round()" + (".long()" if kind is torch.as_tensor else ".astype(np.int64)")
    assert_sentence(error, "divided by 255", cure)
    assert "target.long()" not in str(error.value)
    mended = (divided * 255).round().long() if kind is torch.as_tensor else (divided * 255).round().astype(np.int64)
    assert mean_iou(kind(square(1)), mended, 2) == 1


@KINDS
def test_floating_labels_that_are_whole_or_not(kind):
    preds = kind(square(0))
    with pytest.raises(TypeError) as error:
        mean_iou(preds, kind(square(1, torch.float32)), 2)
    assert_sentence(error, "target.long()" if kind is torch.as_tensor else "target.astype(np.int64)", "'one-hot'")
    with pytest.raises(TypeError) as error:
        mean_iou(preds, kind(square(0.37, torch.float32)), 2)
    assert_sentence(error, "fractions, such as 0.37", "nearest")
    with pytest.raises(ValueError, match=r"\(preds \* 255\).round\(\)"):
        mean_iou(kind(DIVIDED), kind(square(4)), 5)
    with pytest.raises(ValueError, match=r"scores \[B, 5, \*\]") as refusal:
        mean_iou(kind(square(0.37, torch.float32)), kind(square(4)), 5)
    assert "long" not in str(refusal.value)
    assert "astype" not in str(refusal.value)


def test_nothing_is_read_from_a_device_for_a_sentence():
    target = torch.zeros(1, 8, device="meta")
    with pytest.raises(TypeError) as error:
        confusion_matrix(torch.zeros(1, 8, device="meta", dtype=torch.long), target, 2)
    assert_sentence(error, "target.long()", "(target * 255).round().long()")


def test_predictions_of_two_classes_that_were_divided_by_255():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        with pytest.warns(UserWarning, match="1/255"):
            mean_iou((square(1, torch.float32) / 255).to(dtype), square(1), 2)
    probabilities = torch.linspace(0, 1 / 255, 64).view(1, 8, 8)
    mean_iou(probabilities, square(1), 2)
    assert not is_divided(square(0, torch.float32))
    void = square(1, torch.float32) / 255
    void[:, 0] = 1
    with pytest.warns(UserWarning, match="1/255"):
        mean_iou(void, square(1), 2)


def test_what_fractions_are():
    assert cause_of_fractions(torch.tensor([0.0, 7.0, -1.0])) == ""
    assert cause_of_fractions(torch.arange(256) / 255) == "divided"
    assert cause_of_fractions((torch.arange(256) / 255).half()) == "divided"
    for values in ([0.5, 1.0], [1 / 255, 1.5], [float("nan"), 1.0], [-1 / 255]):
        assert cause_of_fractions(torch.tensor(values)) == "fractions"


@KINDS
@pytest.mark.parametrize("impl", ["portable", "auto"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("num_classes", [2, 5])
def test_floating_maps_of_whole_numbers_are_labels_under_index(kind, impl, dtype, num_classes):
    rng = np.random.default_rng(num_classes)
    preds, target = rng.integers(0, num_classes, (2, 3, 7, 5)), rng.integers(0, num_classes, (2, 3, 7, 5))
    preds[0, 0, 0], target[0, 1, 0] = 255, 255
    expected = reference.counts(preds, target, num_classes, 255)
    for sides in ((preds, target * 1.0), (preds * 1.0, target), (preds * 1.0, target * 1.0)):
        maps = [torch.from_numpy(s) for s in sides]
        maps = [kind(m.to(dtype) if m.is_floating_point() else m) for m in maps]
        counts = confusion_matrix(
            *maps, num_classes, ignore_index=255, input_format="index", impl=impl, include_void=True
        )
        assert_same_counts(counts, expected)


def test_fractions_under_index_are_refused_on_both_sides():
    for sides in ((DIVIDED, square(1)), (square(1), DIVIDED)):
        with pytest.raises(LabelRangeError, match=r"divided by 255.*(?i:multiply).*round"):
            mean_iou(*sides, 2, input_format="index")
    with pytest.raises(LabelRangeError, match="whole numbers"):
        mean_iou(square(0.5, torch.float32), square(1), 2, input_format="index")


# Shapes that can be read in two ways.

COLUMNS = torch.arange(5).repeat(5, 1)


@KINDS
@pytest.mark.parametrize("scale", [1.0, 0.96])
def test_scores_of_one_image_as_high_as_there_are_classes(kind, scale):
    scores = torch.nn.functional.one_hot(COLUMNS, 5).permute(2, 0, 1).float() * scale + (1 - scale) / 5
    assert mean_iou(kind(scores), kind(COLUMNS), 5) == 1
    wide = torch.arange(8).repeat(5, 1) % 5
    scores = torch.nn.functional.one_hot(wide, 5).permute(2, 0, 1).double()
    valid = wide != 3
    assert mean_iou(kind(scores), kind(wide), 5, valid=kind(valid)) == 1
    assert confusion_matrix(kind(scores), kind(wide), 5).trace() == wide.numel()


def test_a_batch_of_as_many_images_as_there_are_classes():
    generator = torch.Generator().manual_seed(0)
    for shape in ((3, 3, 40), (3, 3, 8, 9), (2, 2, 30), (3, 3)):
        logits = torch.randn(shape, generator=generator)
        target = logits.argmax(1)
        for scores in (logits, logits.softmax(1)):
            assert mean_iou(scores, target, shape[1]) == 1


def test_scores_of_one_image_that_cannot_be_told_are_warned_of():
    logits = torch.nn.functional.one_hot(COLUMNS, 5).permute(2, 0, 1) * 9.0 - 4
    with pytest.warns(UserWarning, match=r"one image of 5 rows, 25 instead of 5 of 25 pixels.*preds\[None\]"):
        mean_iou(logits, COLUMNS, 5)
    assert mean_iou(logits[None], COLUMNS[None], 5) == 1
    rows = (torch.arange(5)[:, None] + torch.arange(5)) % 5  # one-hot along both dimensions
    with pytest.raises(ValueError, match=r"batch of 5 .*one image of 5 rows"):
        mean_iou(torch.nn.functional.one_hot(rows, 5).permute(2, 0, 1).float(), rows, 5)


@KINDS
def test_classes_in_the_last_dimension_of_a_square_map(kind):
    labels = torch.arange(4).repeat(2, 4, 1)
    last = torch.nn.functional.one_hot(labels, 4).float()
    with pytest.raises(ValueError) as error:  # noqa: PT011
        mean_iou(kind(last), kind(labels), 4)
    cure = "preds.movedim(-1, 1)" if kind is torch.as_tensor else "np.moveaxis(preds, -1, 1)"
    assert_sentence(error, "last dimension", cure)
    assert mean_iou(kind(last.movedim(-1, 1)), kind(labels), 4) == 1


def batch(preds, target, num_classes):
    return RawBatch(preds, target, num_classes, "auto", ())


def test_where_nothing_can_be_looked_at_a_shape_is_refused():
    scores, target = torch.zeros(5, 5, 8, device="meta"), torch.zeros(5, 8, device="meta", dtype=torch.long)
    with pytest.raises(ValueError, match=r"batch of 5 .*one image of 5 rows"):
        is_one_image(batch(scores, target, 5))
    images = torch.zeros(5, 5, 8, 8, device="meta"), torch.zeros(5, 8, 8, device="meta", dtype=torch.long)
    assert not is_one_image(batch(*images, 5))
    with pytest.raises(ValueError, match="dimension 1 has 5 entries") as error:
        refuse_planes(batch(target[None], target[None], 5))
    assert_sentence(error, "'index'", "'one-hot'")


@KINDS
@pytest.mark.parametrize("shape", [(2, 19, 7), (19, 19), (1, 19, 4, 3), (4, 4), (3, 2)], ids=str)
def test_label_maps_as_high_as_there_are_classes(kind, shape):
    classes = shape[1]
    rng = np.random.default_rng(3)
    preds, target = rng.integers(0, classes, shape), rng.integers(0, classes, shape)
    target.flat[0] = preds.flat[0] = classes - 1
    target.flat[1] = preds.flat[1] = classes - 1
    counts = confusion_matrix(kind(torch.from_numpy(preds)), kind(torch.from_numpy(target)), classes, include_void=True)
    assert_same_counts(counts, reference.counts(preds, target, classes))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_labels_unless_they_are_class_planes(classes, images, width, seed, few):
    rng = np.random.default_rng(seed)
    preds, target = rng.integers(0, 2 if few else classes, (2, images, classes, width))
    planes = [((side == 1).sum(1) == 1).all() and ((side == 0).sum(1) == classes - 1).all() for side in (preds, target)]
    if any(planes):
        with pytest.raises(ValueError, match="class planes"):
            confusion_matrix(preds, target, classes)
    else:
        assert_same_counts(
            confusion_matrix(preds, target, classes, include_void=True), reference.counts(preds, target, classes)
        )


def test_class_planes_are_refused_with_the_cure():
    labels = torch.arange(19).repeat(2, 7, 1)
    planes = torch.nn.functional.one_hot(labels, 19).movedim(-1, 1)
    for sides in ((planes, planes), (planes.bool(), planes.bool()), (planes.float(), planes)):
        with pytest.raises(ValueError, match=r"class planes .*input_format='one-hot'"):
            mean_iou(*sides, 19)
        assert mean_iou(*sides, 19, input_format="one-hot") == 1


@KINDS
@pytest.mark.parametrize("floating", [False, True], ids=["labels", "scores"])
def test_channels_that_overlap_are_not_pooled(kind, floating):
    rng = np.random.default_rng(1)
    target = torch.from_numpy(rng.integers(0, 2, (2, 3, 8, 9)))
    preds = torch.from_numpy(rng.random((2, 3, 8, 9))) if floating else target.flip(0)
    channel = r"MultilabelMeanIoU\(3\).*preds\[:, None\] and target\[:, None\]"
    with pytest.raises(ValueError, match=channel) as error:
        mean_iou(kind(preds), kind(target), 2)
    assert_sentence(error)
    with pytest.raises(ValueError, match=r"MultilabelMeanIoU\(3\).*preds\[None\]") as of_lists:
        mean_iou(list(kind(preds)), list(kind(target)), 2)
    expected = reference.multilabel_mean_iou(preds.numpy(), target.numpy())
    assert metric_of_the_cure(error)(kind(preds), kind(target)).item() == pytest.approx(expected, rel=1e-6)
    assert metric_of_the_cure(of_lists)(list(kind(preds)), list(kind(target))).item() == pytest.approx(expected)
    for num_classes in () if floating else (3, 4):
        with pytest.warns(UserWarning, match=channel):
            mean_iou(kind(preds), kind(target), num_classes)
    if floating:
        with pytest.raises(ValueError, match=r"MultilabelMeanIoU\(3\)\."), pytest.warns(UserWarning, match=channel):
            mean_iou(kind(preds), kind(target), 3)
    volume = mean_iou(kind(preds)[:, None], kind(target)[:, None], 2)
    assert volume == mean_iou(kind(preds.flatten(1)), kind(target.flatten(1)), 2)


def test_planes_that_overlap_are_named():
    planes = torch.tensor([[[1, 0], [1, 1], [0, 0]]])
    with pytest.raises(LabelRangeError, match=r"MultilabelMeanIoU\(3\)") as error:
        mean_iou(planes, planes, 3, input_format="one-hot")
    other = torch.tensor([[[1, 0], [1, 0], [0, 0]]])
    assert metric_of_the_cure(error)(other, planes) == 0.75  # the third label is absent
    empty = torch.tensor([[[1, 0], [0, 0], [0, 0]]])
    with pytest.raises(LabelRangeError, match=r"pass valid=\(target != 0\).any\(1\)"):
        mean_iou(empty, empty, 3, input_format="one-hot")
    assert mean_iou(empty, empty, 3, input_format="one-hot", valid=(empty != 0).any(1)) == 1


def test_planes_without_a_prediction_are_not_taken_out_of_the_score():
    truth, empty = torch.tensor([[[1, 1], [0, 0], [0, 0]]]), torch.tensor([[[1, 0], [0, 0], [0, 0]]])
    with pytest.raises(LabelRangeError, match=r"void predictions.* label maps .* pred_void") as error:
        mean_iou(empty, truth, 3, input_format="one-hot")
    assert "valid=" not in str(error.value)
    labels = torch.where(empty.any(1), empty.argmax(1), 255)
    assert mean_iou(labels, truth, 3, input_format="one-hot", pred_void=255) == 0.5


@KINDS
def test_planes_of_a_list_are_named_without_a_batch_dimension(kind):
    planes = kind(torch.tensor([[1, 0], [1, 1], [0, 0]]))
    with pytest.raises(LabelRangeError, match=r"MultilabelMeanIoU\(3\)") as error:
        mean_iou([planes], [planes], 3, input_format="one-hot")
    assert metric_of_the_cure(error)([planes], [planes]) == 1
    empty = kind(torch.tensor([[1, 0], [0, 0], [0, 0]]))
    with pytest.raises(LabelRangeError, match=r"valid=\(target != 0\).any\(0\)"):
        mean_iou([empty], [empty], 3, input_format="one-hot")
    assert mean_iou([empty], [empty], 3, input_format="one-hot", valid=[(empty != 0).any(0)]) == 1
    for settings_, facts in (
        ({"num_classes": 4, "input_format": "one-hot"}, ["[4, *]", "dimension 0"]),
        ({"num_classes": 3, "input_format": "auto"}, ["dimension 0", "'one-hot'"]),
    ):
        one_hot = kind(torch.eye(3, dtype=torch.long)[:, [0, 1, 1, 2]][:, None])
        with pytest.raises(ValueError, match="Image at index 0: ") as error:
            mean_iou([one_hot], [one_hot], **settings_)
        assert_sentence(error, *facts)
        assert "[B, " not in str(error.value)


def test_cures_for_a_list_of_maps_work_as_they_stand():
    preds, target = torch.randn(3, 2, 2), torch.zeros(4, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="Image at index 0: ") as error:
        mean_iou([preds], [target], 3)
    resized = "torch.nn.functional.interpolate(preds[None], size=target.shape[-2:])[0]"
    assert_sentence(error, resized)
    assert not torch.isnan(mean_iou([eval(resized)], [target], 3))
    with pytest.raises(ValueError, match=r"\[3, \*\] with a target \[\*\]"):
        mean_iou([preds[None]], [target[None]], 3)
    with pytest.raises(ValueError, match=r"valid is bool \[4, 3\]; expected .* \[4, 4\]"):
        mean_iou([target], [target], 3, valid=[torch.ones(4, 3, dtype=torch.bool)])


@pytest.mark.parametrize("value", [1, 2, 255])
def test_one_class_is_too_few_for_a_foreground(value):
    void = "ignore_index=" + str(value)
    with pytest.raises(LabelRangeError) as error:
        mean_iou(square(0), square(value), 1)
    if value == 1:
        assert_sentence(error, "Set num_classes=2 for background", void)
    else:
        assert_sentence(error, "set num_classes=2 and pass target > 0", void)
        assert explain(error.value, "cli", "a.png", "name all classes in n.txt").count("name all classes in n.txt") == 2
    assert mean_iou(square(1), square(value) > 0, 2) == 1
    labels = square(value)
    labels[0, 0, 0] = 7
    with pytest.raises(LabelRangeError, match="raise num_classes if it is a class") as error:
        mean_iou(square(0), labels, 1)
    assert "num_classes=2" not in str(error.value)  # it would leave 7 out of range


def test_point_maps_and_scores_of_images():
    points = torch.tensor([[0, 1, 2, 0], [1, 1, 2, 2], [0, 0, 0, 1]])
    metric = MeanIoU(3, per_image=True)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        metric.update(points, points)
    assert_sentence(error, "preds[None]", "3 images of 4 points", "preds[:, None]")
    metric.update(points, points, image_ids=[4, 5, 6])
    metric.update(points[:, None], points[:, None], image_ids=[7, 8, 9])
    metric.update(points[None], points[None], image_ids=[10])
    assert len(metric.image_scores()) == 7


# Labels that were reduced, and ids that are something else.


def test_labels_that_were_reduced_twice_are_doubted():
    labels = torch.arange(8).view(1, 2, 4)
    space = LabelSpace.reduce_zero_label(8)
    with pytest.warns(Doubt, match=r"0 of 7 .* 7 .*num_classes=8.*pred_ids='ids'"):
        assert mean_iou(labels, labels, label_space=space) == 0
    assert mean_iou(labels, labels, 8) == 1
    with pytest.warns(Doubt, match="0 of "):  # predictions that hold ids
        mean_iou(labels.clamp(1, 7), labels.clamp(1, 7), label_space=space)
    assert mean_iou(labels, labels + 1, label_space=space) == 1
    mean_iou(labels.flip(2), labels + 1, label_space=space)  # just a bad model
    with pytest.warns(Doubt, match="0 of "):
        mean_iou(labels, labels, protocol="ade20k", pred_ids="classes")


OUT_OF_RANGE = [  # protocol, stored label, parts of the message, parts that must be missing
    ("semantickitti", 10 | 7 << 16, ["SIDE & 0xFFFF"], ["train ids", "num_classes", "1000"]),
    ("semantickitti", 9999, ["protocol", "9999]"], ["& 0xFFFF", "num_classes", "1000"]),
    ("cityscapes", 26001, ["SIDE // 1000"], ["train ids", "& 0xFFFF", "256"]),
    ("cityscapes", 255, ["train ids", "protocol='cityscapes-train-ids'", "pred_ids='classes'"], ["// 1000"]),
    ("cityscapes", 200, ["protocol", "200 included"], ["train ids", "// 1000"]),
    ("cityscapes-train-ids", 26, ["label ids", "protocol='cityscapes'"], ["num_classes"]),
    ("cityscapes-train-ids", 200, ["protocol", "=[200, 255]"], ["label ids (0", "num_classes"]),
    ("mapillary-vistas-1.2", 55 * 256 + 3, ["SIDE // 256"], ["// 1000", "train ids"]),
    ("ade20k", 151, ["protocol", "=[0, 151]"], ["train ids", "//", "num_classes"]),
]


@SIDES
@pytest.mark.parametrize(("protocol", "label", "parts", "missing"), OUT_OF_RANGE, ids=str)
def test_advice_follows_the_classes_and_the_label(side, protocol, label, parts, missing):
    space = protocols.get(protocol).label_space
    good = torch.tensor([0 if space.ids is None else space.ids[0][0]] * 2)
    with pytest.raises(LabelRangeError) as error:
        mean_iou(**{"preds": good, "target": good, side: torch.tensor([good[0], label])}, protocol=protocol)
    assert_sentence(error, f"index (1,): {label}", *(part.replace("SIDE", side) for part in parts))
    for part in missing:
        assert part not in str(error.value)
    sentence = explain(error.value, "cli", "masks/a.png")
    assert sentence.startswith("masks/a.png ")
    assert not {"preds", "target ", "num_classes=", "protocol=", "validate_args"} & set(sentence.split())
    for call in (lambda: MeanIoU(protocol=protocol, num_classes=space.num_classes + 1),):
        with pytest.raises(ValueError, match=f"has {space.num_classes} classes.*(?i:leave)"):
            call()


def test_instance_ids_of_plain_classes_are_named():
    for label, cure in ((19 << 16 | 3, "target & 0xFFFF"), (7012, "target // 1000")):
        with pytest.raises(LabelRangeError) as error:
            mean_iou(torch.tensor([0]), torch.tensor([label]), 19)
        assert_sentence(error, cure)
        mean_iou(torch.tensor([0]), eval(cure, {"target": torch.tensor([label])}), 19)
    with pytest.raises(LabelRangeError) as error:
        mean_iou(torch.tensor([0]), torch.tensor([300]), 19)
    assert "instances" not in str(error.value)


def test_an_id_that_is_void_in_predictions_only():
    """``pred_void`` leaves the ground truth as it is; ``ignore_index`` would replace the void ids of the protocol."""
    target, preds = torch.tensor([9, 9, 9, 9, 17, 0]), torch.tensor([0, 1, 1, 1, 4, 1])
    with pytest.raises(LabelRangeError) as error:
        mean_iou(preds, target, protocol="nuscenes-lidarseg")
    assert_sentence(error, "pred_void=0 if 0 marks a void prediction")
    assert mean_iou(preds, target, protocol="nuscenes-lidarseg", pred_void=0, void_preds="miss") == 0.875
    counts = confusion_matrix(preds, target, protocol="nuscenes-lidarseg", pred_void=0, include_void=True)
    assert (counts.sum(), counts[:, 16].sum()) == (6, 1)
    metric = MeanIoU(protocol="nuscenes-lidarseg", pred_void=0)
    metric.update(preds, target)
    assert "pred_void=(0,)" in str(metric.report())
    assert metric.label_space.replace() == metric.label_space
    assert metric.label_space.replace(ignore_index=[0, 1]).pred_void == (0,)


def test_void_of_predictions_alone_beside_plain_classes():
    target, preds = torch.tensor([0, 1, 255, 2]), torch.tensor([0, 9, 9, 1])
    for impl in ("portable", "auto"):
        counts = confusion_matrix(preds, target, 3, ignore_index=255, pred_void=9, impl=impl, include_void=True)
        assert counts.tolist() == [
            [1, 0, 0, 0, 0],
            [0, 0, 0, 1, 0],
            [0, 1, 0, 0, 0],
            [0, 0, 0, 1, 0],
            [0, 0, 0, 0, 0],
        ]
    with pytest.raises(LabelRangeError, match="preds holds 1 pixel"):
        mean_iou(torch.tensor([255, 1]), torch.tensor([0, 1]), 3, ignore_index=255, pred_void=())
    with pytest.raises(LabelRangeError, match=r"pred_void=\[9, 255\] if 9 marks a void prediction"):
        mean_iou(torch.tensor([9, 1]), torch.tensor([0, 1]), 3, ignore_index=255)
    scores = torch.eye(3)[[0, 2, 1, 1]]
    counts = confusion_matrix(scores, target, 3, ignore_index=255, pred_void=9, include_void=True)
    assert_same_counts(counts, confusion_matrix(scores, target, 3, ignore_index=255, include_void=True))


def test_ignore_index_of_the_caller_is_what_an_error_names():
    with pytest.raises(TypeError, match="ignore_index holds 'a'"):
        MeanIoU(2, ignore_index="a")
    with pytest.raises(TypeError, match=r"ignore_index holds 1\.5"):
        MeanIoU(protocol="ade20k", ignore_index=1.5)
    with pytest.raises(TypeError, match=r"^ignore_index holds 'a'"):
        LabelSpace(2, ignore_index="a")
    with pytest.raises(TypeError, match="pred_void holds 'a'"):
        MeanIoU(2, pred_void="a")


def test_arrays_are_told_what_arrays_can_do():
    scores, target = np.zeros((2, 4, 5, 3), np.float32), np.zeros((2, 4, 5), int)
    with pytest.raises(ValueError, match=r"np.moveaxis\(preds, -1, 1\)"):
        mean_iou(scores, target, 3)
    with pytest.raises(ValueError, match=r"(?i:resize)") as error:
        mean_iou(np.zeros((2, 3, 4, 4), np.float32), np.zeros((2, 8, 8), int), 3)
    assert "torch" not in str(error.value)
    with pytest.raises(TypeError, match=r"preds.astype\(np.int64\)"):
        mean_iou(np.zeros((2, 4), np.float32), np.zeros((2, 3, 4), int), 3, input_format="one-hot")


def test_the_error_of_labels_out_of_range_survives_pickling():
    with pytest.raises(LabelRangeError) as error:
        mean_iou([torch.tensor([0])] * 2, [torch.tensor([0]), torch.tensor([26001])], protocol="cityscapes")
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value)
    assert str(again).startswith("Image at index 1: target holds 1 pixel")
    assert (again.side, again.number, again.index, again.stored, again.image) == ("target", 1, (0,), (26001,), 1)


def test_words_of_python_and_of_the_command_line():
    sentence = "pass {pred_ids:classes}, {ignore_index:0,255} or {num_classes:}; {not a mark}"
    assert in_python(sentence) == "pass pred_ids='classes', ignore_index=[0, 255] or num_classes; {not a mark}"
    assert as_options(sentence) == (
        "pass --pred-ids classes, --ignore-index 0 --ignore-index 255 or --num-classes; {not a mark}"
    )
    with pytest.warns(Doubt, match="pred_ids='classes'"):
        warnings.warn(Doubt("pass {pred_ids:classes}"), stacklevel=1)
    doubt = Doubt("pass {pred_ids:ids}", "Image {a:b} is odd.", "pass it once").about("a")
    assert str(doubt) == "a: Image {a:b} is odd. pass pred_ids='ids'"
    assert doubt.as_options() == "a: Image {a:b} is odd. pass it once"
    assert str(pickle.loads(pickle.dumps(doubt))) == str(doubt)


# Labels that overlap.


def curve_of(thresholds, labels=1):
    curve = IoUCurve(labels, thresholds=thresholds)
    curve.update(torch.tensor([[[0.1, 0.3, 0.6, 0.9]] * labels]), torch.tensor([[[0, 0, 1, 1]] * labels]))
    return curve


def test_a_threshold_that_the_curve_returned_is_one_of_its_thresholds():
    curve = curve_of([0.2, 0.34, 0.5])
    best = curve.best()
    for threshold in (0.34, best.threshold, best.threshold.item(), np.float32(0.34), curve.compute()[1][1]):
        assert curve.at(threshold) == 1
    assert curve.at(0.2) == pytest.approx(2 / 3)
    two = curve_of([0.34, np.nextafter(0.34, 1), 1e300])  # the first two are one number in float32
    assert two.at(np.nextafter(0.34, 1)) == 1
    with pytest.raises(ValueError, match=r"0\.3405, which was not counted.* such as 0\.34") as error:
        curve.at(0.3405)
    assert_sentence(error)
    assert curve.at(float(re.search(r"such as ([\d.]+)\.$", str(error.value))[1])) == 1
    with pytest.raises(TypeError, match="expected a number"):
        curve_of([0.2, 0.5], labels=2).at(torch.tensor([0.2, 0.5]))


# Variants that were met when others tried to break it.


@pytest.mark.parametrize(("white", "dtype"), [(65535, torch.uint16), (254, torch.uint8), (-1, torch.int8)], ids=str)
def test_other_whites_than_255(white, dtype):
    labels = square(1)
    mask = (labels.int() * white).to(dtype)
    with pytest.raises(LabelRangeError, match=f"{white} is the foreground of a binary mask, pass") as error:
        mean_iou(labels, mask, 2)
    cure = str(error.value).split("pass ")[1].split(". ")[0]
    assert mean_iou(labels, eval(cure, {"target": mask}), 2) == 1
    with pytest.warns(Doubt, match=f"{white} is the foreground"):
        mean_iou(labels.roll(1, 2), mask, 2, ignore_index=white)


def test_a_stray_1_hides_no_foreground_that_is_void():
    """A box of 255 that was stored as JPEG, with a few pixels of 1 along its edge."""
    mask = torch.zeros(1, 64, 64, dtype=torch.uint8)
    mask[:, 16:40, 20:50] = 255
    mask[:, 15, 20:44] = 1
    preds = (mask > 128).long()
    with pytest.warns(Doubt, match="24 pixels of class 1.* 720 .*255"):
        mean_iou(preds, mask, 2, ignore_index=255)
    with pytest.raises(LabelRangeError, match=r"JPEG.*target >= 128"):
        mean_iou(preds, mask, 2)
    border = torch.zeros_like(mask)
    border[:, 15:41, 19:51] = 255
    border[:, 16:40, 20:50] = 1
    for prediction in (preds, torch.ones_like(preds), torch.zeros_like(preds)):
        mean_iou(prediction, border, 2, ignore_index=255)


def test_log_probabilities_of_one_image():
    wide = torch.arange(7).repeat(5, 1) % 5
    scores = torch.nn.functional.one_hot(wide, 5).permute(2, 0, 1) * 9.0
    assert mean_iou(scores.log_softmax(0), wide, 5) == 1
    batch = torch.randn(5, 5, 7, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    assert mean_iou(batch, batch.argmax(1), 5) == 1
    assert mean_iou(torch.full((4, 4, 9), 0.25), torch.zeros(4, 9, dtype=torch.long), 4) == 1


@KINDS
@pytest.mark.parametrize("shape", [(2, 5, 7), (1, 19, 32)], ids=str)
def test_classes_last_in_maps_as_high_as_there_are_classes(kind, shape):
    classes = shape[1]
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, classes, shape))
    last = torch.nn.functional.one_hot(labels, classes).float() * 9 - 4
    with pytest.raises(ValueError, match=r"classes in dimension 1.*\(.*-1, 1\)"):
        mean_iou(kind(last), kind(labels), classes)
    with pytest.raises(ValueError, match=r"classes in dimension 0.*\(.*-1, 0\)"):
        mean_iou(list(kind(last)), list(kind(labels)), classes)
    assert mean_iou([m.movedim(-1, 0) for m in last], list(labels), classes) == 1


def test_a_void_of_predictions_is_no_class():
    for ids in ({}, {"ids": [10, 20, 30], "pred_ids": "classes"}):
        with pytest.raises(ValueError, match=r"pred_void holds 2, .*class"):
            LabelSpace(3, **ids, pred_void=[2, 77])
    space = LabelSpace(3, ids=[10, 20, 30], pred_ids="classes", pred_void=[77])
    preds, target = torch.tensor([[1, 1, 2, 77]]), torch.tensor([[0, 1, 2, 0]])
    planes = torch.nn.functional.one_hot(target, 3).movedim(-1, 1)
    by_planes = confusion_matrix(preds, planes, label_space=space, input_format="one-hot", include_void=True)
    assert_same_counts(by_planes, confusion_matrix(preds, (target + 1) * 10, label_space=space, include_void=True))


def test_floating_labels_of_two_classes_are_told_from_logits():
    target = torch.tensor([[0, 1, 1]])
    with pytest.warns(UserWarning, match="0 to 255 as floats.*input_format='index'"):
        mean_iou(target * 255.0, target, 2)
    with pytest.warns(UserWarning, match=r"logits.*threshold=0\.0"):
        mean_iou(torch.tensor([[-2.5, 3.0, 1.0]]), target, 2)
    floats = torch.tensor([[[0.0, 255.0, 0.0]]])
    counts = confusion_matrix(floats, floats.long(), 1, ignore_index=255, input_format="index", include_void=True)
    assert counts.diagonal().tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("preds", "target", "settings", "cure"),
    [
        ([8], [1], {"label_space": LabelSpace.reduce_zero_label(8)}, "pred_ids='ids'"),
        ([26], [26], {"protocol": "cityscapes", "pred_ids": "classes"}, "pred_ids='ids'"),
        ([7], [10], {"protocol": "semantickitti"}, "pred_ids='classes'"),
        ([0], [9], {"protocol": "nuscenes-lidarseg"}, "pred_ids='classes'"),
        ([0], [255], {"protocol": "ade20k", "pred_ids": "classes"}, "ground truth with its original ids"),
        ([1], [255], {"protocol": "coco-stuff"}, "protocol='coco-stuff-maps'"),
    ],
    ids=str,
)
def test_ids_and_class_numbers_in_the_place_of_each_other(preds, target, settings, cure):
    with pytest.raises(LabelRangeError) as error:
        mean_iou(torch.tensor(preds), torch.tensor(target), **settings)
    assert_sentence(error, cure)


def test_instance_ids_beside_ids_of_stuff():
    """Cityscapes' instanceIds hold the ids of things times 1000, and those of stuff as they are."""
    target = torch.tensor([7, 7, 11, 26001, 26002, 24000])
    ids = torch.tensor([7, 7, 11, 26, 26, 24])
    with pytest.raises(LabelRangeError, match=r"target // 1000 where labels are 1000 or more"):
        mean_iou(ids, target, protocol="cityscapes")
    assert mean_iou(ids, torch.where(target >= 1000, target // 1000, target), protocol="cityscapes") == 1


def test_a_truth_that_is_off_by_one_is_doubted():
    target = torch.from_numpy(np.random.default_rng(0).integers(1, 151, (60, 60)))
    with pytest.raises(LabelRangeError, match=r"1 to 150 and 0 is void.*LabelSpace\.reduce_zero_label\(150\)"):
        mean_iou(target - 1, target, 150)
    with pytest.warns(Doubt, match="0 of 3,600 .*3,600 .*one higher"):
        mean_iou(target - 1, target, 151)
    with pytest.warns(Doubt, match="one lower"):
        mean_iou(target, target - 1, 151)
    assert mean_iou(target - 1, target, label_space=LabelSpace.reduce_zero_label(150)) == 1
    mean_iou((target + 3) % 150, target - 1, 150)  # just a bad model


def test_toy_maps_are_labels():
    maps = np.array([[0, 1], [1, 1]]), np.array([[0, 1], [1, 0]])
    assert mean_iou(*maps, 2).item() == pytest.approx((1 / 2 + 2 / 3) / 2)
    with pytest.raises(ValueError, match=r"'one-hot'.*'index'"):
        mean_iou(maps[1], maps[1], 2)


@pytest.mark.parametrize("label", [-1, 4096, 40_000])
def test_labels_that_no_number_of_classes_allows(label):
    with pytest.raises(LabelRangeError) as error:
        mean_iou(torch.tensor([0]), torch.tensor([label]), 19)
    assert_sentence(error, f"ignore_index={label}", "correct the data")
    assert "num_classes" not in str(error.value)


def test_an_accelerator_counts_labels_out_of_range_without_their_values():
    sentence = str(LabelRangeError("target", 3, LabelSpace(19)))
    assert all(part in sentence for part in ("3 pixels", "0 to 18", "ignore_index", "num_classes"))
    assert "index (" not in sentence


def test_a_hint_is_a_sentence():
    space = LabelSpace(2, hint="see {pred_ids:classes}.")
    with pytest.raises(LabelRangeError, match=r"See pred_ids='classes'\. Otherwise") as error:
        mean_iou(torch.tensor([0]), torch.tensor([9]), label_space=space)
    assert_sentence(error)


def test_a_string_of_digits_is_no_id():
    with pytest.raises(TypeError, match=r"ignore_index holds '255' \(str\)"):
        MeanIoU(2, ignore_index="255")


def test_instance_ids_of_train_ids_are_not_told_a_division():
    with pytest.raises(LabelRangeError) as error:
        mean_iou(torch.tensor([0]), torch.tensor([13001]), protocol="cityscapes-train-ids")
    assert "1000" not in str(error.value)


def test_soft_labels_were_not_divided():
    for values in ([1 / 3, 2 / 3], [0.2, 0.8], [float("nan"), 0.5]):
        assert cause_of_fractions(torch.tensor(values)) == "fractions"
    with pytest.raises(TypeError, match="NaN"):
        mean_iou(square(0), square(float("nan"), torch.float32), 2)


@pytest.mark.slow
def test_large_maps_are_explained_in_little_memory():
    mask = torch.zeros(3000, 3000, dtype=torch.uint8)
    mask[::2] = 254
    mask[0, :2] = torch.tensor([9, 250])
    fractions = mask.float() / 255
    for look in (lambda: cause_of_mask(mask), lambda: cause_of_fractions(fractions)):
        assert peak_bytes(look) <= max(3 * mask.numel(), 40 * PIECE)


@pytest.mark.slow
def test_probabilities_of_two_classes_cost_no_memory():
    target = torch.zeros(4, 1024, 1024, dtype=torch.uint8)
    preds = torch.rand(target.shape, generator=torch.Generator().manual_seed(0))
    for scores in (preds, preds.transpose(1, 2)):
        assert peak_bytes(lambda scores=scores: confusion_matrix(scores, target, 2)) <= 1 << 22
    preds[:, :16] = 0  # as of a model that is sure of the corner
    assert peak_bytes(lambda: confusion_matrix(preds, target, 2)) <= 1 << 23
    assert not is_divided(preds)
    assert is_divided(square(1, torch.float32) / 255)


# Read-only memory.


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "int64", "float32"])
def test_read_only_arrays_and_memory_maps_are_shared(tmp_path, dtype):
    from meaniou.counting.confusion.batch import as_tensor

    path = tmp_path / "map.npy"
    labels = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.save(path, labels)
    mapped = np.load(path, mmap_mode="r")
    frozen = labels.copy()
    frozen.flags.writeable = False
    for array in (mapped, frozen, np.broadcast_to(frozen[:1], (2, 3, 4)), frozen[:, ::2]):
        tensor = as_tensor(array, "preds")
        assert tensor.data_ptr() == array.ctypes.data
        assert tensor.tolist() == array.tolist()
        assert not array.flags.writeable
    tensor = as_tensor(np.load(path, mmap_mode="r"), "preds")  # the map itself is held by the tensor alone
    assert tensor.tolist() == labels.tolist()
