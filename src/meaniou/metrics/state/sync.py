"""Synchronises counts, and the rows of images, over the ranks of a process group."""

from collections.abc import Callable, Sequence
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


def images_of_ranks(
    rows: Tensor, ids: Tensor, labels: Tensor, gather: Gather | None, group: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of images, int64 ``[N, 4, C]``, their ids, ``[N]``, and names, uint8 ``[K]``, of all ranks of ``group``.

    All must call this; N and K may differ, and be 0. It is a gather of the numbers, one of the rows and ids, and one of
    the names if a rank has any, padded to the longest. A ``gather`` of the user's own is called once, for rows and ids,
    and has to take shapes that differ, as that of torchmetrics does; the names of other ranks are not known then.

    Raises:
        ValueError: if a ``gather`` does not give the rows of this rank back, as one that adds them up.
    """
    flat = torch.cat([ids[:, None], rows.flatten(1)], 1)
    if _is_custom(gather):
        parts = [part.to(flat.device) for part in gather(flat.clone(), group=group)]
        if not any(torch.equal(part, flat) for part in parts):
            raise ValueError(
                "dist_sync_fn does not give back the rows of this rank; expected a list of the rows of every rank with "
                "per_image=True, so gather them, and do not reduce."
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
    """Rows ``[N, K]`` of each rank, by their numbers."""
    padded = torch.zeros(max(lengths), rows.shape[1], dtype=rows.dtype, device=_device(rows, group))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(parts, padded, group=group)
    return [part[:n].to(rows.device) for part, n in zip(parts, lengths, strict=True)]


def _is_custom(gather: Gather | None) -> TypeGuard[Gather]:
    """Whether a ``dist_sync_fn`` is the user's own, and not the one that torchmetrics passes for none."""
    return gather is not None and gather is not gather_all_tensors


def _device(tensor: Tensor, group: Any) -> torch.device:
    """Where a group takes a tensor: NCCL has no CPU tensors, and a metric made in a hook stays on the CPU."""
    on_host = tensor.device.type == "cpu"
    return torch.device("cuda") if on_host and dist.get_backend(group) == "nccl" else tensor.device
