"""torchmetrics' base class -> one whose calls change all or nothing, and whose ranks compute together or not at all."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric

from meaniou.settings import unknown

# The keywords of ``torchmetrics.Metric``.
KEYWORDS = (
    "compute_on_cpu",
    "compute_with_cache",
    "dist_sync_fn",
    "dist_sync_on_step",
    "distributed_available_fn",
    "process_group",
    "sync_on_compute",
)
Params = ParamSpec("Params")
Result = TypeVar("Result")
Self = TypeVar("Self", bound=Metric)


def all_or_nothing(
    method: Callable[Concatenate[Self, Params], Result],
) -> Callable[Concatenate[Self, Params], Result]:
    """Restores all attributes if a method raises; only its last line may change states in place."""

    @functools.wraps(method)
    def whole(self: Self, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.update(before)
            for name in self.__dict__.keys() - before.keys():
                del self.__dict__[name]
            raise

    return whole


class AtomicMetric(Metric):
    """A metric that stays as it was if ``forward``, ``compute``, ``sync`` or ``unsync`` raises, or is interrupted.

    Where ranks share a value, each ``compute`` joins in their sum, also without an update since the last one.
    """

    __jit_unused_properties__: ClassVar[list[str]] = [
        *Metric.__jit_unused_properties__,
        "_update_count",
        "update_called",
        "update_count",
    ]

    _epoch: int = 0  # how often a sum over ranks was followed by a reset
    _was_shared: bool = False
    _holds_batch: bool = False  # while forward computes the value of a batch alone
    _eager_updates: int
    _compiled_updates: Tensor
    _no_updates: Tensor

    def __init__(self, **kwargs: Any) -> None:
        try:
            super().__init__(**kwargs)
        except ValueError as error:
            if not str(error).startswith("Unexpected keyword"):
                raise
            makers = [vars(base)["__init__"] for base in type(self).__mro__ if "__init__" in vars(base)]
            own = {name for maker in makers for name in inspect.signature(maker).parameters} - {"self", "kwargs"}
            given = [name for name in kwargs if name not in KEYWORDS]
            raise ValueError(unknown(given[0], [*own, *KEYWORDS])) from None

    @torch.jit.unused
    @all_or_nothing
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Counts a batch and gives the value of that batch alone; if it is refused, the metric stays as it was."""
        epoch, was_shared = self._epoch, self._was_shared
        self.__dict__["_holds_batch"] = True
        value = super().forward(*args, **kwargs)
        self.__dict__["_holds_batch"] = False
        self._epoch, self._was_shared = epoch, was_shared  # the resets inside end no epoch
        return value

    @all_or_nothing
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Puts the sum over ranks in place of what this rank counted, until ``unsync``."""
        super().sync(*args, **kwargs)

    @all_or_nothing
    def unsync(self, should_unsync: bool = True) -> None:
        """Puts back what this rank counted."""
        super().unsync(should_unsync)

    @contextmanager
    def sync_context(self, *args: Any, should_unsync: bool = True, **kwargs: Any) -> Iterator[None]:
        """Holds the sum over ranks inside, and the counts of this rank again afterwards, even if something raises."""
        was_synced = self._is_synced
        try:
            self.sync(*args, **kwargs)
            yield
        finally:
            self.unsync(should_unsync=self._is_synced and not was_synced and should_unsync)

    @torch.jit.unused
    @all_or_nothing
    def reset(self) -> None:
        """Forgets all that was counted."""
        super().reset()
        self._epoch, self._was_shared = self._epoch + self._was_shared, False

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        super()._sync_dist(*args, **kwargs)
        self._was_shared = True

    def _is_shared(self) -> bool:
        """Whether ``compute`` adds the counts of other ranks."""
        available = self.distributed_available_fn
        if not self._to_sync or self._is_synced or not callable(available) or not available():
            return False
        return self.dist_sync_fn is not None or dist.get_world_size(self.process_group) > 1

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        computed = super()._wrap_compute(compute)

        @functools.wraps(compute)
        def together(*args: Any, **kwargs: Any) -> Any:
            before = dict(self.__dict__)
            try:
                # Whether others have counted since is not known here, and they would wait for this rank.
                if self._is_shared():
                    self._computed = None
                return computed(*args, **kwargs)
            except BaseException:
                self.__dict__.update(before)
                raise

        return together

    # The base class counts updates in an int attribute, whose value a compiled step would guard, so that each step were
    # compiled anew. Compiled updates are therefore counted in a tensor, which is read only if there were any, since a
    # fake tensor cannot be read. (Leaving update to the interpreter would forbid fullgraph.)
    @property
    def _update_count(self) -> int:
        compiled = 0 if self._compiled_updates is self._no_updates else int(self._compiled_updates)
        return self._eager_updates + compiled

    @_update_count.setter
    def _update_count(self, number: int) -> None:
        values = self.__dict__  # a Module's setattr takes 3 µs
        if "_no_updates" not in values:
            values["_no_updates"] = torch.zeros((), dtype=torch.int64, device="cpu")
        values["_compiled_updates"], values["_eager_updates"] = values["_no_updates"], number

    def __hash__(self) -> int:
        # A compiler that meets the making of a metric asks for its hash before the states are there.
        return super().__hash__() if "_defaults" in self.__dict__ else id(self)
