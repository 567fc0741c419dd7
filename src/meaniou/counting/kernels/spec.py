"""The specifications of counts, in plain values that a PyTorch operator accepts as arguments."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, get_type_hints

from torch import Tensor

Spec = TypeVar("Spec", bound="CountSpec | ThresholdSpec")
AnySpec = TypeVar("AnySpec", bound="CountSpec | ThresholdSpec | BandSpec")

# Types of the fields in PyTorch's schemas.
SCHEMA_TYPES = {str: "str", int: "int", float: "float", bool: "bool", tuple[int, ...]: "int[]"}


class CountSpec(NamedTuple):
    """How the pixels of a batch are read and counted: the arguments of the operators, after the three maps.

    A form is ``"labels"`` (``[*]``), ``"scores"`` or ``"one-hot"`` (``[B, C, *]``) or ``"threshold"`` (floating
    ``[*]``). ``target_ids`` and ``preds_ids`` list the labels of classes and void with their bins, as
    ``"label bin label bin ..."`` sorted by label. Where they are empty, labels are class numbers and ``ignore`` lists
    the void ids. They are text because PyTorch's dispatcher passes 300 numbers in 1 µs as text, in 25 µs as a tuple.
    """

    preds_form: str
    target_form: str
    num_classes: int
    ignore: tuple[int, ...] = ()
    threshold: float = 0.5
    validate: bool = True
    impl: str = "auto"
    target_ids: str = ""
    preds_ids: str = ""


class ThresholdSpec(NamedTuple):
    """How the pixels of labels that overlap are counted: the arguments of the operator, after the three maps.

    ``thresholds`` are numbers as text, ascending for all labels or, with ``per_label``, one for each label. A score in
    16 or 32 bits is compared as float32 with the threshold rounded to float32; in 64 bits as float64. ``ignore`` lists
    the void values. With ``images`` each image has counts of its own.
    """

    thresholds: str = "0.5"
    per_label: bool = False
    inclusive: bool = False
    ignore: tuple[int, ...] = ()
    images: bool = False
    validate: bool = True
    impl: str = "auto"

    @property
    def numbers(self) -> tuple[float, ...]:
        """The thresholds as numbers."""
        return _numbers(self.thresholds)

    @property
    def number(self) -> int:
        """The number of thresholds T of each label; the counts have T + 3 columns."""
        return 1 if self.per_label else len(self.numbers)


class BandSpec(NamedTuple):
    """How bands inside contours are counted: the arguments of the operator, after those of ``CountSpec``.

    ``widths`` are numbers as text: a whole number is a width in pixels, a number with a point a share of the diagonal
    of the image. With ``edge`` the edge of the image is a contour. With ``literal`` void is a label that has contours.
    With ``drop`` a pixel with a void prediction is void.
    """

    widths: str = "0.02"
    edge: bool = True
    literal: bool = False
    drop: bool = False


class Frames(NamedTuple):
    """The frames of the images of a batch, for a kernel that counts bands.

    Attributes:
        boxes: the box of each image in its map, int64 ``[B, A, 2]`` (start and stop on each of A axes); ``None`` where
            images fill their maps. What lies outside a box is not part of the image.
        pixels: each width in pixels: one number for all images, or int64 ``[B]``.
        limits: the most pixels of each width.
        edge, literal, drop: as in ``BandSpec``.
    """

    boxes: Tensor | None
    pixels: tuple[int | Tensor, ...]
    limits: tuple[int, ...]
    edge: bool
    literal: bool
    drop: bool


@lru_cache(maxsize=64)
def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))


def unpack(kind: type[AnySpec], arguments: Iterable[Any]) -> AnySpec:
    """The specification from the arguments of an operator; the dispatcher has turned tuples into lists."""
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in arguments]
    return kind(*values)


def schema(kind: type[AnySpec]) -> str:
    """The fields of a specification as the schema of an operator's arguments."""
    arguments, defaults = [], kind._field_defaults
    for name, of in get_type_hints(kind).items():
        default = defaults.get(name)
        literal = "" if default is None else f"={list(default) if isinstance(default, tuple) else default!r}"
        arguments.append(f"{SCHEMA_TYPES[of]} {name}{literal}")
    return ", ".join(arguments)
