"""The error for labels out of range, and its message with the likely causes and cures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from meaniou._util import as_options, in_python
from meaniou.counting.confusion.batch import map_shape
from meaniou.counting.contents import cause_of
from meaniou.counting.kernels.portable.confusion import CPU_TILE, blocks, masked
from meaniou.counting.kernels.readers import PixelReader, at, preds_reader, target_reader
from meaniou.counting.kernels.spec import CountSpec
from meaniou.settings import MAX_CLASSES, TRAIN_VOID, LabelSpace

Dialect = Literal["python", "cli"]

# Encodings of labels that hold a class and an instance id: the class of a label, and whether it holds an instance id.
INSTANCES: dict[str, tuple[Callable[[int], int], Callable[[int], bool]]] = {
    "& 0xFFFF": (lambda label: label & 0xFFFF, lambda label: label >> 16 not in (0, -1)),
    "// 1000": (lambda label: label // 1000, lambda label: label >= 1000),
    "// 256": (lambda label: label // 256, lambda label: label >= 256),
}
COMMON_INSTANCES = ("& 0xFFFF", "// 1000")  # // 256 is Mapillary's alone; too many plain labels fit it
MANY_VOID = 6  # beyond this number a message does not list the void ids

# What a map seems to hold: the cure in Python, and the cure for a file. TWO is the place to ask for two classes,
# and CLASSES their number.
CAUSES = {
    "binary": (
        "If LABEL is the foreground of a binary mask, TWOpass SIDE > 0",
        "If LABEL is the foreground of a binary mask, TWOsave the mask with the ids 0 and 1",
    ),
    "jpeg": (
        "If a binary mask was stored as JPEG, which changes labels, TWOpass SIDE >= 128, and store masks as PNG",
        "If a binary mask was stored as JPEG, which changes labels, TWOthreshold it at 128 and save it as PNG",
    ),
    "divided": ("The labels look divided by 255, as by ToTensor. Multiply them by 255 and round",) * 2,
    "fractions": ("Labels must be whole numbers",) * 2,
    "overlap": ("If a pixel can have several labels, use MultilabelMeanIoU(CLASSES)",) * 2,
    "no class": ("If pixels without a 1 are void, pass valid=(SIDE != 0).any(1)",) * 2,
}
# Void predictions count as misses; pixels that are not valid would not count at all.
NO_CLASS_PREDICTED = (
    "If pixels without a 1 are void predictions, pass label maps as preds, with an id of {pred_void:} there"
)


@dataclass(eq=False)
class LabelRangeError(ValueError):
    """Raised for labels out of range: neither a class nor ignored.

    Attributes:
        side: the map that holds them, ``"preds"`` or ``"target"``.
        number: number of pixels out of range.
        label_space: the classes and ids that were allowed.
        index: index of the first such pixel; ``None`` if it was counted on an accelerator.
        stored: the value at ``index``: one label, or the values of all class planes at that pixel.
        cause: the likely cause, a key of ``CAUSES``; empty if unknown.
        image: index in the list of maps that was passed; ``None`` for a batch.
        operand: the expression that a cure uses for the map; empty for its name. It is ``preds.long()`` for uint16 and
            uint32, for which PyTorch has few operators.

    Example:
        >>> import torch
        >>> from meaniou import LabelRangeError, MeanIoU
        >>> try:
        ...     MeanIoU(num_classes=2).update(torch.tensor([[0, 7]]), torch.tensor([[0, 1]]))
        ... except LabelRangeError as error:
        ...     print(error.side, error.number, error.index, error.label)
        preds 1 (0, 1) 7
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
        super().__init__(*(getattr(self, field.name) for field in fields(self)))  # pickle rebuilds it from these

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.label_space.num_classes

    @property
    def label(self) -> int | None:
        """The first label out of range; ``None`` if it is not known or not a whole number."""
        if len(self.stored) != 1 or self.stored[0] != self.stored[0] or self.stored[0] % 1:
            return None
        return int(self.stored[0])

    def __str__(self) -> str:
        return explain(self, "python")


def explain(error: LabelRangeError, dialect: Dialect, path: str = "", all_classes: str = "") -> str:
    """The message of an error: the fact, the likely causes and the cures.

    Args:
        error: the error.
        dialect: ``"python"`` to name keywords, ``"cli"`` to name options of the command line.
        path: the file that holds the labels, for the command line.
        all_classes: how to add a class on the command line, if not by ``--num-classes``.
    """
    if dialect == "cli":
        return f"{path} {_fact(error)}. {as_options(_cures(error, on_disk=True, all_classes=all_classes))}."
    image = "" if error.image is None else f"Image at index {error.image}: "
    return f"{image}{error.side} {_fact(error)}. {in_python(_cures(error))}."


def refuse_outside(counts: Tensor, space: LabelSpace) -> None:
    """Raises ``LabelRangeError`` if counts on the CPU hold labels out of range, except predictions on void."""
    for side, number in zip(("target", "preds"), number_outside(counts), strict=True):
        if number:
            raise LabelRangeError(side, number, space)


def number_outside(counts: Tensor) -> tuple[int, int]:
    """Pixels out of range in the ground truth, and in the prediction where the ground truth is a class."""
    return int(counts[-1].sum()), int(counts[:-2, -1].sum())


def refuse_labels(counts: Tensor, preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> None:
    """Raises ``LabelRangeError`` if maps on the CPU hold labels out of range; ``counts`` are their counts."""
    if not spec.validate or preds.device.type != "cpu":
        return
    # One sum shows that nothing is out of range, in half the time of checking both sides; NumPy sums faster.
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
    """Index of the first pixel out of range, and the values stored there."""
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
    raise AssertionError("no pixel is out of range")


def _fact(error: LabelRangeError) -> str:
    by_ids = _ids(error) is not None
    classes = error.num_classes
    outside = f"outside the ids of the {classes} classes" if by_ids else f"outside the classes 0 to {classes - 1}"
    fact = f"holds {error.number:,} pixel{'s' * (error.number != 1)} {outside}"
    if error.index is None:
        return fact
    shown = error.stored[0] if len(error.stored) == 1 else "no single 1 among zeros"
    return f"{fact} (the first at index {error.index}: {shown})"


def _cures(error: LabelRangeError, on_disk: bool = False, all_classes: str = "") -> str:
    """Sentences without the last full stop: one per likely cause, then the settings that allow such labels."""
    likely = [_likely(error, on_disk, all_classes)] if error.cause else []
    if error.label is not None and error.label < 0:
        likely = [cure.replace("> 0", "!= 0") for cure in likely]
    if error.cause in ("divided", "fractions"):
        return likely[0]
    likely += [f"{hint[:1].upper()}{hint[1:]}".rstrip(".") for hint in _hints(error, on_disk)]
    rules = _rules(error, on_disk, all_classes)
    return ". ".join([*likely, f"Otherwise {rules}" if likely else f"{rules[:1].upper()}{rules[1:]}"])


def _likely(error: LabelRangeError, on_disk: bool, all_classes: str) -> str:
    """The cure for the likely cause."""
    if error.cause == "no class" and error.side == "preds":
        return NO_CLASS_PREDICTED
    cure = CAUSES[error.cause][on_disk].replace("SIDE", _operand(error)).replace("LABEL", str(error.label))
    cure = cure.replace("CLASSES", str(error.num_classes))
    if error.image is not None:  # maps of a list have no batch dimension
        cure = cure.replace(".any(1)", ".any(0)")
    return cure.replace("TWO", f"{all_classes or 'set {num_classes:2}'} and " if error.num_classes == 1 else "")


def _operand(error: LabelRangeError) -> str:
    return error.operand or error.side


def _hints(error: LabelRangeError, on_disk: bool) -> Iterator[str]:
    """Cures that the label itself suggests, given the label space."""
    label, space = error.label, error.label_space
    yield from (hint for of, hint in space.hint if of is None or of == label)
    if label is None:
        return
    for form in (space.instances,) if space.instances else () if space.protocol else COMMON_INSTANCES:
        class_of, has_more = INSTANCES[form]
        some = " where labels are 1000 or more" if form == "// 1000" else ""  # ids of stuff are not multiplied
        if has_more(label) and class_of(label) in _all_labels(error):
            cure = f"store label {form}" if on_disk else f"pass {_operand(error)} {form}"
            yield f"If the labels include instance ids, {cure}{some}"
            return
    if not any(of in (None, label) for of, _ in space.hint):
        yield from _class_numbers(error, label, on_disk)


def _class_numbers(error: LabelRangeError, label: int, on_disk: bool) -> Iterator[str]:
    """Cures for class numbers in place of ids, and for ids in place of class numbers."""
    space = error.label_space
    of_truth = {i for of_class in space.ids or () for i in of_class}
    if error.side == "preds" and space.pred_ids != space.ids and label in of_truth:
        yield "If the predictions hold the same ids as the ground truth, pass {pred_ids:ids}"
    if _ids(error) is None:
        if error.side == "target" and label == error.num_classes > 2 and not space.protocol:
            void = TRAIN_VOID if error.num_classes <= TRAIN_VOID else -1
            cure = f"pass label_space=LabelSpace.reduce_zero_label({label})"
            if on_disk:
                cure = f"subtract 1 from the classes, save void as {void} and pass {{ignore_index:{void}}}"
            yield f"If labels are 1 to {label} and 0 is void, {cure}"
    elif label == TRAIN_VOID or 0 <= label < error.num_classes:
        cure = "pass {pred_ids:classes}" if error.side == "preds" else "use the ground truth with its original ids"
        yield f"If these are class numbers (train ids), {cure}"


def _rules(error: LabelRangeError, on_disk: bool, all_classes: str) -> str:
    """The settings that allow the labels, and the last resort."""
    correct = "correct the file" if on_disk else "correct the data (validate_args=False turns this check off)"
    if error.index is not None and error.label is None:
        return correct
    a_class = "" if error.label is None else " if it is a class"
    rules = [_void_rule(error)]
    if error.label_space.protocol:
        rules.insert(0, "choose the protocol that the maps follow")
    elif error.label_space.ids is not None or error.label_space.pred_ids is not None:
        rules.append(f"add {'all ids' if error.label is None else 'it'} to the LabelSpace{a_class}")
    elif error.num_classes == 1 and error.label in (None, 1) and not all_classes:
        rules.insert(0, "set {num_classes:2} for background and foreground")
    elif error.label is None or 0 <= error.label < MAX_CLASSES:
        rules.append(f"{all_classes or 'raise {num_classes:}'}{a_class}")
    return f"{', '.join(rules)}, or {correct}"


def _void_rule(error: LabelRangeError) -> str:
    """The setting that makes the label void, with the void ids of the label space, which it replaces."""
    setting, void = "ignore_index", error.label_space.ignore_index
    if error.side == "preds":
        setting, void = "pred_void", error.label_space.pred_void
    if error.label is None:
        return f"pass {{{setting}:}} with all void ids"
    void = tuple(sorted({*void, error.label}))
    if len(void) > MANY_VOID:
        return f"pass {{{setting}:}} with all void ids, {error.label} included, if it is void"
    meaning = "marks a void prediction" if error.side == "preds" else "is void"
    return f"pass {{{setting}:{','.join(map(str, void))}}} if {error.label} {meaning}"


def _ids(error: LabelRangeError) -> tuple[tuple[int, ...], ...] | None:
    return error.label_space.pred_ids if error.side == "preds" else error.label_space.ids


def _all_labels(error: LabelRangeError) -> set[int]:
    """All labels that stand for a class or for void."""
    ids = _ids(error)
    classes = range(error.num_classes) if ids is None else [label for of_class in ids for label in of_class]
    return {*classes, *(error.label_space.pred_void if error.side == "preds" else error.label_space.ignore_index)}
