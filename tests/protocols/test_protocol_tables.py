"""The class names of each protocol belong to the ids of its source.

``SOURCES`` holds what was derived from the sources alone: the SHA-256 of one line ``ids,name`` a class, in the order of
the classes, each with a line feed, where several ids are sorted and have spaces between them; and some names by hand.
"""

import hashlib

import pytest

from meaniou import protocols

SOURCES = {
    # cityscapesscripts 2.3.0, helpers/labels.py: id and name of those without ignoreInEval.
    "cityscapes": (
        "9420a59febeb530b509d5ed854a20b1635b423ad22c9d821750fe7b2da35b588",
        {7: "road", 8: "sidewalk", 11: "building", 17: "pole", 24: "person", 25: "rider", 26: "car", 33: "bicycle"},
    ),
    # The same, trainId and name.
    "cityscapes-train-ids": (
        "59cfd6ff421b2d250159aacdf450b8624256cbf419e9501f271b4010e716bdf8",
        {0: "road", 1: "sidewalk", 2: "building", 5: "pole", 11: "person", 12: "rider", 13: "car", 18: "bicycle"},
    ),
    # CSAILVision/sceneparsing e2022296, objectInfo150.txt: Idx, and Name up to the first comma.
    "ade20k": (
        "325cd181838602741dc7713b8664049347c30d6814e9143f8e245883f0e97954",
        {1: "wall", 2: "building", 3: "sky", 13: "person", 21: "car", 22: "water", 76: "swivel chair", 150: "flag"},
    ),
    # VOCdevkit 2012, VOCcode/VOCinit.m: VOCopts.classes from 1 on; 0 is the background.
    "voc2012": (
        "e6236af85a4dcce6608b9de9abcd276efbd633fbf0c50d42cd778efbc9a2a36f",
        {0: "background", 1: "aeroplane", 2: "bicycle", 11: "diningtable", 12: "dog", 15: "person", 20: "tvmonitor"},
    ),
    # mmsegmentation 1.2.2, mmseg/datasets/pascal_context.py: METAINFO["classes"] of PascalContextDataset59, from 1 on.
    "pascal-context-59": (
        "6cfd4bb130edf7b4af24d2e214158e1b87ea871ea905863ae43c913b38020562",
        {1: "aeroplane", 2: "bag", 3: "bed", 6: "bicycle", 14: "car", 37: "person", 50: "table", 59: "wood"},
    ),
    # The same of PascalContextDataset, from 0 on.
    "pascal-context-60": (
        "7b9ebeeb03e993bc48501c9c472e58c5a7024cbe2ee9d081a9045c180f2e1363",
        {0: "background", 1: "aeroplane", 2: "bag", 3: "bed", 6: "bicycle", 37: "person", 50: "table", 59: "wood"},
    ),
    # nightrome/cocostuff 876a7db6, labels.txt without 0 and the removed ids.
    "coco-stuff": (
        "2490d5957894c8674f15890ba4fd72b067e4c7b4721606b5bf82447a6e177cd2",
        {1: "person", 11: "fire hydrant", 13: "stop sign", 72: "tv", 90: "toothbrush", 92: "banner", 182: "wood"},
    ),
    # The same with each id less one.
    "coco-stuff-maps": (
        "a319f3d3b2eb128ca02032355043215e8a78323841d3d3f15329d10d36f3f380",
        {0: "person", 10: "fire hydrant", 12: "stop sign", 71: "tv", 89: "toothbrush", 91: "banner", 181: "wood"},
    ),
    # config_v1.2.json of the data set, as facebookresearch/Mask2Former 9b0651c6 has it in
    # mask2former/data/datasets/register_mapillary_vistas.py: place and name of those with evaluate.
    "mapillary-vistas-1.2": (
        "56df0eb9eea42bb3395b73fe34418c946bd6420848b6c9df76c30cf26108fe95",
        {
            0: "animal--bird",
            13: "construction--flat--road",
            19: "human--person",
            27: "nature--sky",
            64: "void--ego-vehicle",
        },
    ),
    # PRBonn/semantic-kitti-api a9c749e8, config/semantic-kitti.yaml: the keys of learning_map that lead to a class, and
    # the label of learning_map_inv of it.
    "semantickitti": (
        "757c67799686aaed8d98fee90a205a12ab4e4310d30ba65e2c46b50e5af07738",
        {10: "car", 13: "other-vehicle", 18: "truck", 30: "person", 60: "road", 81: "traffic-sign", 252: "car"},
    ),
    # ScanNet/ScanNet 3830fce7, BenchmarkScripts/3d_evaluation/evaluate_semantic_label.py: VALID_CLASS_IDS
    # and CLASS_LABELS.
    "scannet20": (
        "88346187ae2a7cff9213653052497aaf5e2bbd0251bea1a9bac50da5e8ba8e49",
        {1: "wall", 2: "floor", 5: "chair", 6: "sofa", 24: "refrigerator", 28: "shower curtain", 39: "otherfurniture"},
    ),
    # nutonomy/nuscenes-devkit d9de17a7, python-sdk/nuscenes/eval/panoptic/README.md: general class indices of each
    # challenge class, whose general names eval/lidarseg/utils.py maps alike. The instructions for annotators,
    # docs/instructions_lidarseg.md, number 25 to 30 otherwise.
    "nuscenes-lidarseg": (
        "14b32d8a34e98d85e21f4829258ff99f8639c686fa0dc9071532def9764b0ada",
        {2: "pedestrian", 9: "barrier", 15: "bus", 17: "car", 25: "other_flat", 26: "sidewalk", 30: "vegetation"},
    ),
}


def ids_of(space):
    return space.ids or tuple((c,) for c in range(space.num_classes))


def digest(ids, names):
    lines = (f"{' '.join(map(str, sorted(several)))},{name}\n" for several, name in zip(ids, names, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("name", SOURCES)
def test_names_are_at_the_ids_of_the_source(name):
    expected, some = SOURCES[name]
    space = protocols.get(name).label_space
    by_id = {i: label for several, label in zip(ids_of(space), space.class_names, strict=True) for i in several}
    assert {i: by_id.get(i) for i in some} == some
    assert digest(ids_of(space), space.class_names) == expected


@pytest.mark.parametrize("name", SOURCES)
def test_two_names_that_are_swapped_are_noticed(name):
    space = protocols.get(name).label_space
    for c in range(1, space.num_classes):
        names = list(space.class_names)
        names[c - 1], names[c] = names[c], names[c - 1]
        assert digest(ids_of(space), names) != SOURCES[name][0]


def test_tables_that_are_alphabetical():
    """Their sources are alphabetical; unlike a checksum, this shows where an order is wrong."""
    for name in ("voc2012", "pascal-context-59", "pascal-context-60", "mapillary-vistas-1.2"):
        names = [label for label in protocols.get(name).label_space.class_names if label != "background"]
        assert names == sorted(names), name
    stuff = protocols.get("coco-stuff").label_space.class_names[80:]
    assert list(stuff) == sorted(stuff)
