"""Records that are equal if all their values are; NaN equals NaN, and arrays are compared by content.

The ``==`` of a dataclass does neither. Until Python 3.12 it compares tuples, in which a NaN equals only the same
object; since 3.13 it compares field by field, where a NaN equals nothing. For arrays it raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

_NAN = object()  # stands for every NaN


@dataclass(frozen=True, eq=False)
class EqualByValue:
    """Base of frozen dataclasses (with ``eq=False``): equal if the class and all values are equal."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def _values(self) -> tuple[Any, ...]:
        return tuple(_comparable(getattr(self, field.name)) for field in fields(self) if field.compare)


def _comparable(value: Any) -> Any:
    """A hashable stand-in: two of them are equal if the values are."""
    if isinstance(value, np.ndarray):
        # NaN of one bit pattern, and 0 for -0.
        one_of_each = np.where(np.isnan(value), np.nan, value + 0.0) if value.dtype.kind == "f" else value
        return value.dtype.str, value.shape, one_of_each.tobytes()
    if isinstance(value, Mapping):
        return frozenset((key, _comparable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return isinstance(value, list), tuple(map(_comparable, value))
    return _NAN if isinstance(value, float | np.floating) and value != value else value
