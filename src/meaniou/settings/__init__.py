"""The settings of a metric: class names, label space, policy and input settings, checked once and frozen."""

from meaniou.settings.choices import (
    CHOICES,
    MAX_CLASSES,
    Absent,
    Average,
    Impl,
    InputFormat,
    Over,
    Present,
    VoidPreds,
    VoidRule,
)
from meaniou.settings.class_groups import Groups
from meaniou.settings.class_names import (
    ClassNames,
    check_text,
    number_of_classes,
    read_class_names,
    resolve_class_names,
)
from meaniou.settings.inputs import (
    BandSettings,
    InputSettings,
    ThresholdSettings,
    as_threshold,
    as_widths,
    label_thresholds,
    threshold_grid,
)
from meaniou.settings.label_ids import as_void_ids
from meaniou.settings.label_space import (
    TRAIN_VOID,
    Color,
    LabelSpace,
    resolve_class_groups,
)
from meaniou.settings.policy import Policy

__all__ = [
    "CHOICES",
    "MAX_CLASSES",
    "TRAIN_VOID",
    "Absent",
    "Average",
    "BandSettings",
    "ClassNames",
    "Color",
    "Groups",
    "Impl",
    "InputFormat",
    "InputSettings",
    "LabelSpace",
    "Over",
    "Policy",
    "Present",
    "ThresholdSettings",
    "VoidPreds",
    "VoidRule",
    "as_threshold",
    "as_void_ids",
    "as_widths",
    "check_text",
    "label_thresholds",
    "number_of_classes",
    "read_class_names",
    "resolve_class_groups",
    "resolve_class_names",
    "threshold_grid",
]
