"""The rules of public benchmarks: which ids are what, and what the pixels without an answer and absent classes cost.

Each protocol is a function of ``rules``, whose text names its source, and a table of its classes beside this file. What
the official tools compute beyond one confusion matrix, such as instance-level scores, is not reproduced.
"""

import difflib
from collections.abc import Iterable

from meaniou._util.tables import Table
from meaniou._util.text import short
from meaniou._util.validation import integer
from meaniou.protocols.benchmarks import ENTERED
from meaniou.protocols.registry import Protocol
from meaniou.settings.class_names import ClassNames, names_of
from meaniou.settings.label_space import LabelSpace, void_ids

__all__ = ["Protocol", "get", "names", "space_of", "table"]


def names() -> tuple[str, ...]:
    """The names of all protocols."""
    return tuple(ENTERED)


def get(name: str) -> Protocol:
    """The protocol of a name; raises ``ValueError`` if there is none.

    Example:
        >>> from meaniou import protocols
        >>> protocols.get("cityscapes").space.names[:2]
        ('road', 'sidewalk')
    """
    if not isinstance(name, str):
        raise TypeError(f"protocol is a {type(name).__name__}; expected the name of one, or a Protocol.")
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted not in ENTERED:
        near = difflib.get_close_matches(wanted, ENTERED, 1, 0.5)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"protocol is {short(name)}; expected one of {', '.join(ENTERED)}{meant}.")
    return ENTERED[wanted]()


def space_of(
    num_classes: int | LabelSpace | None,
    protocol: str | Protocol | None,
    *,
    ignore_index: int | Iterable[int] | None = None,
    class_names: ClassNames | None = None,
    pred_ids: str | None = None,
    pred_void: int | Iterable[int] | None = None,
) -> tuple[LabelSpace, Protocol | None]:
    """The label space of these settings, and their protocol if there is one; a keyword overrides that one rule.

    Raises:
        TypeError: if neither or both of ``num_classes`` and ``protocol`` are given.
        ValueError: if ``num_classes`` is not that of the protocol, or as ``LabelSpace``.
    """
    if pred_ids not in (None, "ids", "classes"):
        raise ValueError(f"pred_ids is {pred_ids!r}; expected 'ids' or 'classes', what the predictions hold.")
    void = None if ignore_index is None else void_ids("ignore_index", ignore_index)
    chosen = protocol if protocol is None or isinstance(protocol, Protocol) else get(protocol)
    if chosen is None and num_classes is None:
        raise TypeError("num_classes is None; expected the number of classes, a LabelSpace, or protocol= beside it.")
    if isinstance(num_classes, LabelSpace) and chosen is not None:
        raise ValueError(
            f"There is a LabelSpace beside the protocol {chosen.name!r}; expected one of them, so leave one out."
        )
    if (
        chosen is not None
        and num_classes is not None
        and integer("num_classes", num_classes) != chosen.space.num_classes
    ):
        raise ValueError(
            f"num_classes is {num_classes!r} beside the protocol {chosen.name!r}, which has "
            f"{chosen.space.num_classes} classes; leave it out."
        )
    if chosen is not None:
        space = chosen.space
    else:
        space = num_classes if isinstance(num_classes, LabelSpace) else LabelSpace(num_classes)  # type: ignore[arg-type]
    names = None if class_names is None else names_of(class_names, space.num_classes)
    given = {"void": void, "names": names, "pred_ids": pred_ids, "pred_void": pred_void}
    given = {name: value for name, value in given.items() if value is not None}
    return (space.but(**given) if given else space), chosen


def table() -> Table:
    """All protocols and their rules, as the documentation shows them."""
    header = ("protocol", "classes", "void in the truth", "void as a prediction", "classes in the mean", "absent class")
    costs = {"miss": "a miss", "drop": "void", "error": "an error"}
    means = {"union": "in truth or prediction", "target": "in the truth"}
    left = {"skip": "left out", "zero": "0", "nan": "NaN", "one": "1"}
    rows = []
    for protocol in map(get, names()):
        space = protocol.space
        rows.append(
            (
                protocol.name,
                str(space.num_classes),
                _spans(space.void),
                costs[protocol.unanswered] if space.pred_void else "an error",
                "all" if protocol.absent in ("zero", "nan") else means[protocol.present],
                left[protocol.absent],
                protocol.printed,
            )
        )
    return Table((*header, "printed as"), tuple(rows), words=7)


def _spans(ids: Iterable[int]) -> str:
    """Ids in words, ``0-6, 9``."""
    spans: list[list[int]] = []
    for i in sorted(ids):
        if spans and spans[-1][1] == i - 1:
            spans[-1][1] = i
        else:
            spans.append([i, i])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in spans) or "-"
