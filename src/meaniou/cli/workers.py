"""One process, or several that torchrun started and that share the work of a command."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from meaniou.cli.texts import is_refusal, sentence_of

T = TypeVar("T")
FAILED = "meaniou/failed"


class StoppedError(ValueError):
    """Another process has met bad input."""


@dataclass(frozen=True)
class Team:
    """The processes of a command.

    Attributes:
        rank: number of this process; the first one, 0, writes what there is to write.
        size: how many there are.
        store: by which several processes exchange messages.
    """

    rank: int = 0
    size: int = 1
    store: Any = None

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The items for this process; every item is in one share, and a share may be empty."""
        return items[self.rank :: self.size]

    def check(self) -> None:
        """Raises ``StoppedError`` if another process has met bad input, so that this one stops early."""
        if self.store is not None and self.store.check([FAILED]):
            raise StoppedError("Another process has met bad input.")

    def agree(self, work: Callable[[], T]) -> T:
        """Runs work that may meet bad input; if one process does, all raise its error. All must call it."""
        error: Exception | None = None
        result: list[T] = []
        try:
            result.append(work())
        except Exception as caught:
            if not is_refusal(caught):
                raise
            error = caught
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


def rank() -> int:
    """The number of this process."""
    return int(os.environ["RANK"]) if dist.is_available() and dist.is_torchelastic_launched() else 0


def jobs() -> int:
    """The default number of threads that read files: the cores for each process of this machine, up to 8."""
    neighbours = int(os.environ["LOCAL_WORLD_SIZE"]) if dist.is_available() and dist.is_torchelastic_launched() else 1
    return max(1, min(8, (os.cpu_count() or 1) // neighbours))


@contextmanager
def joined() -> Iterator[Team]:
    """The team of this process, which ends with the block."""
    if not dist.is_available() or not dist.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield Team()
        return
    store, number, size = next(rendezvous("env://"))
    # Counts are on the CPU, whatever else the machine has.
    dist.init_process_group("gloo", store=PrefixStore("group", store), rank=number, world_size=size)
    try:
        yield Team(number, size, store)
    finally:
        dist.destroy_process_group()
