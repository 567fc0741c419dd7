"""The torchmetrics metric ``MeanIoU``: its settings, its update, and its files."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

from torch import Tensor

from meaniou._util import Doubt, check_bool
from meaniou.counting import Maps, count, count_images, image_counts_of, refuse_outside, why_not
from meaniou.metrics.checked.diagnostics import suspicious_counts
from meaniou.metrics.checked.image_ids import ImageIds, ids_of
from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.counters.classes import counting_settings, policy_under, saved_classes
from meaniou.metrics.iou_metric import IoUMetric
from meaniou.metrics.state.images import BatchImages
from meaniou.metrics.state.state_form import StateForm
from meaniou.protocols import Protocol, resolve_label_space
from meaniou.settings import (
    Absent,
    Average,
    ClassNames,
    Impl,
    InputFormat,
    InputSettings,
    LabelSpace,
    Over,
    Policy,
    Present,
    VoidPreds,
)


class MeanIoU(IoUMetric):
    """Mean Intersection over Union of a whole dataset, from one exact int64 confusion matrix.

    ``compute`` returns a ratio 0 .. 1: 0-d, or ``[C]`` with ``average="none"``; float32 (float64 where that is the
    default dtype), on the metric's device. NaN means "undefined": the IoU of a class that is neither in the ground
    truth nor predicted, the IoU of an ignored class, or a mean over no class. Metrics are not thread-safe: give each
    thread its own, and add them up with ``merge_state``.

    Args:
        num_classes: number of classes C, 1 to 4096; labels are ``0 .. C-1``.
        label_space: instead of ``num_classes``, a ``LabelSpace`` for maps that store classes as other ids.
        protocol: instead of ``num_classes``, a benchmark of ``meaniou.protocols``, by name. Its rules become the
            defaults of the keywords below.
        average: ``"macro"`` (mean over classes), ``"micro"`` (pixels summed over classes, then one ratio),
            ``"weighted"`` (mean weighted by ground-truth pixels), ``"none"`` or ``None`` (one value per class).
        ignore_index: id or ids that are void, inside or outside ``0 .. C-1``: a pixel with such a ground truth is
            ignored, a prediction of such an id is a void prediction.
        pred_ids: what predicted label maps hold where the ground truth holds ids of a label space or protocol:
            ``"ids"`` (the same ids) or ``"classes"`` (``0 .. C-1``, as from argmax); by default as set there.
        pred_void: id or ids that are void in predictions, instead of those of ``ignore_index``.
        void_preds: effect of a void prediction (an ignored id, or a NaN score) where the ground truth is a class:
            ``"miss"`` (a false negative, the default), ``"drop"`` (the pixel is ignored) or ``"error"`` (``compute``
            raises).
        present: classes that count as present: in ground truth or prediction (``"union"``, the default), or in the
            ground truth (``"target"``).
        absent: value of a class that is not present: ``"skip"`` (NaN, and left out of means; the default), ``"zero"``,
            ``"one"`` or ``"nan"`` (NaN, and so is the mean). ``"micro"`` and ``"weighted"`` always leave it out.
        classes: class numbers that enter means, by default all; pixels of other classes still count as errors.
        include_background: ``False`` leaves class 0 out of means.
        input_format: how to read a shape that can be read in two ways: ``"auto"`` (by its contents, or an error),
            ``"index"`` (labels, also floating whole numbers) or ``"one-hot"`` (class planes ``[B, C, *]``).
        threshold: with two classes and one floating channel, class 1 is ``preds > threshold``; for logits use 0.0. A
            score in 16 or 32 bits is compared as float32 with the threshold rounded to float32, in 64 bits as float64.
        class_names: one name per class: a sequence, ``{id: name}``, or a path to a text file (one per line) or JSON.
        over: order of averaging: ``"dataset"`` (sum pixels over images, then one ratio per class, as benchmarks do),
            ``"image"`` (mean over classes in each image, then over images) or ``"class"`` (mean over the images that
            have the class, then over classes).
        worst_percent: average only the lowest scores, this percentage of them (above 0, up to 100): of all images with
            ``over="image"``, of the images of each class with ``over="class"``. With several, the mean of the results.
        per_image: keep the counts of each image (32 bytes per class and image) for ``image_scores``, ``bootstrap`` and
            ``compare``; implied by ``over="image"`` and ``over="class"``.
        validate_args: ``False`` skips the checks for out-of-range labels and suspicious values. Such labels are counted
            apart from the classes in any case.
        impl: counting kernel: ``"auto"`` (the fastest that runs on the device), ``"portable"`` (any device), ``"cpu"``
            (needs Numba, the extra ``cpu``) or ``"cuda"`` (needs Triton). All give the same counts.
        kwargs: those of ``torchmetrics.Metric``, such as ``sync_on_compute=False``.

    Raises:
        TypeError: if a setting has the wrong type.
        ValueError: if a setting is unknown or out of range, or the kernel ``impl`` cannot run here.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU
        >>> metric = MeanIoU(num_classes=3, ignore_index=255)
        >>> metric.update(torch.tensor([[0, 1, 1, 2]]), torch.tensor([[0, 1, 2, 255]]))
        >>> metric.compute()
        tensor(0.5000)
        >>> metric.confmat
        tensor([[1, 0, 0],
                [0, 1, 0],
                [0, 1, 0]])
    """

    __jit_unused_properties__: ClassVar[list[str]] = [*IoUMetric.__jit_unused_properties__, "confmat"]

    def __init__(
        self,
        num_classes: int | None = None,
        *,
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
        if "zero_division" in kwargs:
            raise TypeError(
                "MeanIoU has no argument 'zero_division'. Leave it out: torchmetrics leaves absent classes out of "
                "macro whatever zero_division is. For average='none', absent='zero' or 'one' sets their value."
            )
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
        self.input_settings = InputSettings.of(input_format, threshold, validate_args, impl)
        if reason := why_not(impl):
            raise ValueError(reason)
        self._add_counts(_state_form(self.label_space, self.input_settings, per_image or over != "dataset"))

    def update(
        self,
        preds: Maps,
        target: Maps,
        valid: Maps | None = None,
        image_ids: ImageIds | None = None,
    ) -> None:
        """Counts a batch; if it raises, the metric stays unchanged. On an accelerator it never waits for the device.

        Args:
            preds: label maps ``[B, *]`` (bool, uint8, int8, int16, uint16, int32, uint32 or int64), floating scores
                ``[B, C, *]`` (the class with the highest score counts, the first of equal ones; a NaN makes the pixel a
                void prediction), or with two classes one floating channel ``[B, *]`` or ``[B, 1, *]``. A tensor, a
                NumPy array or an object with DLPack, or a list with one map per image, of any sizes and without the
                batch dimension.
            target: label maps ``[B, *]`` or ``[B, 1, *]`` of the same dtypes, or such a list.
            valid: bool ``[B]`` or of the target's shape; ``False`` ignores an image or a pixel.
            image_ids: with ``per_image``, an id for each image, the same in every run: whole numbers of at least 0, or
                names, which reports then show.

        Raises:
            TypeError: if a dtype holds neither labels nor scores, or ids are neither whole numbers nor strings.
            ValueError: if shapes or devices do not fit, or a shape can be read in two ways; on the CPU also for
                out-of-range labels; with ``per_image`` if there is no batch dimension or not one id per image.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(num_classes=2, ignore_index=255)
            >>> scores = torch.tensor([[[0.9, 0.2, 0.4], [0.1, 0.8, 0.6]]])  # [B, C, W]
            >>> metric.update(scores, torch.tensor([[0, 1, 255]]))
            >>> metric.compute()
            tensor(1.)
        """
        images = None
        if self.per_image:
            counts, image_counts = count_images(
                preds, target, valid, self.label_space, self.input_settings, batched=image_ids is not None
            )
            images = BatchImages(image_counts, *ids_of(image_ids, len(image_counts), self.counts.device))
        elif image_ids is not None:
            raise ValueError("image_ids needs per_image=True; construct the metric with it, or leave image_ids out.")
        else:
            counts = count(preds, target, valid, self.label_space, self.input_settings)
        if not isinstance(target, (list, tuple)) or target:  # an empty list is on no device
            self._add_batch(counts, images)

    @property
    def confmat(self) -> Tensor:
        """A copy of the confusion matrix of this rank, int64 ``[C, C]``: ground truth in rows, predictions in columns.

        Void pixels, void predictions and labels out of range are left out; ``Report.counts`` has them.
        """
        return self.counts[:-2, :-2].clone()

    def extra_repr(self) -> str:
        """The settings that ``repr`` shows: the main ones, and all others that differ from their default."""
        always: dict[str, Any] = {} if self.protocol is None else {"protocol": self.protocol.name}
        always |= {
            "num_classes": self.label_space.num_classes,
            "average": self.policy.average,
            "ignore_index": self.label_space.ignore_index,
        }
        if self.label_space.ids is not None and self.protocol is None:
            always["ids"] = "..."
        if self.label_space.preds_hold != "ids":
            always["pred_ids"] = "classes" if self.label_space.preds_hold == "classes" else "..."
        return self._shown_settings(always, Policy.of(self.label_space), InputSettings())

    @classmethod
    def saved_settings(cls) -> SavedSettings:
        """How ``save`` stores the settings on which the counts depend."""
        return SAVED

    def _refuse_outside(self, counts: Tensor) -> None:
        refuse_outside(counts, self.label_space)

    def _doubts(self, counts: Tensor) -> Iterator[Doubt]:
        return suspicious_counts(counts, self.label_space, self.policy)

    def _image_counts_of(self, counts: Tensor) -> Tensor:
        return image_counts_of(counts)


def _state_form(space: LabelSpace, inputs: InputSettings, per_image: bool) -> StateForm:
    """The form of the states, with the settings on which the counts depend."""
    size = space.num_classes + 2
    return StateForm.of(counting_settings(space, inputs), (size, size), space.num_classes, per_image)


SAVED = saved_classes("MeanIoU", InputSettings, dict)
