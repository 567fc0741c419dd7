"""Wherever an error or an interrupt occurs, a metric is as before the call or as after it, never in between."""

import copy
import functools
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist
import torchmetrics.metric
from support.kinds import BANDS, CURVE, LABELS

import meaniou
from meaniou import MeanIoU

OURS = str(Path(meaniou.__file__).parent)
THEIRS = torchmetrics.metric.__file__


def twice(tensor, group):
    """A ``dist_sync_fn`` of two ranks with the same state."""
    return [tensor, tensor]


def maps(seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, 3, (2, 4, 5), generator=generator) for _ in range(2))


def made(**settings):
    return MeanIoU(3, ignore_index=255, **settings)


def filled(number=3, **settings):
    metric = made(**settings)
    for i in range(number):
        metric.update(*maps(i), **({"image_ids": [2 * i, 2 * i + 1]} if metric.per_image else {}))
    return metric


def snapshot(metric):
    """The whole state as plain values."""
    states = {name: getattr(metric, name) for name in ("counts", "settings")}
    found = {name: state.tolist() for name, state in states.items()}
    if metric.per_image:
        found |= {"joined": [part.tolist() for part in metric._joined()], "names": dict(metric.image_names)}
    value = None if metric._computed is None else str(metric._computed)
    cached = None if metric._cache is None else metric._cache["counts"].tolist()
    return found | {
        "updates": metric.update_count,
        "computed": value,
        "synced": (metric._is_synced, cached),
        "modes": (metric._to_sync, metric._should_unsync, metric._enable_grad, metric.device),
    }


@functools.cache
def other(per_image):
    """A metric with counts to merge; no test changes it."""
    metric = filled(2, per_image=per_image)
    metric.persistent(True)
    metric.image_names = {9: "other"} if per_image else {}
    return metric


SHARED = {"distributed_available_fn": lambda: True, "dist_sync_fn": twice}
CHANGES = {
    "update": ({}, lambda metric: metric.update(*maps(7))),
    "forward": ({}, lambda metric: metric(*maps(7))),
    "forward on step": (SHARED | {"dist_sync_on_step": True}, lambda metric: metric(*maps(7))),
    "compute": ({}, lambda metric: metric.compute()),
    "compute over ranks": (SHARED, lambda metric: metric.compute()),
    "report over ranks": (SHARED, lambda metric: metric.report()),
    "sync": (SHARED, lambda metric: metric.sync(dist_sync_fn=twice)),
    "reset": ({}, lambda metric: metric.reset()),
    "merge_state": ({}, lambda metric: metric.merge_state(other(metric.per_image))),
    "load_state_dict": ({}, lambda metric: metric.load_state_dict(other(metric.per_image).state_dict())),
    "to": ({}, lambda metric: metric.to_empty(device="cpu")),
    "images over ranks": (SHARED | {"per_image": True}, lambda metric: metric.image_scores()),
}


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt, which would stop the test runner."""


def interrupted_at(line, action):
    """Whether an action was interrupted after this number of lines of the package."""
    passed = 0

    def trace(frame, event, arg):
        nonlocal passed
        name = frame.f_code.co_filename
        if not name.startswith(OURS) and name != THEIRS:
            return None
        if event == "line":
            passed += 1
            if passed == line:
                sys.settrace(None)
                raise Interrupted
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings("ignore:.* counted more than once:UserWarning")  # both ranks have the same images
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_an_interrupt_at_any_line_leaves_no_half_state(change, per_image):
    settings, act = CHANGES[change]
    metric = filled(**({"per_image": per_image} | settings))
    metric.persistent(True)
    if change != "sync":
        metric.compute()
    assert half_states(metric, act) == []


def half_states(metric, act):
    """The numbers of lines after which an interrupt leaves a state between that before and that after the call."""
    after = copy.deepcopy(metric)
    act(after)
    whole, found, line = (snapshot(metric), snapshot(after)), [], 0
    while True:
        line, one = line + 1, copy.deepcopy(metric)
        if not interrupted_at(line, lambda one=one: act(one)):
            break
        if snapshot(one) not in whole:
            found.append(line)
    assert line > 4
    assert snapshot(one) == whole[1]
    return found


OF_KINDS = {
    "labels": (LABELS, {}),
    "rows": (LABELS, {"per_image": True}),
    "curve": (CURVE, {}),
    "bands": (BANDS, {"per_image": True}),
}
KIND_CHANGES = {
    "update": ({}, lambda kind, metric: metric.update(*kind.batches(7)[0])),
    "forward": ({}, lambda kind, metric: metric(*kind.batches(7)[0])),
    "forward on step": (SHARED | {"dist_sync_on_step": True}, lambda kind, metric: metric(*kind.batches(7)[0])),
    "compute over ranks": (SHARED, lambda kind, metric: metric.compute()),
    "report over ranks": (SHARED, lambda kind, metric: metric.report()),
    "merge_state": ({}, lambda kind, metric: metric.merge_state(metric.clone())),
    "reset": ({}, lambda kind, metric: metric.reset()),
    "best": (SHARED, lambda kind, metric: metric.best() if kind is CURVE else metric.image_scores()),
}
WITHOUT = (
    ("labels", "best"),
    *((case, "forward on step") for case in ("curve", "bands")),
)  # the latter take 30 seconds
KIND_CASES = [(case, change) for case in OF_KINDS for change in KIND_CHANGES if (case, change) not in WITHOUT]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "change"), KIND_CASES)
def test_an_interrupt_leaves_no_half_state_of_labels_that_overlap(case, change):
    (kind, settings), (more, act) = OF_KINDS[case], KIND_CHANGES[change]
    metric = kind.made(**settings, **more)
    for batch in kind.batches(count=2):
        metric.update(*batch)
    metric.compute()
    assert half_states(metric, lambda one: act(kind, one)) == []


def test_a_half_state_is_noticed():
    def halves(metric):
        metric.counts = metric.counts + 1
        metric._refuse_change()  # lines of the package between the two
        metric._update_count += 1

    assert half_states(filled(), halves)


# --------------------------------------------------------------------------------------------------- failed collectives


class Failing:
    """A function that raises at one of its calls."""

    def __init__(self, function, at, error):
        self.function, self.at, self.error, self.calls = function, at, error, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.function(*args, **kwargs)


ERRORS = [RuntimeError("timed out"), KeyboardInterrupt(), dist.DistBackendError("the connection is lost")]
ASK = {
    "compute": lambda metric: metric.compute(),
    "report": lambda metric: metric.report(),
    "images": lambda metric: metric.image_scores(),
    "sync": lambda metric: metric.sync(),
    "context": lambda metric: metric.sync_context().__enter__(),
    "forward": lambda metric: metric(*maps(5), image_ids=[50, 51]),
}


def assert_failed_whole(metric, ask, error):
    before = snapshot(metric)
    with pytest.raises(type(error)):
        ASK[ask](metric)
    assert snapshot(metric) == before


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("at", [1, 2])
def test_a_gather_of_ones_own_that_fails(at, ask, error, tmp_path):
    on_step = {"dist_sync_on_step": True} if ask == "forward" else {}
    metric = filled(per_image=True, distributed_available_fn=lambda: True, **on_step)
    metric.dist_sync_fn = Failing(lambda part, group: [part], at, error)
    if ask in ("sync", "context"):
        gather = metric.dist_sync_fn
        with patch.object(metric, "_sync_dist", lambda _, process_group: type(metric)._sync_dist(metric, gather)):
            assert_failed_whole(metric, ask, error)
    else:
        assert_failed_whole(metric, ask, error)
    metric.dist_sync_fn = lambda part, group: [part]
    assert metric.compute() == filled(per_image=True).compute()
    metric.save(tmp_path / "a")
    assert MeanIoU.load(tmp_path / "a").compute() == metric.compute()


@pytest.fixture(scope="module")
def group():
    """A group of this process alone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_gloo_available(), reason="this PyTorch has no gloo")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("name", "at"), [("all_reduce", 1), ("all_gather", 1), ("all_gather", 2)])
@pytest.mark.parametrize("ask", ASK)
def test_a_collective_that_fails(name, at, ask, error, group):
    on_step = {"dist_sync_on_step": True} if ask == "forward" else {}
    metric = filled(per_image=True, **on_step)
    with patch.object(dist, name, Failing(getattr(dist, name), at, error)):
        assert_failed_whole(metric, ask, error)
    assert metric.compute() == filled(per_image=True, sync_on_compute=False).compute()
    assert metric.image_scores().ids == filled(per_image=True, sync_on_compute=False).image_scores().ids


def test_one_process_in_a_group_numbers_its_images(group):
    metric = made(per_image=True)
    metric.update(*maps(0))
    assert sorted(metric.image_scores().ids) == [0, 1]


def test_a_sync_inside_a_sync_ends_neither():
    metric = filled(**SHARED)
    metric.sync(dist_sync_fn=twice)
    doubled = metric.counts
    with pytest.raises(Exception, match="already been synced"), metric.sync_context(dist_sync_fn=twice):
        pass
    with metric.sync_context(should_sync=False):
        pass
    assert metric._is_synced
    assert metric.counts is doubled
    metric.unsync()
    assert torch.equal(2 * metric.counts, doubled)
