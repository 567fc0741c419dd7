"""Folders and options -> a metric that has counted them, and the pictures of it."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import torch

from meaniou._util import listed
from meaniou.cli.overlays import Gallery
from meaniou.cli.paths import Source
from meaniou.cli.terminal import warn
from meaniou.cli.workers import Team
from meaniou.counting import LabelRangeError
from meaniou.masks import (
    MAX_PIXELS,
    PHOTOS,
    SUFFIXES,
    MaskError,
    Pair,
    find_photos,
    has_files_ending_in,
    pair_masks,
    read_pairs,
)
from meaniou.metrics import MeanIoU
from meaniou.protocols import get
from meaniou.settings import names_of, read


@dataclass
class Job:
    """A metric and how the masks for it are found and read."""

    metric: MeanIoU
    pred_suffix: str
    target_suffix: str
    class_names: Path | None
    jobs: int
    max_pixels: int = MAX_PIXELS
    photos: Mapping[str, Path] = field(default_factory=dict)
    pairs: Mapping[str, Pair] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        num_classes: int | None,
        protocol: str | None,
        ignore_index: tuple[int, ...],
        pred_void: tuple[int, ...],
        class_names: Path | None,
        pred_suffix: str,
        target_suffix: str,
        jobs: int,
        max_pixels: int | None = None,
        **settings: Any,
    ) -> "Job":
        """From options of the command; raises ``ValueError`` if they do not fit."""
        rules = None if protocol is None else get(protocol)
        number = num_classes or (rules.label_space.num_classes if rules else None)
        names = None if class_names is None else _names(class_names, number)
        if num_classes is None and names is None and rules is None:
            raise ValueError(
                "The number of classes is not known; pass --num-classes, --class-names with one name per line, or "
                "--protocol."
            )
        metric = MeanIoU(
            num_classes or (None if rules else len(names or ())),
            protocol=rules,
            ignore_index=ignore_index or None,
            pred_void=pred_void or None,
            class_names=names,
            input_format="index",
            **settings,
        )
        return cls(metric, pred_suffix, target_suffix, class_names, jobs, max_pixels or MAX_PIXELS)

    def find(self, pred: Path, target: Path, team: Team) -> None:
        """Pairs the masks of two folders.

        Raises:
            MaskError: if a folder cannot be scored.
        """
        rules, target_suffix = self.metric.protocol, self.target_suffix
        if rules and rules.target_suffix and not target_suffix and has_files_ending_in(target, rules.target_suffix):
            target_suffix = rules.target_suffix
        key = rules.file_key if rules else ""
        found = pair_masks(pred, target, self.pred_suffix, target_suffix, key)
        if pred.samefile(target) and self.pred_suffix == target_suffix and not team.rank:
            warn(f"{pred} and {target} are the same folder, so each mask is its own truth.")
        self.pairs = {pair.name: pair for pair in found}
        self.metric.image_names = {id_of(name): name for name in self.pairs}

    @property
    def read(self) -> list[Path]:
        """All files that are read."""
        masks = (path for pair in self.pairs.values() for path in (pair.pred, pair.target))
        return [*masks, *self.photos.values(), *([self.class_names] if self.class_names else [])]

    def count(self, team: Team) -> MeanIoU:
        """Counts the pairs, those of a team's share each, and gives the metric, which then holds the sum of all.

        Raises:
            MaskError: if a file cannot be scored.
        """
        team.agree(lambda: self._count_share(team))
        if team.size > 1:
            self.metric.sync()
            self.metric._update_count = len(self.pairs)  # so that a saved file is that of one process
        return self.metric

    def _count_share(self, team: Team) -> None:
        share = team.share(list(self.pairs.values()))
        with _one_thread(), _progress(0 if team.rank else len(share)) as advance:
            for pair, preds, truth in read_pairs(share, self.jobs, self.max_pixels):
                team.check()
                self._update(pair, preds, truth)
                advance(1)

    def _update(self, pair: Pair, preds: torch.Tensor, truth: torch.Tensor) -> None:
        try:
            if self.metric.per_image:
                self.metric.update([preds], [truth], image_ids=[id_of(pair.name)])
            else:
                self.metric.update(preds, truth)
        except LabelRangeError as error:
            path = pair.pred if error.side == "preds" else pair.target
            names = f"name all classes in {self.class_names}" if self.class_names else ""
            raise MaskError(error.of_file(path, names)) from error
        except (TypeError, ValueError) as error:
            raise MaskError(f"{pair.pred} against {pair.target}: {error}") from error


def id_of(name: str) -> int:
    """A number for the name of an image, the same in every run, so that shards can be merged and runs compared."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1


def merged(saved: Sequence[Path]) -> MeanIoU:
    """The sum of saved metrics; raises ``ValueError`` if a file holds none, or one that counted otherwise."""
    metric = _loaded(saved[0])
    for path in saved[1:]:
        other = _loaded(path)
        try:
            if reason := metric._unlike(other):
                raise ValueError(reason)
            metric.merge_state(other)
        except ValueError as error:
            raise ValueError(f"{path} cannot be added to {saved[0]}: {error}") from error
    return metric


def sources(
    pred: Iterable[Path],
    target: Path,
    images: Path | None = None,
    pred_suffix: str = "",
    target_suffix: str = "",
    image_suffix: str = "",
) -> list[Source]:
    """The folders that a command reads."""
    found = [Source(folder, SUFFIXES, pred_suffix) for folder in pred]
    found.append(Source(target, SUFFIXES, target_suffix))
    return found if images is None else [*found, Source(images, PHOTOS, image_suffix)]


def photos(job: Job, images: Path | None, suffix: str) -> dict[str, Path]:
    """The files of a folder of images by the names of their masks; raises ``MaskError`` if it holds none."""
    key = job.metric.protocol.file_key if job.metric.protocol else ""
    return {} if images is None else find_photos(images, suffix, key)


def gallery(job: Job) -> Gallery:
    """The pictures of what a job has found, on images if there are any.

    Raises:
        MaskError: if there are images, but none for one of the masks.
    """
    if job.photos and (missing := sorted(job.pairs.keys() - job.photos.keys())):
        raise MaskError(
            f"There is no image for {len(missing)} of {len(job.pairs)} masks: {listed(missing)}; expected the same "
            "names in --photos, so add them, or name the end that differs by --photo-suffix."
        )
    return Gallery(job.metric.label_space, job.metric.input_settings, job.pairs, job.photos, job.max_pixels)


def saved(path: Path, settings: Mapping[str, Any]) -> MeanIoU:
    """The metric of a file; raises ``ValueError`` if options are given, since a file has its own."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder and there is no TARGET; pass the folder of the truth, or saved files.")
    if given := [name for name, value in settings.items() if value not in (None, (), "") and name != "jobs"]:
        raise ValueError(
            f"--{given[0].replace('_', '-')} is for folders of masks, and {path} was counted with settings of its own; "
            "leave it out."
        )
    return _loaded(path)


def _loaded(path: Path) -> MeanIoU:
    try:
        return MeanIoU.load(path)
    except OSError as error:
        raise MaskError(
            f"{path} cannot be read ({error.strerror}); expected a file of meaniou score --save, so check the path."
        ) from error


def _names(path: Path, num_classes: int | None) -> tuple[str, ...]:
    try:
        found = read(path)
    except OSError as error:
        raise MaskError(
            f"{path} cannot be read ({error.strerror}); expected a text file with one class name per line, so check "
            "the path."
        ) from error
    if num_classes not in (None, len(found)):
        raise ValueError(
            f"{path} holds {len(found)} names and there are {num_classes} classes; expected one name per class, so "
            "correct the file, or leave out what says the number."
        )
    return names_of(found, len(found))


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch's own threads would take the cores from those that decode."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; nothing in a pipe, or where there is nothing to do."""
    hidden = not sys.stderr.isatty() or not pairs
    with click.progressbar(length=pairs, label="masks", file=sys.stderr, hidden=hidden) as bar:
        yield bar.update
