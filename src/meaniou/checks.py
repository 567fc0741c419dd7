"""What all settings are checked by: choices, flags, whole numbers."""

import operator
from collections.abc import Iterable
from typing import Any, Literal, TypeVar, get_args

MAX_CLASSES = 4096

Average = Literal["macro", "micro", "weighted", "none"]
Unanswered = Literal["miss", "drop", "error"]
Present = Literal["union", "target"]
Absent = Literal["skip", "zero", "one", "nan"]
Over = Literal["dataset", "image", "class"]
InputFormat = Literal["auto", "index", "one-hot"]
Impl = Literal["auto", "portable", "cpu", "cuda"]

CHOICES: dict[str, tuple[str, ...]] = {
    "average": get_args(Average),
    "unanswered": get_args(Unanswered),
    "present": get_args(Present),
    "absent": get_args(Absent),
    "over": get_args(Over),
    "input_format": get_args(InputFormat),
    "impl": get_args(Impl),
}

T = TypeVar("T")


def one_of(name: str, value: object) -> None:
    """Raises ``ValueError`` unless ``value`` is one of the choices of that name."""
    if value not in CHOICES[name]:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, CHOICES[name]))}.")


def flag(name: str, value: object) -> None:
    """Raises ``TypeError`` unless ``value`` is a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected True or False.")


def integer(name: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:  # also of tensors and arrays that are none
        pass
    shown = " ".join(repr(value).split())[:80]
    raise TypeError(f"{name} holds {shown} ({type(value).__name__}); expected a whole number, so pass an int.")


def each(name: str, values: Iterable[T]) -> Iterable[T]:
    try:
        iter(values)
    except TypeError:  # also of tensors and arrays without a dimension
        shown = " ".join(repr(values).split())[:80]
        raise TypeError(
            f"{name} is {shown} ({type(values).__name__}); expected several of them, so pass a list."
        ) from None
    return values
