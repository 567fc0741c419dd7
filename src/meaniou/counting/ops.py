"""Registers the operators ``meaniou::count`` and ``meaniou::count_images`` with PyTorch, and chooses the kernel.

They are opaque to ``torch.compile`` and ``torch.export``. On the CPU they refuse labels outside the classes before
anything is added to a state; on an accelerator that would wait for the device, so there they are counted separately and
refused by ``compute``.
"""

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from meaniou._util import warn
from meaniou.counting.batch import map_shape
from meaniou.counting.contents import cause_of, is_divided, is_whole
from meaniou.counting.errors import LabelRangeError, number_outside
from meaniou.counting.kernels import portable
from meaniou.counting.kernels.label_table import Reading
from meaniou.counting.kernels.readers import side_of_preds, side_of_truth

ARGUMENTS = (
    "Tensor preds, Tensor target, Tensor? valid, str preds_form, str target_form, int num_classes, int[] ignore, "
    "float threshold, bool validate, str impl, str target_ids='', str preds_ids=''"
)


@dataclass(frozen=True)
class Need:
    """What a kernel needs: a type of device, and a package, by its module, its name and where it comes from."""

    device: str
    module: str
    package: str
    source: str


# The kernels beside the portable one, by the names of their modules; of several for a device the first one is taken.
NEEDS = {
    "cpu": Need("cpu", "numba", "Numba", "install the extra 'cpu'"),
    "cuda": Need("cuda", "triton", "Triton", "it comes with PyTorch for CUDA and ROCm on Linux"),
}


@functools.cache
def why_not(impl: str) -> str:
    """The reason why a kernel cannot run here, empty if it can."""
    if impl not in NEEDS:
        return ""
    need = NEEDS[impl]
    try:
        importlib.import_module(f"meaniou.counting.kernels.{impl}")
    except ImportError as error:
        return f"impl={impl!r} cannot run, since {need.package} cannot be used ({error}); {need.source}."
    return ""


def kernel(impl: str, device: torch.device) -> ModuleType:
    """The module that counts on a device.

    Raises:
        ValueError: if a kernel is forced that does not run there.
    """
    if impl in NEEDS and NEEDS[impl].device != device.type:
        raise ValueError(
            f"impl={impl!r} cannot count on {device}, since it is for {NEEDS[impl].device}; take impl='auto', or move "
            "the metric and its inputs."
        )
    for name in [impl] if impl != "auto" else _for_device(device.type):
        if name == "portable":
            return portable
        reason = why_not(name)
        if not reason and (fault := _fault(name, device)):
            package = NEEDS[name].package
            reason = f"impl={name!r} cannot run, since {package} cannot run a program on {device} ({fault})."
        if not reason:
            return importlib.import_module(f"meaniou.counting.kernels.{name}")
        if name == impl:
            raise ValueError(reason)
        if _is_there(NEEDS[name].module):
            warn(f"{reason} Until then the portable kernel counts, which takes longer.")
    return portable


@functools.cache
def _for_device(device: str) -> tuple[str, ...]:
    return tuple(name for name, need in NEEDS.items() if need.device == device)


@functools.cache
def _is_there(module: str) -> bool:
    """Whether a module is installed; looked up once, since what is not there is looked for in all folders."""
    return importlib.util.find_spec(module) is not None


def _fault(name: str, device: torch.device) -> str:
    """What a first program on a card met; nothing where there is no card, or none can be tried now."""
    if device.type != "cuda" or not torch.cuda.is_available() or torch.cuda.is_current_stream_capturing():
        return ""
    found: str = importlib.import_module(f"meaniou.counting.kernels.{name}").fault(device)
    return found


def _count(*args: Any) -> Tensor:
    reading, counter = _settled(*args)
    counts: Tensor = counter.count(*args[:3], reading)
    _refuse(counts, reading, *args)
    return counts


def _count_images(*args: Any) -> tuple[Tensor, Tensor]:
    reading, counter = _settled(*args)
    counts, rows = counter.count_images(*args[:3], reading)
    _refuse(counts, reading, *args)
    return counts, rows


def _settled(
    preds: Tensor,
    target: Tensor,
    valid: Tensor | None,
    preds_form: str,
    target_form: str,
    num_classes: int,
    ignore: Sequence[int],
    threshold: float,
    validate: bool,
    impl: str,
    target_ids: str = "",
    preds_ids: str = "",
) -> tuple[Reading, ModuleType]:
    """How the maps are read, and the kernel that counts them."""
    space = tuple(ignore), threshold, _ids(target_ids), _ids(preds_ids)
    reading = Reading(preds_form, target_form, num_classes, *space)
    if validate and preds_form == "threshold" and preds.device.type == "cpu":
        _warn_of_logits(preds, threshold)
    counter = kernel(impl, preds.device)
    if impl in NEEDS and hasattr(counter, "why_not") and (reason := counter.why_not(preds, target, valid, reading)):
        raise ValueError(f"impl={impl!r} does not count such maps, since {reason}; take impl='auto' or 'portable'.")
    return reading, counter


@functools.lru_cache(maxsize=64)
def _ids(text: str) -> tuple[int, ...]:
    """``(id, bin, id, bin, ...)`` of its text."""
    return tuple(map(int, text.split()))


def _refuse(
    counts: Tensor, reading: Reading, preds: Tensor, target: Tensor, valid: Tensor | None, *settings: Any
) -> None:
    """Raises for labels outside the classes, on the CPU."""
    validate = settings[5]
    # One sum tells that there is nothing outside, in half the time of looking at both sides; NumPy's is the faster.
    if (
        not validate
        or preds.device.type != "cpu"
        or counts.numpy()[:-1, :-1].sum() == map_shape(target, reading.target_form).numel()
    ):
        return
    in_truth, in_preds = number_outside(counts)
    if in_truth or in_preds:
        truth, prediction = side_of_truth(target, reading), side_of_preds(preds, reading)
        index, stored = portable.first_outside(truth, prediction, valid, reading.num_classes, in_truth > 0)
        side, number = ("target", in_truth) if in_truth else ("preds", in_preds)
        held, form = (target, reading.target_form) if in_truth else (preds, reading.preds_form)
        numbers = not (reading.target_ids if in_truth else reading.preds_ids)
        cause = cause_of(held, form, reading.num_classes if numbers else 0)
        raise LabelRangeError(side, number, reading.num_classes, index, tuple(stored), cause)


def _warn_of_logits(preds: Tensor, threshold: float) -> None:
    """Logits compared with a threshold for probabilities would give a plausible wrong number."""
    if 0 < threshold < 1 and preds.numel():
        # aminmax is one pass, and copies a map that does not lie flat.
        scores = preds.detach()
        low, high = map(float, torch.aminmax(scores) if scores.is_contiguous() else (scores.amin(), scores.amax()))
        if 0 < high <= 1 and is_divided(preds):
            warn(
                "preds holds 0 and 1/255 alone, as masks that ToTensor divided by 255, and class 1 is where they are "
                f"above {threshold:g}; if these are labels, multiply by 255 and round."
            )
        if (low < 0 or high > 1) and is_whole(preds):
            warn(
                f"preds holds whole numbers from {low:g} to {high:g} as floats, and class 1 is where they are above "
                f"{threshold:g}; if these are labels, pass integers, or input_format='index'."
            )
        elif low < 0 or high > 1:
            grey = low >= 0 and high > 100
            cure = "if they are 0 to 255, divide by 255" if grey else "for logits pass threshold=0.0"
            warn(
                f"preds holds scores from {low:g} to {high:g}, which are no probabilities, and class 1 is where they "
                f"are above {threshold:g}; {cure}."
            )


def _count_fake(preds: Tensor, *rest: Any) -> Tensor:
    size = rest[4] + 2
    return preds.new_empty((size, size), dtype=torch.int64)


def _count_images_fake(preds: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return _count_fake(preds, *rest), preds.new_empty((preds.shape[0], 4, rest[4]), dtype=torch.int64)


# torch.library.Library: 3 µs a call; torch.library.custom_op takes 26 to 29.
_library = torch.library.Library("meaniou", "DEF")
for _name, _result, _function, _fake in (
    ("count", "Tensor", _count, _count_fake),
    ("count_images", "(Tensor, Tensor)", _count_images, _count_images_fake),
):
    _library.define(f"{_name}({ARGUMENTS}) -> {_result}", tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(_name, _function, "CompositeExplicitAutograd")  # every device without a kernel of its own
    torch.library.register_fake(f"meaniou::{_name}", _fake, lib=_library)
count = torch.ops.meaniou.count.default
count_images = torch.ops.meaniou.count_images.default
