"""The run over stacks of maps, one for each of several labels that overlap."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from meaniou.cli.options import naming_options, parse_thresholds, refuse_options
from meaniou.cli.runs.boundary_options import OF_BANDS
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.runs.run import Run
from meaniou.cli.workers import Workers
from meaniou.counting import LabelRangeError, LabelValueError, explain_value
from meaniou.masks import MaskError, Pair, read
from meaniou.metrics import IoUCurve, MultilabelMeanIoU
from meaniou.settings import MAX_CLASSES

ONE_CLASS = "it is for maps with one class per pixel"
# Options that cannot be combined with --multilabel, each with the reason.
NOT_WITH_MULTILABEL = {
    "num_classes": "the number of labels is that of the files, or of --num-labels",
    "protocol": ONE_CLASS,
    "pred_ids": ONE_CLASS,
    "pred_void": "a void prediction is a NaN score, or a predicted label with a value of --ignore-index",
    "overlay": "a picture has one class per pixel",
    "photos": "errors are drawn for maps with one class per pixel",
    "photo_suffix": "errors are drawn for maps with one class per pixel",
    **dict.fromkeys(("boundary", *OF_BANDS), "bands are counted in maps with one class per pixel"),
}
NO_IMAGES = "an IoU curve keeps no counts of images"
# The same for --curve.
NOT_WITH_CURVE = {
    "threshold": "the thresholds of a curve are those of --thresholds",
    "class_group": "an IoU curve has no groups",
    "list_worst": NO_IMAGES,
    "image_scores": NO_IMAGES,
    "html": "an IoU curve has no page; --plot draws it",
    "ci": NO_IMAGES,
    "clusters": NO_IMAGES,
}


@dataclass(frozen=True)
class LabelOptions:
    """The options about labels that overlap. The help texts are in ``cli.options``."""

    multilabel: bool = False
    num_labels: int | None = None
    threshold: tuple[float, ...] = ()
    inclusive: bool = False
    curve: bool = False
    thresholds: str | None = None

    def check(self) -> None:
        """Raises ``ValueError`` for options of the command line that do not fit together."""
        if not self.multilabel:
            refuse_options(LabelOptions, "{option} has no effect without --multilabel. Add --multilabel.")
            return
        refuse_options(
            NOT_WITH_MULTILABEL, "{option} cannot be combined with --multilabel: {reason}. Leave one of them out."
        )
        if self.curve:
            refuse_options(NOT_WITH_CURVE, "{option} cannot be combined with --curve: {reason}. Leave one of them out.")
        elif self.thresholds is not None:
            raise ValueError(
                "--thresholds has no effect without --curve. Add --curve, or pass --threshold for a single one."
            )


class LabelRun(Run):
    """The stacks of two folders, and the ``MultilabelMeanIoU`` or ``IoUCurve`` that counts them."""

    multilabel = True
    metric: MultilabelMeanIoU | IoUCurve

    def __init__(self, options: MaskOptions, labels: LabelOptions, *, per_image: bool) -> None:
        """Raises ``ValueError`` if the options do not fit together."""
        super().__init__(options)
        self.labels, self._per_image = labels, per_image and not labels.curve
        self._grid = parse_thresholds(labels.thresholds)
        if void := [value for value in options.ignore_index if value in (0, 1)]:
            raise ValueError(
                f"--ignore-index {void[0]} cannot be combined with --multilabel, where 0 and 1 say whether a label is "
                "set. Pass the value of void pixels, such as 255."
            )
        names = options.names(labels.num_labels, "labels", " or --num-labels")
        self._names, self._number = names, labels.num_labels or len(names or ())
        self._source = "--num-labels is" if labels.num_labels else f"{options.class_names} names"  # the number follows
        if self._number:
            self.metric = self._new_metric()

    def find_masks(self, pred: Path, target: Path, workers: Workers) -> None:
        """As in ``Run``; without names or ``--num-labels``, the first ground-truth file sets the number of labels."""
        super().find_masks(pred, target, workers)
        if not self._number:
            first = next(iter(self.pairs.values())).target
            self._number = _number_of_labels(first, self.max_pixels)
            self._source = f"{first} holds"
            self.metric = self._new_metric()

    def _new_metric(self) -> MultilabelMeanIoU | IoUCurve:
        options, labels, number = self.options, self.labels, self._number
        if len(labels.threshold) not in (0, 1, number):
            raise ValueError(
                f"--threshold is passed {len(labels.threshold)} times, but the number of labels is {number}. Pass it "
                "once, or once for each label in their order. For the IoU at many thresholds pass --curve."
            )
        settings: dict[str, Any] = {
            "inclusive": labels.inclusive,
            "ignore_index": options.ignore_index or None,
            "class_names": self._names,
        }
        rules = {name: getattr(options, name) for name in ("void_preds", "present", "absent")}
        settings |= {name: rule for name, rule in rules.items() if rule is not None}
        with naming_options():
            if labels.curve:
                return IoUCurve(number, thresholds=self._grid, **settings)
            if labels.threshold:
                settings["threshold"] = labels.threshold if len(labels.threshold) > 1 else labels.threshold[0]
            return MultilabelMeanIoU(number, per_image=self._per_image, **settings)

    def _count(self, pair: Pair, preds: Tensor, target: Tensor) -> None:
        is_one_map = target.dim() == 2 and self._number == 1  # [H, W]
        if len(target) != self._number and not is_one_map:
            last = target.shape[-1] == self._number and target.dim() > 2
            raise MaskError(
                f"{pair.target} has the shape {' x '.join(map(str, target.shape))}, whose first axis is that of the "
                f"labels, but {self._source} {self._number}.",
                "Save np.moveaxis(array, -1, 0) of both sides." if last else "Use the same labels everywhere.",
            )
        if isinstance(self.metric, IoUCurve):
            if not preds.is_floating_point():
                dtype = str(preds.dtype).removeprefix("torch.")
                raise MaskError(
                    f"{pair.pred} holds labels ({dtype}), which are the same at every threshold; --curve needs scores.",
                    "Save the scores as floating numbers, or leave out --curve.",
                )
            self.metric.update([preds], [target])
        else:
            self.metric.update([preds], [target], image_ids=[pair.name] if self.metric.per_image else None)

    def _explain(self, error: LabelRangeError | LabelValueError, path: str) -> str:
        assert isinstance(error, LabelValueError)
        return explain_value(error, "cli", path)


def _number_of_labels(path: Path, max_pixels: int) -> int:
    """The number of labels in a file; raises ``MaskError`` if its first axis may be another one."""
    shape = read(path, max_pixels, multilabel=True).shape
    number, text = shape[0], " x ".join(map(str, shape))
    if len(shape) == 2:
        raise MaskError(
            f"{path} has the shape {text}, whose first axis may be that of rows or of labels.",
            f"Pass --num-labels 1 for a map of one label, or --num-labels {number} for points with {number} labels. "
            "Leave out --multilabel if each pixel has one class.",
        )
    if not number:
        raise MaskError(f"{path} has the shape {text}, so it holds no label.", "Save a map for each label.")
    if number == 1 and len(shape) > 3:
        raise MaskError(
            f"{path} has the shape {text}, whose first axis may be that of images or of labels.",
            "Save array[0] of both sides if that is an image, or pass --num-labels 1 for volumes of one label.",
        )
    if number > shape[-1] > 0 or number > MAX_CLASSES:
        several = f", or pass --num-labels {number}" if number <= MAX_CLASSES else ""
        raise MaskError(
            f"{path} has the shape {text}; expected the labels in the first axis.",
            f"Save np.moveaxis(array, -1, 0) of both sides{several}.",
        )
    return int(number)
