"""The settings of reading and counting a batch of label maps or scores."""

from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from meaniou._util import check_bool, quoted
from meaniou.settings.choices import Impl, InputFormat, check_choice


@dataclass(frozen=True)
class InputSettings:
    """How a batch is read and counted. Counts with equal input settings and label spaces can be added and compared.

    Attributes:
        input_format: ``"index"`` for label maps, ``"one-hot"`` for class planes, ``"auto"`` to decide by the contents.
        threshold: with two classes and one floating channel, class 1 is predicted above this score.
        validate_args: whether labels out of range raise ``LabelRangeError``, and suspicious values cause a warning.
        impl: the requested kernel. All kernels give the same counts, so it is left out of comparisons.
    """

    input_format: InputFormat = "auto"
    threshold: float = 0.5
    validate_args: bool = True
    impl: Impl = field(default="auto", compare=False)

    @classmethod
    def of(cls, input_format: InputFormat, threshold: float, validate_args: bool, impl: Impl) -> "InputSettings":
        """Checks the settings and freezes them; raises ``TypeError`` or ``ValueError`` for a wrong one."""
        check_choice("input_format", input_format)
        check_bool("validate_args", validate_args)
        return cls(input_format, as_threshold("threshold", threshold), validate_args, impl)


def as_threshold(name: str, value: Any) -> float:
    """A threshold as a float; one in float32 becomes its shortest decimal, so that 0.1 in float32 is 0.1.

    Raises:
        TypeError: unless it is a number, and for NaN.
    """
    number = value
    if not isinstance(value, int | float) and getattr(value, "ndim", None) == 0:  # of an array or a tensor
        number = value.item()
        if value.dtype.itemsize <= 4 and isinstance(number, float):
            number = float(str(np.float32(number)))
    if isinstance(number, bool) or not isinstance(number, Real) or number != number:
        cure = "a number, such as 0.5 for probabilities or 0.0 for logits"
        if isinstance(number, Real) and number != number:
            cure = (
                "a number. An IoUCurve has no best threshold for a label that its data do not hold; choose one for it, "
                "such as best.threshold.nan_to_num(0.5)"
            )
        raise TypeError(f"{name} is {quoted(value)}; expected {cure}.")
    try:
        return float(number)
    except OverflowError:
        raise ValueError(f"{name} holds a whole number beyond the range of floats; expected at most 1.8e308.") from None
