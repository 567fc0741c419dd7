"""Compiled loops over a range of pixels, in as many Python threads as PyTorch has, free of the interpreter's lock.

Numba's own threads are of no use here: its work queue ends the process when two Python threads enter, and its OpenMP
layer does so in a forked child.
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
Add = Callable[[int, int, Array], None]  # adds what lies from start to stop to the counts

# Bytes of the counts that other threads have of their own.
MAX_COPIED = 1 << 20
# Parts a thread, so that one which is held up leaves its share to the others.
PARTS = 4

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0  # threads of the pool


def parallel_for(add: Add, grain: int, start: int, stop: int, counts: Array, unit: int = 64) -> None:
    """Adds all from ``start`` to ``stop`` to ``counts``, in parts of a multiple of ``unit``; this thread is one of all.

    Another thread is taken for each ``grain``.
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
            _pool = ThreadPoolExecutor(number, thread_name_prefix="meaniou")  # one that was too small ends when idle
            _size = number
        return _pool


def _after_fork() -> None:
    """A child has none of its parent's threads."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
