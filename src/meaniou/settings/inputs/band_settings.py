"""The settings of counting bands inside contours."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from meaniou._util import check_bool, kind_of, quoted
from meaniou.settings.choices import VoidRule, check_choice
from meaniou.settings.inputs.input_settings import InputSettings

MAX_WIDTHS = 100


@dataclass(frozen=True)
class BandSettings(InputSettings):
    """How a batch is read, and how the bands inside its contours are counted.

    Attributes:
        widths: widths of the band: a whole number of pixels, or a share of the diagonal of the image.
        edge: whether the edge of the image is a contour.
        void: ``"ignore"`` if void neither makes nor moves a contour, ``"literal"`` if it is a label with contours.
        drop_void_preds: whether a pixel with a void prediction is void, as with ``void_preds="drop"``.
    """

    widths: tuple[int | float, ...] = (0.02,)
    edge: bool = True
    void: VoidRule = "ignore"
    drop_void_preds: bool = False

    @classmethod
    def of_bands(
        cls, inputs: InputSettings, width: Any, edge: bool, void: VoidRule, drop_void_preds: bool
    ) -> "BandSettings":
        """Checks the settings and freezes them; raises ``TypeError`` or ``ValueError`` for a wrong one."""
        check_bool("edge", edge)
        check_choice("void", void)
        return cls(**vars(inputs), widths=as_widths(width), edge=edge, void=void, drop_void_preds=drop_void_preds)

    @property
    def text(self) -> str:
        """The widths as text, from which the same numbers can be read."""
        return " ".join(map(repr, self.widths))


def as_widths(width: Any) -> tuple[int | float, ...]:
    """One or several widths of a band: whole numbers of pixels, or shares of the diagonal.

    Raises:
        TypeError: if a width is not a number, or for a set or mapping, which have no order.
        ValueError: if a width is out of range or repeated, or if there are none or too many.
    """
    if isinstance(width, Set | Mapping):
        raise TypeError(f"width is {kind_of(width)}; expected a number, or a list of numbers, which has an order.")
    several = isinstance(width, Iterable) and not isinstance(width, str | bytes) and getattr(width, "ndim", 1) > 0
    widths = tuple(_as_width(value) for value in (width if several else [width]))
    if not 1 <= len(widths) <= MAX_WIDTHS:
        raise ValueError(f"width is a list of {len(widths)}; expected 1 to {MAX_WIDTHS} widths.")
    if len(set(widths)) < len(widths):
        raise ValueError(f"width holds {max(widths, key=widths.count)!r} twice; expected different widths.")
    return widths


def _as_width(value: Any) -> int | float:
    number = value.item() if getattr(value, "ndim", None) == 0 else value  # of an array or a tensor
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(
            f"width is {quoted(value)}; expected a share of the diagonal, such as 0.02, or an int, the width in pixels."
        )
    if isinstance(number, Integral):
        if number < 1:
            raise ValueError(f"width is {number} pixels; expected at least 1.")
        return int(number)
    if getattr(value, "dtype", None) is not None and value.dtype.itemsize <= 4:
        number = float(str(np.float32(number)))  # 0.02 in float32 is 0.02
    share = float(number)
    if not 0 < share < 1:
        cure = f" For a width in pixels pass a whole number, such as {share:.0f}." if 1 <= share < 1e6 else ""
        raise ValueError(f"width is {share!r}; expected a share of the diagonal above 0 and below 1.{cure}")
    return share
