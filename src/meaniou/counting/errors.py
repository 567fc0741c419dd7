"""Labels out of range -> one error with plain fields, and the sentence that explains it to users."""

from collections.abc import Callable, Iterator

from torch import Tensor

from meaniou._util import as_options, in_python
from meaniou.settings import TRAIN_VOID, LabelSpace

# How maps of instances hold the class -> the class of a label, and what shows that there is more in it than a class.
INSTANCES: dict[str, tuple[Callable[[int], int], Callable[[int], bool]]] = {
    "& 0xFFFF": (lambda label: label & 0xFFFF, lambda label: label >> 16 not in (0, -1)),
    "// 1000": (lambda label: label // 1000, lambda label: label >= 1000),
    "// 256": (lambda label: label // 256, lambda label: label >= 256),
}
COMMON_INSTANCES = ("& 0xFFFF", "// 1000")  # // 256 is Mapillary's alone, and fits too many labels
MANY_VOID = 6  # more void ids are not listed in a sentence

# What a map seems to hold -> the cure in Python, and for a file.
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


class LabelRangeError(ValueError):
    """Labels outside the classes that are a mistake in the data or the settings.

    Attributes:
        side: ``"preds"`` or ``"target"``, the map that holds them.
        number: how many pixels.
        num_classes: number of classes.
        index: of the first one, on the CPU; else ``None``.
        stored: what is stored there: one label, or the values of a pixel of class planes.
        cause: what the map seems to hold, a key of ``CAUSES``, or empty.
        space: the classes that the labels are no part of.
        image: place in the sequence that was passed, ``None`` for a batch.
        operand: what arithmetic takes, which is another tensor for the dtypes of which PyTorch has little.
    """

    def __init__(
        self,
        side: str,
        number: int,
        num_classes: int,
        index: tuple[int, ...] | None = None,
        stored: tuple[float, ...] = (),
        cause: str = "",
    ) -> None:
        super().__init__(side, number, num_classes, index, stored, cause)
        self.side, self.number, self.num_classes, self.index = side, number, num_classes, index
        self.stored, self.cause = stored, cause
        self.label_space = LabelSpace(num_classes)
        self.image: int | None = None
        self.operand = side

    @property
    def label(self) -> int | None:
        """The first label that is outside, where it is known and a whole number."""
        if len(self.stored) != 1 or self.stored[0] != self.stored[0] or self.stored[0] % 1:
            return None
        return int(self.stored[0])

    def __str__(self) -> str:
        image = "" if self.image is None else f"Image {self.image} of the sequence: "
        return f"{image}{self.side} {_fact(self)}; {in_python(_cures(self))}."

    def of_file(self, path: object, all_classes: str = "") -> str:
        """The same for a file and the command line; ``all_classes`` says how all classes are named there."""
        return f"{path} {_fact(self)}; {as_options(_cures(self, on_disk=True, all_classes=all_classes))}."


def refuse_outside(counts: Tensor, space: LabelSpace) -> None:
    """Raises ``LabelRangeError`` if counts on the CPU hold a label outside the classes that is a mistake."""
    for side, number in zip(("target", "preds"), number_outside(counts), strict=True):
        if number:
            error = LabelRangeError(side, number, space.num_classes)
            error.label_space = space
            raise error


def number_outside(counts: Tensor) -> tuple[int, int]:
    """Pixels outside the classes in the truth, and in the prediction where the truth is a class."""
    return int(counts[-1].sum()), int(counts[:-2, -1].sum())


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
    likely = [cure.replace("SIDE", error.operand).replace("LABEL", str(error.label)) for cure in likely]
    if error.label is not None and error.label < 0:
        likely = [cure.replace("> 0", "!= 0") for cure in likely]
    if error.cause in ("divided", "fractions"):
        return likely[0]
    return "; otherwise ".join([*likely, *_hints(error, on_disk), _rules(error, on_disk, all_classes)])


def _hints(error: LabelRangeError, on_disk: bool) -> Iterator[str]:
    """What the label itself tells, under these classes."""
    label, space = error.label, error.label_space
    yield from (hint for of, hint in space.hint if of is None or of == label)
    if label is None:
        return
    for form in (space.instances,) if space.instances else () if space.protocol else COMMON_INSTANCES:
        class_of, has_more = INSTANCES[form]
        some = " where it is 1000 or more" if form == "// 1000" else ""  # others are stored as they are
        if has_more(label) and class_of(label) in _known(error):
            what = f"store label {form}" if on_disk else f"pass {error.operand} {form}"
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
    listed = ",".join(map(str, void if error.label is not None else ()))
    return f"pass {{{setting}:{listed}}} if {'that is no answer' if error.side == 'preds' else 'such labels are void'}"


def _ids(error: LabelRangeError) -> tuple[tuple[int, ...], ...] | None:
    return error.label_space.pred_ids if error.side == "preds" else error.label_space.ids


def _known(error: LabelRangeError) -> set[int]:
    """All labels that stand for a class or for the void."""
    ids = _ids(error)
    classes = range(error.num_classes) if ids is None else [label for of_class in ids for label in of_class]
    return {*classes, *(error.label_space.pred_void if error.side == "preds" else error.label_space.ignore_index)}
