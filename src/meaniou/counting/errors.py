"""The error about labels that are out of range, and the sentence that explains it to users."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from meaniou._util import as_options, in_python
from meaniou.counting.batch import map_shape
from meaniou.counting.contents import cause_of
from meaniou.counting.kernels.portable import CPU_TILE, blocks, masked
from meaniou.counting.kernels.readers import PixelReader, at, preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec
from meaniou.settings import TRAIN_VOID, LabelSpace

Dialect = Literal["python", "cli"]

# By how maps of instances hold the class: the class of a label, and what shows that there is more in it than a class.
INSTANCES: dict[str, tuple[Callable[[int], int], Callable[[int], bool]]] = {
    "& 0xFFFF": (lambda label: label & 0xFFFF, lambda label: label >> 16 not in (0, -1)),
    "// 1000": (lambda label: label // 1000, lambda label: label >= 1000),
    "// 256": (lambda label: label // 256, lambda label: label >= 256),
}
COMMON_INSTANCES = ("& 0xFFFF", "// 1000")  # // 256 is Mapillary's alone, and fits too many labels
MANY_VOID = 6  # more void ids are not listed in a sentence

# By what a map seems to hold: the cure in Python, and for a file.
CAUSES = {
    "binary": (
        "if LABEL is the foreground of a binary mask, pass SIDE > 0",
        "if LABEL is the foreground of a binary mask, save it as ids 0 and 1",
    ),
    "jpeg": (
        "if it is a binary mask that was stored as JPEG, which changes labels, pass SIDE >= 128 and store masks as PNG",
        "if it is a binary mask that was stored as JPEG, which changes labels, threshold it at 128 and save it as PNG",
    ),
    "divided": ("fractions are no labels, and these look divided by 255, so multiply by 255 and round",) * 2,
    "fractions": ("fractions are no labels, so pass whole numbers",) * 2,
    "overlap": (
        "labels that overlap have no class map, so make a MeanIoU(2) for each channel, as with preds[:, 0] and "
        "target[:, 0]",
    )
    * 2,
    "no class": ("if a pixel without a 1 is void, pass valid=(SIDE != 0).any(1)",) * 2,
}


@dataclass(eq=False)
class LabelRangeError(ValueError):
    """Labels outside the classes, which are a mistake in the data or the settings.

    Attributes:
        side: ``"preds"`` or ``"target"``, the map that holds them.
        number: how many pixels.
        label_space: the classes that the labels are no part of.
        index: of the first one, on the CPU; else ``None``.
        stored: the value there: one label, or the values of a pixel of class planes.
        cause: what the map seems to hold, a key of ``CAUSES``, or empty.
        image: place in the sequence that was passed, ``None`` for a batch.
        operand: the expression that a cure computes with, such as ``preds.long()`` for uint16, which has few operators
            in PyTorch; empty for the map itself.
    """

    side: str
    number: int
    label_space: LabelSpace
    index: tuple[int, ...] | None = None
    stored: tuple[float, ...] = ()
    cause: str = ""
    image: int | None = None
    operand: str = ""

    def __post_init__(self) -> None:
        super().__init__(*(getattr(self, field.name) for field in fields(self)))  # what pickle makes it from

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.label_space.num_classes

    @property
    def label(self) -> int | None:
        """The first label out of range; ``None`` on an accelerator, and where the value is no whole number."""
        if len(self.stored) != 1 or self.stored[0] != self.stored[0] or self.stored[0] % 1:
            return None
        return int(self.stored[0])

    def __str__(self) -> str:
        return explain(self, "python")


def explain(error: LabelRangeError, dialect: Dialect, path: str = "", all_classes: str = "") -> str:
    """The sentence of an error: the fact and the cures, in the words of Python or of the command line.

    Args:
        error: the error.
        dialect: ``"python"`` for keywords, ``"cli"`` for options.
        path: the file that holds the labels, for the command line.
        all_classes: how all classes are named on the command line, where that is not by their number.
    """
    if dialect == "cli":
        return f"{path} {_fact(error)}; {as_options(_cures(error, on_disk=True, all_classes=all_classes))}."
    image = "" if error.image is None else f"Image {error.image} of the sequence: "
    return f"{image}{error.side} {_fact(error)}; {in_python(_cures(error))}."


def refuse_outside(counts: Tensor, space: LabelSpace) -> None:
    """Raises ``LabelRangeError`` if counts on the CPU hold a label outside the classes that is a mistake."""
    for side, number in zip(("target", "preds"), number_outside(counts), strict=True):
        if number:
            raise LabelRangeError(side, number, space)


def number_outside(counts: Tensor) -> tuple[int, int]:
    """Pixels outside the classes in the truth, and in the prediction where the truth is a class."""
    return int(counts[-1].sum()), int(counts[:-2, -1].sum())


def refuse_labels(counts: Tensor, preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> None:
    """Raises ``LabelRangeError`` if maps on the CPU hold a label outside the classes, by the counts of them."""
    if not spec.validate or preds.device.type != "cpu":
        return
    # One sum tells that there is nothing outside, in half the time of looking at both sides; NumPy's is the faster.
    if counts.numpy()[:-1, :-1].sum() == map_shape(target, spec.target_form).numel():
        return
    in_truth, in_preds = number_outside(counts)
    if not (in_truth or in_preds):
        return
    truth, prediction = target_reader(target, spec), preds_reader(preds, spec)
    index, stored = _first_outside(truth, prediction, valid, in_truth > 0)
    if in_truth:
        side, number, values, form, ids = "target", in_truth, target, spec.target_form, spec.target_ids
    else:
        side, number, values, form, ids = "preds", in_preds, preds, spec.preds_form, spec.preds_ids
    cause = cause_of(values, form, 0 if ids else spec.num_classes)
    raise LabelRangeError(side, number, LabelSpace(spec.num_classes), index, tuple(stored), cause)


def _first_outside(
    truth: PixelReader, prediction: PixelReader, valid: Tensor | None, on_truth: bool
) -> tuple[tuple[int, ...], list[float]]:
    """Index of the first pixel outside the classes, and the values stored there."""
    num_classes = truth.num_classes
    rows, columns, outside = truth.bins(), prediction.bins(), num_classes + 1
    for block in blocks(truth.shape, max(1, CPU_TILE // num_classes)):
        row = rows[masked(truth.read(block), valid, block, rows.numel() - 1)]
        wrong = row == outside if on_truth else (columns[prediction.read(block)] == outside) & (row < num_classes)
        if wrong.any():
            where = torch.unravel_index(wrong.nonzero()[0, 0], [s.stop - s.start for s in block])
            index = tuple(s.start + int(i) for s, i in zip(block, where, strict=True))
            stored = at(truth.data if on_truth else prediction.data, index)
            return index, stored.reshape(-1).tolist()
    raise AssertionError("no pixel is outside")


def _fact(error: LabelRangeError) -> str:
    by_ids = _ids(error) is not None
    classes = f"ids of the {error.num_classes} classes" if by_ids else f"classes 0 to {error.num_classes - 1}"
    fact = f"holds {error.number:,} pixel{'s' * (error.number != 1)} outside the {classes}"
    if error.index is None:
        return fact
    shown = error.stored[0] if len(error.stored) == 1 else "no single 1 among zeros"
    return f"{fact} (the first at index {error.index}: {shown})"


def _cures(error: LabelRangeError, on_disk: bool = False, all_classes: str = "") -> str:
    likely = [CAUSES[error.cause][on_disk]] if error.cause else []
    likely = [cure.replace("SIDE", _operand(error)).replace("LABEL", str(error.label)) for cure in likely]
    if error.label is not None and error.label < 0:
        likely = [cure.replace("> 0", "!= 0") for cure in likely]
    if error.cause in ("divided", "fractions"):
        return likely[0]
    return "; otherwise ".join([*likely, *_hints(error, on_disk), _rules(error, on_disk, all_classes)])


def _operand(error: LabelRangeError) -> str:
    return error.operand or error.side


def _hints(error: LabelRangeError, on_disk: bool) -> Iterator[str]:
    """What the label itself tells, under these classes."""
    label, space = error.label, error.label_space
    yield from (hint for of, hint in space.hint if of is None or of == label)
    if label is None:
        return
    for form in (space.instances,) if space.instances else () if space.protocol else COMMON_INSTANCES:
        class_of, has_more = INSTANCES[form]
        some = " where it is 1000 or more" if form == "// 1000" else ""  # others are stored as they are
        if has_more(label) and class_of(label) in _all_labels(error):
            what = f"store label {form}" if on_disk else f"pass {_operand(error)} {form}"
            yield f"if its labels hold numbers of instances too, {what}{some}"
            return
    if not any(of in (None, label) for of, _ in space.hint):
        yield from _class_numbers(error, label, on_disk)


def _class_numbers(error: LabelRangeError, label: int, on_disk: bool) -> Iterator[str]:
    """Whether the map seems to hold class numbers in place of ids, or ids in place of class numbers."""
    space, stored = error.label_space, "as it is stored, before its labels are reduced"
    of_truth = {i for of_class in space.ids or () for i in of_class}
    if error.side == "preds" and space.pred_ids != space.ids and label in of_truth:
        yield "if predictions hold the ids of the truth, pass {pred_ids:ids}"
    if _ids(error) is None:
        if error.side == "target" and label == error.num_classes > 2 and not space.protocol:
            cure = "store them less 1" if on_disk else f"pass label_space=LabelSpace.reduce_zero_label({label})"
            yield f"if labels are 1 to {label} and 0 is void, {cure}"
    elif label == TRAIN_VOID or 0 <= label < error.num_classes:
        cure = "pass {pred_ids:classes}" if error.side == "preds" else f"pass the truth {stored}"
        yield f"if these are class numbers (train ids), {cure}"


def _rules(error: LabelRangeError, on_disk: bool, all_classes: str) -> str:
    """The settings that would take the labels in, and what else can be done."""
    counted = "" if on_disk else " (validate_args=False only counts such pixels)"
    if error.index is not None and error.label is None:
        return f"correct the data{counted}"
    if error.label_space.protocol:
        classes = "take the protocol that the maps follow"
    elif error.label_space.ids is not None or error.label_space.pred_ids is not None:
        classes = "name it in the LabelSpace"
    elif error.num_classes == 1:
        classes = "set {num_classes:2} for background and foreground"
    else:
        classes = all_classes or "set {num_classes:} to all classes"
    return f"{classes}, {_void_rule(error)}, or correct the {'file' if on_disk else 'data'}{counted}"


def _void_rule(error: LabelRangeError) -> str:
    setting, void = "ignore_index", error.label_space.ignore_index
    if error.side == "preds":
        setting, void = "pred_void", error.label_space.pred_void
    if error.label is not None:
        void = tuple(sorted({*void, error.label}))
    if len(void) > MANY_VOID:
        return f"pass {{{setting}:}} with all void ids, this one too, if it is void"
    ids = ",".join(map(str, void if error.label is not None else ()))
    return f"pass {{{setting}:{ids}}} if {'that is no answer' if error.side == 'preds' else 'such labels are void'}"


def _ids(error: LabelRangeError) -> tuple[tuple[int, ...], ...] | None:
    return error.label_space.pred_ids if error.side == "preds" else error.label_space.ids


def _all_labels(error: LabelRangeError) -> set[int]:
    """All labels that stand for a class or for the void."""
    ids = _ids(error)
    classes = range(error.num_classes) if ids is None else [label for of_class in ids for label in of_class]
    return {*classes, *(error.label_space.pred_void if error.side == "preds" else error.label_space.ignore_index)}
