"""The checked counts of all ranks, and the areas of classes or labels that follow from them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from meaniou.counting import bands_of, counts_of_width, label_rows
from meaniou.report import BoundaryReport, boundary_reports, by_kind, pixel_account
from meaniou.scores import Areas, ImageAreas, ImageRows, Ints, refuse_void_preds
from meaniou.settings import LabelSpace, Policy

NO_ROWS = "This metric keeps no counts for each image; construct it with per_image=True."


@dataclass(frozen=True)
class CheckedCounts:
    """The counts of all ranks on the CPU, after a check that raises for certain mistakes.

    The counts are a confusion matrix ``[C + 2, C + 2]``; a metric whose counts have another form subclasses this.

    Attributes:
        space: the classes or labels.
        counts: the counts of the dataset.
        images: the counts of each image; ``None`` without ``per_image``.
        doubts: warnings about possible mistakes.
    """

    space: LabelSpace
    counts: Ints
    images: ImageRows | None
    doubts: tuple[str | Warning, ...]

    @property
    def matrix(self) -> Ints | None:
        """The confusion matrix ``[C + 2, C + 2]``; ``None`` in a subclass that counts none."""
        return self.counts

    @property
    def pixels(self) -> dict[str, int]:
        """The number of pixels seen, counted, void, and so on, as in ``Report.pixels``."""
        return pixel_account(self.pixels_by_kind)

    def boundaries(self, policy: Policy, inputs: Any) -> tuple[BoundaryReport, ...]:
        """Boundary IoU at each width; empty unless bands are counted."""
        return ()

    def areas(self, policy: Policy) -> Areas:
        """The areas of each class, ``[C]``; raises ``ValueError`` for void predictions if ``void_preds="error"``."""
        refuse_void_preds(self.pixels_by_kind, policy)
        return self._areas(policy)

    def image_areas(self, policy: Policy) -> ImageAreas:
        """The areas of each class in each image, ``[N, C]``; raises ``ValueError`` also without ``per_image``."""
        refuse_void_preds(self.pixels_by_kind, policy)
        if self.images is None:
            raise ValueError(NO_ROWS)
        return self.images.with_areas(self._areas_of_rows(self.images.rows, policy))

    @property
    def pixels_by_kind(self) -> Ints:
        """Pixels by ground truth and prediction; the last two rows and columns are void and out of range."""
        return self.counts

    def _areas(self, policy: Policy) -> Areas:
        return Areas.of_counts(self.counts, self.space, policy)

    def _areas_of_rows(self, rows: Ints, policy: Policy) -> Areas:
        return Areas.of_rows(rows, self.space, policy)


@dataclass(frozen=True)
class CheckedLabels(CheckedCounts):
    """The checked counts of labels that overlap: ``[L, 4, 4]``, and for images rows ``[N, 4, 2 L]``."""

    @property
    def matrix(self) -> Ints | None:
        """``None``: labels that overlap are not confused with each other."""
        return None

    @property
    def pixels_by_kind(self) -> Ints:
        """The counts summed over labels, ``[4, 3]``: the first column is set or not set."""
        return np.asarray(by_kind(self.counts).sum(0))

    def _areas(self, policy: Policy) -> Areas:
        return self._areas_of_rows(label_rows(torch.from_numpy(self.counts)).numpy(), policy)

    def _areas_of_rows(self, rows: Ints, policy: Policy) -> Areas:
        return Areas.of_label_rows(rows, policy)


@dataclass(frozen=True)
class CheckedCurves(CheckedLabels):
    """The checked counts of labels at several thresholds, ``[L, 4, T + 3]``; their areas are ``[T, L]``."""

    def _areas(self, policy: Policy) -> Areas:
        return Areas.of_thresholds(self.counts, policy)


@dataclass(frozen=True)
class CheckedBands(CheckedCounts):
    """The checked counts of bands inside contours, ``[C + 2 + 3 W, C + 2]``, and for images rows ``[N, 4, W C]``.

    Areas are those of one width. With several widths they raise ``ValueError``; ``of_width`` has the counts of one.
    """

    @property
    def number(self) -> int:
        """The number of widths W."""
        return len(self.bands)

    @property
    def bands(self) -> Ints:
        """The pixels of each class in both bands, and in each band, ``[W, 3, C]``."""
        return bands_of(torch.from_numpy(self.counts)).numpy()

    @property
    def frames(self) -> Ints:
        """The widths in pixels summed over images, and the number of images, ``[W, 2]``."""
        return self.counts[self.counts.shape[1] :: 3, -2:]

    @property
    def matrix(self) -> Ints | None:
        """``None``: the counts of bands are no confusion matrix."""
        return None

    def boundaries(self, policy: Policy, inputs: Any) -> tuple[BoundaryReport, ...]:
        """Boundary IoU at each width; raises ``ValueError`` if the bands were counted with other ``void_preds``."""
        refuse_void_preds(self.pixels_by_kind, policy)
        matrix = self.pixels_by_kind
        if (policy.void_preds == "drop") != inputs.drop_void_preds and matrix[:-2, -2].any():
            counted = "dropped" if inputs.drop_void_preds else "not dropped"
            raise ValueError(
                f"void_preds is {policy.void_preds!r}, but void predictions were {counted} when bands were counted. "
                "Construct the MeanBoundaryIoU with the same void_preds."
            )
        return boundary_reports(self.bands, self.frames, matrix, self.space, policy, inputs)

    def of_width(self, i: int) -> "CheckedBands":
        """The counts of width ``i`` alone."""
        classes, images = self.space.num_classes, self.images
        if images is not None:
            images = replace(images, rows=images.rows[..., i * classes : (i + 1) * classes])
        return replace(self, counts=counts_of_width(torch.from_numpy(self.counts), i).numpy(), images=images)

    @property
    def pixels_by_kind(self) -> Ints:
        return self.counts[: self.counts.shape[1]]

    def _areas(self, policy: Policy) -> Areas:
        self._refuse_several()
        return Areas.of_bands(self.bands[0], self.space)

    def _areas_of_rows(self, rows: Ints, policy: Policy) -> Areas:
        self._refuse_several()
        return Areas.of_bands(rows[:, :3], self.space)

    def _refuse_several(self) -> None:
        if self.number > 1:
            raise ValueError(
                f"The metric has {self.number} widths, and this result is for one. Use metric.at(width), such as "
                "metric.at(metric.widths[0]), or MeanIoU.report(boundary=metric), which takes all widths."
            )
