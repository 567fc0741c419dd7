"""The processes that share the work of a command: a single one, or several that torchrun started."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from meaniou.masks import MaskError

T = TypeVar("T")
FAILED = "meaniou/failed"
MOST_THREADS = 8


class StoppedError(ValueError):
    """Another process was given bad input, so this one stops."""


@dataclass(frozen=True)
class Workers:
    """The processes of a command, from the view of one of them.

    Attributes:
        rank: number of this process; process 0 writes all outputs.
        size: number of processes.
        store: the key-value store that several processes share.
    """

    rank: int = 0
    size: int = 1
    store: Any = None

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The items for this process. Every item is in exactly one share; a share may be empty."""
        return items[self.rank :: self.size]

    def stop_if_one_failed(self) -> None:
        """Raises ``StoppedError`` if another process was given bad input."""
        if self.store is not None and self.store.check([FAILED]):
            raise StoppedError("Another process was given bad input.")

    def gather(self, item: T) -> list[T]:
        """The items of all processes, in the order of their numbers; all must call it."""
        if self.size == 1:
            return [item]
        items: list[Any] = [None] * self.size
        dist.all_gather_object(items, item)
        return items

    def run_on_all_or_fail(self, work: Callable[[], T]) -> T:
        """Runs work that may raise for bad input. If it does in one process, all raise that error; all must call it."""
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
            errors = self.gather(None if error is None else (isinstance(error, StoppedError), sentence_of(error)))
            if sentences := [text for stopped, text in filter(None, errors) if not stopped]:
                raise error if error is not None and sentence_of(error) == sentences[0] else ValueError(sentences[0])
        if error is not None:
            raise error
        return result[0]


@contextmanager
def init_workers() -> Iterator[Workers]:
    """The processes of this command, connected until the block ends."""
    if not _is_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield Workers()
        return
    store, number, size = next(rendezvous("env://"))
    # Counts are on the CPU, also on machines with GPUs.
    dist.init_process_group("gloo", store=PrefixStore("group", store), rank=number, world_size=size)
    try:
        yield Workers(number, size, store)
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process."""
    return int(os.environ["RANK"]) if _is_launched() else 0


def default_reader_threads() -> int:
    """Number of cores for each process of this machine, at most 8."""
    neighbours = int(os.environ["LOCAL_WORLD_SIZE"]) if _is_launched() else 1
    return max(1, min(MOST_THREADS, (os.cpu_count() or 1) // neighbours))


def _is_launched() -> bool:
    return dist.is_available() and dist.is_torchelastic_launched()


def is_refusal(error: Exception) -> bool:
    """Whether an error comes from bad input or too little memory; all others are bugs."""
    return isinstance(error, ValueError | TypeError | OSError | RecursionError) or _lacks_memory(error)


def sentence_of(error: Exception) -> str:
    """The message that a command prints for an error."""
    if isinstance(error, MaskError):
        return error.as_options
    if _lacks_memory(error):
        reason = f" ({error})" if str(error) else ""
        return f"Not enough memory{reason}. Pass a smaller --jobs or --resamples, or split the masks into tiles."
    if isinstance(error, RecursionError):
        return f"Folders or JSON are nested too deeply ({error}). Flatten them."
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"Cannot use {error.filename}: {error.strerror}."
    return str(error)


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
