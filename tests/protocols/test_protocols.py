"""The rules of benchmarks, written once more; ``docs/test_parity.py`` runs the official code that is on PyPI."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support import assert_sentence

from meaniou import LabelSpace, MeanIoU, confusion_matrix, mean_iou, protocols, reference
from meaniou.cli.commands import main

NAMES = protocols.names()
VOID = "void"  # in the cases by hand


def stored(name, side):
    """The ids of each class on a side, and the void ids."""
    space = protocols.get(name).label_space
    own = [(c,) for c in range(space.num_classes)]
    if side == "target":
        return space.ids or own, [i for i in space.ignore_index if i >= 0]
    # The official tools stop at a void prediction of these.
    void = [] if name in ("voc2012", "nuscenes-lidarseg") else [i for i in space.pred_void if i >= 0]
    return space.pred_ids or own, void


def special_maps(rng, name, everywhere=False, shape=(90, 80)):
    """Predictions and ground truth as ids, with void on both sides, an absent class and one that is only predicted."""
    absent, only_predicted = (-1, -1) if everywhere else (1, 2)

    def drawn(side, left_out):
        ids, void = stored(name, side)
        known = [i for c, several in enumerate(ids) if c not in left_out for i in several]
        labels = rng.choice(np.array(known), size=shape)
        return np.where(rng.random(shape) < 0.1, rng.choice(np.array(void), size=shape), labels) if void else labels

    return drawn("preds", (absent,)), drawn("target", (absent, only_predicted))


def mean_of(name, preds, target, **settings):
    return mean_iou(torch.from_numpy(preds), torch.from_numpy(target), protocol=name, **settings)


# The rules of the official tools, from stored ids to the IoU of each class and the mean.


def ratio(part, whole):
    return part / whole if whole else math.nan


def official_ade20k(preds, target):
    valid = target > 0
    found = []
    for c in range(1, 151):
        both = np.count_nonzero(valid & (preds == c) & (target == c))
        either = np.count_nonzero(valid & ((preds == c) | (target == c)))
        found.append(both / (np.spacing(1) + either))
    return found, sum(found) / 150


def official_voc2012(preds, target):
    matrix = np.zeros((21, 21))
    for t, p in zip(target.flat, preds.flat, strict=True):
        if t < 255:
            matrix[t, p] += 1
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    found = [ratio(matrix[c, c], union[c]) for c in range(21)]
    return found, np.mean(found)


def openmmlab(preds, target, num_classes):
    """For maps in which 255 is ignored; a prediction out of range is only in the histogram of the ground truth."""
    preds, target = preds[target != 255], target[target != 255]
    found = []
    for c in range(num_classes):
        both = np.count_nonzero((preds == target) & (target == c))
        found.append(ratio(both, np.count_nonzero(preds == c) + np.count_nonzero(target == c) - both))
    return found, np.nanmean(found)


def official_pascal_context_59(preds, target):
    target = np.where(target == 0, 255, target) - 1
    return openmmlab(preds, np.where(target == 254, 255, target), 59)


def official_pascal_context_60(preds, target):
    return openmmlab(preds, target, 60)


COCO = [i for i in range(1, 183) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)]


def official_coco_stuff(preds, target):
    """Except for predictions of 0, which count as the last class there and as misses here."""
    valid = np.isin(target, COCO)
    found = []
    for i in COCO:
        truth, predictions = valid & (target == i), valid & (preds == i)
        both = np.count_nonzero(truth & predictions)
        found.append(ratio(both, np.count_nonzero(truth | predictions)) if truth.any() else math.nan)
    return found, np.nanmean(found)


def official_coco_stuff_maps(preds, target):
    return official_coco_stuff((preds + 1) % 256, (target + 1) % 256)


def official_mapillary_vistas_1_2(preds, target):
    matrix, *_ = np.histogram2d(target.ravel(), preds.ravel(), bins=66, range=[(0, 66)] * 2)
    matrix = matrix[:65, :65]
    found = [ratio(matrix[c, c], matrix[c].sum() + matrix[:, c].sum() - matrix[c, c]) for c in range(65)]
    return found, np.nanmean(found)


KITTI = {10: 1, 11: 2, 13: 5, 15: 3, 16: 5, 18: 4, 20: 5, 30: 6, 31: 7, 32: 8, 40: 9, 44: 10, 48: 11, 49: 12, 50: 13}
KITTI |= {51: 14, 60: 9, 70: 15, 71: 16, 72: 17, 80: 18, 81: 19, 252: 1, 253: 7, 254: 6, 255: 8, 256: 5, 257: 5}
KITTI |= {258: 4, 259: 5}


def official_semantickitti(preds, target):
    table = np.zeros(360, int)
    table[list(KITTI)] = list(KITTI.values())
    matrix = np.zeros((20, 20))  # predictions in rows
    np.add.at(matrix, (table[preds.ravel()], table[target.ravel()]), 1)
    matrix[:, 0] = 0
    right = matrix.diagonal()
    found = (right / (matrix.sum(0) + matrix.sum(1) - right + 1e-15))[1:]
    return found, found.mean()


NYU = [*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39]


def official_scannet20(preds, target):
    matrix = np.zeros((41, 41))
    for t, p in zip(target.flat, preds.flat, strict=True):
        if t in NYU:
            matrix[t, p] += 1
    found = [ratio(matrix[i, i], matrix[i].sum() + matrix[NYU, i].sum() - matrix[i, i]) for i in NYU]
    return found, np.mean(found)


FINE = {2: 7, 3: 7, 4: 7, 6: 7, 9: 1, 12: 8, 14: 2, 15: 3, 16: 3, 17: 4, 18: 5, 21: 6, 22: 9, 23: 10, 24: 11, 25: 12}
FINE |= {26: 13, 27: 14, 28: 15, 30: 16}


def official_nuscenes_lidarseg(preds, target):
    coarse = np.array([FINE.get(i, 0) for i in range(32)])[target]
    matrix = np.zeros((17, 17))
    np.add.at(matrix, (coarse.ravel(), preds.ravel()), 1)
    matrix[0] = matrix[:, 0] = 0
    found = [ratio(matrix[c, c], matrix[c].sum() + matrix[:, c].sum() - matrix[c, c]) for c in range(1, 17)]
    return found, np.nanmean(found)


def official_cityscapes_train_ids(preds, target):
    return openmmlab(preds, target, 19)


OFFICIAL = {
    "ade20k": official_ade20k,
    "voc2012": official_voc2012,
    "pascal-context-59": official_pascal_context_59,
    "pascal-context-60": official_pascal_context_60,
    "coco-stuff": official_coco_stuff,
    "coco-stuff-maps": official_coco_stuff_maps,
    "mapillary-vistas-1.2": official_mapillary_vistas_1_2,
    "semantickitti": official_semantickitti,
    "scannet20": official_scannet20,
    "nuscenes-lidarseg": official_nuscenes_lidarseg,
    "cityscapes-train-ids": official_cityscapes_train_ids,
}


@pytest.mark.parametrize("everywhere", [False, True], ids=["special", "every class"])
@pytest.mark.parametrize("name", OFFICIAL)
def test_the_rules_of_the_official_tool(rng, name, everywhere):
    for _ in range(5):
        preds, target = special_maps(rng, name, everywhere)
        of_class, mean = OFFICIAL[name](preds, target)
        protocol = protocols.get(name)
        found = mean_of(name, preds, target, average="none").numpy()
        metric = MeanIoU(protocol=name)
        metric.update(torch.from_numpy(preds), torch.from_numpy(target))
        report = metric.report()
        assert [c.iou for c in report.classes] == pytest.approx(list(of_class), rel=1e-12, abs=1e-14, nan_ok=True)
        assert report.mean_iou == pytest.approx(float(mean), rel=1e-12, nan_ok=True)
        assert found == pytest.approx(np.array(of_class), rel=1e-6, abs=1e-12, nan_ok=True)
        assert math.isnan(report.mean_iou) == (protocol.absent == "nan" and not everywhere)


def test_the_table_of_cityscapes_is_that_of_its_scripts():
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    space = protocols.get("cityscapes").label_space
    evaluated = [label for label in labels if not label.ignoreInEval]
    assert [(label.id,) for label in evaluated] == list(space.ids)
    assert tuple(label.name for label in evaluated) == space.class_names
    assert tuple(label.color for label in evaluated) == space.colors
    assert sorted(label.id for label in labels if label.ignoreInEval) == list(space.ignore_index)
    train = protocols.get("cityscapes-train-ids").label_space
    assert [label.trainId for label in evaluated] == list(range(train.num_classes))


def test_official_super_categories_of_coco_stuff(rng):
    """The official way: a matrix of super-categories from the block sums, then the rules of classes again."""
    preds, target = special_maps(rng, "coco-stuff")
    target[target == 1] = 2  # the only person: the super-category is only predicted
    space = protocols.get("coco-stuff").label_space
    counts = confusion_matrix(torch.from_numpy(preds), torch.from_numpy(target), protocol="coco-stuff").numpy()
    members = dict(space.class_groups)
    blocks = np.array([[counts[np.ix_(a, b)].sum() for b in members.values()] for a in members.values()])
    truth = confusion_matrix(torch.from_numpy(target), torch.from_numpy(target), protocol="coco-stuff").numpy().sum(1)
    metric = MeanIoU(protocol="coco-stuff")
    metric.update(torch.from_numpy(preds), torch.from_numpy(target))
    for i, (group, merged) in enumerate(zip(members, metric.report().class_groups, strict=True)):
        area = truth[list(members[group])].sum()  # with the pixels whose prediction is void
        expected = ratio(blocks[i, i], area + blocks[:, i].sum() - blocks[i, i]) if area else math.nan
        assert merged.merged_iou == pytest.approx(expected, rel=1e-12, nan_ok=True), group
    assert math.isnan(metric.report().class_groups[0].merged_iou)


def levels(name, depth):
    groups = {}
    for c, label in enumerate(protocols.get(name).label_space.class_names):
        groups.setdefault("--".join(label.split("--")[:depth]), []).append(c)
    return groups


def test_official_levels_of_mapillary_vistas(rng):
    preds, target = special_maps(rng, "mapillary-vistas-1.2")
    matrix, *_ = np.histogram2d(target.ravel(), preds.ravel(), bins=66, range=[(0, 66)] * 2)
    metric = MeanIoU(protocol="mapillary-vistas-1.2")
    metric.update(torch.from_numpy(preds), torch.from_numpy(target))
    found = {g.name: g.merged_iou for g in metric.report().class_groups}
    for depth, number in ((2, 36), (1, 7)):
        groups = levels("mapillary-vistas-1.2", depth)
        assert len(groups) == number
        report = metric.report(class_groups=groups)
        for name, members in groups.items():
            block = matrix[np.ix_(members, members)].sum()
            union = matrix[members, :65].sum() + matrix[:65, members].sum() - block
            merged = next(g for g in report.class_groups if g.name == name).merged_iou
            assert merged == pytest.approx(ratio(block, union), rel=1e-12, nan_ok=True)
            assert name not in found or found[name] == pytest.approx(merged, nan_ok=True)
        assert report.mean_merged_iou == pytest.approx(
            np.nanmean([g.merged_iou for g in report.class_groups]), rel=1e-12
        )


# Cases by hand: the score by a protocol, and a different score by another protocol.

SCORED = ([0, 0, 1, VOID], [0, 1, 1, 1])  # IoU 1/2 and 1/2; the prediction on void is ignored
VOID_PREDICTION = ([0, 0, 1, VOID], [0, VOID, 1, 1])  # IoU 1/2 and 1; without the pixel 1 and 1
ONLY_PREDICTED = ([0, 0, 0, 1], [0, 0, 2, 1])  # IoU 2/3, 1, and 0 for a class that is not in the ground truth
BY_HAND = [
    ("cityscapes", VOID_PREDICTION, 3 / 4, "mapillary-vistas-1.2", 1),
    ("cityscapes-train-ids", VOID_PREDICTION, 3 / 4, "ade20k", 1.5 / 150),
    ("ade20k", ONLY_PREDICTED, 5 / 3 / 150, "pascal-context-60", 5 / 9),
    ("voc2012", SCORED, math.nan, "pascal-context-60", 1 / 2),
    ("pascal-context-59", ONLY_PREDICTED, 5 / 9, "coco-stuff", 5 / 6),
    ("pascal-context-60", VOID_PREDICTION, 3 / 4, "scannet20", math.nan),
    ("coco-stuff", ONLY_PREDICTED, 5 / 6, "cityscapes", 5 / 9),
    ("coco-stuff-maps", ONLY_PREDICTED, 5 / 6, "mapillary-vistas-1.2", 5 / 9),
    ("mapillary-vistas-1.2", VOID_PREDICTION, 1, "cityscapes", 3 / 4),
    ("semantickitti", VOID_PREDICTION, 1.5 / 19, "scannet20", math.nan),
    ("scannet20", SCORED, math.nan, "semantickitti", 1 / 19),
    ("nuscenes-lidarseg", SCORED, 1 / 2, "semantickitti", 1 / 19),
]


def encoded(name, case):
    target, preds = case
    (truth, void), (predictions, pred_void) = stored(name, "target"), stored(name, "preds")
    return (
        np.array([pred_void[0] if c == VOID else predictions[c][-1] for c in preds]),
        np.array([void[-1] if c == VOID else truth[c][0] for c in target]),
    )


@pytest.mark.parametrize(("name", "case", "value", "other", "other_value"), BY_HAND)
@pytest.mark.filterwarnings("ignore::UserWarning")  # few pixels are right, and one in three is void
def test_cases_by_hand(name, case, value, other, other_value):
    assert mean_of(name, *encoded(name, case)).item() == pytest.approx(value, nan_ok=True)
    assert mean_of(other, *encoded(other, case)).item() == pytest.approx(other_value, nan_ok=True)


def test_the_background_of_pascal_context():
    target, labels = np.array([0, 0, 1, 2]), np.array([1, 0, 1, 2])
    assert mean_of("pascal-context-60", labels, target).item() == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert mean_of("pascal-context-59", np.maximum(labels - 1, 0), target) == 1


@pytest.mark.parametrize(
    ("name", "predictions"), [("pascal-context-59", [36, 36, 36, 0]), ("pascal-context-60", [37] * 3 + [1])]
)
def test_persons_of_pascal_context_are_named_so(name, predictions):
    """Person is 37 in the maps of mmsegmentation."""
    metric = MeanIoU(protocol=name)
    metric.update(torch.tensor(predictions), torch.tensor([37] * 4))
    report = metric.report(class_groups={"people": ["person"]})
    assert {c.name: c.iou for c in report.classes if c.iou > 0} == {"person": 3 / 4}
    assert report.class_groups[0].mean_iou == 3 / 4


@pytest.mark.parametrize(("name", "prediction"), [("voc2012", 255), ("nuscenes-lidarseg", 0)])
def test_predictions_that_stop_the_official_tool(name, prediction):
    ids, _ = stored(name, "target")
    labels, _ = stored(name, "preds")
    with pytest.raises(ValueError, match=r"void_preds|outside"):
        mean_of(name, np.array([labels[0][0], prediction]), np.array([ids[0][0]] * 2))


@pytest.mark.parametrize(("name", "predictions"), [("voc2012", [255]), ("nuscenes-lidarseg", [0, 17, 255])])
def test_predictions_on_void_that_stop_the_official_tool_only(name, predictions):
    """The text of the protocol says so; here they are ignored, as every prediction on void."""
    assert "where the ground truth is void" in protocols.get(name).text.replace("\n", " ")
    (ids, void), (labels, _) = stored(name, "target"), stored(name, "preds")
    for prediction in predictions:
        preds, target = np.array([labels[0][0], prediction]), np.array([ids[0][0], void[0]])
        assert mean_of(name, preds, target, average="none")[0] == 1


@pytest.mark.filterwarnings("ignore:The predictions are right")
def test_the_accuracy_of_semantickitti_counts_void_predictions():
    """The official accuracy, which leaves them out, would be 1 here, as the text explains."""
    metric = MeanIoU(protocol="semantickitti")
    metric.update(torch.tensor([10, 0]), torch.tensor([10, 10]))
    assert metric.report().pixel_accuracy == 1 / 2
    assert "Acc avg" in protocols.get("semantickitti").text


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_of_a_protocol_in_plain_numpy(rng, name):
    """The slow reference, with the ids and rules of the protocol."""
    protocol = protocols.get(name)
    space = protocol.label_space
    preds, target = special_maps(rng, name)
    sides = [(preds, stored(name, "preds")), (target, stored(name, "target"))]
    preds_classes, target_classes = (reference.labels_of_ids(labels, ids, void) for labels, (ids, void) in sides)
    rules = {"void_preds": protocol.void_preds, "present": protocol.present, "absent": protocol.absent}
    expected = reference.mean_iou(preds_classes, target_classes, space.num_classes, reference.VOID, **rules)
    assert mean_of(name, preds, target).item() == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_parking_is_no_road_for_its_category_either():
    """As in the official script: a predicted void id of the same category is a miss."""
    metric = MeanIoU(protocol="cityscapes")
    metric.update(torch.tensor([7, 8, 8, 9] + [7] * 7), torch.tensor([7, 7, 8, 7] + [7] * 6 + [0]))
    report = metric.report()
    assert report.class_groups[0].name == "flat"
    assert report.class_groups[0].merged_iou == pytest.approx(9 / 10)
    assert report.class_groups[0].mean_iou == pytest.approx((7 / 9 + 1 / 2) / 2)


# The protocols themselves.


def test_the_module_shows_what_it_promises():
    assert dir(protocols) == ["Protocol", "get", "names", "resolve_label_space", "table"]
    assert str(protocols.table()).splitlines()[0].split()[:2] == ["protocol", "classes"]
    assert len(str(protocols.table()).splitlines()) == 2 + len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_is_whole(name):
    protocol = protocols.get(name)
    assert protocol.name == name
    assert "Source: " in protocol.text
    assert len(set(protocol.label_space.class_names)) == protocol.label_space.num_classes
    assert protocols.get(name.upper().replace("-", "_")) is protocol
    ids = [i for several in protocol.label_space.ids or () for i in several]
    assert not set(ids) & set(protocol.label_space.ignore_index)
    metric = MeanIoU(protocol=name)
    assert (metric.policy.void_preds, metric.policy.present, metric.policy.absent) == (
        protocol.void_preds,
        protocol.present,
        protocol.absent,
    )
    assert f"protocol={name!r}" in repr(metric)
    report = metric.report()
    assert str(report).splitlines()[-1] == f"protocol: {name}"
    assert report.to_dict()["rules"]["protocol"] == name
    assert report.to_dict()["rules"]["changed"] == {}


def test_scores_are_in_the_order_of_the_classes():
    scores = torch.eye(19)[[0, 1, 2]]
    assert mean_iou(scores, torch.tensor([7, 8, 11]), protocol="cityscapes") == 1
    assert mean_iou(torch.tensor([0, 1, 2]), torch.tensor([7, 8, 11]), protocol="cityscapes", pred_ids="classes") == 1
    assert mean_iou(torch.eye(16)[[2, 2]], torch.tensor([15, 16]), protocol="nuscenes-lidarseg") == 1


def test_a_keyword_overrides_one_rule_and_the_report_says_so():
    preds, target = torch.tensor([7, 8, 0]), torch.tensor([7, 7, 8])
    metric = MeanIoU(protocol="cityscapes", absent="zero", ignore_index=[0, 255], pred_ids=None)
    metric.update(preds, torch.tensor([7, 7, 0]))
    assert metric.compute().item() == pytest.approx(1 / 2 / 19)
    report = metric.report(class_groups={})
    assert str(report).splitlines()[-1] == "protocol: cityscapes, but with absent='zero', ignore_index=(0, 255)"
    assert "but with absent='zero'" in report.to_markdown().splitlines()[-1]
    assert (
        report.to_latex().splitlines()[-1].startswith(r"protocol: cityscapes, but with absent='zero', ignore\_index=")
    )
    with pytest.raises(ValueError, match=r"outside .*19 classes"):
        metric.update(preds, target.masked_fill(target == 8, 1))
    other = MeanIoU(protocol="cityscapes", pred_ids="classes", void_preds="error", classes=[0, 1])
    assert str(other.report(class_groups={})).splitlines()[-1] == (
        "protocol: cityscapes, but with void_preds='error', classes=(0, 1), pred_ids='classes'"
    )
    assert "with present='target'" in str(MeanIoU(protocol="ade20k").report(present="target"))
    assert "protocol" not in MeanIoU(2).report().rules


def test_a_protocol_of_ones_own():
    space = LabelSpace(2, ids=[4, 5], ignore_index=0, class_groups={"both": [0, 1]})
    mine = protocols.Protocol("mine", "", space, "drop", "union", "skip", "fractions")
    metric = MeanIoU(protocol=mine, num_classes=2)
    metric.update(torch.tensor([4, 0, 5, 5, 4]), torch.tensor([4, 4, 5, 5, 4]))
    assert metric.compute() == 1
    assert metric.report().class_groups[0].merged_iou == 1


@pytest.mark.parametrize(
    ("settings", "kind", "parts"),
    [
        ({}, TypeError, ["num_classes is None", "protocol="]),
        ({"protocol": "cityscape"}, ValueError, ["protocol is 'cityscape'", "'cityscapes'?"]),
        ({"protocol": "?"}, ValueError, [f"expected one of {', '.join(NAMES)}."]),
        ({"protocol": 19}, TypeError, ["protocol is an int"]),
        ({"protocol": "ade20k", "num_classes": 19}, ValueError, ["num_classes is 19", "'ade20k'", "150 classes"]),
        (
            {"protocol": "ade20k", "label_space": LabelSpace(150)},
            ValueError,
            ["label_space and protocol='ade20k'"],
        ),
        ({"num_classes": LabelSpace(150)}, TypeError, ["num_classes is a LabelSpace", "label_space="]),
        ({"protocol": "ade20k", "num_classes": 150.0}, TypeError, ["num_classes holds 150.0"]),
        ({"protocol": "ade20k", "pred_ids": "raw"}, ValueError, ["pred_ids is 'raw'"]),
        ({"protocol": "ade20k", "class_names": ["a"]}, ValueError, ["class_names has 1 name", "150"]),
        ({"protocol": "ade20k", "absent": 0}, ValueError, ["absent is 0"]),
    ],
    ids=itertools.count(),
)
def test_what_is_no_protocol(settings, kind, parts):
    with pytest.raises(kind) as error:
        MeanIoU(**settings)
    assert_sentence(error, *parts)


def test_train_ids_in_place_of_label_ids_and_the_other_way_round():
    label, train = torch.tensor([7, 8, 11, 23, 26]), torch.tensor([0, 1, 2, 10, 255])
    with pytest.raises(ValueError, match=r"preds holds 1 pixel.*: 255.*train ids.*pred_ids='classes'"):
        mean_iou(train, label, protocol="cityscapes")
    with pytest.raises(ValueError, match=r"target holds 1 pixel.*pass protocol='cityscapes-train-ids'"):
        mean_iou(label, train, protocol="cityscapes")
    for args in ((label, train), (train, label)):
        with pytest.raises(ValueError, match=r"label ids .*pass protocol='cityscapes'"):
            mean_iou(*args, protocol="cityscapes-train-ids")
    with pytest.warns(UserWarning, match="pred_ids='classes'"):
        mean_iou(train[:4], label[:4], protocol="cityscapes")


def test_predictions_that_are_off_by_one_are_noticed(rng):
    """A model whose argmax gives 0 to 149, with ids 1 to 150: few predictions are void, and hardly one is right."""
    target = torch.from_numpy(rng.integers(0, 151, size=(60, 60)))
    predictions = (target - 1).clamp(min=0)
    with pytest.warns(UserWarning, match="pred_ids='classes'"):
        assert mean_iou(predictions, target, protocol="ade20k") < 0.1
    assert mean_iou(predictions, target, protocol="ade20k", pred_ids="classes") == 1
    assert mean_iou(torch.where(target % 5 > 1, target, 77), target, protocol="ade20k") < 1  # just a bad model
    train = torch.from_numpy(rng.choice([0, 0, 1, 2, 2, 8, 13], size=(60, 60)))
    with pytest.warns(UserWarning, match="void.*class numbers"):
        mean_iou(train, train, protocol="cityscapes")


def test_usual_groups(rng):
    """Seen and unseen classes, things and stuff, and the 16 and 13 classes of SYNTHIA, all from one matrix."""
    preds, target = special_maps(rng, "cityscapes", everywhere=True)
    metric = MeanIoU(protocol="cityscapes")
    metric.update(torch.from_numpy(preds), torch.from_numpy(target))
    names = metric.label_space.class_names
    iou = dict(zip(names, [c.iou for c in metric.report().classes], strict=True))
    sixteen = [name for name in names if name not in ("terrain", "truck", "train")]
    thirteen = [name for name in sixteen if name not in ("wall", "fence", "pole")]
    report = metric.report(class_groups={"16": sixteen, "13": thirteen})
    assert report.class_groups[0].mean_iou == pytest.approx(np.mean([iou[name] for name in sixteen]))
    assert report.class_groups[1].mean_iou == pytest.approx(np.mean([iou[name] for name in thirteen]))
    assert math.isnan(report.mean_merged_iou)  # they overlap
    report = metric.report(class_groups={"seen": range(15), "unseen": range(15, 19)})
    seen, unseen = np.mean(list(iou.values())[:15]), np.mean(list(iou.values())[15:])
    assert report.harmonic_mean == pytest.approx(2 * seen * unseen / (seen + unseen))
    assert report.mean_merged_iou == pytest.approx(np.mean([g.merged_iou for g in report.class_groups]))


# The command line.


def city_folders(root, name, label_name="gtFine_labelIds", pred_end="leftImg8bit"):
    """The layout of the data set: a folder per city, several kinds of ground truth; predictions in one folder."""
    rng = np.random.default_rng(3)
    maps = []
    for city in ("aachen", "bad-honnef"):
        (root / "gtFine/val" / city).mkdir(parents=True, exist_ok=True)
        (root / "results").mkdir(exist_ok=True)
        for frame in range(2):
            preds, target = special_maps(rng, name, shape=(32, 64))
            stem = f"{city}_000000_{frame:06d}"
            Image.fromarray(target.astype(np.uint8)).save(root / f"gtFine/val/{city}/{stem}_{label_name}.png")
            colors = np.zeros((32, 64, 3), np.uint8)
            Image.fromarray(colors).save(root / f"gtFine/val/{city}/{stem}_gtFine_color.png")
            (root / f"gtFine/val/{city}/{stem}_gtFine_polygons.json").write_text("{}")
            Image.fromarray(preds.astype(np.uint8)).save(root / f"results/{stem}_{pred_end}.png")
            maps.append((preds, target))
    return root / "results", root / "gtFine/val", maps


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize("words", [[], ["--target-suffix", "_gtFine_labelIds.png"]], ids=["", "suffix"])
@pytest.mark.parametrize("pred_end", ["leftImg8bit", "gtFine_labelIds", "pred"])
def test_the_folders_of_cityscapes(tmp_path, pred_end, words):
    pred, target, maps = city_folders(tmp_path, "cityscapes", pred_end=pred_end)
    ran = run(pred, target, "--protocol", "cityscapes", "--format", "json", *words)
    assert ran.exit_code == 0, ran.output
    metric = MeanIoU(protocol="cityscapes")
    for preds, labels in maps:
        metric.update(torch.from_numpy(preds), torch.from_numpy(labels))
    assert json.loads(ran.stdout) == metric.report().to_dict()


def test_the_folders_of_cityscapes_with_train_ids(tmp_path):
    name = "cityscapes-train-ids"
    pred, target, _ = city_folders(tmp_path, name, "gtFine_labelTrainIds")
    ran = run(pred, target, "--protocol", name)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.endswith(f"protocol: {name}\n")
    ran = run(pred, target, "--protocol", "cityscapes", "--target-suffix", "_labelTrainIds.png")
    assert ran.exit_code == 2
    ran = run(pred, target, "--protocol", "cityscapes", "--target-suffix", "_gtFine_labelTrainIds.png")
    assert ran.exit_code == 2


def test_predictions_in_train_ids_beside_label_ids(tmp_path):
    pred, target, _ = city_folders(tmp_path, "cityscapes")
    table = np.full(34, 255, np.uint8)
    table[[ids[0] for ids in protocols.get("cityscapes").label_space.ids]] = range(19)
    expected = json.loads(run(pred, target, "--protocol", "cityscapes", "--format", "json").stdout)
    for path in pred.iterdir():
        Image.fromarray(table[np.asarray(Image.open(path))]).save(path)
    ran = run(pred, target, "--protocol", "cityscapes")
    assert ran.exit_code == 2
    assert "255" in ran.stderr
    assert "train ids" in ran.stderr
    assert "--pred-ids classes" in ran.stderr
    ran = run(pred, target, "--protocol", "cityscapes", "--pred-ids", "classes", "--format", "json")
    found = json.loads(ran.stdout)
    assert found["classes"] == expected["classes"]
    assert found["rules"]["changed"] == {"pred_ids": "classes"}
    for path in pred.iterdir():  # and where the model has no void
        Image.fromarray(np.minimum(np.asarray(Image.open(path)), 18)).save(path)
    ran = run(pred, target, "--protocol", "cityscapes")
    assert ran.exit_code == 0
    assert "pass --pred-ids classes" in ran.stderr


def test_the_list_of_protocols():
    ran = run("protocols")
    assert ran.exit_code == 0
    assert all(name in ran.stdout for name in NAMES)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--protocol", "citscapes"], "'cityscapes'?"),
        (["--protocol", "ade20k", "--num-classes", "3"], "150 classes"),
        ([], "--protocol"),
    ],
)
def test_a_command_without_a_protocol(tmp_path, words, part):
    ran = run(tmp_path, tmp_path, *words)
    assert ran.exit_code == 2
    assert part in ran.stderr
