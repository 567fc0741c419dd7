"""Named inputs for bands inside contours: street scenes, mosaics, noise, scores and volumes, and widths in pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from cases import VOID, Case, scenes
from torch import Tensor
from torch.nn.functional import interpolate

NARROW, WIDE = 11, 46  # 0.005 and 0.02 of the diagonal of 1024 x 2048 pixels
TILES = 4  # on each side of a mosaic


@dataclass(frozen=True)
class BoundaryCase(Case):
    """A case with the widths of the bands in pixels, so that a part of an image has the same widths."""

    widths: tuple[int, ...]
    void: Literal["ignore", "literal"] = "ignore"


def boundary_cases(megapixels: float) -> Iterator[BoundaryCase]:
    """Label maps of that many megapixels, scores and volumes of fewer, and a small map."""
    preds, target = scenes(megapixels)
    far = preds * 16 + 3, torch.where(target == VOID, VOID, target.int() * 16 + 3).byte()  # far apart among 150
    for width in (NARROW, WIDE):
        yield BoundaryCase(f"uint8 scenes, C=19, d={width}", preds, target, 19, (width,))
    yield BoundaryCase(f"uint8 scenes, C=19, d={NARROW} and {WIDE}", preds, target, 19, (NARROW, WIDE))
    yield BoundaryCase(f"uint8 scenes, C=19, d={WIDE}, void literal", preds, target, 19, (WIDE,), "literal")
    yield BoundaryCase(f"uint8 scenes, C=150, d={NARROW}", *far, 150, (NARROW,))
    yield BoundaryCase(f"uint8 scenes, C=150, d={WIDE}", *far, 150, (WIDE,))
    yield BoundaryCase(f"int64 scenes, C=19, d={WIDE}", preds.long(), target.long(), 19, (WIDE,))
    yield BoundaryCase(f"int64 scenes, C=150, d={WIDE}", *(side.long() for side in far), 150, (WIDE,))
    yield _mosaic(preds, target)
    yield _noise(target)
    yield _scores(preds, target)
    yield _volumes(min(megapixels, 16))
    small = (slice(0, 1), slice(100, 164), slice(200, 264))
    yield BoundaryCase("64x64 uint8 map, C=19, d=2", preds[small].clone(), target[small].clone(), 19, (2,))


def _mosaic(preds: Tensor, target: Tensor) -> BoundaryCase:
    """Each image shrunk and repeated in 4 x 4 tiles, each with nine classes of its own, so that most of 150 occur."""
    height, width = target.shape[1:]
    tiles = torch.arange(TILES**2, dtype=torch.int16).view(TILES, TILES)
    shift = tiles.repeat_interleave(height // 8, 0).repeat_interleave(width // 8, 1) * 9
    small = [side[:, ::8, ::8].repeat(1, TILES, TILES).to(torch.int16) for side in (preds, target)]
    moved = [torch.where(side == VOID, VOID, side + shift).byte() for side in small]
    sides = [side.repeat(4, 1, 1) for side in moved]  # a tile has a quarter of the pixels
    return BoundaryCase("uint8 mosaics, C=150, d=23", sides[0], sides[1], 150, (23,))


def _noise(target: Tensor) -> BoundaryCase:
    rng = torch.Generator().manual_seed(0)
    sides = [torch.randint(0, 19, target.shape, dtype=torch.uint8, generator=rng) for _ in range(2)]
    return BoundaryCase(f"uint8 noise, C=19, d={NARROW}", sides[0], sides[1], 19, (NARROW,))


def _scores(preds: Tensor, target: Tensor) -> BoundaryCase:
    """Scores of which the highest is that of a scene's prediction; half the size on each side."""
    labels, truth = preds[:4, ::2, ::2], target[:4, ::2, ::2].contiguous()
    rng = torch.Generator().manual_seed(0)
    scores = torch.rand(len(labels), 19, *labels.shape[1:], generator=rng)
    scores.scatter_add_(1, labels.long()[:, None], torch.ones_like(scores[:, :1]))
    return BoundaryCase("float32 scores, C=19, d=23", scores, truth, 19, (23,))


def _volumes(megapixels: float) -> BoundaryCase:
    """Smooth bodies of five classes in volumes, and predictions whose contours are moved a little."""
    side = 128 if megapixels >= 2 else 32
    images = max(1, round(megapixels * 1e6 / side**3))
    rng = torch.Generator().manual_seed(0)
    pairs = []
    for _ in range(images):
        coarse = torch.randn(1, 5, 8, 8, 8, generator=rng)
        moved = coarse + 0.1 * torch.randn(coarse.shape, generator=rng)
        pairs.append(
            [interpolate(part, size=(side,) * 3, mode="trilinear").argmax(1).byte() for part in (moved, coarse)]
        )
    preds, target = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    target[:, :2] = VOID
    return BoundaryCase("uint8 volumes, C=5, d=4", preds, target, 5, (4,))
