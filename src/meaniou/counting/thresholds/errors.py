"""The error for values of labels that are neither 0, 1 nor void, and its message with the likely causes and cures."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from meaniou._util import as_options, in_python, quoted
from meaniou.counting.contents import cause_of_fractions
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
        index: index of the first such pixel; ``None`` if it was counted on an accelerator.
        value: the value at ``index``.
        cause: ``"binary"`` if the label holds 0 and this value alone, ``"divided"`` for values that were divided by
            255, ``"fractions"``, or empty.
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
    for side, numbers in zip(("target", "preds"), _numbers_outside(counts), strict=True):
        if (label := _first(numbers)) is not None:
            raise LabelValueError(side, label, int(numbers[label]), name=names[label])


def refuse_values_of(counts: Tensor, preds: Tensor, target: Tensor, valid: Tensor | None, spec: ThresholdSpec) -> None:
    """Raises ``LabelValueError`` if maps on the CPU hold values outside; ``counts`` are their counts, of any groups."""
    if not spec.validate or preds.device.type != "cpu":
        return
    total = counts.sum(0)
    for side, numbers in zip(("target", "preds"), _numbers_outside(total), strict=True):
        if (label := _first(numbers)) is None:
            continue
        values = (target if side == "target" else preds).detach()[:, label]
        outside = _outside(values, spec.ignore)
        for name, other in (("target", target), ("valid", valid)):
            if other is not None and side != name:  # a prediction on void is not refused
                outside &= other[:, label] if name == "valid" else _is_flag(other[:, label])
        place = torch.unravel_index(outside.flatten().nonzero()[0, 0], outside.shape)
        image, *pixel = (int(i) for i in place)
        value = values[(image, *pixel)].item()
        raise LabelValueError(
            side, label, int(numbers[label]), (image, label, *pixel), value, _cause_of(values, float(value)), str(label)
        )


def _numbers_outside(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels outside of each label, in the ground truth, and in the prediction where the ground truth is 0 or 1."""
    return counts[:, 3].sum(-1), counts[:, :2, -1].sum(-1)


def _first(numbers: Tensor) -> int | None:
    labels = numbers.nonzero()
    return int(labels[0, 0]) if len(labels) else None


def _is_flag(values: Tensor) -> Tensor:
    return (values == 0) | (values == 1)


def _outside(values: Tensor, ignore: tuple[int, ...]) -> Tensor:
    """Whether a value is neither 0, 1 nor void."""
    outside = ~_is_flag(values)
    for value in ignore:
        if holds(values.dtype, value):
            outside &= values != value
    return outside


def _cause_of(values: Tensor, value: float) -> str:
    if values.is_floating_point() and (cause := cause_of_fractions(values)):
        return cause
    return "binary" if bool(((values == 0) | (values == value)).all()) else ""


def _fact(error: LabelValueError) -> str:
    name = "" if error.name in ("", str(error.label)) else f" {quoted(error.name)}"
    plural = "s" * (error.number != 1)
    fact = f"holds {error.number:,} pixel{plural} of label {error.label}{name} with a value other than 0, 1 and void"
    return fact if error.index is None else f"{fact} (the first at index {_place(error)}: {error.value:g})"


def _place(error: LabelValueError) -> tuple[int, ...] | None:
    """The index in the map that the user passed."""
    return error.index if error.image is None or error.index is None else error.index[1:]


def _cures(error: LabelValueError, on_disk: bool) -> Iterator[str]:
    """Sentences: one for the likely cause, then the setting that allows the value."""
    side, value = error.side, error.value
    if error.cause == "divided":
        multiply = "Multiply them by 255 and round" if on_disk else f"Pass ({side} * 255).round()"
        yield f"The values look divided by 255, as by ToTensor. {multiply}."
        return
    if error.cause == "fractions" or (value is not None and value != value):
        if side == "target":
            yield "A ground truth must be 0 or 1. Resize masks only by nearest neighbour, and round soft labels."
        else:
            yield "Labels must be 0 or 1."
        return
    if value is None:
        yield "Pass {ignore_index:} with all void values, or correct the data (validate_args=False skips this check)."
        return
    if error.cause == "binary":
        cure = "store it as 1" if on_disk else f"pass {side} == {value:g}"
        yield f"If {value:g} says that the label is set, {cure}."
    if side == "preds" and not on_disk:
        yield "If these are scores, pass floating ones."
    correct = "correct the file" if on_disk else "correct the data (validate_args=False turns this check off)"
    meaning = "marks a void prediction" if side == "preds" else "is void"
    yield f"If {value:g} {meaning}, pass {{ignore_index:{value:g}}}; otherwise {correct}."
