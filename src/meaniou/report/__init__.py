"""All numbers of a dataset as frozen records, written as text, Markdown, LaTeX, CSV or JSON."""

from meaniou.report.build import build_report, pixel_account
from meaniou.report.comparison import Compared, ComparisonReport
from meaniou.report.curve import CurveReport, build_curve_report
from meaniou.report.images import WORST, ImageTable, columns_of, image_table
from meaniou.report.records import (
    COLUMNS,
    ClassReport,
    Confusion,
    GroupReport,
    ImagesReport,
    Intervals,
)
from meaniou.report.report import Report, check_report, class_values, classes_in_mean, overall_numbers

__all__ = [
    "COLUMNS",
    "WORST",
    "ClassReport",
    "Compared",
    "ComparisonReport",
    "Confusion",
    "CurveReport",
    "GroupReport",
    "ImageTable",
    "ImagesReport",
    "Intervals",
    "Report",
    "build_curve_report",
    "build_report",
    "check_report",
    "class_values",
    "classes_in_mean",
    "columns_of",
    "image_table",
    "overall_numbers",
    "pixel_account",
]
