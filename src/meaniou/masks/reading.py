"""Reads pairs of files into pairs of label maps, in several threads, with a few pairs in memory at a time."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from meaniou.counting import as_tensor
from meaniou.masks.errors import MAX_PIXELS, MaskError, size
from meaniou.masks.formats import read
from meaniou.masks.pairs import Pair


def read_pairs(
    pairs: Iterable[Pair], threads: int, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[Pair, Tensor, Tensor]]:
    """Reads pairs in several threads and yields each with its prediction and its ground truth, in order.

    Args:
        pairs: the pairs, as from ``pair_masks``.
        threads: number of threads, which is also the number of pairs in memory; decoding releases the interpreter lock.
        max_pixels: as for ``read``.

    Raises:
        MaskError: as ``read_pair``, for the first pair that cannot be read.
    """
    remaining = iter(pairs)
    pending: deque[tuple[Pair, Future[tuple[Tensor, Tensor]]]] = deque()
    pool = ThreadPoolExecutor(threads)

    def submit(number: int) -> None:
        for pair in itertools.islice(remaining, number):
            pending.append((pair, pool.submit(read_pair, pair, max_pixels)))

    try:
        submit(threads)
        while pending:
            pair, maps = pending.popleft()
            preds, target = maps.result()
            submit(1)
            yield pair, preds, target
    finally:
        pool.shutdown(cancel_futures=True)


def read_pair(pair: Pair, max_pixels: int = MAX_PIXELS) -> tuple[Tensor, Tensor]:
    """The label maps of prediction and ground truth, in their stored dtypes.

    Raises:
        MaskError: if a file cannot be read or holds no labels, or if the shapes differ.
    """
    pred, target = read(pair.pred, max_pixels), read(pair.target, max_pixels)
    if pred.shape != target.shape:
        cure = "Resize the prediction to the ground truth with nearest-neighbour interpolation."
        if pred.squeeze().shape == target.squeeze().shape:
            cure = "Save both without dimensions of size 1."
        elif pred.shape == target.shape[::-1]:
            cure = "Transpose the prediction if its axes are swapped; otherwise resize it (nearest neighbour)."
        unit = " (height x width)" if pred.ndim == target.ndim == 2 else ""
        raise MaskError(
            f"{pair.pred} has the shape {size(pred.shape)} and {pair.target} {size(target.shape)}{unit}; expected the "
            "same shape.",
            cure,
        )
    return as_tensor(pred, str(pair.pred)), as_tensor(target, str(pair.target))
