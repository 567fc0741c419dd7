"""The report of a paired comparison of two metrics, ``a`` and ``b``, over the same images."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from meaniou._util import EqualByValue, Table, percent, span, tables
from meaniou.uncertainty import Comparison


@dataclass(frozen=True, eq=False)
class Compared(EqualByValue):
    """One number of ``a`` and of ``b``, and their difference.

    Attributes:
        kind: ``"class"`` (also for a label), ``"accuracy"`` or ``"mean"``.
        name: the class or label, ``"pixel accuracy"`` or ``"mean IoU"``; of bands such as ``"overall band recall
            (0.02)"`` or ``"mean boundary IoU (0.02)"``.
        a, b: the number of each, a ratio 0 .. 1; NaN where it is undefined.
        difference: ``a - b`` with its paired interval.
    """

    kind: str
    name: str
    a: float
    b: float
    difference: Comparison


OF_DIFFERENCE = tuple(part.name for part in fields(Comparison))
COLUMNS = (*(part.name for part in fields(Compared)), *OF_DIFFERENCE[1:])  # in CSV, "difference" holds its value


@dataclass(frozen=True, eq=False)
class ComparisonReport(EqualByValue):
    """The paired comparison of two metrics, ``a`` and ``b``, over the same images.

    Attributes:
        classes: the comparison of the IoU of each class, in class order.
        pixel_accuracy, mean_iou: the comparisons of the numbers over all classes.
        resamples: number of bootstrap resamples of the images.
        sources: names of ``a`` and ``b``, such as two folders; empty if they have none.
    """

    classes: tuple[Compared, ...]
    pixel_accuracy: Compared
    mean_iou: Compared
    resamples: int
    sources: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The report as nested dicts and lists: unrounded ratios, ``None`` for NaN."""
        values: dict[str, Any] = tables.without_nan(asdict(self))
        return values

    def to_json(self) -> str:
        """The contents of ``to_dict`` as JSON text, ``null`` for NaN."""
        return tables.as_json(self.to_dict())

    def to_csv(self) -> str:
        """CSV text with a row for each class, the pixel accuracy and the mean IoU: unrounded ratios, empty for NaN."""
        rows = [(r.kind, r.name, r.a, r.b, *(getattr(r.difference, n) for n in OF_DIFFERENCE)) for r in self._rows()]
        return tables.as_csv(COLUMNS, rows)

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown: percent with two decimals, ``-`` for NaN."""
        return tables.markdown([self._table()], self.headline())

    def to_latex(self) -> str:
        """A LaTeX ``tabular``: percent with two decimals, ``-`` for NaN."""
        return tables.latex([self._table()], self.headline())

    def __str__(self) -> str:
        """A text table: percent with two decimals, ``-`` for NaN."""
        return tables.text([self._table()], self.headline())

    def _rows(self) -> tuple[Compared, ...]:
        return (*self.classes, self.pixel_accuracy, self.mean_iou)

    def _table(self) -> Table:
        header = ("", "a", "b", "difference", f"{self._confidence()} interval", "p-value")
        return Table(header, tuple(_cells(row) for row in self._rows()), mean=True)

    def _confidence(self) -> str:
        return f"{100 * self.mean_iou.difference.confidence:g} %"

    def headline(self) -> str:
        """Which of ``a`` and ``b`` has the higher mean IoU, and by how much, in one line."""
        mean = self.mean_iou
        a, b = (f"{name} ({self.sources[name]})" if name in self.sources else name for name in "ab")
        better, other = (a, b) if mean.difference.better == "a" else (b, a)
        verdict = f"{better} is better than {other}" if mean.difference.better else f"{a} and {b} do not differ clearly"
        if math.isnan(mean.difference.value):
            verdict = f"the difference of {a} and {b} is undefined"
        numbers = ", ".join(
            f"{name} {'undefined' if math.isnan(value) else percent(value)}"
            for name, value in (("a", mean.a), ("b", mean.b), ("difference", mean.difference.value))
        )
        interval = "no interval"
        if not math.isnan(mean.difference.low):
            interval = f"{self._confidence()} interval {span(mean.difference.low, mean.difference.high)}"
        return f"{verdict}; {mean.name} in percent: {numbers} ({interval}, {self.resamples:,} resamples of the images)"


def _cells(row: Compared) -> tuple[str, ...]:
    difference = row.difference
    p = "-" if math.isnan(difference.p_value) else f"{difference.p_value:.3f}"
    numbers = (percent(row.a), percent(row.b), percent(difference.value), span(difference.low, difference.high))
    return row.name, *numbers, p
