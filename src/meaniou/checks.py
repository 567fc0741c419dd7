"""What all settings are checked by: choices, flags, whole numbers."""

from collections.abc import Iterable
from typing import Any, Literal, TypeVar, get_args

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
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} holds {value!r} ({type(value).__name__}); expected a whole number, so pass an int.")
    return int(value.__index__())


def each(name: str, values: Iterable[T]) -> Iterable[T]:
    if not isinstance(values, Iterable):
        raise TypeError(f"{name} is {values!r} ({type(values).__name__}); expected several of them, so pass a list.")
    return values
