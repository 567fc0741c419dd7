"""Two metrics over the same images -> how sure it is that one is better."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from meaniou._util import listed, warn
from meaniou.metrics.iou_metric import Checked
from meaniou.metrics.mean_iou import MeanIoU
from meaniou.scores import areas, rows_of
from meaniou.uncertainty import CONFIDENCE, RESAMPLES, Clusters, Comparison, Of, resampling


def compare(
    a: MeanIoU,
    b: MeanIoU,
    of: Of = "mean",
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> Comparison | list[Comparison]:
    """How sure it is that one metric is higher than another: a paired interval of their difference, and its p-value.

    Both must have counted the same images, which are paired by their ids; without any ids, in one process, by the order
    in which they were counted. The same images are resampled for both, so that images that are hard for both cancel:
    such intervals are many times narrower than those of each metric alone. In a process group every rank must call it.

    Args:
        a, b: metrics with ``per_image=True``, the same label space and the same rules.
        of: ``"mean"``, ``"class"`` (a comparison for each class) or ``"accuracy"``.
        confidence: the share of resamples inside the interval.
        resamples: how often the images are resampled.
        seed: of the resampling.
        clusters: ``{id: group}`` or a function of the id: whole groups are resampled then.

    Raises:
        ValueError: if the two have other classes, rules or images, or images of another truth, or no rows.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU, compare
        >>> a, b = MeanIoU(2, per_image=True), MeanIoU(2, per_image=True)
        >>> target = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 1, 1]], [[0, 1, 0, 1]]])
        >>> a.update(target, target, ids=[0, 1, 2])
        >>> b.update(1 - target, target, ids=[0, 1, 2])
        >>> compare(a, b).better
        'a'
    """
    if reason := a._unlike(b):
        raise ValueError(reason)
    with a._all_ranks(), b._all_ranks():
        for metric in (a, b):
            metric._refuse_without_rows()
        both = [metric._checked() for metric in (a, b)]
        for counted in both:
            areas(counted.counts, a.label_space, a.policy)  # refuses a no-answer that is an error
        for doubt in {str(doubt): doubt for counted in both for doubt in counted.doubts}.values():
            warn(doubt)
        first, second = (_numbered(metric, counted) for metric, counted in zip((a, b), both, strict=True))
        names = {**b.image_names, **a.image_names}
        _check_pairs(first, second, names)
        one, other = (rows_of(*part, a.label_space, a.policy, names) for part in (first, second))
        return resampling.compare(one, other, a.policy, of, confidence, resamples, seed, clusters)


def _numbered(metric: MeanIoU, counted: Checked) -> tuple[Tensor, Tensor]:
    """Numbers for images that have no ids, in the order in which they were counted."""
    assert counted.images is not None
    rows, ids = (part.cpu() for part in counted.images)
    if metric._is_ordered() and bool((ids < 0).all()):
        ids = torch.arange(len(ids))
    if bool((ids < 0).any()):
        raise ValueError(
            "Images are paired by their ids, and some have none; expected ids in every update, so pass image_ids=."
        )
    return rows, ids


def _check_pairs(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], names: Mapping[int, str]) -> None:
    ids = [part[1].numpy() for part in (first, second)]
    for here, there, where in ((ids[0], ids[1], "a"), (ids[1], ids[0], "b")):
        only = np.setdiff1d(here, there)
        if len(only):
            named = listed(names.get(i, i) for i in only.tolist())
            are = "s are" if len(only) > 1 else " is"
            raise ValueError(
                f"{len(only)} image{are} in {where} only: {named}; expected the same images in both, so "
                "score both on all of them."
            )
    if len(ids[0]) != len(ids[1]) or len(np.unique(ids[0])) != len(ids[0]):
        raise ValueError(
            "Some images were counted more than once; expected each once in both, so use a sampler that repeats none."
        )
    order = [torch.from_numpy(np.argsort(i)) for i in ids]
    truth = [part[0][o, 1] for part, o in zip((first, second), order, strict=True)]
    wrong = (truth[0] != truth[1]).any(1)
    if bool(wrong.any()):
        i = int(ids[0][order[0].numpy()][int(wrong.nonzero()[0])])
        raise ValueError(
            f"The truth of image {names.get(i, i)} is not the same in both; expected one truth, so check the ids."
        )
