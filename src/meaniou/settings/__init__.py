"""What the user chose: class names, label space and policy, checked once, frozen, and passed on whole."""

from meaniou.settings.choices import (
    CHOICES,
    MAX_CLASSES,
    Absent,
    Average,
    Impl,
    InputFormat,
    Over,
    Present,
    Unanswered,
    unknown,
)
from meaniou.settings.class_names import (
    ClassNames,
    check_text,
    names_of,
    read,
)
from meaniou.settings.input_settings import Counting
from meaniou.settings.label_space import (
    TRAIN_VOID,
    Color,
    Groups,
    LabelSpace,
    groups_of,
    void_ids,
)
from meaniou.settings.policy import Policy

__all__ = [
    "CHOICES",
    "MAX_CLASSES",
    "TRAIN_VOID",
    "Absent",
    "Average",
    "ClassNames",
    "Color",
    "Counting",
    "Groups",
    "Impl",
    "InputFormat",
    "LabelSpace",
    "Over",
    "Policy",
    "Present",
    "Unanswered",
    "check_text",
    "groups_of",
    "names_of",
    "read",
    "unknown",
    "void_ids",
]
