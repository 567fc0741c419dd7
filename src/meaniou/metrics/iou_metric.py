"""The state of a metric -> its number, its report, the table of its images, and how sure it is; over all ranks."""

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._subclasses import FakeTensor

from meaniou._util import warn
from meaniou.counting import refuse_outside
from meaniou.metrics.diagnostics import doubts
from meaniou.metrics.state.atomic import all_or_nothing
from meaniou.metrics.state.count_state import CountState
from meaniou.protocols import Protocol
from meaniou.report import Report
from meaniou.scores import ImageTable, Rows, mean_iou, once, ratios, rows_of, seen_twice, table_of
from meaniou.settings import Groups, InputSettings, LabelSpace, Policy
from meaniou.uncertainty import CONFIDENCE, RESAMPLES, Clusters, Interval, Of, resampling


@dataclass(frozen=True)
class Checked:
    """What a metric has counted, once it is sure that none of it is a mistake.

    Attributes:
        counts: on the CPU.
        images: rows and ids, each image once but for those that were counted twice; None where no rows are kept.
        doubts: what may be a mistake.
    """

    counts: Tensor
    images: tuple[Tensor, Tensor] | None
    doubts: tuple[str | Warning, ...]


class IoUMetric(CountState):
    """What can be asked of counts and rows, under the settings that a subclass makes."""

    label_space: LabelSpace
    policy: Policy
    input_settings: InputSettings
    protocol: Protocol | None

    def _unlike(self, other: "IoUMetric") -> str:
        """The first setting in which another metric differs, as a sentence; empty if the two are alike."""
        for mine, theirs in (
            (self.label_space, other.label_space),
            (self.policy, other.policy),
            (self.input_settings, other.input_settings),
        ):
            for name in (field.name for field in fields(mine) if field.compare):
                a, b = getattr(mine, name), getattr(theirs, name)
                if a != b:
                    return f"The two metrics differ in {name}: {a!r} and {b!r}; expected the same, so make them alike."
        return ""

    def compute(self) -> Tensor:
        """The number that ``average`` asks for, over all batches and ranks.

        In a process group every rank must call it, and equally often: each call is one all-reduce and waits for the
        slowest rank, also if nothing was counted since the last one. A running value therefore costs this in every
        batch, and ranks whose loops have different lengths get an error. Without communication, ``forward`` gives the
        value of one batch on this rank, and ``sync_on_compute=False`` that of all batches on this rank.

        Raises:
            ValueError: if labels outside the classes were counted (unless ``validate_args=False``), or there is a
                no-answer and ``void_preds="error"``.
            RuntimeError: if the metric is on the meta device, or the ranks are not in step.
        """
        dtype = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
        if isinstance(self.counts, FakeTensor):  # a planner of memory asks for the shape alone
            shape = (self.label_space.num_classes,) if self.policy.average == "none" else ()
            return self.counts.new_empty(shape, dtype=dtype)
        counted = self._checked(warn)
        found = ratios.areas(counted.counts, self.label_space, self.policy)
        if self.policy.over == "dataset":
            value = ratios.mean_iou(found, self.policy)
        else:
            value = torch.from_numpy(mean_iou(self._rows(counted, self.policy), self.policy))
        return value.to(dtype).to(self.counts.device)

    @property
    def confmat(self) -> Tensor:
        """The confusion matrix of this rank, int64 ``[C, C]``, truth in rows; a copy."""
        return self.counts[:-2, :-2].clone()

    @all_or_nothing
    def report(
        self,
        *,
        policy: Policy | Mapping[str, Any] | None = None,
        class_groups: Groups | None = None,
        bootstrap: bool | Mapping[str, Any] = False,
    ) -> Report:
        """Every number that the counts hold, over all ranks; under another policy without counting again.

        In a process group every rank must call it, also where one alone prints: it waits for the others.

        Args:
            policy: the rules that differ, as ``{"absent": "zero"}`` (``void_preds``, ``present``, ``absent``,
                ``classes``, ``include_background``), or a whole policy. A report's means are over classes, whatever
                ``average``.
            class_groups: classes by group, as ``{"seen": [0, 1], "unseen": ["train"]}``, numbers or names; overlap is
                allowed. By default those of the protocol or label space.
            bootstrap: whether to tell how sure the numbers are, or the settings of ``bootstrap`` (``confidence``,
                ``resamples``, ``seed``, ``clusters``); needs ``per_image``.

        Raises:
            TypeError: if a rule or a setting of ``bootstrap`` is unknown.
            ValueError: as ``compute``, or if a rule has an unknown value, or a group holds what is no class.
        """
        if not isinstance(policy, Policy):
            policy = self.policy.under(self.label_space, policy or {})
        elif not policy.classes:
            policy = replace(policy, classes=self.policy.classes)
        if not isinstance(bootstrap, bool | Mapping):
            raise TypeError(f"bootstrap is {bootstrap!r}; expected True, False or {{setting: value}}, so pass a dict.")
        with self._all_ranks():
            counted = self._checked(warn)
            rows = self._rows(counted, policy) if self.per_image else None
            if bootstrap is not False and rows is None:
                raise ValueError("Intervals need rows of images; make the metric with per_image=True.")
            settings = (bootstrap if isinstance(bootstrap, Mapping) else {}) if bootstrap is not False else None
            return Report.of(counted.counts, self.label_space, policy, class_groups, self.protocol, rows, settings)

    @all_or_nothing
    def image_scores(self) -> ImageTable:
        """The mean IoU and that of each class in each image, the worst first, over all ranks; needs ``per_image``.

        Without any ids, images are numbered in the order in which one process counted them; several processes have no
        such order, and -1 stands for each.

        Raises:
            ValueError: as ``compute``, or if no rows are kept.
        """
        with self._all_ranks():
            return table_of(self._sure_rows(), self.label_space, self.policy)

    @all_or_nothing
    def bootstrap(
        self,
        of: Of = "mean",
        *,
        confidence: float = CONFIDENCE,
        resamples: int = RESAMPLES,
        seed: int = 0,
        clusters: Clusters | None = None,
    ) -> Interval | list[Interval]:
        """How sure the number is: a bootstrap percentile interval over the images of all ranks.

        The same seed gives the same interval on every device and for any number of ranks.

        Args:
            of: ``"mean"`` (what ``compute`` gives), ``"class"`` (an interval for each class) or ``"accuracy"``.
            confidence: the share of resamples inside the interval.
            resamples: how often the images are resampled.
            seed: of the resampling.
            clusters: ``{id: group}`` or a function of the id, where images are alike (of one patient, scene or
                sequence): whole groups are resampled then.

        Raises:
            ValueError: as ``compute``, or if no rows are kept, or a setting is out of range.
        """
        with self._all_ranks():
            return resampling.bootstrap(self._sure_rows(), self.policy, of, confidence, resamples, seed, clusters)

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draws a value, several values over time, or the present one, as all torchmetrics do: ``(figure, axes)``.

        In a process group every rank must call it, unless a value is passed.
        """
        try:
            return self._plot(val, ax)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "plot() draws with matplotlib, which is not there; install the extra 'plot'."
            ) from error

    def _all_ranks(self) -> AbstractContextManager[None]:
        """Holds the state of all ranks inside."""
        alone = not self._is_synced
        return self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync and alone, should_unsync=alone
        )

    def _sure_rows(self) -> Rows:
        """The rows under the policy of the metric, once it is sure that none is a mistake."""
        self._refuse_without_rows()
        counted = self._checked(warn)
        ratios.areas(counted.counts, self.label_space, self.policy)
        return self._rows(counted, self.policy)

    def _refuse_without_rows(self) -> None:
        if not self.per_image:
            raise ValueError("No rows are kept for images; make the metric with per_image=True.")

    def _rows(self, counted: Checked, policy: Policy) -> Rows:
        """The rows under a policy."""
        assert counted.images is not None
        return rows_of(*counted.images, self.label_space, policy, self.image_names, self._is_ordered())

    def _is_ordered(self) -> bool:
        """Whether the rows are in the order in which one process counted them."""
        group = dist.is_available() and dist.is_initialized()
        return not self._is_synced or (group and dist.get_world_size(self.process_group) == 1)

    def _checked(self, tell: Callable[[str | Warning], None] | None = None) -> Checked:
        """What is counted, once it is sure that none is a mistake; what may be one is told."""
        self._settle()
        self._refuse_no_numbers()
        counts = self.counts.cpu()
        found: list[str | Warning] = []
        if self.input_settings.validate_args:
            refuse_outside(counts, self.label_space)
            if not self._holds_batch:  # of which much is plausible that would be doubtful of a dataset
                found += doubts(counts, self.label_space, self.policy)
        images = once(*self._joined()) if self.per_image else None
        if images and (twice := seen_twice(images[1], self.image_names)):
            found.append(twice)
        if tell is not None:
            for doubt in found:
                tell(doubt)
        return Checked(counts, images, tuple(found))

    def _wrap_compute(self, compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        computed = super()._wrap_compute(compute)

        @functools.wraps(compute)
        def shaped() -> Tensor:
            value: Tensor = computed()
            # The base class squeezes the value of a single class.
            return value.reshape(-1) if self.policy.average == "none" else value

        return shaped
