"""Counts of ranks -> their sum, in one collective."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors


def sum_over_ranks(counts: Tensor, gather: Callable[..., list[Tensor]] | None, group: Any) -> Tensor:
    """Int64 counts summed over the ranks of ``group`` (``None``: all); every rank must call this.

    Without a ``gather`` of the user's own it is one all-reduce, whatever the number of ranks. With one, ``gather`` is
    called once as torchmetrics calls a ``dist_sync_fn``: with a tensor and ``group=``, for the list of the tensors of
    all ranks.
    """
    if gather is not None and gather is not gather_all_tensors:
        return torch.stack([part.to(counts.device) for part in gather(counts, group=group)]).sum(0)
    # NCCL has no CPU tensors, and a metric made in a hook stays on the CPU.
    on_host = counts.device.type == "cpu"
    device = torch.device("cuda") if on_host and dist.get_backend(group) == "nccl" else counts.device
    total = counts.to(device, copy=True)
    dist.all_reduce(total, group=group)
    return total.to(counts.device)
