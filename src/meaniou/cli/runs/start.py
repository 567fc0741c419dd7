"""Starts runs: that of one folder of predictions, or those of several that are compared."""

from pathlib import Path

from meaniou.cli.options import check_clusters_match
from meaniou.cli.output import OutputOptions
from meaniou.cli.runs.classes import ClassRun
from meaniou.cli.runs.labels import LabelOptions, LabelRun
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.runs.run import Run
from meaniou.cli.workers import Workers
from meaniou.masks import MaskError, NamesError
from meaniou.metrics import IoUCurve, MeanIoU, MultilabelMeanIoU


def start_run(masks: MaskOptions, labels: LabelOptions, *, per_image: bool) -> Run:
    """A run over labels with ``--multilabel``, else over classes; raises ``ValueError`` if options conflict."""
    if labels.multilabel:
        return LabelRun(masks, labels, per_image=per_image)
    return ClassRun(masks, per_image=per_image)


def count_all(
    preds: list[Path], target: Path, masks: MaskOptions, labels: LabelOptions, options: OutputOptions, workers: Workers
) -> list[MeanIoU | MultilabelMeanIoU]:
    """A metric for each folder of predictions; options and paths are checked before the first mask is read."""

    def prepare() -> list[Run]:
        if not workers.rank:
            options.outputs.check(masks.files, masks.sources(preds, target))
        runs = [start_run(masks, labels, per_image=True) for _ in preds]
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

    counted = [run.count(workers) for run in workers.run_on_all_or_fail(prepare)]
    return [metric for metric in counted if not isinstance(metric, IoUCurve)]
