"""The mean IoU as a torchmetrics metric: settings, batches into counts, and files."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from os import PathLike
from typing import Any, ClassVar, Literal, Self

from torch import Tensor

from meaniou._util import check_bool
from meaniou.counting import Maps, count, count_images, image_counts_of, kernel, why_not
from meaniou.metrics import checkpoint
from meaniou.metrics.checkpoint import SavedSpace
from meaniou.metrics.image_ids import ImageIds, ids_of
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

# The values of a label space in a saved file, and the keywords that they settle.
SPACE = tuple(field.name for field in fields(LabelSpace) if field.name != "tables")
SETTLED = ("num_classes", "label_space", "ignore_index", "pred_ids", "pred_void", "class_names")


class MeanIoU(IoUMetric):
    """Mean Intersection over Union of a whole dataset, from one exact confusion matrix.

    ``compute`` gives a ratio 0 .. 1: a 0-d tensor, or ``[C]`` with ``average="none"``; float32, or float64 where that
    is PyTorch's default dtype, on the metric's device. NaN means "not defined": a class that is neither in truth nor
    prediction, an ignored class, or a mean over no class. Like any torchmetrics metric it is not safe for several
    threads at once: give each thread a metric of its own, and add them by ``merge_state`` at the end.

    Args:
        num_classes: number of classes C, 1 to 4096, whose ids are ``0 .. C-1``.
        label_space: a ``LabelSpace`` instead, for maps that store classes as other ids.
        protocol: the rules of a public benchmark, by a name of ``meaniou.protocols``, instead of ``num_classes``. A
            keyword beside it overrides that one rule.
        average: ``"macro"`` (mean over classes), ``"micro"`` (sums over classes, then one ratio), ``"weighted"`` (by
            truth area), or ``"none"`` / ``None`` for one value per class.
        ignore_index: id or ids that are void, in the truth and in a prediction; inside or outside ``0 .. C-1``.
        pred_ids: what predictions hold where the truth holds ids of its own: the same ``"ids"``, or ``"classes"``,
            ``0 .. C-1`` as an argmax gives them. Scores are in the order of the classes in any case.
        pred_void: id or ids that are void in predictions, instead of those of ``ignore_index`` or the protocol.
        void_preds: the effect of a void prediction (a void id, or a NaN score) on a valid pixel: a ``"miss"`` of the
            true class (the default without a protocol), a void pixel (``"drop"``), or an ``"error"``.
        present: the classes that enter an average: those in truth or prediction (``"union"``, the default), or in the
            truth (``"target"``).
        absent: the value of a class that is not present, for macro and none: ``"skip"`` (the default), ``"zero"``,
            ``"one"`` or ``"nan"``.
        classes: only these classes enter the averages; all pixels still count. ``average="none"`` still gives all C.
        include_background: ``False`` leaves class 0 out of the averages.
        input_format: ``"auto"``, ``"index"`` (maps in the shape of the truth are labels, floating ones too, which hold
            whole numbers) or ``"one-hot"`` (``[B, C, *]`` class planes; floating predictions are scores).
        threshold: with two classes and one floating channel, class 1 is where ``preds > threshold`` (for logits: 0.0).
        class_names: a name per class, as a sequence, ``{id: name}``, or a path to a text file (one per line) or JSON.
        over: the order of averaging: ``"dataset"`` (pixels over all images, then ratios: the number of the benchmarks),
            ``"image"`` (mean over classes in each image, then over images) or ``"class"`` (mean over the images that
            have the class, then over classes).
        worst_percent: percent of the lowest scores that are averaged, or several, whose means are averaged: of images
            with ``over="image"``, of each class's images with ``over="class"``.
        per_image: keep counts for each image, for ``image_scores``, ``bootstrap`` and ``compare``; implied by
            ``over="image"`` and ``over="class"``. They take 32 bytes for each class and image. The attribute
            ``image_names``, a dict by id, may be set for what is printed.
        validate_args: whether labels outside the classes raise; they are counted separately in any case.
        impl: the counting kernel: ``"auto"`` (the one for the device where it can run), ``"portable"`` (PyTorch's
            operators, on any device), ``"cpu"`` (needs the extra ``cpu``) or ``"cuda"`` (needs Triton, which comes with
            PyTorch for CUDA and ROCm on Linux). ``kernel`` tells which one counts.
        kwargs: those of ``torchmetrics.Metric``.

    Raises:
        TypeError: if a setting has the wrong type.
        ValueError: if a setting is out of range or unknown, or a forced ``impl`` cannot run.

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

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    plot_legend_name = "Class"
    __jit_unused_properties__: ClassVar[list[str]] = [*IoUMetric.__jit_unused_properties__, "confmat", "kernel"]

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
                "zero_division is not an argument of MeanIoU; leave it out for means, since torchmetrics keeps absent "
                "classes out of macro whatever it says; for average='none' pass absent='zero' or 'one' instead."
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
        rules = self.protocol or Policy()
        self.policy = Policy.of(
            self.label_space,
            average=average,
            void_preds=rules.void_preds if void_preds is None else void_preds,
            present=rules.present if present is None else present,
            absent=rules.absent if absent is None else absent,
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
        """Counts a batch; if the batch is refused, the metric stays as it was.

        Args:
            preds: labels ``[B, *]`` (bool, uint8, int8, int16, uint16, int32, uint32, int64), floating scores
                ``[B, C, *]`` (the first maximum is the class; a NaN makes the prediction void), or with two classes one
                floating channel ``[B, *]`` or ``[B, 1, *]``, as a tensor, a NumPy array or an object with DLPack; or a
                list or tuple with one such map per image, without the batch dimension.
            target: labels ``[B, *]``, or ``[B, 1, *]``, or such a list.
            valid: bool ``[B]`` or of the target's shape, ``False`` where an image or a pixel is void.
            image_ids: with ``per_image``, a whole number from 0 on or a name for each image, the same in every run. A
                name is shown in tables, and stands for a number of 63 bits that is computed from it.

        Raises:
            TypeError: if something is no tensor, or of a dtype that holds neither labels nor scores, or ids are neither
                whole numbers nor strings.
            ValueError: if shapes or devices do not fit, or can be read in two ways; on the CPU also for labels outside
                the classes; with ``per_image`` if there is no batch dimension, or there are not as many ids as images.
        """
        images = None
        if self.per_image:
            counts, image_counts = count_images(
                preds, target, valid, self.label_space, self.input_settings, batched=image_ids is not None
            )
            images = BatchImages(image_counts, *ids_of(image_ids, len(image_counts), self.counts.device))
        elif image_ids is not None:
            raise ValueError("image_ids are kept with per_image=True only; make the metric with it, or leave them out.")
        else:
            counts = count(preds, target, valid, self.label_space, self.input_settings)
        if not isinstance(target, (list, tuple)) or target:  # an empty sequence is on no device
            self._add_batch(counts, images)

    @property
    def confmat(self) -> Tensor:
        """The confusion matrix of this rank, int64 ``[C, C]``, truth in rows; a copy."""
        return self.counts[:-2, :-2].clone()

    @property
    def kernel(self) -> str:
        """The kernel that counts on the metric's device: ``"portable"``, ``"cpu"`` or ``"cuda"``."""
        return kernel(self.input_settings.impl, self.counts.device).NAME

    def extra_repr(self) -> str:
        """The settings that a printed metric shows: the first ones, and those that are not the default."""
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
        defaults = vars(Policy.of(self.label_space)) | vars(InputSettings())
        others = {
            name: value
            for name, value in (vars(self.policy) | vars(self.input_settings)).items()
            if name not in always and value != defaults[name]
        }
        return ", ".join(f"{name}={value!r}" for name, value in (always | others).items())

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the settings and the states of this rank to one file, which ``load`` reads without running code.

        Raises:
            OSError: if it cannot be written; then nothing is left of it.
        """
        checkpoint.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], **kwargs: Any) -> Self:
        """The metric of a file, on the CPU.

        Args:
            path: a file that ``save`` wrote.
            kwargs: those of ``torchmetrics.Metric``, rules that change no count (``average``, ``void_preds``,
                ``present``, ``absent``, ``classes``, ``include_background``, ``over``,
                ``worst_percent``), and ``impl``.

        Raises:
            ValueError: if the file holds no saved metric, or one of a newer version, or its kernel cannot run here.
            TypeError: if a keyword is settled by the counts of the file.
            OSError: if it cannot be read.
        """
        return checkpoint.load(cls, path, **kwargs)

    @classmethod
    def saved_space(cls) -> SavedSpace:
        """How ``save`` writes the label space."""
        return SAVED_SPACE

    def _image_counts_of(self, counts: Tensor) -> Tensor:
        return image_counts_of(counts)


def _state_form(space: LabelSpace, inputs: InputSettings, per_image: bool) -> StateForm:
    """What the counts of a metric look like, and the settings that make them comparable."""
    settings: dict[str, Any] = {"num_classes": space.num_classes, "ignore_index": space.ignore_index}
    if space.tables.target_ids or space.tables.preds_ids:
        settings |= {"ids": space.ids, "pred_ids": space.pred_ids, "pred_void": space.pred_void}
    settings |= {field.name: getattr(inputs, field.name) for field in fields(inputs) if field.compare}
    size = space.num_classes + 2
    return StateForm.of(settings, (size, size), space.num_classes, per_image)


def _values(space: LabelSpace) -> dict[str, Any]:
    """A label space as plain values."""
    return {name: getattr(space, name) for name in SPACE}


def _space(values: Mapping[str, Any]) -> LabelSpace:
    """The label space of plain values."""
    return LabelSpace(**{**values, "class_groups": dict(values["class_groups"])})


SAVED_SPACE = SavedSpace(
    SPACE, SETTLED, lambda metric: _values(metric.label_space), lambda values: {"label_space": _space(values)}
)
