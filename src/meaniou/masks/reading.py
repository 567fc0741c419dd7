"""Reads pairs of files into pairs of label maps, in several threads, with a few pairs in memory at a time."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from torch import Tensor

from meaniou.counting import as_tensor
from meaniou.masks.errors import MAX_PIXELS, MaskError, size
from meaniou.masks.formats import Labels, read
from meaniou.masks.pairs import Pair


def read_pairs(
    pairs: Iterable[Pair], threads: int, max_pixels: int = MAX_PIXELS, *, multilabel: bool = False
) -> Iterator[tuple[Pair, Tensor, Tensor]]:
    """Reads pairs in several threads and yields each with its prediction and its ground truth, in order.

    Args:
        pairs: the pairs, as from ``pair_masks``.
        threads: number of threads, which is also the number of pairs in memory; decoding releases the interpreter lock.
        max_pixels, multilabel: as for ``read``.

    Raises:
        MaskError: as ``read_pair``, for the first pair that cannot be read.
    """
    remaining = iter(pairs)
    pending: deque[tuple[Pair, Future[tuple[Tensor, Tensor]]]] = deque()
    pool = ThreadPoolExecutor(threads)

    def submit(number: int) -> None:
        for pair in itertools.islice(remaining, number):
            pending.append((pair, pool.submit(read_pair, pair, max_pixels, multilabel=multilabel)))

    try:
        submit(threads)
        while pending:
            pair, maps = pending.popleft()
            preds, target = maps.result()
            submit(1)
            yield pair, preds, target
    finally:
        # Without waiting: the garbage collector may close an abandoned generator in one of the threads themselves.
        pool.shutdown(wait=False, cancel_futures=True)


def read_pair(pair: Pair, max_pixels: int = MAX_PIXELS, *, multilabel: bool = False) -> tuple[Tensor, Tensor]:
    """The label maps of prediction and ground truth, in their stored dtypes; with ``multilabel`` stacks of maps.

    Raises:
        MaskError: if a file cannot be read or holds no labels, or if the shapes differ.
    """
    pred, target = (read(path, max_pixels, multilabel=multilabel) for path in (pair.pred, pair.target))
    if pred.shape != target.shape:
        cure = _cure_of_stacks(pred, target) if multilabel else _cure_of_maps(pred, target)
        axes = {2: " (height x width)"} if not multilabel else {3: " (labels x height x width)"}
        unit = axes.get(pred.ndim, "") if pred.ndim == target.ndim else ""
        raise MaskError(
            f"{pair.pred} has the shape {size(pred.shape)} and {pair.target} {size(target.shape)}{unit}; expected the "
            "same shape.",
            cure,
        )
    return as_tensor(pred, str(pair.pred)), as_tensor(target, str(pair.target))


def _cure_of_maps(pred: Labels, target: Labels) -> str:
    """What to do about maps of two shapes."""
    if pred.squeeze().shape == target.squeeze().shape:
        return "Save both without dimensions of size 1."
    if pred.shape == target.shape[::-1]:
        return "Transpose the prediction if its axes are swapped; otherwise resize it (nearest neighbour)."
    if pred.shape[1:] == target.shape and _are_flags(pred):
        return (
            "If the prediction holds a map of 0 and 1 for each class, save its argmax(0). For labels that overlap, "
            "save the ground truth in that form too, and pass {multilabel:}."
        )
    if target.shape[1:] == pred.shape and _are_flags(target):
        return (
            "If the ground truth holds a map of 0 and 1 for each of several labels that overlap, save the prediction "
            "in that form too, and pass {multilabel:}."
        )
    return "Resize the prediction to the ground truth with nearest-neighbour interpolation."


def _cure_of_stacks(pred: Labels, target: Labels) -> str:
    """What to do about stacks of two shapes."""
    for side, stack, other in (("prediction", pred, target), ("ground truth", target, pred)):
        if stack.ndim > 2 and np.moveaxis(stack, -1, 0).shape == other.shape:
            return f"Save np.moveaxis(array, -1, 0) of the {side}, so that its first axis is that of the labels."
    if pred.ndim != target.ndim:
        return "Save both as stacks with the labels in the first axis."
    if len(pred) != len(target):
        return "Save the same labels in the same order on both sides."
    return "Resize the scores of the prediction to the ground truth before they are saved."


def _are_flags(labels: Labels) -> bool:
    return bool(((labels == 0) | (labels == 1)).all())
