"""The warning about images that were padded to one size: when it comes, and when it does not."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from support import assert_sentence
from support.bands import regions

from meaniou import LabelSpace, MeanBoundaryIoU, MeanIoU, mean_boundary_iou
from meaniou.counting.bands import sizes
from meaniou.counting.bands.sizes import LEAST

VOID = 255
SIZES = ((40, 60), (30, 60), (40, 41))


def padded(rng, sizes=SIZES, shape=(40, 60), dtype=torch.uint8):
    """Label maps ``[B, *]`` of regions with some void inside, and void beyond the size of each image."""
    target = torch.full((len(sizes), *shape), VOID, dtype=dtype)
    for image, size in zip(target, sizes, strict=True):
        labels = regions(rng, (1, *size), [0, 1, 2], 9)[0]
        labels[..., 2:9, 1:9] = VOID
        image[tuple(slice(0, side) for side in size)] = torch.from_numpy(labels).to(dtype)
    return target


def doubts(target, preds=None, valid=None, **settings):
    """The warnings of an update."""
    metric = MeanBoundaryIoU(**({"num_classes": 3, "ignore_index": VOID} | settings))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metric.update(target if preds is None else preds, target, valid)
    return [str(warning.message) for warning in caught]


def test_the_sentence_names_the_cause_and_the_cure(rng):
    target = padded(rng)
    metric = MeanBoundaryIoU(3, ignore_index=VOID)
    with pytest.warns(UserWarning, match="padded to one size") as caught:
        metric.update(target, target)
    (warning,) = caught
    assert Path(warning.filename) == Path(__file__)
    assert str(warning.message) == (
        "The ground truth is void in the last rows or columns of some images, and not equally in all, as if images of "
        "different sizes were padded to one size. The width and the edge of the bands then follow from the padded "
        "size. Pass valid=, which is False on padding, or lists with one map per image. If the void pixels are part of "
        "the images, nothing is wrong."
    )
    assert metric.counts[:5].sum() == target.numel()  # the batch is counted
    with pytest.warns(UserWarning, match="padded to one size"):
        mean_boundary_iou(target, target, 3, ignore_index=VOID)
    with pytest.warns(UserWarning, match="padded to one size") as caught:
        metric(target, target)
    assert {Path(warning.filename) for warning in caught} == {Path(__file__)}


def test_it_is_shown_once_for_all_batches(rng):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        metric = MeanBoundaryIoU(3, ignore_index=VOID)
        for _ in range(3):
            target = padded(rng)
            metric.update(target, target)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 0.02}, "The width and the edge of the bands then follow from"),
        ({"width": [1, 0.02]}, "The width and the edge of the bands then follow from"),
        ({"width": 0.02, "edge": False}, "The width of the bands then follows from"),
        ({"width": 2}, "The edge of the bands then follows from"),
        ({"void": "literal"}, "The width and the edge"),
    ],
)
def test_what_follows_from_the_size(rng, settings, words):
    (sentence,) = doubts(padded(rng), **settings)
    assert words in sentence


PADDED = {
    "rows": (((40, 60), (30, 60)), (40, 60)),
    "columns": (((40, 60), (40, 50)), (40, 60)),
    "both, to a larger size": (((40, 60), (30, 50)), (64, 64)),
    "one line": (((300, 300), (299, 300), (300, 300)), (300, 300)),
    "volumes": (((8, 20, 22), (6, 20, 22)), (8, 20, 22)),
    "volumes, to a larger size": (((8, 20, 22), (8, 20, 21)), (10, 24, 24)),
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.uint16], ids=str)
@pytest.mark.parametrize("case", PADDED)
def test_padding_is_noticed(rng, case, dtype):
    assert len(doubts(padded(rng, *PADDED[case], dtype), width=1)) == 1


def test_padding_is_noticed_in_every_input(rng):
    target = padded(rng, dtype=torch.int64)
    scores = torch.nn.functional.one_hot(target.clamp(max=2), 3).movedim(-1, 1).float()
    assert len(doubts(target, scores)) == 1
    assert len(doubts(target[:, None], scores)) == 1
    assert len(doubts(target.numpy())) == 1
    assert len(doubts(target.transpose(1, 2).contiguous().transpose(1, 2))) == 1
    ids = torch.where(target == VOID, 0, target + 7)
    space = LabelSpace(3, ids=[7, 8, 9], ignore_index=[0])
    assert len(doubts(ids, num_classes=None, ignore_index=None, label_space=space)) == 1
    assert len(doubts(torch.where(target == VOID, -(2**40), target), ignore_index=-(2**40))) == 1


def test_no_warning_where_the_size_is_known_or_does_not_matter(rng):
    target = padded(rng)
    valid = torch.zeros(target.shape, dtype=torch.bool)
    for of_image, size in zip(valid, SIZES, strict=True):
        of_image[tuple(slice(0, side) for side in size)] = True
    assert doubts(target, valid=valid) == []
    assert doubts(target, valid=torch.ones(3, dtype=torch.bool)) == []
    cut = [image[: size[0], : size[1]] for image, size in zip(target, SIZES, strict=True)]
    assert doubts(cut) == []
    assert doubts(list(target)) == []  # each map of a list is an image
    assert doubts(target[1:2]) == []
    assert doubts(target, width=2, edge=False) == []
    assert doubts(target, validate_args=False) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MeanIoU(3, ignore_index=VOID).update(target, target)


@pytest.fixture
def plain(rng):
    """Images without void."""
    return torch.from_numpy(regions(rng, (3, 40, 60), [0, 1, 2], 9))


def framed(target, *, left=0, top=0, right=0, bottom=0):
    target = target.clone()
    height, width = target.shape[-2:]
    inside = torch.zeros(target.shape, dtype=torch.bool)
    inside[..., top : height - bottom, left : width - right] = True
    return target.masked_fill(~inside, VOID)


def test_void_of_another_kind_is_no_padding(rng, plain):
    assert doubts(plain) == []
    # Frames that are equal in all images, on some sides and on all.
    for sides in ({"bottom": 8}, {"right": 5, "bottom": 3}, {"left": 5, "right": 5, "top": 5, "bottom": 5}):
        assert doubts(framed(plain, **sides)) == []
    # Frames on all sides, or from one side on, of different sizes.
    different = [framed(image, left=k, right=8 - k, top=k, bottom=9 - k) for k, image in enumerate(plain, 1)]
    assert doubts(torch.stack(different)) == []
    assert doubts(torch.stack([framed(image, top=9 * k) for k, image in enumerate(plain)])) == []
    # A bonnet below, and the corner of a building: their outline is no straight line.
    height, width = np.indices((40, 60))
    for k, slope in ((30, 0.4), (20, 1.0)):
        shape = torch.from_numpy(height - k > slope * np.abs(width - 30))
        assert doubts(torch.stack([plain[0].masked_fill(shape, VOID), plain[1]])) == []
    bonnet = torch.from_numpy(height > 30 - np.sqrt(np.maximum(0, 30**2 - (width - 30) ** 2)) / 3)
    assert doubts(torch.stack([plain[0].masked_fill(bonnet, VOID), plain[1]])) == []
    # A void line inside an image that ends with void.
    lines = plain.clone()
    lines[0, -1], lines[0, 10:20] = VOID, VOID
    assert doubts(lines) == []
    # An image that is all void, as a filler of the last batch.
    lines = plain.clone()
    lines[2] = VOID
    assert doubts(lines) == []


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_random_void_is_no_padding(rng, share):
    for shape in ((4, 3, 3), (4, 40, 60), (2, 1, 500), (64, 2, 6), (3, 8, 9, 10)):
        for size in (1, 20):
            void = torch.from_numpy(regions(rng, shape, np.arange(100).tolist(), size) < 100 * share)
            target = torch.from_numpy(regions(rng, shape, [0, 1, 2], 5)).masked_fill(void, VOID)
            assert doubts(target) == [], (shape, size)


def test_a_few_pixels_may_be_chance(rng):
    few = LEAST // 60
    assert doubts(padded(rng, ((40, 60), (40 - few, 60)), (40, 60))) == []
    assert len(doubts(padded(rng, ((40, 60), (39 - few, 60)), (40, 60)))) == 1


def test_the_first_lines_rule_it_out_for_most_batches(plain, monkeypatch):
    """A batch without a void corner is read there alone."""
    read = []
    are_void = sizes._are_void

    def counted(truth, *block):
        void = are_void(truth, *block)
        read.append(void.numel())
        return void

    monkeypatch.setattr(sizes, "_are_void", counted)
    assert doubts(plain) == []
    assert read == [3]
    large = plain.repeat(1, 5, 5)
    large[0, -1, -1] = VOID
    read.clear()
    assert doubts(large, width=1) == []
    assert read == [3, 3 * 300, 3 * 200]
    read.clear()
    assert doubts(framed(large, bottom=25), width=1) == []  # equal in all images: few lines are read
    assert sum(read) < large.numel() / 4


def test_nothing_is_read_on_an_accelerator(rng, monkeypatch):
    target = padded(rng)
    assert len(doubts(target)) == 1
    monkeypatch.setattr(sizes, "can_look", lambda *maps: False)
    monkeypatch.setattr(sizes, "_is_padded", lambda truth: pytest.fail("it was read"))
    assert doubts(target) == []


def test_an_error_of_the_warning_leaves_the_metric_as_it_was(rng):
    metric, target = MeanBoundaryIoU(3, ignore_index=VOID), padded(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning) as error:
            metric.update(target, target)
    assert_sentence(error, "padded to one size")
    assert metric.counts.sum() == metric.update_count == 0


def test_images_without_pixels(rng):
    for shape in ((0, 4, 5), (2, 0, 5), (2, 4, 0)):
        assert doubts(torch.zeros(shape, dtype=torch.int64)) == []
