"""Image ids that are names: their hashes, where they are shown, and which ones raise."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from support import assert_sentence
from torchmetrics import MetricCollection

from meaniou import MeanIoU, compare
from meaniou.metrics.checked import image_ids
from meaniou.scores import id_of

NAMES = ["city/a", "b.png", "ä"]
TARGET = torch.tensor([[[0, 1, 1]], [[0, 0, 1]], [[1, 1, 1]]])
PREDS = torch.tensor([[[0, 1, 0]], [[0, 0, 1]], [[0, 0, 1]]])


def made(ids=None, **settings):
    metric = MeanIoU(2, per_image=True, **settings)
    if ids is not None:
        metric.update(PREDS[: len(ids)], TARGET[: len(ids)], image_ids=ids)
    return metric


def state(metric):
    rows, ids = metric.snapshot()["image_rows"][0], metric.snapshot()["image_ids"][0]
    return metric.counts.tolist(), rows.tolist(), ids.tolist(), dict(metric.image_names), metric.update_count


def test_the_number_of_a_name_stays():
    """Saved files of other versions are paired by this number."""
    assert id_of("city/a") == 0x70BF67B9D6CDB04D
    assert all(0 <= id_of(name) < 2**63 for name in NAMES)
    assert len({id_of(name) for name in map(str, range(10_000))}) == 10_000


@pytest.mark.parametrize("ids", [NAMES, tuple(NAMES), dict.fromkeys(NAMES)], ids=["list", "tuple", "dict"])
def test_names_are_seen_wherever_ids_are(ids):
    metric = made(ids)
    by_number = made([id_of(name) for name in NAMES])
    assert state(metric)[:3] == state(by_number)[:3]
    assert metric.image_names == {id_of(name): name for name in NAMES}
    assert by_number.image_names == {}
    table = metric.image_scores()
    assert table.images == ("ä", "city/a", "b.png")
    assert table.ids == tuple(map(id_of, table.images))
    assert metric.compute() == by_number.compute()


def test_an_image_that_is_counted_twice_is_named():
    with pytest.warns(UserWarning, match=r"1 image was counted more than once .*the first is b\.png"):
        made(["b.png", "b.png"]).compute()


def test_names_survive(tmp_path):
    metric = made(NAMES)
    metric.save(tmp_path / "a")
    for other in (MeanIoU.load(tmp_path / "a"), copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.image_scores() == metric.image_scores()
        assert other.image_names == metric.image_names
    first, second = made(NAMES[:1]), made()
    second.update(PREDS[1:], TARGET[1:], image_ids=NAMES[1:])
    first.merge_state(second)
    assert first.image_scores() == metric.image_scores()
    by_forward = made()
    for i, name in enumerate(NAMES):
        by_forward(PREDS[i : i + 1], TARGET[i : i + 1], image_ids=[name])
    assert by_forward.image_scores() == metric.image_scores()


def test_a_copy_and_its_source_have_names_of_their_own():
    metric = made(NAMES[:1])
    for other in (copy.copy(metric), metric.clone()):
        other.update(PREDS[:1], TARGET[:1], image_ids=["new"])
        assert set(other.image_names.values()) == {NAMES[0], "new"}
        assert set(metric.image_names.values()) == {NAMES[0]}


def test_names_and_numbers_pair_in_a_comparison():
    other = made()
    other.update(TARGET, TARGET, image_ids=[id_of(name) for name in NAMES])
    assert compare(made(NAMES), other, resamples=20).value < 0
    with pytest.raises(ValueError, match=r"in a only: b\.png"):
        compare(made(NAMES[:2]), made(NAMES[:1]))


def test_a_collection_hands_names_to_metrics_that_keep_rows():
    collection = MetricCollection({"rows": made(), "none": MeanIoU(2)})
    for _ in range(2):
        collection.reset()
        collection.update(PREDS, TARGET, image_ids=NAMES)
    assert collection["rows"].image_names == made(NAMES).image_names
    assert torch.equal(collection["rows"].counts, collection["none"].counts)


@pytest.mark.parametrize(
    ("ids", "kind", "parts"),
    [
        (["a", 1], TypeError, ("1 (int)", "strings")),
        ([1, "a"], TypeError, ("1 (int)", "strings")),
        (["a", None], TypeError, ("None (NoneType)", "strings")),
        (["a", ""], ValueError, ("empty",)),
        (["a", "b", "c"], ValueError, ("[3]", "[2]")),
        ("ab", TypeError, ("'ab'", "list")),
        ([b"a", b"b"], TypeError, ("b'a'", "strings")),
    ],
    ids=str,
)
@pytest.mark.parametrize("call", ["update", "forward"])
def test_names_that_are_off_change_nothing(ids, kind, parts, call):
    metric = made(NAMES)
    before = state(metric)
    with pytest.raises(kind) as error:
        (metric.update if call == "update" else metric)(PREDS[:2], TARGET[:2], image_ids=ids)
    assert_sentence(error, "image_ids", *parts)
    assert state(metric) == before


@pytest.mark.parametrize("maps", [(PREDS, TARGET + 5), (PREDS[:1], TARGET)], ids=["labels", "shapes"])
def test_a_refused_batch_adds_no_names(maps):
    metric = made()
    with pytest.raises(ValueError, match="target"):
        metric.update(*maps, image_ids=NAMES)
    assert metric.image_names == {}


def test_two_names_with_one_number_are_refused(monkeypatch):
    """In one batch before anything is counted; in two batches when results are computed."""
    metric = made(NAMES[:1])
    before = state(metric)
    number = id_of(NAMES[0])
    monkeypatch.setattr(image_ids, "id_of", lambda name: number)
    with pytest.raises(ValueError, match=str(number)) as error:
        metric.update(PREDS[:2], TARGET[:2], image_ids=["x", "y"])
    assert_sentence(error, "'x'", "'y'", "rename")
    assert state(metric) == before
    metric.update(PREDS[:1], TARGET[:1], image_ids=["x"])
    for ask in (metric.image_scores, metric.bootstrap, metric.report):
        with pytest.raises(ValueError, match=str(number)):
            ask()


def test_a_name_that_somebody_set_may_differ():
    """Display names are no collision, and take precedence over names from ``update``."""
    metric = made()
    metric.image_names = {id_of("a"): "photo of a"}
    metric.update(PREDS[:1], TARGET[:1], image_ids=[id_of("a")])
    assert metric.image_scores().images == ("photo of a",)
    metric.update(PREDS[1:2], TARGET[1:2], image_ids=["b"])
    assert set(metric.image_names.values()) == {"photo of a", "b"}


def test_what_names_cost_does_not_grow_with_the_batches():
    metric = made()
    for i in range(300):
        metric.update(PREDS[:1], TARGET[:1], image_ids=[f"image {i}"])
        assert len(metric.image_labels) <= 64
    assert list(metric.image_names.values()) == [f"image {i}" for i in range(300)]


def test_clusters_are_of_the_ids_that_update_was_given():
    named, numbered = made(NAMES), made([0, 1, 2])
    patients = ["p", "q", "p"]
    interval = named.bootstrap(clusters=dict(zip(NAMES, patients, strict=True)), resamples=20)
    assert interval == named.bootstrap(clusters=lambda name: patients[NAMES.index(name)], resamples=20)
    assert interval != named.bootstrap(resamples=20)
    numbered.image_names = dict(enumerate(NAMES))  # display names are no ids
    assert numbered.bootstrap(clusters=patients.__getitem__, resamples=20).confidence == 0.95
    with pytest.raises(ValueError, match=r"clusters .*'(city/a|b\.png|ä)'"):
        named.bootstrap(clusters={id_of(name): "p" for name in NAMES})


def test_names_go_wherever_the_states_go():
    groups = {"a": MeanIoU(2, per_image=True), "b": MeanIoU(2, per_image=True, over="image")}
    for collection in (MetricCollection(groups), MetricCollection(groups, compute_groups=[["a", "b"]])):
        collection.reset()
        for name, preds, target in zip(NAMES, PREDS, TARGET, strict=True):
            collection.update(preds[None], target[None], image_ids=[name])
        assert all(set(metric.image_scores().images) == set(NAMES) for metric in collection.values())
    metric, resumed, merged = made(NAMES), made(), made()
    metric.persistent(True)
    resumed.load_state_dict(metric.state_dict())
    merged.merge_state(metric.metric_state)
    assert resumed.image_names == merged.image_names == metric.image_names
    metric.reset()
    assert metric.image_names == {}


def test_a_name_that_somebody_set_stays():
    metric = made()
    metric.image_names = {id_of("a"): "A"}
    for part in range(2):
        metric.update(PREDS[part : part + 1], TARGET[part : part + 1], image_ids=["ab"[part]])
    assert set(metric.image_scores().images) == {"A", "b"}


@pytest.mark.parametrize("labels", ["a", [1], [torch.zeros(3)]], ids=str)
def test_names_that_are_no_state_are_refused(labels):
    metric = made(NAMES)
    before = state(metric)
    with pytest.raises(ValueError, match=r"'image_labels' .*uint8"):
        metric.merge_state({**made(NAMES).metric_state, "image_labels": labels})
    assert state(metric) == before


@pytest.mark.parametrize("ids", [[b"a", b"b", b"c"], [None] * 3, [Path("a"), "b", "c"]], ids=str)
def test_what_is_neither_a_number_nor_a_name_is_refused(ids):
    metric = made()
    with pytest.raises(TypeError, match="whole numbers or strings") as error:
        metric.update(PREDS, TARGET, image_ids=ids)
    assert_sentence(error, "image_ids holds")
    assert metric.update_count == 0


@pytest.mark.parametrize("count", [-1, "x", 0.5])
def test_an_update_count_that_is_none_is_refused(count):
    metric = made(NAMES)
    before = state(metric)
    with pytest.raises((TypeError, ValueError), match="update_count"):
        metric.merge_state({**made(NAMES).metric_state, "update_count": count})
    assert state(metric) == before
