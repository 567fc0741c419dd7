"""The processes that share the work of a command: one alone, or several that torchrun started."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")
FAILED = "meaniou/failed"
MOST_THREADS = 8


class StoppedError(ValueError):
    """Another process has met bad input."""


@dataclass(frozen=True)
class Workers:
    """The processes of a command, as one of them sees them.

    Attributes:
        rank: number of this process; process 0 writes all outputs.
        size: how many there are.
        store: by which several processes exchange messages.
    """

    rank: int = 0
    size: int = 1
    store: Any = None

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The items for this process; every item is in one share, and a share may be empty."""
        return items[self.rank :: self.size]

    def stop_if_one_failed(self) -> None:
        """Raises ``StoppedError`` if another process has met bad input, so that this one stops early."""
        if self.store is not None and self.store.check([FAILED]):
            raise StoppedError("Another process has met bad input.")

    def run_on_all_or_fail(self, work: Callable[[], T]) -> T:
        """Runs work that may meet bad input; if one process does, all raise its error. All must call it."""
        error: Exception | None = None
        result: list[T] = []
        try:
            result.append(work())
        except Exception as raised:
            if not is_refusal(raised):
                raise
            error = raised
            if self.store is not None:
                self.store.set(FAILED, "1")
        if self.size > 1:
            errors: list[Any] = [None] * self.size
            dist.all_gather_object(
                errors, None if error is None else (isinstance(error, StoppedError), sentence_of(error))
            )
            if sentences := [text for stopped, text in filter(None, errors) if not stopped]:
                raise error if error is not None and sentence_of(error) == sentences[0] else ValueError(sentences[0])
        if error is not None:
            raise error
        return result[0]


@contextmanager
def init_workers() -> Iterator[Workers]:
    """The workers that this process belongs to, connected until the block ends."""
    if not _is_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield Workers()
        return
    store, number, size = next(rendezvous("env://"))
    # Counts are on the CPU, whatever else the machine has.
    dist.init_process_group("gloo", store=PrefixStore("group", store), rank=number, world_size=size)
    try:
        yield Workers(number, size, store)
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process."""
    return int(os.environ["RANK"]) if _is_launched() else 0


def default_reader_threads() -> int:
    """The cores for each process of this machine, up to 8."""
    neighbours = int(os.environ["LOCAL_WORLD_SIZE"]) if _is_launched() else 1
    return max(1, min(MOST_THREADS, (os.cpu_count() or 1) // neighbours))


def _is_launched() -> bool:
    return dist.is_available() and dist.is_torchelastic_launched()


def is_refusal(error: Exception) -> bool:
    """Whether an error comes from bad input or too little memory; all others are faults of the code."""
    return isinstance(error, ValueError | TypeError | OSError | RecursionError) or _lacks_memory(error)


def sentence_of(error: Exception) -> str:
    """The sentence that a command prints for an error."""
    if _lacks_memory(error):
        reason = f" ({error})" if str(error) else ""
        return (
            f"There is not enough memory{reason}; expected maps that fit in it, so pass a smaller --jobs or "
            "--resamples, or crop the maps."
        )
    if isinstance(error, RecursionError):
        return f"Something is nested too deeply ({error}); expected fewer levels, so move the folders up or flatten it."
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename} cannot be used ({error.strerror}); expected a path that can be used, so check it."
    return str(error)


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
