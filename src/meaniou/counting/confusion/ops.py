"""Registers the operators ``meaniou::count`` and ``meaniou::count_images`` with PyTorch.

They are opaque to ``torch.compile`` and ``torch.export``. On the CPU they raise for labels out of range before a state
changes. On an accelerator that would wait for the device; there the labels are counted and ``compute`` raises.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from meaniou.counting.ambiguity import warn_of_logits
from meaniou.counting.dispatch import Kernel, kernel
from meaniou.counting.errors import refuse_labels
from meaniou.counting.kernels.spec import CountSpec

MAPS = "Tensor preds, Tensor target, Tensor? valid"


def _count(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> Tensor:
    spec = CountSpec.unpack(arguments)
    counts = _kernel_for(preds, target, valid, spec).count(preds, target, valid, spec)
    refuse_labels(counts, preds, target, valid, spec)
    return counts


def _count_images(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    spec = CountSpec.unpack(arguments)
    counts, image_counts = _kernel_for(preds, target, valid, spec).count_images(preds, target, valid, spec)
    refuse_labels(counts, preds, target, valid, spec)
    return counts, image_counts


def _kernel_for(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Kernel:
    """The kernel for these maps; warns if predictions with a threshold are not probabilities."""
    if spec.validate and spec.preds_form == "threshold" and preds.device.type == "cpu":
        warn_of_logits(preds, spec.threshold)
    counter = kernel(spec.impl, preds.device)
    if spec.impl != "auto" and hasattr(counter, "why_not") and (reason := counter.why_not(preds, target, valid, spec)):
        raise ValueError(
            f"impl={spec.impl!r} cannot count these maps, since {reason}. Pass impl='auto' or impl='portable'."
        )
    return counter


def _count_fake(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> Tensor:
    size = CountSpec.unpack(arguments).num_classes + 2
    return preds.new_empty((size, size), dtype=torch.int64)


def _count_images_fake(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    counts = _count_fake(preds, target, valid, *arguments)
    return counts, preds.new_empty((preds.shape[0], 4, counts.shape[0] - 2), dtype=torch.int64)


# torch.library.Library: 3 µs a call; torch.library.custom_op takes 26 to 29.
_library = torch.library.Library("meaniou", "DEF")


def _register(name: str, result: str, function: Callable[..., Any], fake: Callable[..., Any]) -> Any:
    _library.define(f"{name}({MAPS}, {CountSpec.schema()}) -> {result}", tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(name, function, "CompositeExplicitAutograd")  # every device
    torch.library.register_fake(f"meaniou::{name}", fake, lib=_library)
    return getattr(torch.ops.meaniou, name).default


count = _register("count", "Tensor", _count, _count_fake)
count_images = _register("count_images", "(Tensor, Tensor)", _count_images, _count_images_fake)
