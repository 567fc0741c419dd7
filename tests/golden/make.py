"""Writes the maps of all golden cases and their results anew: ``cd tests && python -m golden.make``.

No test runs it. Results change where the package changes, and a diff shows which; maps change where a case does.
"""

from collections.abc import Iterable

import numpy as np
from golden.cases import CASES, VOID
from golden.results import FOLDER, MAPS, maps_of, results, text
from numpy.typing import NDArray

from meaniou.synthetic import BICYCLE, PERSON, TRAIN, scene

IMAGES, HEIGHT, WIDTH = 7, 24, 36
# Ids of the nine classes of the scenes, and of their void.
CITYSCAPES, CITYSCAPES_VOID = [7, 8, 11, 21, 23, 24, 26, 33, 31], 4
SEMANTICKITTI, SEMANTICKITTI_VOID = [40, 48, 50, 70, 252, 30, 10, 11, 18], 0
NUSCENES, NUSCENES_PREDS, NUSCENES_VOID = [24, 26, 28, 30, 27, 2, 17, 14, 23], [11, 13, 15, 16, 14, 7, 4, 2, 10], 29

Array = NDArray[np.generic]
Sides = dict[str, list[Array]]


def street(height: int = HEIGHT, width: int = WIDTH, images: int = IMAGES, first: int = 0) -> Sides:
    """Scenes with void in the ground truth; the predictions of ``b`` are those of ``a``, shifted by a pixel.

    Image 2 is void altogether, image 3 without persons, and image 1 has void predictions in one part.
    """
    pairs = [scene(first + i, height, width) for i in range(images)]
    a, target = ([np.asarray(pair[side], np.int64) for pair in pairs] for side in (0, 1))
    target[2][:] = VOID
    a[3][a[3] == PERSON] = BICYCLE
    b = [np.roll(image, 1, -1) for image in a]
    a[1][6:10, 5:17] = VOID
    b[4][2:5] = VOID
    return {"a": a, "b": b, "target": target}


def of_ids(sides: Sides, ids: Iterable[int], void: int, dtype: type, preds: Iterable[int] | None = None) -> Sides:
    """The same with ids of the classes; ``preds`` are those in the predictions, if they differ."""
    found = {}
    for side, images in sides.items():
        table = np.full(256, void, np.int64)
        table[:9] = list(ids if side == "target" or preds is None else preds)
        found[side] = [table[image].astype(dtype) for image in images]
    return found


def with_class_0_for_void(sides: Sides) -> Sides:
    """The same with class 0 in place of void predictions."""
    return {s: [np.where(i == VOID, 0, i) if s != "target" else i for i in images] for s, images in sides.items()}


def typed(sides: Sides, dtype: type, *others: type) -> Sides:
    """The same in a dtype, or in one for predictions and one for the ground truth."""
    return {
        s: [i.astype(others[0] if others and s == "target" else dtype) for i in images] for s, images in sides.items()
    }


def edited(sides: Sides, side: str, *edits: tuple[int, slice, slice, int]) -> Sides:
    """The same with labels in rectangles of images of a side."""
    images = [image.copy() for image in sides[side]]
    for image, rows, columns, label in edits:
        images[image][rows, columns] = label
    return {**sides, side: images}


def scored(sides: Sides, classes: int, dtype: type) -> Sides:
    """Scores in steps of 1/8, so that ties are common, some NaN, instead of labels below ``classes``."""
    rng, found = np.random.default_rng(11), dict(sides)
    for side in "ab":
        scores = []
        for image in sides[side]:
            of_class = rng.integers(0, 5, (classes, *image.shape)) / 8
            of_class += 0.25 * (np.arange(classes)[:, None, None] == image)
            of_class[0, 3:5, 2:9] = np.nan
            of_class[:, 6:8, 10:14] = -np.inf
            scores.append(of_class.astype(dtype))
        found[side] = scores
    found["target"] = [np.where((i >= classes) & (i != VOID), 0, i).astype(np.uint8) for i in sides["target"]]
    return found


def overlapping(sides: Sides) -> Sides:
    """Labels ``[L, H, W]`` that overlap, of groups of classes; void where the class is."""
    groups = ([0], [0, 1], [3, 5], [3, 4, 5, 6, 7, 8])
    return {
        s: [np.stack([np.where(i == VOID, VOID, np.isin(i, group)) for group in groups]) for i in images]
        for s, images in sides.items()
    }


def overlapping_scores(sides: Sides) -> Sides:
    """Scores in steps of 1/16 in place of labels that overlap, so that some equal a threshold, and some NaN."""
    rng, found = np.random.default_rng(13), dict(sides)
    for side in "ab":
        scores = []
        for image in sides[side]:
            steps = rng.integers(0, 11, image.shape) + 6 * (image == 1)
            scores.append(np.where(image == VOID, np.nan, steps / 16).astype(np.float32))
        found[side] = scores
    return {**found, "target": [i.astype(np.uint8) for i in sides["target"]]}


def made() -> dict[str, Sides]:
    """The maps of all cases by name."""
    whole = street()
    small = street(16, 24, 6, first=20)
    few = {s: [np.where((i < 6) | (i == VOID), i, 5) for i in images] for s, images in street(16, 24, first=40).items()}
    rows, left, right = slice(9, 12), slice(3, 10), slice(12, 18)
    found = {"street": typed(whole, np.uint8)}
    ignored = {s: [np.where(i == VOID, -1, np.where(i > 6, 6, i)) for i in images] for s, images in small.items()}
    ignored = edited(ignored, "target", (0, rows, left, 200), (4, rows, right, 2))
    found["ignored"] = typed(edited(ignored, "a", (0, rows, right, 200), (5, rows, left, 2)), np.int64)
    voids = edited(with_class_0_for_void(whole), "a", (0, rows, left, 254), (5, rows, right, TRAIN - 1))
    found["pred_void"] = typed(voids, np.uint8, np.int16)
    ids = np.array([7, 11, -3, 40, 41, 2000])
    spaced = {s: [np.where(i == VOID, 0, ids[np.where(i == VOID, 0, i)]) for i in images] for s, images in few.items()}
    spaced = edited(spaced, "target", (0, rows, left, 300), (4, rows, right, 12), (5, rows, left, -1))
    found["label_space"] = typed(edited(spaced, "a", (0, rows, right, 5), (4, rows, left, 42)), np.int16)
    zero = {**small, "target": [np.where(i == VOID, 0, i + 1) for i in small["target"]]}
    found["reduce_zero_label"] = typed(edited(zero, "target", (0, rows, left, VOID)), np.uint8)
    beyond = edited(few, "target", (0, rows, left, 6), (4, rows, right, -5))
    beyond = edited(beyond, "a", (0, slice(10, 14), slice(5, 12), 1000), (5, rows, left, -1))
    found["outside"] = typed(edited(beyond, "b", (4, rows, right, 7)), np.int16)
    sizes = [street(8 + 3 * k, 32 - 2 * k, 5, first=60) for k in range(5)]
    found["sizes"] = {s: [sizes[k][s][k][:99] for k in range(5)] for s in whole}
    found["sizes"] = {s: [i[: 8 + 2 * k] for k, i in enumerate(images)] for s, images in found["sizes"].items()}
    found["sizes"] = typed(found["sizes"], np.int32, np.uint8)
    valid = [np.arange(16 * 24).reshape(16, 24) % (7 + k) > 0 for k in range(6)]
    repeated = {s: [*images, images[0]] for s, images in small.items()}
    found["valid"] = {**typed(repeated, np.uint8), "valid": [*valid, np.zeros((16, 24), bool)]}
    crops = {s: [i[:16, :24] for i in images[:4]] for s, images in small.items()}
    found["scores_float32"] = scored(crops, 5, np.float32)
    found["scores_float16"] = scored(street(12, 18, 5, first=80), 5, np.float16)
    planes = {s: [np.where(i > 3, 3, i) for i in images] for s, images in with_class_0_for_void(crops).items()}
    found["one_hot"] = {
        s: [np.eye(4, dtype=np.uint8)[i].transpose(2, 0, 1) for i in images] for s, images in planes.items()
    }
    found["one_hot"]["a"][0][:, 2:4, 3:8] = 1  # two planes and more, and none
    found["one_hot"]["a"][1][:, 2:4, 3:8] = 0
    binary = street(16, 24, 5, first=90)
    binary["target"] = [np.where(i == VOID, VOID, i < 2).astype(np.uint8) for i in binary["target"]]
    for side in "ab":
        chances = [
            np.where(i == VOID, np.nan, np.where(i < 2, 0.75, np.where(i == 3, 0.5, 0.25))) for i in binary[side]
        ]
        binary[side] = [image.astype(np.float32) for image in chances]
    found["threshold"] = binary
    found["floats"] = typed(crops, np.float32, np.int64)
    city = of_ids(whole, CITYSCAPES, CITYSCAPES_VOID, np.int16)
    city = edited(city, "target", (0, rows, left, -1), (4, rows, right, 14), (5, rows, left, 25))
    found["cityscapes"] = edited(city, "a", (0, rows, right, 29), (5, rows, left, 18))
    found["cityscapes_classes"] = {
        **typed(small, np.uint8),
        **of_ids({"target": small["target"]}, CITYSCAPES, 0, np.uint8),
    }
    voc = [with_class_0_for_void(street(10 + 2 * k, 30 - k, 5, first=100)) for k in range(5)]
    found["voc2012"] = typed({s: [voc[k][s][k] for k in range(5)] for s in whole}, np.uint8)
    found["ade20k"] = of_ids(small, range(1, 146, 17), 0, np.uint8)
    found["coco_stuff"] = of_ids(small, range(1, 10), 0, np.uint8)
    found["mapillary"] = of_ids(small, range(3, 66, 7), 65, np.uint8)
    clouds = {s: [image.ravel()[: 300 + 10 * k] for k, image in enumerate(images)] for s, images in small.items()}
    found["semantickitti"] = of_ids(clouds, SEMANTICKITTI, SEMANTICKITTI_VOID, np.int32)
    flat = {s: [image.ravel() for image in images] for s, images in with_class_0_for_void(small).items()}
    found["nuscenes"] = of_ids(flat, NUSCENES, NUSCENES_VOID, np.uint8, NUSCENES_PREDS)
    labels = overlapping(street(16, 24, 6, first=120))
    for image in (1, 4):
        labels["target"][image][2] = VOID  # a label without a valid pixel in these images
    labels["target"][5][labels["target"][5] == 1] = 0  # an image without a set pixel
    found["overlapping_scores"] = overlapping_scores(labels)
    odd = {s: [i.astype(np.int64) for i in images] for s, images in labels.items()}
    odd["target"][0][1, 3:5, 2:9], odd["target"][3][3, 6:8] = -1, 7
    odd["a"][0][0, 9:12], odd["b"][2][1, 2:4] = -1, 9
    found["overlapping_labels"] = typed(odd, np.int16)
    return found


def main() -> None:
    """Writes all files of this folder that are data."""
    maps = {f"{case}.{s}.{k}": i for case, sides in made().items() for s in sides for k, i in enumerate(sides[s])}
    np.savez_compressed(MAPS, **maps)
    for case in CASES:
        content = text(results(case, "portable", maps_of(case))) + "\n"
        (FOLDER / f"{case.name}.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
