"""The part of a confusion matrix that can be looked at: all of it, or the classes with the lowest IoU."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from meaniou._util import as_integer
from meaniou.report import Report

Normalize = Literal["truth", "prediction"]
READABLE = 30  # classes whose names can be read along one side
OTHERS = "(others)"


@dataclass(frozen=True)
class MatrixView:
    """Rows and columns of a confusion matrix that are shown.

    Attributes:
        rows, columns: names; the columns begin with the classes of the rows.
        pixels: int64 ``[R, K]``.
        values: shares 0 .. 1 or pixels, ``[R, K]``; NaN where nothing is known.
        of: how many classes there are.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    pixels: NDArray[np.int64]
    values: NDArray[np.float64]
    of: int

    @property
    def title(self) -> str:
        """What part it is; empty for all classes."""
        return f"the {len(self.rows)} classes with the lowest IoU, of {self.of}" if len(self.rows) < self.of else ""


def select_classes(report: Report, normalize: Normalize | None = "truth", most: int = READABLE) -> MatrixView:
    """The matrix of a report in shares of the truth, of the prediction, or in pixels.

    With more than ``most`` classes its rows are the ones with the lowest IoU, and its columns these, then those that
    they are most often taken for, then all others.

    Raises:
        ValueError: if a setting is unknown or out of range.
    """
    if normalize not in ("truth", "prediction", None):
        raise ValueError(f"normalize is {normalize!r}; expected 'truth', 'prediction' or None.")
    if as_integer("most", most) < 1:
        raise ValueError(f"most is {most}; expected 1 class or more.")
    pixels = report.counts[:-2]  # no truth, no row
    size = len(pixels)
    names = [*(c.name for c in report.classes), "(void)", "(outside)"]  # a column is a prediction
    values = _normalized(pixels, normalize)
    if size <= most:
        columns = [*range(size), *(c for c in (size, size + 1) if pixels[:, c].any())]
        column_names = tuple(names[c] for c in columns)
        return MatrixView(tuple(names[:size]), column_names, pixels[:, columns], values[:, columns], size)
    rows, columns = _lowest(report, pixels, most)
    rest = [c for c in range(size + 2) if c not in columns]
    few, shown = (np.c_[m[np.ix_(rows, columns)], m[np.ix_(rows, rest)].sum(1)] for m in (pixels, values))
    if normalize == "prediction":
        shown[:, -1] = np.nan  # shares of different wholes have no sum
    return MatrixView(tuple(names[c] for c in rows), (*(names[c] for c in columns), OTHERS), few, shown, size)


def _normalized(pixels: NDArray[np.int64], normalize: Normalize | None) -> NDArray[np.float64]:
    """Shares of the truth or of the prediction, NaN where there is none; or the pixels themselves."""
    values = pixels.astype(np.float64)
    if normalize is None:
        return values
    with np.errstate(invalid="ignore"):
        return np.asarray(values / pixels.sum(1 if normalize == "truth" else 0, keepdims=True))


def _lowest(report: Report, pixels: NDArray[np.int64], most: int) -> tuple[list[int], list[int]]:
    """The classes with the lowest IoU, and these with those that they are most often taken for."""
    defined = [c for c in range(len(pixels)) if not math.isnan(report.classes[c].iou) and pixels[c].any()]
    number = max(1, most * 2 // 3)
    rows = sorted(defined, key=lambda c: report.classes[c].iou)[:number] or list(range(number))
    shares = (pixels[rows] / np.maximum(1, pixels[rows].sum(1, keepdims=True))).sum(0)
    shares[rows] = 0
    others = [int(c) for c in np.argsort(-shares, kind="stable")[: most - len(rows)] if shares[c] > 0]
    return rows, [*rows, *others]


def percent(share: float) -> str:
    """A share in whole percent, as a cell of the matrix shows it."""
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"
