"""Starts runs: that of one folder of predictions, or those of several that are compared."""

from dataclasses import dataclass
from pathlib import Path

from meaniou.cli.options import check_clusters_match
from meaniou.cli.output import OutputOptions
from meaniou.cli.runs.boundary_options import BoundaryOptions
from meaniou.cli.runs.classes import ClassRun
from meaniou.cli.runs.labels import LabelOptions, LabelRun
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.runs.run import Run
from meaniou.cli.workers import Workers
from meaniou.masks import MaskError, NamesError
from meaniou.metrics import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        masks: options about masks.
        labels: options about labels that overlap.
        bands: options about bands inside contours.
    """

    masks: MaskOptions
    labels: LabelOptions
    bands: BoundaryOptions

    def check(self) -> None:
        """Raises ``ValueError`` for options of the command line that do not fit together."""
        self.labels.check()
        self.bands.check()


def start_run(options: RunOptions, *, per_image: bool) -> Run:
    """A run over labels with ``--multilabel``, else over classes; raises ``ValueError`` if options conflict."""
    if options.labels.multilabel:
        return LabelRun(options.masks, options.labels, per_image=per_image)
    return ClassRun(options.masks, options.bands, per_image=per_image)


def count_all(
    preds: list[Path], target: Path, options: RunOptions, outputs: OutputOptions, workers: Workers
) -> list[MeanIoU | MultilabelMeanIoU | MeanBoundaryIoU]:
    """A metric for each folder of predictions; with ``--boundary`` a ``MeanBoundaryIoU``.

    Options and paths are checked before the first mask is read.
    """
    options.bands.check_one()

    def prepare() -> list[Run]:
        if not workers.rank:
            outputs.outputs.check(options.masks.files, options.masks.sources(preds, target))
        runs = [start_run(options, per_image=True) for _ in preds]
        for run, pred in zip(runs, preds, strict=True):
            try:
                run.find_masks(pred, target, workers)
            except NamesError as error:
                raise MaskError(
                    error.as_options,
                    'If the names of the two models end differently, score each with "meaniou score --save", then run '
                    '"meaniou compare a.pt b.pt" with the two files.',
                ) from error
            check_clusters_match(outputs.clusters, run.pairs)
            if not workers.rank:
                outputs.outputs.check_inputs(run.inputs)
        return runs

    runs = workers.run_on_all_or_fail(prepare)
    counted = [(run.count(workers), run.boundary) for run in runs]
    compared = [metric if boundary is None else boundary for metric, boundary in counted]
    return [metric for metric in compared if not isinstance(metric, IoUCurve)]
