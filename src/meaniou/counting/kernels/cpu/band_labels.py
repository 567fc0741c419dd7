"""Label maps and their codes for the CPU kernel that counts bands: scores and class planes become labels first."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.kernels.cpu import band_loops as loops
from meaniou.counting.kernels.cpu.confusion import (
    BYTES,
    INFINITY,
    NO_SPARSE,
    SCORE_TILE,
    SCORES_PER_THREAD,
    array_of,
    byte_table,
    table_of,
)
from meaniou.counting.kernels.cpu.threads import Array, parallel_for
from meaniou.counting.kernels.label_table import LabelTable, label_table
from meaniou.counting.kernels.portable.bands import bins_of_images
from meaniou.counting.kernels.readers import PixelReader, layout, preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec

# Up to this number, each pixel is compared with the void labels; with more, its code is looked up in a table.
MANY_VOID = 4
Code = Callable[[Array, Array], None]  # writes the codes of flat labels


class LabelMaps(NamedTuple):
    """Label maps ``[B, *]`` of some images of a batch; ``first`` is the number of the first image in the batch."""

    preds: Tensor
    target: Tensor
    valid: Tensor | None
    spec: CountSpec
    first: int


def label_maps(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Iterator[LabelMaps]:
    """All images at once if both sides are label maps; else image by image, with bins as the labels of other sides."""
    plain_preds, plain_target = _is_plain(preds, spec.preds_form), _is_plain(target, spec.target_form)
    if plain_preds and plain_target:
        yield LabelMaps(preds, target, valid, spec, 0)
        return
    ids, truth, prediction = _ids_of_bins(spec.num_classes), target_reader(target, spec), preds_reader(preds, spec)
    of_labels = spec._replace(
        preds_form="labels",
        target_form="labels",
        preds_ids=spec.preds_ids if plain_preds else ids,
        target_ids=spec.target_ids if plain_target else ids,
    )
    for i in range(truth.shape[0]):
        image = slice(i, i + 1)
        yield LabelMaps(
            preds[image] if plain_preds else _labels_of_image(preds, spec.preds_form, prediction, i),
            target[image] if plain_target else _labels_of_image(target, spec.target_form, truth, i),
            None if valid is None else valid[image],
            of_labels,
            i,
        )


def _is_plain(side: Tensor, form: str) -> bool:
    return form == "labels" and not side.is_floating_point()


@lru_cache(maxsize=64)
def _ids_of_bins(num_classes: int) -> str:
    """The ids of labels that are bins; bin C + 1 is out of range."""
    return " ".join(f"{i} {i}" for i in range(num_classes + 1))


def _labels_of_image(side: Tensor, form: str, reader: PixelReader, i: int) -> Tensor:
    """The bins of an image, ``[1, *]``."""
    kind = torch.uint8 if reader.num_classes + 2 <= 256 else torch.int16
    lie = layout(side[i : i + 1]) if form == "scores" else None
    if lie is None or len(lie[0]) == 1:
        return bins_of_images(reader, slice(i, i + 1)).to(kind)
    (_, stride), pixels = lie
    labels = torch.empty(1, *reader.shape[1:], dtype=kind, device="cpu")
    scores = side[i].as_strided(((side.shape[1] - 1) * stride + pixels,), (1,), side[i].storage_offset())
    nan_above = INFINITY.get(scores.dtype, np.int16(0))
    memory = (scores.view(torch.int16) if scores.dtype in INFINITY else scores).numpy()
    bins, of_image = reader.bins().to(kind).numpy(), labels.view(-1).numpy()

    def add(start: int, stop: int, _: Array) -> None:
        best, buffer = np.empty(SCORE_TILE, memory.dtype), np.empty(SCORE_TILE, np.int32)
        loops.label_scores(memory, stride, side.shape[1], nan_above, bins, start, stop, best, buffer, of_image)

    parallel_for(add, SCORES_PER_THREAD // side.shape[1], 0, pixels, np.zeros(1, np.int64))
    return labels


def code_of(labels: Tensor, spec: CountSpec, ids: str, of_void: Any, other: Any) -> tuple[Array, Code]:
    """Labels as the loops read them, and the loop that writes their codes.

    Class c is c + 1; ``of_void`` and ``other`` are the codes of void and of labels out of range.
    """
    table = label_table(labels.dtype, spec.num_classes, spec.ignore, ids)
    kind, code = _code_of(labels.dtype, table, of_void, other)
    return array_of(labels).view(kind), code


@lru_cache(maxsize=64)
def _code_of(dtype: torch.dtype, table: LabelTable, of_void: Any, other: Any) -> tuple[Any, Code]:
    """The dtype in which the loop reads labels of a dtype, and the loop."""
    void = [label for label, _ in table.dense + table.sparse if of_void != other or 0 <= label < table.num_classes]
    if not table.by_number or len(void) > MANY_VOID or dtype == torch.bool:
        kind = np.dtype(np.uint8) if dtype in BYTES else np.dtype(str(dtype).removeprefix("torch."))
        return kind, partial(_code_ids, _codes_of_ids(dtype, table, of_void, other))
    size = dtype.itemsize
    unsigned, last = np.dtype(f"u{size}").type, min(table.num_classes - 1, torch.iinfo(dtype).max)
    of_memory = np.array([label % 256**size for label in void], unsigned)
    return unsigned, partial(_code_numbers, unsigned(last), of_memory, of_void, other)


def _code_numbers(last: Any, void: Array, of_void: Any, other: Any, labels: Array, codes: Array) -> None:
    loops.code_numbers(labels, last, void, of_void, other, codes)


def _code_ids(table: tuple[Array, int, Array], labels: Array, codes: Array) -> None:
    loops.code_ids(labels, table, codes)


def _codes_of_ids(dtype: torch.dtype, table: LabelTable, of_void: Any, other: Any) -> tuple[Array, int, Array]:
    """The codes of dense, then of sparse labels; the lowest dense label; the sparse labels."""
    codes = np.append(np.arange(1, table.num_classes + 1), [of_void, other]).astype(other.dtype)
    if dtype in BYTES:
        return codes[byte_table(table, 1)], 0, NO_SPARSE
    bins, low, sparse = table_of(table, 1)
    return codes[bins], low, sparse
