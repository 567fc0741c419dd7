"""The specification of a count, in plain values that a PyTorch operator accepts as arguments."""

from collections.abc import Iterable
from typing import Any, NamedTuple, get_type_hints

# Types of the fields in PyTorch's schemas.
SCHEMA_TYPES = {str: "str", int: "int", float: "float", bool: "bool", tuple[int, ...]: "int[]"}


class CountSpec(NamedTuple):
    """How the pixels of a batch are read and counted: the arguments of the operators, after the three maps.

    A form is ``"labels"`` (``[*]``), ``"scores"`` or ``"one-hot"`` (``[B, C, *]``) or ``"threshold"`` (floating
    ``[*]``). ``target_ids`` and ``preds_ids`` list the labels of classes and void with their bins, as
    ``"label bin label bin ..."`` sorted by label. Where they are empty, labels are class numbers and ``ignore`` lists
    the void ids. They are text because PyTorch's dispatcher passes 300 numbers in 1 µs as text, in 25 µs as a tuple.
    """

    preds_form: str
    target_form: str
    num_classes: int
    ignore: tuple[int, ...] = ()
    threshold: float = 0.5
    validate: bool = True
    impl: str = "auto"
    target_ids: str = ""
    preds_ids: str = ""

    @classmethod
    def unpack(cls, arguments: Iterable[Any]) -> "CountSpec":
        """The specification from the arguments of an operator; the dispatcher has turned tuples into lists."""
        values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in arguments]
        return cls(*values)

    @classmethod
    def schema(cls) -> str:
        """The fields as the schema of an operator's arguments."""
        arguments = []
        for name, kind in get_type_hints(cls).items():
            default = cls._field_defaults.get(name)
            literal = "" if default is None else f"={list(default) if isinstance(default, tuple) else default!r}"
            arguments.append(f"{SCHEMA_TYPES[kind]} {name}{literal}")
        return ", ".join(arguments)
