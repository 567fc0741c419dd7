"""The reference, against numbers computed by hand, scikit-learn, and properties that hold for all maps."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score

from meaniou import reference
from meaniou.reference import OUTSIDE, VOID_PREDICTION, class_iou, counts, mean_iou

NAN = math.nan


def assert_same_counts(got, want):
    want = np.asarray(want)
    assert got.dtype == np.int64
    assert got.shape == want.shape
    wrong = np.argwhere(got != want)
    if len(wrong):
        row, column = wrong[0]
        pytest.fail(f"cell (true={row}, pred={column}): {got[row, column]} != {want[row, column]}, {len(wrong)} differ")


def assert_ratios(got, want):
    assert np.asarray(got) == pytest.approx(np.asarray(want, dtype=float), rel=1e-14, nan_ok=True)


# truth      prediction
# 0 0 1      0 1 1        class  T  P  T&P  T|P  IoU       P leaves out the void pixel, which is predicted as 1
# 1 1 2      1 0 2            0  2  3    1    4  1/4       macro    (1/4 + 1/2 + 2/3) / 3           = 17/36
# 2 2 void   2 0 1            1  3  3    2    4  1/2       micro    (1 + 2 + 2) / (4 + 4 + 3)       = 5/11
#                             2  3  2    2    3  2/3       weighted (2/4 + 3/2 + 3 * 2/3) / 8       = 1/2
TARGET = np.array([[[0, 0, 1], [1, 1, 2], [2, 2, 255]]])
PREDS = np.array([[[0, 1, 1], [1, 0, 2], [2, 0, 1]]])
COUNTS = [
    [1, 1, 0, 0, 0],
    [1, 2, 0, 0, 0],
    [1, 0, 2, 0, 0],
    [0, 1, 0, 0, 0],
    [0, 0, 0, 0, 0],
]


def test_by_hand():
    assert_same_counts(counts(PREDS, TARGET, 3, ignore_index=255), COUNTS)
    assert_ratios(class_iou(PREDS, TARGET, 3, 255), [1 / 4, 1 / 2, 2 / 3])
    for average, value in [("macro", 17 / 36), ("micro", 5 / 11), ("weighted", 1 / 2)]:
        assert_ratios(mean_iou(PREDS, TARGET, 3, 255, average=average), value)
    for average in ("none", None):
        assert_ratios(mean_iou(PREDS, TARGET, 3, 255, average=average, classes=[0]), [1 / 4, 1 / 2, 2 / 3])


@pytest.mark.parametrize("wrong", ["transposed", "void dropped", "one more"])
def test_a_wrong_matrix_is_noticed(wrong):
    matrix = np.array(COUNTS)
    if wrong == "transposed":
        matrix = matrix.T.copy()
    elif wrong == "void dropped":
        matrix[3] = 0
    else:
        matrix[2, 2] += 1
    with pytest.raises(pytest.fail.Exception, match=r"cell \(true="):
        assert_same_counts(counts(PREDS, TARGET, 3, ignore_index=255), matrix)


@pytest.mark.parametrize(("num_classes", "shape"), [(2, (1, 7)), (5, (3, 8, 9)), (19, (2, 5, 6)), (150, (2, 40, 30))])
def test_against_scikit_learn(num_classes, shape):
    rng = np.random.default_rng(num_classes)
    target = rng.integers(0, num_classes, shape)
    preds = np.where(rng.random(shape) < 0.6, target, rng.integers(0, num_classes, shape))
    target[rng.random(shape) < 0.1] = 255
    labels, kept = list(range(num_classes)), target != 255
    truth, answer = target[kept], preds[kept]
    matrix = counts(preds, target, num_classes, 255)
    assert_same_counts(matrix[:num_classes, :num_classes], confusion_matrix(truth, answer, labels=labels))
    for average in ("none", "macro", "micro", "weighted"):
        theirs = jaccard_score(
            truth, answer, labels=labels, average=None if average == "none" else average, zero_division=0.0
        )
        assert_ratios(mean_iou(preds, target, num_classes, 255, absent="zero", average=average), theirs)


# pixel       0  1       2        3  4  5          6        7
# truth       0  0       0        1  1  void       outside  1, not valid
# prediction  0  void    outside  1  0  void       1        outside
FLOW_TARGET = np.array([0, 0, 0, 1, 1, 255, 7, 1])
FLOW_PREDS = np.array([0, 255, 9, 1, 0, VOID_PREDICTION, 1, 9])
FLOW_VALID = np.array([True] * 7 + [False])


def test_flow_bins_by_hand():
    matrix = counts(FLOW_PREDS, FLOW_TARGET, 2, 255, FLOW_VALID)
    assert_same_counts(matrix, [[1, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 0]])


def test_void_predictions():
    case = (FLOW_PREDS, FLOW_TARGET, 2, 255, FLOW_VALID)
    assert_ratios(class_iou(*case), [1 / 4, 1 / 2])
    assert_ratios(class_iou(*case, void_preds="drop"), [1 / 3, 1 / 2])
    assert_ratios(mean_iou(*case, average="weighted"), (3 / 4 + 2 / 2) / 5)
    assert_ratios(mean_iou(*case, average="weighted", void_preds="drop"), (2 / 3 + 2 / 2) / 4)
    for function in (class_iou, mean_iou):
        with pytest.raises(ValueError, match="1 void predictions"):
            function(*case, void_preds="error")


def test_void_predictions_are_an_error_only_where_the_truth_is_a_class():
    target, preds = np.array([0, 255, 7, 0]), np.array([0, 255, VOID_PREDICTION, VOID_PREDICTION])
    valid = np.array([True, True, True, False])
    assert_ratios(class_iou(preds, target, 1, 255, valid, void_preds="error"), [1.0])


def test_drop_may_leave_a_class_absent():
    target, preds = np.array([0, 1]), np.array([0, VOID_PREDICTION])
    assert_ratios(class_iou(preds, target, 2), [1.0, 0.0])
    assert_ratios(class_iou(preds, target, 2, void_preds="drop"), [1.0, NAN])


# truth       0 0 0 3     class  T  P  T&P  T|P
# prediction  0 0 2 0         0  3  3    2    4
#                             1  0  0    0    0    absent everywhere
#                             2  0  1    0    1    only predicted
#                             3  1  0    0    1    only in the truth
RULES_TARGET = np.array([[0, 0, 0, 3]])
RULES_PREDS = np.array([[0, 0, 2, 0]])
RULES = {
    ("union", "skip"): ([0.5, NAN, 0.0, 0.0], 1 / 6),
    ("union", "nan"): ([0.5, NAN, 0.0, 0.0], NAN),
    ("union", "zero"): ([0.5, 0.0, 0.0, 0.0], 1 / 8),
    ("union", "one"): ([0.5, 1.0, 0.0, 0.0], 3 / 8),
    ("target", "skip"): ([0.5, NAN, NAN, 0.0], 1 / 4),
    ("target", "nan"): ([0.5, NAN, NAN, 0.0], NAN),
    ("target", "zero"): ([0.5, 0.0, 0.0, 0.0], 1 / 8),
    ("target", "one"): ([0.5, 1.0, 1.0, 0.0], 5 / 8),
}
MICRO = {"union": 2 / 6, "target": 2 / 5}


@pytest.mark.parametrize(("present", "absent"), RULES)
def test_present_and_absent(present, absent):
    rule = {"present": present, "absent": absent}
    per_class, macro = RULES[present, absent]
    expected = {"macro": macro, "micro": MICRO[present], "weighted": 3 / 8, "none": per_class, None: per_class}
    assert_ratios(class_iou(RULES_PREDS, RULES_TARGET, 4, **rule), per_class)
    for average, value in expected.items():
        assert_ratios(mean_iou(RULES_PREDS, RULES_TARGET, 4, average=average, **rule), value)


@pytest.mark.parametrize(
    ("classes", "rule", "expected"),
    [
        ((0, 1), {}, 1 / 2),
        ((0, 1), {"absent": "zero"}, 1 / 4),
        ((0, 1), {"absent": "one"}, 3 / 4),
        ((0, 1), {"absent": "nan"}, NAN),
        ((0, 3), {"absent": "nan"}, 1 / 4),
        ((0, 0, 2), {}, 1 / 4),
        ((0, 2), {"present": "target"}, 1 / 2),
        ((0, 2), {"average": "micro"}, 2 / 5),
        ((0, 2), {"average": "weighted"}, 1 / 2),
        ((2,), {"average": "micro"}, 0.0),
        ((2,), {"average": "weighted"}, NAN),
        ((1,), {}, NAN),
        ((1,), {"absent": "zero"}, 0.0),
        ((1,), {"absent": "one"}, 1.0),
        ((1,), {"average": "micro", "absent": "one"}, NAN),
        ((), {"absent": "zero"}, NAN),
    ],
)
def test_classes_in_the_mean(classes, rule, expected):
    assert_ratios(mean_iou(RULES_PREDS, RULES_TARGET, 4, classes=classes, **rule), expected)


def test_ignore_inside_the_range():
    target, preds = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 2])
    matrix = np.zeros((5, 5))
    matrix[1, 1] = matrix[1, 3] = matrix[2, 2] = matrix[3, 1] = matrix[3, 3] = 1
    assert_same_counts(counts(preds, target, 3, ignore_index=0), matrix)
    for present, absent in product(("union", "target"), ("skip", "zero", "one", "nan")):
        rule = {"present": present, "absent": absent}
        assert_ratios(class_iou(preds, target, 3, 0, **rule), [NAN, 1 / 2, 1.0])
        assert_ratios(mean_iou(preds, target, 3, 0, **rule), 3 / 4)
        assert_ratios(mean_iou(preds, target, 3, 0, average="micro", **rule), 2 / 3)
        assert_ratios(mean_iou(preds, target, 3, 0, average="weighted", **rule), 2 / 3)
        assert_ratios(mean_iou(preds, target, 3, 0, classes=[0], **rule), NAN)
    assert_ratios(class_iou(preds, target, 3, 0, void_preds="drop"), [NAN, 1.0, 1.0])


@pytest.mark.parametrize("ignore_index", [(255, -1), [-1, 255], {-1, 255}, iter((255, -1)), np.array([255, -1])])
def test_two_ignored_ids(ignore_index):
    target, preds = np.array([0, 255, -1, 1, 254]), np.array([0, 0, -1, 255, 1])
    matrix = counts(preds, target, 2, ignore_index)
    assert_same_counts(matrix, [[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 0]])


def test_no_ignored_id():
    target, preds = np.array([0, 255]), np.array([0, 0])
    for ignore_index in (None, ()):
        assert_same_counts(counts(preds, target, 1, ignore_index), [[1, 0, 0], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("stranger", [2**32 + 1, -1, 3, 2**62, -(2**63), 2**8 + 1, 2**16 + 1])
def test_outside(stranger):
    target, preds = np.array([1, stranger, stranger]), np.array([stranger, 1, stranger])
    matrix = np.zeros((5, 5))
    matrix[1, 4] = matrix[4, 1] = matrix[4, 4] = 1
    assert_same_counts(counts(preds, target, 3, ignore_index=255), matrix)
    for void_preds in ("miss", "drop", "error"):
        assert_ratios(class_iou(preds, target, 3, 255, void_preds=void_preds), [NAN, 0.0, NAN])


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64])
def test_dtypes_are_read_by_value(dtype):
    target, preds = np.array([0, 1, 1], dtype=dtype), np.array([1, 1, 0])
    want = [[0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    for ignore_index in (-1, 255, 2**40):
        assert_same_counts(counts(preds, target, 2, ignore_index), want)
        assert_same_counts(counts(target, preds, 2, ignore_index), np.transpose(want))


@pytest.mark.parametrize(("dtype", "void"), [(np.float16, 2049), (np.float16, 2**20), (np.float32, 2**32 - 1)])
def test_void_values_are_not_rounded_to_the_dtype(dtype, void):
    target = np.array([[[0, 2048, np.inf, 2**32 if dtype == np.float32 else np.inf]]], dtype=dtype)
    pixels = reference.label_counts(np.zeros((1, 1, 4)), target, ignore_index=void)
    assert pixels[0, :, 0].tolist() == [1, 0, 0, 3]


def test_minus_one_is_not_255():
    target, preds = np.array([255, 0], dtype=np.uint8), np.array([0, -1], dtype=np.int8)
    assert_same_counts(counts(preds, target, 1, -1), [[0, 1, 0], [0, 0, 0], [1, 0, 0]])
    assert_same_counts(counts(preds, target, 1, 255), [[0, 0, 1], [1, 0, 0], [0, 0, 0]])


def test_valid_in_both_shapes():
    target, preds = np.array([[0, 1], [0, 1]]), np.array([[0, 1], [1, 0]])
    images = np.array([True, False])
    pixels = np.array([[True, True], [False, False]])
    want = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert_same_counts(counts(preds, target, 2, valid=images), want)
    assert_same_counts(counts(preds, target, 2, valid=pixels), want)
    assert_ratios(class_iou(preds, target, 2, valid=images), [1.0, 1.0])
    one_pixel = np.array([[True, True], [False, True]])
    assert_same_counts(
        counts(preds, target, 2, valid=one_pixel), [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    )


def test_nothing_to_see():
    empty = np.zeros((0, 4, 4), dtype=np.uint8)
    assert_same_counts(counts(empty, empty, 2, 255, np.zeros(0, dtype=bool)), np.zeros((4, 4)))
    assert_ratios(class_iou(empty, empty, 2), [NAN, NAN])
    for average in ("macro", "micro", "weighted"):
        assert_ratios(mean_iou(empty, empty, 2, average=average), NAN)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"preds": np.zeros((1, 2))}, TypeError, "preds is float64"),
        ({"preds": np.zeros((2, 1), dtype=int)}, ValueError, "expected one shape"),
        ({"valid": np.ones((1, 2), dtype=int)}, TypeError, "valid is int64"),
        ({"valid": np.ones(2, dtype=bool)}, ValueError, r"valid is \(2,\)"),
        ({"void_preds": "raise"}, ValueError, "void_preds is 'raise'"),
        ({"present": "both"}, ValueError, "present is 'both'"),
        ({"absent": -1}, ValueError, "absent is -1"),
        ({"average": "mean"}, ValueError, "average is 'mean'"),
    ],
)
def test_what_is_refused(arguments, error, message):
    labels = np.zeros((1, 2), dtype=int)
    with pytest.raises(error, match=message):
        mean_iou(**{"preds": labels, "target": labels, "num_classes": 2} | arguments)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("scores", "label"),
    [
        ((1, 2, 3), 2),
        ((3, 2, 1), 0),
        ((2, 2, 2), 0),
        ((1, 2, 2), 1),
        ((-0.0, 0.0, -1), 0),
        ((0.0, -0.0, -1), 0),
        ((-1, -0.0, 0.0), 1),
        ((-math.inf, -math.inf, -math.inf), 0),
        ((-math.inf, -1, -math.inf), 1),
        ((1, math.inf, math.inf), 1),
        ((NAN, 1, 2), VOID_PREDICTION),
        ((1, 2, NAN), VOID_PREDICTION),
        ((math.inf, NAN, 0), VOID_PREDICTION),
        ((NAN, NAN, NAN), VOID_PREDICTION),
    ],
)
def test_labels_of_scores(scores, label, dtype):
    other = (0, 1, 0)
    maps = np.array([scores, other], dtype=dtype).T.reshape(1, 3, 1, 2)
    labels = reference.labels_of_scores(maps, 3)
    assert labels.dtype == np.int64
    assert labels.tolist() == [[[label, 1]]]
    assert reference.labels_of_scores(np.array([scores], dtype=dtype), 3).tolist() == [label]


def test_labels_of_scores_leaves_its_argument_and_agrees_with_argmax():
    scores = np.random.default_rng(0).integers(-2, 3, (2, 5, 6, 7)).astype(np.float32)
    before = scores.copy()
    np.testing.assert_array_equal(reference.labels_of_scores(scores, 5), scores.argmax(axis=1))
    np.testing.assert_array_equal(scores, before)
    with pytest.raises(ValueError, match=r"expected \[B, 4, \*\]"):
        reference.labels_of_scores(scores, 4)


def test_labels_of_threshold():
    scores = np.array([[0.0, 0.5, 0.75], [math.inf, -math.inf, NAN]])
    for dtype in (np.float16, np.float32, np.float64):
        labels = reference.labels_of_threshold(scores.astype(dtype), 0.5)
        assert labels.dtype == np.int64
        assert labels.tolist() == [[0, 0, 1], [1, 0, VOID_PREDICTION]]
        assert reference.labels_of_threshold(np.array([0.09, -0.0], dtype=dtype), 0.1).tolist() == [0, 0]
        assert reference.labels_of_threshold(np.array([0.0, -0.0], dtype=dtype), 0.0).tolist() == [0, 0]
    assert reference.labels_of_threshold(np.array([6e4], dtype=np.float16), 1e6).tolist() == [0]
    # The float16 next to 0.3 is 0.30004883, and the float32 next to 0.1 is 0.100000001.
    assert reference.labels_of_threshold(np.array([0.3], dtype=np.float16), 0.3).tolist() == [1]
    assert reference.labels_of_threshold(np.array([0.1, 0.10000001], dtype=np.float32), 0.1).tolist() == [0, 1]
    assert reference.labels_of_threshold(np.array([np.float32(0.1)], dtype=np.float64), 0.1).tolist() == [1]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32])
def test_labels_of_one_hot(dtype):
    pixels = [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]]
    labels = reference.labels_of_one_hot(np.array(pixels, dtype=dtype).T.reshape(1, 3, 2, 3))
    assert labels.dtype == np.int64
    assert labels.tolist() == [[[0, 2, 1], [OUTSIDE, OUTSIDE, OUTSIDE]]]


@pytest.mark.parametrize("pixel", [(2, 0), (-1, 0), (0.5, 0.5), (1, 0.001), (1, NAN), (1, -1), (2, -1), (0, 255)])
def test_not_one_hot(pixel):
    assert reference.labels_of_one_hot(np.array([pixel, (0, 1)])).tolist() == [OUTSIDE, 1]


def test_one_class():
    assert reference.labels_of_scores(np.array([[-5.0], [NAN]]), 1).tolist() == [0, VOID_PREDICTION]
    assert reference.labels_of_one_hot(np.array([[1], [0], [2]])).tolist() == [0, OUTSIDE, OUTSIDE]


def test_labels_flow_into_the_bins():
    preds = reference.labels_of_scores(np.array([[0.0, 1.0], [NAN, 1.0], [1.0, 0.0]]), 2)
    target = reference.labels_of_one_hot(np.array([[0, 1], [0, 1], [1, 1]]))
    assert_same_counts(counts(preds, target, 2), [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]])


@st.composite
def maps(draw, clean=False):
    """(preds, target, num_classes, ignored ids, valid or None) of two images; clean: every label is a class."""
    num_classes = draw(st.integers(1, 5))
    strange = [] if clean else [-1, num_classes, 255, 2**32, 2**32 + 1]
    ids = [*range(num_classes), *strange]
    size = draw(st.integers(0, 12))
    labels = [
        draw(st.lists(st.sampled_from(pool), min_size=2 * size, max_size=2 * size))
        for pool in (ids if clean else [*ids, VOID_PREDICTION], ids)
    ]
    preds, target = (np.array(flat, dtype=np.int64).reshape(2, size) for flat in labels)
    if clean:
        return preds, target, num_classes
    ignored = draw(st.frozensets(st.sampled_from(ids), max_size=3))
    shape = draw(st.sampled_from([None, (2,), (2, size)]))
    bits = st.lists(st.booleans(), min_size=math.prod(shape or ()), max_size=math.prod(shape or ()))
    return preds, target, num_classes, ignored, None if shape is None else np.array(draw(bits), bool).reshape(shape)


def bin_of(label, num_classes, aside):
    if aside:
        return num_classes
    return label if 0 <= label < num_classes else num_classes + 1


@settings(deadline=None, max_examples=150)
@given(maps())
def test_every_pixel_is_in_its_cell(case):
    preds, target, num_classes, ignored, valid = case
    pixels = (
        np.ones(target.shape, bool) if valid is None else np.array([np.broadcast_to(v, target[0].shape) for v in valid])
    )
    want = np.zeros((num_classes + 2, num_classes + 2), dtype=np.int64)
    for answer, truth, kept in zip(
        preds.ravel().tolist(), target.ravel().tolist(), pixels.ravel().tolist(), strict=True
    ):
        row = bin_of(truth, num_classes, truth in ignored or not kept)
        want[row, bin_of(answer, num_classes, answer in ignored or answer == VOID_PREDICTION)] += 1
    got = counts(*case)
    assert_same_counts(got, want)
    assert got.sum() == target.size


@settings(deadline=None, max_examples=150)
@given(maps())
def test_images_add_up(case):
    preds, target, num_classes, ignored, valid = case
    parts = [
        counts(
            preds[i],
            target[i],
            num_classes,
            ignored,
            None if valid is None else np.broadcast_to(valid[i], target[i].shape),
        )
        for i in range(2)
    ]
    assert_same_counts(counts(*case), parts[0] + parts[1])


@settings(deadline=None, max_examples=150)
@given(maps(), st.sampled_from(["miss", "drop"]))
def test_sets_and_matrix_say_the_same(case, void_preds):
    num_classes, ignored, matrix = case[2], case[3], counts(*case)
    want = []
    for c in range(num_classes):
        missed = matrix[c].sum() - matrix[c, c] - (matrix[c, num_classes] if void_preds == "drop" else 0)
        union = matrix[c, c] + missed + matrix[:num_classes, c].sum() - matrix[c, c]
        want.append(matrix[c, c] / union if union and c not in ignored else NAN)
    assert_ratios(class_iou(*case, void_preds=void_preds), want)


@settings(deadline=None, max_examples=100)
@given(maps(clean=True), st.data())
def test_permuting_classes_permutes(case, data):
    preds, target, num_classes = case
    new = np.array(data.draw(st.permutations(range(num_classes))))
    assert_same_counts(
        counts(new[preds], new[target], num_classes)[np.ix_(new, new)],
        counts(preds, target, num_classes)[:num_classes, :num_classes],
    )
    assert_ratios(class_iou(new[preds], new[target], num_classes)[new], class_iou(preds, target, num_classes))
    for average in ("macro", "micro", "weighted"):
        assert_ratios(
            mean_iou(new[preds], new[target], num_classes, average=average),
            mean_iou(preds, target, num_classes, average=average),
        )


@settings(deadline=None, max_examples=100)
@given(maps(clean=True))
def test_swapping_the_arguments_transposes(case):
    preds, target, num_classes = case
    assert_same_counts(counts(target, preds, num_classes), counts(preds, target, num_classes).T)
    assert_ratios(class_iou(target, preds, num_classes), class_iou(preds, target, num_classes))


@settings(deadline=None, max_examples=100)
@given(maps())
def test_void_pixels_change_no_score(case):
    preds, target, num_classes, ignored, _ = case
    void = np.isin(target, list(ignored))
    for other in (0, -1, VOID_PREDICTION):
        changed = np.where(void, other, preds)
        assert_ratios(class_iou(changed, target, num_classes, ignored), class_iou(preds, target, num_classes, ignored))


# Labels that overlap, pixel by pixel.


@st.composite
def overlapping(draw):
    """Arguments of the functions of labels that overlap: scores or labels, with void and values outside."""
    labels, size = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    number, scored = 2 * labels * size, draw(st.booleans())
    values = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.50001, 0.7, 1.0, -0.0, -2.0, math.inf, -math.inf, NAN])
    flags = st.sampled_from([0, 0, 1, 1, 7, 255, -1])
    preds = draw(st.lists(values if scored else flags, min_size=number, max_size=number))
    target = draw(st.lists(flags, min_size=number, max_size=number))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64])) if scored else np.int64
    threshold = draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]))
    if draw(st.booleans()):
        threshold = [threshold] + [0.3] * (labels - 1)
    shape = draw(st.sampled_from([None, (2, 1, 1), (2, labels, 1), (2, 1, size), (2, labels, size)]))
    valid = None
    if shape is not None:
        bits = draw(st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)))
        valid = np.array(bits, bool).reshape(shape)
    return {
        "preds": np.array(preds).astype(dtype).reshape(2, labels, size),
        "target": np.array(target).reshape(2, labels, size),
        "threshold": threshold,
        "inclusive": draw(st.booleans()),
        "ignore_index": draw(st.sampled_from([(), 255, (255, -1), None])),
        "valid": valid,
    }


def kind_of_value(value, void):
    """0, 1, 2 for void and 3 for anything else."""
    return int(value) if value in (0, 1) else 2 if value in void else 3


def pixels_of(case):
    """Label, kind of the ground truth and kind of the prediction of each pixel."""
    preds, target, void = case["preds"], case["target"], case["ignore_index"]
    void = (void,) if isinstance(void, int) else void or ()
    valid = np.ones(target.shape, bool) if case["valid"] is None else np.broadcast_to(case["valid"], target.shape)
    for place in np.ndindex(*target.shape):
        label, score = place[1], preds[place]
        threshold = case["threshold"][label] if isinstance(case["threshold"], list) else case["threshold"]
        if preds.dtype == np.int64:
            column = kind_of_value(score, void)
        elif np.isnan(score):
            column = 2
        else:
            one, other = score, threshold
            if preds.dtype != np.float64:
                one, other = np.float32(score), np.float32(threshold)
            column = int(one > other or (case["inclusive"] and one == other))
        yield label, kind_of_value(target[place], void) if valid[place] else 2, column


def sets_of_labels(case, void_preds):
    """Pixels of intersection, union and ground truth of each label."""
    sizes = [[0, 0, 0] for _ in range(case["target"].shape[1])]
    for label, row, column in pixels_of(case):
        if row < 2 and not (column == 2 and void_preds == "drop"):
            sizes[label][0] += row == column == 1
            sizes[label][1] += row == 1 or column == 1
            sizes[label][2] += row == 1
    return sizes


@settings(deadline=None, max_examples=150)
@given(overlapping())
def test_every_pixel_of_a_label_is_in_its_cell(case):
    want = np.zeros((case["target"].shape[1], 4, 4), dtype=np.int64)
    for place in pixels_of(case):
        want[place] += 1
    got = reference.label_counts(**case)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, want)
    assert got.sum() == case["target"].size


@settings(deadline=None, max_examples=150)
@given(overlapping(), st.sampled_from(["miss", "drop"]), st.sampled_from(["union", "target"]))
def test_averages_of_labels_that_overlap(case, void_preds, present):
    sizes = sets_of_labels(case, void_preds)
    there = [label for label, size in enumerate(sizes) if size[1 if present == "union" else 2]]
    for absent, value in (("skip", NAN), ("zero", 0.0), ("one", 1.0), ("nan", NAN)):
        rules = {"void_preds": void_preds, "present": present, "absent": absent}
        iou = [both / union if k in there else value for k, (both, union, _) in enumerate(sizes)]
        assert_ratios(reference.label_iou(**case, **rules), iou)
        assert_ratios(reference.multilabel_mean_iou(**case, **rules, average="none"), iou)
        members = iou if absent != "skip" else [iou[k] for k in there]
        assert_ratios(reference.multilabel_mean_iou(**case, **rules), sum(members) / len(members) if members else NAN)
        sums = {
            "micro": (sum(sizes[k][0] for k in there), sum(sizes[k][1] for k in there)),
            "weighted": (sum(sizes[k][2] * iou[k] for k in there), sum(sizes[k][2] for k in there)),
        }
        for average, (part, whole) in sums.items():
            got = reference.multilabel_mean_iou(**case, **rules, average=average)
            assert_ratios(got, part / whole if whole else NAN)
        first = reference.multilabel_mean_iou(**case, **rules, classes=[0])
        assert_ratios(first, NAN if absent == "skip" and 0 not in there else iou[0])


@settings(deadline=None, max_examples=50)
@given(overlapping(), st.sets(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), min_size=1))
def test_a_curve_is_the_iou_at_each_threshold(case, thresholds):
    columns = []
    for threshold in sorted(thresholds):
        sizes = sets_of_labels({**case, "threshold": threshold}, "miss")
        columns.append([both / union if union else NAN for both, union, _ in sizes])
    rest = {name: value for name, value in case.items() if name != "threshold"}
    assert_ratios(reference.iou_curve(**rest, thresholds=sorted(thresholds)), np.transpose(columns))


def test_labels_that_overlap_by_hand():
    scores = np.array([[[0.9, 0.8, 0.1, NAN], [0.2, 0.5, 0.6, 0.1]]])
    target = np.array([[[1, 0, 1, 1], [0, 1, 255, 0]]])
    counts_ = reference.label_counts(scores, target, ignore_index=255)
    assert counts_[0].tolist() == [[0, 1, 0, 0], [1, 1, 1, 0], [0] * 4, [0] * 4]
    assert counts_[1].tolist() == [[2, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0] * 4]
    assert_ratios(reference.label_iou(scores, target, ignore_index=255), [1 / 4, 0])
    assert_ratios(reference.label_iou(scores, target, ignore_index=255, inclusive=True), [1 / 4, 1])
    assert_ratios(reference.label_iou(scores, target, ignore_index=255, void_preds="drop"), [1 / 3, 0])
    assert_ratios(reference.label_iou(scores, target, [0.05, 0.4], ignore_index=255), [2 / 4, 1])
