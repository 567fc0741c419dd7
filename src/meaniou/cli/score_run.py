"""Counts folders of masks into a metric, and reads the metrics that such runs have saved."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import torch

from meaniou._util import join_names, printable
from meaniou.cli.options import check_clusters_match, first_option_passed, naming_options
from meaniou.cli.output import OutputOptions, warn
from meaniou.cli.overlays import Gallery
from meaniou.cli.paths import Source
from meaniou.cli.workers import Workers, default_reader_threads
from meaniou.counting import LabelRangeError, explain
from meaniou.masks import (
    MAX_PIXELS,
    SUFFIXES,
    MaskError,
    NamesError,
    Pair,
    find_photos,
    has_files_ending_in,
    pair_masks,
    read_pairs,
    reason,
)
from meaniou.metrics import MeanIoU, first_difference
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


class ScoreRun:
    """The masks of two folders, and the metric that counts them.

    Attributes:
        metric: the metric.
        pairs: the masks by the names of their images.
        photos: the photos by the same names; empty without ``--photos``.
    """

    def __init__(self, options: MaskOptions, *, per_image: bool) -> None:
        """Raises ``ValueError`` if the options do not fit together."""
        self.options = options
        self.metric = options.metric(per_image)
        self.pairs: Mapping[str, Pair] = {}
        self.photos: Mapping[str, Path] = {}

    @property
    def max_pixels(self) -> int:
        """The largest mask that is read."""
        return self.options.max_pixels or MAX_PIXELS

    @property
    def inputs(self) -> list[Path]:
        """All input files."""
        masks = (path for pair in self.pairs.values() for path in (pair.pred, pair.target))
        return [*masks, *self.photos.values(), *self.options.files]

    def find_masks(self, pred: Path, target: Path, workers: Workers) -> None:
        """Pairs the masks of two folders; raises ``MaskError`` if a folder cannot be scored."""
        protocol, pred_suffix, target_suffix = (
            self.metric.protocol,
            self.options.pred_suffix,
            self.options.target_suffix,
        )
        if (
            protocol
            and protocol.target_suffix
            and not target_suffix
            and has_files_ending_in(target, protocol.target_suffix)
        ):
            target_suffix = protocol.target_suffix
        pairs = pair_masks(pred, target, pred_suffix, target_suffix, protocol.file_key if protocol else "")
        if pred.samefile(target) and pred_suffix == target_suffix and not workers.rank:
            warn(f"PRED and TARGET are the same folder ({pred}), so each mask is compared with itself.")
        self.pairs = {pair.name: pair for pair in pairs}

    def find_photos(self, folder: Path, suffix: str) -> None:
        """Finds the photos of the masks; raises ``MaskError`` if a folder holds none."""
        self.photos = find_photos(folder, suffix, self.metric.protocol.file_key if self.metric.protocol else "")

    def gallery(self) -> Gallery:
        """The pictures of the run; raises ``MaskError`` if there are photos, but not for every mask."""
        if self.photos and (missing := sorted(self.pairs.keys() - self.photos.keys())):
            raise MaskError(
                f"No photo for {len(missing)} of {len(self.pairs)} masks: {join_names(missing)}.",
                "Add the missing photos. If their names only end differently, pass {photo_suffix:}.",
            )
        return Gallery(self.metric.label_space, self.metric.input_settings, self.pairs, self.photos, self.max_pixels)

    def count(self, workers: Workers) -> MeanIoU:
        """Counts the masks, each process its share, and returns the metric, which then holds the total.

        Raises:
            MaskError: if a file cannot be scored.
        """
        workers.run_on_all_or_fail(lambda: self._count_share(workers))
        if workers.size > 1:
            self.metric.sync()
        return self.metric

    def _count_share(self, workers: Workers) -> None:
        share = workers.share(list(self.pairs.values()))
        with _one_thread(), _progress(0 if workers.rank else len(share)) as advance:
            for pair, preds, target in read_pairs(share, self.options.jobs, self.max_pixels):
                workers.stop_if_one_failed()
                self._update(pair, preds, target)
                advance(1)

    def _update(self, pair: Pair, preds: torch.Tensor, target: torch.Tensor) -> None:
        try:
            if self.metric.per_image:
                self.metric.update([preds], [target], image_ids=[pair.name])
            else:
                self.metric.update(preds, target)
        except LabelRangeError as error:
            path = pair.pred if error.side == "preds" else pair.target
            names = self.options.class_names
            raise MaskError(
                explain(error, "cli", str(path), f"name all classes in {names}" if names else "")
            ) from error
        except (TypeError, ValueError) as error:
            raise MaskError(f"Cannot compare {pair.pred} with {pair.target}: {error}") from error


def count_all(
    preds: list[Path], target: Path, masks: MaskOptions, options: OutputOptions, workers: Workers
) -> list[MeanIoU]:
    """A metric for each folder of predictions; options and paths are checked before the first mask is read."""

    def prepare() -> list[ScoreRun]:
        if not workers.rank:
            options.outputs.check(masks.files, masks.sources(preds, target))
        runs = [ScoreRun(masks, per_image=True) for _ in preds]
        for run, pred in zip(runs, preds, strict=True):
            try:
                run.find_masks(pred, target, workers)
            except NamesError as error:
                raise MaskError(
                    error.as_options,
                    'If the names of the two models end differently, score each with "meaniou score --save", then run '
                    '"meaniou compare a.pt b.pt" with the two files.',
                ) from error
            check_clusters_match(options.clusters, run.pairs)
            if not workers.rank:
                options.outputs.check_inputs(run.inputs)
        return runs

    return [run.count(workers) for run in workers.run_on_all_or_fail(prepare)]


def load_saved(path: Path) -> MeanIoU:
    """The metric that a run has saved; raises ``ValueError`` if the file holds none."""
    try:
        return MeanIoU.load(path)
    except OSError as error:
        raise MaskError(
            f"Cannot read {path}: {reason(error)}.", 'Pass a file that "meaniou score --save" has written.'
        ) from error


def load_for_comparison(path: Path) -> MeanIoU:
    """As ``load_saved``; raises ``ValueError`` for folders, and for options about masks, which the file settles."""
    if path.is_dir():
        raise ValueError(
            f'{path} is a folder. Pass two folders and TARGET, or two files that "meaniou score --save" has written.'
        )
    if option := first_option_passed(MaskOptions):
        raise ValueError(f"{option} does not apply to saved files, which keep the settings of their run. Leave it out.")
    return load_saved(path)


def refuse_saved_files(pred: Path, target: Path) -> None:
    """Raises ``ValueError`` if two saved files were passed in place of folders."""
    if all(path.is_file() and path.suffix.lower() not in SUFFIXES for path in (pred, target)):
        raise ValueError(
            f'{pred} and {target} are files. Pass two folders of masks; "meaniou compare {pred} {target}" compares two '
            'files that "meaniou score --save" has written.'
        )


def refuse_target_of_saved_files(preds: Sequence[Path], target: Path | None) -> None:
    """Raises ``ValueError`` if one or two saved files are to be compared, and the ground truth was passed with them."""
    files = [path for path in preds if path.is_file()]
    if target is None or not files:
        return
    saved = 'files that "meaniou score --save" has written'
    if len(files) < len(preds):
        raise ValueError(f"{files[0]} is a file. Pass two folders of masks and TARGET, or two {saved}.")
    raise ValueError(
        f"{preds[0]} and {preds[1]} are files. Leave {target} out: {saved} are compared without the ground truth."
    )


def merge_saved(paths: Sequence[Path]) -> MeanIoU:
    """The sum of saved metrics; raises ``ValueError`` if a file holds none, or one with other classes or rules."""
    metric = load_saved(paths[0])
    for path in paths[1:]:
        other = load_saved(path)
        with naming_options(f"Cannot merge {paths[0]} and {path}: "):
            if difference := first_difference(metric, other):
                raise ValueError(difference)
            metric.merge_state(other)
    return metric


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limits PyTorch to one thread, since its threads would take the cores from those that decode."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; nothing in a pipe, or without work."""
    hidden = not sys.stderr.isatty() or not pairs
    with click.progressbar(length=pairs, label="masks", file=sys.stderr, hidden=hidden) as bar:
        yield bar.update
