"""Inputs of labels that overlap: shapes, dtypes, masks and lists, and errors whose cures run."""

import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from support import LABEL_DTYPES, SCORE_DTYPES, assert_sentence, name_of

from meaniou import IoUCurve, LabelValueError, MultilabelMeanIoU, iou_curve, multilabel_mean_iou, reference
from meaniou.counting import explain_value, refuse_values

LABELS = 3
TARGET = torch.tensor([[[[1, 1], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 0]]]] * 2)  # [2, 3, 2, 2]
SCORES = torch.tensor([0.9, 0.1, 0.2, 0.8, 0.3, 0.7, 0.6, 0.4]).repeat(3).view(2, 3, 2, 2)


def counts_of(preds, target, valid=None, **settings):
    metric = MultilabelMeanIoU(**{"num_labels": LABELS, "ignore_index": 255} | settings)
    metric.update(preds, target, valid)
    return metric.counts


def refused(preds, target, valid=None, **settings):
    """The error of an update, which leaves the metric as it was."""
    metric = MultilabelMeanIoU(**{"num_labels": LABELS} | settings)
    with pytest.raises((TypeError, ValueError)) as error:
        metric.update(preds, target, valid)
    assert not metric.counts.any()
    assert metric.update_count == 0
    return error


def run_cure(error, preds, target, **settings):
    """Calls update again with the expressions that the message says to pass."""
    cure = re.search(r"[Pp]ass (\(?(?:np|preds|target).*?)(?: for | or |\. |\.$|;)", str(error.value))[1]
    sides = {"preds": preds, "target": target}
    for part in cure.split(" and "):
        sides[re.search("preds|target", part)[0]] = eval(part, {"np": np}, {"preds": preds, "target": target})
    return counts_of(**sides, **settings)


# Shapes and dtypes.


@pytest.mark.parametrize("dtype", [*LABEL_DTYPES, *SCORE_DTYPES], ids=name_of)
def test_targets_and_predicted_labels_of_every_dtype(dtype):
    expected = reference.label_counts(SCORES.numpy(), TARGET.numpy())
    assert counts_of(SCORES, TARGET.to(dtype)).tolist() == expected.tolist()
    if dtype in LABEL_DTYPES:
        labels = (SCORES > 0.5).to(dtype)
        assert counts_of(labels, TARGET).tolist() == expected.tolist()


@pytest.mark.parametrize("form", ["array", "read-only array", "list", "tuple", "dlpack", "channels last"])
def test_forms_of_a_batch(form):
    expected = counts_of(SCORES, TARGET)
    preds, target = SCORES, TARGET
    if form in ("array", "read-only array"):
        preds, target = SCORES.numpy().copy(), TARGET.numpy().copy()
        preds.flags.writeable = target.flags.writeable = form == "array"
    elif form in ("list", "tuple"):
        preds, target = (list(side) if form == "list" else tuple(side) for side in (SCORES, TARGET))
    elif form == "dlpack":
        preds, target = (type("Held", (), {"__dlpack__": s.__dlpack__, "__dlpack_device__": s.__dlpack_device__})()
                         for s in (SCORES, TARGET))  # fmt: skip
    else:
        preds, target = (side.to(memory_format=torch.channels_last) for side in (SCORES, TARGET))
    assert torch.equal(counts_of(preds, target), expected)


def test_images_of_other_sizes():
    sizes = [(4, 5), (1, 1), (0, 3), (7,)]
    generator = torch.Generator().manual_seed(0)
    preds = [torch.rand(LABELS, *size, generator=generator) for size in sizes]
    target = [torch.randint(0, 2, (LABELS, *size), generator=generator) for size in sizes]
    one_by_one = sum(counts_of(p[None], t[None]) for p, t in zip(preds, target, strict=True))
    assert torch.equal(counts_of(preds, target), one_by_one)
    rows = MultilabelMeanIoU(LABELS, per_image=True)
    rows.update(preds, target, image_ids=[3, 1, 2, 0])
    assert len(rows.image_scores()) == 4
    assert counts_of([], []).sum() == 0


@pytest.mark.parametrize(
    ("preds", "target"),
    [((2, 4, 5), (2, 4, 5)), ((2, 1, 4, 5), (2, 4, 5)), ((2, 4, 5), (2, 1, 4, 5)), ((2, 1, 4, 5),) * 2, ((6,), (6,))],
    ids=str,
)
def test_one_label_with_and_without_its_dimension(preds, target):
    generator = torch.Generator().manual_seed(1)
    scores, labels = torch.rand(preds, generator=generator), torch.randint(0, 2, target, generator=generator)
    flat = counts_of(scores.view(1, 1, -1), labels.view(1, 1, -1), num_labels=1)
    assert torch.equal(counts_of(scores, labels, num_labels=1), flat)
    curve = IoUCurve(thresholds=[0.25, 0.5])
    curve.update(scores, labels)
    assert torch.equal(curve.counts[:, :, [0, 1, 2]].sum(2), flat[:, :, :2].sum(2))


def test_maps_of_one_label_need_a_batch_dimension_where_images_count():
    scores, labels = torch.rand(4, 5), torch.ones(4, 5, dtype=torch.int64)
    error = refused(scores, labels, num_labels=1, per_image=True)
    assert_sentence(error, "preds[None] and target[None]", "4 images of 5 points")
    metric = MultilabelMeanIoU(1, per_image=True)
    metric.update(scores[None], labels[None])
    metric.update(scores[:, None], labels[:, None])
    metric.update(scores, labels, image_ids=[5, 6, 7, 8])
    metric.update([scores], [labels])
    assert len(metric.image_rows) == 4
    assert sum(len(rows) for rows in metric.image_rows) == 1 + 4 + 4 + 1


SHAPES = {
    "no label dimension": ((2, 4, 4), (2, 4, 4), ["[B, 3, *]", "num_labels=1"], False),
    "no batch dimension": ((3, 4, 5), (3, 4, 5), ["batch dimension", "preds[None] and target[None]"], True),
    "labels last": ((2, 4, 5, 3), (2, 4, 5, 3), ["dimension 1", "preds.movedim(-1, 1)"], True),
    "class map": ((2, 3, 4, 5), (2, 4, 5), ["one class per pixel", "MeanIoU(3)"], False),
    "other resolution": (
        (2, 3, 4, 5),
        (2, 3, 8, 10),
        ["resolution", "interpolate(preds, size=target.shape[-2:])"],
        False,
    ),
    "other number": ((2, 4, 5, 5), (2, 4, 5, 5), ["[B, 3, *]", "num_labels"], False),
    "other batch": ((2, 3, 4, 5), (1, 3, 4, 5), ["[B, 3, *]"], False),
    "no dimension": ((), (), ["[B, 3, *]"], False),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_that_do_not_fit(case):
    preds, target, parts, cure_runs = SHAPES[case]
    scores, labels = torch.rand(preds), torch.ones(target, dtype=torch.int64)
    error = refused(scores, labels)
    assert_sentence(error, f"preds float32 {list(preds)}", f"target int64 {list(target)}", "num_labels=3", *parts)
    if cure_runs:
        assert run_cure(error, scores, labels).sum() == scores.numel()


def test_labels_last_in_an_array():
    preds, target = np.ones((2, 4, 5, 3), np.float32), np.ones((2, 4, 5, 3), np.uint8)
    error = refused(preds, target)
    assert_sentence(error, "np.moveaxis(preds, -1, 1) and np.moveaxis(target, -1, 1)")
    assert run_cure(error, preds, target).sum() == preds.size


def test_two_channels_for_one_label():
    scores = torch.rand(2, 2, 4, 5)
    error = refused(scores, torch.ones(2, 1, 4, 5, dtype=torch.int64), num_labels=1)
    assert_sentence(error, "one channel", "preds[:, 1:]", "MeanIoU(2)")
    assert counts_of(scores[:, 1:], torch.ones(2, 1, 4, 5, dtype=torch.int64), num_labels=1).sum() == 40


@pytest.mark.parametrize("kind", [MultilabelMeanIoU, IoUCurve])
def test_several_labels_are_not_pooled_into_one(kind):
    scores, labels = torch.rand(2, 4, 5, 6), torch.ones(2, 4, 5, 6, dtype=torch.int64)
    for preds, target, cure in (
        (scores, labels, "preds[:, None] and target[:, None]"),
        (list(scores[:, None]), list(labels[:, None]), ""),
        (list(scores), list(labels), "preds[None] and target[None]"),
    ):
        metric = kind(1)
        if not cure:
            metric.update(preds, target)  # volumes with the dimension of the label
            assert metric.counts.sum() == 240
            continue
        with pytest.raises(ValueError, match="4 labels or volumes") as error:
            metric.update(preds, target)
        assert_sentence(error, "num_labels=4", cure)
    volumes = kind(1)
    volumes.update(scores[:, None], labels[:, None])
    assert volumes.counts.sum() == 240


def test_a_wrong_map_of_a_list_is_named():
    maps = [torch.rand(3, 4, 5), torch.rand(4, 5, 3)]
    error = refused(maps, [m.gt(0.5) for m in maps])
    assert_sentence(error, "Image at index 1", "preds float32 [4, 5, 3]", "dimension 0", "preds.movedim(-1, 0)")


@pytest.mark.parametrize(
    ("preds", "target", "parts"),
    [
        (torch.rand(1, 3, 2).to(torch.complex64), torch.ones(1, 3, 2), ["preds is torch.complex64"]),
        (torch.rand(1, 3, 2), None, ["target is None"]),
        ("a.png", torch.ones(1, 3, 2), ["preds is a str", "Read the file first"]),
        (torch.rand(1, 3, 2), [torch.ones(3, 2)], ["preds is a Tensor", "one map per image"]),
        (torch.rand(1, 3, 2), torch.ones(1, 3, 2).to_sparse(), ["target has the layout torch.sparse_coo"]),
    ],
    ids=["complex", "none", "string", "list on one side", "sparse"],
)
def test_arguments_that_are_no_maps(preds, target, parts):
    assert_sentence(refused(preds, target), *parts)


def test_labels_have_no_threshold():
    with pytest.raises(TypeError, match="expected floating scores") as error:
        IoUCurve(3).update(TARGET, TARGET)
    assert_sentence(error, "int64 [2, 3, 2, 2]", "MultilabelMeanIoU")


# Masks of valid pixels.


@pytest.mark.parametrize(
    "shape", [(2,), (2, 3), (2, 2, 2), (2, 3, 2, 2), (2, 1, 2, 2), (2, 3, 1, 1), (1, 1, 2, 2)], ids=str
)
def test_valid_of_every_shape(shape):
    valid = torch.rand(shape, generator=torch.Generator().manual_seed(5)) < 0.5
    whole = valid.view(*shape, *[1] * (4 - len(shape))) if len(shape) < 3 else valid
    whole = (valid[:, None] if shape == (2, 2, 2) else whole).expand(TARGET.shape)
    expected = reference.label_counts(SCORES.numpy(), TARGET.numpy(), valid=whole.numpy())
    assert counts_of(SCORES, TARGET, valid).tolist() == expected.tolist()
    assert counts_of(SCORES, TARGET, valid.numpy()).tolist() == expected.tolist()


def test_valid_of_maps_in_a_list():
    valid = [torch.tensor(True), torch.rand(2, 2) < 0.5]
    batch = torch.stack([torch.ones(2, 2, dtype=torch.bool), valid[1]])
    assert torch.equal(counts_of(list(SCORES), list(TARGET), valid), counts_of(SCORES, TARGET, batch))


@pytest.mark.parametrize(
    ("valid", "parts"),
    [
        (torch.ones(3, dtype=torch.bool), ["bool [3]", "[2, 3, 2, 2]", "[2, 2, 2]", "[2, 3]", "[2]"]),
        (torch.ones(2, 2, 3, dtype=torch.bool), ["bool [2, 2, 3]"]),
        (torch.ones(2, dtype=torch.int64), ["valid is torch.int64", "valid.bool()"]),
        (255, ["valid is an int", "ignore_index=255"]),
    ],
    ids=["other number", "other shape", "not bool", "a value"],
)
def test_valid_that_does_not_fit(valid, parts):
    assert_sentence(refused(SCORES, TARGET, valid), *parts)


def test_valid_that_can_be_read_in_two_ways():
    preds, target, valid = torch.rand(2, 3, 3), torch.ones(2, 3, 3, dtype=torch.int64), torch.rand(2, 3) < 0.5
    error = refused(preds, target, valid)
    assert_sentence(error, "per pixel", "per label", "valid[:, None]", "valid[:, :, None]")
    for cure in (valid[:, None], valid[:, :, None]):
        expected = reference.label_counts(preds.numpy(), target.numpy(), valid=cure.expand(2, 3, 3).numpy())
        assert counts_of(preds, target, cure).tolist() == expected.tolist()


# Values that are neither 0, 1 nor void.


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.int64, torch.float32], ids=name_of)
@pytest.mark.parametrize("side", ["target", "preds"])
def test_a_value_outside_is_refused_with_its_place(side, dtype):
    if side == "preds" and dtype == torch.float32:
        dtype = torch.int16  # floating predictions are scores
    sides = {"preds": TARGET.to(torch.uint8), "target": TARGET.to(torch.uint8)}
    wide = TARGET.clone()
    wide[0, 1, 1, 0], wide[1, 1, 0, 1], wide[1, 2, 0, 0] = 7, 9, 7
    sides[side] = wide.to(dtype)
    error = refused(**sides, class_names=["road", "bridge", "rail"]).value
    assert isinstance(error, LabelValueError)
    assert (error.side, error.label, error.number, error.index, error.value) == (side, 1, 2, (0, 1, 1, 0), 7)
    assert (error.name, error.image, error.cause) == ("bridge", None, "")
    for part in (side, "2 pixels of label 1 ('bridge')", "(0, 1, 1, 0): 7", "ignore_index=7"):
        assert part in str(error)
    assert counts_of(**sides, ignore_index=[7, 9]).sum() == TARGET.numel()
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_prediction_outside_on_void_is_counted_and_not_refused():
    target, preds = TARGET.clone(), TARGET.clone()
    target[0, 0, 0, 0], preds[0, 0, 0, 0] = 255, 9
    valid = torch.ones(2, 2, 2, dtype=torch.bool)
    valid[1, 1, 1] = False
    preds[1, 0, 1, 1] = 9
    counts = counts_of(preds, target, valid)
    assert counts[0, 2, 3] == 2
    assert counts.sum() == TARGET.numel()


def test_the_place_leaves_out_void_and_predictions_on_void():
    target, preds = TARGET.clone(), TARGET.clone()
    target[0, 0, 0, 0], preds[0, 0, 0, 0], preds[0, 0, 0, 1], preds[1, 0, 0, 0] = 255, 9, 9, 8
    valid = torch.ones_like(TARGET, dtype=torch.bool)
    valid[0, 0, 0, 1] = False
    error = refused(preds, target, valid, ignore_index=255).value
    assert (error.index, error.value, error.number) == ((1, 0, 0, 0), 8, 1)


@pytest.mark.parametrize(
    ("values", "cause", "parts"),
    [
        (TARGET * 255, "binary", ["target == 255", "ignore_index=255"]),
        (TARGET * 2 + 1, "", ["ignore_index=3"]),
        (TARGET * 1234567, "binary", ["1234567"]),
        (-TARGET, "binary", ["target == -1", "ignore_index=-1"]),
        (TARGET / 255, "divided", ["divided by 255", "(target * 255).round()"]),
        (TARGET * 0.35, "fractions", ["0.35", "nearest neighbour"]),
        (torch.where(TARGET == 1, torch.nan, 0.0), "fractions", ["nan"]),
    ],
    ids=["binary", "others", "large", "negative", "divided", "soft", "nan"],
)
def test_causes_of_values_in_a_target(values, cause, parts):
    error = refused(SCORES, values)
    assert error.value.cause == cause
    assert_sentence(error, *parts)
    if cause in ("binary", "divided"):
        assert torch.equal(run_cure(error, SCORES, values), counts_of(SCORES, TARGET))


def test_swapped_arguments_and_scores_as_integers():
    for target in (TARGET, TARGET.float()):
        error = refused(target, SCORES)
        assert error.value.cause == "swapped"
        assert_sentence(error, "swapped", "prediction first")
    assert_sentence(refused((SCORES * 200).to(torch.uint8), TARGET), "scores", "floating")


def test_the_image_of_a_list():
    target = list(TARGET.clone())
    target[1][2, 0, 1] = 4
    error = refused(list(SCORES), target).value
    assert (error.image, error.label, error.index) == (1, 2, (2, 0, 1))
    assert str(error).startswith("Image at index 1: target holds 1 pixel of label 2 ")


@pytest.mark.parametrize("with_labels", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("side", ["preds", "target"])
def test_the_place_in_maps_of_one_label(side, with_labels):
    sides = {"preds": TARGET[:, 0].clone(), "target": TARGET[:, 0].clone()}
    sides[side][1, 0, 1] = 7
    passed = {
        name: m[:, None] if with_one else m for (name, m), with_one in zip(sides.items(), with_labels, strict=True)
    }
    error = refused(**passed, num_labels=1).value
    assert passed[side][error.index] == 7
    assert len(error.index) == passed[side].dim()
    error = refused(**{name: list(maps) for name, maps in passed.items()}, num_labels=1).value
    assert passed[side][error.image][error.index] == 7


def test_without_validation_values_are_counted_apart():
    target = TARGET.clone()
    target[0, 0, 0, 0] = 9
    counts = counts_of(SCORES, target, validate_args=False)
    assert counts[0, 3].sum() == 1
    assert counts.sum() == TARGET.numel()


def test_counts_of_an_accelerator_raise_without_a_place():
    target = TARGET.clone()
    target[:, 1, 0] = 9
    counts = counts_of(SCORES, target, validate_args=False)
    with pytest.raises(LabelValueError, match="ignore_index") as error:
        refuse_values(counts, ("a", "b", "c"))
    assert (error.value.label, error.value.number, error.value.index, error.value.value) == (1, 4, None, None)
    refuse_values(counts_of(SCORES, TARGET), ("a", "b", "c"))


def test_on_the_command_line_an_error_names_options_and_the_file():
    error = refused(SCORES, TARGET * 255).value
    text = explain_value(error, "cli", "masks/a.npy")
    for part in ("masks/a.npy holds 4 pixels of label 0", "--ignore-index 255", "store it as 1"):
        assert part in text
    assert "validate_args" not in text
    assert "target ==" not in text


# Suspicious scores.


def warned(metric, preds, target=TARGET):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metric.update(preds, target)
    return [str(warning.message) for warning in caught]


def test_scores_that_are_no_probabilities():
    (text,) = warned(MultilabelMeanIoU(3), SCORES * 8 - 4)
    assert "threshold=0.5" in text
    assert "threshold=0.0" in text
    (text,) = warned(MultilabelMeanIoU(3, threshold=[0.5, 0.25, 0.5]), SCORES * 8 - 4)
    assert "0.25 to 0.5" in text
    (text,) = warned(IoUCurve(3), SCORES * 8 - 4)
    assert "from 0 to 1" in text
    assert "torch.sigmoid(preds)" in text
    (text,) = warned(MultilabelMeanIoU(3), SCORES * 255)
    assert "divide by 255" in text
    (text,) = warned(MultilabelMeanIoU(3), SCORES * 100 - 0.5)
    assert "divide by 100" in text
    for metric in (MultilabelMeanIoU(3, threshold=0.0), IoUCurve(3, thresholds=[-1, 0, 1])):
        assert warned(metric, SCORES * 8 - 4) == []
    for metric in (MultilabelMeanIoU(3, validate_args=False), MultilabelMeanIoU(3, threshold=1.5)):
        assert warned(metric, SCORES * 8 - 4) == []
    for metric in (MultilabelMeanIoU(3), IoUCurve(3)):
        assert warned(metric, SCORES) == []
        assert warned(metric, SCORES[:0], TARGET[:0]) == []


def test_logits_beside_a_nan_are_warned_of():
    for scores, number in ((SCORES * 8 - 4, 1), (SCORES.clone(), 0), (SCORES * torch.nan, 0)):
        scores[0, 0, 0, 0] = torch.nan
        for metric in (MultilabelMeanIoU(3), IoUCurve(3)):
            assert len(warned(metric, scores)) == number


def doubts_of(metric, preds, target):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metric.update(preds, target)
        metric.compute()
    return [str(warning.message) for warning in caught]


def test_masks_of_0_and_255_whose_foreground_is_ignored():
    labels = (SCORES > 0.5).long()
    for metric in (MultilabelMeanIoU(3, ignore_index=255), IoUCurve(3, ignore_index=255)):
        (text,) = doubts_of(metric, SCORES, TARGET * 255)
        assert "8 pixels are void" in text
        assert "store it as 1 and do not ignore 255" in text
    (text,) = doubts_of(MultilabelMeanIoU(3, ignore_index=255), labels * 255, TARGET)
    assert "No label is predicted" in text
    assert "ignore 255" in text
    (text,) = doubts_of(MultilabelMeanIoU(3, ignore_index=255), torch.where(TARGET == 0, 255, 1), labels)
    assert "swapped" in text
    some = torch.where(torch.rand(TARGET.shape) < 0.3, 255, TARGET)
    some[0, 0, 0, 0] = 1
    assert doubts_of(MultilabelMeanIoU(3, ignore_index=255), SCORES, some) == []
    assert doubts_of(MultilabelMeanIoU(3), SCORES, TARGET * 0) == []
    assert doubts_of(MultilabelMeanIoU(3, ignore_index=255, validate_args=False), SCORES, TARGET * 255) == []
    batch = MultilabelMeanIoU(3, ignore_index=255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch(SCORES, TARGET * 255)  # one batch may hold no 1


def test_thresholds_for_other_scores():
    scores, target = torch.rand(2, 3, 20, 20), torch.randint(0, 2, (2, 3, 20, 20))
    (text,) = doubts_of(MultilabelMeanIoU(3, threshold=0.0), scores + 1e-6, target)
    assert "Every pixel is predicted" in text
    assert "threshold=0.5" in text
    (text,) = doubts_of(MultilabelMeanIoU(3, threshold=50), scores, target)
    assert "No pixel is predicted" in text
    assert "threshold=0.5" in text
    for metric, preds, truth in (
        (MultilabelMeanIoU(3, threshold=0.0), scores - 0.5, target),
        (MultilabelMeanIoU(3, threshold=0.0), scores + 1, target * 0 + 1),
        (MultilabelMeanIoU(3, threshold=50), 100 * scores, target),
        (MultilabelMeanIoU(3, threshold=50), scores, target * 0),
        (MultilabelMeanIoU(3), scores / 3, target),
        (MultilabelMeanIoU(3, threshold=0.0), scores[:, :, :5] + 1, target[:, :, :5]),
    ):
        assert doubts_of(metric, preds, truth) == []


# Functions.


def test_functions_are_one_update_and_compute():
    target = TARGET.clone()
    target[0, 0, 0, 0] = 255
    valid = torch.tensor([True, False])
    metric = MultilabelMeanIoU(3, threshold=[0.2, 0.5, 0.8], ignore_index=255, average="none", absent="one")
    metric.update(SCORES, target, valid)
    settings = {"threshold": [0.2, 0.5, 0.8], "ignore_index": 255, "average": "none", "absent": "one"}
    for maps in ((SCORES, target, valid), (SCORES.numpy(), target.numpy(), valid.numpy())):
        value = multilabel_mean_iou(maps[0], maps[1], 3, valid=maps[2], **settings)
        assert torch.equal(value, metric.compute())
    curve = IoUCurve(3, thresholds=[0.2, 0.5], ignore_index=255)
    curve.update(SCORES, target, valid)
    values = iou_curve(SCORES, target, 3, valid=valid, thresholds=[0.2, 0.5], ignore_index=255)
    for value, expected in zip(values, curve.compute(), strict=True):
        assert torch.equal(value.nan_to_num(-1), expected.nan_to_num(-1))
    with pytest.raises(ValueError, match="num_labels is 0"):
        multilabel_mean_iou(SCORES, target, 0)
