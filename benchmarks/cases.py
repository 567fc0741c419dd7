"""Named inputs, and what is timed on each: meaniou, others with the same answer, and the limits of the machine."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics.classification import MulticlassConfusionMatrix

from meaniou import MeanIoU, demo

VOID = demo.VOID


@dataclass(frozen=True)
class Case:
    """Predictions and truth, and how many classes they are from."""

    name: str
    preds: Tensor
    target: Tensor
    num_classes: int

    @property
    def pixels(self) -> int:
        return self.target.numel()


@dataclass(frozen=True)
class Contender:
    """Something to time: ``run`` does the work once; ``counts`` gives its confusion matrix, None for a limit."""

    name: str
    run: Callable[[], object]
    counts: Callable[[], Tensor] | None


def cases(megapixels: float) -> list[Case]:
    """Street scenes as maps of that size and as scores, noise, and one small map."""
    preds, target = _scenes(megapixels)
    small = (slice(0, 1), slice(0, 64), slice(0, 64))
    rng = torch.Generator().manual_seed(0)
    noise = [torch.randint(0, 19, target.shape, dtype=torch.uint8, generator=rng) for _ in range(2)]
    found = [
        Case("uint8 maps, C=19", preds, target, 19),
        Case("int64 maps, C=19", preds.long(), target.long(), 19),
        Case("int64 maps, C=150", preds.long(), target.long(), 150),
        Case("uint8 noise, C=19", *noise, 19),
        Case("64x64 int64 map, C=19", preds[small].long(), target[small].long(), 19),
    ]
    for classes, dtype in ((19, torch.float32), (19, torch.bfloat16), (150, torch.float32)):
        scores = _scores(classes, min(megapixels, 1 / 2 if classes < 100 else 1 / 8), rng).to(dtype)
        truth = target.flatten()[: scores[:, 0].numel()].view(scores[:, 0].shape).contiguous()
        found.append(Case(f"{str(dtype).removeprefix('torch.')} scores, C={classes}", scores, truth, classes))
    return found


def contenders(case: Case) -> list[Contender]:
    """What is timed on a case, meaniou first."""
    metric = MeanIoU(case.num_classes, ignore_index=VOID)
    portable = MeanIoU(case.num_classes, ignore_index=VOID, impl="portable")
    other = MulticlassConfusionMatrix(case.num_classes, ignore_index=VOID, validate_args=False)
    found = [
        Contender("meaniou", lambda: metric.update(case.preds, case.target), lambda: _counted(metric, case)),
        Contender(
            "meaniou, portable", lambda: portable.update(case.preds, case.target), lambda: _counted(portable, case)
        ),
        Contender(
            "torchmetrics, unvalidated", lambda: other.update(case.preds, case.target), lambda: _counted(other, case)
        ),
    ]
    if case.preds.is_floating_point():
        return [
            *found,
            Contender("argmax(1) alone", lambda: case.preds.argmax(1), None),
            Contender("limit: amax(1)", lambda: case.preds.amax(1), None),
        ]
    return [
        *found,
        Contender("numpy bincount recipe", lambda: _bincount(case), lambda: _bincount(case)),
        Contender("limit: read both once", lambda: (_read(case.preds), _read(case.target)), None),
    ]


def _scenes(megapixels: float) -> tuple[Tensor, Tensor]:
    """At least the first scene at 1024 x 2048, repeated up to the size; a smaller one below 2 megapixels."""
    height = 1024 if megapixels >= 2 else 256
    images = max(1, round(megapixels * 1e6 / (2 * height * height)))
    drawn = [demo.scene(seed, height, 2 * height) for seed in range(min(images, 4))]
    maps = [np.stack([pair[side] for pair in drawn]) for side in (0, 1)]
    preds, target = (torch.from_numpy(np.resize(side, (images, *side.shape[1:]))) for side in maps)
    return preds, target


def _scores(classes: int, megapixels: float, rng: torch.Generator) -> Tensor:
    height = max(32, round((megapixels * 1e6 / 2) ** 0.5))
    coarse = torch.randn(1, classes, height // 32, height // 16, generator=rng)
    return interpolate(coarse, size=(height, 2 * height), mode="bilinear")


def _counted(metric: MeanIoU | MulticlassConfusionMatrix, case: Case) -> Tensor:
    metric.reset()
    metric.update(case.preds, case.target)
    counts: Tensor = metric.confmat.clone()
    metric.reset()
    return counts


def _bincount(case: Case) -> Tensor:
    """The recipe of many evaluation scripts; it takes no scores, and is right only while no label is outside."""
    preds, target = case.preds.numpy(), case.target.numpy()
    valid = target != VOID
    cell = target[valid].astype(np.int64) * case.num_classes + preds[valid]
    return torch.from_numpy(np.bincount(cell, minlength=case.num_classes**2)).view(case.num_classes, case.num_classes)


def _read(labels: Tensor) -> Tensor:
    flat = labels.flatten()
    size = 8 // labels.element_size()
    return flat[: flat.numel() // size * size].view(torch.int64).sum()
