"""The torchmetrics metric ``MultilabelMeanIoU`` for labels that overlap: its settings, its update, and its files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from torch import Tensor

from meaniou._util import Doubt, check_bool
from meaniou.counting import Maps, count_labels, label_rows, refuse_values
from meaniou.metrics.checked.checked_counts import CheckedLabels
from meaniou.metrics.checked.diagnostics import undivided_labels, void_label_predictions, void_labels
from meaniou.metrics.checked.image_ids import ImageIds, ids_of
from meaniou.metrics.checkpoint import SavedSettings
from meaniou.metrics.counters.labels import label_form, label_space_of, refuse_kernel, saved_labels
from meaniou.metrics.iou_metric import IoUMetric
from meaniou.metrics.state.images import BatchImages
from meaniou.settings import (
    Absent,
    Average,
    ClassNames,
    Impl,
    Over,
    Policy,
    Present,
    ThresholdSettings,
    VoidPreds,
    label_thresholds,
)


class MultilabelMeanIoU(IoUMetric):
    """Mean Intersection over Union of labels that overlap, from exact int64 counts of each label.

    A pixel can have several labels, one or none: each label has a map of its own, as from a sigmoid. Each label is
    counted by itself, so there is no confusion matrix. Results are those of ``MeanIoU``, with labels in place of
    classes.

    ``compute`` returns a ratio 0 .. 1: 0-d, or ``[L]`` with ``average="none"``; float32 (float64 where that is the
    default dtype), on the metric's device. NaN means "undefined": the IoU of a label that is set neither in the ground
    truth nor in the prediction, or a mean over no label.

    Args:
        num_labels: number of labels L, 1 to 4096.
        threshold: a label is set where ``preds > threshold``; one number, or one for each label. For logits use 0.0. A
            score in 16 or 32 bits is compared as float32 with the threshold rounded to float32, in 64 bits as float64.
        inclusive: ``True`` sets a label also where the score equals the threshold.
        average: ``"macro"`` (mean over labels), ``"micro"`` (pixels summed over labels, then one ratio), ``"weighted"``
            (mean weighted by ground-truth pixels), ``"none"`` or ``None`` (one value per label).
        ignore_index: value or values of the ground truth, such as 255, that are void for their label and pixel; not the
            number of a label. Such a value in predicted labels is a void prediction.
        void_preds: effect of a void prediction (a NaN score, or an ignored value) on a valid pixel: ``"miss"`` (never
            right, and a false negative where the label is set; the default), ``"drop"`` (the pixel is ignored for this
            label) or ``"error"`` (``compute`` raises).
        present: labels that count as present: those set in ground truth or prediction (``"union"``, the default), or in
            the ground truth (``"target"``).
        absent: value of a label that is not present: ``"skip"`` (NaN, and left out of means; the default), ``"zero"``,
            ``"one"`` or ``"nan"`` (NaN, and so is the mean). ``"micro"`` and ``"weighted"`` always leave it out.
        classes: numbers of the labels that enter means, by default all.
        class_names: one name per label: a sequence, ``{number: name}``, or a path to a text file or JSON.
        over: order of averaging: ``"dataset"``, ``"image"`` or ``"class"``, as in ``MeanIoU``.
        worst_percent: average only the lowest scores, as in ``MeanIoU``.
        per_image: keep the counts of each image (64 bytes per label and image) for ``image_scores``, ``bootstrap`` and
            ``compare``; implied by ``over="image"`` and ``over="class"``.
        validate_args: ``False`` skips the checks for values that are neither 0, 1 nor void, and for suspicious scores.
            Such values are counted apart in any case.
        impl: counting kernel: ``"auto"`` (the fastest that runs on the device), ``"portable"`` (any device), ``"cpu"``
            (needs Numba, the extra ``cpu``) or ``"cuda"`` (needs Triton). All give the same counts.
        kwargs: those of ``torchmetrics.Metric``, such as ``sync_on_compute=False``.

    Raises:
        TypeError: if a setting has the wrong type.
        ValueError: if a setting is unknown or out of range, or the kernel ``impl`` cannot run here.

    Example:
        >>> import torch
        >>> from meaniou import MultilabelMeanIoU
        >>> metric = MultilabelMeanIoU(num_labels=2, ignore_index=255, class_names=["road", "bridge"])
        >>> scores = torch.tensor([[[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]])  # [B, L, W]
        >>> metric.update(scores, torch.tensor([[[1, 1, 1], [0, 1, 255]]]))
        >>> metric.compute()
        tensor(0.8333)
        >>> [round(label.iou, 2) for label in metric.report().classes]
        [0.67, 1.0]
    """

    plot_legend_name = "Label"
    _checked_as = CheckedLabels

    def __init__(
        self,
        num_labels: int,
        *,
        threshold: float | Sequence[float] | Tensor = 0.5,
        inclusive: bool = False,
        average: Average | None = "macro",
        ignore_index: int | Iterable[int] | None = None,
        void_preds: VoidPreds = "miss",
        present: Present = "union",
        absent: Absent = "skip",
        classes: Iterable[int] | None = None,
        class_names: ClassNames | None = None,
        over: Over = "dataset",
        worst_percent: float | Iterable[float] | None = None,
        per_image: bool = False,
        validate_args: bool = True,
        impl: Impl = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label_space, self.protocol = label_space_of(num_labels, class_names), None
        self.policy = Policy.of(
            self.label_space,
            average=average,
            void_preds=void_preds,
            present=present,
            absent=absent,
            classes=classes,
            over=over,
            worst_percent=worst_percent,
        )
        check_bool("per_image", per_image)
        thresholds = label_thresholds(threshold, self.label_space.num_classes)
        self.input_settings = ThresholdSettings.of(
            thresholds, inclusive, ignore_index, validate_args, impl, per_label=len(thresholds) > 1
        )
        refuse_kernel(impl)
        self._add_counts(label_form(self.label_space, self.input_settings, per_image or over != "dataset"))

    def update(
        self,
        preds: Maps,
        target: Maps,
        valid: Maps | None = None,
        image_ids: ImageIds | None = None,
    ) -> None:
        """Counts a batch; if it raises, the metric stays unchanged. On an accelerator it never waits for the device.

        Args:
            preds: floating scores ``[B, L, *]`` (a NaN is a void prediction), or integer or bool labels 0 and 1. With
                one label also ``[B, *]``. A tensor, a NumPy array or an object with DLPack, or a list with one map per
                image, of any sizes and without the batch dimension.
            target: 0, 1 and void values (``ignore_index``) of the same shape and any dtype, or such a list.
            valid: bool ``[B]``, ``[B, L]``, ``[B, *]`` or ``[B, L, *]``; ``False`` ignores an image, a label of an
                image, a pixel for all labels, or a pixel for one label.
            image_ids: with ``per_image``, an id for each image, the same in every run: whole numbers of at least 0, or
                names, which reports then show.

        Raises:
            TypeError: if a dtype holds neither labels nor scores, or ids are neither whole numbers nor strings.
            ValueError: if shapes or devices do not fit; on the CPU also for values that are neither 0, 1 nor void; with
                ``per_image`` if there is not one id per image.

        Example:
            >>> import torch
            >>> from meaniou import MultilabelMeanIoU
            >>> metric = MultilabelMeanIoU(num_labels=2, threshold=[0.5, 0.3])
            >>> metric.update(torch.tensor([[[0.9, 0.1], [0.4, 0.2]]]), torch.tensor([[[1, 0], [1, 0]]]))
            >>> metric.compute()
            tensor(1.)
        """
        if image_ids is not None and not self.per_image:
            raise ValueError("image_ids needs per_image=True; construct the metric with it, or leave image_ids out.")
        counts = count_labels(
            preds,
            target,
            valid,
            self.label_space,
            self.input_settings,
            per_image=self.per_image,
            batched=image_ids is not None,
        )
        images = None
        if self.per_image:
            images = BatchImages(label_rows(counts), *ids_of(image_ids, len(counts), self.counts.device))
        if not isinstance(target, (list, tuple)) or target:  # an empty list is on no device
            self._add_batch(counts.sum(0) if self.per_image else counts[0], images)

    def extra_repr(self) -> str:
        """The settings that ``repr`` shows: the main ones, and all others that differ from their default."""
        inputs = self.input_settings
        always = {
            "num_labels": self.label_space.num_classes,
            "threshold": list(inputs.thresholds) if inputs.per_label else inputs.thresholds[0],
            "average": self.policy.average,
            "ignore_index": inputs.ignore_index,
        }
        hidden = {name: getattr(inputs, name) for name in ("thresholds", "per_label")}
        return self._shown_settings(always, Policy.of(self.label_space), ThresholdSettings(**hidden))

    @classmethod
    def saved_settings(cls) -> SavedSettings:
        """How ``save`` stores the settings on which the counts depend."""
        return SAVED

    def _refuse_outside(self, counts: Tensor) -> None:
        refuse_values(counts, self.label_space.class_names)

    def _doubts(self, counts: Tensor) -> Iterator[Doubt]:
        inputs = self.input_settings
        yield from void_labels(counts, inputs.ignore_index)
        yield from void_label_predictions(counts, inputs.ignore_index, self.policy)
        yield from undivided_labels(counts, inputs.thresholds)

    def _image_counts_of(self, counts: Tensor) -> Tensor:
        return label_rows(counts)


def _keywords(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a metric from the parts of a saved file."""
    inputs = dict(parts["input_settings"])
    thresholds, per_label = inputs.pop("thresholds"), inputs.pop("per_label")
    threshold = thresholds if per_label else thresholds[0]
    return {**parts["space"], **parts["policy"], **inputs, "threshold": threshold, "per_image": parts["per_image"]}


SAVED = saved_labels(
    "MultilabelMeanIoU", tuple(field.name for field in fields(Policy)), ("threshold", "per_image"), _keywords
)
