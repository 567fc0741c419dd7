"""Synchronises counts and the rows of images over the ranks of a process group."""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

Gather = Callable[..., list[Tensor]]


def is_shared(available: Any, gather: Gather | None, group: Any) -> bool:
    """Whether there are other ranks, from the ``distributed_available_fn`` and ``dist_sync_fn`` of a metric."""
    if not callable(available) or not available():
        return False
    return gather is not None or dist.get_world_size(group) > 1


def sum_over_ranks(
    counts: Tensor, gather: Gather | None, group: Any, stamp: int = 0, updates: int = 0
) -> tuple[Tensor, int]:
    """The sum of int64 counts, and of the numbers of updates, over the ranks of a group, all of which must call it.

    It is one all-reduce, whatever the number of ranks. A custom ``gather`` is called once instead, as torchmetrics
    calls a ``dist_sync_fn``: with a tensor and ``group=``, and it returns the list of the tensors of all ranks. The
    numbers of updates of other ranks are not known then.

    Args:
        counts: the counts of this rank.
        gather: the ``dist_sync_fn`` of the metric.
        group: the process group; ``None`` for the default group.
        stamp: a number below 2^24 that must be the same on all ranks.
        updates: the number of updates of this rank.

    Raises:
        RuntimeError: on all ranks, if their stamps differ; not with a custom ``gather``.
    """
    if _is_custom(gather):
        parts = gather(counts.clone(), group=group)  # a copy, since gather may reduce in place
        return torch.stack([part.to(counts.device) for part in parts]).sum(0), updates
    ranks = dist.get_world_size(group)
    # All stamps are equal if and only if their mean is one of them and the mean of their squares is its square.
    beside = counts.new_tensor([updates, stamp, stamp * stamp])
    sent = torch.cat([counts.flatten(), beside]).to(_device(counts, group))
    dist.all_reduce(sent, group=group)
    total, *stamps = sent[-3:].tolist()
    if stamps != [ranks * stamp, ranks * stamp * stamp]:
        raise RuntimeError(
            "The ranks are out of step: their settings differ, or they called compute, report or reset in a different "
            "order. Call these equally often on every rank, outside loops whose length differs between ranks."
        )
    return sent[:-3].view_as(counts).to(counts.device, copy=True), total


def images_of_ranks(
    rows: Tensor, ids: Tensor, labels: Tensor, gather: Gather | None, group: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """The rows of images, int64 ``[N, 4, C]``, ids, ``[N]``, and names, uint8 ``[K]``, of all ranks of a group.

    All ranks must call it; N and K may differ between ranks, and be 0. The lengths are gathered first, then rows and
    ids, then the names if a rank has any, each padded to the longest. A custom ``gather`` is called once, with rows and
    ids, and must accept shapes that differ, as the one of torchmetrics does. The names of other ranks are not known
    then.

    Raises:
        ValueError: if a custom ``gather`` does not return the rows of this rank, for example since it sums them.
    """
    flat = torch.cat([ids[:, None], rows.flatten(1)], 1)
    if _is_custom(gather):
        parts = [part.to(flat.device) for part in gather(flat.clone(), group=group)]
        if not any(torch.equal(part, flat) for part in parts):
            raise ValueError(
                "dist_sync_fn returned a list without the tensor of this rank. With per_image=True it must gather the "
                "tensors of all ranks and must not reduce them."
            )
    else:
        number = torch.tensor([len(flat), len(labels)], device=_device(flat, group))
        numbers = [torch.zeros_like(number) for _ in range(dist.get_world_size(group))]
        dist.all_gather(numbers, number, group=group)
        of_rows, of_labels = zip(*(of_rank.tolist() for of_rank in numbers), strict=True)
        parts = _gathered(flat, of_rows, group)
        if any(of_labels):
            labels = torch.cat(_gathered(labels[:, None], of_labels, group))[:, 0]
    whole = torch.cat(parts)
    return whole[:, 1:].unflatten(1, (4, -1)), whole[:, 0], labels


def _gathered(rows: Tensor, lengths: Sequence[int], group: Any) -> list[Tensor]:
    """The rows ``[N, K]`` of each rank, whose lengths are known."""
    padded = torch.zeros(max(lengths), rows.shape[1], dtype=rows.dtype, device=_device(rows, group))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(parts, padded, group=group)
    return [part[:n].to(rows.device) for part, n in zip(parts, lengths, strict=True)]


def _is_custom(gather: Gather | None) -> TypeGuard[Gather]:
    """Whether a ``dist_sync_fn`` is the user's own, and not the default that torchmetrics passes."""
    return gather is not None and gather is not gather_all_tensors


def _device(tensor: Tensor, group: Any) -> torch.device:
    """The device for communication: NCCL takes no CPU tensors, and a metric made in a hook may be on the CPU."""
    on_host = tensor.device.type == "cpu"
    return torch.device("cuda") if on_host and dist.get_backend(group) == "nccl" else tensor.device
