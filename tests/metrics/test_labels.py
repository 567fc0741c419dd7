"""``MultilabelMeanIoU``: one label and two classes from one channel are the same; settings and errors."""

import numpy as np
import pytest
import torch
from support import SCORE_DTYPES, as_numpy

from meaniou import MeanIoU, MultilabelMeanIoU

# Thresholds, and 0.3 of which the nearest float16 and bfloat16 are above it.
EDGES = (0.1, 0.3, 0.5, 1 / 3, 0.7)


def near(edge, dtype):
    """A score at a threshold, and those next to it in a dtype, in random order."""
    score = torch.tensor(edge, dtype=dtype)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]  # nextafter takes no float16 everywhere
    scores = (score.view(bits) + torch.arange(-1, 2, dtype=bits)).view(dtype).repeat(40)
    return scores[torch.randperm(len(scores), generator=torch.Generator().manual_seed(0))].view(2, 60)


@pytest.mark.parametrize("dtype", SCORE_DTYPES, ids=str)
@pytest.mark.parametrize("edge", EDGES)
def test_two_classes_from_one_channel_are_one_label(dtype, edge):
    scores = near(edge, dtype)
    target = torch.randint(0, 2, scores.shape, generator=torch.Generator().manual_seed(1))
    classes, label = MeanIoU(2, threshold=edge), MultilabelMeanIoU(1, threshold=edge)
    for metric in (classes, label):
        metric.update(scores, target)
    assert torch.equal(label.counts, classes.counts[None])
    assert classes.report().classes[1].iou == label.report().classes[0].iou
    assert classes.report().pixel_accuracy == label.report().pixel_accuracy
    wide = np.float64 if dtype == torch.float64 else np.float32
    above = as_numpy(scores).astype(wide) > wide(edge)
    assert classes.counts[:2, 1].tolist() == [int((above & (target == side).numpy()).sum()) for side in (0, 1)]
    assert 0 < above.mean() < 1
