"""The label space that ``num_classes``, ``protocol`` and the keywords beside them ask for."""

from collections.abc import Iterable

from meaniou._util import integer
from meaniou.protocols.catalog import get
from meaniou.protocols.registry import Protocol
from meaniou.settings import ClassNames, LabelSpace, names_of, void_ids


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
