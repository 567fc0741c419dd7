"""The report: all numbers of a dataset as a frozen record, and as a dict, JSON, CSV, Markdown, LaTeX or text."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meaniou._util import EqualByValue, Table, kind_of, percent, tables
from meaniou.report import forms
from meaniou.report.bands import band_headline, band_notes
from meaniou.report.notes import extent, measure_of
from meaniou.report.records import BoundaryReport, ClassReport, Confusion, GroupReport, ImagesReport, Intervals


def check_report(report: object) -> None:
    """Raises ``TypeError`` unless ``report`` is a ``Report``; a metric is a common mistake."""
    if isinstance(report, Report):
        return
    from meaniou.report.curve import CurveReport  # which imports this module

    cure = "Pass metric.report()."
    if isinstance(report, CurveReport):
        cure = "Pass the report() of a MultilabelMeanIoU, or draw this one with plot.curve(report)."
    raise TypeError(f"report is {kind_of(report)}; expected a Report. {cure}")


def _titled(title: str) -> dict[str, str]:
    """The metadata of a number over all classes: its title in tables."""
    return {"title": title}


@dataclass(frozen=True, eq=False)
class Report(EqualByValue):
    """All numbers of a dataset. ``print(report)`` shows them as tables, ``to_dict`` and the like export them.

    The report of ``MultilabelMeanIoU`` has labels in place of classes. Labels that overlap have no confusion matrix, so
    ``kappa``, ``confusions`` and merged IoU are undefined; tables, CSV and ``scalars`` leave them out.

    In the report of ``MeanBoundaryIoU`` all ratios are those of bands, and so are the pixels of classes: ``iou`` is
    boundary IoU, and ``pixel_accuracy`` the share of the ground-truth bands that lies in the band of the same class in
    the prediction. Tables and ``scalars`` name them so. It has no confusion matrix either.

    Attributes:
        mean_iou: mean IoU over classes, a ratio 0 .. 1 as all others; NaN where undefined.
        mean_dice: mean Dice over classes.
        mean_accuracy: mean recall over classes.
        pixel_accuracy: share of the valid pixels that are right; with labels summed over all of them, and right also
            where a label is rightly not set.
        frequency_weighted_iou: mean IoU weighted by ground-truth pixels, as ``average="weighted"``.
        kappa: Cohen's kappa, -1 .. 1; NaN without a confusion matrix.
        classes: a ``ClassReport`` for each class or label, in their order: ``name``, ``iou``, ``dice``, ``precision``,
            ``recall``, ``truth``, ``predicted``, ``intersection``.
        class_groups: a ``GroupReport`` for each group of classes: ``name``, ``classes``, ``mean_iou``, ``merged_iou``.
        mean_merged_iou: mean of the merged IoU over groups; NaN without groups, if they overlap, or without a confusion
            matrix.
        harmonic_mean: harmonic mean of the mean IoU of two groups; NaN unless there are exactly two.
        confusions: the ten costliest mistakes, the costliest first: ``truth``, ``predicted``, ``pixels``, ``share``,
            ``iou_cost``. ``None`` without a confusion matrix.
        pixels: number of pixels ``seen``, and of these ``counted`` (a class on both sides), ``void`` (ignored ground
            truth), ``void_preds`` (void predictions on valid pixels) and ``outside`` (out of range). A label accounts
            for every pixel; the numbers of labels are sums over all labels.
        rules: the settings of the report, for labels also ``threshold`` and ``inclusive``; with a protocol its name,
            and the rules that were changed.
        counts: the confusion matrix over all ranks, int64 ``[C + 2, C + 2]``, ground truth in rows. Row C is void,
            column C void predictions, row and column C + 1 out of range. For labels int64 ``[L, 4, 4]``: rows are not
            set, set, void and outside; columns not set, set, void predictions and outside. So ``counts[:, 2].sum(1)``
            are the void pixels of each label, and ``counts[:, :2, 2].sum(1)`` its void predictions. For bands the
            confusion matrix comes first, then for each width the pixels of each class in both bands, in the band of the
            ground truth and in that of the prediction. Not in ``to_dict``.
        images: means over images and the worst images; ``None`` without ``per_image``.
        intervals: bootstrap confidence intervals; ``None`` without ``report(bootstrap=...)``.
        boundaries: boundary IoU, a ``BoundaryReport`` for each width: ``width``, ``pixels``, ``mean_iou``, ``classes``
            (``name``, ``iou``, ``share``). For ``MeanIoU`` empty without ``report(boundary=...)``, for
            ``MultilabelMeanIoU`` always.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU
        >>> metric = MeanIoU(num_classes=3, ignore_index=255, class_names=["road", "car", "sky"])
        >>> metric.update(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 255]))
        >>> report = metric.report()
        >>> report.headline()
        'mean IoU 100.00 % over 2 of 3 classes'
        >>> report.classes[2].iou
        nan
        >>> report.pixels
        {'seen': 4, 'counted': 3, 'void': 1, 'void_preds': 0, 'outside': 0}
    """

    mean_iou: float = field(metadata=_titled("mIoU"))
    mean_dice: float = field(metadata=_titled("mean Dice"))
    mean_accuracy: float = field(metadata=_titled("mean accuracy"))
    pixel_accuracy: float = field(metadata=_titled("pixel accuracy"))
    frequency_weighted_iou: float = field(metadata=_titled("frequency-weighted IoU"))
    kappa: float = field(metadata=_titled("kappa"))
    classes: tuple[ClassReport, ...]
    class_groups: tuple[GroupReport, ...]
    mean_merged_iou: float
    harmonic_mean: float
    confusions: tuple[Confusion, ...] | None
    pixels: dict[str, int]
    rules: dict[str, Any]
    counts: NDArray[np.int64] = field(repr=False)
    images: ImagesReport | None = None
    intervals: Intervals | None = None
    boundaries: tuple[BoundaryReport, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as nested dicts and lists: unrounded ratios, ``None`` for NaN."""
        values = asdict(self)
        del values["counts"]
        return {name: tables.without_nan(value) for name, value in values.items()}

    def to_json(self) -> str:
        """The contents of ``to_dict`` as JSON text, ``null`` for NaN."""
        return tables.as_json(self.to_dict())

    def to_csv(self) -> str:
        """CSV text with a row for each class, the means, and each group: unrounded ratios, empty for NaN.

        The columns are the same for labels, whose ``kind`` is ``class`` too. With intervals, ``iou_low`` and
        ``iou_high`` are the bounds of the IoU of each class and of the mean IoU. With ``boundaries``, ``boundary_iou``
        is the boundary IoU and ``in_band`` the share of the class in the band; of several widths each has its own
        columns, such as ``boundary_iou_0.005`` or ``boundary_iou_3px``. The report of ``MeanBoundaryIoU`` has boundary
        IoU as ``iou``. A name that a spreadsheet would read as a formula gets an apostrophe in front.
        """
        return forms.as_csv(self)

    def to_markdown(self) -> str:
        """Tables in GitHub's Markdown: percent with two decimals, ``-`` for NaN."""
        return tables.markdown(self.tables(), forms.note(self), *band_notes(self))

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` for each table: percent with two decimals, ``-`` for NaN."""
        return tables.latex(self.tables(), forms.note(self), *band_notes(self))

    def __str__(self) -> str:
        """Text tables: percent with two decimals, ``-`` for NaN."""
        return tables.text(self.tables(), forms.note(self), *band_notes(self))

    def scalars(self, prefix: str = "") -> dict[str, float]:
        """A flat dict for a logger, such as ``{"val/mean_iou": 0.58, "val/iou/road": 0.5}``, with NaN where undefined.

        It holds the numbers over all classes, ``iou/<class>`` for each class or label, and ``mean_iou/<group>`` and
        ``merged_iou/<group>`` for each group; for labels neither ``kappa`` nor merged IoU. The names are the same on
        every rank and in every epoch.

        With ``boundaries`` there are ``mean_boundary_iou`` and ``boundary_iou/<class>`` too; of several widths
        ``mean_boundary_iou_0.005``, ``boundary_iou_0.005/<class>``, and so on. The report of ``MeanBoundaryIoU`` has
        these names in place of ``mean_iou`` and ``iou/<class>``, and ``band`` in the names of other ratios.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(2, class_names=["road", "car"])
            >>> metric.update(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))
            >>> scalars = metric.report().scalars(prefix="val/")
            >>> scalars["val/mean_iou"], scalars["val/iou/road"]
            (0.5833333333333333, 0.5)
        """
        return {prefix + name: value for name, value in forms.scalars(self).items()}

    def tables(self) -> Iterator[Table]:
        """The tables that the text forms show: percent with two decimals, ``-`` for NaN."""
        yield from forms.all_tables(self)

    def headline(self) -> str:
        """The mean IoU in percent and the number of classes in it, such as ``mean IoU 56.42 % over 8 of 9 classes``.

        With ``boundaries`` the mean boundary IoU follows.
        """
        mean = "undefined" if math.isnan(self.mean_iou) else f"{percent(self.mean_iou)} %"
        return f"mean {measure_of(self)} {mean} {extent(self)}{band_headline(self)}"

    def footer(self) -> str:
        """The protocol, and which of its rules were changed; empty without a protocol."""
        if "protocol" not in self.rules:
            return ""
        changed = ", ".join(f"{rule}={value!r}" for rule, value in self.rules["changed"].items())
        return f"protocol: {self.rules['protocol']}" + (f", but with {changed}" if changed else "")
