"""Class names from a list, ``{id: name}`` or a file, checked and as one name per class."""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from meaniou._util import join_names, printable, quoted
from meaniou.settings.choices import MAX_CLASSES

LONGEST = 1 << 24  # bytes of a file of names; 4,096 names with a config around them are far below

ClassNames = Sequence[str] | Mapping[int, str] | Mapping[str, str] | PathLike[str]


def resolve_class_names(
    class_names: ClassNames | None, num_classes: int, setting: str = "class_names"
) -> tuple[str, ...]:
    """One name per class, stripped; the ids where there are none.

    Args:
        class_names: a sequence in the order of the classes, ``{0: name}`` with whole numbers as keys or as their text
            (the ``id2label`` of Hugging Face), or a path that ``read`` takes.
        num_classes: number of classes C.
        setting: what the caller names them, for errors.

    Raises:
        TypeError: if it is nothing of that kind, or a name is no text.
        ValueError: if names are missing, too many, or the same, or hold what no file can hold.
    """
    if class_names is None:
        return tuple(str(c) for c in range(num_classes))
    if isinstance(class_names, str):
        raise TypeError(
            f"{setting} is the string {quoted(class_names)}; expected a sequence of names, one per class, so pass a "
            "list, or pathlib.Path(...) for a file."
        )
    values: Any = read_class_names(Path(class_names)) if isinstance(class_names, PathLike) else class_names
    if isinstance(values, Mapping):
        values = _in_order(values, num_classes, setting)
    if not isinstance(values, Iterable):
        raise TypeError(
            f"{setting} is {quoted(values)} ({type(values).__name__}); expected several names, so pass a list."
        )
    names = tuple(name.strip() if isinstance(name, str) else name for name in islice(values, MAX_CLASSES + 1))
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"{setting} holds {quoted(name)}; expected strings that are not empty, one per class.")
        check_text(setting, name)
    if len(names) != num_classes:
        number = f"{len(names)} names" if len(names) <= MAX_CLASSES else f"more than {MAX_CLASSES} names"
        raise ValueError(f"{setting} has {number}; expected {num_classes}, one per class, in the order of their ids.")
    if (repeated := _first_repeated(names)) is not None:
        raise ValueError(
            f"{setting} holds {quoted(repeated)} more than once; expected names that differ, so rename one."
        )
    return names


def check_text(what: str, name: str) -> None:
    """Raises ``ValueError`` for half of a surrogate pair in a name, which neither a file nor a terminal can show."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} holds {quoted(name)}, in which {error.object[error.start]!r} is half of a character (surrogate); "
            "expected text that UTF-8 can hold, so write the name anew."
        ) from error


def read_class_names(path: Path) -> list[str] | dict[str, str]:
    """The names in a file: one per line, or JSON (a list, ``{id: name}``, or what has one under ``id2label``).

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds something else.
    """
    where = printable(str(path))
    with path.open("rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"{where} has more than {LONGEST:,} bytes; expected a file of class names, so check the path.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} is no text in UTF-8 ({error.reason} at byte {error.start}); expected class names, so check the "
            "path, or save the file as UTF-8."
        ) from error
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("[", "{")):
        return _lines(where, text)
    try:
        names = json.loads(text, object_pairs_hook=_object_of_pairs)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is no JSON of names ({error}); expected a list of names or {{id: name}}.") from error
    if isinstance(names, dict) and "id2label" in names:
        names = names["id2label"]
    values = names.values() if isinstance(names, dict) else names
    if not isinstance(names, list | dict) or not names or not all(isinstance(name, str) for name in values):
        raise ValueError(
            f"{where} holds no names; expected a list of names, {{id: name}}, or id2label with one of them."
        )
    _check_number(where, len(names))
    return names


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (repeated := _first_repeated(key for key, _ in pairs)) is not None:
        raise ValueError(f"the key {quoted(repeated)} stands there more than once")
    return dict(pairs)


def _lines(where: str, text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    names = [line.strip() for line in lines]
    _check_number(where, len(names))
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name or name in seen:
            fault = "is empty" if not name else f"names {quoted(name)} a second time"
            raise ValueError(f"Line {number} of {where} {fault}; expected one name per line, each once.")
        seen.add(name)
    return names


def _check_number(where: str, number: int) -> None:
    if number > MAX_CLASSES:
        raise ValueError(
            f"{where} holds {number:,} names; expected {MAX_CLASSES:,} at most, one per class, so check the path."
        )


def _first_repeated(names: Iterable[Hashable]) -> Any:
    """The first of several that is there more than once, or ``None``."""
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _in_order(names: Mapping[Any, str], num_classes: int, setting: str) -> list[str]:
    ids = [int(key) if isinstance(key, str) and key.strip().isdecimal() and len(key) < 9 else key for key in names]
    if sorted(ids, key=str) != sorted(range(num_classes), key=str):
        raise ValueError(
            f"{setting} has {len(ids)} keys ({join_names(map(quoted, ids))}); expected {num_classes} class ids, 0 to "
            f"{num_classes - 1}, one name for each."
        )
    return [name for _, name in sorted(zip(ids, names.values(), strict=True))]
