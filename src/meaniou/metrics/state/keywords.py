"""The error for a keyword that a metric does not have, with the keyword to use instead."""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# The keywords of ``torchmetrics.Metric``.
KEYWORDS = (
    "compute_on_cpu",
    "compute_with_cache",
    "dist_sync_fn",
    "dist_sync_on_step",
    "distributed_available_fn",
    "process_group",
    "sync_on_compute",
)
# What to use instead of the keywords of other metrics. A cure holds for metrics that have the argument before it, or
# after "" for all of them; the first that holds is shown.
REDUCE = "use label_space=LabelSpace.reduce_zero_label(num_classes)"
CLASSES = "pass classes= with the numbers of the other labels"
IMAGES = "use per_image=True and image_scores() for the values of each image"
ELSEWHERE: dict[str, dict[str, str]] = {
    "task": {
        "num_classes": "leave it out, with num_classes=2 for a binary task, or use MultilabelMeanIoU(num_labels) if "
        "labels overlap",
        "": "leave it out, or use MeanIoU(num_classes) if each pixel has one class",
    },
    "num_labels": {"num_classes": "use num_classes=, or MultilabelMeanIoU(num_labels) if labels overlap"},
    "num_classes": {"num_labels": "use num_labels=, or MeanIoU(num_classes) if each pixel has one class"},
    "thresholds": {"threshold": "use threshold=, or IoUCurve for many thresholds"},
    "threshold": {"thresholds": "use thresholds=[...], or MultilabelMeanIoU for one threshold"},
    "per_class": {
        "over": "use average='none' for one value per class",
        "": "leave it out, since each label has its own IoU",
    },
    "reduction": {"": "use average="},
    "dilation_ratio": {"width": "use width="},
    "dilation": {"width": "use width= with a whole number of pixels"},
    "top_k": {
        "num_classes": "leave it out, since only the class with the highest score counts",
        "": "leave it out, since each label is compared with its threshold",
    },
    "multidim_average": {"per_image": IMAGES},
    "per_image": {"thresholds": "use MultilabelMeanIoU, which has scores of each image"},
    "over": {"thresholds": "use MultilabelMeanIoU, which has means over images"},
    "include_background": {"num_labels": CLASSES},
    "ignore_background": {"include_background": "use include_background=False", "": CLASSES},
    "zero_division": {
        "num_classes": "use absent='zero' or 'one' for classes that are not present; by default they are left out",
        "": "use absent='zero' or 'one' for labels that are set nowhere; by default they are left out",
    },
    "reduce_zero_label": {"label_space": REDUCE},
    "reduce_labels": {"label_space": REDUCE},
    "label_map": {"label_space": "use label_space=LabelSpace(num_classes, ids=...)"},
}


@contextmanager
def unknown_keywords_explained(of_metric: type, keywords: Iterable[str]) -> Iterator[None]:
    """Replaces the error of ``torchmetrics.Metric`` for an unknown keyword by one that names the keyword to use."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Unexpected keyword"):
            raise
        raise ValueError(_unknown_keyword(of_metric, keywords)) from None


def _unknown_keyword(of_metric: type, keywords: Iterable[str]) -> str:
    """The message about the first unknown keyword, with the most similar known one if there is one."""
    keyword = next(name for name in keywords if name not in KEYWORDS)
    constructors = [vars(base)["__init__"] for base in of_metric.__mro__ if "__init__" in vars(base)]
    own = {name for init in constructors for name in inspect.signature(init).parameters} - {"self", "kwargs"}
    metric = of_metric.__name__
    if cure := next((cure for needs, cure in ELSEWHERE.get(keyword, {}).items() if not needs or needs in own), ""):
        return f"{metric} has no argument {keyword!r}; {cure}."
    if near := difflib.get_close_matches(keyword, [*own, *KEYWORDS], 1, 0.7):
        return f"{metric} has no argument {keyword!r} (did you mean {near[0]!r}?)."
    return f"{metric} has no argument {keyword!r}; help({metric}) lists its arguments."
