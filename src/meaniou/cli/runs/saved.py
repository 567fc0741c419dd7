"""Reads the metrics that runs have saved, of any kind, and refuses saved files in place of folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from meaniou.cli.options import naming_options, parse_widths, refuse_options
from meaniou.cli.output import AnyMetric
from meaniou.cli.runs.boundary_options import OF_BANDS, BoundaryOptions
from meaniou.cli.runs.labels import NOT_WITH_CURVE, LabelOptions
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.masks import SUFFIXES, MaskError, reason
from meaniou.metrics import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU, first_difference, load_any

Compared = MeanIoU | MultilabelMeanIoU | MeanBoundaryIoU

# What a file of each kind of metric holds.
KINDS = {
    MeanIoU: "counts of classes",
    MultilabelMeanIoU: "counts of labels that overlap",
    IoUCurve: "an IoU curve",
    MeanBoundaryIoU: "counts of bands",
}
TOGETHER = {MeanIoU, MeanBoundaryIoU}  # kinds that "score --boundary" counts at once
# Options that need the counts of each image, which a file of bands has only for the bands.
OF_IMAGES = dict.fromkeys(("ci", "clusters", "list_worst", "image_scores", "save", "html"), "")


def load_saved(path: Path) -> AnyMetric | MeanBoundaryIoU:
    """The metric that a run has saved; raises ``ValueError`` if the file holds none."""
    try:
        metric: AnyMetric | MeanBoundaryIoU = load_any(tuple(KINDS), path)
        return metric
    except OSError as error:
        raise MaskError(
            f"Cannot read {path}: {reason(error)}.", 'Pass a file that "meaniou score --save" has written.'
        ) from error


def load_for_comparison(paths: Sequence[Path], bands: BoundaryOptions) -> list[Compared]:
    """The metrics of two files; raises ``ValueError`` for two kinds, and for options that the files settle."""
    metrics = [_load_with_images(path, bands) for path in paths]
    _refuse_two_kinds("compare", paths, metrics)
    return metrics


def _load_with_images(path: Path, bands: BoundaryOptions) -> Compared:
    """As ``load_saved``; raises ``ValueError`` for folders, IoU curves, and options about masks."""
    if path.is_dir():
        raise ValueError(
            f'{path} is a folder. Pass two folders and TARGET, or two files that "meaniou score --save" has written.'
        )
    for refused in (MaskOptions, LabelOptions, OF_BANDS):
        refuse_options(
            refused, "{option} does not apply to saved files, which keep the settings of their run. Leave it out."
        )
    metric = load_saved(path)
    if isinstance(metric, IoUCurve):
        raise ValueError(f"{path} holds an IoU curve, which keeps no counts of images. Score without --curve.")
    if isinstance(metric, MeanBoundaryIoU):
        return _of_one_width(metric, path, bands)
    if bands.boundary:
        raise ValueError(
            f'{path} holds {KINDS[type(metric)]}, no bands. Pass files that "meaniou score --save-boundary" has '
            "written, or leave out --boundary."
        )
    return metric


def _of_one_width(metric: MeanBoundaryIoU, path: Path, bands: BoundaryOptions) -> MeanBoundaryIoU:
    """The counts of the width of ``--boundary``, by default of the only one; raises ``ValueError`` for several."""
    bands.check_one()
    widths = parse_widths(bands.boundary) or metric.widths
    if len(widths) > 1:
        raise ValueError(
            f"{path} holds bands of several widths: {', '.join(map(repr, widths))}. Pass one of them with --boundary."
        )
    with naming_options(f"{path}: "):
        return metric.at(widths[0])


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


def merge_saved(paths: Sequence[Path]) -> tuple[AnyMetric, MeanBoundaryIoU | None]:
    """The sums of saved metrics and of saved bands; with bands alone, the first is a ``MeanIoU`` of their pixels.

    Raises:
        ValueError: if a file holds no metric, or kinds, settings or masks do not fit together.
    """
    sums: dict[type, AnyMetric | MeanBoundaryIoU] = {}
    firsts: dict[type, Path] = {}
    for path in paths:
        metric = load_saved(path)
        kind = type(metric)
        if not {kind, *sums} <= TOGETHER:
            _refuse_two_kinds("merge", (paths[0], path), (next(iter(sums.values()), metric), metric))
        if kind not in sums:
            sums[kind], firsts[kind] = metric, path
            continue
        with naming_options(f"Cannot merge {firsts[kind]} and {path}: "):
            if difference := first_difference(sums[kind], metric):
                raise ValueError(difference)
            sums[kind].merge_state(metric)
    total = next((metric for metric in sums.values() if not isinstance(metric, MeanBoundaryIoU)), None)
    boundary = next((metric for metric in sums.values() if isinstance(metric, MeanBoundaryIoU)), None)
    _refuse_options_of_kinds(paths[0], total, boundary)
    if total is None:
        assert boundary is not None
        return _classes_of(boundary), boundary
    if boundary is not None:
        _check_pixels(firsts, total, boundary)
    return total, boundary


def _refuse_options_of_kinds(first: Path, total: AnyMetric | None, boundary: MeanBoundaryIoU | None) -> None:
    """Raises ``ValueError`` for options that the kinds of the merged files do not support."""
    if isinstance(total, IoUCurve):
        refuse_options(
            NOT_WITH_CURVE, f"{{option}} does not apply to {first}, which holds an IoU curve: {{reason}}. Leave it out."
        )
    if boundary is None:
        refuse_options(
            {"save_boundary": ""},
            f'{{option}} does not apply to {first}, which holds no bands. Add the files that "meaniou score '
            '--save-boundary" has written, or leave it out.',
        )
    elif total is None:
        refuse_options(
            OF_IMAGES,
            f"{{option}} does not apply to {first}, which has counts of images only for bands. Add the files that "
            '"meaniou score --save" has written in the same runs, or leave it out.',
        )


def _classes_of(boundary: MeanBoundaryIoU) -> MeanIoU:
    """A ``MeanIoU`` with the confusion matrix of bands, which shows the warnings of the bands."""
    with naming_options():
        boundary.compute()
    policy, size = boundary.policy, boundary.label_space.num_classes + 2
    metric = MeanIoU(
        label_space=boundary.label_space,
        average=policy.average,
        void_preds=policy.void_preds,
        present=policy.present,
        absent=policy.absent,
        classes=policy.classes,
        validate_args=False,
    )
    metric.protocol = boundary.protocol
    metric.merge_state(metric.snapshot() | {"counts": boundary.counts[:size]})
    return metric


def _check_pixels(firsts: Mapping[type, Path], metric: AnyMetric, boundary: MeanBoundaryIoU) -> None:
    """Raises ``ValueError`` unless bands were counted in the same masks and by the same rules as classes."""
    same = metric.label_space == boundary.label_space and metric.policy == boundary.policy
    if not same or not metric.counts.equal(boundary.counts[: len(metric.counts)]):
        raise ValueError(
            f"Cannot merge {firsts[MeanIoU]} and {firsts[MeanBoundaryIoU]}: they were counted in other masks or by "
            "other rules. Pass the files of --save and --save-boundary of the same runs."
        )


def _refuse_two_kinds(verb: str, paths: Sequence[Path], metrics: Sequence[AnyMetric | MeanBoundaryIoU]) -> None:
    first, second = (KINDS[type(metric)] for metric in metrics)
    if first != second:
        raise ValueError(
            f"Cannot {verb} {paths[0]} and {paths[1]}: the first holds {first}, the second {second}. Pass files of one "
            "kind."
        )
