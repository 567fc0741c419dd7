"""The rules of each benchmark as a function, whose docstring is the ``text`` of the protocol."""

import csv
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from meaniou.protocols.protocol import Rules
from meaniou.settings import LabelSpace


def _label_space(table: str, *, shift: int = 0, drop: int = 0, own: bool = False, **settings: Any) -> LabelSpace:
    """The label space of a table: without the first ``drop`` rows, ids plus ``shift``, or class numbers if ``own``."""
    text = files("meaniou.protocols").joinpath("data", f"{table}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))[drop:]
    groups: dict[str, list[int | str]] = {}
    for c, row in enumerate(rows):
        for group in row["groups"].split():
            groups.setdefault(group, []).append(c)
    colors = [[int(row["color"][i : i + 2], 16) for i in (1, 3, 5)] for row in rows if row["color"]]
    return LabelSpace(
        len(rows),
        ids=None if own else [[int(i) + shift for i in row["ids"].split()] for row in rows],
        class_names=[row["name"] for row in rows],
        class_groups=groups,
        colors=colors or None,
        **settings,
    )


_CITYSCAPES_KEY = r"[^\W\d_][\w-]*?_\d{6}_\d{6}(?!\d)"


def cityscapes() -> Rules:
    """Cityscapes, pixel level: 19 classes, stored as label ids on both sides, and 7 categories.

    Source: cityscapesscripts 2.3.0, evaluation/evalPixelLevelSemanticLabeling.py and helpers/labels.py.
    Rules: a void prediction is a miss; the mean leaves out classes that are in neither map. The IoU of a category is
    the merged IoU of its group; a predicted void id of the same category is a miss there too. Ids above 33 are errors,
    as in the script (an IndexError).
    Not reproduced: the instance-level iIoU, which needs instance maps.
    """
    return {
        "label_space": _label_space(
            "cityscapes",
            ignore_index=[-1, *range(7), 9, 10, 14, 15, 16, 18, 29, 30],
            hint={
                255: "If these are train ids (0 to 18, and 255), pass {protocol:cityscapes-train-ids}, or "
                "{pred_ids:classes} if only the predictions hold them"
            },
            instances="// 1000",
        ),
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "printed": "fractions, 3 decimals",
        "target_suffix": "_gtFine_labelIds.png",
        "file_key": _CITYSCAPES_KEY,
    }


def cityscapes_train_ids() -> Rules:
    """Cityscapes with train ids on both sides: 0 to 18, and 255 for void.

    Source: as for cityscapes; the train ids are those of helpers/labels.py.
    Rules: as for cityscapes. For predictions that hold only the 19 classes the class IoU is the official one.
    """
    return {
        "label_space": _label_space(
            "cityscapes",
            own=True,
            ignore_index=255,
            hint=dict.fromkeys([-1, *range(19, 34)], "If these are label ids (0 to 33), pass {protocol:cityscapes}"),
        ),
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "printed": "fractions, 3 decimals",
        "target_suffix": "_gtFine_labelTrainIds.png",
        "file_key": _CITYSCAPES_KEY,
    }


def ade20k() -> Rules:
    """ADE20K scene parsing: 150 classes, stored as 1 to 150 on both sides; 0 is void.

    Source: CSAILVision/sceneparsing (2016), evaluationCode/intersectionAndUnion.m and demoEvaluation.m; the names are
    those of objectInfo150.txt up to the first comma.
    Rules: a void prediction is a miss; the mean is over all 150 classes, and an absent class is 0. The score of the
    challenge is the mean of mIoU and pixel accuracy.
    Predictions that hold 0 to 149, as an argmax gives them, need pred_ids="classes".
    Not reproduced: ids above 150 are errors here. The official tools count such a prediction as a miss (Python) or as
    class 150 (Octave).
    """
    return {
        "label_space": _label_space("ade20k", ignore_index=0),
        "void_preds": "miss",
        "present": "union",
        "absent": "zero",
        "printed": "fractions, 4 decimals",
    }


def voc2012() -> Rules:
    """Pascal VOC 2012: 21 classes with the background; 255 is void in the ground truth.

    Source: VOCdevkit 2012, VOCcode/VOCevalseg.m.
    Rules: a prediction of 255 is an error; a class that is in neither map makes the mean NaN.
    Not reproduced: the official tool also stops at a prediction of 255 where the ground truth is void.
    """
    return {
        "label_space": _label_space("voc2012", own=True, ignore_index=255),
        "void_preds": "error",
        "present": "union",
        "absent": "nan",
        "printed": "percent, 3 decimals",
    }


def pascal_context_59() -> Rules:
    """Pascal Context without the background: ground truth 1 to 59, with 0 and 255 void; predictions 0 to 58.

    Source: mmsegmentation 1.2.2, PascalContextDataset59 (reduce_zero_label) and IoUMetric. The ids follow its METAINFO,
    which is alphabetical. Files whose first ids are the classes of VOC have another numbering.
    Rules: a void prediction is a miss; the mean leaves out classes that are in neither map.
    Not reproduced: its float32 sums, which are inexact from 2^24 pixels on.
    """
    return {
        "label_space": _label_space("pascal-context", drop=1, ignore_index=[0, 255], pred_ids="classes"),
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "printed": "percent, 2 decimals",
    }


def pascal_context_60() -> Rules:
    """Pascal Context with the background as a class: 0 to 59 on both sides; 255 is void.

    Source: mmsegmentation 1.2.2, PascalContextDataset and IoUMetric; the ids are those of pascal-context-59.
    Rules: as for pascal-context-59.
    Not reproduced: its float32 sums, which are inexact from 2^24 pixels on.
    """
    return {
        "label_space": _label_space("pascal-context", own=True, ignore_index=255),
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "printed": "percent, 2 decimals",
    }


_COCO_REMOVED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)


def coco_stuff() -> Rules:
    """COCO-Stuff, things and stuff: 171 of the ids 1 to 182, and 27 super-categories; 0 and the removed ids are void.

    Source: nightrome/cocostuffapi, PythonAPI/pycocotools/cocostuffeval.py, and nightrome/cocostuff, labels.txt. The
    script itself scores the 91 stuff classes and one class for all things.
    Rules: a void prediction is a miss; means are over the classes in the ground truth.
    Not reproduced: the official tool counts a prediction of 0 as its last class; here it is a void prediction.
    """
    return {
        "label_space": _label_space(
            "coco-stuff",
            ignore_index=[0, *_COCO_REMOVED],
            hint={255: "If these are pixel maps (0 to 181, and 255), pass {protocol:coco-stuff-maps}"},
        ),
        "void_preds": "miss",
        "present": "target",
        "absent": "skip",
        "printed": "fractions, 4 decimals",
    }


def coco_stuff_maps() -> Rules:
    """COCO-Stuff in the numbering of its pixel maps: the ids of coco-stuff minus 1, 0 to 181, and 255 for unlabelled.

    Source: as for coco-stuff; the maps are those of stuffthingmaps_trainval2017.
    Rules: as for coco-stuff.
    """
    return {
        "label_space": _label_space("coco-stuff", shift=-1, ignore_index=[255, *(i - 1 for i in _COCO_REMOVED)]),
        "void_preds": "miss",
        "present": "target",
        "absent": "skip",
        "printed": "fractions, 4 decimals",
    }


def mapillary_vistas_1_2() -> Rules:
    """Mapillary Vistas 1.2: 65 of 66 labels, and two levels of groups; 65 (unlabelled) is void on both sides.

    Source: mapillary/mapillary_vistas, evaluation/confusion_matrix.py.
    Rules: a pixel with a void prediction counts as void, since the official tool deletes the rows and columns of labels
    that are not evaluated; the mean leaves out classes that are in neither map. The scores of the official levels are
    the merged IoU of the groups.
    Not reproduced: the instance-specific iIoU. The official tool counts id 66 as 65 and drops larger ids; here both are
    errors.
    """
    return {
        "label_space": _label_space("mapillary-vistas-1.2", ignore_index=65, instances="// 256"),
        "void_preds": "drop",
        "present": "union",
        "absent": "skip",
        "printed": "percent, 1 decimal",
    }


def semantickitti() -> Rules:
    """SemanticKITTI, single scan: 19 classes, stored as 26 ids on both sides (moving objects have ids of their own).

    The ids are the lower 16 bits of a label.
    Source: PRBonn/semantic-kitti-api, evaluate_semantics.py, auxiliary/np_ioueval.py and config/semantic-kitti.yaml.
    Rules: a void prediction is a miss; the mean is over all 19 classes, and an absent class is 0.
    Not reproduced: the official accuracy ("Acc avg") leaves out points with a void prediction, which are wrong in
    pixel_accuracy here. The official tool reads unknown ids up to 358 as void; here they are errors.
    """
    return {
        "label_space": _label_space("semantickitti", ignore_index=[0, 1, 52, 99], instances="& 0xFFFF"),
        "void_preds": "miss",
        "present": "union",
        "absent": "zero",
        "printed": "fractions, 3 decimals",
    }


def scannet20() -> Rules:
    """ScanNet: 20 classes, stored as 20 of the 40 NYU ids on both sides; 0 and the other 20 ids are void.

    Source: ScanNet/ScanNet, BenchmarkScripts/3d_evaluation/evaluate_semantic_label.py.
    Rules: a void prediction is a miss; a class that is in neither map makes the mean NaN. The official tool prints no
    mean, and stops at such a class.
    Not reproduced: the official tool reads ids above 40 as void (a miss, if predicted); here they are errors.
    """
    valid = (*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39)
    return {
        "label_space": _label_space("scannet20", ignore_index=[i for i in range(41) if i not in valid]),
        "void_preds": "miss",
        "present": "union",
        "absent": "nan",
        "printed": "fractions, 3 decimals",
    }


def nuscenes_lidarseg() -> Rules:
    """nuScenes-lidarseg challenge: 16 classes, 1 to 16 in predictions; the ground truth holds the 32 fine ids.

    Source: nutonomy/nuscenes-devkit, python-sdk/nuscenes/eval/lidarseg/utils.py; the fine ids are those of
    eval/panoptic/README.md.
    Rules: a prediction of 0 or above 16 is an error; the mean leaves out classes that are in neither map.
    Not reproduced: the official tool also stops at such a prediction where the ground truth is void (AssertionError);
    here it is ignored, as every prediction on void. It rounds unions to float32.
    """
    return {
        "label_space": _label_space(
            "nuscenes-lidarseg", ignore_index=[0, 1, 5, 7, 8, 10, 11, 13, 19, 20, 29, 31], pred_ids=range(1, 17)
        ),
        "void_preds": "miss",
        "present": "union",
        "absent": "skip",
        "printed": "fractions, all digits",
    }


REGISTRY: dict[str, Callable[[], Rules]] = {
    "cityscapes": cityscapes,
    "cityscapes-train-ids": cityscapes_train_ids,
    "ade20k": ade20k,
    "voc2012": voc2012,
    "pascal-context-59": pascal_context_59,
    "pascal-context-60": pascal_context_60,
    "coco-stuff": coco_stuff,
    "coco-stuff-maps": coco_stuff_maps,
    "mapillary-vistas-1.2": mapillary_vistas_1_2,
    "semantickitti": semantickitti,
    "scannet20": scannet20,
    "nuscenes-lidarseg": nuscenes_lidarseg,
}
