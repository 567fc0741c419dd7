"""The list of protocols: their names, a protocol by its name, and a table of their rules."""

import difflib
import inspect
from collections.abc import Iterable
from functools import cache

from meaniou._util import Table, kind_of, quoted
from meaniou.protocols.benchmarks import REGISTRY
from meaniou.protocols.protocol import Protocol


def names() -> tuple[str, ...]:
    """The names of all protocols, as ``get`` and the keyword ``protocol`` take them."""
    return tuple(REGISTRY)


def get(name: str) -> Protocol:
    """The protocol of a name; case, ``_`` and spaces do not matter.

    Raises:
        TypeError: if ``name`` is not a string.
        ValueError: if there is no protocol of that name.

    Example:
        >>> from meaniou import protocols
        >>> protocols.get("cityscapes").label_space.class_names[:2]
        ('road', 'sidewalk')
    """
    if not isinstance(name, str):
        raise TypeError(f"protocol is {kind_of(name)}; expected a name of a protocol or a Protocol.")
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted not in REGISTRY:
        near = difflib.get_close_matches(wanted, REGISTRY, 1, 0.5)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"protocol is {quoted(name)}{meant}; expected one of {', '.join(REGISTRY)}.")
    return _protocol(wanted)


@cache
def _protocol(name: str) -> Protocol:
    rules = REGISTRY[name]()
    rules["label_space"] = rules["label_space"].replace(protocol=name)
    return Protocol(name=name, text=inspect.getdoc(REGISTRY[name]) or "", **rules)


def table() -> Table:
    """All protocols and their main rules, one row each; ``print`` shows the table.

    The column "void prediction" holds the value of ``void_preds``, or "error" where predictions have no void id: an
    ignored id in a prediction is then out of range.
    """
    header = (
        "protocol",
        "classes",
        "void ids",
        "void prediction",
        "classes in the mean",
        "absent class",
        "official output",
    )
    means = {"union": "in ground truth or prediction", "target": "in the ground truth"}
    left = {"skip": "left out", "zero": "0", "nan": "NaN", "one": "1"}
    rows = []
    for protocol in map(get, names()):
        space = protocol.label_space
        rows.append(
            (
                protocol.name,
                str(space.num_classes),
                _spans(space.ignore_index),
                protocol.void_preds if space.pred_void else "error",
                "all" if protocol.absent in ("zero", "nan") else means[protocol.present],
                left[protocol.absent],
                protocol.printed,
            )
        )
    return Table(header, tuple(rows), words=7)


def _spans(ids: Iterable[int]) -> str:
    """Ids as ranges, such as ``0 to 6, 9``."""
    spans: list[list[int]] = []
    for i in sorted(ids):
        if spans and spans[-1][1] == i - 1:
            spans[-1][1] = i
        else:
            spans.append([i, i])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in spans) or "-"
