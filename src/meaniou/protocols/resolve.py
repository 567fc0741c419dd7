"""Resolves ``num_classes``, ``label_space``, ``protocol`` and related keywords to one label space."""

from collections.abc import Iterable

from meaniou._util import as_integer, quoted
from meaniou.protocols.catalog import get
from meaniou.protocols.protocol import Protocol
from meaniou.settings import ClassNames, LabelSpace, as_void_ids, resolve_class_names


def resolve_label_space(
    num_classes: int | None,
    label_space: LabelSpace | None,
    protocol: str | Protocol | None,
    *,
    ignore_index: int | Iterable[int] | None = None,
    class_names: ClassNames | None = None,
    pred_ids: str | None = None,
    pred_void: int | Iterable[int] | None = None,
) -> tuple[LabelSpace, Protocol | None]:
    """The label space for these settings, and the protocol if one was named; each keyword overrides one rule.

    Raises:
        TypeError: if ``num_classes``, ``label_space`` and ``protocol`` are all ``None``, or one has the wrong type.
        ValueError: if two of them contradict each other, or as ``LabelSpace``.
    """
    if pred_ids not in (None, "ids", "classes"):
        raise ValueError(f"pred_ids is {pred_ids!r}; expected 'ids' or 'classes'.")
    if isinstance(num_classes, LabelSpace):
        raise TypeError("num_classes is a LabelSpace; expected a number. Pass label_space= instead.")
    if isinstance(label_space, str | Protocol):
        value = repr(label_space) if isinstance(label_space, str) else "a Protocol"
        raise TypeError(f"label_space is {value}; expected a LabelSpace. For a protocol pass protocol= instead.")
    if not isinstance(label_space, LabelSpace | None):
        raise TypeError(
            f"label_space is {quoted(label_space)} ({type(label_space).__name__}); expected a LabelSpace. Pass "
            "num_classes= for a number of classes."
        )
    rules = protocol if protocol is None or isinstance(protocol, Protocol) else get(protocol)
    if rules is not None and label_space is not None:
        raise ValueError(f"Both label_space and protocol={rules.name!r} were passed; expected one of them.")
    space = label_space if rules is None else rules.label_space
    if space is None:
        if num_classes is None:
            raise TypeError("num_classes is None. Pass the number of classes, label_space= or protocol=.")
        space = LabelSpace(num_classes)
    elif num_classes is not None and as_integer("num_classes", num_classes) != space.num_classes:
        other = "the label space" if rules is None else f"the protocol {rules.name!r}"
        raise ValueError(
            f"num_classes is {num_classes!r}, but {other} has {space.num_classes} classes. Leave num_classes out."
        )
    changes = {
        "ignore_index": None if ignore_index is None else as_void_ids("ignore_index", ignore_index),
        "class_names": None if class_names is None else resolve_class_names(class_names, space.num_classes),
        "pred_ids": pred_ids,
        "pred_void": pred_void,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    return (space.replace(**changes) if changes else space), rules
