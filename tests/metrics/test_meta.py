"""Metrics on the meta device and with fake tensors: what works there, and how to move them to a real device."""

import copy
import io
import pickle

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from support import assert_sentence
from support.kinds import BANDS, CURVE, KINDS, LABELS, assert_equal, each_kind, tensors
from torch import nn
from torch._subclasses import FakeTensor, FakeTensorMode
from torchmetrics import MetricCollection
from torchmetrics.wrappers import ClasswiseWrapper

from meaniou import MeanIoU

PREDS, TARGET = torch.tensor([[[0, 1, 1, 2]]]), torch.tensor([[[0, 1, 2, 255]]])
WAYS = {
    "to_empty": lambda model, metric: metric.to_empty(device="cpu"),
    "to_empty, not recursive": lambda model, metric: metric.to_empty(device="cpu", recurse=False),
    "to_empty of a model": lambda model, metric: model.to_empty(device="cpu"),
    "to": lambda model, metric: metric.to("cpu"),
    "cpu": lambda model, metric: metric.cpu(),
    "to with a dtype": lambda model, metric: metric.to("cpu", torch.float16),
}


def made(**settings):
    return MeanIoU(**({"num_classes": 3, "ignore_index": 255, "per_image": True} | settings))


def on_meta(**settings):
    with torch.device("meta"):
        return made(**settings)


def assert_as_new(metric, **settings):
    """The metric counts from zero with its own settings, and can be merged."""
    plain = made(**settings)
    assert metric.device == metric.counts.device == torch.device("cpu")
    assert metric.update_count == 0
    assert metric._computed is metric._forward_cache is None
    for name in plain._defaults:
        assert str(getattr(metric, name)) == str(getattr(plain, name)) == str(metric._defaults[name])
    for one in (metric, plain):
        one.update(PREDS, TARGET)
        one(PREDS, TARGET)
    assert torch.equal(metric.counts, plain.counts)
    assert metric.compute() == plain.compute() == 0.5
    plain.merge_state(metric)
    metric.merge_state(plain)
    assert metric.update_count == 6
    assert metric.counts.sum() == 24
    metric.reset()
    assert metric.counts.sum() == 0


def assert_kind_as_new(kind, metric, **settings):
    """The same for any kind of metric."""
    plain = kind.made(**settings)
    assert metric.device == metric.counts.device == torch.device("cpu")
    assert metric.update_count == 0
    for one in (metric, plain):
        for batch in kind.batches(count=2):
            one.update(*batch)
            one(*batch)
    assert torch.equal(metric.counts, plain.counts)
    assert_equal(metric.compute(), plain.compute())
    plain.merge_state(metric)
    assert plain.update_count == 8


@pytest.fixture
def dirty(monkeypatch):
    """Uninitialised memory is never zero by chance."""
    empty_like = torch.empty_like
    monkeypatch.setattr(torch, "empty_like", lambda *args, **kwargs: empty_like(*args, **kwargs).fill_(77))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("settings", [{}, {"per_image": False, "input_format": "index"}], ids=["rows", "no rows"])
def test_a_metric_that_leaves_the_meta_device_starts_anew(way, settings, dirty):
    metric = on_meta(**settings)
    model = nn.Sequential(nn.Sequential(metric))
    WAYS[way](model, metric)
    assert_as_new(metric, **settings)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("kind", "settings"),
    [(LABELS, {}), (LABELS, {"per_image": True}), (CURVE, {}), (BANDS, {}), (BANDS, {"per_image": True})],
    ids=["labels", "rows", "curve", "bands", "rows of bands"],
)
def test_every_kind_starts_anew(way, kind, settings, dirty):
    with torch.device("meta"):
        metric = kind.made(**settings)
    assert all(state.is_meta for state in (metric.counts, metric.settings))
    WAYS[way](nn.Sequential(metric), metric)
    assert_kind_as_new(kind, metric, **settings)


WRAPPERS = {
    "classwise": lambda: ClasswiseWrapper(made(average="none")),
    "collection": lambda: MetricCollection({"a": made(), "b": made(average="micro"), "c": made(per_image=False)}),
    "arithmetic": lambda: 100 * made(),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("call", ["update", "forward"])
def test_a_wrapper_that_leaves_the_meta_device(wrapper, call, dirty):
    with torch.device("meta"):
        wrapped = WRAPPERS[wrapper]()
    nn.Sequential(wrapped).to_empty(device="cpu")
    plain = WRAPPERS[wrapper]()
    for metric in (wrapped, plain):
        torch.manual_seed(0)
        for _ in range(3):
            (metric.update if call == "update" else metric)(PREDS, TARGET)
    assert str(wrapped.compute()) == str(plain.compute())


def test_a_move_drops_nothing():
    """Counts that were assigned, and not counted by ``update``, stay too."""
    metric = made(per_image=False)
    counts = torch.ones(5, 5, dtype=torch.int64).triu_(9).fill_diagonal_(3)
    counts[4] = 0
    metric.counts = counts
    metric.to("cpu")
    metric.update(PREDS, TARGET)
    assert metric.counts.sum() == 4 + counts.sum()
    metric.to_empty(device="cpu")
    assert metric.counts.sum() == 4 + counts.sum()


def test_counts_that_a_wrapper_overwrites_are_noticed(dirty, tmp_path):
    wrapper = ClasswiseWrapper(made(average="none"))
    wrapper.update(PREDS, TARGET)
    nn.Sequential(wrapper).to_empty(device="cpu")
    for call in (wrapper.compute, wrapper.metric.report, lambda: wrapper.metric.save(tmp_path / "a")):
        with pytest.raises(RuntimeError) as error:
            call()
        assert_sentence(error, "to_empty()", "reset()")
    wrapper.reset()
    wrapper.update(PREDS, TARGET)
    assert [round(value.item(), 1) for value in wrapper.compute().values()] == [1.0, 0.5, 0.0]


def test_copies_on_the_meta_device(dirty):
    buffer = io.BytesIO()
    torch.save(on_meta(), buffer)
    buffer.seek(0)
    for metric in (
        copy.deepcopy(on_meta()),
        pickle.loads(pickle.dumps(on_meta())),
        torch.load(buffer, weights_only=False),
    ):
        assert metric.counts.is_meta
        assert_as_new(copy.deepcopy(metric.to_empty(device="cpu")))
        assert_as_new(pickle.loads(pickle.dumps(metric)))


def test_what_was_counted_before_a_move_to_the_meta_device_is_gone(dirty):
    metric = made()
    metric(PREDS, TARGET)
    metric.compute()
    metric.to("meta")
    assert metric.device.type == metric.counts.device.type == "meta"
    assert metric.image_rows[0].is_meta
    metric.reset()
    assert_as_new(metric.to_empty(device="cpu"))
    metric.update(PREDS, TARGET)
    metric.compute()
    assert_as_new(metric.to("meta").to_empty(device="cpu"))


def test_to_empty_keeps_what_is_counted(dirty):
    metric = made()
    metric.update(PREDS, TARGET)
    value = metric.compute()
    nn.Sequential(nn.Linear(2, 2), metric).to_empty(device="cpu")
    metric.to_empty(device="cpu", recurse=True)
    assert metric.update_count == 1
    assert metric._computed is value or metric._computed == value
    assert metric.counts.sum() == 4
    assert metric.image_scores().ids == (0,)


CALLS = {
    "update": lambda metric: metric.update(PREDS, TARGET),
    "update on the same device": lambda metric: metric.update(PREDS.to("meta"), TARGET.to("meta")),
    "forward": lambda metric: metric(PREDS, TARGET),
    "compute": lambda metric: metric.compute(),
    "report": lambda metric: metric.report(),
    "images": lambda metric: metric.image_scores(),
    "bootstrap": lambda metric: metric.bootstrap(),
    "merge_state": lambda metric: metric.merge_state(made()),
    "save": lambda metric: metric.save("never-written"),
    "sync": lambda metric: metric.sync(distributed_available=lambda: True),
}


OF_CURVE = {
    "best": lambda metric: metric.best(),
    "area": lambda metric: metric.area(),
    "at": lambda metric: metric.at(0.5),
}
OF_KINDS = {
    kind: {
        "update": lambda metric, kind=kind: metric.update(*kind.batches()[0]),
        "forward": lambda metric, kind=kind: metric(*kind.batches()[0]),
        "merge_state": lambda metric, kind=kind: metric.merge_state(kind.made()),
        **{name: CALLS[name] for name in ("compute", "report", "save", "sync")},
        **(OF_CURVE if kind is CURVE else {}),
    }
    for kind in KINDS
}


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric .* was called before")
@pytest.mark.parametrize(("kind", "call"), [(kind, call) for kind in KINDS for call in OF_KINDS[kind]], ids=str)
def test_what_no_kind_can_do_on_the_meta_device_names_it(kind, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with torch.device("meta"):
        metric = kind.made()
    with pytest.raises(RuntimeError) as error:
        OF_KINDS[kind][call](metric)
    assert_sentence(error, "meta device", "to_empty(device=...)")
    assert not list(tmp_path.iterdir())
    assert not metric._is_synced
    assert_kind_as_new(kind, metric.to_empty(device="cpu"))


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric MeanIoU was called before")
@pytest.mark.parametrize("call", CALLS)
def test_what_cannot_work_on_the_meta_device_names_it(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metric = on_meta()
    with pytest.raises(RuntimeError) as error:
        CALLS[call](metric)
    assert_sentence(error, "meta device", "to_empty(device=...)")
    assert not list(tmp_path.iterdir())
    assert not metric._is_synced
    assert_as_new(metric.to_empty(device="cpu"))


def test_a_state_of_the_meta_device_is_not_added():
    metric = made()
    metric.update(PREDS, TARGET)
    for state in (on_meta(), on_meta().metric_state):
        with pytest.raises(ValueError, match="meta device") as error:
            metric.merge_state(state)
        assert_sentence(error, "'settings'")
    other = on_meta()
    other.persistent(True)
    with pytest.raises(RuntimeError, match="meta device"):
        metric.load_state_dict(other.state_dict())
    assert metric.counts.sum() == 4


@pytest.mark.parametrize("assign", [False, True])
def test_a_checkpoint_takes_a_metric_off_the_meta_device(assign, dirty):
    with torch.device("meta"):
        model = nn.ModuleDict({"layer": nn.Linear(2, 2), "metric": made()})
    source = nn.ModuleDict({"layer": nn.Linear(2, 2), "metric": made()})
    source["metric"].update(PREDS, TARGET)
    for one in (model, source):
        one["metric"].persistent(True)
    state = source.state_dict()
    wrong = state | {"metric.settings": state["metric.settings"][1:]}
    with pytest.raises(RuntimeError, match="settings"):
        model.load_state_dict(wrong, assign=True)
    assert model["metric"].counts.is_meta
    if not assign:
        model["layer"].to_empty(device="cpu")
    model.load_state_dict(state, assign=assign)
    assert model["metric"].compute() == 0.5
    model.to_empty(device="cpu")
    assert model["metric"].compute() == 0.5
    assert model["metric"].device.type == "cpu"


class Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.metric = made()


@pytest.mark.parametrize("empty_init", [True, False, None])
def test_a_model_that_lightning_makes(empty_init, dirty):
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    with trainer.init_module(empty_init=empty_init):
        model = Model()
    assert_as_new(model.metric)
    with trainer.init_module(empty_init=empty_init), torch.device("meta"):
        model = Model()
    for module in model.modules():  # as Lightning and FSDP make modules on a device
        module.to_empty(device="cpu", recurse=False)
    assert_as_new(model.metric)


def test_a_model_that_accelerate_makes(dirty):
    accelerate = pytest.importorskip("accelerate")
    for include_buffers in (True, False):
        with accelerate.init_empty_weights(include_buffers=include_buffers):
            model = nn.Sequential(nn.BatchNorm1d(2), made())
        assert_as_new(model.to_empty(device="cpu")[1])


@each_kind
def test_a_model_with_every_kind_that_accelerate_makes(kind, dirty):
    accelerate = pytest.importorskip("accelerate")
    with accelerate.init_empty_weights():
        model = nn.Sequential(nn.BatchNorm1d(2), kind.made())
    assert_kind_as_new(kind, model.to_empty(device="cpu")[1])


@each_kind
@pytest.mark.parametrize("empty_init", [True, False, None])
def test_a_model_with_every_kind_that_lightning_makes(kind, empty_init, dirty):
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    with trainer.init_module(empty_init=empty_init):
        model = nn.Sequential(kind.made())
    assert_kind_as_new(kind, model[0])
    with trainer.init_module(empty_init=empty_init), torch.device("meta"):
        model = nn.Sequential(kind.made())
    for module in model.modules():
        module.to_empty(device="cpu", recurse=False)
    assert_kind_as_new(kind, model[0])


# --------------------------------------------------------------------------------------------------------- fake tensors


@pytest.mark.parametrize("average", ["macro", "none"])
def test_a_planner_of_memory_runs_a_step(average):
    with FakeTensorMode():
        metric = made(average=average)
        target = torch.zeros(2, 8, 9, dtype=torch.uint8)
        scores = torch.zeros(2, 3, 8, 9)
        metric.update(target, target, image_ids=[1, 2])
        metric.update(scores, target, image_ids=torch.tensor([3, 4]))
        metric.update([target[0]], [target[0]], valid=[target[0] > 0])
        value = metric(scores, target)
        assert isinstance(value, FakeTensor)
        assert (value.shape, value.dtype) == ((3,) if average == "none" else (), torch.float32)
        assert metric.compute().shape == value.shape
        assert metric.update_count == 4
        assert [tuple(part.shape) for part in metric.image_rows] == [(2, 4, 3), (2, 4, 3), (1, 4, 3), (2, 4, 3)]
        for call in (metric.report, metric.image_scores, lambda: metric.merge_state(made())):
            with pytest.raises(RuntimeError) as error:
                call()
            assert_sentence(error, "fake tensors", "FakeTensorMode")
        metric.reset()
        assert metric.update_count == 0


@each_kind
def test_a_planner_of_memory_runs_a_step_of_every_kind(kind):
    shapes = [tuple(part.shape) for part in tensors(kind.filled().compute())]
    with FakeTensorMode():
        metric = kind.made()
        target = torch.zeros(2, 3, 8, 9) if kind.overlaps else torch.zeros(2, 8, 9, dtype=torch.uint8)
        scores = torch.zeros(2, 3, 8, 9)
        metric.update(scores, target)
        metric.update([scores[0]], [target[0]], valid=[target[0] > 0])
        value = metric(scores, target)
        for of in (value, metric.compute()):
            assert all(isinstance(part, FakeTensor) for part in tensors(of))
            assert [tuple(part.shape) for part in tensors(of)] == shapes
        assert metric.update_count == 3
        with pytest.raises(RuntimeError) as error:
            metric.report()
        assert_sentence(error, "fake tensors", "FakeTensorMode")
    assert_kind_as_new(kind, metric.to_empty(device="cpu"))


def test_a_planner_of_memory_runs_a_step_of_several_widths():
    settings = {"width": [1, 0.1, 0.2], "average": "none", "per_image": True}
    with FakeTensorMode():
        metric, target = BANDS.made(**settings), torch.zeros(2, 8, 9, dtype=torch.uint8)
        metric.update(target, target, valid=target > 0)
        assert metric(torch.zeros(2, 3, 8, 9), target, valid=target[:, 0, 0] > 0).shape == (3, 3)
        assert metric.compute().shape == (3, 3)
        assert metric.counts.shape == (5 + 3 * 3, 5)
        assert [tuple(part.shape) for part in metric.image_rows] == [(2, 4, 9), (2, 4, 9)]
    assert_kind_as_new(BANDS, metric.to_empty(device="cpu"), **settings)


def test_a_real_metric_in_a_planner_of_memory():
    metric = made(per_image=False)
    with FakeTensorMode(allow_non_fake_inputs=True):
        target = torch.zeros(2, 8, 9, dtype=torch.uint8)
        metric.update(target, target)
        assert metric.update_count == 1
        assert isinstance(metric.compute(), FakeTensor)
    with pytest.raises(RuntimeError, match="FakeTensorMode"):
        metric.report()
    metric.reset()
    metric.update(PREDS, TARGET)
    assert metric.compute() == 0.5


def test_fake_states_that_move_out_of_their_mode_start_anew():
    with FakeTensorMode():
        metric = made()
        metric.update(torch.zeros(1, 2, 2).long(), torch.zeros(1, 2, 2).long())
    assert_as_new(metric.to_empty(device="cpu"))
