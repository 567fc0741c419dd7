"""Named inputs: street scenes, noise and one class, as maps of labels and as scores."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from meaniou import synthetic

VOID = synthetic.VOID


@dataclass(frozen=True)
class Case:
    """Predictions and truth, and how many classes they are from; void pixels of the truth are 255."""

    name: str
    preds: Tensor
    target: Tensor
    num_classes: int

    @property
    def pixels(self) -> int:
        return self.target.numel()

    @property
    def has_scores(self) -> bool:
        return self.preds.is_floating_point()

    def up_to(self, pixels: int) -> Self:
        """The first images with no more pixels than that, or the upper part of the first; one whole image of scores."""
        images = min(len(self.target), pixels // self.target[0].numel())
        if images or self.has_scores:
            part: tuple[slice, ...] = (slice(0, max(1, images)),)
        else:
            part = slice(0, 1), slice(0, max(1, pixels // self.target[0, 0].numel()))
        return replace(self, preds=self.preds[part], target=self.target[part])


def cases(megapixels: float) -> Iterator[Case]:
    """Label maps of that many megapixels, scores of half a gigabyte at most, and a small map."""
    preds, target = scenes(megapixels)
    rng = torch.Generator().manual_seed(0)
    noise = [torch.randint(0, 19, target.shape, dtype=torch.uint8, generator=rng) for _ in range(2)]
    rare = preds.int() * 16 + 3, torch.where(target == VOID, VOID, target.int() * 16 + 3)  # far apart among 150
    yield Case("uint8 scenes, C=19", preds, target, 19)
    yield Case("uint8 scenes, C=2", (preds == 0).byte(), torch.where(target == VOID, target, (target == 0).byte()), 2)
    yield Case("uint8 scenes, C=150", *(side.byte() for side in rare), 150)
    yield Case("uint8 noise, C=19", *noise, 19)
    yield Case("uint8 one class, C=19", torch.zeros_like(preds), torch.zeros_like(target), 19)
    yield Case("int64 scenes, C=19", preds.long(), target.long(), 19)
    yield Case("int64 scenes, C=150", *(side.long() for side in rare), 150)
    for classes, dtype in ((19, torch.float32), (19, torch.bfloat16), (150, torch.float32), (2, torch.float32)):
        yield _scores(classes, dtype, min(megapixels, 64 / classes))
    small = (slice(0, 1), slice(100, 164), slice(200, 264))
    yield Case("64x64 int64 map, C=19", preds[small].long(), target[small].long(), 19)


def scenes(megapixels: float) -> tuple[Tensor, Tensor]:
    """At least the first scene at 1024 x 2048, repeated up to the size; a smaller one below 2 megapixels."""
    height = 1024 if megapixels >= 2 else 256
    images = max(1, round(megapixels * 1e6 / (2 * height * height)))
    drawn = [synthetic.scene(seed, height, 2 * height) for seed in range(min(images, 4))]
    maps = [np.stack([pair[side] for pair in drawn]) for side in (0, 1)]
    preds, target = (torch.from_numpy(np.resize(side, (images, *side.shape[1:]))) for side in maps)
    return preds, target


def _scores(classes: int, dtype: torch.dtype, megapixels: float) -> Case:
    """Smooth scores, and a truth of which one pixel in ten was moved to another class."""
    rng = torch.Generator().manual_seed(classes)
    height = 512 if megapixels >= 0.5 else 64
    images = max(1, round(megapixels * 1e6 / (2 * height * height)))
    coarse = torch.randn(images, classes, height // 32, height // 16, generator=rng)
    scores = interpolate(coarse, size=(height, 2 * height), mode="bilinear").to(dtype)
    target = scores.argmax(1)
    wrong = torch.rand(target.shape, generator=rng) < 0.1
    target = torch.where(wrong, (target + 1) % classes, target).to(torch.uint8)
    target[:, :8] = VOID
    return Case(f"{str(dtype).removeprefix('torch.')} scores, C={classes}", scores, target, classes)
