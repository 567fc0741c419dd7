"""Rows of words and numbers -> text, Markdown or LaTeX that can be pasted."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$])")
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # an option of the row above, where a row begins with it
    "*": "{*}",
}


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; the first ``words`` columns are words, the others are numbers and stand to the right.

    Attributes:
        header: one title a column.
        rows: as many cells in each.
        words: number of columns that stand to the left.
        mean: whether the last row sums the others up.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    mean: bool = False


def percent(value: float) -> str:
    """A ratio in percent with two decimals, ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def span(low: float, high: float) -> str:
    """Two ratios in percent, the ends of an interval; ``-`` for NaN."""
    return "-" if math.isnan(low) else f"{percent(low)} to {percent(high)}"


def without_nan(value: Any) -> Any:
    """The same with ``None`` for NaN and lists for tuples."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, (list, tuple)) else value


def text(tables: Iterable[Table], footer: str = "") -> str:
    """For a terminal: columns of one width."""
    return "\n\n".join([*map(_text, tables), *([_plain(footer)] if footer else [])])


def markdown(tables: Iterable[Table], footer: str = "") -> str:
    """Tables of GitHub's Markdown."""
    return "\n\n".join([*map(_markdown, tables), *([_escaped_markdown(footer)] if footer else [])])


def latex(tables: Iterable[Table], footer: str = "") -> str:
    """A ``tabular`` for each table; no package is needed."""
    return "\n\n".join([*map(_latex, tables), *([_escaped_latex(footer)] if footer else [])])


def _text(table: Table) -> str:
    cells = [[_plain(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < table.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([lines[0], rule, *lines[1:-1], *([rule] if table.mean else []), *lines[1:][-1:]])


def _markdown(table: Table) -> str:
    rule = tuple("---" if i < table.words else "---:" for i in range(len(table.header)))
    rows = [[_escaped_markdown(cell) for cell in row] for row in (table.header, *table.rows)]
    if table.mean:
        rows[-1] = [f"**{cell}**" if cell else "" for cell in rows[-1]]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def _latex(table: Table) -> str:
    rows = [" & ".join(map(_escaped_latex, row)) + r" \\" for row in (table.header, *table.rows)]
    if table.mean:
        rows.insert(-1, r"\hline")
    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    return "\n".join(
        [rf"\begin{{tabular}}{{{columns}}}", r"\hline", rows[0], r"\hline", *rows[1:], r"\hline", r"\end{tabular}"]
    )


def _escaped_markdown(cell: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _plain(cell))


def _escaped_latex(cell: str) -> str:
    return "".join(_LATEX.get(c, c) for c in _plain(cell))


def _plain(cell: str) -> str:
    """Without line breaks, which would end a row."""
    return " ".join(cell.split())
