"""Counts labels that overlap on CUDA and ROCm devices: one Triton program, launched without waiting for the device.

Maps that the program cannot read go to the portable kernel; ``why_not_thresholds`` returns the reason before anything
runs.
"""

from contextlib import nullcontext
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou.counting.kernels.cuda import limits, threshold_programs
from meaniou.counting.kernels.cuda.confusion import MAX_IGNORED, plain, power_of_two, storable
from meaniou.counting.kernels.portable import thresholds as portable
from meaniou.counting.kernels.readers import cached_table
from meaniou.counting.kernels.spec import ThresholdSpec

Strides = tuple[int, int, int]  # of image, label and pixel


def why_not_thresholds(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> str:
    """The reason why the program cannot count these maps; empty if it can."""
    if len(spec.ignore) > MAX_IGNORED:
        return f"{len(spec.ignore)} values are ignored, more than {MAX_IGNORED}"
    for name, side in _sides(preds, target, valid).items():
        if _strides(side) is None:
            shape = f"{list(side.shape)} with strides {list(side.stride())}"
            return f"the pixels of a label of {name} {shape} do not follow each other in memory at even distances"
    return ""


def count_thresholds(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> Tensor:
    """Counts of labels that overlap, int64 ``[G, L, 4, T + 3]``, as by the portable kernel."""
    if why_not_thresholds(preds, target, valid, spec):
        return portable.count_thresholds(preds, target, valid, spec)
    shape = (len(preds) if spec.images else 1, preds.shape[1], 4, spec.number + 3)
    counts = torch.zeros(shape, dtype=torch.int64, device=preds.device)
    if preds.numel():
        sides = _sides(plain(preds), plain(target), None if valid is None else plain(valid))
        with torch.cuda.device(preds.device) if preds.is_cuda else nullcontext():  # where Triton launches
            _launch(sides, spec, counts)
    return counts


def _launch(sides: dict[str, Tensor], spec: ThresholdSpec, counts: Tensor) -> None:
    if not spec.images:
        sides = _as_one_image(sides)
    preds, target, strides = sides["preds"], sides["target"], {name: _strides(side) for name, side in sides.items()}
    images, labels = preds.shape[:2]
    pixels, cells, gpu = preds[0, 0].numel(), 4 * (spec.number + 3), limits.gpu_limits(preds.device)
    bins = min(limits.FEW_BINS, max(32, power_of_two(cells)))
    parts = -(-cells // bins)
    tile, warps = limits.tile(bins, preds.element_size() + target.element_size())
    planes = images * labels
    programs = min(-(-pixels // tile), max(1, gpu.multiprocessors * gpu.programs(bins) // (planes * parts)))
    edges, steps = None, 0
    if preds.is_floating_point():
        dtype = torch.float64 if preds.dtype == torch.float64 else torch.float32
        edges = cached_table(preds.device, _edges, spec.thresholds, dtype, kept=True)
        steps = 0 if spec.number == 1 or _even(spec.thresholds, dtype) else spec.number.bit_length()
    threshold_programs.count_above_thresholds[(planes * programs * parts,)](
        preds, strides["preds"], target, strides["target"], sides.get("valid"), strides.get("valid"),
        edges, counts, labels, pixels, programs,
        T=spec.number, STEPS=steps, PER_LABEL=spec.per_label, INCLUSIVE=spec.inclusive, IMAGES=spec.images,
        PREDS_IGNORED=() if preds.is_floating_point() else storable(preds, spec.ignore),
        TARGET_IGNORED=storable(target, spec.ignore),
        PARTS=parts, BINS=bins, BLOCK=tile, num_warps=warps,
    )  # fmt: skip


def _sides(preds: Tensor, target: Tensor, valid: Tensor | None) -> dict[str, Tensor]:
    return {"preds": preds, "target": target} | ({} if valid is None else {"valid": valid})


def _as_one_image(sides: dict[str, Tensor]) -> dict[str, Tensor]:
    """The maps with the images as pixels of one image, if all of them can be read so; else as they are."""
    merged = {name: side.movedim(0, 1)[None] for name, side in sides.items()}
    return sides if any(_strides(side) is None for side in merged.values()) else merged


def _strides(side: Tensor) -> Strides | None:
    """Strides of image, label and pixel of a map ``[B, L, *]``; ``None`` if pixels need more than one stride."""
    image, label, *strides = side.stride()
    inner = [(n, stride) for n, stride in zip(side.shape[2:], strides, strict=True) if n != 1] or [(1, 1)]
    if any(outer != n * stride for (_, outer), (n, stride) in pairwise(inner)):
        return None
    return image, label, inner[-1][1]


def _edges(thresholds: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The thresholds, and after them origin and factor of ``_even``."""
    edges = _rounded(thresholds, dtype)
    return torch.from_numpy(np.concatenate([edges, _scale(edges)])).to(device)


@lru_cache(maxsize=64)
def _even(thresholds: str, dtype: torch.dtype) -> bool:
    """Whether ``(score - origin) * factor``, rounded down, is within one of the number of thresholds below a score.

    The product, even rounded, is never lower for a higher score. So it is enough that for threshold k it is between k
    and k + 1, here with a margin.
    """
    edges = _rounded(thresholds, dtype)
    with np.errstate(all="ignore"):  # infinite thresholds
        origin, factor = _scale(edges)
        places = (edges - origin) * factor
    return bool((np.abs(places - np.arange(len(edges)) - 0.5) < 0.25).all())


def _scale(edges: NDArray[np.floating]) -> NDArray[np.floating]:
    """Origin and factor: half a step below the first threshold, and steps per unit."""
    with np.errstate(all="ignore"):
        step = (edges[-1] - edges[0]) / edges.dtype.type(max(1, len(edges) - 1))
        return np.stack([edges[0] - step / 2, 1 / step]).astype(edges.dtype)


def _rounded(thresholds: str, dtype: torch.dtype) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):
        return np.array(thresholds.split(), dtype=np.float64).astype(str(dtype).removeprefix("torch."))
