"""The error for a keyword that a metric does not have, with what to write instead."""

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


@contextmanager
def unknown_keywords_explained(of_metric: type, keywords: Iterable[str]) -> Iterator[None]:
    """Names what to write instead where ``torchmetrics.Metric`` refuses a keyword."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Unexpected keyword"):
            raise
        raise ValueError(_unknown_keyword(of_metric, keywords)) from None


def _unknown_keyword(of_metric: type, keywords: Iterable[str]) -> str:
    """The sentence about the first keyword that no metric has, with the one that was probably meant."""
    keyword = next(name for name in keywords if name not in KEYWORDS)
    constructors = [vars(base)["__init__"] for base in of_metric.__mro__ if "__init__" in vars(base)]
    own = {name for init in constructors for name in inspect.signature(init).parameters} - {"self", "kwargs"}
    near = difflib.get_close_matches(keyword, [*own, *KEYWORDS], 1, 0.7)
    if near and keyword not in ELSEWHERE:
        return f"{keyword} is no keyword of MeanIoU (did you mean {near[0]}?)."
    cure = ELSEWHERE.get(keyword, "expected one of those that help(MeanIoU) shows")
    return f"{keyword} is no keyword of MeanIoU; {cure}."
