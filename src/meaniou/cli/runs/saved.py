"""Reads the metrics that runs have saved, of any kind, and refuses saved files in place of folders."""

from collections.abc import Sequence
from pathlib import Path

from meaniou.cli.options import naming_options, refuse_options
from meaniou.cli.output import AnyMetric
from meaniou.cli.runs.labels import NOT_WITH_CURVE, LabelOptions
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.masks import SUFFIXES, MaskError, reason
from meaniou.metrics import IoUCurve, MeanIoU, MultilabelMeanIoU, first_difference, load_any

# What a file of each kind of metric holds.
KINDS = {
    MeanIoU: "counts of classes",
    MultilabelMeanIoU: "counts of labels that overlap",
    IoUCurve: "an IoU curve",
}


def load_saved(path: Path) -> AnyMetric:
    """The metric that a run has saved; raises ``ValueError`` if the file holds none."""
    try:
        metric: AnyMetric = load_any(tuple(KINDS), path)
        return metric
    except OSError as error:
        raise MaskError(
            f"Cannot read {path}: {reason(error)}.", 'Pass a file that "meaniou score --save" has written.'
        ) from error


def load_for_comparison(paths: Sequence[Path]) -> list[MeanIoU | MultilabelMeanIoU]:
    """The metrics of two files; raises ``ValueError`` for two kinds, and for options that the files settle."""
    metrics = [_load_with_images(path) for path in paths]
    _refuse_two_kinds("compare", paths, metrics)
    return metrics


def _load_with_images(path: Path) -> MeanIoU | MultilabelMeanIoU:
    """As ``load_saved``; raises ``ValueError`` for folders, IoU curves, and options about masks."""
    if path.is_dir():
        raise ValueError(
            f'{path} is a folder. Pass two folders and TARGET, or two files that "meaniou score --save" has written.'
        )
    for record in (MaskOptions, LabelOptions):
        refuse_options(
            record, "{option} does not apply to saved files, which keep the settings of their run. Leave it out."
        )
    metric = load_saved(path)
    if isinstance(metric, IoUCurve):
        raise ValueError(f"{path} holds an IoU curve, which keeps no counts of images. Score without --curve.")
    return metric


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


def merge_saved(paths: Sequence[Path]) -> AnyMetric:
    """The sum of saved metrics; raises ``ValueError`` if a file holds none, or one of another kind or other rules."""
    metric = load_saved(paths[0])
    for path in paths[1:]:
        other = load_saved(path)
        _refuse_two_kinds("merge", (paths[0], path), (metric, other))
        with naming_options(f"Cannot merge {paths[0]} and {path}: "):
            if difference := first_difference(metric, other):
                raise ValueError(difference)
            metric.merge_state(other)
    if isinstance(metric, IoUCurve):
        refuse_options(
            NOT_WITH_CURVE,
            f"{{option}} does not apply to {paths[0]}, which holds an IoU curve: {{reason}}. Leave it out.",
        )
    return metric


def _refuse_two_kinds(verb: str, paths: Sequence[Path], metrics: Sequence[AnyMetric]) -> None:
    first, second = (KINDS[type(metric)] for metric in metrics)
    if first != second:
        raise ValueError(
            f"Cannot {verb} {paths[0]} and {paths[1]}: the first holds {first}, the second {second}. Pass files of one "
            "kind."
        )
