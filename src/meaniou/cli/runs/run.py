"""A run over two folders of masks: pairs the files, and counts them into a metric, each process its share."""

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import click
import torch
from torch import Tensor

from meaniou._util import Doubt
from meaniou.cli.options import naming
from meaniou.cli.output import AnyMetric, warn
from meaniou.cli.overlays import Gallery
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.workers import Workers
from meaniou.counting import LabelRangeError, LabelValueError
from meaniou.masks import MAX_PIXELS, MaskError, Pair, pair_masks, read_pairs
from meaniou.metrics import MeanBoundaryIoU


class Run(ABC):
    """The masks of two folders, and the metric that counts them; there is a subclass for each kind of mask.

    Attributes:
        metric: the metric; set by ``find_masks`` at the latest.
        boundary: the metric of bands inside contours, with ``--boundary``.
        pairs: the masks by the names of their images.
        photos: the photos by the same names; empty without ``--photos``.
    """

    multilabel: ClassVar[bool] = False
    metric: AnyMetric
    boundary: MeanBoundaryIoU | None = None

    def __init__(self, options: MaskOptions) -> None:
        self.options = options
        self.pairs: Mapping[str, Pair] = {}
        self.photos: Mapping[str, Path] = {}
        self._doubts: list[tuple[str, str]] = []  # files, each with a warning about it

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
        pred_suffix, target_suffix = self.options.pred_suffix, self._target_suffix(target)
        pairs = pair_masks(pred, target, pred_suffix, target_suffix, self._file_key)
        if pred.samefile(target) and pred_suffix == target_suffix and not workers.rank:
            warn(f"PRED and TARGET are the same folder ({pred}), so each mask is compared with itself.")
        self.pairs = {pair.name: pair for pair in pairs}

    def gallery(self) -> Gallery | None:
        """The pictures of the run; ``None`` if there can be none."""
        return None

    def count(self, workers: Workers) -> AnyMetric:
        """Counts the masks, each process its share, and returns the metric; it and ``boundary`` then hold the total.

        Raises:
            MaskError: if a file cannot be scored.
        """
        workers.run_on_all_or_fail(lambda: self._count_share(workers))
        if workers.size > 1:
            self.metric.sync()
            if self.boundary is not None:
                self.boundary.sync()
        gathered = workers.gather(self._doubts)
        if workers.rank:
            return self.metric
        if doubts := sorted(doubt for share in gathered for doubt in share):
            sentence = doubts[0][1]
            others = len({path for path, _ in doubts}) - 1
            more = f" {others} more file{'s have' if others > 1 else ' has'} such a warning." if others else ""
            warn(sentence + more)
        return self.metric

    @property
    def _file_key(self) -> str:
        """A regular expression for the part of a file name that names the image; empty for all of it."""
        return ""

    def _target_suffix(self, target: Path) -> str:
        """The ending of the names of the ground truth in its folder."""
        return self.options.target_suffix

    def _count_share(self, workers: Workers) -> None:
        share = workers.share(list(self.pairs.values()))
        pairs = read_pairs(share, self.options.jobs, self.max_pixels, multilabel=self.multilabel)
        with (
            _one_thread(),
            _progress(0 if workers.rank else len(share)) as advance,
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always", UserWarning)
            for pair, preds, target in pairs:
                workers.stop_if_one_failed()
                self._update(pair, preds, target)
                self._doubts += [_doubt(pair.pred, warning.message) for warning in caught]
                caught.clear()
                advance(1)

    def _update(self, pair: Pair, preds: Tensor, target: Tensor) -> None:
        try:
            self._count(pair, preds, target)
        except (LabelRangeError, LabelValueError) as error:
            path = pair.pred if error.side == "preds" else pair.target
            raise MaskError(self._explain(error, str(path))) from error
        except MaskError:
            raise
        except (TypeError, ValueError) as error:
            raise MaskError(f"Cannot compare {pair.pred} with {pair.target}: {naming(str(error))}") from error

    @abstractmethod
    def _count(self, pair: Pair, preds: Tensor, target: Tensor) -> None:
        """Counts the masks of an image."""

    @abstractmethod
    def _explain(self, error: LabelRangeError | LabelValueError, path: str) -> str:
        """The message about labels or values in a file that are out of range."""


def _doubt(path: Path, message: Warning | str) -> tuple[str, str]:
    """The path of a prediction, and a warning about it with options in place of keywords."""
    text = naming(message.as_options() if isinstance(message, Doubt) else str(message))
    about = f"{path} {text.removeprefix('preds ')}" if text.startswith("preds ") else f"{path}: {text}"
    return str(path), about


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
