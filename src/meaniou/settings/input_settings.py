"""The settings of how a batch is read and counted."""

from dataclasses import dataclass, field
from numbers import Real

from meaniou._util import check_bool
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
        if isinstance(threshold, bool) or not isinstance(threshold, Real) or threshold != threshold:
            raise TypeError(
                f"threshold is {threshold!r}; expected a number, such as 0.5 for probabilities or 0.0 for logits."
            )
        return cls(input_format, float(threshold), validate_args, impl)
