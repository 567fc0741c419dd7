"""Arguments become a batch: every accepted shape, and an error with the cure for each other one."""

import numpy as np
import pytest
import torch
from support import (
    LABEL_DTYPES,
    SCORE_DTYPES,
    as_numpy,
    assert_same_counts,
    assert_sentence,
    expected_counts,
    name_of,
    planes_of,
    random_map,
    random_scores,
)
from support.grid import grid

from meaniou import MeanIoU, confusion_matrix, mean_iou, reference
from meaniou.counting.confusion.batch import as_tensor, prepare_batch


def labels_of(rng, *shape, classes=3):
    return torch.from_numpy(rng.integers(0, classes, size=shape))


def same_memory(view, whole):
    return view.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr() and view.dtype == whole.dtype


# Accepted shapes. Three classes, except for the threshold.

MAPS = {
    "images": (5,),
    "lines": (2, 5),
    "maps": (2, 4, 5),
    "volumes": (2, 4, 2, 5),
    "more": (2, 4, 2, 2, 3),
    "one pixel": (),
}


@pytest.mark.parametrize("shape", MAPS)
def test_labels(rng, shape):
    preds, target = labels_of(rng, *MAPS[shape]), labels_of(rng, *MAPS[shape])
    batch = prepare_batch(preds, target, None, 3, "auto")
    assert (batch.preds_form, batch.target_form, batch.valid) == ("labels", "labels", None)
    assert same_memory(batch.preds, preds)
    assert same_memory(batch.target, target)
    expected = expected_counts(preds.reshape(-1), target.reshape(-1), 3)
    assert_same_counts(confusion_matrix(preds, target, 3, include_void=True), expected)
    assert_same_counts(confusion_matrix(preds, target, 3), expected[:3, :3])


@pytest.mark.parametrize("channels", ["target", "preds", "both"])
@pytest.mark.parametrize("shape", ["lines", "maps", "volumes"])
def test_labels_with_a_lone_channel(rng, shape, channels):
    preds, target = labels_of(rng, *MAPS[shape]), labels_of(rng, *MAPS[shape])
    expected = expected_counts(preds, target, 3)
    preds = preds[:, None] if channels != "target" else preds
    target = target[:, None] if channels != "preds" else target
    batch = prepare_batch(preds, target, None, 3, "auto")
    assert same_memory(batch.preds, preds)
    assert same_memory(batch.target, target)
    assert batch.preds.shape == batch.target.shape
    assert_same_counts(confusion_matrix(preds, target, 3, include_void=True), expected)


@pytest.mark.parametrize("dtype", SCORE_DTYPES, ids=name_of)
@pytest.mark.parametrize("shape", ["images", "lines", "maps", "volumes", "more"])
def test_scores(rng, shape, dtype):
    target = labels_of(rng, *MAPS[shape])
    scores = random_scores(rng, (target.shape[0], 3, *target.shape[1:]), dtype)
    expected = reference.counts(reference.labels_of_scores(as_numpy(scores), 3), target.numpy(), 3)
    truths = [target] if shape == "images" else [target, target[:, None]]
    for truth in truths:
        for input_format in ("auto", "index"):
            batch = prepare_batch(scores, truth, None, 3, input_format)
            assert (batch.preds_form, batch.target_form) == ("scores", "labels")
            assert same_memory(batch.preds, scores)
            assert same_memory(batch.target, truth)
            assert batch.target.shape == target.shape
            assert_same_counts(
                confusion_matrix(scores, truth, 3, include_void=True, input_format=input_format), expected
            )


def test_scores_of_images_beside_a_column_of_labels(rng):
    scores, target = random_scores(rng, (5, 3), torch.float32), labels_of(rng, 5, 1)
    expected = reference.counts(reference.labels_of_scores(scores.numpy(), 3), target[:, 0].numpy(), 3)
    assert_same_counts(confusion_matrix(scores, target, 3, include_void=True), expected)


def test_maps_as_high_as_there_are_classes(rng):
    # Scores have one dimension more than the truth, so nothing is ambiguous.
    scores, target = random_scores(rng, (2, 3, 3, 4), torch.float32), labels_of(rng, 2, 3, 4)
    expected = reference.counts(reference.labels_of_scores(scores.numpy(), 3), target.numpy(), 3)
    assert_same_counts(confusion_matrix(scores, target, 3, include_void=True), expected)
    expected = expected_counts(target, target.flip(0), 3)
    assert_same_counts(confusion_matrix(target, target.flip(0), 3, include_void=True, input_format="index"), expected)
    assert_same_counts(
        confusion_matrix(target[:, None], target.flip(0), 3, include_void=True, input_format="index"), expected
    )


@pytest.mark.parametrize("channels", ["none", "target", "preds", "both"])
@pytest.mark.parametrize("shape", ["lines", "maps", "volumes"])
def test_one_floating_channel_for_two_classes(rng, shape, channels):
    target = labels_of(rng, *MAPS[shape], classes=2)
    logits = random_scores(rng, target.shape, torch.float32)
    expected = reference.counts(reference.labels_of_threshold(logits.numpy(), 0.0), target.numpy(), 2)
    if (shape, channels) == ("volumes", "none"):
        pytest.skip("may be channels of labels that overlap, and is refused")
    preds = logits[:, None] if channels in ("preds", "both") else logits
    truth = target[:, None] if channels in ("target", "both") else target
    batch = prepare_batch(preds, truth, None, 2, "auto")
    assert (batch.preds_form, batch.target_form) == ("threshold", "labels")
    assert same_memory(batch.preds, preds)
    assert_same_counts(confusion_matrix(preds, truth, 2, include_void=True, threshold=0.0), expected)


def test_one_class(rng):
    zeros = torch.zeros(2, 1, 4, dtype=torch.int64)
    scores = torch.randn(2, 1, 4, generator=torch.Generator().manual_seed(1))
    for preds in (zeros, zeros[:, 0], scores):
        for target in (zeros, zeros[:, 0]):
            assert confusion_matrix(preds, target, 1).tolist() == [[8]]
            assert mean_iou(preds, target, 1) == 1


ONE_HOT = {  # which sides have class planes
    "both sides": (True, True),
    "truth": (False, True),
    "preds": (True, False),
}


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64], ids=name_of)
@pytest.mark.parametrize("sides", ONE_HOT)
@pytest.mark.parametrize("shape", ["images", "lines", "maps", "volumes"])
def test_one_hot(rng, shape, sides, dtype):
    preds, target = labels_of(rng, *MAPS[shape]), labels_of(rng, *MAPS[shape])
    expected = expected_counts(preds, target, 3)
    on_preds, on_truth = ONE_HOT[sides]
    preds = planes_of(preds, 3).to(dtype) if on_preds else preds
    target = planes_of(target, 3).to(dtype) if on_truth else target
    batch = prepare_batch(preds, target, None, 3, "one-hot")
    assert batch.preds_form == ("one-hot" if on_preds else "labels")
    assert batch.target_form == ("one-hot" if on_truth else "labels")
    assert same_memory(batch.target, target)
    assert_same_counts(confusion_matrix(preds, target, 3, include_void=True, input_format="one-hot"), expected)


def test_floating_planes_are_scores_in_preds_and_one_hot_in_the_truth(rng):
    scores, target = random_scores(rng, (2, 3, 9), torch.float32), labels_of(rng, 2, 9)
    expected = reference.counts(reference.labels_of_scores(scores.numpy(), 3), target.numpy(), 3)
    for truth in (planes_of(target, 3), planes_of(target, 3).float(), target, target[:, None]):
        batch = prepare_batch(scores, truth, None, 3, "one-hot")
        assert batch.preds_form == "scores"
        assert_same_counts(confusion_matrix(scores, truth, 3, include_void=True, input_format="one-hot"), expected)


def test_a_lone_channel_beside_planes(rng):
    labels, target = labels_of(rng, 2, 4, 5), labels_of(rng, 2, 4, 5)
    expected = expected_counts(labels, target, 3)
    assert_same_counts(
        confusion_matrix(labels[:, None], planes_of(target, 3), 3, include_void=True, input_format="one-hot"), expected
    )
    assert_same_counts(
        confusion_matrix(planes_of(labels, 3), target[:, None], 3, include_void=True, input_format="one-hot"), expected
    )


@pytest.mark.parametrize("form", ["labels", "scores", "one-hot truth"])
@pytest.mark.parametrize("shape", ["images", "lines", "maps", "volumes"])
def test_valid(rng, shape, form):
    labels, target = labels_of(rng, *MAPS[shape]), labels_of(rng, *MAPS[shape])
    mask, image = torch.from_numpy(rng.random(MAPS[shape]) < 0.5), torch.from_numpy(rng.random(MAPS[shape][:1]) < 0.5)
    preds = planes_of(labels, 3).float() if form == "scores" else labels
    truth = planes_of(target, 3) if form == "one-hot truth" else target
    settings = {"include_void": True, "input_format": "one-hot" if form == "one-hot truth" else "auto"}
    cases = [(mask, truth), (image, truth)]
    if form != "one-hot truth" and shape != "images":
        cases.append((mask[:, None], truth[:, None]))
        cases.append((mask, truth[:, None]))
    for valid, side in cases:
        expected = expected_counts(labels, target, 3, (), valid.reshape(MAPS[shape]) if valid.dim() > 1 else valid)
        assert_same_counts(confusion_matrix(preds, side, 3, valid=valid, **settings), expected)
        assert same_memory(prepare_batch(preds, side, valid, 3, settings["input_format"]).valid, valid)


def test_valid_of_one_pixel():
    one = torch.tensor(1)
    assert confusion_matrix(one, one, 2, valid=torch.tensor(False), include_void=True)[2, 1] == 1
    assert confusion_matrix(one, one, 2, valid=torch.tensor(True), include_void=True)[1, 1] == 1


def test_every_second_image_is_valid(rng):
    labels = labels_of(rng, 3, 4)
    valid = torch.tensor([True, True, False, False, True])[::2]
    assert_same_counts(
        confusion_matrix(labels, labels, 3, valid=valid, include_void=True),
        expected_counts(labels, labels, 3, (), valid),
    )


@pytest.mark.parametrize("shape", [(0,), (0, 4), (0, 4, 5), (3, 0, 5)], ids=name_of)
def test_nothing(shape):
    empty = torch.zeros(shape, dtype=torch.int64)
    scores = torch.zeros(shape[0], 3, *shape[1:])
    image, mask = torch.zeros(shape[:1], dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    for preds in (empty, scores):
        for valid in (None, image, mask):
            assert_same_counts(
                confusion_matrix(preds, empty, 3, valid=valid, include_void=True), np.zeros((5, 5), dtype=np.int64)
            )
        assert mean_iou(preds, empty, 3).isnan()
    planes = scores.long()
    assert confusion_matrix(empty, planes, 3, input_format="one-hot").sum() == 0


@pytest.mark.parametrize("kind", [list, tuple])
def test_no_images(kind):
    for valid in (None, kind()):
        assert_same_counts(
            confusion_matrix(kind(), kind(), 3, valid=valid, include_void=True), np.zeros((5, 5), dtype=np.int64)
        )
    assert mean_iou(kind(), kind(), 3).isnan()


SIZES = [(4, 5), (7, 2), (1, 1), (0, 3), (3, 6)]


@pytest.mark.parametrize(
    "kinds", [(list, list), (tuple, tuple), (list, tuple)], ids=lambda k: "-".join(x.__name__ for x in k)
)
@pytest.mark.parametrize("form", ["labels", "scores", "threshold", "one-hot"])
@pytest.mark.parametrize("valid", ["none", "maps", "images"])
def test_images_of_any_size(rng, form, valid, kinds):
    classes = 2 if form == "threshold" else 9
    target = [random_map(rng, size, torch.uint8, classes, [255]).clamp(0, classes - 1) for size in SIZES]
    if form == "labels":
        preds = labels = [random_map(rng, size, torch.int64, classes).clamp(0, classes - 1) for size in SIZES]
        labels = [x.numpy() for x in labels]
    elif form == "threshold":
        preds = [random_scores(rng, size, torch.float32) if 0 not in size else torch.zeros(size) for size in SIZES]
        labels = [reference.labels_of_threshold(x.numpy(), 0.0) for x in preds]
    else:
        preds = [random_scores(rng, (1, classes, *size), torch.float32)[0] for size in SIZES]
        labels = [reference.labels_of_scores(x[None].numpy(), classes)[0] for x in preds]
    masks = {
        "none": None,
        "maps": [torch.from_numpy(rng.random(size) < 0.5) for size in SIZES],
        "images": [torch.tensor(i != 1) for i in range(len(SIZES))],
    }[valid]
    expected = 0
    for i, (label, truth) in enumerate(zip(labels, target, strict=True)):
        mask = None if masks is None else masks[i].expand(SIZES[i]).numpy()
        expected = expected + reference.counts(label, truth.numpy(), classes, (), mask)
    truth = [planes_of(t[None].long(), classes)[0] for t in target] if form == "one-hot" else target
    settings = {"include_void": True, "input_format": "one-hot" if form == "one-hot" else "auto", "threshold": 0.0}
    counts = confusion_matrix(kinds[0](preds), kinds[1](truth), classes, valid=masks and kinds[1](masks), **settings)
    assert_same_counts(counts, expected)
    if form == "labels":
        arrays = [x.numpy() for x in preds], tuple(x.numpy() for x in truth), masks and [x.numpy() for x in masks]
        assert_same_counts(confusion_matrix(*arrays[:2], classes, valid=arrays[2], **settings), expected)


def test_scores_that_require_a_gradient(rng):
    scores = random_scores(rng, (2, 3, 9), torch.float32, odd=False)
    target = labels_of(rng, 2, 9)
    for classes, preds in ((3, scores), (3, scores.half()), (2, scores[:, 0].sigmoid())):
        truth = target.clamp(0, classes - 1)
        plain = confusion_matrix(preds, truth, classes)
        grown = preds.clone().requires_grad_()
        assert_same_counts(confusion_matrix(grown, truth, classes), plain)
        assert mean_iou(grown, truth, classes) == mean_iou(preds, truth, classes)
        with torch.inference_mode():
            assert_same_counts(confusion_matrix(preds.clone(), truth.clone(), classes), plain)


# Arrays.


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64"])
def test_arrays_of_labels(rng, dtype):
    preds, target = rng.integers(0, 2, size=(2, 2, 40)).astype(dtype)
    assert_same_counts(confusion_matrix(preds, target, 3, include_void=True), reference.counts(preds, target, 3))
    assert as_tensor(preds, "preds").data_ptr() == preds.ctypes.data
    expected = reference.mean_iou(preds, target, 3)
    assert mean_iou(preds, target, 3).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_of_scores(rng, dtype):
    scores = random_scores(rng, (2, 3, 40), torch.float64).numpy().astype(dtype)
    target = rng.integers(0, 3, size=(2, 40))
    expected = reference.counts(reference.labels_of_scores(scores, 3), target, 3)
    assert_same_counts(confusion_matrix(scores, target, 3, include_void=True), expected)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def field_of_records(x):
    records = np.zeros(x.shape, dtype=[("before", "u1"), ("label", x.dtype)])
    records["label"] = x
    return records["label"]


def misaligned(x):
    memory = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:]
    memory[:] = np.frombuffer(x.tobytes(), dtype=np.uint8)
    return memory.view(x.dtype).reshape(x.shape)


ARRAYS = {
    "read-only": read_only,
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "little-endian": lambda x: x.astype(x.dtype.newbyteorder("<")),
    "big-endian and read-only": lambda x: read_only(x.astype(x.dtype.newbyteorder(">"))),
    "Fortran order": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "field of records": field_of_records,
    "misaligned": misaligned,
}


@pytest.mark.parametrize("dtype", ["int16", "int64", "float16", "float32"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_every_kind(rng, kind, dtype):
    target = ARRAYS[kind](rng.integers(0, 3, size=(2, 40)).astype("int32" if dtype.startswith("float") else dtype))
    if dtype.startswith("float"):
        preds = ARRAYS[kind](random_scores(rng, (2, 120), torch.float32, odd=False).numpy().astype(dtype))
        preds = (
            preds.reshape(2, 3, 40)
            if kind in ("read-only", "big-endian")
            else np.moveaxis(preds.reshape(2, 40, 3), 2, 1)
        )
        labels = reference.labels_of_scores(preds, 3)
    else:
        preds = labels = ARRAYS[kind](rng.integers(0, 3, size=(2, 40)).astype(dtype))
    expected = reference.counts(np.ascontiguousarray(labels), np.ascontiguousarray(target), 3)
    assert_same_counts(confusion_matrix(preds, target, 3, include_void=True), expected)
    valid = ARRAYS[kind](rng.random((2, 40)) < 0.5) if "endian" not in kind else None
    if valid is not None:
        masked = reference.counts(
            np.ascontiguousarray(labels), np.ascontiguousarray(target), 3, (), np.ascontiguousarray(valid)
        )
        assert_same_counts(confusion_matrix(preds, target, 3, valid=valid, include_void=True), masked)


def test_an_array_of_one_pixel():
    assert confusion_matrix(np.array(1), np.array(0), 2).tolist() == [[0, 1], [0, 0]]
    assert mean_iou(np.array(1), np.array(1), 2) == 1
    assert mean_iou(torch.tensor(1), torch.tensor(1), 2) == 1


class Exchanged:
    """An object that offers its memory by DLPack only."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **settings):
        return self.tensor.__dlpack__(**settings)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.bfloat16], ids=name_of)
def test_objects_with_dlpack(rng, dtype):
    target = labels_of(rng, 2, 40)
    preds = random_scores(rng, (2, 3, 40), dtype) if dtype.is_floating_point else labels_of(rng, 2, 40).to(dtype)
    expected = confusion_matrix(preds, target, 3)
    assert_same_counts(confusion_matrix(Exchanged(preds), Exchanged(target), 3), expected)
    assert_same_counts(confusion_matrix([Exchanged(preds[0])], (Exchanged(target[0]),), 3)[:0], expected[:0])
    assert_same_counts(confusion_matrix(list(map(Exchanged, preds)), list(map(Exchanged, target)), 3), expected)
    assert as_tensor(Exchanged(preds), "preds").data_ptr() == preds.data_ptr()


# Errors.

INT, FLOAT = torch.int64, torch.float32


def zeros(*shape, dtype=INT, device="cpu"):
    return torch.zeros(shape, dtype=dtype, device=device)


def planes(*shape, dtype=INT):
    """Class planes of a map that is all class 0."""
    planes = zeros(*shape, dtype=dtype)
    planes[:, 0] = 1
    return planes


REFUSED = {  # preds, target, settings, exception, parts of the message
    "floating truth": (
        zeros(2, 4),
        zeros(2, 4, dtype=FLOAT),
        {},
        TypeError,
        ["target is float32 [2, 4]", "integer labels", "target.long()"],
    ),
    "sides in the wrong order": (
        zeros(2, 4),
        zeros(2, 3, 4, dtype=FLOAT),
        {},
        TypeError,
        ["target float32 [2, 3, 4]", "the prediction first"],
    ),
    "classes last": (zeros(2, 4, 5, 3, dtype=FLOAT), zeros(2, 4, 5), {}, ValueError, ["preds.movedim(-1, 1)"]),
    "labels as floats": (zeros(2, 4, dtype=FLOAT), zeros(2, 4), {}, ValueError, ["preds.long()"]),
    "floating truth beside scores": (
        zeros(2, 3, 4, dtype=FLOAT),
        zeros(2, 4, dtype=torch.float64),
        {},
        TypeError,
        ["target is float64 [2, 4]", "target.long()"],
    ),
    "floating planes": (
        zeros(2, 3, 4, dtype=FLOAT),
        zeros(2, 3, 4, dtype=FLOAT),
        {},
        TypeError,
        ["float32 [2, 3, 4]", "'one-hot'"],
    ),
    "planes on both sides": (
        planes(2, 3, 4),
        planes(2, 3, 4),
        {},
        ValueError,
        ["preds int64 [2, 3, 4]", "target int64 [2, 3, 4]", "num_classes=3", "class planes", "'one-hot'"],
    ),
    "planes in the truth": (zeros(2, 3, 4), planes(2, 3, 4), {}, ValueError, ["class planes", "'one-hot'"]),
    "planes in preds": (planes(2, 3, 4), zeros(2, 3, 4), {}, ValueError, ["class planes", "'one-hot'"]),
    "scores that could be one-hot": (
        zeros(2, 3, 4, dtype=FLOAT),
        planes(2, 3, 4),
        {},
        ValueError,
        ["preds float32 [2, 3, 4]", "'one-hot'"],
    ),
    "two scores for each of two": (
        planes(2, 2, dtype=FLOAT),
        planes(2, 2),
        {},
        ValueError,
        ["num_classes=2", "'one-hot'"],
    ),
    "planes of bool": (
        planes(2, 3, 4, dtype=torch.bool),
        planes(2, 3, 4, dtype=torch.bool),
        {},
        ValueError,
        ["bool", "'one-hot'"],
    ),
    "integer planes beside labels": (
        zeros(2, 3, 4),
        zeros(2, 4),
        {},
        ValueError,
        ["floating scores", "input_format='one-hot'", "argmax"],
    ),
    "labels beside planes": (
        zeros(2, 4),
        zeros(2, 3, 4),
        {},
        ValueError,
        ["[B, *] as target", "input_format='one-hot'"],
    ),
    "another resolution": (
        zeros(2, 3, 4, 4, dtype=FLOAT),
        zeros(2, 8, 8),
        {},
        ValueError,
        ["preds float32 [2, 3, 4, 4]", "target int64 [2, 8, 8]", "torch.nn.functional.interpolate"],
    ),
    "another resolution with a channel": (
        zeros(2, 3, 4, 4, dtype=FLOAT),
        zeros(2, 1, 8, 8),
        {},
        ValueError,
        ["torch.nn.functional.interpolate(preds, size=target.shape[-2:])"],
    ),
    "labels of another resolution": (
        zeros(2, 4, 4),
        zeros(2, 8, 8),
        {},
        ValueError,
        ["int64 [2, 4, 4]", "int64 [2, 8, 8]", "same shape"],
    ),
    "swapped axes": (zeros(2, 4, 5), zeros(2, 5, 4), {}, ValueError, ["same shape", "preds.swapaxes(1, 2)"]),
    "swapped axes in a list": ([zeros(4, 5)], [zeros(5, 4)], {}, ValueError, ["same shape", "preds.swapaxes(0, 1)"]),
    "one side without a batch": (zeros(4, 5), zeros(1, 4, 5), {}, ValueError, ["same shape", "preds[None]"]),
    "colours last": (zeros(2, 4, 5, 3), zeros(2, 4, 5), {}, ValueError, ["colours", "preds.argmax(-1)"]),
    "rotated axes": (zeros(4, 5, 6), zeros(6, 4, 5), {}, ValueError, ["same shape", "Permute"]),
    "colours in the target": (zeros(2, 4, 5), zeros(2, 4, 5, 4), {}, ValueError, ["target has 4 channels", "colours"]),
    "colours in preds": (zeros(2, 4, 8, 9), zeros(2, 8, 9), {}, ValueError, ["preds has 4 channels", "colours"]),
    "planes of more classes": (zeros(2, 8, 9), zeros(2, 7, 8, 9), {}, ValueError, ["7 channels", "target.argmax(1)"]),
    "planes in a list": ([zeros(7, 8, 9)], [zeros(8, 9)], {}, ValueError, ["7 channels", "preds.argmax(0)"]),
    "planes with a lone channel": (zeros(2, 3, 4, 5), zeros(2, 1, 4, 5), {}, ValueError, ["preds.argmax(1)"]),
    "another batch": (zeros(2, 4), zeros(3, 4), {}, ValueError, ["[2, 4]", "[3, 4]", "same shape"]),
    "another number of classes": (
        zeros(2, 5, 4, dtype=FLOAT),
        zeros(2, 4),
        {},
        ValueError,
        ["[2, 5, 4]", "5 channels", "num_classes=3"],
    ),
    "no batch": (zeros(3, 4, 4, dtype=FLOAT), zeros(4, 4), {}, ValueError, ["preds[None]", "target[None]"]),
    "one channel for three classes": (
        zeros(2, 4, dtype=FLOAT),
        zeros(2, 4),
        {},
        ValueError,
        ["two classes", "[B, 3, *]"],
    ),
    "one more channel for three classes": (
        zeros(2, 1, 4, dtype=FLOAT),
        zeros(2, 4),
        {},
        ValueError,
        ["two classes", "[B, 3, *]"],
    ),
    "a score for one pixel": (zeros(3, dtype=FLOAT), zeros(), {}, ValueError, ["[3]", "[]"]),
    "one side is one pixel": (zeros(), zeros(4), {}, ValueError, ["[]", "[4]"]),
    "uint64 preds": (zeros(4, dtype=torch.uint64), zeros(4), {}, TypeError, ["preds is torch.uint64", "int64"]),
    "uint64 target": (zeros(4), zeros(4, dtype=torch.uint64), {}, TypeError, ["target is torch.uint64", "int64"]),
    "complex preds": (zeros(4, dtype=torch.complex64), zeros(4), {}, TypeError, ["preds is torch.complex64"]),
    "complex target": (zeros(4), zeros(4, dtype=torch.complex128), {}, TypeError, ["target is torch.complex128"]),
    "float8 preds": (zeros(4, dtype=torch.float8_e5m2), zeros(4), {}, TypeError, ["preds is torch.float8_e5m2"]),
    "sparse preds": (zeros(2, 4).to_sparse(), zeros(2, 4), {}, TypeError, ["preds", "torch.sparse_coo", ".to_dense()"]),
    "sparse target": (
        zeros(2, 4),
        zeros(2, 4).to_sparse(),
        {},
        TypeError,
        ["target", "torch.sparse_coo", ".to_dense()"],
    ),
    "sparse valid": (
        zeros(2, 4),
        zeros(2, 4),
        {"valid": zeros(2, 4, dtype=torch.bool).to_sparse()},
        TypeError,
        ["valid", "torch.sparse_coo", ".to_dense()"],
    ),
    "nested preds": (
        torch.nested.nested_tensor([zeros(4)] * 2, layout=torch.jagged),
        zeros(2, 4),
        {},
        TypeError,
        ["preds is a nested tensor", "lists", "unbind()"],
    ),
    "another device": (
        zeros(4),
        zeros(4, device="meta"),
        {},
        ValueError,
        ["target is on meta", "preds on cpu", "Move"],
    ),
    "another device for preds": (
        zeros(4, device="meta"),
        zeros(4),
        {},
        ValueError,
        ["target is on cpu", "preds on meta"],
    ),
    "valid on another device": (
        zeros(4),
        zeros(4),
        {"valid": zeros(4, dtype=torch.bool, device="meta")},
        ValueError,
        ["valid is on meta", "preds on cpu"],
    ),
    "valid of integers": (
        zeros(4),
        zeros(4),
        {"valid": zeros(4)},
        TypeError,
        ["valid is torch.int64", "bool", "valid.bool()"],
    ),
    "valid of floats": (zeros(4), zeros(4), {"valid": zeros(4, dtype=FLOAT)}, TypeError, ["valid is torch.float32"]),
    "valid of another shape": (
        zeros(2, 4, 5),
        zeros(2, 4, 5),
        {"valid": zeros(2, 4, dtype=torch.bool)},
        ValueError,
        ["bool [2, 4]", "[2, 4, 5]", "[2]"],
    ),
    "valid of another batch": (
        zeros(2, 4),
        zeros(2, 4),
        {"valid": zeros(3, dtype=torch.bool)},
        ValueError,
        ["bool [3]", "[2, 4]", "[2]"],
    ),
    "valid of one value": (zeros(2, 4), zeros(2, 4), {"valid": torch.tensor(True)}, ValueError, ["bool []", "[2, 4]"]),
    "valid with a channel that nothing else has": (
        zeros(2, 4, 5),
        zeros(2, 4, 5),
        {"valid": zeros(2, 1, 4, 5, dtype=torch.bool)},
        ValueError,
        ["bool [2, 1, 4, 5]"],
    ),
    "valid of class planes": (
        zeros(2, 3, 4, dtype=FLOAT),
        zeros(2, 4),
        {"valid": zeros(2, 3, 4, dtype=torch.bool)},
        ValueError,
        ["bool [2, 3, 4]", "[2, 4]"],
    ),
    "one-hot of no planes": (
        zeros(2, 4),
        zeros(2, 4),
        {"input_format": "one-hot"},
        ValueError,
        ["[B, 3, *]", "'index'"],
    ),
    "one-hot of other planes": (
        zeros(2, 4),
        zeros(2, 5, 4),
        {"input_format": "one-hot"},
        ValueError,
        ["[2, 5, 4]", "[B, 3, *]"],
    ),
    "one-hot of another size": (
        zeros(2, 5),
        zeros(2, 3, 4),
        {"input_format": "one-hot"},
        ValueError,
        ["[2, 5]", "[2, 3, 4]", "resolution"],
    ),
    "one-hot beside floats": (
        zeros(2, 4, dtype=FLOAT),
        zeros(2, 3, 4),
        {"input_format": "one-hot"},
        TypeError,
        ["integer labels", ".long()"],
    ),
    "one-hot of one pixel": (zeros(), zeros(), {"input_format": "one-hot"}, ValueError, ["[B, 3, *]"]),
    "planes as an index": (zeros(2, 3, 4), zeros(2, 4), {"input_format": "index"}, ValueError, ["[2, 3, 4]", "[2, 4]"]),
    "a sequence beside a tensor": ([zeros(4)], zeros(1, 4), {}, TypeError, ["target is a Tensor", "two lists"]),
    "a tensor beside a sequence": (zeros(1, 4), (zeros(4),), {}, TypeError, ["preds is a Tensor", "two lists"]),
    "fewer predictions": ([zeros(4)], [zeros(4), zeros(4)], {}, ValueError, ["preds has 1 image", "target 2"]),
    "fewer truths": ([zeros(4), zeros(4)], [zeros(4)], {}, ValueError, ["preds has 2 images", "target 1"]),
    "fewer valids": (
        [zeros(4)] * 2,
        [zeros(4)] * 2,
        {"valid": [torch.tensor(True)]},
        ValueError,
        ["valid has 1 image", "target 2"],
    ),
    "a sequence of valids beside tensors": (
        zeros(1, 4),
        zeros(1, 4),
        {"valid": [torch.tensor(True)]},
        TypeError,
        ["valid is a list"],
    ),
    "a bad image": (
        [zeros(4), zeros(5)],
        [zeros(4), zeros(4)],
        {},
        ValueError,
        ["Image at index 1", "preds int64 [5]", "target int64 [4]"],
    ),
    "a bad valid of an image": (
        [zeros(4)] * 2,
        [zeros(4)] * 2,
        {"valid": [torch.tensor(True), zeros(4)]},
        TypeError,
        ["Image at index 1", "valid is torch.int64"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal(case):
    preds, target, settings, kind, parts = REFUSED[case]
    for call in (confusion_matrix, mean_iou):
        with pytest.raises(kind) as error:
            call(preds, target, 3 if "num_classes=2" not in parts else 2, **settings)
        assert_sentence(error, *parts)


@pytest.mark.parametrize("side", ["preds", "target", "valid"])
@pytest.mark.parametrize("value", [3, 2.5, "mask.png", {"a": 1}, object()], ids=lambda v: type(v).__name__)
def test_what_is_no_array(side, value):
    sides = {"preds": zeros(4), "target": zeros(4), "valid": None, side: value}
    for call in (confusion_matrix, mean_iou):
        with pytest.raises(TypeError) as error:
            call(**sides, num_classes=3)
        if side == "valid" and isinstance(value, (int, float)):
            assert_sentence(error, "valid is a", "bool mask")
            assert ("ignore_index=3" in str(error.value)) == (value == 3)
        else:
            article = "an" if type(value) in (int, object) else "a"
            assert_sentence(error, f"{side} is {article} {type(value).__name__}", "NumPy", "DLPack")


@pytest.mark.parametrize("side", ["preds", "target"])
def test_nothing_at_all_is_no_array(side):
    sides = {"preds": zeros(4), "target": zeros(4), side: None}
    for call in (confusion_matrix, mean_iou):
        with pytest.raises(TypeError) as error:
            call(**sides, num_classes=3)
        assert_sentence(error, f"{side} is None", "NumPy")
        assert "asarray" not in str(error.value)


@pytest.mark.parametrize("numbers", [[0, 1, 1], [[0, 1], [1, 1]]])
def test_a_list_of_numbers_is_no_image(numbers):
    for call in (lambda: mean_iou(numbers, numbers, 2), lambda: MeanIoU(2).update(numbers, numbers)):
        with pytest.raises(TypeError) as error:
            call()
        assert_sentence(error, "preds", "numpy.asarray(preds)")


def test_a_generator_becomes_a_list():
    maps = [zeros(2, 3), zeros(4, 1)]
    for call in (confusion_matrix, mean_iou):
        with pytest.raises(TypeError) as error:
            call(iter(maps), maps, num_classes=3)
        assert_sentence(error, "preds is a", "Pass list(preds)")
        call(list(iter(maps)), maps, num_classes=3)


@pytest.mark.parametrize("outputs", [(torch.zeros(1, 3, 4),), [torch.zeros(1, 3, 4)] * 2])
def test_several_outputs_of_a_model_are_no_batch(outputs):
    for call in (lambda: mean_iou(outputs, zeros(1, 4), 3), lambda: MeanIoU(3).update(outputs, zeros(1, 4))):
        with pytest.raises(TypeError) as error:
            call()
        assert_sentence(error, "target is a Tensor", "Pass preds[0]")


def test_the_third_argument_of_update_is_no_label():
    for maps in (zeros(1, 4), [zeros(4)]):
        with pytest.raises(TypeError) as error:
            MeanIoU(3).update(maps, maps, 255)
        assert_sentence(error, "valid is an int", "bool mask", "ignore_index=255", "metric")


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.zeros(4, dtype=complex), "complex128"),
        (np.array(["a", "b"]), "<U1"),
        (np.array([None, 1]), "object"),
        (np.zeros(4, dtype="datetime64[s]"), "datetime64[s]"),
        (np.zeros(4, dtype=[("a", "u1")]), "a"),
        (np.zeros(4, dtype=np.uint64), "uint64"),
        (np.zeros(4, dtype=">u8"), "u"),
        (np.zeros(4, dtype=np.longdouble), "float128"),
    ],
    ids=lambda a: str(getattr(a, "dtype", "")),
)
def test_arrays_that_hold_no_labels(array, shown):
    if shown == "float128" and np.longdouble == np.float64:
        pytest.skip("longdouble is float64 on this machine")
    target = np.zeros(array.shape, dtype=int)
    for sides in ({"preds": array, "target": target}, {"preds": target, "target": array}):
        name = "preds" if sides["preds"] is array else "target"
        with pytest.raises(TypeError) as error:
            mean_iou(**sides, num_classes=3)
        assert_sentence(error, name, shown)


def test_the_metric_takes_arrays_too(rng):
    preds, target, valid = rng.integers(0, 3, (2, 4, 5)), rng.integers(0, 3, (2, 4, 5)), rng.random((2, 4, 5)) < 0.5
    metric = MeanIoU(3)
    metric.update(preds, target, valid)
    metric.update(list(preds), tuple(target), list(valid))
    assert_same_counts(metric.counts, 2 * reference.counts(preds, target, 3, (), valid))
    metric.update(Exchanged(torch.from_numpy(preds)), target)
    assert metric.counts.sum() == 3 * preds.size


@grid(label_dtype=LABEL_DTYPES, score_dtype=SCORE_DTYPES)
def test_every_label_dtype_beside_every_score_dtype(rng, label_dtype, score_dtype):
    target = labels_of(rng, 2, 9, classes=2).to(label_dtype)
    scores = random_scores(rng, (2, 2, 9), score_dtype)
    expected = reference.counts(reference.labels_of_scores(as_numpy(scores), 2), target.numpy(), 2)
    assert_same_counts(confusion_matrix(scores, target, 2, include_void=True), expected)


def test_a_masked_array_loses_no_mask():
    masked = np.ma.masked_array([0, 1, 1], [False, True, False])
    with pytest.raises(TypeError) as error:
        mean_iou(masked, np.array([0, 1, 1]), 2)
    assert_sentence(error, "preds is a masked array", "preds.data", "np.ma.getmaskarray(preds)")


def test_another_batch_is_no_question_of_resolution():
    with pytest.raises(ValueError) as error:  # noqa: PT011
        mean_iou(torch.zeros(2, 3, 4, 5), torch.zeros(3, 4, 5, dtype=torch.long), 3)
    assert_sentence(error, "number of images")
    assert "interpolate" not in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
def test_a_part_of_the_map_is_never_read_as_class_planes(dtype):
    """Found by fuzzing: both lone channels were dropped, and then the width of 2 was taken for the two classes."""
    preds, target = torch.zeros(3, 1, 2, dtype=dtype), torch.zeros(3, 1, 2, dtype=torch.long)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        confusion_matrix(preds, target, 2, input_format="one-hot")
    assert_sentence(error, "expected class planes [B, 2, *]")


def test_labels_with_a_lone_channel_beside_class_planes():
    labels = torch.tensor([[[0, 1, 1, 0]]])
    planes = torch.nn.functional.one_hot(labels[:, 0], 2).movedim(-1, 1)
    for preds, target in ((planes, labels), (labels, planes)):
        assert confusion_matrix(preds, target, 2, input_format="one-hot").tolist() == [[2, 0], [0, 2]]
