"""How a batch is read and counted."""

from dataclasses import dataclass, field
from numbers import Real

from meaniou._util import check_bool
from meaniou.settings.choices import Impl, InputFormat, check_choice


@dataclass(frozen=True)
class InputSettings:
    """How a batch is read and counted; with the label space, all that makes two states of counts comparable.

    Attributes:
        input_format: how shapes that can be read in two ways are read.
        threshold: class 1 of two is where a single floating channel is above it.
        validate_args: whether labels outside the classes raise.
        impl: the requested kernel; all kernels give the same counts, so metrics that differ in it alone are equal.
    """

    input_format: InputFormat = "auto"
    threshold: float = 0.5
    validate_args: bool = True
    impl: Impl = field(default="auto", compare=False)

    @classmethod
    def of(cls, input_format: InputFormat, threshold: float, validate_args: bool, impl: Impl) -> "InputSettings":
        """Checks the settings and freezes them; raises ``TypeError`` or ``ValueError`` if one is off."""
        check_choice("input_format", input_format)
        check_bool("validate_args", validate_args)
        if isinstance(threshold, bool) or not isinstance(threshold, Real) or threshold != threshold:
            raise TypeError(
                f"threshold is {threshold!r}; expected a number, such as 0.5 for probabilities or 0.0 for logits."
            )
        return cls(input_format, float(threshold), validate_args, impl)
