"""Checks of arguments: flags, whole numbers and iterables."""

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
    """The whole number in ``value``, such as a NumPy integer; raises ``TypeError`` for anything else, bool too."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:  # also raised by tensors and arrays of several numbers
        pass
    raise TypeError(f"{name} holds {quoted(value)} ({type(value).__name__}); expected a whole number, so pass an int.")


def as_iterable(name: str, values: Iterable[T]) -> Iterable[T]:
    """The same values; raises ``TypeError`` if they cannot be iterated over."""
    try:
        iter(values)
    except TypeError:  # also raised by tensors and arrays without a dimension
        raise TypeError(
            f"{name} is {quoted(values)} ({type(values).__name__}); expected several of them, so pass a list."
        ) from None
    return values
