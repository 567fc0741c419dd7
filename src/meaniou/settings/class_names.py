"""Class names from a list, a dict ``{id: name}`` or a file, checked, one per class."""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from meaniou._util import join_names, printable, quoted
from meaniou.settings.choices import MAX_CLASSES

LONGEST = 1 << 24  # bytes of a file; a configuration with 4,096 names is far smaller

VOID_KEYS = ("-1", "255", "65535")  # labels of void that configurations name beside the classes
CSV_ROW = re.compile(r"\d+\s*[,;\t]")  # an id and a separator

ClassNames = Sequence[str] | Mapping[int, str] | Mapping[str, str] | PathLike[str]


def resolve_class_names(
    class_names: ClassNames | None, num_classes: int, setting: str = "class_names"
) -> tuple[str, ...]:
    """One name per class, stripped; without names, the class numbers as text.

    Args:
        class_names: a sequence in class order, a dict ``{0: name}`` with ints or their text as keys (``id2label`` of
            Hugging Face), or the path of a file that ``read_class_names`` can read.
        num_classes: number of classes C.
        setting: name of the setting, for errors.

    Raises:
        TypeError: if ``class_names`` is none of these, or a name is not text or empty.
        ValueError: if the number of names differs from C, a name is repeated, or UTF-8 cannot encode one.
    """
    if class_names is None:
        return tuple(str(c) for c in range(num_classes))
    if isinstance(class_names, str):
        raise TypeError(
            f"{setting} is the string {quoted(class_names)}; expected a list with one name per class. For a file pass "
            f"pathlib.Path({quoted(class_names)})."
        )
    values: Any = read_class_names(Path(class_names)) if isinstance(class_names, PathLike) else class_names
    if isinstance(values, Mapping):
        values = _in_order(values, num_classes, setting)
    if not isinstance(values, Iterable):
        raise TypeError(
            f"{setting} is {quoted(values)} ({type(values).__name__}); expected a list with one name per class."
        )
    names = tuple(name.strip() if isinstance(name, str) else name for name in islice(values, MAX_CLASSES + 1))
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"{setting} holds {quoted(name)}; expected non-empty strings, one per class.")
        check_text(setting, name)
    if len(names) != num_classes:
        count = len(names) if len(names) <= MAX_CLASSES else f"more than {MAX_CLASSES}"
        number = f"{count} name{'s' * (count != 1)}"
        raise ValueError(f"{setting} has {number}; expected {num_classes}, one per class, in class order.")
    if (repeated := _first_repeated(names)) is not None:
        raise ValueError(f"{setting} holds {quoted(repeated)} more than once. Give each class its own name.")
    return names


def check_text(what: str, name: str) -> None:
    """Raises ``ValueError`` for half of a surrogate pair in a name, which UTF-8 cannot encode."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} holds {quoted(name)}, in which {error.object[error.start]!r} is half of a surrogate pair; "
            "expected text that UTF-8 can encode. Replace that character."
        ) from error


def read_class_names(path: Path) -> list[str] | dict[str, str]:
    """The names in a file: one per line, or JSON (a list, ``{id: name}``, or either under ``id2label``).

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it does not hold class names.
    """
    where = printable(str(path))
    with path.open("rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"{where} has more than {LONGEST:,} bytes; expected a file of class names. Check the path.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start}); expected a file of class names. Check "
            "the path, or save the file as UTF-8."
        ) from error
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("[", "{")):
        return _lines(where, text)
    try:
        names = json.loads(text, object_pairs_hook=_object_of_pairs)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not valid JSON ({error}); expected a list of names or {{id: name}}.") from error
    if isinstance(names, dict) and "id2label" in names:
        names = names["id2label"]
    values = names.values() if isinstance(names, dict) else names
    if not isinstance(names, list | dict) or not names or not all(isinstance(name, str) for name in values):
        raise ValueError(
            f"{where} holds no class names; expected a list of names or {{id: name}}, at the top or under id2label."
        )
    _check_number(where, len(names))
    return names


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (repeated := _first_repeated(key for key, _ in pairs)) is not None:
        raise ValueError(f"the key {quoted(repeated)} occurs more than once")
    return dict(pairs)


def _lines(where: str, text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    names = [line.strip() for line in lines]
    _check_number(where, len(names))
    _refuse_tables(where, names)
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name or name in seen:
            fault = "is empty" if not name else f"repeats {quoted(name)}"
            raise ValueError(f"Line {number} of {where} {fault}; expected one name per line, each only once.")
        seen.add(name)
    return names


def _refuse_tables(where: str, lines: list[str]) -> None:
    """Raises ``ValueError`` for all names on one line, and for CSV rows that begin with an id."""
    if len(lines) == 1 and "," in lines[0]:
        raise ValueError(f"{where} holds one line with commas; expected one name per line. Split the line.")
    rows = lines if CSV_ROW.match(lines[0]) else lines[1:] if re.search("[,;\t]", lines[0]) else []
    if rows and all(map(CSV_ROW.match, rows)):
        raise ValueError(
            f"{where} looks like a CSV table, as in the line {quoted(rows[0])}; expected one name per line, in class "
            "order, without ids or a header."
        )


def number_of_classes(names: Sequence[str] | Mapping[str, str]) -> int:
    """The number of classes that a file names; keys of ``{id: name}`` such as 255 are void."""
    void = [key for key in names if key in VOID_KEYS] if isinstance(names, Mapping) else []
    return len(names) - sum(not 0 <= int(key) < len(names) for key in void)


def _check_number(where: str, number: int) -> None:
    if number > MAX_CLASSES:
        raise ValueError(
            f"{where} holds {number:,} names; expected at most {MAX_CLASSES:,}, one per class. Check the path."
        )


def _first_repeated(names: Iterable[Hashable]) -> Any:
    """The first value that occurs more than once, or ``None``."""
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _in_order(names: Mapping[Any, str], num_classes: int, setting: str) -> list[str]:
    ids = [int(key) if isinstance(key, str) and key.strip().isdecimal() and len(key) < 9 else key for key in names]
    if sorted(ids, key=str) != sorted(range(num_classes), key=str):
        number = f"{len(ids)} key{'s' * (len(ids) != 1)}"
        void = [str(key) for key in ids if str(key) in VOID_KEYS and key not in range(num_classes)]
        cure = f" Remove {void[0]}; if it is void, pass ignore_index={void[0]}." if void else ""
        raise ValueError(
            f"{setting} has {number} ({join_names(map(quoted, ids))}); expected the {num_classes} class numbers 0 to "
            f"{num_classes - 1}, each with its name.{cure}"
        )
    return [name for _, name in sorted(zip(ids, names.values(), strict=True))]
