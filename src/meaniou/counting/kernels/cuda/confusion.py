"""The kernel for CUDA and ROCm devices: Triton programs, launched without waiting for the device.

Maps that the programs cannot read go to the portable kernel; ``why_not`` returns the reason before anything runs.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from meaniou.counting.kernels.cuda import limits, programs
from meaniou.counting.kernels.cuda.limits import GpuLimits
from meaniou.counting.kernels.image_counts import image_by_image
from meaniou.counting.kernels.label_table import LabelTable, bins_of_codes, holds, label_table
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.readers import layout
from meaniou.counting.kernels.spec import CountSpec

SCORES_TILE, RUNS_TILE, ARGMAX_TILE = 512, 1024, 512
RUNS_WARPS = 8
# Scores that a program compares at a time if classes are contiguous.
SCORES_LAST = 2048
# Most cells of all copies of the counts (int32), and most copies; the programs use them in turn.
MAX_COPIED, MAX_COPIES = 1 << 21, 64
MAX_IGNORED = 8


@cache
def fault(device: torch.device) -> str:
    """Why programs cannot run on a device, empty if they can: Triton needs a C compiler and a GPU that it supports."""
    try:
        one = torch.zeros(1, 1, dtype=torch.uint8, device=device)
        _count(one, one, None, CountSpec("labels", "labels", 1), None)
    except Exception as error:  # from Triton, the driver or the C compiler
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".strip()
    return ""


def why_not(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> str:
    """The reason why the programs cannot count these maps; empty if they can."""
    preds_form, target_form = spec.preds_form, spec.target_form
    if preds_form not in ("labels", "scores") or target_form != "labels":
        return f"it needs label maps or scores with a target of label maps, not {preds_form} with {target_form}"
    labels = [("target", target)] + ([("preds", preds)] if preds_form == "labels" else [])
    for name, side in labels:
        if side.is_floating_point():
            return f"{name} is {side.dtype}, not integer"
    if len(spec.ignore) > MAX_IGNORED:
        return f"{len(spec.ignore)} ids are ignored, more than {MAX_IGNORED}"
    if any(ids and _label_table(torch.int64, spec, ids).sparse for ids in (spec.target_ids, spec.preds_ids)):
        return "the ids of the classes are too far apart for a lookup table"
    for name, side in labels + ([] if valid is None else [("valid", valid)]):
        if not side.is_contiguous() and (len(_axes(side)) > 3 or side.numel() >= 1 << 31):
            shape = f"{list(side.shape)} with strides {list(side.stride())}"
            return f"{name} {shape} is not contiguous and has more than three axes or 2^31 pixels"
    if preds_form == "scores" and preds.numel():
        where = layout(preds)
        if where is None:
            return f"neither the pixels nor the classes of the scores are contiguous (strides {list(preds.stride())})"
        if len(where[0]) == 1 and preds.dtype == torch.float64:
            return "scores are float64 and channels-last in memory"
    return ""


def count(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Tensor:
    """Counts of all pixels, int64 ``[C + 2, C + 2]``, as by the portable kernel."""
    if why_not(preds, target, valid, spec):
        return portable.count(preds, target, valid, spec)
    return _count(preds, target, valid, spec, None)


def count_images(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> tuple[Tensor, Tensor]:
    """The same counts, and those of each image, int64 ``[B, 4, C]``, in one pass; see ``image_counts``."""
    if why_not(preds, target, valid, spec):
        return image_by_image(portable.count, preds, target, valid, spec)
    image_counts = torch.zeros(len(target), 4, spec.num_classes, dtype=torch.int64, device=target.device)
    return _count(preds, target, valid, spec, image_counts), image_counts


def _count(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec, image_counts: Tensor | None) -> Tensor:
    size = spec.num_classes + 2
    counts = torch.zeros(size * size, dtype=torch.int64, device=target.device)
    if target.numel():
        with torch.cuda.device(target.device) if target.is_cuda else nullcontext():  # where Triton launches
            job = _Job(target, valid, spec, counts, image_counts, limits.gpu_limits(target.device))
            if spec.preds_form == "labels":
                job.add_labels(preds, spec.ignore, spec.preds_ids)
            else:
                job.add_scores(preds.detach())
    return counts.view(size, size)


class _Truth(NamedTuple):
    """The ground truth as the programs take it, in the order of their arguments; ``None`` for missing parts."""

    labels: Tensor
    strides: tuple[int, ...] | None
    table: tuple[Tensor, int, int] | None
    valid: Tensor | None
    valid_strides: tuple[int, ...] | None

    @property
    def is_plain(self) -> bool:
        """Whether it is contiguous, holds class numbers and has no mask."""
        return self.strides is None and self.table is None and self.valid is None


class _Job:
    """Counts predictions against one ground truth: chooses the programs, and how many of them."""

    def __init__(
        self,
        target: Tensor,
        valid: Tensor | None,
        spec: CountSpec,
        counts: Tensor,
        image_counts: Tensor | None,
        gpu: GpuLimits,
    ) -> None:
        mask = (None, None) if valid is None else (plain(valid), _strides(valid))
        self.truth = _Truth(plain(target), _strides(target), _table(target, spec, spec.target_ids), *mask)
        self.target, self.counts, self.image_counts, self.gpu, self.spec = target, counts, image_counts, gpu, spec
        self.num_classes, self.bins = spec.num_classes, max(32, power_of_two(counts.numel()))
        self.ignored = tuple(i for i in spec.ignore if 0 <= i < self.num_classes)  # the ignored classes
        self.settings = {"C": self.num_classes, "TARGET_IGNORED": storable(target, spec.ignore)}

    def add_labels(self, preds: Tensor, ignore: Sequence[int], ids: str = "") -> None:
        """Counts labels, by histograms if they fit into shared memory, else by runs."""
        strides, table = _strides(preds), _table(preds, self.spec, ids)
        sides = (plain(preds), strides, table, *self.truth)
        images = 1 if self.image_counts is None else len(self.target)
        settings = self.settings | {"PREDS_IGNORED": storable(preds, ignore)}
        # With many bins no registers are left for image counts, masks, strides and tables.
        alone = self.image_counts is None and strides is None and table is None and self.truth.is_plain
        if self.bins <= (self.gpu.bins if alone else limits.FEW_BINS):
            tile, warps = limits.tile(self.bins, preds.element_size() + self.target.element_size())
            number, pixels = self._programs(images, tile, self.gpu.programs(self.bins))
            programs.count_in_histograms[(number * images,)](
                *sides, self.counts, self.image_counts, pixels, number,
                BINS=self.bins, BLOCK=tile, num_warps=warps, **settings,
            )  # fmt: skip
            return
        copies = max(1, min(MAX_COPIES, MAX_COPIED // self.counts.numel()))
        dtype = torch.int32 if self.target.numel() < 1 << 31 else torch.int64
        partial_counts = torch.zeros(copies, self.counts.numel(), dtype=dtype, device=preds.device)
        number, pixels = self._programs(images, RUNS_TILE)
        programs.count_runs[(number * images,)](
            *sides, partial_counts, self.image_counts, pixels, number,
            COPIES=copies, BLOCK=RUNS_TILE, num_warps=RUNS_WARPS, **settings,
        )  # fmt: skip
        self.counts += partial_counts.sum(0)

    def add_scores(self, scores: Tensor) -> None:
        """Counts scores: directly if there are few classes with contiguous pixels, else by way of a label map."""
        strides, pixels_of_image = layout(scores) or ((), 0)
        if pixels_of_image and self.bins <= limits.FEW_BINS:
            number, pixels = self._programs(len(scores), SCORES_TILE, self.gpu.programs(self.bins))
            programs.count_scores_in_histograms[(number * len(scores),)](
                scores, *strides, *self.truth, self.counts, self.image_counts, pixels, number,
                BINS=self.bins, BLOCK=SCORES_TILE, PREDS_IGNORED=self.ignored, **self.settings,
            )  # fmt: skip
            return
        dtype = torch.uint8 if self.num_classes < 256 else torch.int16
        labels = torch.empty(self.target.shape, dtype=dtype, device=scores.device)
        if pixels_of_image:
            number, pixels = self._programs(len(scores), ARGMAX_TILE)
            programs.argmax_scores[(number * len(scores),)](
                scores, *strides, labels, pixels, number, C=self.num_classes, BLOCK=ARGMAX_TILE
            )
        else:
            width = power_of_two(self.num_classes)
            tile = max(1, SCORES_LAST // width)
            number, pixels = self._programs(1, tile)
            programs.argmax_scores_last[(number,)](
                scores, *strides, labels, pixels, C=self.num_classes, WIDTH=width, BLOCK=tile
            )
        self.add_labels(labels, (*self.ignored, self.num_classes))

    def _programs(self, images: int, tile: int, per_multiprocessor: int | None = None) -> tuple[int, int]:
        """Programs and pixels per image: one program per tile, or as many as keep all multiprocessors busy."""
        pixels = self.target.numel() // images
        tiles = -(-pixels // tile)
        return tiles if per_multiprocessor is None else min(
            tiles, max(1, self.gpu.multiprocessors * per_multiprocessor // images)
        ), pixels


def _label_table(dtype: torch.dtype, spec: CountSpec, ids: str) -> LabelTable:
    return label_table(dtype, spec.num_classes, spec.ignore, ids)


def _table(labels: Tensor, spec: CountSpec, ids: str) -> tuple[Tensor, int, int] | None:
    """The bins of consecutive labels, the lowest label and their number; None if labels are class numbers."""
    if not ids:
        return None
    table = _label_table(labels.dtype, spec, ids)
    return _bins(labels.device, table), table.low, table.width - 1


@cache
def _bins(device: torch.device, table: LabelTable) -> Tensor:
    """The bins on a device, cached: a captured graph reads them again, and must not contain the copy."""
    return bins_of_codes(table, torch.device("cpu")).int().to(device, non_blocking=True)


def plain(labels: Tensor) -> Tensor:
    """The map as a program reads it: bool as uint8, without gradients."""
    labels = labels.detach()
    return labels.view(torch.uint8) if labels.dtype == torch.bool else labels


def storable(labels: Tensor, ignore: Sequence[int]) -> tuple[int, ...]:
    """The ignored ids that the dtype can store; others cannot be compared with its labels."""
    return tuple(i for i in ignore if holds(plain(labels).dtype, i))


def _strides(labels: Tensor) -> tuple[int, ...] | None:
    """Sizes of the two inner axes and strides of all three; None if contiguous; raises for more axes."""
    if labels.is_contiguous():
        return None
    axes = _axes(labels)
    (_, outer), (n1, middle), (n2, inner) = [(1, 0)] * (3 - len(axes)) + axes
    return n1, n2, outer, middle, inner


def _axes(labels: Tensor) -> list[tuple[int, int]]:
    """Sizes and strides; axes that follow each other in memory are merged."""
    axes: list[tuple[int, int]] = []
    for size, stride in zip(labels.shape, labels.stride(), strict=True):
        if axes and axes[-1][1] == size * stride:
            axes[-1] = (axes[-1][0] * size, stride)
        elif size != 1:
            axes.append((size, stride))
    return axes


def power_of_two(number: int) -> int:
    """The smallest power of two that is at least a number."""
    return 1 << (number - 1).bit_length()
