"""The options about masks, and the metric of classes that they describe."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from meaniou._util import printable
from meaniou.cli.options import naming_options
from meaniou.cli.paths import Source
from meaniou.cli.workers import default_reader_threads
from meaniou.masks import SUFFIXES, MaskError, reason
from meaniou.metrics import MeanIoU
from meaniou.protocols import get
from meaniou.settings import Absent, Present, VoidPreds, number_of_classes, read_class_names, resolve_class_names


@dataclass(frozen=True)
class MaskOptions:
    """The options about masks: labels, file names and reading. The help texts are in ``cli.options``."""

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

    def metric(self, per_image: bool) -> MeanIoU:
        """A metric for such masks; raises ``ValueError`` if the options do not fit together."""
        with naming_options():
            protocol = None if self.protocol is None else get(self.protocol)
        num_classes = self.num_classes or (protocol.label_space.num_classes if protocol else None)
        names = None if self.class_names is None else _names(self.class_names, num_classes, self.protocol is not None)
        if num_classes is None and names is None:
            raise ValueError("The number of classes is missing. Pass --num-classes, --class-names or --protocol.")
        with naming_options():
            return MeanIoU(
                self.num_classes or (None if protocol else len(names or ())),
                protocol=protocol,
                pred_ids=self.pred_ids,
                ignore_index=self.ignore_index or None,
                pred_void=self.pred_void or None,
                class_names=names,
                void_preds=self.void_preds,
                present=self.present,
                absent=self.absent,
                input_format="index",
                per_image=per_image,
            )


def _names(path: Path, num_classes: int | None, of_protocol: bool) -> tuple[str, ...]:
    """The class names in a file; raises ``ValueError`` if they are not as many as the classes."""
    try:
        names = read_class_names(path)
    except OSError as error:
        raise MaskError(f"Cannot read {path}: {reason(error)}.", "Pass a text or JSON file of class names.") from error
    if isinstance(names, list) and num_classes not in (None, len(names)):
        cure = "Correct the file, or leave out --class-names." if of_protocol else "Correct the file or --num-classes."
        if any("," in name for name in names):
            cure += " Write one name per line."
        number = f"{len(names)} name{'s' * (len(names) != 1)}"
        raise ValueError(f"{path} has {number}, but the number of classes is {num_classes}. {cure}")
    with naming_options():
        return resolve_class_names(names, num_classes or number_of_classes(names), printable(str(path)))
