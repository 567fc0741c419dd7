"""Boundary IoU of the reference: by hand, pixel by pixel, by OpenCV's erosion, by SciPy's filters; and its rules."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bands import (
    VALID,
    assert_same_bands,
    band_spec,
    bands_by_erosion,
    bands_by_filters,
    bands_by_pixels,
    bands_by_reference,
    counts_of_bands,
    planes_of_band,
    regions,
    valid_of,
)
from support.grid import number_of_examples

from meaniou import reference
from meaniou.reference import VOID, VOID_PREDICTION, band_width, boundary_counts, boundary_iou

NAN = math.nan


def test_by_hand():
    """A square of 5 x 5 in a map of 7 x 7, and the same square one pixel to the right."""
    target = np.zeros((1, 7, 7), np.uint8)
    target[:, 1:6, 1:6] = 1
    preds = np.roll(target, 1, 2)
    counts = boundary_counts(preds, target, 2, width=[1, 2])
    # Class 1: rings of 16 pixels with 8 in common, then all of the square but its centre.
    assert counts[0, :, 1].tolist() == [8, 16, 16]
    assert counts[1, :, 1].tolist() == [18, 24, 24]
    # Class 0 is a frame of 24 pixels around one square; the other square reaches the edge, which cuts 5 of them off.
    assert counts[0, 1:, 0].tolist() == [24, 24]
    without_edge = boundary_counts(preds, target, 2, width=1, edge=False)
    # At the edge the prediction has a side of 3 pixels that borders on nothing; its other 13 pixels are a contour.
    assert without_edge[0, :, 1].tolist() == [8, 16, 13]
    assert boundary_iou(preds, target, 3, width=1)[1:] == pytest.approx([8 / 24, NAN], nan_ok=True)
    assert boundary_iou(preds, target, 2, width=[1, 2]).shape == (2, 2)


def test_one_class_is_bounded_by_the_edge_alone():
    full = np.zeros((1, 5, 6), np.uint8)
    assert boundary_counts(full, full, 1, width=1).tolist() == [[[18]] * 3]
    assert boundary_counts(full, full, 1, width=1, edge=False).tolist() == [[[0]] * 3]
    assert math.isnan(boundary_iou(full, full, 1, width=1, edge=False)[0])
    volume = np.zeros((1, 3, 4, 5), np.uint8)
    assert boundary_counts(volume, volume, 1, width=1).tolist() == [[[60 - 1 * 2 * 3]] * 3]


def test_void_makes_no_contour_and_moves_none():
    target = np.array([[[0, 0, 0, VOID, 0, 0, 0, 0, VOID, 1, 1, 1]]])
    preds = np.where(target == VOID, 1, target)
    settings = {"width": 1, "edge": False, "ignore_index": VOID}
    # With width 1 the void between the classes is all that their windows share.
    assert boundary_counts(preds, target, 2, **settings).tolist() == [[[0, 0]] * 3]
    assert boundary_counts(preds, target, 2, **(settings | {"width": 2}))[0].tolist() == [[1, 1]] * 3
    # As a label of its own it borders on three pixels of class 0 and one of class 1; the prediction has no such label.
    literal = boundary_counts(preds, target, 2, **settings, void="literal")
    assert literal[0].tolist() == [[3, 0], [3, 1], [3, 0]]


def test_void_predictions():
    target = np.zeros((1, 1, 7), np.int64)
    preds = np.array([[[0, 0, 0, VOID_PREDICTION, 0, 0, 9]]])
    settings = {"width": 1, "edge": False}
    assert boundary_counts(preds, target, 1, **settings)[0, :, 0].tolist() == [0, 0, 3]
    assert boundary_counts(preds, target, 1, **settings, void_preds="drop")[0, :, 0].tolist() == [0, 0, 1]
    dropped = boundary_counts(preds, target, 1, **settings, void_preds="drop", void="literal")
    assert dropped[0, :, 0].tolist() == [2, 2, 3]
    with pytest.raises(ValueError, match="preds holds 1 void predictions where the ground truth is a class"):
        boundary_counts(preds, target, 1, **settings, void_preds="error")
    boundary_counts(preds, np.where(preds == 0, 0, VOID), 1, **settings, ignore_index=VOID, void_preds="error")


def test_what_is_not_present():
    target, preds = np.array([[[0, 0, 1, 2]]]), np.array([[[0, 0, 1, 3]]])
    common = {"preds": preds, "target": target, "num_classes": 5, "width": 1, "edge": False}
    for absent, value in (("skip", NAN), ("nan", NAN), ("zero", 0.0), ("one", 1.0)):
        for present, only_predicted in (("union", 0.0), ("target", value)):
            got = boundary_iou(**common, present=present, absent=absent)
            assert got == pytest.approx([1, 1, 0, only_predicted, value], nan_ok=True)
            assert math.isnan(boundary_iou(**common, present=present, absent=absent, ignore_index=1)[1])


def test_lists_and_images():
    rng = np.random.default_rng(0)
    target = [regions(rng, (1, *sides), [0, 1, 2])[0] for sides in ((5, 9), (12, 3), (1, 1))]
    preds = [np.roll(side, 1, 0) for side in target]
    valid = [rng.random(side.shape) < 0.8 for side in target]
    every = boundary_counts(preds, target, 3, width=[1, 0.2], valid=valid, per_image=True)
    for image in range(3):
        own = [side[image][None] for side in (preds, target, valid)]
        alone = boundary_counts(*own[:2], 3, width=[1, 0.2], valid=own[2])
        assert np.array_equal(every[image], alone)
    assert np.array_equal(boundary_counts(preds, target, 3, width=[1, 0.2], valid=valid), every.sum(0))
    assert boundary_counts([], [], 3, width=1).tolist() == [[[0] * 3] * 3]
    assert boundary_counts([], [], 3, width=1, per_image=True).shape == (0, 1, 3, 3)


@pytest.mark.parametrize("ratio", [0.001, 0.005, 0.01, 0.02, 0.1, 0.5])
def test_the_width_is_the_official_one(ratio):
    """Sides of 3, 4 and 5 times a number have halves among their shares."""
    sides = [(3 * k, 4 * k) for k in range(1, 400)] + [(480, 640), (1024, 2048), (1, 1), (2160, 3840)]
    for height, width in sides:
        official = round(ratio * np.sqrt(height**2 + width**2))
        assert band_width(ratio, (height, width)) == max(1, official)
    assert [band_width(0.1, (3 * k, 4 * k)) for k in (1, 3, 5)] == [1, 2, 2]
    assert band_width(9, (3, 3)) == 9
    assert band_width(0.5, (2, 3, 6)) == 4  # 3.5, in a volume


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": np.zeros((2, 2, 2), int)}, ValueError, "preds holds 1 images and target 2"),
        ({"target": np.zeros((1, 2, 3), int)}, ValueError, "expected one shape"),
        ({"preds": np.zeros((1, 2, 2))}, TypeError, "preds is float64"),
        ({"valid": np.zeros((1, 2, 3), bool)}, ValueError, "valid is"),
        ({"valid": np.zeros((1, 2, 2), int)}, TypeError, "valid is int64"),
        ({"void": "drop"}, ValueError, "void is 'drop'"),
        ({"void_preds": "ignore"}, ValueError, "void_preds is 'ignore'"),
        ({"present": "both"}, ValueError, "present is 'both'"),
        ({"absent": None}, ValueError, "absent is None"),
    ],
)
def test_what_is_refused(arguments, error, message):
    labels = np.zeros((1, 2, 2), dtype=int)
    with pytest.raises(error, match=message):
        boundary_iou(**{"preds": labels, "target": labels, "num_classes": 2, "width": 1} | arguments)


# The oracles.


@st.composite
def cases(draw, void=True):
    """Label maps, a mask, the number of classes and a specification."""
    axes = draw(st.sampled_from([2, 2, 3]))
    shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, 9 if axes == 2 else 5)) for _ in range(axes)))
    num_classes = draw(st.integers(1, 4))
    width = st.integers(1, 3) | st.floats(0.01, 0.4)
    of_bands = band_spec(
        draw(st.lists(width, min_size=1, max_size=2, unique=True)),
        edge=draw(st.booleans()),
        literal=draw(st.booleans()),
        drop=draw(st.booleans()),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = [*range(num_classes), *[VOID, num_classes, -1] * void]
    preds = regions(rng, shape, [*values, *[VOID_PREDICTION] * void])
    target = np.where(rng.random(shape) < draw(st.sampled_from([0.1, 0.9])), preds, regions(rng, shape, values))
    target = np.where(target == VOID_PREDICTION, 0, target)
    valid = valid_of(rng, shape, draw(st.sampled_from(VALID)))
    return preds, target, None if valid is None else valid.numpy(), num_classes, of_bands


@number_of_examples(fast=60, slow=1500)
def test_every_pixel_is_in_its_band(examples):
    @settings(max_examples=examples, deadline=None)
    @given(cases())
    def test(case):
        assert_same_bands(bands_by_reference(*case), bands_by_pixels(*case))

    test()


@number_of_examples(fast=60, slow=1000)
def test_filters(examples):
    """A minimum over the window where void is the largest label, and a maximum where it is the smallest."""

    @settings(max_examples=examples, deadline=None)
    @given(cases(void=False), st.integers(1, 5), st.booleans())
    def test(case, width, with_void):
        preds, target, _, num_classes, of_bands = case
        if with_void:
            void = regions(np.random.default_rng(len(preds)), target.shape, [0, 0, 1]) == 1
            preds, target = (np.where(void, num_classes, side) for side in (preds, target))
        expected = []
        for maps in zip(target, preds, strict=True):
            bands = [bands_by_filters(side, width, of_bands.edge, num_classes) for side in maps]
            planes = [planes_of_band(*pair[:1], num_classes, pair[1]) for pair in zip(maps, bands, strict=True)]
            expected.append(counts_of_bands(*planes)[None])
        of_bands = of_bands._replace(widths=str(width), literal=False, drop=False)
        ours = bands_by_reference(preds, target, None, num_classes, of_bands)
        assert_same_bands(ours, np.stack(expected))

    test()


@pytest.mark.slow  # since only the extra "guides" has OpenCV
@pytest.mark.parametrize("edge", [True, False])
def test_erosion(rng, edge):
    """Maps of all forms, among them those of one row or column, and widths beyond the map."""
    pytest.importorskip("cv2")
    for _ in range(300):
        shape, num_classes = tuple(map(int, rng.integers(1, 30, size=2))), int(rng.integers(1, 5))
        width = int(rng.integers(1, 8))
        preds, target = (regions(rng, (1, *shape), range(num_classes), 9) for _ in range(2))
        bands = [bands_by_erosion(side[0], num_classes, width, edge) for side in (target, preds)]
        ours = bands_by_reference(preds, target, None, num_classes, band_spec([width], edge=edge))
        assert_same_bands(ours, counts_of_bands(*bands)[None, None])


def test_wrong_bands_are_noticed(rng):
    """A width off by one, no border, an erosion of label numbers, and void taken for a class."""
    labels = regions(rng, (1, 24, 30), range(4), 9)
    preds = np.roll(labels, 1, 2)
    right = bands_by_reference(preds, labels, None, 4, band_spec([2]))
    maps = labels[0], preds[0]

    def of(band):
        return counts_of_bands(*(planes_of_band(side, 4, band(side)) for side in maps))[None, None]

    assert_same_bands(right, of(lambda side: bands_by_filters(side, 2, True)))
    rest = [minus_the_smallest(side, 2) for side in maps]
    wrong = {
        "width": of(lambda side: bands_by_filters(side, 3, True)),
        "edge": of(lambda side: bands_by_filters(side, 2, False)),
        "label numbers": counts_of_bands(*(planes_of_band(side, 4, side > 0) for side in rest))[None, None],
        "void": bands_by_reference(preds, np.where(labels == 3, VOID, labels), None, 4, band_spec([2])),
        "one cell": right + np.eye(4, dtype=np.int64)[:1] * [[1], [0], [0]],
    }
    for name, counts in wrong.items():
        with pytest.raises(pytest.fail.Exception, match=r"image 0, width 0, row \d, class \d: .* cells? differ"):
            assert_same_bands(right, counts)
        assert counts.shape == right.shape, name
    with pytest.raises(AssertionError, match="not int64"):
        assert_same_bands(right.astype(float), right)
    with pytest.raises(AssertionError, match=r"not \(1, 1, 3, 4\)"):
        assert_same_bands(right[0], right)


def minus_the_smallest(labels, width):
    """A label map minus the smallest label number of each window."""
    padded = np.pad(labels, width)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * width + 1,) * 2)
    return labels - windows.min((-1, -2))


def test_the_maps_have_bands_and_interiors(rng):
    """Otherwise the oracles would agree without a test of anything."""
    parts = np.zeros(3)
    for _ in range(50):
        labels = regions(rng, (1, 9, 9), range(3))
        counts = reference.boundary_counts(labels, labels, 3, width=1, edge=False)
        parts += [counts[0, 1].sum(), labels.size, 1]
    assert 0.2 < parts[0] / parts[1] < 0.8
