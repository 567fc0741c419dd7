"""Named inputs of labels that overlap: smooth probabilities, and noise, at one threshold and at a hundred."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from cases import VOID
from torch import Tensor
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class LabelCase:
    """Scores and truth ``[B, L, H, W]``, and the thresholds; void in the truth is 255."""

    name: str
    preds: Tensor
    target: Tensor
    thresholds: tuple[float, ...]

    @property
    def num_labels(self) -> int:
        return self.target.shape[1]

    @property
    def pixels(self) -> int:
        """Pixels, summed over labels."""
        return self.target.numel()

    def up_to(self, pixels: int) -> "LabelCase":
        """The first images with no more pixels than that, or the upper part of the first."""
        images, row = pixels // self.target[0].numel(), self.num_labels * self.target.shape[-1]
        part = (slice(images),) if images else (slice(1), slice(None), slice(max(1, pixels // row)))
        return replace(self, preds=self.preds[part].contiguous(), target=self.target[part].contiguous())


def label_cases(megapixels: float) -> Iterator[LabelCase]:
    """Maps of that many megapixels, summed over labels, and small maps."""
    one, many = (0.5,), tuple(k / 99 for k in range(100))
    scores, target = smooth(8, megapixels)
    yield LabelCase("float32 scores, L=8, one threshold, int64 truth", scores, target.long(), one)
    yield LabelCase("float32 scores, L=8, one threshold, uint8 truth", scores, target, one)
    yield LabelCase("bfloat16 scores, L=8, one threshold, uint8 truth", scores.bfloat16(), target, one)
    yield LabelCase("float32 scores, L=8, 100 thresholds, uint8 truth", scores, target, many)
    noise = torch.rand(scores.shape, generator=torch.Generator().manual_seed(0))
    yield LabelCase("float32 noise, L=8, 100 thresholds, uint8 truth", noise, target, many)
    yield LabelCase("float32 scores, L=1, 100 thresholds, uint8 truth", *smooth(1, megapixels), many)
    small = slice(0, 1), slice(None), slice(0, 64), slice(0, 64)
    yield LabelCase("64x64 map, L=8, one threshold, int64 truth", scores[small].clone(), target[small].long(), one)
    yield LabelCase("64x64 map, L=8, 100 thresholds, int64 truth", scores[small].clone(), target[small].long(), many)


def smooth(labels: int, megapixels: float) -> tuple[Tensor, Tensor]:
    """Probabilities that are mostly near 0 and 1, and a truth of which one pixel in ten is wrong, uint8."""
    rng = torch.Generator().manual_seed(labels)
    height = 512 if megapixels >= 4 else 64
    images = max(1, round(megapixels * 1e6 / (labels * height * height)))
    coarse = torch.randn(images, labels, height // 16, height // 16, generator=rng)
    logits = interpolate(6 * coarse, size=(height, height), mode="bilinear")
    target = (logits > 0) ^ (torch.rand(logits.shape, generator=rng) < 0.1)
    target = target.to(torch.uint8)
    target[:, :, :8] = VOID
    return torch.sigmoid(logits), target
