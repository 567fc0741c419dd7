"""States of ranks -> their sum, in one collective."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors


def sum_over_ranks(
    states: dict[str, Tensor], gather: Callable[..., list[Tensor]] | None, group: Any
) -> dict[str, Tensor]:
    """Each int64 state summed over the ranks of ``group`` (``None``: all); every rank must call this.

    Without a ``gather`` of the user's own it is one all-reduce, whatever the number of states and of ranks. With one,
    ``gather`` is called once as torchmetrics calls a ``dist_sync_fn``: with a tensor and ``group=``, for the list of
    the tensors of all ranks.
    """
    flat = torch.cat([state.reshape(-1) for state in states.values()])
    if gather is None or gather is gather_all_tensors:
        # NCCL has no CPU tensors, and a metric made in a hook stays on the CPU.
        device = (
            torch.device("cuda") if flat.device.type == "cpu" and dist.get_backend(group) == "nccl" else flat.device
        )
        total = flat.to(device)
        dist.all_reduce(total, group=group)
        flat = total.to(flat.device)
    else:
        flat = torch.stack([part.to(flat.device) for part in gather(flat, group=group)]).sum(0)
    parts = flat.split([state.numel() for state in states.values()])
    return {name: part.view(state.shape) for (name, state), part in zip(states.items(), parts, strict=True)}
