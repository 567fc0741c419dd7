"""The options about bands inside contours, with ``--boundary``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meaniou.cli.options import parse_widths, refuse_options
from meaniou.metrics import MeanBoundaryIoU
from meaniou.settings import VoidRule

# Options that need --boundary.
OF_BANDS = dict.fromkeys(("boundary_void", "no_boundary_edge", "save_boundary"), "")


@dataclass(frozen=True)
class BoundaryOptions:
    """The options about bands inside contours. The help texts are in ``cli.options``."""

    boundary: tuple[str, ...] = ()
    boundary_void: VoidRule | None = None
    no_boundary_edge: bool = False

    def check(self) -> None:
        """Raises ``ValueError`` for options of the command line that do not fit together."""
        if not self.boundary:
            refuse_options(OF_BANDS, "{option} has no effect without --boundary. Add --boundary.")

    def check_one(self) -> None:
        """Raises ``ValueError`` for more than one width."""
        if len(self.boundary) > 1:
            raise ValueError("meaniou compare tests one width. Pass --boundary once.")

    def new_metric(self, **settings: Any) -> MeanBoundaryIoU | None:
        """A metric of the bands, with the settings of classes; ``None`` without ``--boundary``.

        Raises:
            ValueError: if a width is not a number, out of range or repeated.
        """
        if not self.boundary:
            return None
        rule: Mapping[str, Any] = {} if self.boundary_void is None else {"void": self.boundary_void}
        return MeanBoundaryIoU(**settings, **rule, width=parse_widths(self.boundary), edge=not self.no_boundary_edge)
