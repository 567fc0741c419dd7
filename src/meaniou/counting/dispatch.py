"""Chooses the kernel for a device from the table of kernels."""

import functools
import importlib
import importlib.util
import typing
from dataclasses import dataclass

import torch
from torch import Tensor

from meaniou._util import warn
from meaniou.counting.kernels import portable
from meaniou.counting.kernels.spec import CountSpec, Frames, Spec, ThresholdSpec


class Kernel(typing.Protocol):
    """The module of a kernel; one with ``why_not`` or ``why_not_thresholds`` passes maps to the portable kernel."""

    NAME: str

    def count(self, preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, /) -> Tensor:
        """Counts of all pixels, int64 ``[C + 2, C + 2]``."""

    def count_images(
        self, preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, /
    ) -> tuple[Tensor, Tensor]:
        """The same counts, and the counts of each image, int64 ``[B, 4, C]``."""

    def count_thresholds(self, preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec, /) -> Tensor:
        """Counts of labels that overlap, int64 ``[G, L, 4, T + 3]``."""

    def count_bands(
        self, preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, frames: Frames, /
    ) -> tuple[Tensor, Tensor]:
        """Counts of all pixels, int64 ``[C + 2, C + 2]``, and pixels of the bands, int64 ``[B, W, 3, C]``."""


@dataclass(frozen=True)
class Needs:
    """The requirements of a kernel: a device type, and a package (its module, its name, and how to install it)."""

    device: str
    module: str
    package: str
    source: str


ALWAYS = ("auto", portable.NAME)  # values of impl that need no package
# The kernels besides the portable one, by the names of their modules. If a device has several, ``"auto"`` takes the
# first that can run.
NEEDS = {
    "cpu": Needs("cpu", "numba", "Numba", "Install the extra 'cpu'"),
    "cuda": Needs("cuda", "triton", "Triton", "It comes with PyTorch for CUDA and ROCm on Linux"),
}


def check_impl(impl: object) -> None:
    """Raises ``ValueError`` unless ``impl`` is ``"auto"`` or the name of a kernel, installed or not."""
    if not isinstance(impl, str) or (impl not in NEEDS and impl not in ALWAYS):
        raise ValueError(f"impl is {impl!r}; expected one of {', '.join(map(repr, (*ALWAYS, *NEEDS)))}.")


def why_not(impl: object) -> str:
    """The reason why a kernel cannot run on this machine; empty if it can."""
    try:
        check_impl(impl)
    except ValueError as error:
        return str(error)
    return _why_not_imported(str(impl))


@functools.cache
def _why_not_imported(impl: str) -> str:
    if impl not in NEEDS:
        return ""
    try:
        _import(impl)
    except ImportError as error:
        needs = NEEDS[impl]
        return f"impl={impl!r} cannot run, since {needs.package} cannot be imported ({error}). {needs.source}."
    return ""


def kernel(impl: str, device: torch.device) -> Kernel:
    """The kernel for a device.

    Raises:
        ValueError: if there is no kernel of that name, or ``impl`` names one that cannot run on the device.
    """
    if impl in NEEDS and NEEDS[impl].device != device.type:
        raise ValueError(
            f"impl={impl!r} cannot count on {device}, since it is for {NEEDS[impl].device}. Pass impl='auto', or move "
            f"the metric and its inputs to {NEEDS[impl].device}."
        )
    for name in [impl] if impl != "auto" else _for_device(device.type):
        reason = why_not(name)
        if not reason and name in NEEDS and (fault := _fault(name, device)):
            reason = (
                f"impl={name!r} cannot run, since {NEEDS[name].package} cannot run a program on {device} ({fault})."
            )
        if not reason:
            return _import(name)
        if name == impl:
            raise ValueError(reason)
        if _is_installed(NEEDS[name].module):
            warn(f"{reason} The slower portable kernel is used instead.")
    return _import(portable.NAME)


def kernel_for(preds: Tensor, target: Tensor, valid: Tensor | None, spec: Spec, reason_of: str) -> Kernel:
    """The kernel for maps; its optional function ``reason_of`` returns the reason why it cannot count some maps.

    Raises:
        ValueError: as ``kernel``, and if ``spec.impl`` names a kernel that cannot count these maps.
    """
    counter = kernel(spec.impl, preds.device)
    why = getattr(counter, reason_of, None)
    if spec.impl != "auto" and why and (reason := why(preds, target, valid, spec)):
        raise ValueError(
            f"impl={spec.impl!r} cannot count these maps, since {reason}. Pass impl='auto' or impl='portable'."
        )
    return counter


@functools.cache
def _import(name: str) -> Kernel:
    return typing.cast(Kernel, importlib.import_module(f"meaniou.counting.kernels.{name}"))


@functools.cache
def _for_device(device: str) -> tuple[str, ...]:
    return tuple(name for name, needs in NEEDS.items() if needs.device == device)


@functools.cache
def _is_installed(module: str) -> bool:
    """Whether a module is installed; cached, since the search for a missing module scans all folders."""
    return importlib.util.find_spec(module) is not None


def _fault(name: str, device: torch.device) -> str:
    """The error of a first program on a GPU; empty without a GPU, or while it cannot be tried."""
    if device.type != "cuda" or not torch.cuda.is_available() or torch.cuda.is_current_stream_capturing():
        return ""
    find_fault = getattr(_import(name), "fault", None)
    return find_fault(device) if find_fault else ""
