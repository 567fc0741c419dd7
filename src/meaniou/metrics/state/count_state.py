"""The base class of the metrics: a torchmetrics ``Metric`` with exact counts and atomic calls."""

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
    """A metric whose state is one int64 tensor of counts, and the settings under which they were counted.

    A call that raises leaves the metric unchanged. Unlike the base class, counts are never converted to another dtype,
    states that were counted with other settings are refused, and no cached value outlives the counts. A subclass ends
    ``__init__`` with ``_add_counts`` and ``update`` with ``_add_batch``.
    """

    __jit_unused_properties__: ClassVar = [*Metric.__jit_unused_properties__, "update_called", "update_count"]

    counts: Tensor
    settings: Tensor
    image_rows: list[Tensor]  # int64 [N, 4, C] of one or more batches, with per_image
    image_ids: list[Tensor]  # int64 [N], -1 for an image without an id
    image_labels: list[Tensor]  # uint8 [K], see ``ImageNames``
    image_names = ImageNames()  # {id: name}
    _epoch: int = 0  # number of resets that followed a sum over ranks
    _was_shared: bool = False  # whether the counts were summed over ranks since the last reset
    _holds_batch: bool = False  # whether forward is computing the value of one batch
    _in_place: bool = False  # whether counts are added in place, for a captured CUDA graph
    _is_moved: bool = False  # whether the states were moved and have not been read since
    _update_count = UpdateCount()

    def __init__(self, **kwargs: Any) -> None:
        with unknown_keywords_explained(type(self), kwargs):
            super().__init__(**kwargs)

    def _add_counts(self, form: StateForm) -> None:
        """Adds the states, all zero."""
        self._form, self.per_image, self.image_names = form, form.per_image, {}
        for name, reduction in zip(form.fresh(None), ("max", "sum", "cat", "cat", "cat"), strict=False):
            self.add_state(name, [], dist_reduce_fx=reduction)  # not a tensor: fake ones cannot be deep-copied
        self._set_fresh(None)

    def _set_fresh(self, device: torch.device | None) -> None:
        """Replaces the states by zeros on a device, or on the default device."""
        with torch.inference_mode(False):  # inference tensors cannot be changed outside inference mode
            self._defaults = self._form.fresh(device)
            for name, state in self._form.fresh(device).items():
                setattr(self, name, state)

    @abstractmethod
    def _image_counts_of(self, counts: Tensor) -> Tensor:
        """The sum of the rows of all images, int64 ``[4, C]``, computed from the counts."""

    def _add_batch(self, counts: Tensor, images: BatchImages | None = None) -> None:
        """Adds the counts of a batch and of its images; a method calls it last, since it cannot be undone."""
        check_device(counts, self.counts.device)
        if is_captured(self.counts, self.per_image):
            # A replay adds to the captured tensor, and runs no Python that would clear the cached value.
            self._in_place, self.compute_with_cache = True, False
        if images is not None:
            self._add_images(images.lists())
        self._add(counts)

    def _add(self, counts: Tensor) -> None:
        """Adds to the counts, in place only under a captured graph; a method calls it last."""
        if self._in_place:
            self.counts.add_(counts)
        else:
            self.counts = self.counts + counts

    def _add_images(self, images: ImageLists) -> None:
        self.image_rows, self.image_ids, labels = ImageLists.of(vars(self)).plus(images, self.counts.device)
        if images.labels:  # setting an attribute of a module takes 2 µs
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
            update(*args, **kwargs)  # whole numbers have no gradient; no_grad would outlive an error in compiled code
            self._computed = None
            count_compiled(self)

        return guarded

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(compute)(whole_call(self, self._drop_shared_value, super()._wrap_compute(compute)))

    def _drop_shared_value(self) -> None:
        """Clears the cached value where there are other ranks: they may have counted since, and would wait."""
        shared = self._to_sync and not self._is_synced
        if shared and is_shared(self.distributed_available_fn, self.dist_sync_fn, self.process_group):
            self._computed = None

    @torch.jit.unused
    @all_or_nothing
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Counts a batch and returns the value of this batch alone; if it raises, the metric stays unchanged."""
        if self._in_place:
            raise RuntimeError(CAPTURED)
        self._restart_if_moved(wait=False)
        before = {name: getattr(self, name) for name in ("_epoch", "_was_shared", "_is_moved")}
        self.__dict__["_holds_batch"] = True
        value = super().forward(*args, **kwargs)
        # The resets inside end no epoch, and only the states of the batch were read.
        self.__dict__.update(before, _holds_batch=False)
        return value

    def _reduce_states(self, incoming_state: dict[str, Any]) -> None:
        super()._reduce_states(incoming_state)
        if self.per_image:
            self.image_rows, self.image_ids, self.image_labels = ImageLists.of(vars(self)).shortened()

    def _copy_state_dict(self) -> dict[str, Tensor | list[Any]]:
        # The base class copies every tensor, which is needless here: none is changed in place.
        return {name: list(v) if isinstance(v := getattr(self, name), list) else v for name in self._defaults}

    def _filter_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        # A MetricCollection passes image_ids to all its metrics; only those with per_image accept them.
        return {k: v for k, v in super()._filter_kwargs(**kwargs).items() if k != "image_ids" or self.per_image}

    @all_or_nothing
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Replaces the counts of this rank by the sum over all ranks, until ``unsync``."""
        self._restart_if_moved()
        super().sync(*args, **kwargs)

    unsync = all_or_nothing(Metric.unsync)

    @contextmanager
    def sync_context(self, *args: Any, should_unsync: bool = True, **kwargs: Any) -> Iterator[None]:
        """A context in which the counts are those of all ranks; afterwards they are those of this rank again."""
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
        self._cache = {**(self._cache or {}), "_update_count": own}  # unsync restores it
        if self.per_image:
            labels = joined_labels(self.image_labels, self.counts.device)
            rows, ids, labels = images_of_ranks(*self._joined(), labels, dist_sync_fn, group)
            self.image_rows, self.image_ids, self.image_labels = [rows], [ids], [labels]
        self.counts, self._was_shared = counts, True

    def snapshot(self) -> dict[str, Any]:
        """The states, image names and update count as a dict for ``merge_state``; of all ranks after ``sync``.

        Raises:
            RuntimeError: if the metric is on the meta device, or its counts are fake tensors.
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
        """Sets all counts to zero and drops all images."""
        counts = self.counts
        if self.per_image:  # the base class would clear these lists in place, and a copy may share them
            self.image_rows, self.image_ids, self.image_labels = [], [], []
        super().reset()
        self._epoch, self._was_shared, self._is_moved = self._epoch + self._was_shared, False, False
        if self._in_place:
            self.counts = counts
            counts.zero_()

    @all_or_nothing
    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Adds the counts of another metric, which must have counted with the same settings.

        Args:
            incoming_state: a metric of the same class, its ``metric_state`` or its ``snapshot()``. A dict may also hold
                ``image_names`` and ``update_count`` (1 if missing).

        Raises:
            TypeError: if it is something else.
            ValueError: if its settings or shapes differ, or it is damaged.
            RuntimeError: if this metric is synchronised (between ``sync`` and ``unsync``), or on the meta device.
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
            args[-1].append(reason)  # the error messages of load_state_dict
            for name in states:
                del state_dict[prefix + name]
        elif states:
            if self.counts.is_meta:
                self._start_on(states["counts"].device)
            self._computed = None
            self._update_count = max(self._update_count, int(states["counts"].any()))
        counts = self.counts
        super()._load_from_state_dict(state_dict, prefix, *args)
        for name in self._defaults:  # the tensors still belong to the caller
            setattr(self, name, copied(getattr(self, name), counts.device))
        if self._in_place:
            loaded, self.counts = self.counts, counts
            counts.copy_(loaded)

    def _refuse_change(self) -> None:
        if self._is_synced:
            raise RuntimeError(SYNCED)

    def set_dtype(self, dst_type: str | torch.dtype) -> Self:
        """Changes nothing: counts stay int64, and the dtype of ``compute`` does not follow that of the model."""
        return self

    @all_or_nothing
    def _apply(  # type: ignore[override]  # as in torchmetrics, but for recurse
        self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "", recurse: bool = True
    ) -> Self:
        """Moves the states with their contents to the device to which ``fn`` moves a tensor."""
        torch.nn.Module._apply(self, fn, recurse)  # for parameters and modules of a subclass
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
        """Starts from zero on another device."""
        self._device = device
        self._set_fresh(device)
        self.reset()

    # A ClasswiseWrapper moves the states once more, and its to_empty leaves arbitrary memory in them.
    def _restart_if_moved(self, wait: bool = True) -> None:
        """Starts from zero if a move overwrote the states before anything was counted; this ends no epoch."""
        if not self._is_moved or self._is_synced or self._update_count or why_no_numbers(self.settings):
            return
        if (wait or self.settings.device.type == "cpu") and self._form.why_not_own(self.settings):
            epoch, was_shared = self._epoch, self._was_shared
            self.reset()
            self._epoch, self._was_shared = epoch, was_shared

    def _refuse_foreign_states(self) -> None:
        """Raises ``RuntimeError`` if the states store no data, or were overwritten."""
        looks = self._is_moved or self.settings.device.type == "cpu"  # reading an accelerator waits for it
        if reason := why_no_numbers(self.counts) or (self._form.why_not_own(self.settings) if looks else ""):
            raise RuntimeError(reason)
        self._is_moved = False

    def __hash__(self) -> int:
        # torch.compile asks for the hash of a metric that it constructs before the states exist.
        return super().__hash__() if "_defaults" in self.__dict__ else id(self)
