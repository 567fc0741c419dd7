"""The error for values of labels that are neither 0, 1 nor void, and its message with the likely causes and cures."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou._util import as_options, in_python, quoted
from meaniou.counting.contents import are_flags, cause_of_fractions
from meaniou.counting.kernels.label_table import holds
from meaniou.counting.kernels.spec import ThresholdSpec

Dialect = Literal["python", "cli"]


@dataclass(eq=False)
class LabelValueError(ValueError):
    """Raised for labels that overlap if a value is neither 0, 1 nor void.

    Attributes:
        side: the maps that hold it, ``"preds"`` or ``"target"``.
        label: the number of the first label with such values.
        number: the number of its pixels with such values.
        index: index of the first such pixel in the maps; ``None`` if it was counted on an accelerator.
        value: the value at ``index``.
        cause: the likely cause: ``"binary"`` if the label holds only 0 and this value, ``"divided"`` if values were
            divided by 255, ``"fractions"``, or ``"swapped"`` if the target holds fractions and the predictions hold
            only 0 and 1; empty if unknown.
        name: the name of the label.
        image: index in the list of maps that was passed; ``None`` for a batch.

    Example:
        >>> import torch
        >>> from meaniou import LabelValueError, MultilabelMeanIoU
        >>> try:
        ...     MultilabelMeanIoU(num_labels=2).update(torch.rand(1, 2, 3), torch.tensor([[[0, 1, 1], [0, 0, 7]]]))
        ... except LabelValueError as error:
        ...     print(error.side, error.label, error.number, error.index, error.value)
        target 1 1 (0, 1, 2) 7
    """

    side: str
    label: int
    number: int
    index: tuple[int, ...] | None = None
    value: float | None = None
    cause: str = ""
    name: str = ""
    image: int | None = None

    def __post_init__(self) -> None:
        super().__init__(*(getattr(self, field.name) for field in fields(self)))  # pickle rebuilds it from these

    def __str__(self) -> str:
        return explain_value(self, "python")


def explain_value(error: LabelValueError, dialect: Dialect, path: str = "") -> str:
    """The message of an error: the fact, the likely causes and the cures.

    Args:
        error: the error.
        dialect: ``"python"`` to name keywords, ``"cli"`` to name options of the command line.
        path: the file that holds the values, for the command line.
    """
    cures = " ".join(_cures(error, on_disk=dialect == "cli"))
    if dialect == "cli":
        return f"{path} {_fact(error)}. {as_options(cures)}"
    image = "" if error.image is None else f"Image at index {error.image}: "
    return f"{image}{error.side} {_fact(error)}. {in_python(cures)}"


def refuse_values(counts: Tensor, names: tuple[str, ...]) -> None:
    """Raises ``LabelValueError`` if counts ``[L, 4, T + 3]`` on the CPU hold values outside, except on void."""
    for side, numbers in _outside_by_side(counts.numpy()[None]):
        label = int((numbers > 0).argmax())
        raise LabelValueError(side, label, int(numbers[label]), name=names[label])


def refuse_values_of(counts: Tensor, preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> None:
    """Raises ``LabelValueError`` if maps on the CPU hold values outside; ``counts`` are their counts, of any groups."""
    if not spec.validate or preds.device.type != "cpu":
        return
    for side, numbers in _outside_by_side(counts.numpy()):
        label = int((numbers > 0).argmax())
        maps = {"preds": preds, "target": target}
        values = {name: _comparable(part[:, label]) for name, part in maps.items()}
        outside = _is_outside(values[side], spec.ignore)
        if side == "preds":  # a prediction on void is not refused
            outside &= _is_flag(values["target"])
        if valid is not None:
            outside &= valid[:, label]
        image, *pixel = map(int, torch.unravel_index(outside.flatten().nonzero()[0, 0], outside.shape))
        value = values[side][(image, *pixel)].item()
        cause = _cause_of(values[side], value, swapped=side == "target" and are_flags(values["preds"]))
        raise LabelValueError(side, label, int(numbers[label]), (image, label, *pixel), value, cause)


def _outside_by_side(counts: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The sides with values outside, and their pixels for each label, ``[L]``, from counts ``[G, L, 4, T + 3]``.

    A prediction outside counts where the ground truth is 0 or 1.
    """
    for side, part in (("target", counts[:, :, 3]), ("preds", counts[:, :, :2, -1])):
        if part.any():
            yield side, part.sum((0, -1))


def _comparable(values: Tensor) -> Tensor:
    """The values in a dtype that PyTorch can compare."""
    values = values.detach()
    return values.long() if values.dtype in (torch.uint16, torch.uint32) else values


def _is_flag(values: Tensor) -> Tensor:
    return (values == 0) | (values == 1)


def _is_outside(values: Tensor, ignore: tuple[int, ...]) -> Tensor:
    """Whether a value is neither 0, 1 nor void."""
    outside = ~_is_flag(values)
    for value in ignore:
        if holds(values.dtype, value):
            outside &= values != value
    return outside


def _cause_of(values: Tensor, value: float, swapped: bool) -> str:
    """The likely cause of a value outside, a key of the causes in ``LabelValueError``; empty if unknown."""
    if values.is_floating_point() and (cause := cause_of_fractions(values)):
        return "swapped" if swapped and cause == "fractions" else cause
    return "binary" if bool(((values == 0) | (values == value)).all()) else ""


def _fact(error: LabelValueError) -> str:
    name = "" if error.name in ("", str(error.label)) else f" ({quoted(error.name)})"
    plural = "s" * (error.number != 1)
    fact = f"holds {error.number:,} pixel{plural} of label {error.label}{name} that are neither 0, 1 nor void"
    if error.index is None or error.value is None:
        return fact
    return f"{fact} (the first at index {error.index}: {_shown(error.value)})"


def _shown(value: float) -> str:
    """A whole number in full, a fraction with few digits."""
    return f"{value:.3g}" if isinstance(value, float) and value % 1 else f"{value:.0f}"


def _cures(error: LabelValueError, on_disk: bool) -> Iterator[str]:
    """Sentences: one for the likely cause, then the setting that allows the value."""
    side, value = error.side, error.value
    correct = "correct the file" if on_disk else "correct the data (validate_args=False skips this check)"
    if value is None:
        yield f"Pass {{ignore_index:}} with all void values, or {correct}."
        return
    if error.cause == "divided":
        multiply = "Multiply them by 255 and round" if on_disk else f"Pass ({side} * 255).round()"
        yield f"The values look divided by 255, as by ToTensor. {multiply}."
        return
    if value % 1:  # also NaN
        if error.cause == "swapped":
            yield "If the two are swapped, pass the prediction first."
        yield "Labels must be 0 or 1: resize masks only by nearest neighbour, and round soft labels."
        return
    if error.cause == "binary":
        cure = "store it as 1" if on_disk else f"pass {side} == {_shown(value)}"
        yield f"If {_shown(value)} says that the label is set, {cure}."
    if side == "preds":
        yield "If these are scores, " + ("store floating numbers." if on_disk else "pass floating ones.")
    meaning = "marks a void prediction" if side == "preds" else "is void"
    yield f"If {_shown(value)} {meaning}, pass {{ignore_index:{_shown(value)}}}; otherwise {correct}."
