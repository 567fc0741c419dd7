"""The keywords of ``torchmetrics.Metric``, and the error for a keyword that no metric has."""

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from meaniou.settings import unknown_keyword

KEYWORDS = (
    "compute_on_cpu",
    "compute_with_cache",
    "dist_sync_fn",
    "dist_sync_on_step",
    "distributed_available_fn",
    "process_group",
    "sync_on_compute",
)


@contextmanager
def explained(of_metric: type, keywords: Iterable[str]) -> Iterator[None]:
    """Names what to write instead where ``torchmetrics.Metric`` refuses a keyword."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Unexpected keyword"):
            raise
        raise ValueError(_sentence(of_metric, keywords)) from None


def _sentence(of_metric: type, keywords: Iterable[str]) -> str:
    """The sentence about the first keyword that is not one of ``torchmetrics.Metric``."""
    constructors = [vars(base)["__init__"] for base in of_metric.__mro__ if "__init__" in vars(base)]
    own = {name for init in constructors for name in inspect.signature(init).parameters} - {"self", "kwargs"}
    return unknown_keyword(next(name for name in keywords if name not in KEYWORDS), [*own, *KEYWORDS])
