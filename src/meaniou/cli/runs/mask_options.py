"""The options about masks: labels, file names and reading."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from meaniou._util import printable
from meaniou.cli.options import naming_options
from meaniou.cli.paths import Source
from meaniou.cli.workers import default_reader_threads
from meaniou.masks import SUFFIXES, MaskError, reason
from meaniou.settings import Absent, Present, VoidPreds, number_of_classes, read_class_names, resolve_class_names


@dataclass(frozen=True)
class MaskOptions:
    """The options about masks: those that all runs share, and those of maps of classes.

    The help texts are in ``cli.options``.
    """

    num_classes: int | None = None
    protocol: str | None = None
    pred_ids: Literal["ids", "classes"] | None = None
    ignore_index: tuple[int, ...] = ()
    pred_void: tuple[int, ...] = ()
    class_names: Path | None = None
    pred_suffix: str = ""
    target_suffix: str = ""
    void_preds: VoidPreds | None = None
    present: Present | None = None
    absent: Absent | None = None
    jobs: int = field(default_factory=default_reader_threads)
    max_pixels: int | None = None

    @property
    def files(self) -> list[Path]:
        """The input files beside the masks."""
        return [] if self.class_names is None else [self.class_names]

    def sources(self, preds: Iterable[Path], target: Path) -> list[Source]:
        """The input folders of masks."""
        return [
            *(Source(pred, SUFFIXES, self.pred_suffix) for pred in preds),
            Source(target, SUFFIXES, self.target_suffix),
        ]

    def names(self, number: int | None, noun: str, cure: str) -> tuple[str, ...] | None:
        """The names in ``--class-names``, ``None`` without it.

        Args:
            number: the number of classes or labels; ``None`` if that of the names decides.
            noun: ``"classes"`` or ``"labels"``, for the message about another number of names.
            cure: what to correct instead of the file, at the end of that message.

        Raises:
            ValueError: if the file holds no names, or another number of them.
        """
        path = self.class_names
        if path is None:
            return None
        try:
            names = read_class_names(path)
        except OSError as error:
            raise MaskError(
                f"Cannot read {path}: {reason(error)}.", "Pass a text or JSON file of class names."
            ) from error
        if isinstance(names, list) and number not in (None, len(names)):
            cure = f"Correct the file{cure}."
            if any("," in name for name in names):
                cure += " Write one name per line."
            names_in_file = f"{len(names)} name{'s' * (len(names) != 1)}"
            raise ValueError(f"{path} has {names_in_file}, but the number of {noun} is {number}. {cure}")
        with naming_options():
            return resolve_class_names(names, number or number_of_classes(names), printable(str(path)))
