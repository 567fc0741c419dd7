"""The shapes of maps whose bands are counted."""

import math

import pytest
import torch

from meaniou import MeanBoundaryIoU, mean_boundary_iou

SQUARE = torch.zeros(1, 20, 20, dtype=torch.int64)
SQUARE[:, 5:15, 5:15] = 1
SHIFTED = SQUARE.roll(1, dims=2)
SCORES = torch.nn.functional.one_hot(SHIFTED, 2).movedim(-1, 1).float()
VALID = torch.ones_like(SQUARE, dtype=torch.bool)


@pytest.mark.parametrize(
    ("preds", "target", "valid"),
    [
        (SHIFTED[:, None], SQUARE[:, None], None),
        (SHIFTED[:, None], SQUARE[:, None], VALID[:, None]),
        (SHIFTED[:, None], SQUARE, None),
        (SHIFTED[:, None].float(), SQUARE[:, None], VALID[:, None]),
        (SCORES[:, :, None], SQUARE[:, None], VALID[:, None]),
        ([SHIFTED], [SQUARE], [VALID]),
        (SHIFTED[:, None, None], SQUARE[:, None, None], VALID[:, None, None]),
    ],
    ids=["labels", "valid", "one side", "threshold", "scores", "list", "two channels"],
)
def test_a_lone_channel_is_no_depth(preds: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None) -> None:
    expected = mean_boundary_iou(SHIFTED, SQUARE, 2, width=2)
    assert 0 < expected < 1
    assert mean_boundary_iou(preds, target, 2, width=2, valid=valid) == expected


def test_a_lone_channel_is_the_cure_for_volumes_of_two_classes() -> None:
    volume = SQUARE.expand(6, 20, 20)[None]
    with pytest.raises(ValueError, match=r"preds\[:, None\]"):
        mean_boundary_iou(volume, volume, 2, width=2)
    metric = MeanBoundaryIoU(2, width=2)
    metric.update(volume[:, None], volume[:, None])
    assert metric.report().classes[1].truth == 6 * 10 * 10 - 2 * 6 * 6
    with pytest.raises(ValueError, match=r"preds\[None\]"):
        mean_boundary_iou([volume[0]], [volume[0]], 2, width=2)
    assert mean_boundary_iou([volume], [volume], 2, width=2) == 1


def test_a_width_above_the_images_is_refused() -> None:
    with pytest.raises(ValueError, match="Image at index 1: width is 7 pixels, but the images are 6 x 4;"):
        MeanBoundaryIoU(2, width=7).update([SQUARE[0], SQUARE[0, :6, :4]], [SQUARE[0], SQUARE[0, :6, :4]])
    with pytest.raises(ValueError, match="width is 21 pixels, but the images are 20 x 20;"):
        MeanBoundaryIoU(2, width=[0.9, 21]).update(SQUARE, SQUARE)
    MeanBoundaryIoU(2, width=[0.9, 20]).update(SQUARE, SQUARE)


def test_images_without_a_pixel_are_in_no_mean_width() -> None:
    metric = MeanBoundaryIoU(2)
    metric.update(SQUARE[:, :0], SQUARE[:, :0])
    metric.update(SQUARE, SQUARE, VALID & False)
    assert math.isnan(metric.report().boundaries[0].pixels)
    metric.update(torch.zeros(1, 300, 400, dtype=torch.int64), torch.zeros(1, 300, 400, dtype=torch.int64))
    assert metric.report().boundaries[0].pixels == 10


@pytest.mark.parametrize("shape", [(2, 20, 30, 1), (2, 20, 1, 30), (1, 1, 20, 1, 30)])
def test_a_volume_of_one_plane_is_refused(shape: tuple[int, ...]) -> None:
    """Such as maps with their channel last; every pixel would lie in a band."""
    maps = torch.zeros(shape, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"expected images or volumes of several planes\. (Pass preds\[|Remove)"):
        MeanBoundaryIoU(3).update(maps, maps)


@pytest.mark.parametrize(("shape", "width"), [((2, 400, 3), 2), ((2, 40, 40), 20), ((2, 4, 40, 40), 2)])
def test_images_that_lie_in_their_bands_completely_are_doubted(shape: tuple[int, ...], width: int) -> None:
    maps, metric = torch.zeros(shape, dtype=torch.int64), MeanBoundaryIoU(3, width=[1, width])
    with pytest.warns(UserWarning, match="so near to its edge that it lies in a band"):
        metric.update(maps, maps)
    assert metric.at(width).report().boundaries[0].classes[0].share == 1
    MeanBoundaryIoU(3, width=width - 1).update(maps, maps)
    MeanBoundaryIoU(3, width=width, edge=False).update(maps, maps)
    MeanBoundaryIoU(3, width=width, validate_args=False).update(maps, maps)
