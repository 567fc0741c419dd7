"""Helpers that know nothing of IoU: text, warnings, validation, records, files and tables."""

from meaniou._util.atomic_write import (
    check_file,
    check_folder,
    is_stream,
    real_path,
    stat_of,
    write_all,
    written,
)
from meaniou._util.dialect import (
    Doubt,
    as_options,
    in_python,
)
from meaniou._util.equality import EqualByValue
from meaniou._util.tables import (
    Table,
    percent,
    span,
)
from meaniou._util.text import (
    cut,
    listed,
    short,
    visible,
)
from meaniou._util.validation import (
    each,
    flag,
    integer,
)
from meaniou._util.warning import warn

__all__ = [
    "Doubt",
    "EqualByValue",
    "Table",
    "as_options",
    "check_file",
    "check_folder",
    "cut",
    "each",
    "flag",
    "in_python",
    "integer",
    "is_stream",
    "listed",
    "percent",
    "real_path",
    "short",
    "span",
    "stat_of",
    "visible",
    "warn",
    "write_all",
    "written",
]
