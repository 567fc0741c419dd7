"""States of ranks become the state of all: counts are added in one collective, rows of images gathered in one."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors


def sum_over_ranks(counts: Tensor, gather: Callable[..., list[Tensor]] | None, group: Any, stamp: int = 0) -> Tensor:
    """Int64 counts summed over the ranks of ``group`` (``None``: all); every rank must call this.

    Without a ``gather`` of the user's own it is one all-reduce, whatever the number of ranks. With one, ``gather`` is
    called once as torchmetrics calls a ``dist_sync_fn``: with a tensor and ``group=``, for the list of the tensors of
    all ranks. ``stamp``, below 2^24, has to be the same on all ranks that call this at the same time.

    Raises:
        RuntimeError: on all ranks, if their stamps differ; not with a ``gather``.
    """
    if gather is not None and gather is not gather_all_tensors:
        parts = gather(counts.clone(), group=group)  # a copy, since it may reduce in place
        return torch.stack([part.to(counts.device) for part in parts]).sum(0)
    ranks = dist.get_world_size(group)
    # All stamps are the same if and only if their mean and the mean of their squares are those of one of them.
    sent = torch.cat([counts.flatten(), counts.new_tensor([stamp, stamp * stamp])]).to(_device(counts, group))
    dist.all_reduce(sent, group=group)
    if sent[-2:].tolist() != [ranks * stamp, ranks * stamp * stamp]:
        raise RuntimeError(
            "The ranks are not in step, since their settings differ, or only some of them have called reset; expected "
            "compute, report and reset equally often and in the same order on every rank, so call them outside of "
            "loops whose lengths differ."
        )
    return sent[:-2].view_as(counts).to(counts.device, copy=True)


def rows_of_ranks(rows: Tensor, gather: Callable[..., list[Tensor]] | None, group: Any) -> Tensor:
    """Int64 rows ``[N, K]`` of all ranks of ``group``, one after the other; N may differ, and be 0; all must call this.

    One gather of the numbers and one of the rows, padded to the longest. A ``gather`` of the user's own is called once,
    and has to take shapes that differ, as that of torchmetrics does.

    Raises:
        ValueError: if a ``gather`` does not give the rows of this rank back, as one that adds them up.
    """
    if gather is not None and gather is not gather_all_tensors:
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


def _device(tensor: Tensor, group: Any) -> torch.device:
    """Where a group takes a tensor: NCCL has no CPU tensors, and a metric made in a hook stays on the CPU."""
    on_host = tensor.device.type == "cpu"
    return torch.device("cuda") if on_host and dist.get_backend(group) == "nccl" else tensor.device
