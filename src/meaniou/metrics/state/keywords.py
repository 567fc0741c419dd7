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
# What to use instead of the keywords of other metrics.
ELSEWHERE = {
    "task": "leave it out, with num_classes=2 for a binary task, or one MeanIoU(2) per label if labels overlap",
    "num_labels": "use num_classes=, or one MeanIoU(2) per label if labels overlap",
    "per_class": "use average='none' for one value per class",
    "reduction": "use average=",
    "top_k": "leave it out, since only the class with the highest score counts",
    "multidim_average": "use per_image=True and image_scores() for the values of each image",
    "ignore_background": "use include_background=False",
    "reduce_zero_label": "use label_space=LabelSpace.reduce_zero_label(num_classes)",
    "reduce_labels": "use label_space=LabelSpace.reduce_zero_label(num_classes)",
    "label_map": "use label_space=LabelSpace(num_classes, ids=...)",
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
    near = difflib.get_close_matches(keyword, [*own, *KEYWORDS], 1, 0.7)
    if near and keyword not in ELSEWHERE:
        return f"MeanIoU has no argument {keyword!r} (did you mean {near[0]!r}?)."
    cure = ELSEWHERE.get(keyword, "help(MeanIoU) lists its arguments")
    return f"MeanIoU has no argument {keyword!r}; {cure}."
