"""Counts and rows of images over all ranks of a process group."""

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

Gather = Callable[..., list[Tensor]]


def is_shared(available: Any, gather: Gather | None, group: Any) -> bool:
    """Whether there are other ranks, by the ``distributed_available_fn`` and the ``dist_sync_fn`` of a metric."""
    if not callable(available) or not available():
        return False
    return gather is not None or dist.get_world_size(group) > 1


def sum_over_ranks(
    counts: Tensor, gather: Gather | None, group: Any, stamp: int = 0, updates: int = 0
) -> tuple[Tensor, int]:
    """Int64 counts and the number of updates, summed over the ranks of ``group`` (``None``: all) that all call this.

    Without a ``gather`` of the user's own it is one all-reduce, whatever the number of ranks. With one, ``gather`` is
    called once as torchmetrics calls a ``dist_sync_fn``: with a tensor and ``group=``, for the list of the tensors of
    all ranks; the updates of other ranks are not known then. ``stamp``, below 2^24, has to be the same on all ranks
    that call this at the same time.

    Raises:
        RuntimeError: on all ranks, if their stamps differ; not with a ``gather``.
    """
    if _is_custom(gather):
        parts = gather(counts.clone(), group=group)  # a copy, since it may reduce in place
        return torch.stack([part.to(counts.device) for part in parts]).sum(0), updates
    ranks = dist.get_world_size(group)
    # All stamps are the same if and only if their mean and the mean of their squares are those of one of them.
    beside = counts.new_tensor([updates, stamp, stamp * stamp])
    sent = torch.cat([counts.flatten(), beside]).to(_device(counts, group))
    dist.all_reduce(sent, group=group)
    total, *stamps = sent[-3:].tolist()
    if stamps != [ranks * stamp, ranks * stamp * stamp]:
        raise RuntimeError(
            "The ranks are not in step, since their settings differ, or only some of them have called reset; expected "
            "compute, report and reset equally often and in the same order on every rank, so call them outside of "
            "loops whose lengths differ."
        )
    return sent[:-3].view_as(counts).to(counts.device, copy=True), total


def images_of_ranks(rows: Tensor, ids: Tensor, gather: Gather | None, group: Any) -> tuple[Tensor, Tensor]:
    """Rows of images, int64 ``[N, 4, C]``, and their ids, ``[N]``, of all ranks; see ``rows_of_ranks``."""
    flat = rows_of_ranks(torch.cat([ids[:, None], rows.flatten(1)], 1), gather, group)
    return flat[:, 1:].unflatten(1, (4, -1)), flat[:, 0]


def rows_of_ranks(rows: Tensor, gather: Gather | None, group: Any) -> Tensor:
    """Int64 rows ``[N, K]`` of all ranks of ``group``, one after the other; N may differ, and be 0; all must call this.

    One gather of the numbers and one of the rows, padded to the longest. A ``gather`` of the user's own is called once,
    and has to take shapes that differ, as that of torchmetrics does.

    Raises:
        ValueError: if a ``gather`` does not give the rows of this rank back, as one that adds them up.
    """
    if _is_custom(gather):
        parts = [part.to(rows.device) for part in gather(rows.clone(), group=group)]
        if not any(torch.equal(part, rows) for part in parts):
            raise ValueError(
                "dist_sync_fn does not give back the rows of this rank; expected a list of the rows of every rank with "
                "per_image=True, so gather them, and do not reduce."
            )
        return torch.cat(parts)
    ranks, device = dist.get_world_size(group), _device(rows, group)
    number = torch.tensor([len(rows)], device=device)
    numbers = [torch.zeros_like(number) for _ in range(ranks)]
    dist.all_gather(numbers, number, group=group)
    lengths = [int(n) for n in numbers]
    padded = torch.zeros(max(lengths), rows.shape[1], dtype=rows.dtype, device=device)
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in range(ranks)]
    dist.all_gather(parts, padded, group=group)
    return torch.cat([part[:n] for part, n in zip(parts, lengths, strict=True)]).to(rows.device)


def _is_custom(gather: Gather | None) -> TypeGuard[Gather]:
    """Whether a ``dist_sync_fn`` is the user's own, and not the one that torchmetrics passes for none."""
    return gather is not None and gather is not gather_all_tensors


def _device(tensor: Tensor, group: Any) -> torch.device:
    """Where a group takes a tensor: NCCL has no CPU tensors, and a metric made in a hook stays on the CPU."""
    on_host = tensor.device.type == "cpu"
    return torch.device("cuda") if on_host and dist.get_backend(group) == "nccl" else tensor.device
