"""A call -> the memory that it held at most."""

import os
import tracemalloc
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # else it prints when it starts and stops
from torch.profiler import ProfilerActivity, profile


def peak_bytes(call: Callable[[], Any]) -> int:
    """The most memory that PyTorch and that NumPy held for ``call`` at any time, beyond what they held before."""
    tracemalloc.start()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        call()
        of_numpy = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    events = [e for e in run.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak + of_numpy
