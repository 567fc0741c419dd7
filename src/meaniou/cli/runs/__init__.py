"""The runs of the commands: masks that are counted into a metric, and metrics that earlier runs have saved."""

from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.runs.run import ScoreRun, count_all
from meaniou.cli.runs.saved import (
    load_for_comparison,
    merge_saved,
    refuse_saved_files,
    refuse_target_of_saved_files,
)

__all__ = [
    "MaskOptions",
    "ScoreRun",
    "count_all",
    "load_for_comparison",
    "merge_saved",
    "refuse_saved_files",
    "refuse_target_of_saved_files",
]
