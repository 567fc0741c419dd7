"""The torchmetrics metric ``MeanBoundaryIoU`` for bands inside contours: its settings, its update, and its files."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from meaniou import plot
from meaniou._util import Doubt, check_bool
from meaniou.counting import Maps, band_rows, bands_of, count_bands, counts_of_width, refuse_outside, why_not
from meaniou.metrics.checked.checked_counts import CheckedBands, CheckedCounts
from meaniou.metrics.checked.checked_metric import matplotlib_needed
from meaniou.metrics.checked.diagnostics import suspicious_counts
from meaniou.metrics.checked.image_ids import ImageIds, ids_of
from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.counters.bands import band_form, refuse_table, saved_bands
from meaniou.metrics.counters.classes import policy_under
from meaniou.metrics.iou_metric import IoUMetric
from meaniou.metrics.state.atomic import all_or_nothing
from meaniou.metrics.state.images import BatchImages
from meaniou.protocols import Protocol, resolve_label_space
from meaniou.report import BoundaryReport
from meaniou.scores import Floats
from meaniou.settings import (
    Absent,
    Average,
    BandSettings,
    ClassNames,
    Impl,
    InputFormat,
    InputSettings,
    LabelSpace,
    Over,
    Policy,
    Present,
    VoidPreds,
    VoidRule,
    as_widths,
)

OF_TORCHMETRICS = (
    "compute_on_cpu", "dist_sync_on_step", "process_group", "dist_sync_fn", "distributed_available_fn",
    "sync_on_compute", "compute_with_cache",
)  # fmt: skip


class MeanBoundaryIoU(IoUMetric):
    """Mean Boundary IoU of a whole dataset: the IoU of the bands inside the contours of each class.

    The band of a class holds its pixels whose window, the square (in volumes the cube) of ``2 d + 1`` pixels around
    them, holds another label or leaves the image. It is the band of Cheng et al., "Boundary IoU", CVPR 2021, class by
    class. Pixels are summed over the images of the dataset before each class gets its ratio. The number depends on the
    width, so report both. There is no official number for semantic segmentation.

    ``compute`` returns a ratio 0 .. 1: 0-d, or ``[C]`` with ``average="none"``; with W widths ``[W]`` or ``[W, C]``;
    float32 (float64 where that is the default dtype), on the metric's device. NaN means "undefined", as in ``MeanIoU``;
    a class without a pixel in either band is absent. Reports, image scores and intervals count the pixels in bands.

    Args:
        num_classes: number of classes C, 1 to 4096; labels are ``0 .. C-1``.
        width: width ``d`` of the band: a share of the diagonal of each image (0.02 for COCO and LVIS, 0.005 for
            Cityscapes), rounded to whole pixels and at least 1; or an int, in pixels. A list counts several at once.
        edge: whether the edge of the image is a contour, as in the official code.
        void: ``"ignore"``: a void pixel is any label in both maps. It neither makes nor moves a contour, and a
            prediction that is right on all valid pixels scores 1. ``"literal"``: void is one more label, with contours,
            but its pixels are not counted.
        void_preds: effect of a void prediction (an ignored id, or a NaN score) where the ground truth is a class:
            ``"miss"`` (it is a label other than the class, the default), ``"drop"`` (the pixel is void in both maps) or
            ``"error"`` (``compute`` raises). ``report`` cannot change ``"drop"`` afterwards.
        label_space, protocol, average, ignore_index, pred_ids, pred_void, present, absent, classes, include_background,
        input_format, threshold, class_names, over, worst_percent, validate_args, impl: as in ``MeanIoU``.
        per_image: keep the counts of each image (32 bytes per class, width and image) for ``image_scores``,
            ``bootstrap`` and ``compare``; implied by ``over="image"`` and ``over="class"``.
        kwargs: those of ``torchmetrics.Metric``, such as ``sync_on_compute=False``.

    Raises:
        TypeError: if a setting has the wrong type.
        ValueError: if a setting is unknown or out of range, or the kernel ``impl`` cannot run here.

    Example:
        >>> import torch
        >>> from meaniou import MeanBoundaryIoU
        >>> target = torch.zeros(1, 40, 40, dtype=torch.long)
        >>> target[:, 10:30, 10:30] = 1
        >>> metric = MeanBoundaryIoU(num_classes=2, width=2)
        >>> metric.update(target.roll(1, dims=2), target)
        >>> metric.compute()
        tensor(0.7160)
    """

    _checked_as = CheckedBands
    __jit_unused_properties__: ClassVar[list[str]] = [*IoUMetric.__jit_unused_properties__, "widths"]

    def __init__(
        self,
        num_classes: int | None = None,
        *,
        width: float | Sequence[float] = 0.02,
        edge: bool = True,
        void: VoidRule = "ignore",
        label_space: LabelSpace | None = None,
        protocol: str | Protocol | None = None,
        average: Average | None = "macro",
        ignore_index: int | Iterable[int] | None = None,
        pred_ids: Literal["ids", "classes"] | None = None,
        pred_void: int | Iterable[int] | None = None,
        void_preds: VoidPreds | None = None,
        present: Present | None = None,
        absent: Absent | None = None,
        classes: Iterable[int] | None = None,
        include_background: bool = True,
        input_format: InputFormat = "auto",
        threshold: float = 0.5,
        class_names: ClassNames | None = None,
        over: Over = "dataset",
        worst_percent: float | Iterable[float] | None = None,
        per_image: bool = False,
        validate_args: bool = True,
        impl: Impl = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label_space, self.protocol = resolve_label_space(
            num_classes,
            label_space,
            protocol,
            ignore_index=ignore_index,
            class_names=class_names,
            pred_ids=pred_ids,
            pred_void=pred_void,
        )
        self.policy = policy_under(
            self.protocol,
            self.label_space,
            void_preds=void_preds,
            present=present,
            absent=absent,
            average=average,
            classes=classes,
            include_background=include_background,
            over=over,
            worst_percent=worst_percent,
        )
        check_bool("per_image", per_image)
        inputs = InputSettings.of(input_format, threshold, validate_args, impl)
        self.input_settings = BandSettings.of_bands(inputs, width, edge, void, self.policy.void_preds == "drop")
        if reason := why_not(impl):
            raise ValueError(reason)
        self._add_counts(band_form(self.label_space, self.input_settings, per_image or over != "dataset"))

    def update(
        self,
        preds: Maps,
        target: Maps,
        valid: Maps | None = None,
        image_ids: ImageIds | None = None,
    ) -> None:
        """Counts a batch; if it raises, the metric stays unchanged. On an accelerator it never waits for the device.

        Pass images of different sizes as lists, or padded to one size and with ``valid``. Without ``valid`` the padding
        is part of the image, and changes its diagonal and its edge.

        Args:
            preds: label maps ``[B, H, W]`` or ``[B, D, H, W]``, or floating scores with the classes in dimension 1, as
                for ``MeanIoU``. Dimension 1 of label maps may be a lone channel, as in ``[B, 1, H, W]``. Volumes of two
                classes need it.
            target: label maps likewise. Both may be lists with one map per image, of any sizes.
            valid: bool ``[B]`` or of the target's shape; ``False`` makes an image or a pixel void. The image is the
                smallest box that holds its valid pixels.
            image_ids: with ``per_image``, an id for each image, the same in every run: whole numbers of at least 0, or
                names, which reports then show.

        Raises:
            TypeError: if a dtype holds neither labels nor scores, or ids are neither whole numbers nor strings.
            ValueError: if shapes or devices do not fit, a width in pixels is larger than the images, or a shape can be
                read in two ways; on the CPU also for out-of-range labels; with ``per_image`` if there is not one id per
                image.

        Example:
            >>> import torch
            >>> from meaniou import MeanBoundaryIoU
            >>> metric = MeanBoundaryIoU(num_classes=2, width=1)
            >>> target = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])
            >>> metric.update([target], [target])
            >>> metric.compute()
            tensor(1.)
        """
        if image_ids is not None and not self.per_image:
            raise ValueError("image_ids needs per_image=True; construct the metric with it, or leave image_ids out.")
        counts, bands = count_bands(preds, target, valid, self.label_space, self.input_settings)
        images = None
        if self.per_image:
            images = BatchImages(band_rows(bands), *ids_of(image_ids, len(bands), self.counts.device))
        if not isinstance(target, (list, tuple)) or target:  # an empty list is on no device
            self._add_batch(counts, images)

    @property
    def widths(self) -> tuple[int | float, ...]:
        """The widths: pixels where they are ints, else shares of the diagonal."""
        widths: tuple[int | float, ...] = self.input_settings.widths
        return widths

    def at(self, width: float) -> "MeanBoundaryIoU":
        """A metric of one width, with a copy of the counts so far.

        ``report``, ``image_scores``, ``bootstrap`` and ``compare`` need a metric of one width.

        Raises:
            TypeError: if the width is no number.
            ValueError: if the width was not counted.

        Example:
            >>> import torch
            >>> from meaniou import MeanBoundaryIoU
            >>> metric = MeanBoundaryIoU(2, width=[1, 2])
            >>> target = torch.tensor([[[0, 0, 1, 1, 1, 1, 1, 1]]])
            >>> metric.update(target.roll(1), target)
            >>> metric.at(2).compute() == metric.compute()[1]
            tensor(True)
        """
        (wanted, *others) = as_widths(width)
        if others or wanted not in self.widths:
            raise ValueError(f"width is {width!r}, which was not counted; expected one of {list(self.widths)}.")
        i, classes = self.widths.index(wanted), self.label_space.num_classes
        inputs = {**vars(self.input_settings), "widths": (self.widths[i],)}
        parts = {"space": SAVED.values(self), "policy": vars(self.policy), "input_settings": inputs}
        keywords = {name: getattr(self, name) for name in OF_TORCHMETRICS}
        keywords["sync_on_compute"] &= not self._is_synced
        one = MeanBoundaryIoU(**SAVED.keywords({**parts, "per_image": self.per_image}), **keywords)
        one.protocol = self.protocol
        state = self.snapshot()
        state |= {"settings": one.settings, "counts": counts_of_width(state["counts"], i)}
        if self.per_image:
            state["image_rows"] = [rows[..., i * classes : (i + 1) * classes] for rows in state["image_rows"]]
        one.to(self.counts.device)
        one.merge_state(state)
        return one

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plots ``val``, by default the value of ``compute``, on ``ax``, and returns ``(figure, axes)``.

        Several widths are drawn as by ``meaniou.plot.boundary_curve``: the boundary IoU of each class over the width.
        Without ``val``, every rank of a process group must call it.

        Raises:
            ModuleNotFoundError: if matplotlib is not installed.
            ValueError: if ``val`` holds values of classes at several widths.
        """
        refuse_table(val)
        if val is not None or len(self.widths) == 1:
            return super().plot(val, ax)
        with matplotlib_needed():
            axes = plot.boundary_curve(self._boundaries(), ax)
        return axes.figure, axes

    def extra_repr(self) -> str:
        """The settings that ``repr`` shows: the main ones, and all others that differ from their default."""
        always: dict[str, Any] = {} if self.protocol is None else {"protocol": self.protocol.name}
        width = self.widths[0] if len(self.widths) == 1 else list(self.widths)
        always |= {
            "num_classes": self.label_space.num_classes,
            "width": width,
            "average": self.policy.average,
            "ignore_index": self.label_space.ignore_index,
        }
        hidden = {name: getattr(self.input_settings, name) for name in ("widths", "drop_void_preds")}
        return self._shown_settings(always, Policy.of(self.label_space), BandSettings(**hidden))

    @classmethod
    def saved_settings(cls) -> SavedSettings:
        """How ``save`` stores the settings on which the counts depend."""
        return SAVED

    @all_or_nothing
    def _boundaries(self) -> tuple[BoundaryReport, ...]:
        """Boundary IoU at each width, over all ranks."""
        return self._checked_counts().boundaries(self.policy, self.input_settings)

    def _value_shape(self) -> tuple[int, ...]:
        number = len(self.widths)
        return ((number,) if number > 1 else ()) + super()._value_shape()

    def _value_of(self, checked: CheckedCounts) -> Floats:
        assert isinstance(checked, CheckedBands)
        values = [super(MeanBoundaryIoU, self)._value_of(checked.of_width(i)) for i in range(checked.number)]
        return values[0] if len(values) == 1 else np.stack(values)

    def _refuse_outside(self, counts: Tensor) -> None:
        refuse_outside(counts[: counts.shape[1]], self.label_space)

    def _doubts(self, counts: Tensor) -> Iterator[Doubt]:
        return suspicious_counts(counts[: counts.shape[1]], self.label_space, self.policy)

    def _image_counts_of(self, counts: Tensor) -> Tensor:
        return band_rows(bands_of(counts))


SAVED = saved_bands("MeanBoundaryIoU")
