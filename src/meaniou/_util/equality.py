"""Records that are equal by value, where NaN equals NaN.

The ``==`` of a dataclass does not do that. Until Python 3.12 it compares tuples, in which a NaN equals only the same
object; since 3.13 it compares field by field, where a NaN equals nothing. With arrays it raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

_NAN = object()  # stands for every NaN


@dataclass(frozen=True, eq=False)
class EqualByValue:
    """The base of frozen dataclasses (with ``eq=False``) that are equal if their class and all values are."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def _values(self) -> tuple[Any, ...]:
        return tuple(_comparable(getattr(self, field.name)) for field in fields(self) if field.compare)


def _comparable(value: Any) -> Any:
    """A hashable stand-in that is equal where the values are."""
    if isinstance(value, np.ndarray):
        # One NaN, and one zero.
        one_of_each = np.where(np.isnan(value), np.nan, value + 0.0) if value.dtype.kind == "f" else value
        return value.dtype.str, value.shape, one_of_each.tobytes()
    if isinstance(value, Mapping):
        return frozenset((key, _comparable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return isinstance(value, list), tuple(map(_comparable, value))
    return _NAN if isinstance(value, float | np.floating) and value != value else value
