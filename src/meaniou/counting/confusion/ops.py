"""The operators ``meaniou::count`` and ``meaniou::count_images``.

On the CPU they raise for labels out of range before a state changes. On an accelerator that would wait for the device;
there the labels are counted and ``compute`` raises.
"""

from typing import Any

import torch
from torch import Tensor

from meaniou.counting.confusion.errors import refuse_labels
from meaniou.counting.contents import warn_of_logits
from meaniou.counting.dispatch import Kernel, kernel_for
from meaniou.counting.kernels.spec import CountSpec, schema, unpack
from meaniou.counting.operators import register

ARGUMENTS = f"Tensor preds, Tensor target, Tensor? valid, {schema(CountSpec)}"


def _count(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> Tensor:
    spec = unpack(CountSpec, arguments)
    counts = kernel_of_maps(preds, target, valid, spec).count(preds, target, valid, spec)
    refuse_labels(counts, preds, target, valid, spec)
    return counts


def _count_images(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    spec = unpack(CountSpec, arguments)
    counts, image_counts = kernel_of_maps(preds, target, valid, spec).count_images(preds, target, valid, spec)
    refuse_labels(counts, preds, target, valid, spec)
    return counts, image_counts


def kernel_of_maps(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Kernel:
    """The kernel for these maps; warns if predictions with a threshold are not probabilities."""
    if spec.validate and spec.preds_form == "threshold" and preds.device.type == "cpu":
        rule = f"class 1 is predicted only above threshold={spec.threshold:g}"
        labels_cure = "integers or input_format='index'"
        warn_of_logits(preds, (spec.threshold,), rule, labels_cure, "For logits pass threshold=0.0")
    return kernel_for(preds, target, valid, spec, "why_not")


def _count_fake(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> Tensor:
    size = unpack(CountSpec, arguments).num_classes + 2
    return preds.new_empty((size, size), dtype=torch.int64)


def _count_images_fake(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> tuple[Tensor, Tensor]:
    counts = _count_fake(preds, target, valid, *arguments)
    return counts, preds.new_empty((preds.shape[0], 4, counts.shape[0] - 2), dtype=torch.int64)


count = register("count", ARGUMENTS, "Tensor", _count, _count_fake)
count_images = register("count_images", ARGUMENTS, "(Tensor, Tensor)", _count_images, _count_images_fake)
