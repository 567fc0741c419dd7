"""What is timed on a case of labels that overlap: meaniou, torchmetrics, recipes in PyTorch, and the limit.

``segmentation_models_pytorch.metrics.get_stats`` is left out: it refuses void in this mode, and turns the truth into
0 and 1 by the same threshold as the scores.
"""

from collections.abc import Iterator
from typing import Any

import torch
from cases import VOID
from label_cases import LabelCase
from peers import Contender, read
from torch import Tensor
from torchmetrics.classification import (
    BinaryPrecisionRecallCurve,
    MultilabelJaccardIndex,
    MultilabelPrecisionRecallCurve,
)

from meaniou import IoUCurve, MultilabelMeanIoU

# torchmetrics holds all pixels at all thresholds for several labels, 8 bytes each and several times.
MOST_PIXELS, MOST_AT_ALL_THRESHOLDS = 1 << 22, 1 << 16


def label_contenders(case: LabelCase) -> Iterator[Contender]:
    """meaniou first, then the others, then the limit; their counts are ``[T, L, 2, 2]``, truth in rows."""
    yield _ours("meaniou", case, "auto")
    yield _ours("meaniou, portable", case, "portable")
    several = len(case.thresholds) > 1
    fewer = case.up_to(MOST_AT_ALL_THRESHOLDS if several and case.num_labels > 1 else MOST_PIXELS)
    yield _torchmetrics("torchmetrics", fewer, validate=True)
    yield _torchmetrics("torchmetrics, unvalidated", fewer, validate=False)
    fewer, recipe = case.up_to(MOST_PIXELS), _bucketed if several else _masked
    name = "bucketize and bincount" if several else "sums of masks"
    yield Contender(name, lambda: recipe(fewer), lambda: recipe(fewer), fewer.pixels)
    yield Contender("limit: read both", lambda: (read(case.preds), read(case.target)), None, case.pixels)


def _ours(name: str, case: LabelCase, impl: Any) -> Contender:
    metric: Any
    if len(case.thresholds) > 1:  # a score on a threshold is above it, as in torchmetrics
        metric = IoUCurve(case.num_labels, thresholds=case.thresholds, inclusive=True, ignore_index=VOID, impl=impl)
    else:
        metric = MultilabelMeanIoU(case.num_labels, threshold=case.thresholds[0], ignore_index=VOID, impl=impl)

    def counts() -> Tensor:
        return at_thresholds(_updated(metric, case).counts)

    return Contender(
        name, lambda: metric.update(case.preds, case.target), counts, case.pixels, f"kernel {metric.kernel}"
    )


def at_thresholds(counts: Tensor) -> Tensor:
    """Counts ``[L, 4, T + 3]`` of pixels by the number of thresholds below, as counts at each threshold."""
    pixels = counts[:, :2, :-2]
    above = pixels.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    return torch.stack([pixels.sum(-1, keepdim=True) - above, above], -1).permute(2, 0, 1, 3)


def _torchmetrics(name: str, case: LabelCase, validate: bool) -> Contender:
    settings: dict[str, Any] = {"ignore_index": VOID, "validate_args": validate}
    preds, target, note = case.preds, case.target, ""
    metric: Any
    if len(case.thresholds) == 1:
        metric = MultilabelJaccardIndex(case.num_labels, threshold=case.thresholds[0], **settings)
    elif case.num_labels == 1:
        metric = BinaryPrecisionRecallCurve(thresholds=list(case.thresholds), **settings)
        preds, target = preds[:, 0], target[:, 0]
    else:
        metric = MultilabelPrecisionRecallCurve(case.num_labels, thresholds=list(case.thresholds), **settings)
    if target.dtype == torch.uint8:  # it writes a negative number over void
        target, note = target.long(), "gets the truth as int64"

    def counts() -> Tensor:
        metric.reset()
        metric.update(preds, target)
        confmat: Tensor = metric.confmat.clone()
        metric.reset()
        return confmat.reshape(len(case.thresholds), case.num_labels, 2, 2)

    return Contender(name, lambda: metric.update(preds, target), counts, case.pixels, note)


def _updated(metric: Any, case: LabelCase) -> Any:
    metric.reset()
    metric.update(case.preds, case.target)
    return metric


def _masked(case: LabelCase) -> Tensor:
    """The sums of an evaluation script at one threshold."""
    predicted, truth, over = case.preds > case.thresholds[0], case.target == 1, (0, 2, 3)
    rows = [(part & side).sum(over) for part in (case.target == 0, truth) for side in (~predicted, predicted)]
    return torch.stack(rows, -1).view(1, case.num_labels, 2, 2)


def _bucketed(case: LabelCase) -> Tensor:
    """A histogram of scores for each label and truth."""
    edges = torch.tensor(case.thresholds)
    bins, width = torch.bucketize(case.preds, edges, right=True), len(edges) + 1
    start = torch.arange(case.num_labels).view(-1, 1, 1) * (2 * width)
    cells = (bins + case.target.long() * width + start)[case.target != VOID]
    counts = torch.bincount(cells, minlength=case.num_labels * 2 * width).view(-1, 2, width)
    return at_thresholds(torch.nn.functional.pad(counts, (0, 2)))
