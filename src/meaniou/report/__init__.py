"""All numbers of a dataset as frozen records, written as text, Markdown, LaTeX, CSV or JSON."""

from meaniou.report.bands import band_extent, band_notes, boundary_means, overall_names, width_words
from meaniou.report.build import build_report, by_kind, pixel_account
from meaniou.report.comparison import Compared, ComparisonReport
from meaniou.report.curve import CurveReport, best_of, build_curve_report, check_curve_report
from meaniou.report.forms import class_values, overall_numbers
from meaniou.report.notes import LABELS, Nouns, class_notes, classes_in_mean, extent, measure_of, nouns_of, of_bands
from meaniou.report.records import (
    COLUMNS,
    WORST,
    BoundaryReport,
    ClassReport,
    Confusion,
    GroupReport,
    ImagesReport,
    ImageTable,
    Intervals,
    boundary_reports,
    columns_of,
    image_table,
)
from meaniou.report.report import Report, check_report

__all__ = [
    "COLUMNS",
    "LABELS",
    "WORST",
    "BoundaryReport",
    "ClassReport",
    "Compared",
    "ComparisonReport",
    "Confusion",
    "CurveReport",
    "GroupReport",
    "ImageTable",
    "ImagesReport",
    "Intervals",
    "Nouns",
    "Report",
    "band_extent",
    "band_notes",
    "best_of",
    "boundary_means",
    "boundary_reports",
    "build_curve_report",
    "build_report",
    "by_kind",
    "check_curve_report",
    "check_report",
    "class_notes",
    "class_values",
    "classes_in_mean",
    "columns_of",
    "extent",
    "image_table",
    "measure_of",
    "nouns_of",
    "of_bands",
    "overall_names",
    "overall_numbers",
    "pixel_account",
    "width_words",
]
