"""The options of the commands, in the sections of their help, and the values that they take."""

from meaniou.cli.options.boundaries import BOUNDARY, BOUNDARY_TEST
from meaniou.cli.options.definitions import (
    CI,
    DEBUG,
    FORM,
    FORMATS,
    FORMATS_BY_SUFFIX,
    OVERLAYS,
    PATH,
    PLOTS,
    REPORT,
    RESAMPLING,
    SETTINGS,
    Integer,
    collect,
    refuse_options,
)
from meaniou.cli.options.help import HELP_OPTIONS, SectionCommand, SectionGroup, options_of
from meaniou.cli.options.labels import CURVE, MULTILABEL
from meaniou.cli.options.values import (
    check_clusters,
    check_clusters_match,
    cluster_by_name,
    naming,
    naming_options,
    parse_class_groups,
    parse_thresholds,
    parse_widths,
)

__all__ = [
    "BOUNDARY",
    "BOUNDARY_TEST",
    "CI",
    "CURVE",
    "DEBUG",
    "FORM",
    "FORMATS",
    "FORMATS_BY_SUFFIX",
    "HELP_OPTIONS",
    "MULTILABEL",
    "OVERLAYS",
    "PATH",
    "PLOTS",
    "REPORT",
    "RESAMPLING",
    "SETTINGS",
    "Integer",
    "SectionCommand",
    "SectionGroup",
    "check_clusters",
    "check_clusters_match",
    "cluster_by_name",
    "collect",
    "naming",
    "naming_options",
    "options_of",
    "parse_class_groups",
    "parse_thresholds",
    "parse_widths",
    "refuse_options",
]
