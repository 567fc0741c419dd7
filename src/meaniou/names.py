"""Class names as users have them (a list, ``{id: name}``, a file) -> one name a class, or a sentence why not."""

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

ClassNames = Sequence[str] | Mapping[int, str] | Mapping[str, str] | PathLike[str]


def names_of(class_names: ClassNames | None, num_classes: int) -> tuple[str, ...]:
    """One name a class, stripped; the ids where there are none.

    Args:
        class_names: a sequence in the order of the classes, ``{0: name}`` with whole numbers as keys or as their text
            (the ``id2label`` of Hugging Face), or a path that ``read`` takes.
        num_classes: number of classes C.

    Raises:
        TypeError: if it is nothing of that kind, or a name is no text.
        ValueError: if names are missing, too many, or the same.
    """
    if class_names is None:
        return tuple(str(c) for c in range(num_classes))
    if isinstance(class_names, str):
        raise TypeError(
            f"class_names is the string {class_names!r}; expected a sequence of names, one per class, so pass a list, "
            "or pathlib.Path(...) for a file."
        )
    found = read(Path(class_names)) if isinstance(class_names, PathLike) else class_names
    if isinstance(found, Mapping):
        found = _in_order(found, num_classes)
    if not isinstance(found, Iterable):
        raise TypeError(f"class_names is {found!r} ({type(found).__name__}); expected several names, so pass a list.")
    names = tuple(name.strip() if isinstance(name, str) else name for name in found)
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"class_names holds {name!r}; expected strings that are not empty, one per class.")
    if len(names) != num_classes:
        raise ValueError(
            f"class_names has {len(names)} names; expected {num_classes}, one per class, in the order of their ids."
        )
    if len(set(names)) != num_classes:
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"class_names holds {twice!r} more than once; expected names that differ, so rename one.")
    return names


def read(path: Path) -> list[str] | dict[str, str]:
    """The names in a file: one a line, or JSON (a list, ``{id: name}``, or what has one under ``id2label``).

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds something else.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("[", "{")):
        return _lines(path, text)
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON of names ({error}); expected a list of names or {{id: name}}.") from error
    if isinstance(found, dict) and "id2label" in found:
        found = found["id2label"]
    values = found.values() if isinstance(found, dict) else found
    if not isinstance(found, list | dict) or not found or not all(isinstance(name, str) for name in values):
        raise ValueError(
            f"{path} holds no names; expected a list of names, {{id: name}}, or id2label with one of them."
        )
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"the key {twice!r} stands there more than once")
    return found


def _lines(path: Path, text: str) -> list[str]:
    found = [line.strip() for line in text.rstrip().split("\n")]
    for number, name in enumerate(found):
        if not name or name in found[:number]:
            fault = "is empty" if not name else f"names {name!r} a second time"
            raise ValueError(f"Line {number + 1} of {path} {fault}; expected one name a line, each once.")
    return found


def _in_order(names: Mapping[Any, str], num_classes: int) -> list[str]:
    ids = [int(key) if isinstance(key, str) and key.strip().isdecimal() and len(key) < 9 else key for key in names]
    if sorted(ids, key=str) != sorted(range(num_classes), key=str):
        listed = ", ".join(map(repr, ids[:10])) + ", ..." * (len(ids) > 10)
        raise ValueError(
            f"class_names has {len(ids)} keys ({listed}); expected the {num_classes} class ids 0 to {num_classes - 1}, "
            "one name for each."
        )
    return [name for _, name in sorted(zip(ids, names.values(), strict=True))]
