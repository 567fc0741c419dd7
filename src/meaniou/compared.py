"""Two metrics over the same images -> a frozen record of all comparisons, as a table and as plain values."""

import csv
import io
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from meaniou import tables
from meaniou.comparing import compare
from meaniou.equality import EqualByValue
from meaniou.metric import MeanIoU
from meaniou.tables import Table, percent, span
from meaniou.uncertainty import Comparison

WORDS = {"a": "the first is better", "b": "the second is better", None: "it is not sure which is better"}


@dataclass(frozen=True, eq=False)
class Compared(EqualByValue):
    """One number of both: that of a class, the pixel accuracy or the mean IoU, ratios 0 .. 1, and their difference."""

    kind: str
    name: str
    first: float
    second: float
    difference: Comparison


@dataclass(frozen=True, eq=False)
class ComparisonReport(EqualByValue):
    """All that two metrics over the same images are compared in.

    Attributes:
        classes: a comparison for each class, in the order of the ids.
        pixel_accuracy, mean_iou: over all classes.
        resamples: how often images were drawn.
    """

    classes: tuple[Compared, ...]
    pixel_accuracy: Compared
    mean_iou: Compared
    resamples: int

    @classmethod
    def of(cls, a: MeanIoU, b: MeanIoU, **settings: Any) -> "ComparisonReport":
        """Of two metrics; settings are those of ``meaniou.compare`` but ``of``; raises as it does."""
        found, accuracy, mean = (compare(a, b, of, **settings) for of in ("class", "accuracy", "mean"))
        assert isinstance(found, list)
        assert isinstance(accuracy, Comparison)
        assert isinstance(mean, Comparison)
        x, y = a.report(), b.report()
        classes = tuple(
            Compared("class", first.name, first.iou, second.iou, difference)
            for first, second, difference in zip(x.classes, y.classes, found, strict=True)
        )
        return cls(
            classes,
            Compared("accuracy", "pixel accuracy", x.pixel_accuracy, y.pixel_accuracy, accuracy),
            Compared("mean", "mean IoU", x.mean_iou, y.mean_iou, mean),
            settings.get("resamples", 1000),
        )

    def to_dict(self) -> dict[str, Any]:
        """Full fractions; ``None`` where a number is undefined."""
        found: dict[str, Any] = tables.without_nan(asdict(self))
        return found

    def to_json(self) -> str:
        """The same as JSON, ``null`` where a number is undefined."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_csv(self) -> str:
        """Text: a row for each class, the accuracy and the mean, in full fractions; empty where none is defined."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("kind", "name", "first", "second", "difference", "low", "high", "p_value", "better"))
        for row in self._rows():
            numbers = (row.first, row.second, *vars(row.difference).values())
            writer.writerow((row.kind, row.name, *tables.without_nan(numbers)))
        return file.getvalue().rstrip("\n")

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.markdown([self._table()], self._footer())

    def to_latex(self) -> str:
        """A LaTeX ``tabular``, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.latex([self._table()], self._footer())

    def __str__(self) -> str:
        """A table in percent with two decimals, ``-`` where a number is undefined."""
        return tables.text([self._table()], self._footer())

    def _rows(self) -> tuple[Compared, ...]:
        return (*self.classes, self.pixel_accuracy, self.mean_iou)

    def _table(self) -> Table:
        confidence = f"{100 * self.mean_iou.difference.confidence:g} % interval"
        header = ("", "first", "second", "difference", confidence, "p")
        return Table(header, tuple(_cells(row) for row in self._rows()), mean=True)

    def _footer(self) -> str:
        better = WORDS[self.mean_iou.difference.better]
        return f"{better}, in mean IoU over {self.resamples} draws of the images"


def _cells(row: Compared) -> tuple[str, ...]:
    found = row.difference
    p = "-" if math.isnan(found.p_value) else f"{found.p_value:.3f}"
    numbers = (percent(row.first), percent(row.second), percent(found.value), span(found.low, found.high))
    return row.name, *numbers, p
