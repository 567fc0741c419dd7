"""Checks of arguments: bools, whole numbers and iterables."""

import operator
from collections.abc import Iterable
from typing import Any, TypeVar

from meaniou._util.text import quoted

T = TypeVar("T")


def check_bool(name: str, value: object) -> None:
    """Raises ``TypeError`` unless ``value`` is a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected True or False.")


def as_integer(name: str, value: Any) -> int:
    """``value``, such as a NumPy integer, as an int; raises ``TypeError`` for anything else, also for a bool."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:  # also raised by tensors and arrays of several numbers
        pass
    raise TypeError(f"{name} holds {quoted(value)} ({type(value).__name__}); expected a whole number (int).")


def as_iterable(name: str, values: Iterable[T]) -> Iterable[T]:
    """``values`` unchanged; raises ``TypeError`` if they are not iterable."""
    try:
        iter(values)
    except TypeError:  # also raised by tensors and arrays without a dimension
        raise TypeError(
            f"{name} is {quoted(values)} ({type(values).__name__}); expected several values, so pass a list."
        ) from None
    return values
