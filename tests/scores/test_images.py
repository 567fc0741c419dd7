"""Scores per image: the stored rows, the orders of averaging and the table, against formulas in plain NumPy."""

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from support import assert_sentence, random_map
from support.images import VOID, C, metric_of
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics import MetricCollection

from meaniou import MeanIoU, Resampling, compare, mean_iou, reference
from meaniou.metrics.checked.image_ids import without_repeated_void
from meaniou.metrics.state.images import ImageLists
from meaniou.scores import lowest


def scenes(rng, number=12, empty=True):
    """Images with absent classes, one of them all void; labels 0 .. C-1 and 255."""
    preds, target = [], []
    for i in range(number):
        here = rng.permutation(C)[: rng.integers(1, C + 1)]
        truth = rng.choice(np.append(here, VOID), size=(6, 7))
        if empty and i == 3:
            truth[:] = VOID
        prediction = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, C, size=truth.shape))
        preds.append(prediction)
        target.append(truth)
    return torch.from_numpy(np.stack(preds)), torch.from_numpy(np.stack(target))


# The formulas, image by image.


def table_by_definition(maps, present="union", absent="skip", void_preds="miss"):
    """IoU of each class in each image, NaN where the class is not active, and for images without a valid pixel."""
    rows = []
    for preds, target in zip(*(m.numpy() for m in maps), strict=True):
        if (target == VOID).all() or (void_preds == "drop" and not ((target != VOID) & (preds != VOID)).any()):
            rows.append([math.nan] * C)
            continue
        settings = {"present": present, "absent": absent, "void_preds": void_preds}
        rows.append(reference.class_iou(preds, target, C, VOID, **settings))
    return np.array(rows)


def mean_by_definition(values):
    defined = [v for v in values if not math.isnan(v)]
    return sum(defined) / len(defined) if defined else math.nan


def lowest_by_definition(values, q):
    defined = sorted(v for v in values if not math.isnan(v))
    if not defined:
        return math.nan
    return sum(defined[: max(1, math.floor(Fraction(q) * len(defined) / 100))]) / max(
        1, math.floor(Fraction(q) * len(defined) / 100)
    )


def value_by_definition(table, over, worst=(100,)):
    means = []
    for q in worst:
        if over == "image":
            means.append(lowest_by_definition([mean_by_definition(row) for row in table], q))
        else:
            means.append(mean_by_definition([lowest_by_definition(column, q) for column in table.T]))
    return sum(means) / len(means)


@pytest.mark.parametrize("worst", [None, 1, 5, 25, 50, 100, (10, 20, 30, 100)], ids=str)
@pytest.mark.parametrize("present", ["union", "target"])
@pytest.mark.parametrize("over", ["image", "class"])
def test_the_orders_of_averaging(rng, over, present, worst):
    for void_preds in ("miss", "drop"):
        for absent in ("skip", "zero", "one"):
            maps = scenes(rng)
            rules = {"present": present, "absent": absent, "void_preds": void_preds}
            metric = metric_of(maps, over=over, worst_percent=worst, **rules)
            shares = (100,) if worst is None else worst if isinstance(worst, tuple) else (worst,)
            expected = value_by_definition(table_by_definition(maps, **rules), over, shares)
            assert metric.compute().item() == pytest.approx(expected, rel=1e-6)
            assert metric.bootstrap().value == pytest.approx(expected, rel=1e-12)


def test_each_class_over_its_images(rng):
    maps = scenes(rng)
    table = table_by_definition(maps)
    by_class = metric_of(maps, over="class", average="none").compute()
    assert by_class.tolist() == pytest.approx([mean_by_definition(column) for column in table.T], rel=1e-6)


def test_a_case_by_hand():
    """Image 1: 1/2 and 1/2 for classes 0 and 1; image 2: 1 for class 0; image 3: void; class 3 only predicted in 4."""
    target = torch.tensor([[[0, 0, 1]], [[0, 0, 0]], [[255, 255, 255]], [[2, 2, 2]]])
    preds = torch.tensor([[[0, 1, 1]], [[0, 0, 0]], [[1, 1, 1]], [[2, 2, 3]]])
    by_image = metric_of((preds, target), over="image")
    # Image 4 has 2/3 for class 2, and 0 for class 3.
    assert by_image.compute().item() == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert metric_of((preds, target), over="image", present="target").compute().item() == pytest.approx(
        (1 / 2 + 1 + 2 / 3) / 3
    )
    assert metric_of((preds, target), over="class").compute().item() == pytest.approx((3 / 4 + 1 / 2 + 2 / 3 + 0) / 4)
    assert metric_of((preds, target), over="image", worst_percent=50).compute().item() == pytest.approx(1 / 3)
    assert metric_of((preds, target), over="image", worst_percent=67).compute().item() == pytest.approx(
        (1 / 2 + 1 / 3) / 2
    )
    table = by_image.image_scores()
    assert table.ids == (3, 0, 1, 2)
    assert table.mean_iou[:3] == pytest.approx((1 / 3, 1 / 2, 1))
    assert math.isnan(table.mean_iou[3])
    assert np.isnan(table.iou[3]).all()
    assert table.iou[0].tolist() == pytest.approx([math.nan, math.nan, 2 / 3, 0], nan_ok=True)


def test_the_worst_share_is_counted_in_whole_numbers():
    """``int(29 / 100 * 100)`` is 28."""
    assert [lowest(100, 29), lowest(90, 70), lowest(3, 1), lowest(1000, 0.1), lowest(7, 100)] == [29, 63, 1, 1, 7]


# The stored rows.


@pytest.mark.parametrize("impl", ["cpu", "portable"])
@pytest.mark.parametrize("form", ["labels", "scores", "lists", "valid"])
def test_rows_are_those_of_the_definition(rng, impl, form):
    shapes = [(5, 8), (3, 9), (1, 1), (6, 2)] if form == "lists" else [(5, 8)] * 4
    target = [random_map(rng, shape, torch.uint8, C, [VOID]).clamp(max=VOID) for shape in shapes]
    target = [torch.where((t >= C) & (t != VOID), 0, t) for t in target]
    preds = [t.flip(0).masked_fill(t.flip(0) == VOID, 1) for t in target]
    valid = [torch.from_numpy(rng.random(shape) < 0.6) for shape in shapes] if form == "valid" else None
    metric = MeanIoU(C, ignore_index=VOID, per_image=True, impl=impl)
    if form == "lists":
        metric.update(preds, target)
    else:
        labels = torch.stack(preds)
        preds_in_form = torch.eye(C)[labels.long()].movedim(-1, 1) if form == "scores" else labels
        metric.update(preds_in_form, torch.stack(target), None if valid is None else torch.stack(valid))
    rows, ids = metric._joined()
    assert ids.tolist() == [-1] * 4
    for i, row in enumerate(rows.numpy()):
        mask = None if valid is None else valid[i].numpy()
        counts = reference.counts(preds[i].numpy(), target[i].numpy(), C, VOID, mask)
        assert row.tolist() == [
            counts.diagonal()[:C].tolist(),
            counts[:C].sum(1).tolist(),
            counts[:C, :C].sum(0).tolist(),
            counts[:C, C].tolist(),
        ]
    assert rows[:, 1].sum() == metric.counts[:C].sum()


def test_rows_take_as_much_memory_as_they_say():
    metric = MeanIoU(171, per_image=True)
    x = torch.zeros(50, 1, 3, dtype=torch.uint8)
    for _ in range(100):
        metric.update(x, x)
    rows, ids = metric._joined()
    assert rows.nbytes + ids.nbytes <= 28_000_000
    assert len(rows) == 5000


@pytest.mark.parametrize(
    ("preds", "target"),
    [
        (torch.zeros(3, 5).long(), torch.zeros(3, 5).long()),
        (torch.zeros(4).long(), torch.zeros(4).long()),
        (torch.zeros(5, C), torch.zeros(5).long()),
    ],
    ids=["map", "line", "points"],
)
def test_a_map_without_images_is_refused(preds, target):
    metric = MeanIoU(C, per_image=True)
    with pytest.raises(ValueError, match="batch dimension") as error:
        metric.update(preds, target)
    assert_sentence(error, "for each image", "preds[None] and target[None]")
    assert len(metric._joined()[0]) == metric.counts.sum() == metric.update_count == 0


@pytest.mark.parametrize(
    ("ids", "kind", "part"),
    [
        ([1], ValueError, "[1]"),
        ([1, -2], ValueError, "ids holds -2"),
        ([1, 2**63], ValueError, "ids holds 9223372036854775808"),
        ([1, 2.5], TypeError, "ids holds 2.5"),
        (["a", 2], TypeError, "2 (int)"),
        (torch.tensor([0.0, 1.0]), TypeError, "torch.float32"),
        (torch.tensor([True, False]), TypeError, "torch.bool"),
        (torch.tensor([[1], [2]]), ValueError, "[2, 1]"),
    ],
    ids=str,
)
def test_ids_that_are_off_change_nothing(ids, kind, part):
    metric = metric_of((torch.zeros(2, 2, 2).long(),) * 2, [7, 8])
    with pytest.raises(kind) as error:
        metric.update(torch.zeros(2, 2, 2).long(), torch.zeros(2, 2, 2).long(), image_ids=ids)
    assert_sentence(error, "image_ids", part)
    assert metric._joined()[1].tolist() == [7, 8]
    assert metric.counts.sum() == 8


def test_ids_need_rows():
    x = torch.zeros(1, 3, 3).long()
    with pytest.raises(ValueError, match=r"image_ids .*per_image=True"):
        MeanIoU(2).update(x, x, image_ids=[1])
    for ask in ("image_scores", "bootstrap", "bootstrap_classes"):
        metric = MeanIoU(2)
        metric.update(x, x)
        with pytest.raises(ValueError, match="per_image=True"):
            getattr(metric, ask)()


def test_an_image_that_is_counted_twice_is_said_and_changes_no_number():
    x = torch.zeros(3, 2, 2).long()
    y = x.clone()
    y[0] = 1
    metric = metric_of((x, y), [5, 5, 7])
    for ask in (metric.compute, metric.report, metric.image_scores, metric.bootstrap):
        with pytest.warns(UserWarning, match=r"1 image was counted more than once .*the first is 5.*valid=False"):
            ask()
    assert mean_iou(x, y, C) == metric._computed
    assert metric_of((x, y)).compute() == metric._computed  # without ids nothing is known


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"over": "images"}, "over is 'images'"),
        ({"worst_percent": 5}, "over='image'"),
        ({"over": "image", "worst_percent": 0}, "worst_percent holds 0"),
        ({"over": "image", "worst_percent": [5, 101]}, "worst_percent holds 101"),
        ({"over": "image", "worst_percent": "5"}, "worst_percent holds '5'"),
        ({"over": "image", "average": "none"}, "average is 'none' and over is 'image'"),
        ({"over": "class", "average": "micro"}, "average is 'micro' and over is 'class'"),
        ({"per_image": 1}, "per_image is 1"),
    ],
    ids=str,
)
def test_settings_that_are_off(settings, part):
    with pytest.raises((ValueError, TypeError)) as error:
        MeanIoU(3, **settings)
    assert_sentence(error, part)


# The contract with torchmetrics, for rows as for counts.


def assert_same_rows(a, b):
    for x, y in zip(a._joined(), b._joined(), strict=True):
        assert torch.equal(x, y)
    assert torch.equal(a.counts, b.counts)


def test_forward_reset_merge_and_copies(rng):
    maps = scenes(rng)
    ids = list(range(len(maps[0])))
    whole = metric_of(maps, ids)
    by_forward = MeanIoU(C, ignore_index=VOID, per_image=True)
    for i in ids:
        one = [m[i : i + 1] for m in maps]
        value = by_forward(*one, image_ids=[i])
        assert torch.equal(value.nan_to_num(-1), metric_of(one, over="dataset").compute().nan_to_num(-1))
    assert_same_rows(by_forward, whole)
    first, second = (metric_of([m[part] for m in maps], ids[part]) for part in (slice(0, 5), slice(5, None)))
    first.merge_state(second)
    assert_same_rows(first, whole)
    other = metric_of([m[:5] for m in maps], ids[:5])
    other.merge_state(second.metric_state)
    assert_same_rows(other, whole)
    for copied in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        assert_same_rows(copied, whole)
        copied.reset()
        assert len(copied._joined()[0]) == 0
        assert len(whole._joined()[0]) == len(ids)
    assert_same_rows(whole.half().to("cpu"), first)


def test_a_refused_forward_keeps_the_rows(rng):
    """The base class empties its lists in place, which a copy may share."""
    maps = scenes(rng)
    for settings in ({}, {"over": "image"}):
        metric, same = (metric_of(maps, range(12), **settings) for _ in range(2))
        pair = MetricCollection({"a": metric, "b": MeanIoU(C, ignore_index=VOID, per_image=True)})
        pair.update(*maps, image_ids=range(12, 24))
        same.update(*maps, image_ids=range(12, 24))
        for bad in ((maps[0], maps[1] + 7), (maps[0], maps[1], None, [1.5] * 12)):
            for called in (metric, pair):
                with pytest.raises((ValueError, TypeError)):
                    called(*bad)
        assert_same_rows(metric, same)
        assert metric.compute() == same.compute()


def test_a_state_that_was_taken_outlives_the_metric(rng):
    maps = scenes(rng)
    metric, other = metric_of(maps, range(12)), MeanIoU(C, ignore_index=VOID, per_image=True)
    state = metric.metric_state
    metric(*maps)
    metric.reset()
    other.merge_state(state)
    assert_same_rows(other, metric_of(maps, range(12)))


def test_repeated_images_that_are_not_valid_are_not_there(rng):
    maps = scenes(rng)
    plain, padded = metric_of(maps, range(12)), metric_of(maps, range(12))
    padded.update(*maps, torch.zeros(12, dtype=torch.bool), image_ids=range(12))
    assert padded.image_scores().to_csv() == plain.image_scores().to_csv()  # and no warning, which would be an error
    assert padded.bootstrap() == plain.bootstrap()
    assert compare(padded, plain).p_value == 1
    assert sorted(padded.image_scores().ids) == list(range(12))  # one of them is void in both rows


def test_names_do_not_hinder_a_merge(rng):
    a, b = metric_of(scenes(rng)), metric_of(scenes(rng))
    before = a.counts
    with pytest.raises(TypeError, match="image_names"):
        a.image_names = ["x"]
    with pytest.raises(TypeError, match="image_names"):
        a.merge_state(b.snapshot() | {"image_names": ["x"]})
    assert a.counts is before
    assert a.image_names == {}


def test_state_dict(rng):
    maps = scenes(rng)
    metric = metric_of(maps, list(range(12)))
    metric.persistent(True)
    other = MeanIoU(C, ignore_index=VOID, per_image=True)
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    assert_same_rows(other, metric)
    assert other.update_called
    assert other.compute() == metric.compute()
    plain = MeanIoU(C, ignore_index=VOID)
    plain.persistent(True)
    with pytest.raises(RuntimeError, match="per_image=False"):
        plain.load_state_dict(metric.state_dict())
    with pytest.raises(ValueError, match=r"per_image=False.* per_image=True"):
        metric.merge_state(plain)
    broken = metric.metric_state | {"image_ids": metric.metric_state["image_ids"][:-1]}
    for state in (broken, broken | {"image_rows": None}):
        with pytest.raises(ValueError, match="'image_rows' and 'image_ids'"):
            other.merge_state(state)
    assert_same_rows(other, metric)


def test_a_collection_counts_rows_once(rng):
    maps = scenes(rng)
    names = ("dataset", "image", "class")
    collection = MetricCollection({n: MeanIoU(C, ignore_index=VOID, over=n, per_image=True) for n in names})
    for _ in range(3):
        collection.update(*maps)
    assert [sorted(group) for group in collection.compute_groups.values()] == [sorted(names)]
    values = collection.compute()
    for name in names:
        alone = metric_of([torch.cat([m] * 3) for m in maps], over=name)
        assert values[name] == alone.compute()


def test_the_order_of_images_does_not_matter(rng):
    maps = scenes(rng)
    ids = rng.permutation(12)
    shuffled = rng.permutation(12)
    for image_ids in (ids, None):
        a = metric_of(maps, image_ids)
        b = metric_of([m[shuffled] for m in maps], None if image_ids is None else image_ids[shuffled], batch=1)
        for of in ("mean", "accuracy"):
            assert a.bootstrap(of) == b.bootstrap(of)
        assert a.bootstrap_classes() == b.bootstrap_classes()
        if image_ids is not None:
            assert a.image_scores().to_csv() == b.image_scores().to_csv()


# The memory of rows.


class Meter(TorchDispatchMode):
    """Adds up the bytes that are copied when tensors are joined."""

    def __init__(self):
        super().__init__()
        self.copied = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.cat.default:
            self.copied += result.nbytes
        return result


@pytest.mark.parametrize("order", ["equal", "falling", "rising", "one large among small", "some empty"])
def test_a_list_of_rows_stays_short_and_is_seldom_copied(order):
    generator = np.random.default_rng(3)
    sizes = {
        "equal": [2] * 4000,
        "falling": [60 - i // 40 for i in range(2000)],
        "rising": [1 + i // 40 for i in range(2000)],
        "one large among small": [1] * 31 + [5000] + [1] * 3000,
        "some empty": generator.integers(0, 5, 3000).tolist(),
    }[order]
    rows, ids, longest, start = [], [], 0, 0
    with Meter() as meter:
        for size in sizes:
            part = torch.arange(start, start + size)
            start += size
            rows, ids, _ = ImageLists([*rows, part[:, None, None].expand(-1, 4, 2)], [*ids, part], []).shortened()
            longest = max(longest, len(rows))
    assert longest <= 64
    assert torch.cat(ids).tolist() == list(range(start))
    assert torch.cat(rows)[:, 3, 1].tolist() == list(range(start))
    assert [len(part) for part in rows] == [len(part) for part in ids]
    assert meter.copied <= 9 * 8 * start * math.log(start, 1.5)


@pytest.mark.parametrize("call", ["update", "forward", "merge_state"])
def test_what_an_update_costs_does_not_grow_with_the_batches(call):
    """No list of all batches is copied."""
    metric, one = MeanIoU(2, per_image=True), MeanIoU(2, per_image=True)
    x = torch.zeros(1, 1, 1, dtype=torch.uint8)
    one.update(x, x, image_ids=[0])
    for i in range(200):
        if call == "merge_state":
            metric.merge_state(one)
        else:
            (metric if call == "forward" else metric.update)(x, x, image_ids=[i])
        assert len(metric.image_rows) == len(metric.image_ids) <= 64
    rows, ids = metric._joined()
    assert ids.tolist() == ([0] * 200 if call == "merge_state" else list(range(200)))
    assert rows.sum() == 3 * 200
    assert metric.counts.sum() == 200


def test_rows_on_two_devices_are_joined_where_the_old_ones_are():
    """With ``compute_on_cpu`` the rows of the newest batch are still on the accelerator."""
    old, new = torch.zeros(1, 4, 2, dtype=torch.int64, device="meta"), torch.zeros(1, 4, 2, dtype=torch.int64)
    joined, ids, _ = ImageLists([old] * 64 + [new], [old[:, 0, 0]] * 64 + [new[:, 0, 0]], []).shortened()
    assert [part.device.type for part in joined] == ["meta"]
    assert ids[0].shape == (65,)


@pytest.mark.parametrize("ask", ["compute", "report", "image_scores", "bootstrap", "compare"])
def test_repeated_rows_are_removed_once_for_each_result(rng, ask, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "meaniou.metrics.checked.checked_metric.without_repeated_void",
        lambda *args: calls.append(args) or without_repeated_void(*args),
    )
    metric = metric_of(scenes(rng), range(12), over="image")
    other = metric_of(scenes(rng), range(12), over="image")
    other._joined = metric._joined
    results = {name: getattr(metric, name) for name in ("compute", "report", "image_scores", "bootstrap")}
    results["compare"] = lambda: compare(metric, other)
    results[ask]()
    assert len(calls) == 1 + (ask == "compare")


def test_a_collection_hands_ids_to_metrics_that_keep_rows(rng):
    preds, target = scenes(rng)
    collection = MetricCollection(
        {"rows": MeanIoU(C, ignore_index=VOID, per_image=True), "none": MeanIoU(C, ignore_index=VOID)}
    )
    for call in (collection.update, collection, collection.update):
        call(preds, target, image_ids=range(12))
    collection.reset()
    collection.update(preds, target, image_ids=range(12))
    assert sorted(collection["rows"].image_scores().ids) == list(range(12))
    assert torch.equal(collection["rows"].counts, collection["none"].counts)
    with pytest.raises(ValueError, match=r"image_ids .*per_image=True"):
        collection["none"].update(preds, target, image_ids=range(12))


def test_metrics_that_differ_in_the_kernel_are_alike(rng, tmp_path):
    maps = scenes(rng)
    a, b = (metric_of(maps, range(12), impl=impl) for impl in ("auto", "portable"))
    assert compare(a, b).value == 0
    assert (a.input_settings, hash(a.input_settings)) == (b.input_settings, hash(b.input_settings))
    b.save(tmp_path / "b")
    assert MeanIoU.load(tmp_path / "b").input_settings.impl == "portable"
    assert MeanIoU.load(tmp_path / "b", impl="auto").input_settings.impl == "auto"
    a.merge_state(MeanIoU.load(tmp_path / "b"))
    assert len(a._joined()[0]) == 24


# The names of images without ids.


def test_images_without_ids_are_numbered_as_they_were_counted(rng):
    maps = scenes(rng)
    named, unnamed = metric_of(maps, range(12)), metric_of(maps)
    assert unnamed.image_scores().to_csv() == metric_of(maps, batch=1).image_scores().to_csv()
    assert sorted(unnamed.image_scores().ids) == list(range(12))
    values = dict(zip(named.image_scores().ids, named.image_scores().mean_iou, strict=True))
    for number, value in zip(unnamed.image_scores().ids, unnamed.image_scores().mean_iou, strict=True):
        assert value == pytest.approx(values[number], nan_ok=True)
    worst = unnamed.report().images.worst
    assert [image for image, _ in worst] == list(unnamed.image_scores().images[:10])
    assert unnamed.bootstrap() == metric_of([m.flip(0) for m in maps]).bootstrap()  # whatever the order
    unnamed.merge_state(metric_of([m[:3] for m in maps]))
    assert sorted(unnamed.image_scores().ids) == list(range(15))


def test_images_of_which_some_have_ids_are_not_numbered(rng):
    maps = scenes(rng)
    metric = metric_of(maps, range(100, 112))
    metric.merge_state(metric_of([m[:2] for m in maps]))
    assert sorted(metric.image_scores().ids) == [-1, -1, *range(100, 112)]


def test_the_table_as_text_and_as_a_frame(rng):
    pandas = pytest.importorskip("pandas")
    metric = metric_of(scenes(rng), list(range(12)))
    table = metric.image_scores()
    assert len(table) == 12
    lines = table.to_csv().splitlines()
    assert lines[0] == "image,mean_iou,0,1,2,3"
    assert lines[1].split(",")[0] == str(table.ids[0])
    assert lines[-1] == "3,,,,,"
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.tolist() == list(table.ids)
    assert frame["mean_iou"].tolist() == pytest.approx(list(table.mean_iou), nan_ok=True)
    text = str(table).splitlines()
    assert text[0].split() == ["image", "worst", "classes", "mIoU"]
    assert text[2].split()[0] == str(table.ids[0])


@pytest.mark.parametrize("name", ["mean_iou", "image"])
def test_a_class_that_is_named_like_another_column_is_refused(name):
    pytest.importorskip("pandas")
    metric = MeanIoU(2, class_names=["a", name], per_image=True)
    metric.update(torch.tensor([[[0, 1, 1, 1]]]), torch.tensor([[[0, 1, 0, 1]]]), image_ids=[0])
    for form in (metric.image_scores().to_csv, metric.image_scores().to_pandas):
        with pytest.raises(ValueError, match="column") as error:
            form()
        assert_sentence(error, repr(name), "rename the class")


def test_a_report_of_images_with_intervals(rng):
    maps = scenes(rng)
    metric = metric_of(maps, list(range(12)))
    plain = metric.report()
    assert plain.intervals is None
    assert plain.images.number == 12
    assert plain.images.skipped == 1
    assert plain.images.mean_over_images == pytest.approx(value_by_definition(table_by_definition(maps), "image"))
    assert plain.images.mean_over_classes == pytest.approx(value_by_definition(table_by_definition(maps), "class"))
    table = metric.image_scores()
    assert plain.images.worst == tuple(zip(table.ids[:10], table.mean_iou[:10], strict=True))
    report = metric.report(bootstrap=Resampling(resamples=30, confidence=0.9))
    assert report.intervals.mean_iou == metric.bootstrap(resamples=30, confidence=0.9)
    assert report.intervals.pixel_accuracy == metric.bootstrap("accuracy", resamples=30, confidence=0.9)
    assert report.intervals.classes == metric.bootstrap_classes(resamples=30, confidence=0.9)
    assert report.mean_iou == report.intervals.mean_iou.value
    lines = str(report).splitlines()
    assert lines[0].split()[:6] == ["class", "IoU", "90", "%", "interval", "Dice"]
    interval = report.intervals.mean_iou
    assert f"{100 * interval.low:.2f} to {100 * interval.high:.2f}" in str(report)
    assert report.to_dict()["intervals"]["mean_iou"]["low"] == interval.low
    assert report.to_dict()["images"]["skipped"] == 1
    for settings in ({}, {"over": "image"}, {"average": "micro"}):
        assert metric_of(maps, **settings).report(bootstrap=True).intervals.mean_iou.value == plain.mean_iou
    with pytest.raises(ValueError, match="per_image=True"):
        MeanIoU(2).report(bootstrap=True)
    assert metric.report(bootstrap=Resampling()).intervals == metric.report(bootstrap=True).intervals
    for wrong in (100, {"resamples": 30}, None):
        with pytest.raises(TypeError, match="Resampling") as error:
            metric.report(bootstrap=wrong)
        assert_sentence(error, f"bootstrap is {wrong!r}")
    dropped = metric.report(absent="zero")
    assert dropped.images.mean_over_images < plain.images.mean_over_images
