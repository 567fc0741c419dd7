"""Settings with a fixed set of values."""

from typing import Literal, get_args

MAX_CLASSES = 4096

Average = Literal["macro", "micro", "weighted", "none"]
VoidPreds = Literal["miss", "drop", "error"]
Present = Literal["union", "target"]
Absent = Literal["skip", "zero", "one", "nan"]
Over = Literal["dataset", "image", "class"]
InputFormat = Literal["auto", "index", "one-hot"]
VoidRule = Literal["ignore", "literal"]
Impl = str  # "auto" or the name of a kernel; ``counting`` has the table of kernels

CHOICES: dict[str, tuple[str, ...]] = {
    "average": get_args(Average),
    "void_preds": get_args(VoidPreds),
    "present": get_args(Present),
    "absent": get_args(Absent),
    "over": get_args(Over),
    "input_format": get_args(InputFormat),
    "void": get_args(VoidRule),
}


def check_choice(name: str, value: object) -> None:
    """Raises ``ValueError`` unless ``value`` is one of the choices of that name."""
    if value not in CHOICES[name]:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, CHOICES[name]))}.")
