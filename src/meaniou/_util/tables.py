"""Tables of words and numbers: text, Markdown and LaTeX to be pasted, CSV and JSON to be read by programs."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meaniou._util.text import CONTROLS, printable

# What has a meaning in GitHub's Markdown: marks, entities, and what it makes links of, "https://" and "www.".
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_APART = "@<!-- -->"  # an escaped @ would still name an account or make a mail address
_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")  # and their wide forms
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",  # \textquotedbl is not in the encoding that LaTeX has without a package
    "[": "{[}",  # an option of the row above, where a row begins with it
    "*": "{*}",
}


@dataclass(frozen=True)
class Table:
    """A table of text cells. The first ``words`` columns hold words, the others numbers, which are aligned right.

    Attributes:
        header: one title per column.
        rows: as many cells in each.
        words: number of columns that are aligned left.
        mean: whether the last row sums the others up.
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
    """Two ratios in percent, the ends of an interval; ``-`` for NaN."""
    return "-" if math.isnan(low) else f"{percent(low)} to {percent(high)}"


def without_nan(value: Any) -> Any:
    """The value with ``None`` for NaN and lists for tuples, at any depth."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, (list, tuple)) else value


def as_json(value: Any) -> str:
    """JSON with ``null`` for NaN; control characters are escaped, so that a terminal can show it."""
    json_text = json.dumps(without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)
    return CONTROLS.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", json_text)


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV in full fractions, with nothing for NaN and ``None``.

    Line breaks in a text are kept, other control characters are escaped. A text that a spreadsheet would take for a
    formula (it begins with ``=``, ``+``, ``-`` or ``@`` and is no number) gets an apostrophe in front. So does one that
    begins with apostrophes and such a character, so that removing one apostrophe always restores the text.

    Raises:
        ValueError: if two columns have one name, or a row has another number of fields than the header.
    """
    if len(set(header)) != len(header):
        twice = next(name for name in header if list(header).count(name) > 1)
        raise ValueError(f"Two columns are called {twice!r}; expected names that differ, so rename one.")
    lines = [_line(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"A row has {len(row)} fields and the header {len(header)}; expected one for each column.")
        lines.append(_line(row))
    return "\n".join(lines)


def text(tables: Iterable[Table], footer: str = "") -> str:
    """Text for a terminal, with aligned columns."""
    return _joined(map(_text, tables), _plain(footer))


def markdown(tables: Iterable[Table], footer: str = "") -> str:
    """Tables in GitHub's Markdown."""
    return _joined(map(_markdown, tables), _escaped_markdown(footer))


def latex(tables: Iterable[Table], footer: str = "") -> str:
    """A ``tabular`` for each table; no package is needed."""
    return _joined(map(_latex, tables), _escaped_latex(footer))


def _joined(parts: Iterable[str], footer: str) -> str:
    """The parts, and the footer if it has text, with an empty line between them."""
    blocks = list(parts)
    if footer:
        blocks.append(footer)
    return "\n\n".join(blocks)


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
    # csv.writer quotes what is in its line terminator, so that a name may hold both characters of this one.
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
    """Without line breaks, which would end a row, and with other control characters made visible."""
    return " ".join(printable(cell, kept="\t\n\v\f\r\u2028\u2029").split())
