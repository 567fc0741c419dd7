"""Moves states between devices; their contents and their dtype stay as they are."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only


def device_after(fn: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    """An empty tensor on the device to which ``fn``, a function of ``Module._apply``, moves a state."""
    try:
        return fn(torch.empty(0, device=state.device))
    except NotImplementedError:
        if not state.is_meta:
            raise
        return fn(torch.empty(0, device="cpu"))  # .to(...) refuses to copy from the meta device


def moved(value: Any, device: torch.device) -> Any:
    """The value with all tensors in it moved to a device."""
    return tree_map_only(Tensor, lambda tensor: tensor.to(device), value)


def copied(state: Tensor | list[Tensor], device: torch.device) -> Tensor | list[Tensor]:
    """A copy of a state on a device."""
    if isinstance(state, Tensor):
        return state.to(device, copy=True)
    return [part.to(device, copy=True) for part in state]


def check_device(counts: Tensor, device: torch.device) -> None:
    """Raises ``ValueError`` if the counts of a batch are on another device than the metric."""
    if counts.device != device:
        raise ValueError(
            f"preds and target are on {counts.device} and the metric is on {device}; call "
            f"metric.to({str(counts.device)!r}) first."
        )


def is_captured(counts: Tensor, per_image: bool) -> bool:
    """Whether a CUDA graph is capturing additions to these counts; raises ``RuntimeError`` with ``per_image``."""
    if not counts.is_cuda or torch.compiler.is_compiling() or not torch.cuda.is_initialized():
        return False
    captured = torch.cuda.is_current_stream_capturing()
    if captured and per_image:
        raise RuntimeError(
            "A CUDA graph cannot capture a metric with per_image=True, whose state grows with every update."
        )
    return captured
