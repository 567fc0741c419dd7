"""The parts of a report as frozen records: numbers of classes, boundaries, groups, confusions, intervals and images."""

from meaniou.report.records.boundary import NEARLY_ALL, BoundaryClass, BoundaryReport, boundary_reports
from meaniou.report.records.classes import (
    COLUMNS,
    NO_CLASS,
    ClassReport,
    Column,
    Confusion,
    GroupReport,
    ImagesReport,
    Intervals,
)
from meaniou.report.records.images import WORST, ImageTable, columns_of, image_table

__all__ = [
    "COLUMNS",
    "NEARLY_ALL",
    "NO_CLASS",
    "WORST",
    "BoundaryClass",
    "BoundaryReport",
    "ClassReport",
    "Column",
    "Confusion",
    "GroupReport",
    "ImageTable",
    "ImagesReport",
    "Intervals",
    "boundary_reports",
    "columns_of",
    "image_table",
]
