"""What is timed on a case: meaniou, others from public packages, and the limits of the machine."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from cases import VOID, Case
from torch import Tensor
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.segmentation import MeanIoU as MeanOverImages

from meaniou import MeanIoU

Run = Callable[[], Any]
MEGAPIXEL = 1 << 20


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Attributes:
        name: as it stands in the results; those of limits begin with ``"limit"``.
        run: does the work once.
        counts: the confusion matrix of the case, int64 ``[C, C]``, truth in rows; None where there is none.
        pixels: how many of the case it is given; slow ones get fewer.
        note: why there are no counts, or that it is missing.
        one_thread: whether it is measured on one thread only.
    """

    name: str
    run: Run | None
    counts: Callable[[], Tensor] | None
    pixels: int
    note: str = ""
    one_thread: bool = False


def contenders(case: Case) -> Iterator[Contender]:
    """meaniou first, then the others, then the limits."""
    yield _ours("meaniou", case, "auto")
    yield _ours("meaniou, portable", case, "portable")
    fewer = case.up_to(8 * MEGAPIXEL)
    yield _jaccard("torchmetrics", fewer, validate=True)
    yield _jaccard("torchmetrics, unvalidated", fewer, validate=False)
    yield _mean_over_images(case.up_to(19 * MEGAPIXEL // case.num_classes))  # it takes 24 bytes a pixel and class
    yield _optional("torcheval", "torcheval.metrics.functional", _torcheval, case.up_to(2 * MEGAPIXEL))
    yield _optional("scikit-learn", "sklearn.metrics", _sklearn, case.up_to(2 * MEGAPIXEL))
    yield _optional("kornia", "kornia.metrics", _kornia, case.up_to(2 * MEGAPIXEL))
    yield _optional("ignite", "ignite.metrics", _ignite, case.up_to(2 * MEGAPIXEL))
    recipe = fewer if case.has_scores else case  # argmax is slow
    yield Contender("numpy bincount", lambda: _bincount(recipe), lambda: _bincount(recipe), recipe.pixels)
    if case.has_scores:
        yield Contender("argmax(1) alone", lambda: fewer.preds.argmax(1), None, fewer.pixels, "half of the work")
        yield Contender("limit: amax(1)", lambda: case.preds.amax(1), None, case.pixels)
    else:
        yield Contender("limit: read both", lambda: (read(case.preds), read(case.target)), None, case.pixels)
        rooms = torch.empty_like(case.preds), torch.empty_like(case.target)
        yield Contender(
            "limit: copy both", lambda: (rooms[0].copy_(case.preds), rooms[1].copy_(case.target)), None, case.pixels
        )


def _ours(name: str, case: Case, impl: Any) -> Contender:
    metric = MeanIoU(case.num_classes, ignore_index=VOID, impl=impl)
    run = lambda: metric.update(case.preds, case.target)  # noqa: E731
    return Contender(name, run, lambda: _counted(metric, case), case.pixels, f"kernel {metric.kernel}")


def _jaccard(name: str, case: Case, validate: bool) -> Contender:
    metric = MulticlassJaccardIndex(case.num_classes, ignore_index=VOID, validate_args=validate)
    run = lambda: metric.update(case.preds, case.target)  # noqa: E731
    return Contender(name, run, lambda: _counted(metric, case), case.pixels)


def _counted(metric: Any, case: Case) -> Tensor:
    metric.reset()
    metric.update(case.preds, case.target)
    counts: Tensor = metric.confmat.clone()
    metric.reset()
    return counts


def _mean_over_images(case: Case) -> Contender:
    name = "torchmetrics.segmentation"
    if case.has_scores:
        return Contender(name, None, None, 0, "takes no scores")
    preds, target = case.preds.long(), case.target.long()
    target = target.masked_fill(target == VOID, 0)  # it knows no void
    metric = MeanOverImages(case.num_classes, input_format="index")
    return Contender(name, lambda: metric.update(preds, target), None, case.pixels, "another definition")


def _optional(name: str, module: str, make: Callable[[Any, Case], tuple[Run, Run] | str], case: Case) -> Contender:
    try:
        made = make(importlib.import_module(module), case)
    except ImportError:
        made = "not installed"
    if isinstance(made, str):
        return Contender(name, None, None, 0, made)
    return Contender(name, *made, case.pixels)


def _torcheval(module: Any, case: Case) -> tuple[Run, Run] | str:
    if case.has_scores:
        return "takes scores [N, C] only"

    def run() -> Tensor:  # it knows no void
        valid = case.target != VOID
        counts: Tensor = module.multiclass_confusion_matrix(
            case.preds[valid].long(), case.target[valid].long(), case.num_classes
        )
        return counts

    return run, lambda: run().long()


def _sklearn(module: Any, case: Case) -> tuple[Run, Run] | str:
    if case.has_scores:
        return "takes no scores"
    labels = range(case.num_classes)
    run = lambda: module.confusion_matrix(  # noqa: E731
        case.target.numpy().ravel(), case.preds.numpy().ravel(), labels=labels
    )
    return run, lambda: torch.from_numpy(run())


def _kornia(module: Any, case: Case) -> tuple[Run, Run] | str:
    if case.has_scores:
        return "takes no scores"

    def run() -> Tensor:  # it knows no void
        valid = case.target != VOID
        counts: Tensor = module.confusion_matrix(
            case.preds[valid].long()[None], case.target[valid].long()[None], case.num_classes
        )
        return counts

    return run, lambda: run()[0].long()


def _ignite(module: Any, case: Case) -> tuple[Run, Run] | str:
    if not case.has_scores:
        return "takes scores only"
    target = case.target.long()  # in uint8 its cells wrap from 17 classes on
    metric = module.ConfusionMatrix(case.num_classes)

    def counts() -> Tensor:
        metric.reset()
        metric.update((case.preds, target))
        counts: Tensor = metric.confusion_matrix.clone()
        return counts

    return lambda: metric.update((case.preds, target)), counts


def _bincount(case: Case) -> Tensor:
    """The recipe of many evaluation scripts, which is right only while no label is outside."""
    preds = (case.preds.argmax(1) if case.has_scores else case.preds).numpy()
    target = case.target.numpy()
    valid = target != VOID
    cell = target[valid].astype(np.int64) * case.num_classes + preds[valid]
    return torch.from_numpy(np.bincount(cell, minlength=case.num_classes**2)).view(case.num_classes, case.num_classes)


def read(side: Tensor) -> Tensor:
    """Reads a map once, eight bytes at a time."""
    flat = side.flatten()
    size = 8 // side.element_size()
    return flat[: flat.numel() // size * size].view(torch.int64).sum()
