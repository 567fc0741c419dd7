"""The shapes of maps whose bands are counted."""

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
    ],
    ids=["labels", "valid", "one side", "threshold", "scores", "list"],
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
