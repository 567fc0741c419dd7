"""Synthetic street scenes: label maps or labels that overlap, and the predictions of an imperfect model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

NAMES = ("road", "sidewalk", "building", "vegetation", "sky", "person", "car", "bicycle", "train")
ROAD, SIDEWALK, BUILDING, VEGETATION, SKY, PERSON, CAR, BICYCLE, TRAIN = range(len(NAMES))
VOID = 255
# Labels that overlap, each with its classes.
OVERLAPPING = {
    "road": (ROAD,),
    "ground": (ROAD, SIDEWALK),
    "traffic": (PERSON, CAR, BICYCLE, TRAIN),
}
RADIUS = 3  # pixels over which scores are smoothed

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """An object of a scene; its centre and half size are fractions of the width and height."""

    label: int
    kind: str  # "box", "disc" or "wedge", which widens downwards
    x: float
    y: float
    half_width: float
    half_height: float


def scene(seed: int, height: int = 256, width: int = 512) -> tuple[Labels, Labels]:
    """The prediction and the ground truth of one image, uint8 ``[H, W]`` each; ``seed`` selects the scene.

    Classes are those of ``NAMES``. The ground truth has a void frame and void contours (255). No map holds a train, and
    only predictions hold bicycles. At 1024 x 2048, 0.6 % of the neighbouring pixels differ in one of the maps.
    """
    rng = np.random.default_rng(seed)
    shapes = list(_shapes(rng))
    target = _draw(shapes, height, width)
    preds = _draw(list(_misjudged(shapes, rng)), height, width)
    return preds, _with_void(target)


def stack(seed: int, height: int = 64, width: int = 128) -> tuple[NDArray[np.float16], Labels]:
    """The scores, float16 in 0 .. 1, and the ground truth, uint8, of the labels in ``OVERLAPPING``: ``[L, H, W]`` each.

    The scene is that of ``scene``. A score is the share of pixels with the label in a square of the prediction.
    """
    preds, target = scene(seed, height, width)
    members = [np.isin(preds, classes) for classes in OVERLAPPING.values()]
    padded = np.pad(np.stack(members), ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode="edge")
    window = (2 * RADIUS + 1, 2 * RADIUS + 1)
    scores = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2)).mean((-2, -1))
    truth = np.stack([np.isin(target, classes) for classes in OVERLAPPING.values()]).astype(np.uint8)
    return scores.astype(np.float16), np.where(target == VOID, np.uint8(VOID), truth)


def _shapes(rng: np.random.Generator) -> Iterator[Shape]:
    """The shapes of a random scene, the most distant first."""
    horizon = rng.uniform(0.4, 0.5)
    yield Shape(SKY, "box", 0.5, 0.0, 0.6, horizon + 0.1)
    for x in np.arange(0.0, 1.1, 0.14):
        if rng.random() < 0.7:
            top = rng.uniform(0.05, horizon - 0.05)
            yield Shape(BUILDING, "box", x, (top + horizon) / 2, rng.uniform(0.05, 0.09), (horizon - top) / 2 + 0.08)
    for _ in range(rng.integers(2, 6)):
        yield Shape(
            VEGETATION,
            "disc",
            rng.random(),
            horizon - rng.uniform(0.0, 0.15),
            rng.uniform(0.04, 0.12),
            rng.uniform(0.06, 0.16),
        )
    middle = rng.uniform(0.4, 0.6)
    yield Shape(SIDEWALK, "box", 0.5, (1 + horizon) / 2, 0.6, (1 - horizon) / 2)
    yield Shape(ROAD, "wedge", middle, (1 + horizon) / 2, 0.5, (1 - horizon) / 2)
    for _ in range(rng.integers(1, 5)):
        near = rng.uniform(0.2, 1.0)
        y = horizon + 0.35 * near * (1 - horizon)
        yield Shape(CAR, "box", middle + rng.uniform(-0.25, 0.25), y, 0.08 * near, 0.08 * near)
    for _ in range(rng.integers(0, 5)):
        near = rng.uniform(0.3, 1.0)
        yield Shape(
            PERSON,
            "disc",
            rng.choice([0.12, 0.88]) + rng.uniform(-0.1, 0.1),
            horizon + 0.15 * near,
            0.015 * near,
            0.13 * near,
        )


def _misjudged(shapes: list[Shape], rng: np.random.Generator) -> Iterator[Shape]:
    """The shapes as a model predicts them: shifted a little, some small ones missed, some persons as bicycles."""
    for shape in shapes:
        small = shape.half_width < 0.1
        if small and rng.random() < 0.1:
            continue
        label = BICYCLE if shape.label == PERSON and rng.random() < 0.3 else shape.label
        dx, dy = rng.normal(0, 0.004, 2)
        grow = rng.normal(1, 0.04 if small else 0.01)
        yield replace(
            shape,
            label=label,
            x=shape.x + dx,
            y=shape.y + dy,
            half_width=shape.half_width * grow,
            half_height=shape.half_height * grow,
        )


def _draw(shapes: list[Shape], height: int, width: int) -> Labels:
    """The label map of shapes; later ones cover earlier ones."""
    labels = np.full((height, width), BUILDING, np.uint8)
    y, x = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width)[None] + 0.5) / width
    for shape in shapes:
        across, down = np.abs(x - shape.x) / shape.half_width, (y - shape.y) / shape.half_height
        if shape.kind == "disc":
            inside = across**2 + down**2 <= 1
        else:
            inside = (across <= (1 if shape.kind == "box" else (down + 1) / 2 + 0.02)) & (np.abs(down) <= 1)
        labels[inside] = shape.label
    return labels


def _with_void(target: Labels) -> Labels:
    """The map with a void frame and void contours."""
    edge = np.zeros(target.shape, bool)
    edge[:, 1:] |= target[:, 1:] != target[:, :-1]
    edge[1:] |= target[1:] != target[:-1]
    frame = max(1, target.shape[0] // 64)
    edge[:frame] = edge[-frame:] = edge[:, :frame] = edge[:, -frame:] = True
    return np.where(edge, np.uint8(VOID), target)
