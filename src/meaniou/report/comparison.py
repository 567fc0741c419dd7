"""The comparison of two metrics over the same images, as a frozen record with its forms."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from meaniou._util import EqualByValue, Table, percent, span, tables
from meaniou.uncertainty import Comparison


@dataclass(frozen=True, eq=False)
class Compared(EqualByValue):
    """One number of both: that of a class, the pixel accuracy or the mean IoU, ratios 0 .. 1, and their difference."""

    kind: str
    name: str
    a: float
    b: float
    difference: Comparison


OF_DIFFERENCE = tuple(part.name for part in fields(Comparison))
COLUMNS = (*(part.name for part in fields(Compared)), *OF_DIFFERENCE[1:])  # of CSV, the value as "difference"


@dataclass(frozen=True, eq=False)
class ComparisonReport(EqualByValue):
    """The comparison of two metrics over the same images.

    Attributes:
        classes: a comparison for each class, in the order of the ids.
        pixel_accuracy, mean_iou: over all classes.
        resamples: how often images were resampled.
        sources: what ``a`` and ``b`` are, such as two folders; empty where that was not said.
    """

    classes: tuple[Compared, ...]
    pixel_accuracy: Compared
    mean_iou: Compared
    resamples: int
    sources: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Full fractions; ``None`` where a number is undefined."""
        values: dict[str, Any] = tables.without_nan(asdict(self))
        return values

    def to_json(self) -> str:
        """The same as JSON, ``null`` where a number is undefined."""
        return tables.as_json(self.to_dict())

    def to_csv(self) -> str:
        """Text: a row for each class, the accuracy and the mean, in full fractions; empty where none is defined."""
        rows = [(r.kind, r.name, r.a, r.b, *(getattr(r.difference, n) for n in OF_DIFFERENCE)) for r in self._rows()]
        return tables.as_csv(COLUMNS, rows)

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.markdown([self._table()], self.headline())

    def to_latex(self) -> str:
        """A LaTeX ``tabular``, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.latex([self._table()], self.headline())

    def __str__(self) -> str:
        """A table in percent with two decimals, ``-`` where a number is undefined."""
        return tables.text([self._table()], self.headline())

    def _rows(self) -> tuple[Compared, ...]:
        return (*self.classes, self.pixel_accuracy, self.mean_iou)

    def _table(self) -> Table:
        confidence = f"{100 * self.mean_iou.difference.confidence:g} % interval"
        header = ("", "a", "b", "difference", confidence, "p")
        return Table(header, tuple(_cells(row) for row in self._rows()), mean=True)

    def headline(self) -> str:
        """Which is better."""
        better = self.mean_iou.difference.better
        a, b = (f"{name} ({self.sources[name]})" if name in self.sources else name for name in "ab")
        winner = f"{a} is better than {b}" if better == "a" else f"{b} is better than {a}"
        verdict = winner if better else f"it is uncertain whether {a} or {b} is better"
        return f"{verdict}, in mean IoU over {self.resamples} draws of the images"


def _cells(row: Compared) -> tuple[str, ...]:
    difference = row.difference
    p = "-" if math.isnan(difference.p_value) else f"{difference.p_value:.3f}"
    numbers = (percent(row.a), percent(row.b), percent(difference.value), span(difference.low, difference.high))
    return row.name, *numbers, p
