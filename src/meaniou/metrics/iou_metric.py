"""The results of a metric over all ranks: its value, report, image scores and confidence intervals."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from torch import Tensor
from torch._subclasses import FakeTensor

from meaniou._util import join_names, kind_of
from meaniou.metrics.checked.checked_counts import NO_ROWS, CheckedBands, CheckedCounts
from meaniou.metrics.checked.checked_metric import CheckedMetric, checked_counts, matplotlib_needed, result_dtype
from meaniou.metrics.state.atomic import all_or_nothing
from meaniou.report import ImageTable, Report, build_report, image_table
from meaniou.scores import Floats, ImageAreas, mean_iou, mean_over_images
from meaniou.settings import Absent, BandSettings, Groups, Present, VoidPreds
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


class IoUMetric(CheckedMetric):
    """A metric whose results all follow from the areas (pixels per class) in its counts."""

    def compute(self) -> Tensor:
        """The mean IoU over all batches and ranks: 0-d, or ``[C]`` with ``average="none"``; NaN where undefined.

        In a process group every rank must call it equally often: each call is one all-reduce that waits for the slowest
        rank. For a value without communication use ``forward`` (this batch on this rank) or construct the metric with
        ``sync_on_compute=False`` (all batches on this rank).

        Raises:
            ValueError: if out-of-range labels, or for labels that overlap values that are neither 0, 1 nor void, were
                counted (unless ``validate_args=False``), or void predictions with ``void_preds="error"``.
            RuntimeError: if the metric is on the meta device, or the ranks are out of step.
        """
        if isinstance(self.counts, FakeTensor):  # only the shape is asked for, as by a memory planner
            return self.counts.new_empty(self._value_shape(), dtype=result_dtype())
        return self._as_result(self._value_of(self._checked_counts()))

    def _value_shape(self) -> tuple[int, ...]:
        """The shape of the value of ``compute``."""
        return (self.label_space.num_classes,) if self.policy.average == "none" else ()

    def _value_of(self, checked: CheckedCounts) -> Floats:
        """The value of ``compute``."""
        if self.policy.over == "dataset":
            return mean_iou(checked.areas(self.policy), self.policy)
        return mean_over_images(checked.image_areas(self.policy).areas, self.policy)

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
        boundary: "IoUMetric | None" = None,
    ) -> Report:
        """All numbers of the dataset over all ranks: classes, means, groups, confusions, pixels and images.

        Rules passed here replace those of the metric without counting again. Means are over classes, whatever
        ``average`` and ``over`` are. In a process group every rank must call it, also where only one prints.

        Args:
            void_preds, present, absent, classes: as in ``MeanIoU``, by default the rules of the metric.
            include_background: ``False`` leaves class 0 out of means.
            class_groups: class numbers or names by group, such as ``{"seen": [0, 1], "unseen": ["train"]}``; groups may
                overlap. By default the groups of the label space or protocol.
            bootstrap: ``True`` adds bootstrap confidence intervals, a ``Resampling`` adds them with other settings;
                needs ``per_image``.
            boundary: for a ``MeanIoU``, a ``MeanBoundaryIoU`` that has counted the same batches; adds its boundary IoU.

        Raises:
            TypeError: if ``bootstrap`` or ``boundary`` is something else.
            ValueError: as ``compute``; also if a rule has an unknown value, a group names an unknown class, or
                ``boundary`` has other classes or has counted other pixels.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(num_classes=2, class_names=["road", "car"])
            >>> metric.update(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))
            >>> report = metric.report()
            >>> {c.name: round(c.iou, 2) for c in report.classes}
            {'road': 0.5, 'car': 0.67}
        """
        rules = {"void_preds": void_preds, "present": present, "absent": absent, "classes": classes}
        changed = {name: value for name, value in rules.items() if value is not None}
        policy = self.policy.under(self.label_space, include_background=include_background, **changed)
        if not isinstance(bootstrap, bool | Resampling):
            raise TypeError(f"bootstrap is {bootstrap!r}; expected True, False or Resampling(resamples=...).")
        resampling = (Resampling() if bootstrap else None) if isinstance(bootstrap, bool) else bootstrap
        if resampling is not None and not self.per_image:
            raise ValueError(
                "Bootstrap intervals need the counts of each image; construct the metric with per_image=True."
            )
        checked = self._checked_counts()
        bands, of_bands = checked, self.input_settings
        if boundary is not None:
            bands, of_bands = self._bands_of(boundary, checked), boundary.input_settings
        return build_report(
            checked.counts,
            checked.areas(policy),
            self.label_space,
            policy,
            matrix=checked.matrix,
            pixels=checked.pixels,
            inputs=self.input_settings,
            class_groups=class_groups,
            protocol=self.protocol,
            images=checked.image_areas(policy) if self.per_image else None,
            resampling=resampling,
            boundaries=bands.boundaries(policy, of_bands),
        )

    def _bands_of(self, boundary: "IoUMetric", checked: CheckedCounts) -> CheckedCounts:
        """The checked counts of a ``MeanBoundaryIoU`` of the same pixels; raises ``TypeError`` or ``ValueError``."""
        bands = checked_counts(boundary) if isinstance(boundary, IoUMetric) else None  # self warns of the same pixels
        if not isinstance(bands, CheckedBands):
            raise TypeError(f"boundary is {kind_of(boundary)}; expected a MeanBoundaryIoU of the same batches.")
        if checked.matrix is None:
            raise TypeError("boundary is for the report of a MeanIoU; leave it out.")
        names = [part.name for part in fields(self.label_space) if part.compare]
        if differing := [n for n in names if getattr(boundary.label_space, n) != getattr(self.label_space, n)]:
            raise ValueError(
                f"boundary differs from this metric in {join_names(differing)}. Construct both with the same settings."
            )
        if not np.array_equal(bands.pixels_by_kind, checked.pixels_by_kind):
            raise ValueError("boundary has counted other pixels than this metric. Update both with the same batches.")
        return bands

    @all_or_nothing
    def image_scores(self) -> ImageTable:
        """The mean IoU and the IoU of each class in each image, the lowest first, over all ranks.

        Set ``image_names = {id: name}`` on the metric to see names in place of numbers. If no image has an id, images
        are numbered 0, 1, ... in the order of counting; with several ranks, which have no common order, each is -1.

        Raises:
            ValueError: as ``compute``, or without ``per_image=True``.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(num_classes=2, class_names=["road", "car"], per_image=True)
            >>> target = torch.tensor([[0, 1, 1], [1, 1, 1]])
            >>> metric.update(torch.tensor([[0, 1, 0], [1, 1, 1]]), target, image_ids=["a.png", "b.png"])
            >>> print(metric.image_scores())
            image  worst classes            mIoU
            ------------------------------------
            a.png  road 50.00, car 50.00   50.00
            b.png  car 100.00             100.00
        """
        of_bands = isinstance(self.input_settings, BandSettings)
        return image_table(self._image_areas(), self.label_space, self.policy, of_bands=of_bands)

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
        """A bootstrap confidence interval of the mean IoU or the pixel accuracy, over the images of all ranks.

        Images are resampled with replacement, and the interval lies between two percentiles of the resulting values. It
        covers the choice of images, not the choice of training seeds.

        Args:
            of: ``"mean"`` (the value of ``compute``; with ``average="none"`` its mean over classes) or ``"accuracy"``
                (pixel accuracy).
            confidence: share of the resamples inside the interval, above 0 and below 1.
            resamples: number of resamples, 2 to 1,000,000.
            seed: seed of the resampling; the same seed gives the same interval on every device and for any number of
                ranks.
            clusters: ``{image id: cluster}``, or a function from the image id to its cluster, for images that are alike
                (of one patient, scene or sequence): whole clusters are resampled.

        Raises:
            TypeError: if a setting has the wrong type.
            ValueError: as ``compute``; also without ``per_image=True``, or if a setting is out of range.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(num_classes=2, per_image=True)
            >>> target = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1]])
            >>> metric.update(target.roll(1, dims=1), target, image_ids=["a", "b", "c"])
            >>> print(metric.bootstrap())
            0.192 [0.000, 0.333] (95 %)
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
        """A confidence interval of the IoU of each class, in class order; arguments and errors as for ``bootstrap``."""
        resampling = Resampling(confidence, resamples, seed, clusters)
        (intervals,) = bootstrap(self._image_areas(), self.policy, resampling, "class")
        return intervals

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plots ``val``, by default the value of ``compute``, on ``ax``, and returns ``(figure, axes)``.

        ``val`` may also be a list of values over time. Without ``val``, every rank of a process group must call it.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.
        """
        with matplotlib_needed():
            return self._plot(val, ax)

    def _image_areas(self) -> ImageAreas:
        """The areas of each image under the metric's policy."""
        refuse_without_rows(self)
        return self._checked_counts().image_areas(self.policy)

    def _wrap_compute(self, compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        computed = super()._wrap_compute(compute)

        @functools.wraps(compute)
        def shaped() -> Tensor:
            value: Tensor = computed()
            # The base class squeezes a value [1].
            return value.reshape(1) if self.policy.average == "none" and not value.dim() else value

        return shaped


def refuse_without_rows(metric: IoUMetric) -> None:
    """Raises ``ValueError`` unless the metric was constructed with ``per_image``."""
    if not metric.per_image:
        raise ValueError(NO_ROWS)
