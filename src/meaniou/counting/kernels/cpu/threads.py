"""Runs compiled loops over a range of pixels on several Python threads, as many as PyTorch uses, without the GIL.

Numba's own threads are not used: its work queue aborts the process if two Python threads enter, and its OpenMP layer
does so in a forked child.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
Add = Callable[[int, int, Array], None]  # adds the pixels from start to stop to the counts

# Most bytes of counts that the other threads copy.
MAX_COPIED = 1 << 20
# Parts per thread, so that others take over the share of a slow one.
PARTS = 4

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0  # threads of the pool


def parallel_for(add: Add, grain: int, start: int, stop: int, counts: Array, unit: int = 64) -> None:
    """Adds the pixels from ``start`` to ``stop`` to ``counts``, in parts whose size is a multiple of ``unit``.

    The calling thread works too; one thread is used per ``grain`` pixels.
    """
    threads = min(torch.get_num_threads(), (stop - start) // max(1, grain), 1 + MAX_COPIED // counts.nbytes)
    if threads <= 1:
        add(start, stop, counts)
        return
    step = max(unit, (stop - start) // (PARTS * threads) // unit * unit)
    parts, taking = iter(range(start, stop, step)), threading.Lock()

    def work(mine: Array) -> Array:
        while True:
            with taking:
                part = next(parts, stop)
            if part == stop:
                return mine
            add(part, min(part + step, stop), mine)

    pool = _threads(threads - 1)
    others = [pool.submit(work, np.zeros_like(counts)) for _ in range(threads - 1)]
    work(counts)
    for other in others:
        counts += other.result()


def _threads(number: int) -> ThreadPoolExecutor:
    global _pool, _size
    with _lock:
        if _pool is None or _size < number:
            _pool = ThreadPoolExecutor(number, thread_name_prefix="meaniou")  # a smaller pool before it ends when idle
            _size = number
        return _pool


def _after_fork() -> None:
    """Resets the pool: a forked child has none of its parent's threads."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
