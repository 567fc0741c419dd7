"""The run over maps of classes, in which each pixel has one class."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from meaniou._util import join_names
from meaniou.cli.options import naming_options
from meaniou.cli.output import warn
from meaniou.cli.overlays import Gallery
from meaniou.cli.runs.boundary_options import BoundaryOptions
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.runs.run import Run
from meaniou.cli.workers import Workers
from meaniou.counting import LabelRangeError, LabelValueError, explain
from meaniou.masks import MaskError, Pair, find_photos, has_files_ending_in
from meaniou.metrics import MeanIoU
from meaniou.protocols import get


class ClassRun(Run):
    """The maps of classes of two folders, the ``MeanIoU`` that counts them, and the metric of their bands, if any."""

    metric: MeanIoU

    def __init__(self, options: MaskOptions, bands: BoundaryOptions, *, per_image: bool) -> None:
        """Raises ``ValueError`` if the options do not fit together."""
        super().__init__(options)
        settings = settings_of_classes(options)
        with naming_options():
            self.metric = MeanIoU(**settings, per_image=per_image)
            self.boundary = bands.new_metric(**settings, per_image=per_image)
        self._shape: tuple[int, ...] = ()  # of the first map

    def find_photos(self, folder: Path, suffix: str) -> None:
        """Finds the photos of the masks; raises ``MaskError`` if a folder holds none."""
        self.photos = find_photos(folder, suffix, self._file_key)

    def gallery(self) -> Gallery:
        """The pictures of the run; raises ``MaskError`` if there are photos, but not for every mask."""
        if self.photos and (missing := sorted(self.pairs.keys() - self.photos.keys())):
            raise MaskError(
                f"No photo for {len(missing)} of {len(self.pairs)} masks: {join_names(missing)}.",
                "Add the missing photos. If their names only end differently, pass {photo_suffix:}.",
            )
        bands = None
        if self.boundary is not None:
            bands = replace(self.boundary.input_settings, widths=self.boundary.widths[:1])
        settings = self.metric.label_space, self.metric.input_settings
        return Gallery(*settings, self.pairs, self.photos, bands, self.max_pixels)

    def count(self, workers: Workers) -> MeanIoU:
        """As in ``Run``; warns if the masks seem to hold labels that overlap."""
        super().count(workers)
        classes, counts = self.metric.label_space.num_classes, self.metric.counts
        stacks = len(self._shape) > 2 and self._shape[0] == classes > 2
        if stacks and not workers.rank and not counts[2:classes].any() and not counts[:classes, 2:classes].any():
            warn(
                f"The masks are stacks of {classes} maps that hold only 0 and 1. If they are labels that overlap, pass "
                "--multilabel; if each pixel has one class, save its number."
            )
        return self.metric

    @property
    def _file_key(self) -> str:
        return self.metric.protocol.file_key if self.metric.protocol else ""

    def _target_suffix(self, target: Path) -> str:
        suffix, protocol = self.options.target_suffix, self.metric.protocol
        usual = protocol.target_suffix if protocol else ""
        return usual if usual and not suffix and has_files_ending_in(target, usual) else suffix

    def _count(self, pair: Pair, preds: Tensor, target: Tensor) -> None:
        self._shape = self._shape or tuple(target.shape)
        names = [pair.name] if self.metric.per_image else None
        if names:
            self.metric.update([preds], [target], image_ids=names)
        else:
            self.metric.update(preds, target)
        if self.boundary is not None:
            _check_axes(pair, target)
            self.boundary.update(preds[None], target[None], image_ids=names)

    def _explain(self, error: LabelRangeError | LabelValueError, path: str) -> str:
        assert isinstance(error, LabelRangeError)
        names = self.options.class_names
        return explain(error, "cli", path, f"name all classes in {names}" if names else "")


def _check_axes(pair: Pair, target: Tensor) -> None:
    """Raises ``MaskError`` unless a mask is an image or a volume."""
    if target.dim() not in (2, 3):
        why = ", since points have no contour" if target.dim() < 2 else ""
        raise MaskError(
            f"{pair.target} has the shape {' x '.join(map(str, target.shape))}; bands need an image [H, W] or a volume "
            f"[D, H, W]{why}.",
            "Leave out {boundary:}.",
        )


def settings_of_classes(options: MaskOptions) -> dict[str, Any]:
    """The settings of a metric for maps of classes; raises ``ValueError`` if the options do not fit together."""
    with naming_options():
        protocol = None if options.protocol is None else get(options.protocol)
    num_classes = options.num_classes or (protocol.label_space.num_classes if protocol else None)
    cure = " or --num-classes" if options.protocol is None else ", or leave out --class-names"
    names = options.names(num_classes, "classes", cure)
    if num_classes is None and names is None:
        raise ValueError(
            "The number of classes is missing. Pass --num-classes, --class-names or --protocol; for labels that "
            "overlap, pass --multilabel."
        )
    return {
        "num_classes": options.num_classes or (None if protocol else len(names or ())),
        "protocol": protocol,
        "pred_ids": options.pred_ids,
        "ignore_index": options.ignore_index or None,
        "pred_void": options.pred_void or None,
        "class_names": names,
        "void_preds": options.void_preds,
        "present": options.present,
        "absent": options.absent,
        "input_format": "index",
    }
