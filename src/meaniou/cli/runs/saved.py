"""Reads the metrics that runs have saved, and refuses saved files in place of folders."""

from collections.abc import Sequence
from pathlib import Path

from meaniou.cli.options import first_option_passed, naming_options
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.masks import SUFFIXES, MaskError, reason
from meaniou.metrics import MeanIoU, first_difference


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
