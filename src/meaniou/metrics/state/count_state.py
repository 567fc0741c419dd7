"""The base class of torchmetrics, completed: exact counts, and calls that change all or nothing."""

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from meaniou.metrics.state.atomic import all_or_nothing, whole_call
from meaniou.metrics.state.devices import check_device, copied, device_after, is_captured, moved
from meaniou.metrics.state.images import BatchImages, ImageLists, ImageNames, add_display_names, all_rows, joined_labels
from meaniou.metrics.state.keywords import unknown_keywords_explained
from meaniou.metrics.state.state_form import CAPTURED, SYNCED, StateForm, states_of, why_no_numbers
from meaniou.metrics.state.sync import images_of_ranks, is_shared, sum_over_ranks
from meaniou.metrics.state.update_count import UpdateCount, count_compiled


class CountState(Metric):
    """A metric whose state is one int64 tensor of counts, and beside it the settings under which they were counted.

    It stays as it was if a call raises, and completes the base class where that would convert counts, merge or load
    others, or keep a value too long. A counter ends ``__init__`` by ``_add_counts`` and ``update`` by ``_add_batch``.
    """

    __jit_unused_properties__: ClassVar = [*Metric.__jit_unused_properties__, "update_called", "update_count"]

    counts: Tensor
    settings: Tensor
    image_rows: list[Tensor]  # int64 [N, 4, C] of some batches, where scores are kept for each image
    image_ids: list[Tensor]  # int64 [N], -1 where none was given
    image_labels: list[Tensor]  # uint8 [K], see ``ImageNames``
    image_names = ImageNames()  # by ids, where somebody gave them
    _epoch: int = 0  # how often a sum over ranks was followed by a reset
    _was_shared: bool = False  # whether there was a sum over ranks since the last reset
    _holds_batch: bool = False  # while forward computes the value of a batch alone
    _in_place: bool = False  # whether counts are added in place, since a captured graph adds to this tensor
    _is_moved: bool = False  # whether the states were moved, and nothing was counted or read since
    _update_count = UpdateCount()

    def __init__(self, **kwargs: Any) -> None:
        with unknown_keywords_explained(type(self), kwargs):
            super().__init__(**kwargs)

    def _add_counts(self, form: StateForm) -> None:
        """Adds the states, which hold zero."""
        self._form, self.per_image, self.image_names = form, form.per_image, {}
        for name, reduction in zip(form.fresh(None), ("max", "sum", "cat", "cat", "cat"), strict=False):
            self.add_state(name, [], dist_reduce_fx=reduction)  # it copies tensors deeply, which fake ones do not take
        self._set_fresh(None)

    def _set_fresh(self, device: torch.device | None) -> None:
        """Makes the states anew on a device, or on the default one."""
        with torch.inference_mode(False):  # tensors made in inference mode could not be used outside it
            self._defaults = self._form.fresh(device)
            for name, state in self._form.fresh(device).items():
                setattr(self, name, state)

    @abstractmethod
    def _image_counts_of(self, counts: Tensor) -> Tensor:
        """What the rows of all images add up to, int64 ``[4, C]``, from the counts."""

    def _add_batch(self, counts: Tensor, images: BatchImages | None = None) -> None:
        """Adds the counts of a batch, and those of its images; to be called last."""
        check_device(counts, self.counts.device)
        if is_captured(self.counts, self.per_image):
            # The graph adds to the tensor that it knows, and a replay runs no Python that would drop the value.
            self._in_place, self.compute_with_cache = True, False
        if images is not None:
            self._add_images(images.lists())
        self._add(counts)

    def _add(self, counts: Tensor) -> None:
        """Adds to the counts, in a new tensor unless a captured graph knows this one; to be called last."""
        if self._in_place:
            self.counts.add_(counts)
        else:
            self.counts = self.counts + counts

    def _add_images(self, images: ImageLists) -> None:
        self.image_rows, self.image_ids, labels = ImageLists.of(vars(self)).plus(images, self.counts.device)
        if images.labels:  # to set an attribute of a module takes 2 µs
            self.image_labels = labels

    def _joined(self) -> tuple[Tensor, Tensor]:
        """All rows, int64 ``[N, 4, C]``, and ids, ``[N]``, on the device of the counts."""
        return all_rows(self.image_rows, self.image_ids, self.counts.new_zeros(0, 4, self._form.num_classes))

    def _wrap_update(self, update: Callable[..., None]) -> Callable[..., None]:
        count = whole_call(self, functools.partial(self._restart_if_moved, wait=False), super()._wrap_update(update))

        @functools.wraps(update)
        def guarded(*args: Any, **kwargs: Any) -> None:
            self._refuse_change()
            if self.counts.is_meta:
                raise RuntimeError(why_no_numbers(self.counts))
            if not torch.compiler.is_compiling():
                count(*args, **kwargs)
                return
            with torch.no_grad():
                update(*args, **kwargs)
            self._computed = None
            count_compiled(self)

        return guarded

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(compute)(whole_call(self, self._drop_shared_value, super()._wrap_compute(compute)))

    def _drop_shared_value(self) -> None:
        """Whether other ranks have counted since is not known here, and they would wait for this one."""
        shared = self._to_sync and not self._is_synced
        if shared and is_shared(self.distributed_available_fn, self.dist_sync_fn, self.process_group):
            self._computed = None

    @torch.jit.unused
    @all_or_nothing
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Counts a batch and gives the value of that batch alone; if it is refused, the metric stays as it was."""
        if self._in_place:
            raise RuntimeError(CAPTURED)
        self._restart_if_moved(wait=False)
        before = {name: getattr(self, name) for name in ("_epoch", "_was_shared", "_is_moved")}
        self.__dict__["_holds_batch"] = True
        value = super().forward(*args, **kwargs)
        # The resets inside end no epoch, and the batch was looked at, not what was counted before.
        self.__dict__.update(before, _holds_batch=False)
        return value

    def _reduce_states(self, incoming_state: dict[str, Any]) -> None:
        super()._reduce_states(incoming_state)
        if self.per_image:
            self.image_rows, self.image_ids, self.image_labels = ImageLists.of(vars(self)).shortened()

    def _copy_state_dict(self) -> dict[str, Tensor | list[Any]]:
        # The base class copies every tensor; none of these is changed in place.
        return {name: list(v) if isinstance(v := getattr(self, name), list) else v for name in self._defaults}

    def _filter_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        # What a collection hands to each of its metrics: image ids go to those that keep rows.
        return {k: v for k, v in super()._filter_kwargs(**kwargs).items() if k != "image_ids" or self.per_image}

    @all_or_nothing
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Puts the sum over ranks in place of what this rank counted, until ``unsync``."""
        self._restart_if_moved()
        super().sync(*args, **kwargs)

    unsync = all_or_nothing(Metric.unsync)

    @contextmanager
    def sync_context(self, *args: Any, should_unsync: bool = True, **kwargs: Any) -> Iterator[None]:
        """Holds the sum over ranks inside, and the counts of this rank again afterwards, even if something raises."""
        was_synced = self._is_synced
        try:
            self.sync(*args, **kwargs)
            yield
        finally:
            self.unsync(should_unsync=self._is_synced and not was_synced and should_unsync)

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] | None = None, process_group: Any = None) -> None:
        self._refuse_foreign_states()
        group = process_group or self.process_group
        stamp, own = self._form.stamp(self._epoch), self._update_count
        counts, self._update_count = sum_over_ranks(self.counts, dist_sync_fn, group, stamp, own)
        self._cache = {**(self._cache or {}), "_update_count": own}  # which unsync puts back
        if self.per_image:
            labels = joined_labels(self.image_labels, self.counts.device)
            rows, ids, labels = images_of_ranks(*self._joined(), labels, dist_sync_fn, group)
            self.image_rows, self.image_ids, self.image_labels = [rows], [ids], [labels]
        self.counts, self._was_shared = counts, True

    def snapshot(self) -> dict[str, Any]:
        """A dict that ``merge_state`` takes: the states, names and update count; of all ranks after ``sync``.

        Raises:
            RuntimeError: if the states hold no numbers, as on the meta device.
        """
        self._restart_if_moved()
        self._refuse_foreign_states()
        states = {"settings": self.settings, "counts": self.counts, "update_count": self.update_count}
        if self.per_image:
            rows, ids = self._joined()
            states |= {"image_rows": [rows], "image_ids": [ids], "image_names": dict(self.image_names)}
        return states

    @torch.jit.unused
    @all_or_nothing
    def reset(self) -> None:
        """Forgets all that was counted."""
        counts = self.counts
        if self.per_image:  # the base class would empty the lists in place, which others may hold
            self.image_rows, self.image_ids, self.image_labels = [], [], []
        super().reset()
        self._epoch, self._was_shared, self._is_moved = self._epoch + self._was_shared, False, False
        if self._in_place:
            self.counts = counts
            counts.zero_()

    @all_or_nothing
    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Adds the counts of another metric, or of its ``metric_state``, that counted under the same settings.

        Beside the states, a dict may hold the ``image_names`` and the ``update_count``, by default 1.

        Raises:
            TypeError: if it is neither.
            ValueError: if its settings or shapes differ.
            RuntimeError: if this metric holds the sum over ranks, between ``sync`` and ``unsync``, or no numbers.
        """
        self._refuse_change()
        states = states_of(incoming_state, type(self))
        self._restart_if_moved()
        self._refuse_foreign_states()
        if reason := self._form.why_not(states, self._image_counts_of):
            raise ValueError(reason)
        if self.per_image:
            self._add_images(ImageLists.of(states))
            add_display_names(self, states.get("image_names", {}))
        self._update_count += states.get("update_count", 1)
        self._computed = None
        self._add(states["counts"].to(self.counts.device))

    @all_or_nothing
    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        states = {name: state_dict[prefix + name] for name in self._defaults if prefix + name in state_dict}
        if states and (reason := SYNCED if self._is_synced else self._form.why_not(states, self._image_counts_of)):
            args[-1].append(reason)  # to the messages of errors
            for name in states:
                del state_dict[prefix + name]
        elif states:
            if self.counts.is_meta:
                self._start_on(states["counts"].device)
            self._computed = None
            self._update_count = max(self._update_count, int(states["counts"].any()))
        counts = self.counts
        super()._load_from_state_dict(state_dict, prefix, *args)
        for name in self._defaults:  # the tensors are still the ones of whoever loads them
            setattr(self, name, copied(getattr(self, name), counts.device))
        if self._in_place:
            loaded, self.counts = self.counts, counts
            counts.copy_(loaded)

    def _refuse_change(self) -> None:
        if self._is_synced:
            raise RuntimeError(SYNCED)

    def set_dtype(self, dst_type: str | torch.dtype) -> Self:
        """Changes nothing: counts are whole numbers, and the dtype of the result does not follow the model's."""
        return self

    @all_or_nothing
    def _apply(  # type: ignore[override]  # as in torchmetrics, but for recurse
        self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "", recurse: bool = True
    ) -> Self:
        """Moves the states to the device where ``fn`` puts a tensor; their contents stay, or are none on ``meta``."""
        torch.nn.Module._apply(self, fn, recurse)  # parameters and modules that a subclass may have
        place = device_after(fn, self.counts)
        if why_no_numbers(self.counts) and not why_no_numbers(place):
            self._start_on(place.device)
        self._device = place.device
        names = [name for name in self._defaults if name not in exclude_state]
        self._defaults = {**self._defaults, **{name: moved(self._defaults[name], place.device) for name in names}}
        for name in (*names, "_cache", "_computed", "_forward_cache"):
            setattr(self, name, moved(getattr(self, name), place.device))
        self._is_moved = True
        return self

    def _start_on(self, device: torch.device) -> None:
        """Makes the states anew on another device."""
        self._device = device
        self._set_fresh(device)
        self.reset()

    # A ClasswiseWrapper moves our states once more after us, and to_empty then leaves arbitrary memory in them.
    def _restart_if_moved(self, wait: bool = True) -> None:
        """Makes the states anew if a move replaced them before anything was counted; this ends no epoch."""
        if not self._is_moved or self._is_synced or self._update_count or why_no_numbers(self.settings):
            return
        if (wait or self.settings.device.type == "cpu") and self._form.why_not_own(self.settings):
            epoch, was_shared = self._epoch, self._was_shared
            self.reset()
            self._epoch, self._was_shared = epoch, was_shared

    def _refuse_foreign_states(self) -> None:
        """Raises ``RuntimeError`` if the states hold no numbers, or others than this metric counted."""
        looks = self._is_moved or self.settings.device.type == "cpu"  # elsewhere reading waits
        if reason := why_no_numbers(self.counts) or (self._form.why_not_own(self.settings) if looks else ""):
            raise RuntimeError(reason)
        self._is_moved = False

    def __hash__(self) -> int:
        # A compiler that meets the making of a metric asks for its hash before the states are there.
        return super().__hash__() if "_defaults" in self.__dict__ else id(self)
