"""Every number of a dataset as frozen records, with their forms: text, Markdown, LaTeX, CSV, JSON."""

from meaniou.report.image_records import ImagesReport, Intervals
from meaniou.report.records import ClassReport, Confusion, GroupReport
from meaniou.report.report import Report

__all__ = [
    "ClassReport",
    "Confusion",
    "GroupReport",
    "ImagesReport",
    "Intervals",
    "Report",
]
