"""The part of a confusion matrix that fits on a screen: all of it, or the classes with the lowest IoU."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from meaniou._util import as_integer
from meaniou.report import Report

Normalize = Literal["truth", "prediction"]
READABLE = 30  # names that can be read along one side
OTHERS = "(others)"
VOID_PREDICTION, OUTSIDE = "(void prediction)", "(outside)"  # predictions that are no class


@dataclass(frozen=True)
class MatrixView:
    """The rows and columns of a confusion matrix that are shown.

    Attributes:
        rows, columns: names; the columns begin with the classes of the rows.
        pixels: int64 ``[R, K]``.
        values: shares 0 .. 1 or pixels, ``[R, K]``; a share of no pixels is NaN.
        of: number of classes of the whole matrix.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    pixels: NDArray[np.int64]
    values: NDArray[np.float64]
    of: int

    @property
    def title(self) -> str:
        """Which classes are shown; empty if all are."""
        return f"the {len(self.rows)} of {self.of} classes with the lowest IoU" if len(self.rows) < self.of else ""

    @property
    def undefined_rows(self) -> list[int]:
        """Rows of shares without a pixel: classes that are not in the ground truth."""
        return np.flatnonzero(np.isnan(self.values).all(1)).tolist()

    @property
    def undefined_columns(self) -> list[int]:
        """Columns of shares without a pixel: classes that are never predicted."""
        empty = np.isnan(self.values).all(0)
        return [int(k) for k in np.flatnonzero(empty) if self.columns[k] != OTHERS and not empty.all()]


def select_classes(report: Report, normalize: Normalize | None = "truth", most: int = READABLE) -> MatrixView:
    """The confusion matrix of a report in shares of the ground truth, shares of the prediction, or pixels.

    With more than ``most`` classes, the rows are the classes with the lowest IoU. The columns are the same classes,
    then those that they are most often predicted as, then the sum of all others.

    Raises:
        ValueError: if a setting is unknown or out of range, or the report has no confusion matrix.
    """
    if report.confusions is None:
        raise ValueError(
            "The report has no confusion matrix: each label is counted by itself, since labels may overlap. "
            "plot.classes(report) draws the IoU of each label."
        )
    if normalize not in ("truth", "prediction", None):
        raise ValueError(f"normalize is {normalize!r}; expected 'truth', 'prediction' or None.")
    if as_integer("most", most) < 1:
        raise ValueError(f"most is {most}; expected 1 class or more.")
    pixels = report.counts[:-2]  # pixels that are void or out of range in the ground truth are in no class
    size = len(pixels)
    names = [*(c.name for c in report.classes), VOID_PREDICTION, OUTSIDE]
    values = _normalized(pixels, normalize)
    if size <= most:
        columns = [*range(size), *(c for c in (size, size + 1) if pixels[:, c].any())]
        column_names = tuple(names[c] for c in columns)
        return MatrixView(tuple(names[:size]), column_names, pixels[:, columns], values[:, columns], size)
    rows, columns = _lowest(report, pixels, most)
    rest = [c for c in range(size + 2) if c not in columns]
    few, shown = (np.c_[m[np.ix_(rows, columns)], m[np.ix_(rows, rest)].sum(1)] for m in (pixels, values))
    if normalize == "prediction":
        shown[:, -1] = np.nan  # shares of different predictions have no sum
    return MatrixView(tuple(names[c] for c in rows), (*(names[c] for c in columns), OTHERS), few, shown, size)


def _normalized(pixels: NDArray[np.int64], normalize: Normalize | None) -> NDArray[np.float64]:
    """Shares of the ground truth or of the prediction, NaN where it has no pixel; or the pixels themselves."""
    values = pixels.astype(np.float64)
    if normalize is None:
        return values
    with np.errstate(invalid="ignore"):
        return np.asarray(values / pixels.sum(1 if normalize == "truth" else 0, keepdims=True))


def _lowest(report: Report, pixels: NDArray[np.int64], most: int) -> tuple[list[int], list[int]]:
    """The rows (classes with the lowest IoU) and the columns (these, and the classes that they are predicted as)."""
    defined = [c for c in range(len(pixels)) if not math.isnan(report.classes[c].iou) and pixels[c].any()]
    number = max(1, most * 2 // 3)
    rows = sorted(defined, key=lambda c: report.classes[c].iou)[:number] or list(range(number))
    shares = (pixels[rows] / np.maximum(1, pixels[rows].sum(1, keepdims=True))).sum(0)
    shares[rows] = 0
    others = [int(c) for c in np.argsort(-shares, kind="stable")[: most - len(rows)] if shares[c] > 0]
    return rows, [*rows, *others]


def percent(share: float) -> str:
    """A share in whole percent, as a cell of the matrix shows it; ``<1`` below half a percent."""
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"
