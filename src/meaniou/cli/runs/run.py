"""Counts folders of masks into a metric."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import torch

from meaniou._util import join_names
from meaniou.cli.options import check_clusters_match
from meaniou.cli.output import OutputOptions, warn
from meaniou.cli.overlays import Gallery
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.workers import Workers
from meaniou.counting import LabelRangeError, explain
from meaniou.masks import (
    MAX_PIXELS,
    MaskError,
    NamesError,
    Pair,
    find_photos,
    has_files_ending_in,
    pair_masks,
    read_pairs,
)
from meaniou.metrics import MeanIoU


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
