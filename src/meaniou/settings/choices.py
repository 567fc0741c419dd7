"""The settings with a fixed set of values, and what stands here for the keywords of other metrics."""

import difflib
from collections.abc import Iterable
from typing import Literal, get_args

MAX_CLASSES = 4096

Average = Literal["macro", "micro", "weighted", "none"]
VoidPreds = Literal["miss", "drop", "error"]
Present = Literal["union", "target"]
Absent = Literal["skip", "zero", "one", "nan"]
Over = Literal["dataset", "image", "class"]
InputFormat = Literal["auto", "index", "one-hot"]
Impl = str  # the name of a kernel, or "auto"; the table of kernels in counting says which there are

CHOICES: dict[str, tuple[str, ...]] = {
    "average": get_args(Average),
    "void_preds": get_args(VoidPreds),
    "present": get_args(Present),
    "absent": get_args(Absent),
    "over": get_args(Over),
    "input_format": get_args(InputFormat),
}

# What to write in place of the keywords of other metrics.
ELSEWHERE = {
    "task": "leave it out, and write num_classes=2 for a binary task, or a MeanIoU(2) for each label of several",
    "num_labels": "write num_classes=, or a MeanIoU(2) for each label where labels overlap",
    "per_class": "write average='none' for a value per class",
    "reduction": "write average=",
    "top_k": "leave it out, since the highest score is the answer",
    "multidim_average": "write per_image=True, and ask image_scores() for the values of each image",
    "ignore_background": "write include_background=False",
    "reduce_zero_label": "write label_space=LabelSpace.reduce_zero_label(number)",
    "reduce_labels": "write label_space=LabelSpace.reduce_zero_label(number)",
    "label_map": "write label_space=LabelSpace(number, ids=...)",
}


def check_choice(name: str, value: object) -> None:
    """Raises ``ValueError`` unless ``value`` is one of the choices of that name."""
    if value not in CHOICES[name]:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, CHOICES[name]))}.")


def unknown_keyword(keyword: str, keywords: Iterable[str]) -> str:
    """The error for an unknown keyword, with the keyword that was probably meant."""
    near = difflib.get_close_matches(keyword, list(keywords), 1, 0.7)
    if near and keyword not in ELSEWHERE:
        return f"{keyword} is no keyword of MeanIoU (did you mean {near[0]}?)."
    cure = ELSEWHERE.get(keyword, "expected one of those that help(MeanIoU) shows")
    return f"{keyword} is no keyword of MeanIoU; {cure}."
