"""The parts of a report as frozen records: numbers of classes, groups, confusions, intervals and images."""

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
    "NO_CLASS",
    "WORST",
    "ClassReport",
    "Column",
    "Confusion",
    "GroupReport",
    "ImageTable",
    "ImagesReport",
    "Intervals",
    "columns_of",
    "image_table",
]
