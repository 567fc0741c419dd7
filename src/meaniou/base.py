"""torchmetrics' base class -> one whose counts are never converted, merged by chance, or left half changed."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from meaniou.distributed import rows_of_ranks, sum_over_ranks
from meaniou.states import why_not


class CountingMetric(Metric):
    """A metric whose state is one int64 tensor of counts, and beside it the settings under which they were counted.

    It completes the base class where that would convert counts to another dtype, merge or load counts of other
    settings, keep a cached value too long, or stay half changed after an error.
    """

    __jit_unused_properties__: ClassVar[list[str]] = [
        *Metric.__jit_unused_properties__,
        "_update_count",
        "update_called",
        "update_count",
    ]

    counts: Tensor
    settings: Tensor
    image_rows: list[Tensor]  # int64 [B, 4, C] of each batch, where scores are kept for each image
    image_ids: list[Tensor]  # int64 [B], -1 where none was given
    image_names: Mapping[int, str]  # by ids; of this rank, where somebody gave them
    _in_place: bool = False
    _eager_updates: int
    _compiled_updates: Tensor

    def add_counts(self, shape: tuple[int, ...], *, per_image: bool = False, **settings: Any) -> None:
        """Adds the states; the settings are the bytes of a JSON text, so that different ones never look equal."""
        self.per_image, self.image_names = per_image, {}
        settings |= {"per_image": True} if per_image else {}
        text = json.dumps(settings)
        with torch.inference_mode(False):  # tensors made in inference mode could not be used outside it
            # The settings come first: torchmetrics 1.6 forms its compute groups by the first state alone.
            self.add_state("settings", torch.tensor(list(text.encode()), dtype=torch.int64), dist_reduce_fx="max")
            self.add_state("counts", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")
        if per_image:
            # Lists, since joining a tensor to all before it, batch after batch, would take the square of their number.
            self.add_state("image_rows", [], dist_reduce_fx="cat")
            self.add_state("image_ids", [], dist_reduce_fx="cat")

    @torch.jit.unused
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Counts a batch and gives the value of that batch alone; if it is refused, the metric stays as it was."""
        if self._in_place:
            raise RuntimeError(
                "A captured CUDA graph adds to these counts, so forward cannot set them aside; call update."
            )
        return self._all_or_nothing(super().forward, *args, **kwargs)

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Adds the counts of another metric, or of its ``metric_state``, that counted under the same settings.

        Raises:
            TypeError: if it is neither.
            ValueError: if its settings or shapes differ.
            RuntimeError: if this metric holds the sum over ranks, between ``sync`` and ``unsync``.
        """
        self._refuse_if_synced()
        states: Mapping[str, Any]
        if isinstance(incoming_state, type(self)):
            states, updates = vars(incoming_state), incoming_state.update_count
        elif isinstance(incoming_state, dict):
            states, updates = incoming_state, 1
        else:
            raise TypeError(
                f"Got a {type(incoming_state).__name__}; expected a {type(self).__name__} or the metric_state of one, "
                "so pass that."
            )
        if reason := self._why_not_mine(states):
            raise ValueError(reason)
        names = {**self.image_names, **states.get("image_names", {})} if self.per_image else {}
        self.add(states["counts"].to(self.counts.device))
        if self.per_image:
            for name in ("image_rows", "image_ids"):
                setattr(self, name, getattr(self, name) + [part.to(self.counts.device) for part in states[name]])
            self.image_names = names
        self._update_count += updates
        self._computed = None

    @contextmanager
    def sync_context(self, *args: Any, should_unsync: bool = True, **kwargs: Any) -> Iterator[None]:
        """Holds the sum over ranks inside, and the counts of this rank again afterwards, even if something raises."""
        self.sync(*args, **kwargs)
        try:
            yield
        finally:
            self.unsync(should_unsync=self._is_synced and should_unsync)

    def set_dtype(self, dst_type: str | torch.dtype) -> Self:
        """Changes nothing: counts are whole numbers, and the dtype of the result does not follow the model's."""
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Self:
        def keep_dtype(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        super()._apply(keep_dtype, exclude_state)
        return self

    # The base class counts updates in an int attribute, whose value a compiled step would guard, so that each step were
    # compiled anew. Compiled updates are therefore counted in a tensor. (Leaving update to the interpreter would forbid
    # fullgraph.)
    @property
    def _update_count(self) -> int:
        return self._eager_updates + int(self._compiled_updates)

    @_update_count.setter
    def _update_count(self, number: int) -> None:
        if "_compiled_updates" not in self.__dict__:
            self._compiled_updates = torch.zeros((), dtype=torch.int64, device="cpu")
        self.__dict__["_eager_updates"] = number - int(self._compiled_updates)  # a Module's setattr takes 3 µs

    def _wrap_update(self, update: Callable[..., None]) -> Callable[..., None]:
        counted = super()._wrap_update(update)

        @functools.wraps(update)
        def guarded(*args: Any, **kwargs: Any) -> None:
            self._refuse_if_synced()
            if not torch.compiler.is_compiling():
                self._all_or_nothing(counted, *args, **kwargs)
                return
            with torch.no_grad():
                update(*args, **kwargs)
            self._computed = None
            self._compiled_updates = self._compiled_updates + 1

        return guarded

    def __hash__(self) -> int:
        # A compiler that meets the making of a metric asks for its hash before the states are there.
        return super().__hash__() if "_defaults" in self.__dict__ else id(self)

    def _all_or_nothing(self, change: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls ``change`` and, if it raises, takes back what it set; states are never changed in place."""
        before = dict(self.__dict__)
        try:
            return change(*args, **kwargs)
        except BaseException:
            self.__dict__.update(before)
            raise

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] | None = None, process_group: Any = None) -> None:
        group = process_group or self.process_group
        self.counts = sum_over_ranks(self.counts, dist_sync_fn, group)
        if self.per_image:
            rows, ids = self.joined()
            flat = rows_of_ranks(torch.cat([ids[:, None], rows.flatten(1)], 1), dist_sync_fn, group)
            self.image_rows, self.image_ids = [flat[:, 1:].unflatten(1, (4, -1))], [flat[:, 0]]

    def joined(self) -> tuple[Tensor, Tensor]:
        """All rows, int64 ``[N, 4, C]``, and ids, ``[N]``, on the device of the counts."""
        device, classes = self.counts.device, self.counts.shape[0] - 2
        none = torch.zeros(0, 4, classes, dtype=torch.int64, device=device)
        rows = torch.cat([none, *(part.to(device) for part in self.image_rows)])
        return rows, torch.cat([none[:, 0, 0], *(part.to(device) for part in self.image_ids)])

    # A graph that was captured adds to the tensor that it knows, so from then on the counts stay in that one.
    def keep_in_place(self) -> None:
        """Makes a replay of a captured update count, also after other updates and after ``reset``."""
        self._in_place = True
        self.compute_with_cache = False  # a replay runs no Python that would drop the value

    def add(self, counts: Tensor) -> None:
        """Adds to the counts, in a new tensor unless a captured graph knows this one."""
        if self._in_place:
            self.counts.add_(counts)
        else:
            self.counts = self.counts + counts

    @torch.jit.unused
    def reset(self) -> None:
        """Forgets all that was counted."""
        kept = self.counts if self._in_place else None
        for name in self._defaults:
            if isinstance(getattr(self, name), list):
                setattr(self, name, [])  # the base class would empty the list in place, which others may hold
        super().reset()
        if kept is not None:
            self.counts = kept.zero_()

    def _copy_state_dict(self) -> dict[str, Tensor | list[Any]]:
        # The base class copies every tensor, of which there may be thousands; none of these is changed in place.
        return {name: list(v) if isinstance(v := getattr(self, name), list) else v for name in self._defaults}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        error_msgs: list[str] = args[-1]
        states = {name: state_dict[prefix + name] for name in self._defaults if prefix + name in state_dict}
        if states:
            if reason := self._why_not_now() or self._why_not_mine(states):
                error_msgs.append(reason)
                for name in states:
                    del state_dict[prefix + name]
            else:
                self._computed = None
                self._update_count = max(self._update_count, int(states["counts"].any()))
        super()._load_from_state_dict(state_dict, prefix, *args)
        # A copy: the tensors are still the ones of whoever loads them.
        for name, value in ((name, getattr(self, name)) for name in self._defaults):
            copied = [part.to(self.device, copy=True) for part in ([value] if isinstance(value, Tensor) else value)]
            setattr(self, name, copied[0] if isinstance(value, Tensor) else copied)

    def _refuse_if_synced(self) -> None:
        if reason := self._why_not_now():
            raise RuntimeError(reason)

    def _why_not_now(self) -> str:
        """The reason why counts cannot change at this moment, empty if they can."""
        if self._is_synced:
            return "The metric holds the sum over ranks, and unsync() would drop what is new; call unsync() first."
        return ""

    def _why_not_mine(self, states: Mapping[str, Any]) -> str:
        """The reason why states cannot be added to or put in place of these, empty if they can."""
        return why_not(states, self.settings, self.counts, self.per_image)
