"""The CPU kernel for labels that overlap: loops compiled by Numba, in one pass over the maps.

Maps whose pixels are a constant step apart (contiguous, channels last, expanded) are read in place. Everything else
(other views, and dtypes that the loops are not compiled for) is copied tile by tile through a small buffer.
"""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.kernels.cpu import threshold_loops as loops
from meaniou.counting.kernels.cpu.threads import Array, parallel_for
from meaniou.counting.kernels.label_table import holds
from meaniou.counting.kernels.portable.confusion import blocks
from meaniou.counting.kernels.portable.thresholds import edges_of
from meaniou.counting.kernels.spec import ThresholdSpec

# How the loops read the dtypes that they read in place. Integers are only compared for equality, so their sign does not
# matter. Others are read through a buffer: other integers as int64, targets with 16-bit floats as float32.
INTEGERS_AS: dict[torch.dtype, Any] = dict.fromkeys((torch.bool, torch.uint8, torch.int8), np.uint8)
INTEGERS_AS |= {torch.int64: np.uint64}
FLOATS_AS: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}
TARGET_AS = INTEGERS_AS | FLOATS_AS
PREDS_AS = TARGET_AS | {torch.float16: np.int16, torch.bfloat16: np.uint16}
# Pixels, summed over labels, that are worth the start of another thread (about 50 µs).
PER_THREAD = 1 << 19
# Least number of buckets of scores: one of 101 even thresholds or none lies in each.
BUCKETS = 1 << 10
# Pixels of a tile that is copied: with int64 on both sides 1 MiB.
TILE = 1 << 16
# The edges between columns, for each row; a table with an entry for each row and bucket, whose low 16 bits are the
# first cell and whose high bits are the number of edges in the bucket; scale and shift that turn a score into its
# bucket; whether a score on an edge is above it. With one threshold for each label there are no buckets.
Rule = tuple[Array, Array, Array, bool]


class Side(NamedTuple):
    """One map as flat memory, with the steps in it from image to image, label to label and pixel to pixel."""

    memory: Array
    steps: tuple[int, int, int]
    void: Array  # the void values as they lie in memory


NO_VOID = np.empty(0, np.uint8)
NO_TABLE = np.empty(0, np.int32)
NO_MASK = Side(np.empty(0, np.bool_), (0, 0, 0), NO_VOID)


def count_thresholds(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> Tensor:
    """Counts of labels that overlap, int64 ``[G, L, 4, T + 3]``, as by the portable kernel."""
    counts = _counts(preds, target, valid, spec)
    # A byte of a bool may be 255, as after view(bool) in NumPy. It counts as outside, so the side is copied as 0 and 1.
    if target.dtype == torch.bool and counts[:, :, loops.OUTSIDE].any():
        return count_thresholds(preds, target.view(torch.uint8) != 0, valid, spec)
    if preds.dtype == torch.bool and counts[..., -1].any():
        return count_thresholds(preds.view(torch.uint8) != 0, target, valid, spec)
    return torch.from_numpy(counts)


def _counts(preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> Array:
    shape = preds.shape
    counts = np.zeros((shape[0] if spec.images else 1, shape[1], 4, spec.number + 3), np.int64)
    if shape.numel():
        preds, target = preds.detach(), target.detach()
        void = spec.ignore
        sides = _side(preds, PREDS_AS, void), _side(target, TARGET_AS, void), _mask(valid)
        if not _add(*sides, shape, spec, counts):
            for block in blocks(shape, TILE):
                sides = _copied(preds[block], PREDS_AS, void), _copied(target[block], TARGET_AS, void), NO_MASK
                if valid is not None:
                    sides = *sides[:2], _mask(valid[block].contiguous())
                _add(*sides, preds[block].shape, spec, counts, block[0].start, block[1].start)
    return counts


def _add(
    preds: Side | None,
    target: Side | None,
    valid: Side | None,
    shape: torch.Size,
    spec: ThresholdSpec,
    counts: Array,
    image: int = 0,
    label: int = 0,
) -> bool:
    """Adds maps of a shape to the counts, unless the loops cannot read one of them; returns whether it did.

    ``image`` and ``label`` are the numbers in the batch of the first image and the first label of the maps.
    """
    if preds is None or target is None or valid is None:
        return False
    images, labels, pixels = shape[0], shape[1], shape[2:].numel()
    steps = preds.steps, target.steps, valid.steps
    if not spec.images and all(step[0] == pixels * step[2] for step in steps):
        images, pixels = 1, images * pixels  # a label of all images is one row of pixels
    block = pixels if all(step[2] <= 1 for step in steps) else loops.CHUNK
    copies = loops.COPIES if min(block, pixels) > loops.COPIES * counts[0, 0].size else 1
    rule = rule_of(spec.thresholds, spec.per_label, spec.inclusive, preds.memory.dtype == np.float64)
    place = (image, 1, label) if spec.images else (0, 0, label)
    numbers = labels, pixels, block, copies
    add = partial(_add_part, preds, target, valid[:2], rule, place, numbers)
    parallel_for(add, max(1, PER_THREAD // labels), 0, images * pixels, counts)
    return True


def _add_part(
    preds: Side,
    target: Side,
    valid: tuple[Array, tuple[int, ...]],
    rule: Rule,
    place: tuple[int, ...],
    numbers: tuple[int, ...],
    start: int,
    stop: int,
    counts: Array,
) -> None:
    loops.count_planes(*preds, *target, *valid, rule, place, numbers, start, stop, counts)


def _side(side: Tensor, kinds: dict[torch.dtype, Any], void: tuple[int, ...]) -> Side | None:
    """A side as the loops read it in place; ``None`` if they cannot."""
    dtype = side.dtype
    if dtype not in kinds or (steps := _steps(side)) is None:
        return None
    if side.is_contiguous():
        flat = side.view(-1)
    else:
        extent = 1 + sum((n - 1) * stride for n, stride in zip(side.shape, side.stride(), strict=True))
        flat = side.as_strided((extent,), (1,), side.storage_offset())
    memory = (flat.view(torch.int16) if dtype == torch.bfloat16 else flat).numpy().view(kinds[dtype])
    return Side(memory, steps, void_of(void, dtype))


def _mask(valid: Tensor | None) -> Side | None:
    return NO_MASK if valid is None else _side(valid, {torch.bool: np.bool_}, ())


def _copied(tile: Tensor, kinds: dict[torch.dtype, Any], void: tuple[int, ...]) -> Side | None:
    """A tile as the loops read it, copied if necessary."""
    if tile.dtype not in kinds:
        tile = tile.to(torch.float32 if tile.is_floating_point() else torch.int64)
    return _side(tile.contiguous(), kinds, void)


def _steps(side: Tensor) -> tuple[int, int, int] | None:
    """The steps in memory of a side ``[B, L, *]``; ``None`` if its pixels are not a constant step apart."""
    of_image, of_label, *strides = side.stride()
    step, pixels = 1, 1
    for n, stride in zip(reversed(side.shape[2:]), reversed(strides), strict=True):
        if n > 1:
            if pixels == 1:
                step = stride
            elif stride != pixels * step:
                return None
            pixels *= n
    return of_image, of_label, step if pixels > 1 else of_image


@lru_cache(maxsize=64)
def void_of(void: tuple[int, ...], dtype: torch.dtype) -> Array:
    """The void values as the loops read them in a target of a dtype, or in predicted labels."""
    if dtype not in TARGET_AS or dtype == torch.bool:
        return NO_VOID
    kind = np.dtype(TARGET_AS[dtype])
    stored = [value for value in void if holds(dtype, value)]
    return np.array(stored if dtype.is_floating_point else [value % 256**kind.itemsize for value in stored], kind)


@lru_cache(maxsize=64)
def rule_of(thresholds: str, per_label: bool, inclusive: bool, double: bool) -> Rule:
    """The rule for scores in double precision or in single.

    A higher score is never in a lower bucket. So an edge lies below all scores of a bucket if the next score above the
    edge is in an earlier bucket, and above all of them if the edge is in a later one; the loop compares with the edges
    between these two. That holds for any thresholds, and even ones leave a single edge or none.
    """
    edges = edges_of(thresholds, torch.float64 if double else torch.float32, torch.device("cpu")).numpy()
    if per_label or edges.size == 1:
        return edges, NO_TABLE, edges[:0], inclusive
    number, columns, one = max(BUCKETS, 4 * edges.size), edges.size + 3, edges.dtype.type
    grid = _grid(edges, number)
    with np.errstate(over="ignore"):
        beside = np.nextafter(edges, one(-np.inf if inclusive else np.inf))
    below, above = (beside, edges) if inclusive else (edges, beside)
    first = np.searchsorted(_buckets(above, grid, number), np.arange(number), "left")
    last = np.searchsorted(_buckets(below, grid, number), np.arange(number), "right")
    entries = np.append(first | (last - first) << 16, edges.size + 1)
    table = np.concatenate([entries + row * columns for row in range(4)]).astype(np.int32)
    room = np.full((4, columns), np.nan, edges.dtype)  # no score is above NaN
    room[:, : edges.size] = edges
    return room.ravel(), table, grid, inclusive


def _grid(edges: Array, number: int) -> Array:
    """Scale and shift of even buckets from the lowest to the highest finite edge; one bucket where that overflows."""
    finite = edges[np.isfinite(edges)].astype(np.float64)
    with np.errstate(all="ignore"):
        scale = (number - 1) / np.ptp(finite) if finite.size else np.inf
        grid = np.array([scale, 0.5 - finite[:1].sum() * scale]).astype(edges.dtype)
    return grid if np.isfinite(grid).all() else np.zeros_like(grid)


def _buckets(scores: Array, grid: Array, number: int) -> Array:
    """The bucket of each score, computed as by the loop."""
    with np.errstate(all="ignore"):
        place = scores * grid[0] + grid[1]
        whole: Array = np.clip(np.where(place > 0, place, 0), 0, number - 1).astype(np.int64)
    return whole
