"""The golden cases: which stored maps are scored, under which settings and policies.

The maps of a case are in ``maps.npz`` and its results in ``<case>.json``. Both are written by ``golden.make``, never by
a test: ``cd tests && python -m golden.make``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meaniou import IoUCurve, LabelSpace, MeanIoU, MultilabelMeanIoU
from meaniou.synthetic import NAMES

VOID = 255
PLAIN: Mapping[str, Mapping[str, Any]] = {"default": {}}
# Each order of averaging and each kind of mean, and each rule of a report.
MEANS: Mapping[str, Mapping[str, Any]] = {
    "micro": {"average": "micro"},
    "weighted": {"average": "weighted"},
    "per class": {"average": "none"},
    "over images": {"over": "image"},
    "worst images": {"over": "image", "worst_percent": 25},
    "over classes": {"over": "class"},
    "per class over images": {"over": "class", "average": "none"},
    "worst images of each class": {"over": "class", "worst_percent": (20, 60)},
}
RULES: Mapping[str, Mapping[str, Any]] = {
    "drop": {"void_preds": "drop"},
    "target": {"present": "target"},
    "target, drop, zero": {"present": "target", "void_preds": "drop", "absent": "zero"},
    "zero": {"absent": "zero"},
    "one": {"absent": "one"},
    "nan": {"absent": "nan"},
    "some classes": {"classes": [0, 3, 6, 8]},
    "no background": {"include_background": False},
    "zero over images": {"absent": "zero", "over": "image", "worst_percent": 25},
    "one over classes": {"absent": "one", "over": "class"},
    "nan over classes": {"absent": "nan", "over": "class"},
    "micro, target, drop": {"average": "micro", "present": "target", "void_preds": "drop"},
}


@dataclass(frozen=True)
class Case:
    """Two models on the same images, and what is asked of them.

    Attributes:
        name: of the file of results.
        settings: of the metric, beside those of a policy.
        policies: further settings by a name: each is a metric of its own over the same counts.
        groups: groups of classes for a second report.
        of_list: whether the images are passed as a list, one map each; else as one batch.
        with_ids: whether images have ids; else they are numbered by the metric.
        by_class: whether intervals and comparisons are kept for each class; not where there are very many.
        maps: a part of the names of the maps, where it is not the name.
        metric: the class of the metric.
    """

    name: str
    settings: Mapping[str, Any]
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: PLAIN)
    groups: Mapping[str, list[int | str]] | None = None
    of_list: bool = False
    with_ids: bool = True
    by_class: bool = True
    maps: str = ""
    metric: type[MeanIoU | MultilabelMeanIoU | IoUCurve] = MeanIoU

    @property
    def scenes(self) -> str:
        """The first part of the names of the maps."""
        return self.maps or self.name


LABELS = ["ground", "flat", "people", "things"]
STREET = {"num_classes": len(NAMES), "ignore_index": VOID, "class_names": list(NAMES)}
TYPES: Mapping[str, list[int | str]] = {"ground": [0, 1], "things": ["person", "car", "bicycle", "train"]}
SPACE = LabelSpace(
    6,
    ids=[7, (11, 12), -3, 300, (40, 41, 42), 2000],
    ignore_index=[0, 300, -1],  # 300 is all of class 3
    pred_void=[0, 5],
    class_groups={"near": [0, 1], "far": [2, 3, 4]},
)

CASES = (
    Case("means", STREET, {**PLAIN, **MEANS}, TYPES, maps="street"),
    Case("rules", STREET, RULES, TYPES, maps="street"),
    Case("ignored", {"num_classes": 7, "ignore_index": (-1, 2, 200)}, {**PLAIN, **MEANS}),
    Case(
        "pred_void", {"num_classes": 9, "ignore_index": VOID, "pred_void": (253, 254)}, {**PLAIN, "drop": RULES["drop"]}
    ),
    Case(
        "label_space",
        {"label_space": SPACE},
        {**PLAIN, "drop": RULES["drop"], "zero": RULES["zero"]},
        {"all": [0, 2, 5]},
    ),
    Case("reduce_zero_label", {"label_space": LabelSpace.reduce_zero_label(9, class_names=NAMES)}, groups=TYPES),
    Case("outside", {"num_classes": 6, "ignore_index": VOID, "validate_args": False}, {**PLAIN, "drop": RULES["drop"]}),
    Case(
        "sizes",
        {"num_classes": 9, "ignore_index": VOID},
        {**PLAIN, "over images": MEANS["over images"]},
        of_list=True,
        with_ids=False,
    ),
    Case(
        "valid",
        {"num_classes": 9, "ignore_index": VOID},
        {**PLAIN, "over classes": MEANS["over classes"]},
        {"ground": [0, 1]},
    ),
    Case("scores_float32", {"num_classes": 5, "ignore_index": VOID}, {**PLAIN, "drop": RULES["drop"]}),
    Case("scores_float16", {"num_classes": 5, "ignore_index": (VOID, 1)}),
    Case("one_hot", {"num_classes": 4, "input_format": "one-hot", "validate_args": False}),
    Case(
        "threshold",
        {"num_classes": 2, "ignore_index": VOID, "threshold": 0.5},
        {**PLAIN, "no background": RULES["no background"], "drop": RULES["drop"]},
    ),
    Case("floats", {"num_classes": 9, "ignore_index": VOID, "input_format": "index"}),
    Case(
        "cityscapes",
        {"protocol": "cityscapes"},
        {**PLAIN, "drop, zero": {"void_preds": "drop", "absent": "zero"}},
        {"flat": [0, 1], "human": [11, 12]},
    ),
    Case("cityscapes_classes", {"protocol": "cityscapes", "pred_ids": "classes"}),
    Case("voc2012", {"protocol": "voc2012"}, {**PLAIN, "skip": {"absent": "skip"}}, of_list=True),
    Case("ade20k", {"protocol": "ade20k"}, by_class=False),
    Case("coco_stuff", {"protocol": "coco-stuff"}, by_class=False),
    Case("mapillary", {"protocol": "mapillary-vistas-1.2"}, by_class=False),
    Case("semantickitti", {"protocol": "semantickitti"}, {**PLAIN, "nan": {"absent": "nan"}}, of_list=True),
    Case("nuscenes", {"protocol": "nuscenes-lidarseg"}),
    Case(
        "overlapping_scores",
        {"num_labels": 4, "ignore_index": VOID, "threshold": (0.5, 0.625, 0.25, 0.5), "class_names": LABELS},
        {**PLAIN, **MEANS, **{name: RULES[name] for name in ("drop", "target, drop, zero", "one", "one over classes")}},
        {"ground": [0, 1], "all": LABELS},
        metric=MultilabelMeanIoU,
    ),
    Case(
        "overlapping_labels",
        {"num_labels": 4, "ignore_index": (VOID, -1), "validate_args": False},
        {**PLAIN, "drop": RULES["drop"], "nan": RULES["nan"]},
        of_list=True,
        metric=MultilabelMeanIoU,
    ),
    Case(
        "curve",
        {"num_labels": 4, "ignore_index": VOID, "thresholds": (0, 0.25, 0.375, 0.5, 0.75, 1), "class_names": LABELS},
        {**PLAIN, "inclusive": {"inclusive": True}, **{name: RULES[name] for name in ("drop", "one", "nan")}},
        maps="overlapping_scores",
        metric=IoUCurve,
    ),
)
