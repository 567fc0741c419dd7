"""Tables as text, Markdown and LaTeX, and values as CSV and JSON."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meaniou._util.text import CONTROLS, printable

# Characters with a meaning in GitHub's Markdown: marks, entities, and the "://" and "www." of automatic links.
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_APART = "@<!-- -->"  # an escaped @ would still become a mention or a mail address
_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")  # also in full width
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",  # \textquotedbl needs a package for another font encoding
    "[": "{[}",  # at the start of a row it would be an option of the row above
    "*": "{*}",
}


@dataclass(frozen=True)
class Table:
    """A table of text cells: ``words`` columns of words, then columns of numbers, which are aligned right.

    Attributes:
        header: one title per column.
        rows: rows with one cell per column.
        words: number of columns that are aligned left.
        mean: whether the last row is the mean of the others.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    mean: bool = False

    def __str__(self) -> str:
        return text([self])


def percent(value: float) -> str:
    """A ratio in percent with two decimals, ``-`` for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def span(low: float, high: float) -> str:
    """An interval of ratios in percent, such as ``12.30 to 45.60``; ``-`` for NaN."""
    return "-" if math.isnan(low) else f"{percent(low)} to {percent(high)}"


def without_nan(value: Any) -> Any:
    """The value with ``None`` for NaN and lists for tuples, at any depth."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, (list, tuple)) else value


def as_json(value: Any) -> str:
    """JSON with ``null`` for NaN and ``"inf"`` for infinity, which JSON lacks.

    Control characters are escaped, so it is safe to print on a terminal.
    """
    json_text = json.dumps(_finite(without_nan(value)), indent=2, ensure_ascii=False, allow_nan=False)
    return CONTROLS.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", json_text)


def _finite(value: Any) -> Any:
    """The value with ``"inf"`` and ``"-inf"`` for infinite numbers, such as thresholds, at any depth."""
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV with fractions in full, and empty fields for NaN and ``None``.

    Line breaks in a text are kept, other control characters are escaped. A text that a spreadsheet would read as a
    formula (it begins with ``=``, ``+``, ``-`` or ``@`` and is not a number) gets an apostrophe in front. So does a
    text of apostrophes followed by such a character: removing one apostrophe always restores the text.

    Raises:
        ValueError: if two columns have the same name, or a row and the header differ in length.
    """
    if len(set(header)) != len(header):
        twice = next(name for name in header if list(header).count(name) > 1)
        raise ValueError(f"Two columns are called {twice!r}. Rename one of them.")
    lines = [_line(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"A row has {len(row)} fields and the header {len(header)}; expected one per column.")
        lines.append(_line(row))
    return "\n".join(lines)


def text(tables: Iterable[Table], *notes: str) -> str:
    """The tables as text with aligned columns, and notes below."""
    return _joined(map(_text, tables), map(_plain, notes))


def markdown(tables: Iterable[Table], *notes: str) -> str:
    """The tables in GitHub's Markdown, and notes below."""
    return _joined(map(_markdown, tables), map(_escaped_markdown, notes))


def latex(tables: Iterable[Table], *notes: str) -> str:
    """The tables as LaTeX, one ``tabular`` each, and notes below; no package is needed."""
    return _joined(map(_latex, tables), map(_escaped_latex, notes))


def _joined(parts: Iterable[str], notes: Iterable[str]) -> str:
    """The parts and the notes that are not empty, separated by empty lines."""
    return "\n\n".join([*parts, *filter(None, notes)])


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
    if table.mean:
        lines.insert(-1, rule)
    lines.insert(1, rule)
    return "\n".join(lines)


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


def _line(row: Sequence[Any]) -> str:
    file = io.StringIO()
    # csv.writer quotes the characters of its line terminator: a name may hold both of these.
    csv.writer(file, lineterminator="\r\n").writerow([_field(value) for value in row])
    return file.getvalue().removesuffix("\r\n")


def _field(value: Any) -> Any:
    if not isinstance(value, str):
        return without_nan(value)
    cell = printable(value, kept="\t\r\n")
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _escaped_markdown(cell: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _plain(cell)).replace("@", _APART)


def _escaped_latex(cell: str) -> str:
    return "".join(_LATEX.get(c, c) for c in _plain(cell))


def _plain(cell: str) -> str:
    """The cell on one line, with other control characters escaped."""
    return " ".join(printable(cell, kept="\t\n\v\f\r\u2028\u2029").split())
