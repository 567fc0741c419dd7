"""Processes in a gloo group: however images are distributed, the result is exactly that of one process."""

import json
import sys

import pytest
import torch
from support import distributed_checks, launch
from torch.utils.data import DataLoader, DistributedSampler

from meaniou.distributed import UnpaddedSampler
from meaniou.metrics.state.sync import sum_over_ranks

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this PyTorch has no gloo")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of each rank in a group of two and a group of three; the processes are started once."""
    return distributed_checks.start(tuple(distributed_checks.SHARES), tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("world", distributed_checks.SHARES)
@pytest.mark.parametrize("check", [*distributed_checks.CHECKS, distributed_checks.END])
def test_in_several_processes(results, world, check):
    assert_passed(results[world], check)


def assert_passed(results, check):
    wrong = [f"rank {rank}:\n{result[check]}" for rank, result in enumerate(results) if result.get(check)]
    assert not wrong, "\n".join(wrong)
    absent = [rank for rank, result in enumerate(results) if check not in result]
    assert not absent, f"ranks {absent} did not come to this check; see those before it"


def test_a_check_can_fail(tmp_path, monkeypatch):
    def check_wrong(rank, world):
        raise AssertionError("one is not two")

    monkeypatch.setattr(distributed_checks, "CHECKS", ["check_right", "check_wrong", "check_late"])
    monkeypatch.setattr(distributed_checks, "check_right", lambda rank, world: None, raising=False)
    monkeypatch.setattr(distributed_checks, "check_wrong", check_wrong, raising=False)
    distributed_checks.run(0, 1, tmp_path)
    results = [json.loads(distributed_checks.result(tmp_path, 0, 1).read_text())]
    assert_passed(results, "check_right")
    with pytest.raises(AssertionError, match="one is not two"):
        assert_passed(results, "check_wrong")
    with pytest.raises(AssertionError, match="did not come"):
        assert_passed(results, "check_late")


@pytest.mark.parametrize(("kept", "status"), [("dist.group.WORLD", 3), ("None", 0)])
def test_a_group_that_outlives_its_script_is_noticed(tmp_path, monkeypatch, kept, status):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nimport torch.distributed as dist\n"
        f"dist.init_process_group('gloo', init_method='file://{tmp_path}/store', rank=0, world_size=1)\n"
        f"sys.kept = {kept}\ndist.destroy_process_group()\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(torch.distributed, "init_process_group", torch.distributed.init_process_group)
    monkeypatch.setattr(sys, "argv", ["groups.py", str(script)])
    monkeypatch.setattr(sys, "kept", None, raising=False)
    with pytest.raises(SystemExit) as ended:
        launch.main()
    assert ended.value.code == status


@pytest.mark.parametrize("number", [0, 1, 3, 8, 11])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_sampler_without_padding(number, shuffle):
    """Each index is in one share: those of ``DistributedSampler`` without its repeated ones."""
    for ranks_ in (1, 2, 4, 8):
        for epoch in (0, 3):
            shares, padded = [], []
            for rank in range(ranks_):
                ours = UnpaddedSampler(range(number), ranks_, rank, shuffle=shuffle, seed=5)
                ours.set_epoch(epoch)
                shares.append(list(ours))
                assert len(ours) == len(shares[-1])
                if number:
                    theirs = DistributedSampler(range(number), ranks_, rank, shuffle=shuffle, seed=5)
                    theirs.set_epoch(epoch)
                    padded.append(list(theirs))
            assert sorted(i for share in shares for i in share) == list(range(number))
            for share, longer in zip(shares, padded, strict=bool(number)):
                assert share == longer[: len(share)]
                assert len(longer) - len(share) in (0, 1)
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_sampler_in_a_loader():
    sampler = UnpaddedSampler(range(7), 2, 1, shuffle=False)
    assert [batch.tolist() for batch in DataLoader(range(7), batch_size=2, sampler=sampler)] == [[1, 3], [5]]
    with pytest.raises(ValueError, match="Invalid rank"):
        UnpaddedSampler(range(7), 2, 2)


@pytest.mark.parametrize("shape", [(0, 4), (2, 3)], ids=str)
def test_counts_are_summed_by_one_gather(shape):
    counts, calls = torch.full(shape, 2**53 + 1), []

    def gather(part, group):
        calls.append(group)
        return [part, part, part]

    total, updates = sum_over_ranks(counts, gather, "a group", updates=2)
    assert updates == 2
    assert calls == ["a group"]
    assert total.dtype == torch.int64
    assert torch.equal(total, 3 * counts)
