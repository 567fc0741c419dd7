"""The same values with other strides, or elsewhere in memory."""

import torch
from torch import Tensor


def sliced(x: Tensor) -> Tensor:
    return torch.stack([x, x], -1)[..., 0]


def from_a_larger(x: Tensor) -> Tensor:
    larger = torch.zeros(*x.shape[:-1], x.shape[-1] + 3, dtype=x.dtype)
    larger[..., 2:-1] = x
    return larger[..., 2:-1]


def transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2).contiguous().transpose(-1, -2)


def channels_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def batch_last(x: Tensor) -> Tensor:
    return x.movedim(0, -1).contiguous().movedim(-1, 0)


def unaligned(x: Tensor) -> Tensor:
    """Contiguous, but one element after the start of its memory."""
    room = torch.empty(x.numel() + 1, dtype=x.dtype)
    room[1:] = x.reshape(-1)
    return room[1:].view(x.shape)


LAYOUTS = {f.__name__: f for f in (sliced, from_a_larger, transposed, channels_last, batch_last, unaligned)} | {
    "contiguous": lambda x: x
}
