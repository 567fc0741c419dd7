"""The results of a metric over all ranks: its value, its report, the table of its images, and intervals."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._subclasses import FakeTensor

from meaniou._util import warn
from meaniou.counting import refuse_outside
from meaniou.metrics.checked_counts import NO_ROWS, CheckedCounts
from meaniou.metrics.diagnostics import suspicious_counts
from meaniou.metrics.image_ids import repeated_images, without_repeated_void
from meaniou.metrics.state.atomic import all_or_nothing
from meaniou.metrics.state.count_state import CountState
from meaniou.protocols import Protocol
from meaniou.report import ImageTable, Report, build_report, image_table
from meaniou.scores import ImageAreas, ImageRows, mean_iou, mean_over_images
from meaniou.settings import Absent, Groups, InputSettings, LabelSpace, Policy, Present, VoidPreds
from meaniou.uncertainty import (
    CONFIDENCE,
    RESAMPLES,
    Clusters,
    Interval,
    OverallStatistic,
    Resampling,
    bootstrap,
    check_overall_statistic,
)


class IoUMetric(CountState):
    """A metric with results, which all follow from the areas of its checked counts.

    A subclass makes the settings and counts. One whose counts are no confusion matrix has a subclass of
    ``CheckedCounts`` and its own ``_doubts``.
    """

    _checked_as: ClassVar[type[CheckedCounts]] = CheckedCounts
    label_space: LabelSpace
    policy: Policy
    input_settings: InputSettings
    protocol: Protocol | None

    def compute(self) -> Tensor:
        """The number that ``average`` asks for, over all batches and ranks.

        In a process group every rank must call it, and equally often: each call is one all-reduce and waits for the
        slowest rank, also if nothing was counted since the last one. A running value therefore costs this in every
        batch, and ranks whose loops have different lengths get an error. Without communication, ``forward`` gives the
        value of one batch on this rank, and ``sync_on_compute=False`` that of all batches on this rank.

        Raises:
            ValueError: if labels outside the classes were counted (unless ``validate_args=False``), or there is a
                void prediction and ``void_preds="error"``.
            RuntimeError: if the metric is on the meta device, or the ranks are not in step.
        """
        dtype = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
        if isinstance(self.counts, FakeTensor):  # a planner of memory asks for the shape alone
            shape = (self.label_space.num_classes,) if self.policy.average == "none" else ()
            return self.counts.new_empty(shape, dtype=dtype)
        checked = self._checked_counts()
        if self.policy.over == "dataset":
            value = mean_iou(checked.areas(self.policy), self.policy)
        else:
            value = mean_over_images(checked.image_areas(self.policy).areas, self.policy)
        return torch.from_numpy(value).to(dtype).to(self.counts.device)

    @all_or_nothing
    def report(
        self,
        *,
        void_preds: VoidPreds | None = None,
        present: Present | None = None,
        absent: Absent | None = None,
        classes: Iterable[int] | None = None,
        include_background: bool = True,
        class_groups: Groups | None = None,
        bootstrap: bool | Resampling = False,
    ) -> Report:
        """Every number that the counts hold, over all ranks; under other rules without counting again.

        Its means are over classes, whatever ``average`` and ``over``. In a process group every rank must call it, also
        where one alone prints: it waits for the others.

        Args:
            void_preds, present, absent, classes: rules instead of those of the metric.
            include_background: ``False`` leaves class 0 out of the means.
            class_groups: classes by group, as ``{"seen": [0, 1], "unseen": ["train"]}``, numbers or names; overlap is
                allowed. By default those of the protocol or label space.
            bootstrap: whether to add bootstrap intervals, or a ``Resampling`` with other settings than the default;
                needs ``per_image``.

        Raises:
            TypeError: if ``bootstrap`` is something else.
            ValueError: as ``compute``, or if a rule has an unknown value, or a group holds what is no class.
        """
        rules = {"void_preds": void_preds, "present": present, "absent": absent, "classes": classes}
        changed = {name: value for name, value in rules.items() if value is not None}
        policy = self.policy.under(self.label_space, include_background=include_background, **changed)
        if not isinstance(bootstrap, bool | Resampling):
            raise TypeError(f"bootstrap is {bootstrap!r}; expected True, False or a Resampling, so pass Resampling().")
        resampling = (Resampling() if bootstrap else None) if isinstance(bootstrap, bool) else bootstrap
        if resampling is not None and not self.per_image:
            raise ValueError("Intervals need rows of images; make the metric with per_image=True.")
        checked = self._checked_counts()
        return build_report(
            checked.counts,
            checked.areas(policy),
            self.label_space,
            policy,
            matrix=checked.matrix,
            pixels=checked.pixels,
            class_groups=class_groups,
            protocol=self.protocol,
            images=checked.image_areas(policy) if self.per_image else None,
            resampling=resampling,
        )

    @all_or_nothing
    def image_scores(self) -> ImageTable:
        """The mean IoU and that of each class in each image, the worst first, over all ranks; needs ``per_image``.

        Without any ids, images are numbered in the order in which one process counted them; several processes have no
        such order, and -1 stands for each.

        Raises:
            ValueError: as ``compute``, or if no rows are kept.
        """
        return image_table(self._image_areas(), self.label_space, self.policy)

    @all_or_nothing
    def bootstrap(
        self,
        of: OverallStatistic = "mean",
        *,
        confidence: float = CONFIDENCE,
        resamples: int = RESAMPLES,
        seed: int = 0,
        clusters: Clusters | None = None,
    ) -> Interval:
        """How sure the number is: a bootstrap percentile interval over the images of all ranks.

        The same seed gives the same interval on every device and for any number of ranks.

        Args:
            of: ``"mean"`` (what ``compute`` gives) or ``"accuracy"`` (of pixels).
            confidence: the share of resamples inside the interval.
            resamples: how often the images are resampled.
            seed: of the resampling.
            clusters: ``{id: cluster}`` or a function of the id (what ``update`` was given, a number or a name), where
                images are alike (of one patient, scene or sequence): whole clusters are resampled then.

        Raises:
            ValueError: as ``compute``, or if no rows are kept, or a setting is out of range.
        """
        check_overall_statistic(of)
        resampling = Resampling(confidence, resamples, seed, clusters)
        ((interval,),) = bootstrap(self._image_areas(), self.policy, resampling, of)
        return interval

    @all_or_nothing
    def bootstrap_classes(
        self,
        *,
        confidence: float = CONFIDENCE,
        resamples: int = RESAMPLES,
        seed: int = 0,
        clusters: Clusters | None = None,
    ) -> tuple[Interval, ...]:
        """An interval for the IoU of each class, in the order of the ids; arguments and errors as of ``bootstrap``."""
        resampling = Resampling(confidence, resamples, seed, clusters)
        (intervals,) = bootstrap(self._image_areas(), self.policy, resampling, "class")
        return intervals

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

    def _image_areas(self) -> ImageAreas:
        """The areas of each image under the policy of the metric."""
        refuse_without_rows(self)
        return self._checked_counts().image_areas(self.policy)

    def _checked_counts(self, warns: bool = True) -> CheckedCounts:
        """The checked counts of all ranks, with a warning for each doubt; every result starts here."""
        alone = not self._is_synced
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync and alone, should_unsync=alone
        ):
            checked = self._check()
        if warns:
            warn_of(checked)
        return checked

    def _check(self) -> CheckedCounts:
        """The counts in the states; raises ``RuntimeError`` or ``ValueError`` for certain mistakes."""
        self._restart_if_moved()
        self._refuse_foreign_states()
        counts, images = self.counts.cpu(), None
        doubts = self._doubts(counts) if self.input_settings.validate_args else []
        if self.per_image:
            rows, ids = without_repeated_void(*(part.cpu().numpy() for part in self._joined()))
            group = dist.is_available() and dist.is_initialized()
            of_one = not self._is_synced or (group and dist.get_world_size(self.process_group) == 1)
            images = ImageRows.in_order(rows, ids, self.image_names, as_counted=of_one)
            if repeated := repeated_images(ids, images.names):
                doubts.append(repeated)
        return self._checked_as(self.label_space, counts.numpy(), images, tuple(doubts))

    def _doubts(self, counts: Tensor) -> list[str | Warning]:
        """Warnings about a confusion matrix that may be wrong; raises ``ValueError`` for labels outside the classes."""
        refuse_outside(counts, self.label_space)
        if self._holds_batch:  # much that is plausible of a batch would be doubtful of a dataset
            return []
        return list(suspicious_counts(counts, self.label_space, self.policy))

    def _wrap_compute(self, compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        computed = super()._wrap_compute(compute)

        @functools.wraps(compute)
        def shaped() -> Tensor:
            value: Tensor = computed()
            # The base class squeezes the value of a single class.
            return value.reshape(-1) if self.policy.average == "none" else value

        return shaped


def checked_counts(metric: IoUMetric) -> CheckedCounts:
    """The checked counts of all ranks, without warnings, for which ``warn_of`` is; every rank must call it."""
    return metric._checked_counts(warns=False)


def warn_of(*several: CheckedCounts) -> None:
    """Warns of each doubt once, also where several have it."""
    for doubt in {str(doubt): doubt for checked in several for doubt in checked.doubts}.values():
        warn(doubt)


def refuse_without_rows(metric: IoUMetric) -> None:
    """Raises ``ValueError`` if a metric keeps no rows of images."""
    if not metric.per_image:
        raise ValueError(NO_ROWS)
