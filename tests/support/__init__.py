"""Seeded maps, a comparison of counts that names the cells that differ, and a mode that raises on waits."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from meaniou import confusion_matrix, reference

LABEL_DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.uint16,
    torch.int32,
    torch.uint32,
    torch.int64,
)
SCORE_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
FAR = (2**40, -(2**40))


def name_of(value: Any) -> str:
    """A readable id of a parameter."""
    return str(value).removeprefix("torch.").replace("torch.", "").replace(" ", "")


def special_labels(num_classes: int, ignore: Iterable[int] = ()) -> list[int]:
    """Labels that are easily miscounted: ends of the classes, ends of the dtypes, ids that wrap into a class."""
    ends = [0, num_classes - 1, num_classes, num_classes + 1, -1, -2, 127, -128, 254, 255, 256, 32767, -32768, 65535]
    wide = [2**31 - 1, -(2**31), 2**32, 2**32 + 1, -(2**32) + 1, *FAR, 2**63 - 1, -(2**63)]
    return sorted({*ends, *wide, -100, *ignore})


def random_map(
    rng: np.random.Generator, shape: Sequence[int], dtype: torch.dtype, num_classes: int, ignore: Iterable[int] = ()
) -> Tensor:
    """Labels of a dtype: two in three are classes, the others are special labels that the dtype can store."""
    low, high = (0, 1) if dtype == torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    special = [i for i in special_labels(num_classes, ignore) if low <= i <= high]
    classes = rng.integers(0, min(num_classes, high + 1), size=shape)
    labels = np.where(rng.random(shape) < 2 / 3, classes, rng.choice(np.array(special), size=shape))
    return torch.from_numpy(np.asarray(labels)).to(dtype)


def blobs(rng: np.random.Generator, height: int, width: int, num_classes: int) -> tuple[Tensor, Tensor]:
    """A prediction (the shifted ground truth) and the ground truth, uint8 ``[1, H, W]``; 1 % of neighbours differ."""
    cell = 128
    coarse = rng.integers(0, num_classes, size=(-(-height // cell), -(-width // cell)), dtype=np.uint8)
    target = coarse.repeat(cell, 0).repeat(cell, 1)[None, :height, :width].copy()
    preds = np.roll(target, (2, 3), axis=(1, 2))
    target[:, :2] = 255
    return torch.from_numpy(preds), torch.from_numpy(target)


def random_scores(rng: np.random.Generator, shape: Sequence[int], dtype: torch.dtype, odd: bool = True) -> Tensor:
    """Scores ``[B, C, *]`` with many ties; with ``odd`` also both zeros, infinities and NaN."""
    values = [-2.0, -0.5, 0.25, 1.0, 3.0] + [-0.0, 0.0, np.inf, -np.inf] * odd
    scores = rng.choice(np.array(values), size=shape)
    if odd:
        scores[rng.random(shape) < 0.3 / shape[1]] = np.nan
        everywhere = np.moveaxis(scores, 1, -1)
        everywhere[rng.random(everywhere.shape[:-1]) < 0.05] = np.nan
        everywhere[rng.random(everywhere.shape[:-1]) < 0.05] = -np.inf
    return torch.from_numpy(scores).to(dtype)


def planes_of(labels: Tensor, num_classes: int, dtype: torch.dtype = torch.int64) -> Tensor:
    """One-hot planes ``[B, C, *]`` of labels ``[B, *]``."""
    return torch.nn.functional.one_hot(labels, num_classes).movedim(-1, 1).to(dtype)


def as_numpy(side: Tensor) -> np.ndarray:
    """The same values in NumPy, which has no bfloat16."""
    return side.float().numpy() if side.dtype == torch.bfloat16 else side.numpy()


def expected_counts(
    preds: Tensor, target: Tensor, num_classes: int, ignore: Iterable[int] = (), valid: Tensor | None = None
) -> np.ndarray:
    """Counts of two label maps by the reference."""
    return reference.counts(
        as_numpy(preds), as_numpy(target), num_classes, tuple(ignore), None if valid is None else valid.numpy()
    )


def whole_matrix(preds: Any, target: Any, num_classes: int, **settings: Any) -> Tensor:
    """The whole matrix ``[C + 2, C + 2]`` by the public function; labels out of range do not raise."""
    settings = {"include_void": True, "validate_args": False} | settings
    return confusion_matrix(preds, target, num_classes, **settings)


def update_all(metric: Any, batches: Iterable[Sequence[Any]]) -> Any:
    """The metric after an update with each batch."""
    for batch in batches:
        metric.update(*batch)
    return metric


def void_batches(
    seed: int, count: int, shape: Sequence[int], num_classes: int = 3, void: int = 255
) -> list[tuple[Tensor, Tensor]]:
    """Batches of random label maps with void on both sides."""
    generator = torch.Generator().manual_seed(seed)

    def labels() -> Tensor:
        classes = torch.randint(0, num_classes + 1, shape, generator=generator)
        return classes.masked_fill(classes == num_classes, void)

    return [(labels(), labels()) for _ in range(count)]


def assert_same_counts(actual: Tensor, expected: Any) -> None:
    """Fails unless two matrices of counts are equal in dtype, shape and every cell; names the cells that differ."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == np.int64, f"counts are {actual.dtype}, not int64"
    assert actual.shape == expected.shape, f"counts are {actual.shape}, not {expected.shape}"
    wrong = np.argwhere(actual != expected)
    if len(wrong):
        true, pred = map(int, wrong[0])
        cells = f"{len(wrong)} cell{'s' * (len(wrong) > 1)} differ{'s' * (len(wrong) == 1)}"
        pytest.fail(f"cell (true={true}, pred={pred}): {actual[true, pred]} != {expected[true, pred]}, {cells}")


def assert_sentence(error: pytest.ExceptionInfo[Exception], *parts: str) -> None:
    """Fails unless the message of an error is on one line, ends with a full stop and holds all the parts."""
    sentence = str(error.value)
    assert sentence.endswith("."), sentence
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence


class NoWait(TorchDispatchMode):
    """Raises for every operator that makes the host wait for a value from an accelerator."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "equal", "_unique", "unique_")
    COPIES = ("tolist", "numpy", "cpu", "__array__")  # methods that call no operator where a tensor is on the CPU

    def __enter__(self) -> Any:
        self.patch = pytest.MonkeyPatch()
        for name in self.COPIES:
            self.patch.setattr(Tensor, name, partial(_refuse, name), raising=False)
        return super().__enter__()

    def __exit__(self, *of_error: Any) -> None:
        self.patch.undo()
        super().__exit__(*of_error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name.startswith(self.WAITS) or (name.startswith(("index", "_index_put")) and _has_mask(args)):
            raise AssertionError(f"{name} waits for the device")
        return func(*args, **(kwargs or {}))


def _refuse(name: str, *_: Any, **__: Any) -> None:
    raise AssertionError(f"{name} waits for the device")


def _has_mask(args: Any) -> bool:
    indices = [i for a in args if isinstance(a, list | tuple) for i in a]
    return any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices)


class Recorder(TorchDispatchMode):
    """Records the names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))
