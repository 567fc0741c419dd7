"""Generated bad input, and a long run."""

import gc
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grid import number_of_examples

from meaniou import IoUCurve, MeanIoU, MultilabelMeanIoU

DTYPES = (torch.bool, torch.uint8, torch.int16, torch.int64, torch.float32, torch.bfloat16, torch.complex64)
SIZES = st.integers(0, 4)


@st.composite
def things(draw: st.DrawFn) -> Any:
    """Arguments passed by mistake: tensors of any shape and dtype, lists of them, arrays, numbers and None."""
    shape = draw(st.lists(SIZES, max_size=4))
    kind = draw(st.sampled_from(["tensor"] * 6 + ["list", "array", "number", "none", "text"]))
    values = torch.from_numpy(np.random.default_rng(draw(st.integers(0, 99))).integers(-2, 6, shape))
    made = values.to(draw(st.sampled_from(DTYPES)))
    others = {"list": [made, made], "array": values.numpy(), "number": 3, "none": None, "text": "labels"}
    return others.get(kind, made)


@number_of_examples(fast=300, slow=1500)
def test_batches_are_counted_whole_or_refused_in_a_sentence(examples: int) -> None:
    @settings(max_examples=examples)
    @given(
        preds=things(),
        target=things(),
        valid=st.none() | things(),
        image_ids=st.none() | st.lists(st.integers(-2, 9), max_size=4) | things(),
        per_image=st.booleans(),
        forms=st.sampled_from(["auto", "index", "one-hot"]),
    )
    def check(preds: Any, target: Any, valid: Any, image_ids: Any, per_image: bool, forms: Any) -> None:
        metric = MeanIoU(3, ignore_index=5, per_image=per_image, input_format=forms)
        first = torch.eye(3)[None]  # scores and labels, or two class planes
        metric.update(
            first, first if forms == "one-hot" else torch.arange(3)[None], image_ids=[7] if per_image else None
        )
        before = {name: value for name, value in vars(metric).items() if name != "_computed"}
        counts, rows = metric.counts.clone(), [part.clone() for part in metric._joined()] if per_image else []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about scores that are no probabilities
            try:
                metric.update(preds, target, valid, **({} if image_ids is None else {"image_ids": image_ids}))
            except (TypeError, ValueError) as error:
                text = str(error)
                assert text.endswith("."), text
                assert "\n" not in text
                assert torch.equal(metric.counts, counts)
                assert (
                    all(torch.equal(a, b) for a, b in zip(metric._joined(), rows, strict=True)) if per_image else True
                )
                assert metric.update_count == before["_eager_updates"]
            else:
                pixels = sum(torch.as_tensor(t).numel() for t in (target if isinstance(target, list) else [target]))
                added = int((metric.counts - counts).sum())
                assert added in (pixels, pixels // 3)  # one-hot targets have three planes
                assert metric.update_count == 2

    check()


@number_of_examples(fast=300, slow=1500)
def test_batches_of_labels_are_counted_whole_or_refused_in_a_sentence(examples: int) -> None:
    @settings(max_examples=examples)
    @given(
        preds=things(),
        target=things(),
        valid=st.none() | things(),
        image_ids=st.none() | st.lists(st.integers(-2, 9), max_size=4) | things(),
        labels=st.integers(1, 3),
        kind=st.sampled_from(["labels", "rows", "curve"]),
    )
    def check(preds: Any, target: Any, valid: Any, image_ids: Any, labels: int, kind: str) -> None:
        if kind == "curve":
            metric: Any = IoUCurve(labels, thresholds=[0.2, 0.5], ignore_index=5)
        else:
            metric = MultilabelMeanIoU(labels, ignore_index=5, per_image=kind == "rows")
        metric.update(
            torch.rand(1, labels, 3), torch.ones(1, labels, 3), **({"image_ids": [7]} if kind == "rows" else {})
        )
        counts, rows = metric.counts.clone(), [part.clone() for part in metric._joined()] if metric.per_image else []
        ids = {} if image_ids is None or kind == "curve" else {"image_ids": image_ids}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about scores that are no probabilities
            try:
                metric.update(preds, target, valid, **ids)
            except (TypeError, ValueError) as error:
                text = str(error)
                assert text.endswith("."), text
                assert "\n" not in text
                assert torch.equal(metric.counts, counts)
                assert not rows or all(torch.equal(a, b) for a, b in zip(metric._joined(), rows, strict=True))
                assert metric.update_count == 1
            else:
                pixels = sum(torch.as_tensor(t).numel() for t in (target if isinstance(target, list) else [target]))
                assert int((metric.counts - counts).sum()) == pixels
                assert metric.update_count == 2

    check()


def resident() -> int:
    """Memory of this process in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_long_run_of_updates_takes_no_more_memory() -> None:
    metric = MeanIoU(19, ignore_index=255)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 19, (8, 1, 64, 64), generator=generator)
    for i in range(2000):
        metric.update(maps[i % 8], maps[(i + 1) % 8])
    before = resident()
    for i in range(20_000):
        metric.update(maps[i % 8], maps[(i + 1) % 8])
        if i % 1000 == 0:
            metric.compute()
    assert resident() - before < 4 << 20
    assert int(metric.counts.sum()) == 22_000 * 64 * 64
