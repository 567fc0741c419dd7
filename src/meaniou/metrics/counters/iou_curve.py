"""The torchmetrics metric ``IoUCurve``: the IoU of labels at many thresholds, and the best threshold."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch._subclasses import FakeTensor

from meaniou import plot
from meaniou._util import Doubt
from meaniou.counting import Maps, count_labels, label_rows, refuse_values
from meaniou.metrics.checked.checked_counts import CheckedCurves
from meaniou.metrics.checked.checked_metric import CheckedMetric, matplotlib_needed, result_dtype
from meaniou.metrics.checked.diagnostics import undivided_scores, void_labels
from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.counters.labels import label_form, label_space_of, place_in, refuse_kernel, saved_labels
from meaniou.metrics.state.atomic import all_or_nothing
from meaniou.report import CurveReport, build_curve_report
from meaniou.settings import (
    Absent,
    Average,
    ClassNames,
    Impl,
    Policy,
    Present,
    ThresholdSettings,
    VoidPreds,
    as_threshold,
    threshold_grid,
)

POLICY = ("average", "void_preds", "present", "absent", "classes")


class BestThreshold(NamedTuple):
    """The threshold with the highest IoU, and that IoU."""

    threshold: Tensor
    iou: Tensor


class IoUCurve(CheckedMetric):
    """The IoU of labels at many thresholds in one pass, from exact int64 counts, and the best threshold.

    ``compute`` returns ``(iou, thresholds)``: ratios 0 .. 1, ``[L, T]``, or ``[T]`` with one label, and the thresholds
    ``[T]``, both float32 (float64 where that is the default dtype), on the metric's device. The IoU at a threshold is
    exactly that of ``MultilabelMeanIoU`` with this threshold. NaN means "undefined": at this threshold the label is set
    neither in the ground truth nor in the prediction.

    Args:
        num_labels: number of labels L, 1 to 4096; 1 for a foreground.
        thresholds: a number of even thresholds from 0 to 1, both included (101: 0, 0.01, ..., 1), or 1 to 4096
            ascending thresholds, such as ``torch.linspace(-5, 5, 101)`` for logits. A label is set where ``preds`` is
            above the threshold. A score in 16 or 32 bits is compared as float32 with the threshold rounded to float32,
            in 64 bits as float64.
        inclusive: ``True`` sets a label also where the score equals the threshold, as BEVFusion does on nuScenes maps.
        average: the mean over labels in ``best(common=True)``, ``report`` and ``plot``: ``"macro"``, ``"micro"`` or
            ``"weighted"``, as in ``MultilabelMeanIoU``.
        ignore_index, void_preds, present, absent, classes, class_names, validate_args, impl: as in
            ``MultilabelMeanIoU``.
        kwargs: those of ``torchmetrics.Metric``, such as ``sync_on_compute=False``.

    Raises:
        TypeError: if a setting has the wrong type.
        ValueError: if a setting is unknown or out of range, the thresholds do not ascend, or the kernel ``impl`` cannot
            run here.

    Example:
        >>> import torch
        >>> from meaniou import IoUCurve
        >>> curve = IoUCurve(thresholds=[0.2, 0.5, 0.8])
        >>> curve.update(torch.tensor([[0.1, 0.3, 0.6, 0.9]]), torch.tensor([[0, 0, 1, 1]]))
        >>> curve.compute()
        (tensor([0.6667, 1.0000, 0.5000]), tensor([0.2000, 0.5000, 0.8000]))
        >>> curve.best()
        BestThreshold(threshold=tensor(0.5000), iou=tensor(1.))
    """

    plot_legend_name = "Label"
    _checked_as = CheckedCurves

    def __init__(
        self,
        num_labels: int = 1,
        *,
        thresholds: int | Iterable[float] = 101,
        inclusive: bool = False,
        average: Average = "macro",
        ignore_index: int | Iterable[int] | None = None,
        void_preds: VoidPreds = "miss",
        present: Present = "union",
        absent: Absent = "skip",
        classes: Iterable[int] | None = None,
        class_names: ClassNames | None = None,
        validate_args: bool = True,
        impl: Impl = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label_space, self.protocol = label_space_of(num_labels, class_names), None
        if average in ("none", None):
            raise ValueError(
                f"average is {average!r}; expected 'macro', 'micro' or 'weighted', the mean over labels in "
                "best(common=True). compute() and best() always return a value for each label."
            )
        self.policy = Policy.of(
            self.label_space, average=average, void_preds=void_preds, present=present, absent=absent, classes=classes
        )
        grid = threshold_grid(thresholds)
        self.input_settings = ThresholdSettings.of(grid, inclusive, ignore_index, validate_args, impl)
        refuse_kernel(impl)
        self._add_counts(label_form(self.label_space, self.input_settings, per_image=False))

    def update(self, preds: Maps, target: Maps, valid: Maps | None = None) -> None:
        """Counts a batch; if it raises, the metric stays unchanged. On an accelerator it never waits for the device.

        Args:
            preds: floating scores ``[B, L, *]``, with one label also ``[B, *]``; a NaN is a void prediction. A tensor,
                a NumPy array or an object with DLPack, or a list with one map per image, without the batch dimension.
            target: 0, 1 and void values (``ignore_index``) of the same shape and any dtype, or such a list.
            valid: bool ``[B]``, ``[B, L]``, ``[B, *]`` or ``[B, L, *]``; ``False`` ignores an image, a label of an
                image, a pixel for all labels, or a pixel for one label.

        Raises:
            TypeError: if a dtype does not fit; predicted labels are refused, since they have no scores.
            ValueError: if shapes or devices do not fit; on the CPU also for values that are neither 0, 1 nor void.
        """
        counts = count_labels(preds, target, valid, self.label_space, self.input_settings)
        if not isinstance(target, (list, tuple)) or target:  # an empty list is on no device
            self._add_batch(counts[0])

    def compute(self) -> tuple[Tensor, Tensor]:
        """The IoU at each threshold, ``[L, T]`` or with one label ``[T]``, and the thresholds ``[T]``.

        In a process group every rank must call it equally often: each call is one all-reduce that waits for the slowest
        rank. The same holds for ``best``, ``area``, ``at``, ``report`` and ``plot``.

        Raises:
            ValueError: if values that are neither 0, 1 nor void were counted (unless ``validate_args=False``), or void
                predictions with ``void_preds="error"``.
            RuntimeError: if the metric is on the meta device, or the ranks are out of step.
        """
        thresholds = torch.tensor(self.input_settings.thresholds, dtype=result_dtype(), device=self.counts.device)
        if isinstance(self.counts, FakeTensor):  # only the shape is asked for, as by a memory planner
            shape = (self.label_space.num_classes, len(thresholds))
            return self._of_labels(self.counts.new_empty(shape, dtype=result_dtype())), thresholds
        return self._of_labels(self._as_result(self._report().iou.T)), thresholds

    @all_or_nothing
    def best(self, *, common: bool = False) -> BestThreshold:
        """The threshold with the highest IoU and that IoU, of each label ``[L]`` (0-d with one label).

        With ``common``, the threshold for all labels with the highest mean IoU (by ``average``), and that mean, 0-d. Of
        neighbouring thresholds with equal IoU it is the middle one. It is NaN where no IoU is above 0, as for a label
        that the ground truth never holds.

        Raises:
            ValueError: as ``compute``.

        Example:
            >>> import torch
            >>> from meaniou import IoUCurve
            >>> curve = IoUCurve(num_labels=2, thresholds=[0.2, 0.5, 0.8])
            >>> scores = torch.tensor([[[0.1, 0.3, 0.6, 0.9], [0.3, 0.4, 0.1, 0.1]]])
            >>> curve.update(scores, torch.tensor([[[0, 0, 1, 1], [1, 1, 0, 0]]]))
            >>> curve.best()
            BestThreshold(threshold=tensor([0.5000, 0.2000]), iou=tensor([1., 1.]))
            >>> curve.best(common=True)
            BestThreshold(threshold=tensor(0.2000), iou=tensor(0.8333))
        """
        report = self._report()
        if common:
            return BestThreshold(*map(self._as_result, map(np.array, report.best_common)))
        return BestThreshold(*(self._of_labels(self._as_result(part)) for part in np.array(report.best).T))

    @all_or_nothing
    def area(self) -> Tensor:
        """The mean IoU over the thresholds at which it is defined, of each label ``[L]`` (0-d with one label).

        Papers on cracks call it AIU. With even thresholds it approximates the area under the curve.

        Raises:
            ValueError: as ``compute``.
        """
        return self._of_labels(self._as_result(np.array(self._report().area)))

    @all_or_nothing
    def at(self, threshold: float) -> Tensor:
        """The IoU of each label at one of the thresholds, ``[L]`` (0-d with one label).

        Args:
            threshold: one of ``thresholds``, or the same number in float32, as ``compute`` and ``best`` return it.

        Raises:
            TypeError: if the threshold is not a number.
            ValueError: if it is not one of ``thresholds``; the message names the nearest one. Also as ``compute``.
        """
        place = place_in(self.input_settings.thresholds, as_threshold("threshold", threshold))
        return self._of_labels(self._as_result(self._report().iou[place]))

    @all_or_nothing
    def report(self) -> CurveReport:
        """IoU, Dice, precision and recall at all thresholds over all ranks, and the best thresholds.

        Raises:
            ValueError: as ``compute``.

        Example:
            >>> import torch
            >>> from meaniou import IoUCurve
            >>> curve = IoUCurve(thresholds=[0.2, 0.5, 0.8], class_names=["crack"])
            >>> curve.update(torch.tensor([[0.1, 0.3, 0.6, 0.9]]), torch.tensor([[0, 0, 1, 1]]))
            >>> print(curve.report().to_csv().splitlines()[1])
            crack,0.2,0.6666666666666666,0.8,0.6666666666666666,1.0
        """
        return self._report()

    def plot(self, val: tuple[Tensor, Tensor] | None = None, ax: Any = None) -> Any:
        """Plots the IoU of each label over the thresholds on ``ax``, and returns ``(figure, axes)``.

        It draws the report, or ``val``, a value of ``compute`` or ``forward``, as ``meaniou.plot.curve`` does. With
        ``val`` it draws the mean over labels only for ``average="macro"``; other means need the counts. Without
        ``val``, every rank of a process group must call it.

        Raises:
            TypeError, ValueError: if ``val`` is no value of this metric.
            ModuleNotFoundError: if matplotlib is not installed.
        """
        with matplotlib_needed():
            if val is None:
                axes = plot.curve(self.report(), ax)
            else:
                names, number = self.label_space.class_names, self.input_settings.number
                axes = plot.draw_curves(plot.Curves.of_value(val, names, number, self.policy), ax)
        return axes.figure, axes

    def extra_repr(self) -> str:
        """The settings that ``repr`` shows: the main ones, and all others that differ from their default."""
        inputs = self.input_settings
        grid = inputs.thresholds
        shown = list(grid) if len(grid) < 8 else f"{len(grid)} from {grid[0]:g} to {grid[-1]:g}"
        always = {"num_labels": self.label_space.num_classes, "thresholds": shown, "ignore_index": inputs.ignore_index}
        return self._shown_settings(always, Policy.of(self.label_space), ThresholdSettings())

    @classmethod
    def saved_settings(cls) -> SavedSettings:
        """How ``save`` stores the settings on which the counts depend."""
        return SAVED

    def _report(self) -> CurveReport:
        checked = self._checked_counts()
        return build_curve_report(
            checked.counts,
            checked.areas(self.policy),
            self.label_space,
            self.policy,
            inputs=self.input_settings,
            pixels=checked.pixels,
        )

    def _refuse_outside(self, counts: Tensor) -> None:
        refuse_values(counts, self.label_space.class_names)

    def _doubts(self, counts: Tensor) -> Iterator[Doubt]:
        inputs = self.input_settings
        yield from void_labels(counts, inputs.ignore_index)
        yield from undivided_scores(counts, inputs.thresholds)

    def _image_counts_of(self, counts: Tensor) -> Tensor:
        return label_rows(counts)  # without counts of images nothing calls it

    def _of_labels(self, values: Tensor) -> Tensor:
        """Values ``[L, ...]``, without the first dimension if there is one label."""
        return values[0] if self.label_space.num_classes == 1 else values

    def _wrap_compute(self, compute: Callable[[], Any]) -> Callable[[], Any]:
        computed = super()._wrap_compute(compute)

        @functools.wraps(compute)
        def shaped() -> tuple[Tensor, Tensor]:
            iou, thresholds = computed()
            labels, number = self.label_space.num_classes, self.input_settings.number
            # The base class squeezes a value [1].
            return iou.reshape((number,) if labels == 1 else (labels, number)), thresholds.reshape(number)

        return shaped


def _keywords(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a metric from the parts of a saved file."""
    inputs = {name: value for name, value in parts["input_settings"].items() if name != "per_label"}
    return {**parts["space"], **parts["policy"], **inputs}


SAVED = saved_labels("IoUCurve", POLICY, ("thresholds",), _keywords)
