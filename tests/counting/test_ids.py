"""Label spaces with ids other than class numbers: every kernel equals the reference; errors name the cure."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    LABEL_DTYPES,
    NoWait,
    as_numpy,
    assert_same_counts,
    assert_sentence,
    name_of,
    random_map,
    random_scores,
)
from support.grid import grid
from support.kernels import CPU_KERNELS, count_all

from meaniou import LabelSpace, MeanIoU, confusion_matrix, mean_iou, reference
from meaniou.counting.confusion.errors import LabelRangeError
from meaniou.counting.kernels import cpu, readers
from meaniou.counting.kernels.image_counts import image_by_image
from meaniou.counting.kernels.label_table import MAX_WIDTH
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.spec import CountSpec

FAR = 2**40
SPACES = {
    "city": LabelSpace(3, ids=[7, 8, (11, 12)], ignore_index=[0, 1, 9, -1]),
    "shifted": LabelSpace.reduce_zero_label(5),
    "beyond bytes": LabelSpace(3, ids=[10, (300, 301), 70000 % MAX_WIDTH], ignore_index=[255]),
    "negative": LabelSpace(3, ids=[-5, -128, 4], ignore_index=-1),
    "far": LabelSpace(3, ids=[FAR, -FAR, 7], ignore_index=[0, FAR + 1]),
    "many far": LabelSpace(7, ids=[[FAR * c + 1, FAR * c + 2] for c in range(7)], ignore_index=[2**63 - 1, -(2**63)]),
    "all far": LabelSpace(2, ids=[FAR, -FAR]),
    "apart": LabelSpace(2, ids=[MAX_WIDTH // 2 - 1, MAX_WIDTH // 2], ignore_index=[MAX_WIDTH // 2 + 1, -FAR]),
    "high": LabelSpace(2, ids=[2**63 - 1, 2**63 - 2], ignore_index=2**31 - 1),
    "colours": LabelSpace(3, ids=[0x804080, 0x00FF00, 0xFFFFFF], ignore_index=0),
    "edges": LabelSpace(2, ids=[2**63 - 1, -(2**63)], ignore_index=[0]),
    "byte edges": LabelSpace(2, ids=[255, 0], ignore_index=[128, -128, 127]),
    "void class": LabelSpace(3, ids=[1, 2, (3, 4)], ignore_index=[2, 3]),
    "other preds": LabelSpace(3, ids=[5, 6, 7], ignore_index=0, pred_ids=[1, 2, (3, 9)], pred_void=[200]),
    "void class, other preds": LabelSpace(3, ids=[1, 2, 3], ignore_index=[2], pred_ids=[11, 12, 13]),
    "same preds, other void": LabelSpace(2, ids=[5, 6], ignore_index=0, pred_ids=[5, 6], pred_void=9),
    "long": LabelSpace(3, ids=[range(33000), range(33000, 34000), 40000], ignore_index=[2**31 - 1]),
    "classes": LabelSpace(3, ids=[5, 6, 7], ignore_index=0, pred_ids="classes"),
    "plain, other void of preds": LabelSpace(3, ignore_index=255, pred_void=[9, 200]),
    "void class, no void of preds": LabelSpace(3, ignore_index=[1, 255], pred_void=()),
    "same ids, other void": LabelSpace(2, ids=[5, 6], ignore_index=0, pred_void=9),
    "classes, other void": LabelSpace(3, ids=[5, 6, 7], ignore_index=0, pred_ids="classes", pred_void=[3, 77]),
    "truth as it is": LabelSpace(3, ignore_index=255, pred_ids={10: 0, 11: 1, 12: 2, 13: 2}),
}
KERNELS = {"portable": portable.count, "accelerator": None}
KERNELS |= {name: partial(count_all, module) for name, module in CPU_KERNELS.items()}
EVERY = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def spec_of(space, form="labels", target_form="labels"):
    bins = {"target_ids": space.tables.target_ids, "preds_ids": space.tables.preds_ids}
    return CountSpec(form, target_form, space.num_classes, space.tables.ignore, **bins)


def count(kernel, preds, target, valid, spec):
    if kernel is not None:
        return kernel(preds, target, valid, spec)
    truth, prediction = readers.target_reader(target, spec), readers.preds_reader(preds, spec)
    return portable.count_without_sync(truth, prediction, valid, spec.num_classes)


def seen_ids(space):
    own = [(c,) for c in range(space.num_classes)]
    labels = {i for ids in (*(space.ids or own), *(space.pred_ids or own)) for i in ids} | {
        *space.ignore_index,
        *space.pred_void,
    }
    return labels | {i + step for i in labels for step in (-1, 1)} | {0, 1, 2, 255, MAX_WIDTH, -1}


def random_ids(rng, shape, dtype, space):
    low, high = (0, 1) if dtype == torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    ids = [i for i in seen_ids(space) if low <= i <= high]
    return torch.from_numpy(rng.choice(np.array(ids), size=shape)).to(dtype)


def by_reference(preds, target, space, valid=None, predicted=False):
    """Counts from the definitions; ``predicted`` are class numbers already."""
    own = [(c,) for c in range(space.num_classes)]
    truth = reference.labels_of_ids(as_numpy(target), space.ids or own, space.ignore_index)
    if predicted:
        labels = np.where(np.isin(preds, list(space.ignored_classes)), reference.VOID, preds)
        labels = np.where(preds == reference.VOID_PREDICTION, reference.VOID, labels)
    else:
        # Where predictions hold class numbers, a class whose ids are void is a void prediction.
        void = {*space.pred_void, *(i for c in space.ignored_classes for i in (space.pred_ids or own)[c])}
        labels = reference.labels_of_ids(as_numpy(preds), space.pred_ids or own, void)
    mask = None if valid is None else valid.numpy()
    return reference.counts(labels, truth, space.num_classes, reference.VOID, mask)


@grid(
    space=SPACES,
    dtype=LABEL_DTYPES,
    kernel=KERNELS,
    truth_dtype={"same": None, "int64": torch.int64, "uint8": torch.uint8},
)
def test_ids_of_every_dtype(rng, space, dtype, kernel, truth_dtype):
    for shape in ((2, 3, 50), (1, 64), (777,)):
        preds, target = random_ids(rng, shape, dtype, space), random_ids(rng, shape, truth_dtype or dtype, space)
        counts = count(kernel, preds, target, None, spec_of(space))
        assert_same_counts(counts, by_reference(preds, target, space))


@pytest.mark.parametrize("kernel", KERNELS)
@EVERY
def test_runs_masks_strides_and_scores(rng, space, kernel):
    kernel, spec = KERNELS[kernel], spec_of(space)
    target = random_ids(rng, (2, 9, 8), torch.int64, space).repeat_interleave(13, -1)
    preds = random_ids(rng, (2, 9, 8), torch.int64, space).repeat_interleave(13, -1)
    expected = by_reference(preds, target, space)
    assert_same_counts(count(kernel, preds, target, None, spec), expected)
    strided = preds.repeat_interleave(2, 1)[:, ::2], target.mT.contiguous().mT
    assert_same_counts(count(kernel, *strided, None, spec), expected)
    valid = torch.from_numpy(rng.random(target.shape) < 0.7)
    assert_same_counts(count(kernel, preds, target, valid, spec), by_reference(preds, target, space, valid))
    scores = random_scores(rng, (2, space.num_classes, 9, 104), torch.float32)
    predicted = reference.labels_of_scores(scores.numpy(), space.num_classes)
    expected = by_reference(predicted, target, space, predicted=True)
    assert_same_counts(count(kernel, scores, target, None, spec_of(space, "scores")), expected)


@EVERY
def test_rows_of_images(rng, space):
    preds, target = (random_ids(rng, (3, 9, 11), torch.int32, space) for _ in "pt")
    counts, rows = cpu.count_images(preds, target, None, spec_of(space))
    others = image_by_image(portable.count, preds, target, None, spec_of(space))
    assert_same_counts(counts, others[0])
    assert torch.equal(rows, others[1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=name_of)
@pytest.mark.parametrize("kernel", KERNELS)
def test_ids_in_a_floating_truth(rng, dtype, kernel):
    space = SPACES["many far"]
    near = [1, 2, FAR + 1, FAR + 2, 3 * FAR + 1] if dtype == torch.float64 else [1, 2, 3]
    values = [*near, 1.5, -0.5, float("nan"), float("inf"), -float("inf"), FAR + 1.5]
    target = torch.from_numpy(rng.choice(np.array(values), size=(2, 60))).to(dtype)
    preds = random_ids(rng, (2, 60), torch.int64, space)
    whole = torch.where((target == target.floor()) & target.isfinite(), target, -7).long()
    counts = count(KERNELS[kernel], preds, target, None, spec_of(space))
    assert_same_counts(counts, by_reference(preds, whole, space))


@EVERY
def test_nothing_waits(rng, space, monkeypatch):
    preds, target = (random_ids(rng, (2, 77), torch.int64, space) for _ in "pt")
    expected = by_reference(preds, target, space)
    spec = spec_of(space)
    # Bins of ids are copied to a device once; other bins are made there for each call, under the mode.
    kept = {True: readers.cached_table, False: lambda device, make, *s, kept=False: make(*s, device)}
    monkeypatch.setattr(readers, "cached_table", lambda *s, kept_=kept, kept=False: kept_[kept](*s, kept=kept))
    with NoWait():
        counts = count(None, preds, target, None, spec)
    assert_same_counts(counts, expected)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_map_of_ids(data):
    label = st.one_of(st.integers(-300, 70000), st.sampled_from([FAR, -FAR, 2**63 - 1, -(2**63)]))
    labels = data.draw(st.lists(label, min_size=2, max_size=24, unique=True))
    classes = data.draw(st.integers(1, len(labels) - 1))
    rest = data.draw(st.lists(st.integers(0, classes), min_size=len(labels), max_size=len(labels)))
    ids = [[labels[c]] + [i for i, c_ in zip(labels[classes:], rest, strict=False) if c_ == c] for c in range(classes)]
    void = [i for i, c in zip(labels[classes:], rest, strict=False) if c == classes]
    space = LabelSpace(classes, ids=ids, ignore_index=void)
    stored = st.lists(st.one_of(st.sampled_from(labels), label), min_size=1, max_size=200)
    target = torch.tensor(data.draw(stored))
    preds = target.flip(0)
    expected = by_reference(preds, target, space)
    for kernel in KERNELS.values():
        assert_same_counts(count(kernel, preds, target, None, spec_of(space)), expected)


def test_a_wrong_reference_is_noticed():
    space = SPACES["city"]
    target = torch.tensor([7, 8, 12, 0])
    wrong = LabelSpace(3, ids=[7, 8, 11], ignore_index=[0, 12])
    with pytest.raises(pytest.fail.Exception, match="differ"):
        assert_same_counts(count(cpu.count, target, target, None, spec_of(space)), by_reference(target, target, wrong))


# The public functions.


def test_the_same_from_ids_and_from_classes():
    rng = np.random.default_rng(0)
    space = SPACES["city"]
    classes = random_map(rng, (2, 40), torch.uint8, 3).clamp(max=2)
    stored = torch.tensor([7, 8, 12])[classes.long()]
    plain = confusion_matrix(classes, classes.roll(1), 3)
    assert torch.equal(confusion_matrix(stored, stored.roll(1), label_space=space), plain)
    assert torch.equal(confusion_matrix(classes, stored.roll(1), label_space=space, pred_ids="classes"), plain)
    metric = MeanIoU(label_space=space, average="none")
    metric.update(stored, stored.roll(1))
    assert torch.equal(metric.compute(), mean_iou(classes, classes.roll(1), 3, average="none"))
    assert metric.report().classes[2].name == "2"


def test_a_class_whose_ids_are_void_is_in_no_mean():
    space = LabelSpace(3, ids=[1, 2, 3], ignore_index=[2])
    value = mean_iou(torch.tensor([1, 1, 3]), torch.tensor([1, 2, 3]), label_space=space, average="none")
    assert value[[0, 2]].tolist() == [1, 1]
    assert value[1].isnan()
    assert (
        mean_iou(torch.eye(3)[[1, 2, 2, 2, 2, 0]], torch.tensor([1, 3, 3, 3, 3, 2]), label_space=space) == 0.5
    )  # the first: a miss


def test_reduce_zero_label_is_what_others_call_so():
    target = torch.tensor([0, 1, 2, 255, 3])
    preds = torch.tensor([0, 0, 1, 2, 1])
    others = (target - 1).masked_fill((target == 0) | (target == 255), 255)
    expected = confusion_matrix(preds, others, 3, ignore_index=255, include_void=True)
    assert torch.equal(
        confusion_matrix(preds, target, label_space=LabelSpace.reduce_zero_label(3), include_void=True), expected
    )
    assert LabelSpace.reduce_zero_label(300).ignore_index == (0,)


def test_metrics_of_other_ids_do_not_merge():
    a, b = MeanIoU(label_space=LabelSpace(2, ids=[5, 6])), MeanIoU(label_space=LabelSpace(2, ids=[6, 5]))
    with pytest.raises(ValueError, match="ids="):
        a.merge_state(b)
    a.merge_state(MeanIoU(label_space=LabelSpace(2, ids=[5, 6], class_names=["a", "b"])))


def test_labels_outside_are_named_with_what_they_look_like():
    space = SPACES["city"]
    x, bad = torch.tensor([7, 8]), torch.tensor([7, 255])
    for args, side, parts in (
        ((bad, x), "preds", ["1 pixel outside the ids of the 3 classes", "index (1,): 255", "pred_ids='classes'"]),
        ((x, bad), "target", ["1 pixel outside the ids of the 3 classes", "ground truth with its original ids"]),
        ((x, torch.tensor([7, 99])), "target", ["index (1,): 99", "target holds"]),
    ):
        with pytest.raises(LabelRangeError) as error:
            mean_iou(*args, label_space=space)
        assert_sentence(error, *parts)
        assert error.value.side == side
    with pytest.raises(
        LabelRangeError, match=r"preds holds 1 .*\. If they are mine, say so\. Otherwise .*add it to the LabelSpace"
    ):
        mean_iou(bad, x, label_space=space.replace(hint="if they are mine, say so"))


def test_class_numbers_where_ids_are_expected_are_doubted():
    space = LabelSpace(3, ids=[7, 8, 11], ignore_index=[0, 1, 2])
    target = torch.tensor([7, 8, 11] * 20)
    metric = MeanIoU(label_space=space)
    metric.update(torch.tensor([0, 1, 2] * 20), target)
    with pytest.warns(
        UserWarning,
        match=r"0 of 60 .* 60\b.*pred_ids='classes'",
    ):
        assert metric.compute() == 0
    metric = MeanIoU(label_space=space)
    metric.update(target.masked_fill(torch.arange(60) < 10, 0), target.masked_fill(torch.arange(60) == 59, 1))
    assert metric.compute() < 1  # a few of them are no reason


@pytest.mark.parametrize(
    ("settings", "kind", "parts"),
    [
        ({"ids": [7]}, ValueError, ["ids has 1 entries", "expected 2"]),
        ({"ids": [7, 7]}, ValueError, ["ids holds 7 twice"]),
        ({"ids": [(7, 8), 8]}, ValueError, ["ids holds 8 twice"]),
        ({"ids": [7, ()]}, ValueError, ["ids has no id for class 1"]),
        ({"ids": {7: 0}}, ValueError, ["ids has no id for class 1"]),
        ({"ids": {7: 0, 8: 2}}, ValueError, ["ids maps 8 to class 2", "ignore_index"]),
        ({"ids": [7, 1.5]}, TypeError, ["ids holds 1.5"]),
        ({"ids": [7, "8"]}, TypeError, ["ids holds '8'"]),
        ({"ids": [7, 2**63]}, ValueError, ["ids holds", "int64"]),
        ({"ids": 7}, TypeError, ["ids is 7"]),
        ({"pred_ids": "raw"}, ValueError, ["pred_ids is 'raw'", "'ids', 'classes'"]),
        ({"pred_ids": [1]}, ValueError, ["pred_ids has 1 entries"]),
        ({"pred_void": "a"}, TypeError, ["pred_void holds 'a'"]),
        ({"ignore_index": "a"}, TypeError, ["ignore_index holds 'a'"]),
        ({"instances": "% 7"}, ValueError, ["instances is '% 7'"]),
        ({"colors": [1, 2]}, TypeError, ["colors is 1"]),
        ({"colors": [(0, 0, 0)]}, ValueError, ["colors is [(0, 0, 0)]", "expected 2"]),
        ({"colors": [(0, 0, 0), (0, 0, 256)]}, ValueError, ["colors", "0 to 255"]),
        ({"class_groups": {"a": [2]}}, ValueError, ["The group 'a' holds 2"]),
    ],
    ids=str,
)
def test_a_space_that_is_off(settings, kind, parts):
    with pytest.raises(kind) as error:
        LabelSpace(2, **settings)
    assert_sentence(error, *parts)


def test_a_space_is_a_value():
    space = LabelSpace(
        2,
        ids={11: 1, 7: 0, 12: 1},
        ignore_index=0,
        class_names=["a", "b"],
        class_groups={"g": ["b"]},
        colors=[[1, 2, 3]] * 2,
    )
    assert space.ids == ((7,), (11, 12))
    assert (space.class_groups, space.colors) == ((("g", (1,)),), ((1, 2, 3), (1, 2, 3)))
    assert space == LabelSpace(
        2, ids=[7, (11, 12)], ignore_index=[0], class_names=["a", "b"], class_groups={"g": [1]}, colors=[[1, 2, 3]] * 2
    )
    assert hash(space) == hash(space.replace())
    assert space.replace(ignore_index=5).ids == space.ids
    assert space.replace(pred_ids="classes").replace(class_names=["c", "d"]).pred_ids is None
    for same in SPACES.values():
        assert same.replace() == same.replace(class_names=None) == same
        assert same.replace().tables == same.tables
    assert SPACES["other preds"].replace(pred_ids="ids").pred_ids == ((5,), (6,), (7,))
    assert space != LabelSpace(2)


def test_a_metric_with_ids_is_copied_pickled_and_compiled():
    import copy
    import pickle

    target = torch.tensor([[7, 8, 26, 0]])
    metric = MeanIoU(protocol="cityscapes")
    metric.update(target, target)
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        other.update(target, target)
        assert torch.equal(other.counts, 2 * metric.counts)
        assert str(other.report()).endswith("protocol: cityscapes")
    update = torch.compile(metric.update, fullgraph=True, backend="eager")
    update(target, target)
    assert metric.counts.sum() == 8
    assert metric.compute() == 1


def test_ids_without_gaps_are_no_matter_of_time():
    """A loop over all labels for each label would take minutes."""
    spec = CountSpec("labels", "labels", 2, tuple(range(256, 200_000)))
    x = torch.tensor([0, 1, 199_999, 200_000])
    assert portable.count(x, x, None, spec).diagonal().tolist() == [1, 1, 1, 1]


def test_what_a_metric_shows_of_its_ids():
    assert "pred_ids='classes'" in repr(MeanIoU(protocol="cityscapes", pred_ids="classes"))
    assert "ids='...'" in repr(SPACES and MeanIoU(label_space=SPACES["city"]))
    assert "ids" not in repr(MeanIoU(3))
