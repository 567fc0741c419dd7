"""Helpers that are independent of IoU: text, warnings, validation, records, files and tables."""

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
    join_names,
    kind_of,
    printable,
    quoted,
    shorten,
)
from meaniou._util.validation import (
    as_integer,
    as_iterable,
    check_bool,
)
from meaniou._util.warning import warn

__all__ = [
    "Doubt",
    "EqualByValue",
    "Table",
    "as_integer",
    "as_iterable",
    "as_options",
    "check_bool",
    "check_file",
    "check_folder",
    "in_python",
    "is_stream",
    "join_names",
    "kind_of",
    "percent",
    "printable",
    "quoted",
    "real_path",
    "shorten",
    "span",
    "stat_of",
    "warn",
    "write_all",
    "written",
]
