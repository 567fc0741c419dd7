"""Bands inside contours, by every kernel, against four oracles, and rules that hold for all maps."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import LABEL_DTYPES, SCORE_DTYPES, assert_same_counts, expected_counts, random_map
from support.bands import (
    VALID,
    assert_same_bands,
    band_batch,
    band_spec,
    bands_by_erosion,
    bands_by_filters,
    bands_by_kernel,
    bands_by_pixels,
    bands_by_reference,
    counts_of_bands,
    label_maps,
    planes_of_band,
    regions,
    valid_of,
    widths_of,
)
from support.grid import grid, number_of_examples
from support.kernels import CPU_KERNELS
from support.layouts import LAYOUTS

from meaniou import LabelSpace, reference
from meaniou.counting.bands.count import band_rows, bands_of, count_bands
from meaniou.counting.bands.frames import _steps, boxes_of, frames_of
from meaniou.counting.kernels.portable import bands as portable
from meaniou.counting.kernels.portable.windows import WILD, mixed_windows
from meaniou.counting.kernels.spec import CountSpec
from meaniou.settings import BandSettings, InputSettings

KERNELS = {"portable": portable.count_bands} | {
    name: module.count_bands for name, module in CPU_KERNELS.items() if module.count_bands is not portable.count_bands
}
IMPLS = ["portable", *CPU_KERNELS]
SHAPES = {"image": (2, 11, 8), "volume": (2, 5, 6, 7)}
WIDTHS = {"pixels": (1, 2), "shares": (0.1, 0.25), "both": (3, 0.02)}
EDGES = {"edge": True, "no edge": False}
VOIDS = {"ignore": {}, "literal": {"literal": True}, "drop": {"drop": True}, "both": {"literal": True, "drop": True}}
IGNORE = (255, -1)


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def kernel(request):
    return request.param


def assert_bands(kernel, preds, target, valid, spec, of_bands, by_pixels=False):
    """Fails unless a kernel counts as the reference does; ``by_pixels`` also compares with the count pixel by pixel."""
    matrix, bands = bands_by_kernel(kernel, preds, target, valid, spec, of_bands)
    maps = label_maps(preds, target, spec)
    mask = None if valid is None else valid.numpy()
    expected = bands_by_reference(*maps, mask, spec.num_classes, of_bands)
    assert_same_bands(bands, expected)
    if by_pixels:
        assert_same_bands(bands, bands_by_pixels(*maps, mask, spec.num_classes, of_bands))
    void = [reference.VOID, reference.VOID_PREDICTION]
    assert_same_counts(matrix, reference.counts(*maps, spec.num_classes, void, mask))


# Kernels beside the reference.


@grid("kernel", kernel=KERNELS, predicted=LABEL_DTYPES, labels=LABEL_DTYPES)
def test_every_dtype(rng, kernel, predicted, labels):
    for num_classes in (1, 3):
        spec = CountSpec("labels", "labels", num_classes, IGNORE)
        batch = band_batch(rng, SHAPES["image"], spec, (predicted, labels))
        assert_bands(kernel, *batch, None, spec, band_spec([1, 0.25]))


@pytest.mark.parametrize("num_classes", [127, 128, 255, 256, 257, 4096])
def test_many_classes(rng, kernel, num_classes):
    """The regions hold the first and the last classes; filters are the oracle, since they take all classes at once."""
    classes = [0, 1, 126, num_classes // 2, num_classes - 2, num_classes - 1]
    sides = [regions(rng, (1, 24, 24), classes, 9) for _ in range(2)]
    spec = CountSpec("labels", "labels", num_classes)
    _, bands = bands_by_kernel(kernel, *map(torch.from_numpy, sides), None, spec, band_spec([2]))
    of_maps = [planes_of_band(m[0], num_classes, bands_by_filters(m[0], 2, True)) for m in reversed(sides)]
    assert_same_bands(bands, counts_of_bands(*of_maps)[None, None])


@grid("kernel", kernel=KERNELS, shape=SHAPES, valid=VALID, void=VOIDS, edge=EDGES)
def test_every_mask(rng, kernel, shape, valid, void, edge):
    spec, of_bands = CountSpec("labels", "labels", 3, IGNORE), band_spec([2, 0.1], edge=edge, **void)
    batch = band_batch(rng, shape, spec)
    assert_bands(kernel, *batch, valid_of(rng, shape, valid), spec, of_bands, by_pixels=True)


LAYOUT_NAMES = {name: LAYOUTS[name] for name in LAYOUTS if name != "channels_last"}


@grid(
    "kernel",
    kernel=KERNELS,
    layout=LAYOUT_NAMES,
    other=["contiguous", "transposed"],
    shape=SHAPES,
    valid=("none", "pixels"),
)
def test_every_layout(rng, kernel, layout, other, shape, valid):
    spec = CountSpec("labels", "labels", 3, IGNORE)
    preds, target = band_batch(rng, shape, spec, (torch.uint8, torch.int64))
    mask = valid_of(rng, shape, valid)
    mask = None if mask is None else LAYOUTS[other](mask)
    assert_bands(kernel, layout(preds), LAYOUTS[other](target), mask, spec, band_spec([1, 0.2]))


FORMS = {
    "scores": ("scores", "labels", SCORE_DTYPES),
    "one-hot": ("one-hot", "one-hot", (torch.bool, torch.int64)),
    "scores, one-hot": ("scores", "one-hot", (torch.float32,)),
    "labels, one-hot": ("labels", "one-hot", (torch.uint8,)),
    "threshold": ("threshold", "labels", SCORE_DTYPES),
}


@grid("kernel", kernel=KERNELS, forms=FORMS, shape=SHAPES, void=VOIDS, valid=("none", "boxes with holes"))
def test_every_form(rng, kernel, forms, shape, void, valid):
    preds_form, target_form, dtypes = forms
    ignore = (255,) if preds_form == "threshold" else (1, 255)
    spec = CountSpec(preds_form, target_form, 2 if preds_form == "threshold" else 4, ignore, 0.5)
    for dtype in dtypes:
        batch = band_batch(rng, shape, spec, (dtype, torch.int64))
        assert_bands(kernel, *batch, valid_of(rng, shape, valid), spec, band_spec([1, 2], **void))


SPACES = {
    "ids": LabelSpace(3, ids=[7, 8, (11, 12)], ignore_index=[0, 9, -1]),
    "far ids": LabelSpace(3, ids=[2**40, -(2**40), 7], ignore_index=[0, 2**40 + 1]),
    "void class": LabelSpace(3, ids=[1, 2, (3, 4)], ignore_index=[2, 3]),
    "other predictions": LabelSpace(3, ids=[5, 6, 7], ignore_index=0, pred_ids=[1, 2, (3, 9)], pred_void=[200]),
    "zero is void": LabelSpace.reduce_zero_label(5),
}


@grid("kernel", kernel=KERNELS, space=SPACES, void=VOIDS, dtype=(torch.int64, torch.uint8))
def test_every_label_space(rng, kernel, space, void, dtype):
    """The ids of each side become class numbers; a class whose ids are all void occurs nowhere."""
    tables = space.tables
    spec = CountSpec(
        "labels",
        "labels",
        space.num_classes,
        tables.ignore,
        target_ids=tables.target_ids,
        preds_ids=tables.preds_ids,
    )
    info, shape = torch.iinfo(dtype), SHAPES["image"]
    sides = []
    for ids, extra in ((space.pred_ids or space.ids, space.pred_void), (space.ids, space.ignore_index)):
        values = [i for of_class in ids for i in of_class] + [*extra, 77]
        kept = [i for i in values if info.min <= i <= info.max] or [0]
        sides.append(torch.from_numpy(regions(rng, shape, kept)).to(dtype))
    assert_bands(kernel, *sides, None, spec, band_spec([1, 0.1], **void), by_pixels=True)


@st.composite
def cases(draw):
    """A batch of any small shape with a mask, dtypes, layouts, and both specifications."""
    axes = draw(st.sampled_from([2, 2, 3]))
    shape = (draw(st.integers(1, 3)), *(draw(st.integers(1, 14 if axes == 2 else 6)) for _ in range(axes)))
    longest = max(shape[1:])
    width = st.integers(1, longest) | st.floats(1e-4, 0.6)
    of_bands = band_spec(
        draw(st.lists(width, min_size=1, max_size=3, unique=True)),
        edge=draw(st.booleans()),
        literal=draw(st.booleans()),
        drop=draw(st.booleans()),
    )
    ignore = tuple(draw(st.sets(st.sampled_from([0, 1, 255, -1, 2**40]), max_size=2)))
    spec = CountSpec(draw(st.sampled_from(["labels", "scores"])), "labels", draw(st.integers(1, 5)), ignore)
    first = LABEL_DTYPES if spec.preds_form == "labels" else SCORE_DTYPES
    dtypes = draw(st.sampled_from(first)), draw(st.sampled_from(LABEL_DTYPES))
    layouts = [LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))] for _ in range(3)]
    seed, size = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 8))
    return shape, spec, of_bands, dtypes, layouts, draw(st.sampled_from(VALID)), seed, size


@number_of_examples(fast=60, slow=600)
def test_any_batch(examples):
    @settings(max_examples=examples, deadline=None)
    @given(cases())
    def test(case):
        shape, spec, of_bands, dtypes, layouts, valid, seed, size = case
        rng = np.random.default_rng(seed)
        maps = (*band_batch(rng, shape, spec, dtypes, size), valid_of(rng, shape, valid))
        maps = [None if m is None else layout(m) for m, layout in zip(maps, layouts, strict=True)]
        for kernel in KERNELS.values():
            assert_bands(kernel, *maps, spec, of_bands)

    test()


@pytest.mark.parametrize(
    "shape", [(0, 4, 5), (2, 0, 5), (2, 5, 0), (0, 2, 3, 4), (2, 3, 0, 4), (1, 1, 1), (1, 1, 1, 1)]
)
def test_hardly_any_pixels(rng, kernel, shape):
    spec = CountSpec("labels", "labels", 3, IGNORE)
    for kind in ("none", "images", "pixels", "nothing"):
        preds, target = (torch.from_numpy(rng.integers(0, 2, shape)) for _ in range(2))
        for edge in (True, False):
            assert_bands(kernel, preds, target, valid_of(rng, shape, kind), spec, band_spec([0.1, 1], edge=edge))


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_wide_bands(rng, kernel, edge):
    """On larger maps, by the filters of SciPy; the widest window is larger than the map."""
    spec = CountSpec("labels", "labels", 4, (4,))
    preds, target = (regions(rng, (1, 70, 50), [0, 0, 1, 2, 3], 40) for _ in range(2))
    void = regions(rng, target.shape, [0, 0, 0, 4], 12)
    preds, target = (np.where(void == 4, 4, side) for side in (preds, target))
    widths = [1, 2, 7, 8, 15, 16, 31, 60]
    _, bands = bands_by_kernel(
        kernel, *map(torch.from_numpy, (preds, target)), None, spec, band_spec(widths, edge=edge)
    )
    expected = []
    for width in widths:
        of_maps = [planes_of_band(m[0], 4, bands_by_filters(m[0], width, edge, 4)) for m in (target, preds)]
        expected.append(counts_of_bands(*of_maps))
    assert_same_bands(bands, np.stack(expected)[None])


@pytest.mark.slow  # since only the extra "guides" has OpenCV
@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_erosion(rng, kernel, edge):
    pytest.importorskip("cv2")
    for _ in range(300):
        shape, num_classes = tuple(map(int, rng.integers(1, 40, size=2))), int(rng.integers(1, 6))
        width = int(rng.integers(1, max(shape) + 1))
        sides = [regions(rng, (1, *shape), range(num_classes), 12) for _ in range(2)]
        spec = CountSpec("labels", "labels", num_classes)
        maps = map(torch.from_numpy, sides)
        _, bands = bands_by_kernel(kernel, *maps, None, spec, band_spec([width], edge=edge))
        of_maps = [bands_by_erosion(side[0], num_classes, width, edge) for side in reversed(sides)]
        assert_same_bands(bands, counts_of_bands(*of_maps)[None, None])


@pytest.mark.slow  # since only the extra "guides" has OpenCV
def test_the_windows_are_those_of_the_erosion_bit_for_bit(rng):
    pytest.importorskip("cv2")
    for _ in range(500):
        shape, num_classes = tuple(map(int, rng.integers(1, 40, size=2))), int(rng.integers(1, 6))
        labels, width, edge = (
            regions(rng, (1, *shape), range(num_classes), 12),
            int(rng.integers(1, 12)),
            rng.random() < 0.5,
        )
        codes = torch.from_numpy(labels).to(torch.int16) + 1
        mixed = mixed_windows(codes, width, width, num_classes + 2 if edge else WILD)
        expected = bands_by_erosion(labels[0], num_classes, width, edge)
        assert np.array_equal(planes_of_band(labels[0], num_classes, mixed[0].numpy()), expected)


# Frames.


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1, 0.5])
def test_widths_of_boxes_on_an_accelerator(share):
    """Looking up a squared diagonal gives its rounded width, for every squared diagonal."""
    sides = (60, 80)
    steps = _steps(share, sides, torch.device("cpu"))
    squares = torch.arange(sum(side**2 for side in sides) + 1)
    widths = torch.bucketize(squares, steps, right=True) + 1
    official = [max(1, round(share * np.sqrt(square))) for square in squares.tolist()]
    assert widths.tolist() == official


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_boxes_and_their_widths(rng, shape):
    for kind in VALID[1:]:
        valid = valid_of(rng, shape, kind)
        boxes = boxes_of(valid)
        frames = frames_of(shape, valid, band_spec([0.2, 3]))
        for image, box in enumerate(boxes.tolist()):
            places = valid[image].nonzero()
            expected = [[0, 0]] * (len(shape) - 1)
            if len(places):
                expected = [[int(a.min()), int(a.max()) + 1] for a in places.T]
            assert box == expected
            assert frames.pixels[0][image] == reference.band_width(0.2, [stop - start for start, stop in box])
        assert frames.pixels[1] == 3
        assert frames.limits == (reference.band_width(0.2, shape[1:]), 3)


# Batches and lists.


def settings_of(of_bands, impl, **settings):
    inputs = InputSettings(**({"validate_args": False} | settings), impl=impl)
    void = "literal" if of_bands.literal else "ignore"
    return BandSettings.of_bands(inputs, widths_of(of_bands), of_bands.edge, void, of_bands.drop)


def counted(preds, target, valid=None, num_classes=3, impl="portable", ignore=IGNORE, **settings):
    """Bands ``[W, 3, C]`` of all images, and those of each, ``[B, 4, W C]``, by the function of the package."""
    space = LabelSpace(num_classes, ignore_index=ignore)
    counts, bands = count_bands(preds, target, valid, space, settings_of(band_spec(**settings), impl))
    rows = band_rows(bands)
    return bands_of(counts), rows


@pytest.mark.parametrize("impl", IMPLS)
@grid(widths=WIDTHS, void=VOIDS, edge=EDGES)
def test_a_padded_batch_is_a_list_of_its_images(rng, impl, widths, void, edge):
    spec = CountSpec("labels", "labels", 3, IGNORE)
    sizes = [(9, 12), (4, 12), (9, 3), (2, 1), (6, 6)]
    lists = [band_batch(rng, (1, *size), spec) for size in sizes]
    largest = (9, 12)
    preds, target = (torch.from_numpy(rng.integers(0, 3, (len(sizes), *largest))) for _ in range(2))
    valid = torch.zeros(len(sizes), *largest, dtype=torch.bool)
    for i, (size, pair) in enumerate(zip(sizes, lists, strict=True)):
        top, left = (int(rng.integers(0, most - side + 1)) for most, side in zip(largest, size, strict=True))
        place = (i, slice(top, top + size[0]), slice(left, left + size[1]))
        preds[place], target[place], valid[place] = pair[0][0], pair[1][0], True
    narrow = [width for width in widths if width < 3]  # no image of a list may be smaller than a width in pixels
    settings = {"widths": narrow, "edge": edge, **void, "impl": impl}
    padded, rows = counted(preds, target, valid, **settings)
    images = [[side[0] for side in sides] for sides in zip(*lists, strict=True)]
    listed, rows_of_list = counted(*images, **settings)
    assert torch.equal(padded, listed)
    assert torch.equal(rows, rows_of_list)
    alone = [counted(a[None], b[None], **settings)[0] for a, b in zip(*images, strict=True)]
    assert torch.equal(padded, sum(alone))


@pytest.mark.parametrize("impl", IMPLS)
def test_widths_and_images_are_counted_with_the_bands(rng, impl):
    spec, widths = CountSpec("labels", "labels", 3, IGNORE), [0.1, 4, 0.3]
    sizes = [(9, 12), (4, 12), (30, 40)]
    pairs = [band_batch(rng, (1, *size), spec) for size in sizes]
    images = [[side[0] for side in sides] for sides in zip(*pairs, strict=True)]
    space, of_bands = LabelSpace(3, ignore_index=IGNORE), band_spec(widths)
    counts, bands = count_bands(*images, None, space, settings_of(of_bands, impl))
    rows = band_rows(bands)
    expected = [sum(reference.band_width(width, size) for size in sizes) for width in widths]
    assert counts.shape == (5 + 9, 5)
    assert counts[5:, 3].tolist() == [total for total in expected for _ in range(3)]
    assert counts[5:, 4].tolist() == [3] * 9
    assert rows.shape == (3, 4, 9)
    by_reference = reference.boundary_counts(
        *([m.numpy() for m in side] for side in images), 3, width=widths, ignore_index=IGNORE, per_image=True
    )
    assert torch.equal(rows, band_rows(torch.from_numpy(by_reference)))
    assert torch.equal(bands_of(counts), torch.from_numpy(by_reference.sum(0)))
    assert_same_counts(counts[:5], sum(expected_counts(*pair, 3, IGNORE) for pair in pairs))


# Rules that hold for all maps. An image of two classes with void, and a prediction that is half right.


@pytest.fixture(params=IMPLS)
def impl(request):
    return request.param


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def pair(request, rng):
    spec = CountSpec("labels", "labels", 3, (255,))
    shape = (4, *request.param[1:])
    target = torch.from_numpy(regions(rng, shape, [0, 0, 1, 2, 255]))
    preds, _ = band_batch(rng, shape, spec)
    preds = torch.from_numpy(np.where(rng.random(shape) < 0.1, preds, target.masked_fill(target == 255, 0)))
    return preds, target


MANY = {"widths": [1, 2, 0.2]}


def test_a_perfect_prediction_on_valid_pixels_is_perfect(rng, impl, pair):
    _, target = pair
    preds = torch.where(target == 255, torch.from_numpy(rng.integers(0, 3, target.shape)), target)
    bands, _ = counted(preds, target, impl=impl, **MANY)
    assert bands.any(-1).all()
    assert torch.equal(bands[:, 0], bands[:, 1])
    assert torch.equal(bands[:, 0], bands[:, 2])
    literal, _ = counted(preds, target, impl=impl, literal=True, **MANY)
    assert (literal[:, 0] < literal[:, 1]).any()  # there void has contours, which no prediction has


def test_predictions_on_void_change_nothing(rng, impl, pair):
    preds, target = pair
    valid = torch.from_numpy(rng.random(target.shape) < 0.8)
    expected = counted(preds, target, valid, impl=impl, **MANY)
    void = (target == 255) | ~valid
    odd = random_map(rng, target.shape, torch.int64, 3, [255])
    for other in (torch.zeros_like(preds), odd):
        changed = torch.where(void, other, preds)
        for got, want in zip(counted(changed, target, valid, impl=impl, **MANY), expected, strict=True):
            assert torch.equal(got, want)
    literal = [counted(torch.where(void, other, preds), target, impl=impl, literal=True, **MANY)[0] for other in (0, 1)]
    assert not torch.equal(*literal)


def test_void_is_void_however_it_is_named(rng, impl, pair):
    """By an id, by ``valid``, or out of range, inside the box of the image."""
    preds, target = pair
    target[..., 0, 0], target[..., -1, -1] = 1, 1  # the corners are valid
    target[:, 0], target[:, -1] = target[:, 0].clamp(max=2), target[:, -1].clamp(max=2)
    for void in ({}, {"literal": True}):
        expected, _ = counted(preds, target, impl=impl, **void, **MANY)
        for other in (7, -5, 2**40):
            changed = torch.where(target == 255, other, target)
            assert torch.equal(counted(preds, changed, impl=impl, **void, **MANY)[0], expected)
        masked = counted(preds, target.clamp(max=2), target != 255, impl=impl, **void, **MANY)[0]
        assert torch.equal(masked, expected)


def test_a_dropped_void_prediction_is_void(impl, pair):
    preds, target = pair
    preds[:, 2], preds[:, 3, 2] = 255, 255
    for void in ({}, {"literal": True}):
        dropped, _ = counted(preds, target, impl=impl, drop=True, **void, **MANY)
        void_there = torch.where(preds == 255, 255, target)
        assert torch.equal(dropped, counted(preds, void_there, impl=impl, **void, **MANY)[0])
        assert not torch.equal(dropped, counted(preds, target, impl=impl, **void, **MANY)[0])


def test_relabelled_classes_permute_the_result(impl, pair):
    preds, target = pair
    expected, rows = counted(preds, target, impl=impl, **MANY)
    new = torch.tensor([2, 0, 1])
    maps = [torch.where((side >= 0) & (side < 3), new[side.clamp(0, 2)], side) for side in pair]
    got, rows_got = counted(*maps, impl=impl, **MANY)
    assert torch.equal(got[:, :, new], expected)
    assert torch.equal(rows_got.view(4, 4, 3, 3)[..., new], rows.view(4, 4, 3, 3))
    assert not torch.equal(got, expected)


def test_flips_transposition_and_the_order_of_images(impl, pair):
    preds, target = pair
    expected, rows = counted(preds, target, impl=impl, **MANY)
    axes = list(range(1, target.dim()))
    for change in (
        *[partial(torch.flip, dims=[axis]) for axis in axes],
        partial(torch.transpose, dim0=axes[0], dim1=axes[-1]),
    ):
        got, rows_got = counted(change(preds), change(target), impl=impl, **MANY)
        assert torch.equal(got, expected)
        assert torch.equal(rows_got, rows)
    order = torch.tensor([2, 0, 3, 1])
    got, rows_got = counted(preds[order], target[order], impl=impl, **MANY)
    assert torch.equal(got, expected)
    assert torch.equal(rows_got, rows[order])


def test_swapped_sides_swap_the_bands(impl, pair):
    preds, target = (side.clamp(0, 2) for side in pair)
    there, _ = counted(preds, target, impl=impl, **MANY)
    back, _ = counted(target, preds, impl=impl, **MANY)
    assert torch.equal(back, there[:, [0, 2, 1]])


def test_a_wider_band_holds_a_narrower_one(impl, pair):
    preds, target = pair
    widths = [1, 2, 3, 5]
    bands, _ = counted(preds, target, impl=impl, widths=widths)
    of_truth = bands[:, 1]
    assert (of_truth[1:] >= of_truth[:-1]).all()
    # The widest window holds the whole map, so that the band is the class.
    valid_pixels = torch.bincount(target[target < 3], minlength=3)
    whole, _ = counted(preds, target, impl=impl, widths=[max(target.shape[1:])])
    assert torch.equal(whole[0, 1], valid_pixels)


# The helpers.


def test_wrong_kernels_are_noticed(rng):
    """Another width, no contour at the edge, void as a label, dropped void predictions, and no boxes."""
    spec, of_bands = CountSpec("labels", "labels", 3, IGNORE), band_spec([1, 0.1])
    valid = torch.zeros(2, 30, 30, dtype=torch.bool)
    valid[0, 3:25, 2:], valid[1, 9:28, :28] = True, True
    maps = (*band_batch(rng, valid.shape, spec, size=9), valid)

    def changed(change):
        return lambda *arguments: portable.count_bands(*arguments[:-1], change(arguments[-1]))

    wrong = {
        "wider": lambda frames: frames._replace(pixels=(2, *frames.pixels[1:]), limits=(2, *frames.limits[1:])),
        "no edge": lambda frames: frames._replace(edge=False),
        "literal": lambda frames: frames._replace(literal=True),
        "drop": lambda frames: frames._replace(drop=True),
        "no boxes": lambda frames: frames._replace(boxes=None),
        "one width": lambda frames: frames._replace(pixels=(1, 1), limits=(1, 1)),
    }
    assert_bands(changed(lambda frames: frames), *maps, spec, of_bands, by_pixels=True)
    for change in wrong.values():
        with pytest.raises(pytest.fail.Exception, match="differ"):
            assert_bands(changed(change), *maps, spec, of_bands)


def test_the_masks_and_maps_are_of_all_kinds(rng):
    spec = CountSpec("labels", "labels", 3, IGNORE)
    preds, target = band_batch(rng, (1, 60, 60), spec)
    assert set(target.unique().tolist()) >= {0, 1, 2, 255, -1, 3, 2**40}
    assert set(preds.unique().tolist()) >= {0, 1, 2, 255, -1, 3, 2**40}
    assert 0.3 < (preds == target).float().mean() < 0.8
    shares = {kind: valid_of(rng, (50, 9, 9), kind) for kind in VALID[1:]}
    assert not shares["nothing"].any()
    boxes = boxes_of(shares["boxes"])
    areas = (boxes[..., 1] - boxes[..., 0]).prod(1)
    assert torch.equal(areas, shares["boxes"].flatten(1).sum(1))
    assert 0 in areas
    holes = boxes_of(shares["boxes with holes"])
    assert ((holes[..., 1] - holes[..., 0]).prod(1) > shares["boxes with holes"].flatten(1).sum(1)).any()


OPERATOR = torch.ops.meaniou.count_bands.default


@pytest.mark.parametrize("impl", IMPLS)
def test_the_operator_keeps_its_contract(rng, impl):
    spec = CountSpec("labels", "labels", 3, IGNORE, validate=False, impl=impl)
    maps = (*band_batch(rng, (2, 5, 6), spec), valid_of(rng, (2, 5, 6), "boxes"))
    arguments = [list(value) if isinstance(value, tuple) else value for value in (*spec, *band_spec([1, 0.1]))]
    torch.library.opcheck(OPERATOR, (*maps, *arguments))
