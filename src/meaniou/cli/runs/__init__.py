"""The runs of the commands: masks that are counted into a metric, and metrics that earlier runs have saved."""

from meaniou.cli.runs.boundary_options import BoundaryOptions
from meaniou.cli.runs.classes import ClassRun
from meaniou.cli.runs.labels import LabelOptions, LabelRun
from meaniou.cli.runs.mask_options import MaskOptions
from meaniou.cli.runs.run import Run
from meaniou.cli.runs.saved import (
    load_for_comparison,
    merge_saved,
    refuse_saved_files,
    refuse_target_of_saved_files,
)
from meaniou.cli.runs.start import RunOptions, count_all, start_run

__all__ = [
    "BoundaryOptions",
    "ClassRun",
    "LabelOptions",
    "LabelRun",
    "MaskOptions",
    "Run",
    "RunOptions",
    "count_all",
    "load_for_comparison",
    "merge_saved",
    "refuse_saved_files",
    "refuse_target_of_saved_files",
    "start_run",
]
