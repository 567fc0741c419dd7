"""The kinds of metric, which have one contract: each with its settings, its batches, and its values as tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from meaniou import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU
from support import update_all

SHAPE = (2, 5, 7)  # of a batch without its labels


@dataclass(frozen=True, eq=False)
class Kind:
    """A metric with three classes or labels, where 255 is void.

    Attributes:
        of: the class.
        settings: the settings of a plain metric.
        batch: a function from a generator to a batch.
        number: the keyword for the number of classes or labels.
    """

    of: type[Any]
    settings: Mapping[str, Any]
    batch: Callable[[torch.Generator], tuple[Tensor, Tensor]]
    number: str = "num_labels"

    @property
    def overlaps(self) -> bool:
        """Whether its labels overlap, so that both maps have a dimension of labels."""
        return self.number == "num_labels"

    def made(self, **settings: Any) -> Any:
        """A metric with further settings."""
        return self.of(**{**self.settings, **settings})

    def batches(self, seed: int = 0, count: int = 4) -> list[tuple[Tensor, Tensor]]:
        """Random batches with void in the ground truth."""
        generator = torch.Generator().manual_seed(seed)
        return [self.batch(generator) for _ in range(count)]

    def filled(self, seed: int = 0, **settings: Any) -> Any:
        """A metric that has counted the batches of a seed."""
        return update_all(self.made(**settings), self.batches(seed))

    def __str__(self) -> str:
        return self.of.__name__


def _void(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) < 0.1


def _classes(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    preds, target = (torch.randint(0, 3, SHAPE, generator=generator) for _ in range(2))
    return preds, target.masked_fill(_void(SHAPE, generator), 255)


def _regions(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Regions of 3 x 3 pixels, of which the prediction has some pixels wrong."""
    images, height, width = SHAPE
    coarse = torch.randint(0, 3, (images, 2, 3), generator=generator)
    target = coarse.repeat_interleave(3, 1).repeat_interleave(3, 2)[:, :height, :width]
    wrong = torch.rand(SHAPE, generator=generator) < 0.2
    preds = torch.where(wrong, torch.randint(0, 3, SHAPE, generator=generator), target)
    return preds, target.masked_fill(_void(SHAPE, generator), 255)


def _labels(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    shape = (SHAPE[0], 3, *SHAPE[1:])
    target = torch.randint(0, 2, shape, generator=generator)
    # A score in steps of 1/16, so that some equal a threshold in every dtype.
    preds = torch.randint(0, 17, shape, generator=generator) / 16
    return (preds + target).clamp(max=1.5) / 1.5, target.masked_fill(_void(shape, generator), 255)


CLASSES = Kind(MeanIoU, {"num_classes": 3, "ignore_index": 255}, _classes, "num_classes")
LABELS = Kind(MultilabelMeanIoU, {"num_labels": 3, "ignore_index": 255}, _labels)
CURVE = Kind(IoUCurve, {"num_labels": 3, "ignore_index": 255, "thresholds": [0.25, 0.5, 0.75]}, _labels)
BANDS = Kind(MeanBoundaryIoU, {"num_classes": 3, "ignore_index": 255, "width": 1}, _regions, "num_classes")
KINDS = (CLASSES, LABELS, CURVE, BANDS)
MEANS = (CLASSES, LABELS, BANDS)  # those whose value is a mean, and which keep counts of images

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
each_mean = pytest.mark.parametrize("kind", MEANS, ids=str)


def tensors(value: Any) -> tuple[Tensor, ...]:
    """The tensors of a value, which is one of them or a tuple."""
    return value if isinstance(value, tuple) else (value,)


def assert_equal(value: Any, expected: Any) -> None:
    """Fails unless two values have the same numbers, where NaN equals NaN, and the same shapes and dtypes."""
    assert type(value) is type(expected)
    for one, other in zip(tensors(value), tensors(expected), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert torch.equal(one.isnan(), other.isnan())
        assert torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def differ(value: Any, other: Any) -> bool:
    """Whether any number of two values differs."""
    pairs = zip(tensors(value), tensors(other), strict=True)
    return any(not torch.equal(one.nan_to_num(-1), two.nan_to_num(-1)) for one, two in pairs)
