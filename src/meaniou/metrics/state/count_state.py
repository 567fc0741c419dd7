"""A metric that changes all or nothing -> one that keeps int64 counts, and merges only those of the same settings."""

import functools
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only
from torchmetrics import Metric

from meaniou.metrics.state.atomic import AtomicMetric, all_or_nothing
from meaniou.metrics.state.checks import shortened, why_no_numbers, why_not
from meaniou.metrics.state.sync import rows_of_ranks, sum_over_ranks


class CountState(AtomicMetric):
    """A metric whose state is one int64 tensor of counts, and beside it the settings under which they were counted.

    It completes the base class where that would convert counts to another dtype, merge or load counts of other
    settings, keep a cached value too long, or take what lies in the memory of ``to_empty`` for counts.
    """

    counts: Tensor
    settings: Tensor
    image_rows: list[Tensor]  # int64 [N, 4, C] of some batches, where scores are kept for each image
    image_ids: list[Tensor]  # int64 [N], -1 where none was given
    image_names: Mapping[int, str]  # by ids; of this rank, where somebody gave them
    _in_place: bool = False  # since a captured graph adds to the counts
    _is_moved: bool = False  # and nothing was counted or read since

    def _add_counts(self, shape: tuple[int, ...], *, per_image: bool = False, **settings: Any) -> None:
        """Adds the states; the settings are the bytes of a JSON text, so that different ones never look equal."""
        self.per_image, self.image_names = per_image, {}
        self._shape = shape
        self._settings_text = json.dumps(settings | ({"per_image": True} if per_image else {}))
        # The settings come first: torchmetrics 1.6 forms its compute groups by the first state alone.
        with torch.inference_mode(False):  # tensors made in inference mode could not be used outside it
            states, defaults = self._fresh(None), self._fresh(None)
        for name, reduction in zip(states, ("max", "sum", "cat", "cat"), strict=False):
            self.add_state(name, [], dist_reduce_fx=reduction)  # it copies tensors deeply, which fake ones do not take
            setattr(self, name, states[name])
        self._defaults = defaults

    def _fresh(self, device: torch.device | None) -> dict[str, Tensor | list[Any]]:
        """The states of a metric that has counted nothing, on a device or on the default one."""
        settings = torch.tensor(list(self._settings_text.encode()), dtype=torch.int64, device=device)
        states: dict[str, Tensor | list[Any]] = {"settings": settings, "counts": settings.new_zeros(self._shape)}
        # Lists, since joining a tensor to all before it, batch after batch, would take the square of their number.
        return states | ({"image_rows": [], "image_ids": []} if self.per_image else {})

    @torch.jit.unused
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Counts a batch and gives the value of that batch alone; if it is refused, the metric stays as it was."""
        if self._in_place:
            raise RuntimeError(
                "A captured CUDA graph adds to these counts, so forward cannot set them aside; call update."
            )
        self._settle(wait=False)
        is_moved = self._is_moved
        value = super().forward(*args, **kwargs)
        self._is_moved = is_moved  # the batch was looked at, and not what was counted before
        return value

    @all_or_nothing
    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Adds the counts of another metric, or of its ``metric_state``, that counted under the same settings.

        Raises:
            TypeError: if it is neither.
            ValueError: if its settings or shapes differ.
            RuntimeError: if this metric holds the sum over ranks, between ``sync`` and ``unsync``, or no numbers.
        """
        self._refuse_change()
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
        self._settle()
        self._refuse_no_numbers()
        if reason := self._why_not_mine(states):
            raise ValueError(reason)
        if self.per_image:
            self.image_names = {**self.image_names, **states.get("image_names", {})}
            self._add_rows(states["image_rows"], states["image_ids"])
        self._update_count += updates
        self._computed = None
        self._add(states["counts"].to(self.counts.device))

    def set_dtype(self, dst_type: str | torch.dtype) -> Self:
        """Changes nothing: counts are whole numbers, and the dtype of the result does not follow the model's."""
        return self

    @all_or_nothing
    def _apply(  # type: ignore[override]  # as in torchmetrics, but for recurse
        self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "", recurse: bool = True
    ) -> Self:
        """Moves the states to the device where ``fn`` puts a tensor; their contents stay, whatever ``fn`` does to them.

        On the meta device there are no contents, so a metric that leaves it starts anew.
        """
        torch.nn.Module._apply(self, fn, recurse)  # parameters and modules that a subclass may have
        try:
            place = fn(torch.empty(0, device=self.counts.device))
        except NotImplementedError:
            if not self.counts.is_meta:
                raise
            place = fn(torch.empty(0, device="cpu"))  # .to(...) refuses to copy from the meta device

        def moved(value: Any) -> Any:
            return tree_map_only(Tensor, lambda tensor: tensor.to(place.device), value)

        if why_no_numbers(self.counts) and not why_no_numbers(place):
            self._start_on(place.device)
        self._device = place.device
        for name in (name for name in self._defaults if name not in exclude_state):
            self._defaults = {**self._defaults, name: moved(self._defaults[name])}
            setattr(self, name, moved(getattr(self, name)))
        for name in ("_cache", "_computed", "_forward_cache"):
            setattr(self, name, moved(getattr(self, name)))
        self._is_moved = True
        return self

    def _start_on(self, device: torch.device) -> None:
        """Becomes as new on another device."""
        self._device = device
        with torch.inference_mode(False):
            self._defaults = self._fresh(device)
            for name, state in self._fresh(device).items():
                setattr(self, name, state)
            self.reset()

    # A ClasswiseWrapper moves our states once more after us, and to_empty then leaves arbitrary memory in them.
    def _settle(self, wait: bool = True) -> None:
        """Starts anew if a move replaced the states before anything was counted; this ends no epoch."""
        if not self._is_moved or self._is_synced or self._update_count or why_no_numbers(self.settings):
            return
        if (wait or self.settings.device.type == "cpu") and not self._is_own():
            epoch, was_shared = self._epoch, self._was_shared
            self.reset()
            self._epoch, self._was_shared = epoch, was_shared

    def _refuse_no_numbers(self) -> None:
        """Raises ``RuntimeError`` if the states are no counts of this metric."""
        if reason := why_no_numbers(self.counts):
            raise RuntimeError(reason)
        if (self._is_moved or self.settings.device.type == "cpu") and not self._is_own():  # elsewhere reading waits
            raise RuntimeError(
                "The states are not those that this metric counted, as after .to_empty(...) of a wrapper; call reset() "
                "after such a move, and count again."
            )
        self._is_moved = False

    def _is_own(self) -> bool:
        own: bool = self.settings.tolist() == list(self._settings_text.encode())
        return own

    def _wrap_update(self, update: Callable[..., None]) -> Callable[..., None]:
        wrapped = super()._wrap_update(update)

        @all_or_nothing
        def counted(self: Self, *args: Any, **kwargs: Any) -> None:
            self._settle(wait=False)
            wrapped(*args, **kwargs)

        @functools.wraps(update)
        def guarded(*args: Any, **kwargs: Any) -> None:
            self._refuse_change()
            if self.counts.is_meta:
                raise RuntimeError(why_no_numbers(self.counts))
            if not torch.compiler.is_compiling():
                counted(self, *args, **kwargs)
                return
            with torch.no_grad():
                update(*args, **kwargs)
            self._computed = None
            self._compiled_updates = self._compiled_updates + 1

        return guarded

    @all_or_nothing
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Puts the sum over ranks in place of what this rank counted, until ``unsync``."""
        self._settle()
        super().sync(*args, **kwargs)

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] | None = None, process_group: Any = None) -> None:
        self._refuse_no_numbers()
        group = process_group or self.process_group
        # Ranks whose calls are paired wrongly have not been reset equally often since they were together.
        stamp = zlib.crc32(f"{self._epoch} {self._settings_text}".encode()) >> 8
        counts = sum_over_ranks(self.counts, dist_sync_fn, group, stamp)
        if self.per_image:
            rows, ids = self._joined()
            flat = rows_of_ranks(torch.cat([ids[:, None], rows.flatten(1)], 1), dist_sync_fn, group)
            self.image_rows, self.image_ids = [flat[:, 1:].unflatten(1, (4, -1))], [flat[:, 0]]
        self.counts, self._was_shared = counts, True

    def _joined(self) -> tuple[Tensor, Tensor]:
        """All rows, int64 ``[N, 4, C]``, and ids, ``[N]``, on the device of the counts."""
        device, classes = self.counts.device, self.counts.shape[0] - 2
        none = torch.zeros(0, 4, classes, dtype=torch.int64, device=device)
        rows = torch.cat([none, *(part.to(device) for part in self.image_rows)])
        return rows, torch.cat([none[:, 0, 0], *(part.to(device) for part in self.image_ids)])

    # A graph that was captured adds to the tensor that it knows, so from then on the counts stay in that one.
    def _keep_in_place(self) -> None:
        """Makes a replay of a captured update count, also after other updates and after ``reset``."""
        self._in_place = True
        self.compute_with_cache = False  # a replay runs no Python that would drop the value

    def _add(self, counts: Tensor) -> None:
        """Adds to the counts, in a new tensor unless a captured graph knows this one; to be called last."""
        if self._in_place:
            self.counts.add_(counts)
        else:
            self.counts = self.counts + counts

    def _add_rows(self, rows: Sequence[Tensor], ids: Sequence[Tensor]) -> None:
        """Adds rows and their ids, in new lists."""
        device = self.counts.device
        more = [*self.image_rows, *(part.to(device) for part in rows)], [*self.image_ids, *(p.to(device) for p in ids)]
        self.image_rows, self.image_ids = shortened(*more)

    def _reduce_states(self, incoming_state: dict[str, Any]) -> None:
        super()._reduce_states(incoming_state)
        if self.per_image:
            self.image_rows, self.image_ids = shortened(self.image_rows, self.image_ids)

    @torch.jit.unused
    @all_or_nothing
    def reset(self) -> None:
        """Forgets all that was counted."""
        kept = self.counts if self._in_place else None
        for name in self._defaults:
            if isinstance(getattr(self, name), list):
                setattr(self, name, [])  # the base class would empty the list in place, which others may hold
        super().reset()
        self._is_moved = False
        if kept is not None:
            self.counts = kept
            kept.zero_()

    def _copy_state_dict(self) -> dict[str, Tensor | list[Any]]:
        # The base class copies every tensor; none of these is changed in place.
        return {name: list(v) if isinstance(v := getattr(self, name), list) else v for name in self._defaults}

    def _filter_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        # What a collection hands to each of its metrics: image ids go to those that keep rows.
        return {k: v for k, v in super()._filter_kwargs(**kwargs).items() if k != "image_ids" or self.per_image}

    @all_or_nothing
    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        error_msgs: list[str] = args[-1]
        kept = self.counts if self._in_place else None
        states = {name: state_dict[prefix + name] for name in self._defaults if prefix + name in state_dict}
        if states:
            if reason := self._why_not_now() or self._why_not_mine(states):
                error_msgs.append(reason)
                for name in states:
                    del state_dict[prefix + name]
            else:
                if self.counts.is_meta:
                    self._start_on(states["counts"].device)
                self._computed = None
                self._update_count = max(self._update_count, int(states["counts"].any()))
        super()._load_from_state_dict(state_dict, prefix, *args)
        # A copy: the tensors are still the ones of whoever loads them.
        for name, value in ((name, getattr(self, name)) for name in self._defaults):
            copied = [part.to(self.device, copy=True) for part in ([value] if isinstance(value, Tensor) else value)]
            setattr(self, name, copied[0] if isinstance(value, Tensor) else copied)
        if kept is not None:
            loaded, self.counts = self.counts, kept
            kept.copy_(loaded)

    def _refuse_change(self) -> None:
        if reason := self._why_not_now():
            raise RuntimeError(reason)

    def _why_not_now(self) -> str:
        """The reason why counts cannot change at this moment, empty if they can."""
        if self._is_synced:
            return "The metric holds the sum over ranks, and unsync() would drop new counts; call unsync() first."
        return ""

    def _why_not_mine(self, states: Mapping[str, Any]) -> str:
        """The reason why states cannot be added to or put in place of these, empty if they can."""
        mine: Mapping[str, Any] = self._fresh(torch.device("cpu")) if self.counts.is_meta else vars(self)
        return why_not(states, mine["settings"], mine["counts"], self.per_image)
