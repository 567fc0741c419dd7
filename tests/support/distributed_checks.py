"""Checks that run in processes with a gloo group; ``test_distributed.py`` starts them and reads what they found.

A check is a function ``check_*(rank, world)`` that asserts. All ranks run all checks in the order of this file.
"""

import gc
import json
import time
import traceback
import warnings
import weakref
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import torch._dynamo  # before there is a group, which it would keep, see ``support.launch``
import torch.distributed as dist
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.utilities.exceptions import TorchMetricsUserError

from meaniou import MeanIoU, Resampling, compare, compare_classes
from support import update_all, void_batches
from support.kinds import BANDS, CURVE, LABELS
from support.kinds import assert_equal as assert_same

SHARES = {2: (3, 2), 3: (3, 0, 2)}  # batches per rank: unequal, and one rank has none
STAMP = 24  # bytes besides the counts: the number of updates, and two values that show whether ranks are in step
TIMEOUT = timedelta(seconds=300)


def batches(seed=0):
    return void_batches(seed, 6, (2, 6, 7))


def share(rank, world, seed=0):
    """The batches of a rank: no batch is counted twice, and none is left out of the first five."""
    start = sum(SHARES[world][:rank])
    return batches(seed)[start : start + SHARES[world][rank]]


def made(**settings):
    return MeanIoU(3, ignore_index=255, **settings)


def alone(pairs, **settings):
    """The same batches, counted in this process alone."""
    return update_all(made(sync_on_compute=False, **settings), pairs)


def computed(metric):
    """The value; a rank without a batch is warned by torchmetrics, and no other."""
    if metric.update_called:
        return metric.compute()
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        return metric.compute()


def assert_equal(value, expected):
    assert value.dtype == expected.dtype
    assert torch.equal(value.nan_to_num(-1), expected.nan_to_num(-1)), f"{value} != {expected}"


def assert_own(metric, pairs):
    """The metric holds the counts of this rank and can be updated."""
    assert not metric._is_synced
    assert metric.update_count == len(pairs)
    assert torch.equal(metric.counts, alone(pairs).counts)


# --------------------------------------------------------------------------------------------------------------- checks


def check_shares_of_any_size(rank, world):
    for average in ("macro", "micro", "weighted", "none"):
        mine = share(rank, world)
        metric = update_all(made(average=average), mine)
        assert_equal(computed(metric), alone(batches()[:5], average=average).compute())
        assert_own(metric, mine)
        assert_equal(computed(metric), alone(batches()[:5], average=average).compute())
        # One more batch on the last rank alone: every rank computes anew.
        extra = batches()[5:] if rank == world - 1 else []
        update_all(metric, extra)
        assert_equal(computed(metric), alone(batches(), average=average).compute())
        assert_own(metric, mine + extra)
        metric.reset()
        assert_own(metric, [])


def check_a_running_value(rank, world):
    """After each batch of the longest rank, also on ranks that have run out of batches."""
    metric, shares = made(average="micro"), [share(r, world) for r in range(world)]
    for _ in range(2):
        for step in range(max(map(len, shares))):
            update_all(metric, shares[rank][step : step + 1])
            assert_equal(computed(metric), alone([p for s in shares for p in s[: step + 1]], average="micro").compute())
        assert_equal(computed(metric), alone(batches()[:5], average="micro").compute())
        assert_own(metric, shares[rank])
        metric.reset()


def check_a_rank_without_a_batch_that_moves(rank, world):
    """Lightning moves a model to its device before each loop; that is not a reset of one rank."""
    metric, mine = made(per_image=True), share(rank, 3) if world == 3 else [[], batches()[:5]][rank]
    metric.to_empty(device="cpu")
    update_all(metric, mine)
    for _ in range(2):
        assert_equal(computed(metric), alone(batches()[:5]).compute())
        assert_own(metric, mine)
        metric.to("cpu")
        metric.sync()
        assert metric.counts.sum() == 5 * 2 * 6 * 7
        metric.to("cpu")
        metric.unsync()
        metric.to("cpu")
        assert metric.report().pixels["seen"] == 5 * 2 * 6 * 7


def check_ranks_that_are_not_in_step(rank, world):
    """A value after each batch; the first rank has three batches, the others two."""
    for ask in ("compute", "report"):
        metric = made()
        for pair in batches(rank)[:2]:
            metric.update(*pair)
            getattr(metric, ask)()
        if rank:
            metric.reset()
        metric.update(*batches(rank)[2])
        before, number = metric.counts, metric.update_count
        with pytest.raises(RuntimeError, match=r"ranks .*compute, report or reset .*loops"):
            getattr(metric, ask)()
        assert metric.counts is before
        assert metric.update_count == number
        assert not metric._is_synced
        assert metric._cache is None


def check_ranks_with_other_settings(rank, world):
    """Ranks with different settings, and with settings that do not change counts, such as the kernel."""
    metric = update_all(MeanIoU(3, ignore_index=(255, 7) if rank else 255), batches(rank)[:1])
    with pytest.raises(RuntimeError, match="settings differ"):
        metric.compute()
    same = update_all(MeanIoU(3, ignore_index=255, impl="portable" if rank else "auto"), batches(rank)[:1])
    assert_equal(same.compute(), alone([batches(r)[0] for r in range(world)]).compute())


def check_sync_in_each_forward(rank, world):
    metric, seen = made(dist_sync_on_step=True), []
    for i in range(2):
        of_all = [batches(seed)[i] for seed in range(world)]
        seen += of_all
        assert_equal(metric(*of_all[rank]), alone(of_all).compute())
        assert_own(metric, [batches(rank)[j] for j in range(i + 1)])
    assert_equal(metric.compute(), alone(seen).compute())
    assert_own(metric, batches(rank)[:2])


def check_forward_without_sync(rank, world):
    metric = made()
    for i in range(2):
        assert_equal(metric(*batches(rank)[i]), alone(batches(rank)[i : i + 1]).compute())
    assert_equal(metric.compute(), alone([pair for r in range(world) for pair in batches(r)[:2]]).compute())


def check_no_sync_on_compute(rank, world):
    pairs = batches(rank)[: rank + 1]
    metric = update_all(made(sync_on_compute=False), pairs)
    with collectives() as calls:
        assert_equal(metric.compute(), alone(pairs).compute())
        metric.report()
    assert calls == []


def check_dist_sync_fn(rank, world):
    calls = []

    def gather(tensor, group=None):
        calls.append((tensor.dtype, group))
        parts = [torch.zeros_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor)
        return parts

    mine = share(rank, world)
    metric = update_all(made(dist_sync_fn=gather, process_group=dist.group.WORLD), mine)
    assert_equal(computed(metric), alone(batches()[:5]).compute())
    assert calls == [(torch.int64, dist.group.WORLD)]
    assert_own(metric, mine)


def check_process_group(rank, world):
    members = [0, world - 1]
    group = dist.new_group(members)  # every rank must take part
    if rank in members:
        metric = update_all(made(process_group=group), batches(rank)[:2])
        expected = alone([pair for r in members for pair in batches(r)[:2]])
        assert_equal(metric.compute(), expected.compute())
        assert metric.report() == expected.report()
        assert_own(metric, batches(rank)[:2])
        with metric.sync_context(process_group=group):
            assert torch.equal(metric.counts, expected.counts)
        assert_own(metric, batches(rank)[:2])


def check_sync_and_unsync(rank, world):
    mine, total = share(rank, world), alone(batches()[:5])
    metric = update_all(made(), mine)
    metric.persistent(True)
    metric.sync()
    assert metric._is_synced
    assert torch.equal(metric.counts, total.counts)
    assert metric.update_count == total.update_count
    assert torch.equal(metric.state_dict()["counts"], total.counts)
    with pytest.raises(TorchMetricsUserError, match="already been synced"):
        metric.sync()
    with pytest.raises(TorchMetricsUserError, match="synced"):
        metric(*batches()[0])
    for change in (
        lambda: metric.update(*batches()[0]),
        lambda: metric.merge_state(made()),
        lambda: metric.load_state_dict(metric.state_dict()),
    ):
        with pytest.raises(RuntimeError, match=r"call unsync\(\) first"):
            change()
    assert torch.equal(metric.counts, total.counts)
    metric.unsync()
    assert_own(metric, mine)
    with pytest.raises(TorchMetricsUserError, match="un-synced"):
        metric.unsync()
    with metric.sync_context():
        assert torch.equal(metric.counts, total.counts)
    assert_own(metric, mine)
    with pytest.raises(KeyError), metric.sync_context():
        raise KeyError
    assert_own(metric, mine)
    metric.sync(should_sync=False)
    assert_own(metric, mine)
    assert_equal(computed(metric), total.compute())


def check_compute_that_raises_on_all_ranks(rank, world):
    void = (torch.full((1, 2), 255), torch.zeros(1, 2, dtype=torch.int64))
    mine = [void] if rank == 0 else [(torch.zeros(1, 2, dtype=torch.int64),) * 2]
    metric = update_all(made(void_preds="error"), mine)
    for call in (metric.compute, metric.report, metric.compute):
        with pytest.raises(ValueError, match=r"on 2 valid pixels.*'error'"):
            call()
        assert_own(metric, mine)
    metric.reset()
    right = [(target, target) for _, target in share(rank, world)]
    update_all(metric, right)
    assert_equal(computed(metric), torch.tensor(1 / 2).new_tensor(1.0))
    assert_own(metric, right)


def check_outside_labels_of_one_rank(rank, world):
    metric = update_all(made(), batches(rank)[:1])
    if rank == world - 1:
        counts = metric.counts.clone()
        counts[1, -1] = 6  # as on an accelerator, where update does not raise
        metric.counts = counts
    with pytest.raises(ValueError, match="preds holds 6 pixels outside"):
        metric.compute()
    assert not metric._is_synced
    metric.reset()
    update_all(metric, batches(rank)[:1])
    assert_equal(metric.compute(), alone([batches(r)[0] for r in range(world)]).compute())


def check_report(rank, world):
    mine = share(rank, world)
    metric, total = (
        update_all(made(class_names=["a", "b", "c"]), mine),
        alone(batches()[:5], class_names=["a", "b", "c"]),
    )
    assert metric.report() == total.report()
    assert metric.report().pixels["seen"] == 5 * 2 * 6 * 7
    rules = {"absent": "zero", "present": "target"}
    assert metric.report(**rules) == total.report(**rules)
    assert_own(metric, mine)


def check_collection(rank, world):
    settings = {"macro": {}, "none": {"average": "none"}, "foreground": {"ignore_index": (0, 255)}}
    collection = MetricCollection({name: MeanIoU(3, **({"ignore_index": 255} | s)) for name, s in settings.items()})
    pairs = batches(rank)[: rank + 2]
    of_all = [pair for r in range(world) for pair in batches(r)[: r + 2]]
    for upto in (1, rank + 2):
        for pair in pairs[collection["macro"].update_count : upto]:
            collection.update(*pair)
        expected = of_all if upto > 1 else [batches(r)[0] for r in range(world)]
        for name, value in collection.compute().items():
            ours = {"ignore_index": 255} | settings[name] | {"sync_on_compute": False}
            assert_equal(value, update_all(MeanIoU(3, **ours), expected).compute())
    assert len(collection.compute_groups) == 2
    assert torch.equal(collection["none"].counts, alone(pairs).counts)
    assert collection["none"].update_count == len(pairs)


def check_one_collective(rank, world):
    mine = share(rank, world)
    metric = update_all(made(), mine)
    with collectives() as calls:
        computed(metric)
    assert calls == [("all_reduce", (3 + 2) ** 2 * 8 + STAMP)]
    with collectives() as calls:
        computed(metric)  # other ranks may have counted since
    assert calls == [("all_reduce", 200 + STAMP)]
    with collectives() as calls:
        metric.report()
    assert calls == [("all_reduce", 200 + STAMP)]
    with collectives() as calls:
        update_all(metric, mine)
        metric(*batches()[0])
    assert calls == []
    large = MeanIoU(150)
    large.update(batches()[0][1] % 150, batches()[0][1] % 150)
    with collectives() as calls:
        large.compute()
    assert calls == [("all_reduce", 152**2 * 8 + STAMP)]


def check_that_collectives_are_noticed(rank, world):
    metric = MulticlassConfusionMatrix(3, ignore_index=255, validate_args=False)
    update_all(metric, [(pair[1] % 3, pair[1]) for pair in batches(rank)[:1]])
    with collectives() as calls:
        metric.compute()
    names = [name for name, _ in calls]
    assert "barrier" in names
    assert len([name for name in names if name.startswith("all_gather")]) >= 1


def check_a_model_under_ddp(rank, world):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 3, 1)
            self.metric = made()

        def forward(self, target):
            images = target[:, None].float() / 255
            scores = self.layer(images)
            return scores, self.metric(scores, target)

    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(Model())
    seen = []
    for _, target in batches(rank)[:2]:
        scores, _ = model(target)
        scores.mean().backward()
        seen.append((scores.detach(), target))
    total = [torch.zeros(5, 5, dtype=torch.int64) for _ in range(world)]
    dist.all_gather(total, alone(seen).counts)
    with model.module.metric.sync_context():
        assert torch.equal(model.module.metric.counts, torch.stack(total).sum(0))
    assert_own(model.module.metric, seen)


def check_a_sync_that_fails(rank, world):
    def broken(tensor, group=None):
        raise RuntimeError("lost a rank")

    pairs = batches(rank)[:1]
    metric = update_all(made(), pairs)
    for call in (
        lambda: metric.sync(dist_sync_fn=broken),
        lambda: metric.sync_context(dist_sync_fn=broken).__enter__(),
    ):
        with pytest.raises(RuntimeError, match="lost a rank"):
            call()
        assert not metric._is_synced
        assert torch.equal(metric.counts, alone(pairs).counts)
    assert_equal(metric.compute(), alone([batches(r)[0] for r in range(world)]).compute())
    assert_own(metric, pairs)


def check_report_while_synced(rank, world):
    metric, total = update_all(made(), share(rank, world)), alone(batches()[:5])
    metric.sync()
    for _ in range(2):
        assert metric.report() == total.report()
        assert metric._is_synced, "the report ended a sync that it did not begin"
        assert torch.equal(metric.counts, total.counts)
    metric.unsync()
    assert_own(metric, share(rank, world))


# ------------------------------------------------------------------------------------------------------------ machinery


class collectives:
    """Records the collectives of ``torch.distributed`` that are called, as ``(name, bytes)``."""

    NAMES = (
        "all_gather",
        "all_gather_coalesced",
        "all_gather_into_tensor",
        "all_gather_object",
        "all_reduce",
        "all_to_all",
        "all_to_all_single",
        "barrier",
        "broadcast",
        "broadcast_object_list",
        "gather",
        "gather_object",
        "monitored_barrier",
        "recv",
        "reduce",
        "reduce_scatter",
        "reduce_scatter_tensor",
        "scatter",
        "send",
    )

    def __enter__(self):
        calls = []

        def recorded(name, function):
            def call(*args, **kwargs):
                sizes = [x.numel() * x.element_size() for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]
                calls.append((name, sum(sizes)))
                return function(*args, **kwargs)

            return call

        self.patches = [
            patch.object(dist, name, recorded(name, getattr(dist, name))) for name in self.NAMES if hasattr(dist, name)
        ]
        for replaced in self.patches:
            replaced.start()
        return calls

    def __exit__(self, *_):
        for replaced in self.patches:
            replaced.stop()


def images_of(metric, pairs, first, ids=True):
    """Feeds pairs of two images each, whose ids count on from the first one."""
    for i, (preds, target) in enumerate(pairs):
        metric.update(preds, target, image_ids=[2 * (first + i), 2 * (first + i) + 1] if ids else None)
    return metric


def check_rows_of_images(rank, world):
    """Rows, values, intervals and p-values are those of one process, with unequal ranks and one without a batch."""
    start = sum(SHARES[world][:rank])
    for settings in ({}, {"over": "image", "worst_percent": 30}, {"over": "class"}):
        for ids in (True, False):
            settings = {"per_image": True} | settings
            mine = images_of(made(**settings), share(rank, world), start, ids)
            whole = images_of(made(sync_on_compute=False, **settings), batches()[:5], 0, ids)
            assert_equal(computed(mine), whole.compute())
            for of in ("mean", "accuracy"):
                assert mine.bootstrap(of) == whole.bootstrap(of)
            assert mine.bootstrap_classes() == whole.bootstrap_classes()
            if ids:
                assert mine.image_scores().to_csv() == whole.image_scores().to_csv()
            fewer = Resampling(resamples=20)
            assert str(mine.report(bootstrap=fewer)) == str(whole.report(bootstrap=fewer))
            assert len(mine._joined()[0]) == 2 * len(share(rank, world))
            assert mine.counts.sum() == sum(preds.numel() for preds, _ in share(rank, world))


def check_a_comparison(rank, world):
    start = sum(SHARES[world][:rank])
    mine, whole = [], []
    for seed in (0, 1):
        predictions = [preds for preds, _ in batches(seed)]
        pairs = [(preds, target) for preds, (_, target) in zip(predictions, batches(), strict=True)]
        mine.append(images_of(made(per_image=True), pairs[start : start + SHARES[world][rank]], start))
        whole.append(images_of(made(per_image=True, sync_on_compute=False), pairs[:5], 0))
    assert compare(*mine) == compare(*whole)
    assert compare_classes(*mine) == compare_classes(*whole)
    unnamed = images_of(made(per_image=True), batches()[:1], 0, ids=False)
    with pytest.raises(ValueError, match="image_ids="):
        compare(unnamed, unnamed)


def check_an_image_on_two_ranks(rank, world):
    metric = images_of(made(per_image=True), batches()[:1], 0)
    with pytest.warns(UserWarning, match="2 images were counted more than once"):
        value = metric.compute()
    assert_equal(value, alone(batches()[:1]).compute())


def check_names_of_images(rank, world):
    preds, target = torch.cat([p for p, _ in batches()]), torch.cat([t for _, t in batches()])
    names = [f"image {i}" for i in range(len(preds))]
    one, mine = made(per_image=True, sync_on_compute=False), made(per_image=True)
    one.update(preds, target, image_ids=names)
    if rank:  # the first rank has no image, and so no name
        part = slice(rank - 1, None, world - 1)
        mine.update(preds[part], target[part], image_ids=names[part])
    own = dict(mine.image_names)
    assert mine.image_scores() == one.image_scores()
    assert mine.image_names == own
    mine.sync()
    assert mine.image_names == one.image_names
    mine.unsync()
    assert mine.image_names == own


def check_a_reduction_in_place(rank, world):
    """What torchmetrics takes from a ``dist_sync_fn`` that adds up in place: the sum, and own counts as they were."""

    def reduced(tensor, group=None):
        dist.all_reduce(tensor, group=group)
        return [tensor]

    mine = share(rank, world)
    metric = update_all(made(dist_sync_fn=reduced), mine)
    for _ in range(3):
        assert_equal(computed(metric), alone(batches()[:5]).compute())
        assert_own(metric, mine)
    rows = made(dist_sync_fn=reduced, per_image=True)
    rows.update(*batches(rank)[0], image_ids=[2 * rank, 2 * rank + 1])
    before = rows.counts
    with pytest.raises(ValueError, match=r"per_image=True .*gather"):
        rows.compute()
    assert rows.counts is before


def check_numbers_of_images_without_ids(rank, world):
    """One process has an order of counting; several have none that is the same for any number of them."""
    metric = images_of(made(per_image=True), batches(rank)[:1], 0, ids=False)
    assert set(metric.image_scores().ids) == {-1}
    own = images_of(made(per_image=True, sync_on_compute=False), batches(rank)[:1], 0, ids=False)
    assert sorted(own.image_scores().ids) == [0, 1]


def check_rows_through_a_gather_of_ones_own(rank, world):
    calls = []

    def gather(part, group):
        calls.append(part.shape)
        parts = [None] * world
        dist.all_gather_object(parts, part, group=group)
        return parts

    start = sum(SHARES[world][:rank])
    metric = images_of(made(per_image=True, dist_sync_fn=gather), share(rank, world), start)
    assert_equal(computed(metric), alone(batches()[:5]).compute())
    assert len(calls) == 2


# ---------------------------------------------------------------------------------------------- labels that overlap


def part_of(kind, rank, world, seed=0):
    """The batches of a rank, as ``share``, for a kind of metric."""
    start = sum(SHARES[world][:rank])
    return kind.batches(seed, count=6)[start : start + SHARES[world][rank]]


def whole_of(kind, number=5, seed=0, **settings):
    """A metric of this process alone that has counted the batches of all ranks."""
    return update_all(kind.made(sync_on_compute=False, **settings), kind.batches(seed, count=6)[:number])


OF_KINDS = (
    *((LABELS, {"average": average}) for average in ("macro", "micro", "weighted", "none")),
    (LABELS, {"threshold": [0.25, 0.5, 0.75], "inclusive": True, "void_preds": "drop", "absent": "one"}),
    (CURVE, {}),
    (CURVE, {"thresholds": 101, "average": "micro"}),
    (BANDS, {"width": 0.1, "void_preds": "drop"}),
    (BANDS, {"width": [2, 1], "average": "none"}),
)


def check_labels_of_uneven_ranks(rank, world):
    for kind, settings in OF_KINDS:
        mine = part_of(kind, rank, world)
        metric = update_all(kind.made(**settings), mine)
        for _ in range(2):
            with collectives() as calls:
                value = computed(metric)
            assert calls == [("all_reduce", metric.counts.numel() * 8 + STAMP)]
            assert_same(value, whole_of(kind, **settings).compute())
            assert not metric._is_synced
            assert metric.update_count == len(mine)
            assert torch.equal(metric.counts, update_all(kind.made(**settings), mine).counts)
        one, whole = metric, whole_of(kind, **settings)
        if kind is BANDS:
            one, whole = (of.at(of.widths[-1]) for of in (metric, whole))
        assert str(one.report()) == str(whole.report())
        update_all(metric, kind.batches(count=6)[5:] if rank == world - 1 else [])
        assert_same(computed(metric), whole_of(kind, 6, **settings).compute())


def check_results_of_a_curve(rank, world):
    metric, whole = update_all(CURVE.made(), part_of(CURVE, rank, world)), whole_of(CURVE)
    asked = (
        lambda curve: curve.best(),
        lambda curve: curve.best(common=True),
        lambda curve: (curve.area(),),
        lambda curve: (curve.at(0.5),),
    )
    for ask in asked:
        with collectives() as calls:
            value = ask(metric)
        assert len(calls) == 1
        assert_same(value, ask(whole))


def check_labels_synchronised_in_forward(rank, world):
    for kind in (LABELS, CURVE):
        metric, of_all = kind.made(dist_sync_on_step=True), [kind.batches(seed)[0] for seed in range(world)]
        assert_same(metric(*of_all[rank]), update_all(kind.made(sync_on_compute=False), of_all).compute())
        assert metric.update_count == 1
        assert_same(metric.compute(), update_all(kind.made(sync_on_compute=False), of_all).compute())


def check_labels_of_ranks_that_are_not_in_step(rank, world):
    others = {LABELS: {"threshold": 0.4}, CURVE: {"thresholds": [0.25, 0.5, 0.8]}, BANDS: {"edge": False}}
    for kind, other in others.items():
        metric = update_all(kind.made(**(other if rank else {})), kind.batches(rank)[:1])
        with pytest.raises(RuntimeError, match="settings differ"):
            metric.compute()
        metric = update_all(kind.made(), kind.batches(rank)[:1])
        metric.compute()
        if rank:
            metric.reset()
        metric.update(*kind.batches(rank)[1])
        before = metric.counts
        for ask in (metric.compute, metric.report):
            with pytest.raises(RuntimeError, match=r"ranks .*compute, report or reset"):
                ask()
        assert metric.counts is before
        assert not metric._is_synced


def check_labels_through_a_gather_of_ones_own(rank, world):
    calls = []

    def gather(tensor, group=None):
        calls.append((tensor.dtype, group))
        parts = [None] * world
        dist.all_gather_object(parts, tensor, group=group)
        return parts

    cases = ((LABELS, {}), (LABELS, {"per_image": True}), (CURVE, {}), (BANDS, {"per_image": True}))
    for kind, settings in cases:
        metric = kind.made(dist_sync_fn=gather, process_group=dist.group.WORLD, **settings)
        update_all(metric, part_of(kind, rank, world))
        calls.clear()
        assert_same(computed(metric), whole_of(kind).compute())
        assert calls == [(torch.int64, dist.group.WORLD)] * (1 + metric.per_image)


def check_rows_of_labels(rank, world):
    """Rows, names, values, intervals and comparisons are those of one process."""
    start = sum(SHARES[world][:rank])
    cases = [(LABELS, case) for case in ({}, {"over": "image", "worst_percent": 30, "absent": "one"})]
    for kind, settings in (*cases, (LABELS, {"over": "class"}), (BANDS, {"over": "class"})):
        settings = {"per_image": True} | settings
        mine, whole = [], []
        for seed in (0, 1):
            target = [target for _, target in kind.batches(0, count=6)]
            pairs = [(preds, t) for (preds, _), t in zip(kind.batches(seed, count=6), target, strict=True)]
            mine.append(images_of(kind.made(**settings), pairs[start:][: SHARES[world][rank]], start))
            whole.append(images_of(kind.made(sync_on_compute=False, **settings), pairs[:5], 0))
        assert_same(computed(mine[0]), whole[0].compute())
        for of in ("mean", "accuracy"):
            assert mine[0].bootstrap(of, resamples=50) == whole[0].bootstrap(of, resamples=50)
            assert compare(*mine, of, resamples=50) == compare(*whole, of, resamples=50)
        assert compare_classes(*mine, resamples=50) == compare_classes(*whole, resamples=50)
        assert mine[0].image_scores().to_csv() == whole[0].image_scores().to_csv()
    named, names = LABELS.made(per_image=True), [f"image {i}" for i in range(2 * world)]
    named.update(*LABELS.batches(rank)[0], image_ids=names[2 * rank : 2 * rank + 2])
    assert set(named.image_scores().images) == set(names)


def check_boundary_iou_in_a_report(rank, world):
    """Boundary IoU beside IoU, and images of different sizes, whose widths are summed over ranks."""
    of_bands = {"width": [0.18, 1]}
    mine, whole = part_of(BANDS, rank, world), BANDS.batches(count=6)[:5]
    metric, boundary = update_all(made(), mine), update_all(BANDS.made(**of_bands), mine)
    alone_with = update_all(BANDS.made(sync_on_compute=False, **of_bands), whole)
    assert metric.report(boundary=boundary) == alone(whole).report(boundary=alone_with)
    assert not boundary._is_synced
    for of, pairs in ((boundary, mine), (alone_with, whole)):
        of.update([preds[0, :3] for preds, _ in pairs], [target[0, :3] for _, target in pairs])
    one, other = boundary.at(0.18).report(), alone_with.at(0.18).report()
    assert one.boundaries == other.boundaries
    assert 1 < one.boundaries[0].pixels < 2
    with pytest.raises(ValueError, match="has counted other pixels"):
        metric.report(boundary=boundary)
    assert metric.report() == alone(whole).report()


def check_values_of_labels_that_are_refused_on_all_ranks(rank, world):
    for kind in (LABELS, CURVE):
        metric = update_all(kind.made(), kind.batches(rank)[:1])
        if rank == world - 1:
            counts = metric.counts.clone()
            counts[1, 3, 0] = 6  # as on an accelerator, where update does not raise
            metric.counts = counts
        for ask in (metric.compute, metric.report):
            with pytest.raises(ValueError, match="target holds 6 pixels of label 1 "):
                ask()
            assert not metric._is_synced
        metric.reset()
        update_all(metric, kind.batches(rank)[:1])
        total = update_all(kind.made(sync_on_compute=False), [kind.batches(r)[0] for r in range(world)])
        assert_same(metric.compute(), total.compute())


CHECKS = [name for name in globals() if name.startswith("check_")]
END = "the group ends"


def run_all(rank, worlds, folder):
    """Runs the checks on one rank, in a group of each size; see ``run``."""
    torch.set_num_threads(1)
    for world in worlds:
        if rank < world:
            run(rank, world, folder)


def run(rank, world, folder):
    """Runs the checks in a new group and writes ``{name: traceback or ""}``; stops at the first that fails.

    Under ``END`` is whether the group has ended with it.
    """
    found = {}
    address = f"file://{folder}/group-of-{world}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world, timeout=TIMEOUT)
    group = weakref.ref(dist.group.WORLD)
    try:
        for name in CHECKS:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    globals()[name](rank, world)
                    dist.barrier()
                except BaseException:
                    found[name] = traceback.format_exc()
                    break
                found[name] = ""
    finally:
        dist.destroy_process_group()
        gc.collect()  # a frame of a check may hold its model in a cycle
        found[END] = "" if group() is None else "the group outlives destroy_process_group"
        result(folder, rank, world).write_text(json.dumps(found), encoding="utf-8")


def result(folder, rank, world):
    return Path(folder, f"rank-{rank}-of-{world}.json")


def start(worlds, folder, seconds=600):
    """Starts the processes, ends them if they take too long, and returns the results of each rank and group."""
    context = torch.multiprocessing.start_processes(
        run_all, args=(worlds, str(folder)), nprocs=max(worlds), join=False, start_method="spawn"
    )
    end = time.monotonic() + seconds
    try:
        while not context.join(timeout=1):
            if time.monotonic() > end:
                raise TimeoutError(f"the ranks took more than {seconds} s")
    finally:
        for process in context.processes:
            if process.is_alive():
                process.kill()
                process.join()
    return {w: [json.loads(result(folder, rank, w).read_text(encoding="utf-8")) for rank in range(w)] for w in worlds}
