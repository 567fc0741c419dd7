"""The label space that ``num_classes``, ``protocol`` and the keywords beside them ask for."""

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
    """The label space of these settings, and their protocol if there is one; a keyword overrides that one rule.

    Raises:
        TypeError: if none of ``num_classes``, ``label_space`` and ``protocol`` is given, or one has the wrong type.
        ValueError: if two of them do not fit together, or as ``LabelSpace``.
    """
    if pred_ids not in (None, "ids", "classes"):
        raise ValueError(f"pred_ids is {pred_ids!r}; expected 'ids' or 'classes', what the predictions hold.")
    if isinstance(num_classes, LabelSpace):
        raise TypeError("num_classes is a LabelSpace; expected the number of classes, so pass label_space= instead.")
    if isinstance(label_space, str | Protocol):
        raise TypeError("label_space is a protocol or its name; expected a LabelSpace, so pass protocol= instead.")
    if not isinstance(label_space, LabelSpace | None):
        raise TypeError(
            f"label_space is {quoted(label_space)} ({type(label_space).__name__}); expected a LabelSpace, so pass "
            "num_classes= for a number."
        )
    rules = protocol if protocol is None or isinstance(protocol, Protocol) else get(protocol)
    if rules is not None and label_space is not None:
        raise ValueError(f"There is a label_space beside the protocol {rules.name!r}; expected one of them.")
    space = label_space if rules is None else rules.label_space
    if space is None:
        if num_classes is None:
            raise TypeError("num_classes is None; expected the number of classes, or pass label_space= or protocol=.")
        space = LabelSpace(num_classes)
    elif num_classes is not None and as_integer("num_classes", num_classes) != space.num_classes:
        beside = "the label space" if rules is None else f"the protocol {rules.name!r}"
        raise ValueError(
            f"num_classes is {num_classes!r} beside {beside}, which has {space.num_classes} classes; leave it out."
        )
    changes = {
        "ignore_index": None if ignore_index is None else as_void_ids("ignore_index", ignore_index),
        "class_names": None if class_names is None else resolve_class_names(class_names, space.num_classes),
        "pred_ids": pred_ids,
        "pred_void": pred_void,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    return (space.replace(**changes) if changes else space), rules
