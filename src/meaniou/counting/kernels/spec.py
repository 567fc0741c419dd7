"""The specification of a count, in plain values that an operator of PyTorch can carry."""

from collections.abc import Iterable
from typing import Any, NamedTuple, get_type_hints

# Types of the fields, in the words of PyTorch's schemas.
SCHEMA_TYPES = {str: "str", int: "int", float: "float", bool: "bool", tuple[int, ...]: "int[]"}


class CountSpec(NamedTuple):
    """How the pixels of a batch are read and counted: the arguments of the operators, after the three maps.

    A form is ``"labels"`` (``[*]``), ``"scores"`` or ``"one-hot"`` (``[B, C, *]``) or ``"threshold"`` (floating
    ``[*]``). The ids of a side name each label that stands for a class or for the void, with its bin, as
    ``"label bin label bin ..."`` in the order of the labels; without them a class is its own label, and ``ignore``
    holds the void. They are text since of 300 numbers PyTorch's dispatcher carries a tuple in 25 µs, and the text in 1.
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
        """The specification that ``*spec`` was packed from, after the dispatcher has made lists of its tuples."""
        values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in arguments]
        return cls(*values)

    @classmethod
    def schema(cls) -> str:
        """The fields as arguments of an operator."""
        arguments = []
        for name, kind in get_type_hints(cls).items():
            default = cls._field_defaults.get(name)
            literal = "" if default is None else f"={list(default) if isinstance(default, tuple) else default!r}"
            arguments.append(f"{SCHEMA_TYPES[kind]} {name}{literal}")
        return ", ".join(arguments)
