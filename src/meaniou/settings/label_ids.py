"""The ids that maps store for each class and for void, checked and converted to ints."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meaniou._util import as_integer, as_iterable

ClassIds = Sequence[int | Iterable[int]] | Mapping[int, int]
IdsByClass = tuple[tuple[int, ...], ...]


def as_void_ids(name: str, void: int | Iterable[int] | None) -> tuple[int, ...]:
    """One or several ids, sorted; ``name`` is the setting, for errors."""
    if void is None:
        return ()
    ids = void if isinstance(void, Iterable) and not isinstance(void, str) and _has_length(void) else [void]
    return tuple(sorted({_label(name, i) for i in ids}))


def ids_by_class(name: str, ids: ClassIds, num_classes: int) -> IdsByClass:
    """The ids of each class, from a list with an entry per class or a dict ``{id: class}``; ``name`` is for errors."""
    by_class: list[list[int]] = [[] for _ in range(num_classes)]
    labels: set[int] = set()
    for label, c in _pairs(name, ids, num_classes):
        if label in labels:
            raise ValueError(f"{name} holds {label} twice; expected each id in one class only.")
        if not 0 <= c < num_classes:
            void = "ignore_index" if name == "ids" else "pred_void"
            raise ValueError(
                f"{name} maps {label} to class {c}; expected classes 0 to {num_classes - 1}. If {label} is void, move "
                f"it to {void}."
            )
        labels.add(label)
        by_class[c].append(label)
    for c, several in enumerate(by_class):
        if not several:
            raise ValueError(f"{name} has no id for class {c}; expected at least one id per class.")
    return tuple(map(tuple, by_class))


def _pairs(name: str, ids: ClassIds, num_classes: int) -> list[tuple[int, int]]:
    """Pairs of an id and its class."""
    if isinstance(ids, Mapping):
        return [(_label(name, label), as_integer(name, c)) for label, c in ids.items()]
    entries = list(as_iterable(name, ids))
    if len(entries) != num_classes:
        raise ValueError(
            f"{name} has {len(entries)} entries; expected {num_classes}, one per class (an id, or a tuple of ids)."
        )
    by_class = [entry if isinstance(entry, Iterable) and _has_length(entry) else [entry] for entry in entries]
    return [(_label(name, label), c) for c, labels in enumerate(by_class) for label in labels]


def _has_length(values: object) -> bool:
    """Whether ``values`` can be iterated over: a 0-d tensor or array only looks iterable."""
    return bool(getattr(values, "ndim", 1) > 0)


def _label(name: str, label: Any) -> int:
    number = as_integer(name, label)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{name} holds {number}; expected ids that fit into int64.")
    return number
