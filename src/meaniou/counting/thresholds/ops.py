"""The operator ``meaniou::count_thresholds``.

On the CPU it raises for values outside before a state changes. On an accelerator that would wait for the device; there
the values are counted and ``compute`` raises.
"""

from typing import Any

import torch
from torch import Tensor

from meaniou.counting.contents import warn_of_logits
from meaniou.counting.dispatch import kernel_for
from meaniou.counting.kernels.spec import ThresholdSpec, schema, unpack
from meaniou.counting.operators import register
from meaniou.counting.thresholds.errors import refuse_values_of

ARGUMENTS = f"Tensor preds, Tensor target, Tensor? valid, {schema(ThresholdSpec)}"


def _count(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> Tensor:
    spec = unpack(ThresholdSpec, arguments)
    if spec.validate and preds.device.type == "cpu" and preds.is_floating_point():
        _warn_of_logits(preds, spec)
    counts = kernel_for(preds, target, valid, spec, "why_not_thresholds").count_thresholds(preds, target, valid, spec)
    refuse_values_of(counts, preds, target, valid, spec)
    return counts


def _warn_of_logits(preds: Tensor, spec: ThresholdSpec) -> None:
    """Warns if scores are no probabilities and the thresholds are for probabilities."""
    thresholds, cure, cure_of_files = spec.numbers, "For logits pass threshold=0.0", ""
    rule = f"a label is set only above threshold={thresholds[0]:g}"
    if spec.per_label:
        rule = f"labels are set only above their thresholds, from {min(thresholds):g} to {max(thresholds):g}"
    elif len(thresholds) > 1:
        rule = f"thresholds are from {thresholds[0]:g} to {thresholds[-1]:g}"
        cure = "For logits pass torch.sigmoid(preds), or thresholds in their range"
        cure_of_files = "For logits store probabilities, or pass thresholds in their range"
    warn_of_logits(preds, thresholds, rule, "integers", cure, cure_of_files)


def _count_fake(preds: Tensor, target: Tensor, valid: Tensor | None, *arguments: Any) -> Tensor:
    spec = unpack(ThresholdSpec, arguments)
    groups = preds.shape[0] if spec.images else 1
    return preds.new_empty((groups, preds.shape[1], 4, spec.number + 3), dtype=torch.int64)


count_thresholds = register("count_thresholds", ARGUMENTS, "Tensor", _count, _count_fake)
